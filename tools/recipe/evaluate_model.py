"""Measure an exported pose model on labelled photographs, by groups, and on rendered hands.

    python tools/recipe/evaluate_model.py --photographs photographs --backgrounds backgrounds

Choices are made on the validation split, which is the default; `--split test` is for the figures of
a model that is chosen. The output says which one it shows.

Photographs come from tools/recipe/prepare_photographs.py; their labels are a machine's, in 2D. Each
hand is cut as the square of 1.3 boxes around its points, with the handedness given: errors are in
pixels of that square drawn 256 px wide. Beside that the model says the handedness itself, of the
picture and of its mirror image. Squares without a hand (all points of weight 0) have no error; they
tell how often the model sees a hand where none is. Where the folder holds joints in 3D (two clips
of one hand: a machine's points in two cameras), they are measured like rendered hands, and beside
them the depth that the machine itself sees in one of the pictures. Rendered hands have a known
camera and one known bone: their table gives 3D errors with the true root depth, and the error of
the root depth that is solved for. Whole pictures, of which the detector tells where hands are, are
measured on the photographs, on their mirror images, and on as many cut-outs of the backgrounds,
which hold no hands.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.cli.arguments import exit_code
from kerashand.data.kinds.photos import POINTS_3D_FILE, load_labels
from kerashand.errors import UserError
from kerashand.evaluation.groups import ALL, by_group, worst_in_words
from kerashand.evaluation.photographs import box_of, on_squares, on_whole_pictures, square_px
from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import Numbers, summary
from kerashand.files import write_text
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.pose import relative_depth, scale_from_joints, xyz_from_uv_z
from kerashand.metrics import SHOWN_PX
from kerashand.runtime import HandPose
from kerashand.runtime.hand import LARGEST_BOX
from kerashand.synthetic.backgrounds import empty_pictures
from kerashand.synthetic.scene import render_sample

SPLITS = ("val", "test", "train")
PROTOCOL = "cai2018"
NAMES = {
    "samples": "hands", "mean_error_px": "mean_px", "median_error_px": "median_px",
    "pck_2d": "pck", "mean_error_mm": "mean_mm", "median_error_mm": "median_mm",
    "mean_depth_error_mm": "depth_mm",
}  # fmt: skip
"""Numbers of a summary -> what results call them; the others keep their names."""
BY_NEED = "by need"
"""What results say of the passes where their number is not given."""
CURVE = ("pck", "thresholds_mm", "protocol")
"""Of a summary, not written."""


def main(argv: list[str] | None = None) -> int:
    """Print the tables and write results.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help=".tflite or .onnx (default: the packaged one)")
    parser.add_argument("--detector", type=Path, help="likewise")
    parser.add_argument("--photographs", type=Path, help="folder of labelled photographs")
    parser.add_argument(
        "--split", default=SPLITS[0], choices=SPLITS,
        help="of all photographs and rendered hands; test once, of a chosen model (default: val)",
    )  # fmt: skip
    parser.add_argument("--rendered", type=int, default=1000, help="hands to render")
    parser.add_argument("--backgrounds", help="folder (default: the few in the package)")
    parser.add_argument(
        "--passes", type=int,
        help="runs of the network on each hand (default: by need, as the model's recipe says)",
    )  # fmt: skip
    parser.add_argument(
        "--loose", type=float, default=1.0, help="boxes so many times as large as the hands"
    )
    parser.add_argument("--out", type=Path, help="file of results, .json")
    args = parser.parse_args(argv)
    return exit_code("evaluate_model", lambda: evaluate(args))


def evaluate(args: argparse.Namespace) -> None:
    """Measure, print and write what is asked for."""
    for flag, value, low in (("passes", args.passes, 1), ("rendered", args.rendered, 0)):
        if value is not None and value < low:
            raise UserError(f"--{flag} must be at least {low}. Received: {value}")
    if not 1.0 <= args.loose <= LARGEST_BOX:
        raise UserError(f"--loose must be 1 to {LARGEST_BOX}. Received: {args.loose}")
    model = HandPose.load(args.model, detector=args.detector)
    given = {"passes": args.passes, "loose": args.loose}
    results: dict = {"split": args.split, **given, "passes": args.passes or BY_NEED}
    if args.photographs:
        results["photographs"] = photographs(model, args.photographs, args.split, **given)
        if model.detector is not None:
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
        results["rendered hands"] = rendered(
            model, args.rendered, backgrounds=args.backgrounds, split=args.split, **given
        )
    print(text_of(results))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.out, json.dumps(results, indent=2))


def named(numbers: Numbers) -> Numbers:
    """A summary by the names of results."""
    return {NAMES.get(key, key): value for key, value in numbers.items() if key not in CURVE}


def unnamed(row: Numbers) -> Numbers:
    """What `named` was given, but for the curve."""
    original = {new: old for old, new in NAMES.items()}
    return {original.get(key, key): value for key, value in row.items()}


