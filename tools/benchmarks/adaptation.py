"""What adapting the packaged model to a recording gains.

Recordings are rendered: a hand, a room and a camera that no training saw, over a table, whose true
joints are known. Each is labelled by `kerashand-data label`, and adapted to by `adapt.yaml` with
points alone, with depth, and with its true joints. Errors are those of one pass, with the true
depth of the wrist and the true palm, on frames of the training and on the last fifth, which is kept
for the test. The points that `label` wrote are compared with the truth in the same way.

    python tools/benchmark.py adaptation --recordings 5 --seeds 0 --work adaptation
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerashand.skeleton import NUM_JOINTS

if TYPE_CHECKING:
    from kerashand.data.kinds.kind import Kind
    from kerashand.data.readers.table import HandTable

FIRST_RECORDING = 3001
"""Seed of the first recording; those of 4001 and up are for choices."""
WITHOUT_DEPTH = (
    "stages.finetune.loss_weights.depth_map=0", "stages.finetune.loss_weights.joint_surface=0",
    "stages.finetune.loss_weights.point_depth=0", "stages.regularizer.epochs=0",
)  # fmt: skip
TRUE_KIND = "rgbd_true"
SETTINGS = {
    "points": ("stages.finetune.labels.target=[uv]", *WITHOUT_DEPTH),
    "depth": (),
    "full": (
        f"data.target.kind={TRUE_KIND}", "stages.finetune.labels.target=[uv,xyz]",
        "stages.finetune.loss_weights.bone_length=0", "stages.finetune.loss_weights.bone_spread=0",
        *WITHOUT_DEPTH,
    ),
}  # fmt: skip
SPLITS = ("train", "test")
WRONG = 0.1
"""Distance of a wrong point from its joint, in sides of the box around the joints."""
BATCH = 64


def add_options(parser: argparse.ArgumentParser) -> None:
    """The recordings, how often each is adapted to, and where all of it lies."""
    parser.add_argument("--recordings", type=int, default=5, help="(default: 5)")
    parser.add_argument("--frames", type=int, default=500, help="of each (default: 500)")
    parser.add_argument(
        "--every", type=int, default=1, help="so many frames of the motion apart (default: 1)"
    )
    parser.add_argument("--scene", default="table", help="(default: table)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="(default: 0)")
    parser.add_argument(
        "--settings", nargs="+", choices=SETTINGS, default=[*SETTINGS], help="(default: all)"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("adaptation"), help="kept, and gone on in"
    )
    parser.add_argument("--first", type=int, default=FIRST_RECORDING, help="seed of the first one")
    parser.add_argument("--set", nargs="*", default=[], help="settings beside those of adapt.yaml")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Adapt and measure; results by recording, setting and seed."""
    from kerashand.data.kinds import KINDS

    KINDS[TRUE_KIND] = true_kind()  # before the configuration learns what kinds there are
    from kerashand.cli import data as data_command
    from kerashand.cli.startup import tensorflow_start

    with tensorflow_start():
        from kerashand.config import load_config
        from kerashand.training.run import run

    rows, labels = [], []
    for number in range(args.first, args.first + args.recordings):
        # Named by all that decides what it holds: other frames are another recording.
        folder = args.work / f"{args.scene}_{number}_{args.frames}_every_{args.every}"
        if not (folder / "recording.yaml").exists():
            data_command.main([
                "simulate", str(folder), "--scene", args.scene, "--seed", str(number),
                "--frames", str(args.frames), "--every", str(args.every),
            ])  # fmt: skip
        if not (folder / "points.jsonl").exists():
            data_command.main(["label", str(folder)])
        frames = Frames(folder)
        labels.append({"recording": number, **label_errors(folder, args.frames)})
        packaged = {"recording": number, "setting": "packaged", **frames.errors(None)}
        rows.append(packaged)
        print(_line(packaged), flush=True)
        for seed in args.seeds:
            for setting in args.settings:
                name = f"{folder.name}_{setting}_{seed}"
                config = load_config(
                    "adapt.yaml",
                    [f"data.target.path={folder}", f"seed={seed}", f"name={name}",
                     "evaluation.pictures=0", *SETTINGS[setting], *args.set],
                )  # fmt: skip
                config = config.with_run_dir(str(args.work / "runs" / name))
                results = run(config)
                row = {"recording": number, "setting": setting, "seed": seed}
                row["seconds"] = results["training_seconds"]
                row["epoch"] = results["chosen"]["epoch"]
                row["score"] = results["chosen"]["label_free_score"]
                if setting != "full":  # its score measures distances from other points
                    packaged["score"] = results["chosen"]["scores"][0]
                rows.append(row | frames.errors(Path(config.run_dir)))
                print(_line(rows[-1]), flush=True)
    found = {
        "frames": args.frames,
        "every": args.every,
        "scene": args.scene,
        "settings": args.set,
        "rows": rows,
    }
    return found | {"labels": labels} | summary(rows)


