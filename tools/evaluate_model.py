"""Measure an exported pose model on held-out photographs, by groups, and on rendered hands.

    python tools/evaluate_model.py --photographs photographs --backgrounds backgrounds

Photographs come from tools/prepare_photographs.py; their labels are a machine's, in 2D. Each hand
is cut as the square of 1.3 boxes around its points, with the side given: errors are in pixels of
that square drawn 256 px wide. Where the folder holds joints in 3D (two clips of one hand: a
machine's points in two cameras), they are measured like rendered hands, and beside them the depth
that the machine itself sees in one of the pictures. Rendered hands have a known
camera and one known bone: their table gives 3D errors with the true root depth, and the error of
the root depth that is solved for. Whole pictures, of which the finder tells where hands are, are
measured on the photographs and on as many cut-outs of the backgrounds, which hold no hands.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand.cli.arguments import exit_code
from kerashand.data.photos import POINTS_3D_FILE, boxed_pictures, load_labels
from kerashand.errors import UserError
from kerashand.files import write_text
from kerashand.geometry.camera import HAND_MARGIN, px_from_cam
from kerashand.geometry.pose import relative_depth, scale_from_joints, xyz_from_uv_z
from kerashand.metrics import PROTOCOLS, SHOWN_PX, errors_of_256, evaluate_pose, joint_errors_mm
from kerashand.metrics_detection import evaluate_finder, match_hands
from kerashand.runtime import HandPose
from kerashand.runtime.hand_pose import LARGEST_BOX
from kerashand.synthetic.appearance import empty_pictures
from kerashand.synthetic.scene import draw_sample

PCK_SHARE = 0.1
FEWEST = 15  # hands of a group that may be called the worst
FINGERS = (5, 9, 13, 17)
EDGE_ON = 0.25  # sine of the angle between index and little knuckle, seen from the wrist
SKIN = ((85.0, "dark"), (150.0, "medium"), (256.0, "light"))  # luma of the hand in the picture


def main(argv: list[str] | None = None) -> int:
    """Print the tables and write results.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help=".tflite or .onnx (default: the packaged one)")
    parser.add_argument("--finder", type=Path, help="likewise")
    parser.add_argument("--photographs", type=Path, help="folder of labelled photographs")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--rendered", type=int, default=1000, help="hands to render")
    parser.add_argument("--backgrounds", help="folder (default: the few in the package)")
    parser.add_argument("--passes", type=int, default=1, help="looks at each hand")
    parser.add_argument(
        "--loose", type=float, default=1.0, help="boxes so many times as large as the hands"
    )
    parser.add_argument("--out", type=Path, help="file of results, .json")
    args = parser.parse_args(argv)
    return exit_code("evaluate_model", lambda: evaluate(args))


def evaluate(args: argparse.Namespace) -> None:
    """Measure, print and write what is asked for."""
    for flag, value, low in (("passes", args.passes, 1), ("rendered", args.rendered, 0)):
        if value < low:
            raise UserError(f"--{flag} must be at least {low}. Received: {value}")
    if not 1.0 <= args.loose <= LARGEST_BOX:
        raise UserError(f"--loose must be 1 to {LARGEST_BOX}. Received: {args.loose}")
    model = HandPose.load(args.model, finder=args.finder)
    given = {"passes": args.passes, "loose": args.loose}
    results: dict = dict(given)
    if args.photographs:
        results["photographs"] = photographs(model, args.photographs, args.split, **given)
        if model.finder is not None:
            results["whole pictures"] = whole_pictures(model, args)
        if (args.photographs / POINTS_3D_FILE).is_file():
            points = points_in_3d(args.photographs, args.split)
            if len(points["name"]):
                results["photographs in 3D"] = stereo(model, args.photographs, points, **given)
            if len(points.get("labeller_mm", ())):
                results["the labeller's own depth"] = labeller_in_3d(
                    args.photographs, points, model.scale_bone
                )
    if args.rendered:
        results["rendered hands"] = rendered(model, args.rendered, args.backgrounds, **given)
    print(text_of(results))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.out, json.dumps(results, indent=2))