def photographs(
    model: HandPose, folder: Path, split: str, *, passes: int | None, loose: float = 1.0
) -> dict[str, Numbers]:
    """The numbers of the squares of a split by group, "all" first."""
    predictions, groups = on_squares(
        model,
        folder,
        split,
        passes=passes,
        loose=loose,
        asks_handedness=model.detector is not None or model.has_heads,
    )
    return {name: named(row) for name, row in by_group(predictions, groups).items()}


def whole_pictures(model: HandPose, args: argparse.Namespace) -> dict[str, Any]:
    """Precision, recall and handedness of the hands that `predict` finds in whole pictures."""
    count = pictures_of_hands(args.photographs, args.split)
    if not count:
        raise UserError(f"{args.photographs} shows no hand in the split {args.split}.")
    empty = empty_pictures([1], count, folder=args.backgrounds)
    groups = on_whole_pictures(model, args.photographs, args.split, empty=empty, passes=args.passes)
    row = groups[ALL]
    return {
        "photographs": row["pictures"] - row["empty_pictures"],
        "without hands": row["empty_pictures"],
        "precision": row["precision"],
        "recall": row["recall"],
        "handedness": row.get("handedness", float("nan")),
        "share_of_empty_with_a_hand": row["empty_seen"],
        "groups": groups,
    }


def pictures_of_hands(folder: Path, split: str) -> int:
    """How many photographs of a split show a hand."""
    labels = load_labels(str(folder))
    is_hand = (labels["uv_weight"] > 0).any(axis=1)
    return len(set(labels["name"][is_hand & (labels["split"] == split)].tolist()))


def points_in_3d(folder: Path, split: str) -> dict[str, NDArray]:
    """The arrays of a split of the photographs whose joints two cameras gave; it may be empty."""
    with np.load(folder / POINTS_3D_FILE, allow_pickle=False) as points:
        chosen = points["split"] == split
        return {key: points[key][chosen] for key in points.files}


def stereo(
    model: HandPose, folder: Path, points: dict, *, passes: int | None, loose: float = 1.0
) -> dict:
    """3D errors on photographs with `points_in_3d`."""
    pictures = (picture_files.read(folder / str(name)) for name in points["name"])
    hands = zip(pictures, points["xyz_mm"], points["intrinsics"], strict=True)
    return errors_3d(model, hands, passes=passes, loose=loose)


def rendered(
    model: HandPose,
    count: int,
    *,
    backgrounds: str | None,
    passes: int | None,
    loose: float = 1.0,
    split: str = "test",
) -> dict:
    """3D errors on a split of the style `varied`."""
    samples = (
        render_sample(
            "varied", split, seed=0, index=index, size_px=SHOWN_PX, backgrounds=backgrounds
        )
        for index in range(count)
    )
    return errors_3d(
        model, ((s.image, s.xyz_mm, s.intrinsics) for s in samples), passes=passes, loose=loose
    )


def errors_3d(
    model: HandPose,
    hands: Iterable[tuple[NDArray, NDArray, NDArray]],
    *,
    passes: int | None,
    loose: float = 1.0,
) -> dict:
    """3D errors on (picture, xyz_mm, intrinsics) of right hands; box and scale bone are given."""
    columns: dict[str, list] = {}
    for picture, xyz_mm, intrinsics in hands:
        uv = px_from_cam(xyz_mm, intrinsics)
        scale_mm = scale_from_joints(xyz_mm, model.scale_bone)
        hand = model.predict(
            np.ascontiguousarray(picture), box=box_of(uv, loose), handedness="right", passes=passes
        )[0]
        values = {
            "uv_px": hand.uv_px,
            "uv_true_px": uv,
            "side_px": square_px(uv),
            "confidence": hand.confidence,
            "xyz_true_mm": xyz_mm,
            "xyz_mm": model.with_camera(
                hand, intrinsics, scale_mm=scale_mm, root_depth_mm=xyz_mm[0, 2]
            ).xyz_mm,
            "xyz_solved_mm": model.with_camera(hand, intrinsics, scale_mm=scale_mm).xyz_mm,
        }
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
    arrays = {name: np.array(values, np.float64) for name, values in columns.items()}
    numbers = summary(Predictions(**arrays), PROTOCOL)
    return {"scale_bone": model.scale_bone, **named(numbers)}