def true_kind() -> Kind:
    """`rgbd` with the true joints of a simulated recording as labels."""
    from kerashand.data.kinds import rgbd
    from kerashand.data.kinds.kind import table_kind

    def read(root: Path, split: str) -> HandTable:
        table = rgbd.read(root, split)
        held = np.load(Path(root) / "truth.npz")
        rows = {frame: row for row, frame in enumerate(held["frame"].tolist())}
        at = [rows[Path(path).stem] for path in table.images]
        return dataclasses.replace(
            table,
            uv_px=held["uv_px"][at].astype(np.float32),
            uv_weight=np.ones((len(at), NUM_JOINTS), np.float32),
            xyz_mm=held["xyz_mm"][at].astype(np.float32),
            has_xyz=True,
        )

    kind = rgbd.KIND
    return table_kind(
        TRUE_KIND, what=kind.what, labels=("uv", "xyz", "depth"), splits=kind.splits, read=read,
        labels_key=kind.labels_key, segment=kind.segment, validation_share=kind.validation_share,
        validation_blocks=kind.validation_blocks,
    )  # fmt: skip


def label_errors(folder: Path, frames: int) -> dict[str, float]:
    """How right the points are that `label` wrote.

    Returns:
        Share of the frames that have points; mean distance of points from the joints in pixels of a
        crop of 128, share of the points with a weight that are wrong (more than `WRONG` of the box
        off), and mean 3D error in mm with the wrist at its true depth.
    """
    from kerashand.data.readers.recording import load_points, load_recording
    from kerashand.geometry.camera import HAND_MARGIN, cam_from_px, px_from_cam

    camera = load_recording(folder).intrinsics
    held = np.load(folder / "truth.npz")
    truth = dict(zip(held["frame"].tolist(), held["xyz_mm"].astype(np.float64), strict=True))
    boxes_off, used, off_mm = [], [], []
    for row in load_points(folder):
        joints = truth[row["frame"]]
        true_px = px_from_cam(joints, camera)
        side = np.ptp(true_px, axis=0).max()
        boxes_off.append(np.linalg.norm(row["uv_px"] - true_px, axis=1) / side)
        used.append(row["weight"] > 0)
        z_mm = row["z_mm"] - row["z_mm"][0] + joints[0, 2]
        points = cam_from_px(row["uv_px"].astype(np.float64), z_mm, camera)
        off_mm.append(np.linalg.norm(points - joints, axis=1))
    off, kept = np.array(boxes_off), np.array(used)
    return {
        "labelled": len(off) / frames,
        "mean_px": float(off.mean() / HAND_MARGIN * 128),
        "used": float(kept.mean()),
        "wrong": float((off[kept] > WRONG).mean()),
        "mean_mm": float(np.mean(off_mm)),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What each setting gains, and whether the score tells it.

    Returns:
        By setting the ratio of its error to the packaged model's, mean over recordings of the means
        over seeds, on both splits; and the rank correlation (Spearman) of score and error of the
        frames trained on, over all rows but those with the true joints.
    """
    errors = _errors(rows)
    numbers = sorted({row["recording"] for row in rows})
    gains: dict[str, dict[str, float]] = {}
    for setting in sorted({row["setting"] for row in rows} - {"packaged"}):
        ratios = [errors[number, setting] / errors[number, "packaged"] for number in numbers]
        gains[setting] = dict(zip(SPLITS, np.mean(ratios, axis=0).tolist(), strict=True))
    scored = [row for row in rows if row["setting"] != "full" and "score" in row]
    ranks = [
        _ranks([row["score"] for row in scored]),
        _ranks([row["train"]["mean_mm"] for row in scored]),
    ]
    correlation = float(np.corrcoef(ranks)[0, 1])
    print(f"ratios to the packaged model: {gains}; rank correlation {correlation:.2f}")
    return {"ratio_to_packaged": gains, "rank_correlation": correlation}


def _errors(rows: list[dict[str, Any]]) -> dict[tuple[int, str], np.ndarray]:
    """Mean error of both splits over the seeds, by recording and setting."""
    found: dict[tuple[int, str], list] = {}
    for row in rows:
        each = [row[split]["mean_mm"] for split in SPLITS]
        found.setdefault((row["recording"], row["setting"]), []).append(each)
    return {key: np.mean(each, axis=0) for key, each in found.items()}


def _ranks(values: list[float]) -> np.ndarray:
    """Places in order; equal values share the mean of theirs, as runs that kept a model have."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _line(row: dict[str, Any]) -> str:
    name = f"{row['recording']} {row['setting']} {row.get('seed', '')}"
    if "epoch" in row:
        name += f" epoch {row['epoch']}, score {row['score']:.2f}"
    return f"{name:<40}" + "  ".join(
        f"{split} {row[split]['mean_mm']:.1f} mm, Procrustes {row[split]['procrustes_mm']:.1f}"
        for split in SPLITS
    )


class Frames:
    """The labelled frames of a recording, cut out, with their truth."""

    def __init__(self, folder: Path):
        from kerashand import picture_files
        from kerashand.data.crops import cut_hand
        from kerashand.data.kinds import rgbd
        from kerashand.geometry.camera import HAND_MARGIN

        held = np.load(folder / "truth.npz")
        truth = dict(zip(held["frame"].tolist(), held["xyz_mm"].astype(np.float64), strict=True))
        self.rows = []
        for split in ("train", "test"):
            table = rgbd.read(folder, split)
            for row, path in enumerate(table.images):
                crop, affine = cut_hand(
                    picture_files.read(path), table.uv_px[row], table.uv_weight[row],
                    margin=HAND_MARGIN, size_px=128,
                )  # fmt: skip
                camera = affine @ table.intrinsics[row].astype(np.float64)
                self.rows.append((split, crop, camera, truth[Path(path).stem]))

    def errors(self, run: Path | None) -> dict[str, dict[str, float]]:
        """Mean errors of a run's model, or of the packaged one, by split."""
        from kerashand.carried import load_carried
        from kerashand.exporting.models import load_run
        from kerashand.geometry.pose import xyz_from_uv_z
        from kerashand.metrics import joint_errors_mm, pa_align
        from kerashand.runtime.hand_pose import POSE_FILE, packaged_model

        model = load_carried(packaged_model(POSE_FILE))[0] if run is None else load_run(run)[0]
        splits, crops, cameras, truth = (np.array(part) for part in zip(*self.rows, strict=True))
        found = []
        for first in range(0, len(crops), BATCH):
            part = slice(first, first + BATCH)
            output = model(crops[part].astype(np.float32), training=False)
            palm = np.linalg.norm(truth[part, 9] - truth[part, 0], axis=-1)
            found.append(
                xyz_from_uv_z(
                    np.asarray(output["uv_px"], float),
                    np.asarray(output["z_relative"], float),
                    cameras[part],
                    root_depth_mm=truth[part, 0, 2],
                    scale_mm=palm,
                    depth_along="line_of_sight",
                )
            )
        xyz = np.concatenate(found)
        aligned = joint_errors_mm(pa_align(xyz, truth), truth).mean(axis=1)
        errors = joint_errors_mm(xyz, truth).mean(axis=1)
        return {
            split: {
                "frames": int((splits == split).sum()),
                "mean_mm": float(errors[splits == split].mean()),
                "procrustes_mm": float(aligned[splits == split].mean()),
            }
            for split in ("train", "test")
        }