def box_of(uv_px: np.ndarray, loose: float = 1.0) -> tuple[float, ...]:
    """Left, top, right, bottom of the points [21, 2], `loose` times as large about their middle."""
    low, high = uv_px.min(axis=0), uv_px.max(axis=0)
    more = (loose - 1.0) * (high - low) / 2
    return (*(low - more), *(high + more))


def photographs(
    model: HandPose, folder: Path, split: str, passes: int, loose: float = 1.0
) -> dict[str, dict]:
    """Errors of the hands of a split by group, "all" first."""
    labels = load_labels(str(folder))
    errors, groups = [], []
    for row in np.flatnonzero(labels["split"] == split):
        picture = cv2.imread(str(folder / str(labels["name"][row])))
        if picture is None:
            raise UserError(f"{folder / str(labels['name'][row])} is not a picture.")
        rgb, uv = np.ascontiguousarray(picture[:, :, ::-1]), labels["uv_px"][row]
        is_right = bool(labels["is_right"][row])
        hand = model.predict(
            rgb, box=box_of(uv, loose), side="right" if is_right else "left", passes=passes
        )[0]
        errors.append(errors_of_256(hand.uv_px, uv))
        collection = [str(labels["set"][row])] if "set" in labels else []
        groups.append({"all", *collection, *groups_of(rgb, uv, is_right)})
    errors = np.array(errors)
    box_px = SHOWN_PX / HAND_MARGIN
    result = {}
    for name in sorted(set().union(*groups), key=lambda name: (name != "all", name)):
        chosen = errors[[name in of for of in groups]]
        result[name] = {
            "hands": len(chosen),
            "mean_px": float(chosen.mean()),
            "median_px": float(np.median(chosen)),
            "pck": float((chosen <= PCK_SHARE * box_px).mean()),
        }
    return result


def groups_of(rgb: np.ndarray, uv_px: np.ndarray, is_right: bool) -> list[str]:
    """What a labelled hand counts as: its side, view, pose and brightness."""
    index, little = uv_px[5] - uv_px[0], uv_px[17] - uv_px[0]
    lengths = np.linalg.norm(index) * np.linalg.norm(little)
    sine = (index[0] * little[1] - index[1] * little[0]) / max(lengths, 1e-6)
    # Fingers up and the palm to the camera: the little finger of a right hand is on the left.
    view = "palm" if (sine < 0) == is_right else "back"
    if abs(sine) < EDGE_ON:
        view = "edge"
    reach = np.linalg.norm(uv_px - uv_px[0], axis=1)
    straight = [reach[first + 3] > reach[first + 1] for first in FINGERS]
    pose = {
        (False, False, False, False): "fist",
        (True, False, False, False): "pointing",
        (True, True, True, True): "open",
    }.get(tuple(bool(s) for s in straight), "some fingers")
    middles = np.concatenate([(uv_px[0] + uv_px[list(FINGERS)]) / 2, uv_px[[5, 9, 13]]])
    columns, rows = np.clip(np.rint(middles).astype(int), 0, np.array(rgb.shape[1::-1]) - 1).T
    luma = float(np.median(rgb[rows, columns] @ [0.299, 0.587, 0.114]))
    skin = next(name for limit, name in SKIN if luma < limit)
    return [
        f"side: {'right' if is_right else 'left'}",
        f"view: {view}",
        f"pose: {pose}",
        f"skin in the picture: {skin}",
    ]