def labeller_in_3d(folder: Path, points: dict, scale_bone: str) -> dict:
    """What `stereo` gives, for the labeller: its points, and the depth it saw in one picture."""
    true_mm, intrinsics, seen_mm = (points[key] for key in ("xyz_mm", "intrinsics", "labeller_mm"))
    labels = load_labels(str(folder))
    hands = np.flatnonzero((labels["uv_weight"] > 0).any(axis=1))
    uv_of = {labels["name"][row]: labels["uv_px"][row] for row in hands}
    uv_px = np.stack([uv_of[name] for name in points["name"]]).astype(np.float64)
    own_mm = xyz_from_uv_z(
        uv_px,
        relative_depth(seen_mm, scale_from_joints(seen_mm, scale_bone)),
        intrinsics,
        root_depth_mm=true_mm[:, 0, 2],
        scale_mm=scale_from_joints(true_mm, scale_bone),
    )
    true_uv = px_from_cam(true_mm, intrinsics)
    side_px = np.array([square_px(uv) for uv in true_uv])
    labelled = Predictions(
        uv_px=uv_px, uv_true_px=true_uv, side_px=side_px, xyz_mm=own_mm, xyz_true_mm=true_mm
    )
    return {"scale_bone": scale_bone, **named(summary(labelled, PROTOCOL))}


TABLE_2D = {
    "hands": ("hands", "{}"),
    "mean_px": ("mean px of 256", "{:.1f}"),
    "median_px": ("median", "{:.1f}"),
    "pck": ("PCK 0.1", "{:.3f}"),
    "hands_above_15px": ("> 15 px", "{:.1%}"),
    "calibration_error": ("ECE", "{:.3f}"),
    "handedness": ("handedness right", "{:.3f}"),
    "handedness_worst": ("worst handedness", "{:.3f}"),
    "hands_seen": ("seen", "{:.3f}"),
    "empty_squares": ("without a hand", "{}"),
    "empty_seen": ("of these seen", "{:.3f}"),
}
"""Columns of the table of photographs; ECE: expected calibration error of joints. The worst side is
that of right and left hands, as they are and mirrored, whose side is told worst."""
TABLE_WHOLE = {
    "pictures": ("pictures", "{}"),
    "hands": ("hands", "{}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "handedness": ("handedness right", "{:.3f}"),
    "empty_pictures": ("without hands", "{}"),
    "empty_seen": ("of these with one", "{:.3f}"),
}
"""Columns of the table of whole pictures; sides are those that the pictures show."""
TABLE_3D = {
    "hands": ("hands", "{:,}"),
    "mean_px": ("px of 256", "{:.1f}"),
    "auc": ("AUC 20-50", "{:.3f}"),
    "mean_mm": ("mean mm", "{:.1f}"),
    "median_mm": ("median", "{:.1f}"),
    "depth_mm": ("depth mm", "{:.1f}"),
    "depth_slope": ("depth, own on true", "{:.2f}"),
    "procrustes_mm": ("Procrustes mm", "{:.1f}"),
    "hands_above_15px": ("> 15 px", "{:.1%}"),
    "root_mean_mm": ("root solved, mean mm off", "{:.1f}"),
    "root_share": ("of the distance", "{:.1%}"),
}
"""Columns of the table of 3D errors."""


def text_of(results: dict) -> str:
    """The tables in Markdown."""
    split = f" ({results['split']} split)" if "split" in results else ""
    lines = []
    if "photographs" in results:
        rows = results["photographs"]
        lines += markdown(f"photographs{split}", TABLE_2D, rows)
        lines += ["", *worst_in_words({name: unnamed(row) for name, row in rows.items()}), ""]
    if "whole pictures" in results:
        row = results["whole pictures"]
        lines += [
            f"Whole pictures{split}, {row['photographs']} photographs and {row['without hands']} "
            f"without hands: precision {row['precision']:.3f}, recall {row['recall']:.3f}, side "
            f"right in {row['handedness']:.3f} of the hands found; "
            f"{row['share_of_empty_with_a_hand']:.1%} of the pictures without hands show one.",
            "",
            *markdown(f"whole pictures{split}", TABLE_WHOLE, row["groups"]),
            "",
            *worst_in_words(row["groups"]),
            "",
        ]
    in_3d = ("photographs in 3D", "the labeller's own depth", "rendered hands")
    if measured := {name: results[name] for name in in_3d if name in results}:
        bone = next(reversed(measured.values()))["scale_bone"]
        lines += markdown(split.strip(), TABLE_3D, measured)
        lines += ["", f"Known in 3D: the camera and {bone}; but for the last two columns also the "
                  "depth of the wrist."]  # fmt: skip
        lines += [
            f"{name}: {row['mean_without_offsets_mm']:.1f} mm instead of {row['mean_mm']:.1f} "
            "without the mean offset of each joint, fitted on the other half of the hands."
            for name, row in measured.items()
            if "mean_without_offsets_mm" in row
        ]
    return "\n".join(lines)


def markdown(title: str, columns: dict, rows: dict[str, dict]) -> list[str]:
    """Lines of a table; a cell is empty where a row lacks the number."""
    lines = [f"| {title} | {' | '.join(name for name, _ in columns.values())} |"]
    lines += ["|---" * (1 + len(columns)) + "|"]
    for name, row in rows.items():
        cells = [form.format(row[key]) if key in row else "" for key, (_, form) in columns.items()]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