def whole_pictures(model: HandPose, args: argparse.Namespace) -> dict:
    """Precision, recall and side of the hands that `predict` finds in whole pictures."""

    def matched(rgb: NDArray, boxes=(), is_right=()):
        return match_hands(model.predict(rgb, max_hands=4, passes=args.passes), boxes, is_right)

    photographed = [matched(*one) for one in boxed_pictures(str(args.photographs), args.split)]
    empty = [
        matched(rgb) for rgb in empty_pictures([1], len(photographed), folder=args.backgrounds)
    ]
    result = evaluate_finder([*photographed, *empty], [0.0])
    return {
        "photographs": len(photographed),
        "without hands": len(empty),
        "precision": float(result.precision[0]),
        "recall": float(result.recall[0]),
        "side": float(result.side_accuracy[0]),
        "share_of_empty_with_a_hand": float(np.mean([len(m.score) > 0 for m in empty])),
    }


def points_in_3d(folder: Path, split: str) -> dict[str, NDArray]:
    """The arrays of a split of the photographs whose joints two cameras gave; it may be empty."""
    with np.load(folder / POINTS_3D_FILE, allow_pickle=False) as points:
        chosen = points["split"] == split
        return {key: points[key][chosen] for key in points.files}


def stereo(model: HandPose, folder: Path, points: dict, passes: int, loose: float = 1.0) -> dict:
    """3D errors on photographs with `points_in_3d`."""
    pictures = (cv2.imread(str(folder / str(name)))[:, :, ::-1] for name in points["name"])
    hands = zip(pictures, points["xyz_mm"], points["intrinsics"], strict=True)
    return errors_3d(model, hands, passes, loose)


def rendered(
    model: HandPose, count: int, backgrounds: str | None, passes: int, loose: float = 1.0
) -> dict:
    """3D errors on the test split of the look `varied`."""
    samples = (
        draw_sample("varied", "test", 0, index, size_px=SHOWN_PX, backgrounds=backgrounds)
        for index in range(count)
    )
    return errors_3d(model, ((s.image, s.xyz_mm, s.intrinsics) for s in samples), passes, loose)


def errors_3d(
    model: HandPose,
    hands: Iterable[tuple[NDArray, NDArray, NDArray]],
    passes: int,
    loose: float = 1.0,
) -> dict:
    """3D errors on (picture, xyz_mm, intrinsics) of right hands; box and scale bone are given."""
    rows: dict[str, list] = {"known": [], "solved": [], "true": [], "px": []}
    for picture, xyz_mm, intrinsics in hands:
        uv = px_from_cam(xyz_mm, intrinsics)
        scale_mm = scale_from_joints(xyz_mm, model.scale_bone)
        hand = model.predict(
            np.ascontiguousarray(picture), box=box_of(uv, loose), side="right", passes=passes
        )[0]
        for name, root_depth_mm in (("known", xyz_mm[0, 2]), ("solved", None)):
            in_mm = model.with_camera(hand, intrinsics, scale_mm, root_depth_mm)
            rows[name].append(in_mm.xyz_mm)
        rows["true"].append(xyz_mm)
        rows["px"].append(errors_of_256(hand.uv_px, uv))
    known, solved, true = (np.array(rows[key], np.float64) for key in ("known", "solved", "true"))
    depth_error = np.abs(solved[:, 0, 2] - true[:, 0, 2])
    return {
        "mean_px": float(np.mean(rows["px"])),
        "scale_bone": model.scale_bone,
        **with_known_root(known, true),
        "root_mean_mm": float(depth_error.mean()),
        "root_median_mm": float(np.median(depth_error)),
        "root_share": float((depth_error / true[:, 0, 2]).mean()),
        "camera_mean_mm": float(joint_errors_mm(solved, true).mean()),
    }


def with_known_root(own_mm: NDArray, true_mm: NDArray) -> dict:
    """Errors of joints [N, 21, 3] whose root depth was given; as `cai2018` but for the scale.

    `depth_slope` is how deep hands are seen: depth about the wrist along the optical axis, own on
    true, by least squares through 0 over all joints. 1 is right on average, 0 is flat.
    """
    pose = evaluate_pose(own_mm, true_mm, PROTOCOLS["cai2018"])
    own, true = (xyz[:, 1:, 2] - xyz[:, :1, 2] for xyz in (own_mm, true_mm))
    return {
        "hands": len(true_mm),
        "auc": pose["auc"],
        "mean_mm": pose["mean_error_mm"],
        "median_mm": pose["median_error_mm"],
        "depth_mm": pose["mean_depth_error_mm"],
        "depth_slope": float((own * true).sum() / (true * true).sum()),
    }


def labeller_in_3d(folder: Path, points: dict, scale_bone: str) -> dict:
    """What `stereo` gives, for the labeller: its points, and the depth it saw in one picture."""
    true_mm, intrinsics, seen_mm = (points[key] for key in ("xyz_mm", "intrinsics", "labeller_mm"))
    labels = load_labels(str(folder))
    uv_of = dict(zip(labels["name"], labels["uv_px"], strict=True))
    uv_px = np.stack([uv_of[name] for name in points["name"]]).astype(np.float64)
    own_mm = xyz_from_uv_z(
        uv_px,
        relative_depth(seen_mm, scale_from_joints(seen_mm, scale_bone)),
        intrinsics,
        true_mm[:, 0, 2],
        scale_from_joints(true_mm, scale_bone),
    )
    true_uv = px_from_cam(true_mm, intrinsics)
    px = [errors_of_256(own, true) for own, true in zip(uv_px, true_uv, strict=True)]
    return {"mean_px": float(np.mean(px)), "scale_bone": scale_bone} | with_known_root(
        own_mm, true_mm
    )


TABLE_3D = {
    "hands": ("hands", "{:,}"),
    "mean_px": ("px of 256", "{:.1f}"),
    "auc": ("AUC 20-50", "{:.3f}"),
    "mean_mm": ("mean mm", "{:.1f}"),
    "median_mm": ("median", "{:.1f}"),
    "depth_mm": ("depth mm", "{:.1f}"),
    "depth_slope": ("depth, own on true", "{:.2f}"),
    "root_mean_mm": ("root solved, mean mm off", "{:.1f}"),
    "root_share": ("of the distance", "{:.1%}"),
}
"""Columns of the table of 3D errors."""


def text_of(results: dict) -> str:
    """The tables in Markdown."""
    lines = []
    if "photographs" in results:
        lines += [
            "| photographs | hands | mean px of 256 | median | PCK 0.1 |",
            "|---|---|---|---|---|",
        ]
        for name, row in results["photographs"].items():
            lines.append(
                f"| {name} | {row['hands']} | {row['mean_px']:.1f} | {row['median_px']:.1f} | "
                f"{row['pck']:.3f} |"
            )
        large = {k: v for k, v in results["photographs"].items() if v["hands"] >= FEWEST}
        if large:
            worst = max(large, key=lambda name: large[name]["mean_px"])
            lines += ["", f"Worst group of at least {FEWEST} hands: {worst}."]
        lines.append("")
    if "whole pictures" in results:
        row = results["whole pictures"]
        lines += [
            f"Whole pictures, {row['photographs']} photographs and {row['without hands']} without "
            f"hands: precision {row['precision']:.3f}, recall {row['recall']:.3f}, side right in "
            f"{row['side']:.3f} of the hands found; {row['share_of_empty_with_a_hand']:.1%} of the "
            "pictures without hands show one.",
            "",
        ]
    in_3d = ("photographs in 3D", "the labeller's own depth", "rendered hands")
    if measured := [name for name in in_3d if name in results]:
        lines += [f"| | {' | '.join(title for title, _ in TABLE_3D.values())} |"]
        lines += ["|---" * (1 + len(TABLE_3D)) + "|"]
        for name in measured:
            row = results[name]
            cells = [
                form.format(row[key]) if key in row else "" for key, (_, form) in TABLE_3D.items()
            ]
            lines.append(f"| {' | '.join([name, *cells])} |")
        lines += ["", f"Known in 3D: the camera and {row['scale_bone']}; but for the last two "
                  "columns also the depth of the wrist."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
