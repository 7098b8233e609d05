"""Train the detector, export it, and measure it on labelled photographs.

    python tools/recipe/train_detector.py --photographs photographs --backgrounds backgrounds \
        --run-dir runs/detector

Photographs come from tools/recipe/prepare_photographs.py, backgrounds without hands from
tools/recipe/fetch_backgrounds.py. Stopped, the same command goes on. Beside what every run folder
holds, it writes detector.tflite and results.json. The results say of which split they are; choices
are made on `val`. They are those of the detector alone; with the pose model, which decides about
doubtful hands, tools/recipe/evaluate_model.py measures whole pictures, on `--split val` to choose
`--threshold`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from kerashand import picture_files
from kerashand.cli.arguments import RESUMABLE, exit_code
from kerashand.cli.startup import tensorflow_start
from kerashand.data.kinds.photos import boxed_pictures, labels_digest, load_labels
from kerashand.errors import UserError
from kerashand.evaluation.photographs import box_of
from kerashand.evaluation.summary import Numbers, detection_summary
from kerashand.files import write_text
from kerashand.metrics_detection import evaluate_detector, match_hands
from kerashand.runtime.detector import Detector
from kerashand.runtime.views import upright_rad
from kerashand.skeleton import MIDDLE_MCP, ROOT
from kerashand.synthetic.backgrounds import empty_pictures
from kerashand.synthetic.pictures import render_picture

with tensorflow_start():
    from kerashand import exporting
    from kerashand.data.pictures import PhotographedPictures, RenderedPictures
    from kerashand.training.detector import DetectorPictures, DetectorSettings, train_detector

LOWEST_SCORE = 0.05
WANTED_PRECISION = 0.95
HANDS_FREE = 500
RENDERED_TEST = 400


def main(argv: list[str] | None = None) -> int:
    """Train what is missing and measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--backgrounds", help="folder (default: the few in the package)")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/detector"))
    parser.add_argument("--out", type=Path, help="the file (default: detector.tflite of the run)")
    parser.add_argument("--rendered", type=int, default=12000, help="rendered pictures to train on")
    parser.add_argument("--photographed", type=int, default=8000, help="photographs likewise")
    parser.add_argument("--size", type=int, default=192, help="side of the network's input")
    parser.add_argument("--width", type=float, default=0.9)
    parser.add_argument(
        "--start", help=".tflite of a detector whose weights it starts from (default: from nothing)"
    )
    parser.add_argument(
        "--start-share", type=float, default=0.0,
        help="what the weights of --start count in those that it ends with (default: 0)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--steps", type=int, default=500, help="of an epoch")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="the highest one")
    parser.add_argument(
        "--checkpoint-every", type=int, metavar="STEPS", help="beside those after each epoch"
    )
    parser.add_argument(
        "--precision", default="float32", choices=("float32", "mixed_bfloat16", "mixed_float16"),
        help="of the training; bfloat16 is faster where the processor has it",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=float, default=0.15, help="score from which on joints are looked for"
    )
    parser.add_argument(
        "--split", default="val", choices=("val", "test"),
        help="of the results; test once, of a chosen detector (default: val)",
    )  # fmt: skip
    parser.add_argument(
        "--least-up", type=float, default=0.5, help="length of the direction of a hand that is sure"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    return exit_code("train_detector", lambda: train(args), stopped=RESUMABLE)


def train(args: argparse.Namespace) -> None:
    """Train what is missing, measure it and print the results."""
    if not 0.0 <= args.start_share < 1.0 or (args.start_share and not args.start):
        raise UserError(
            "--start-share must be at least 0 and below 1, and needs --start. Received: "
            f"{args.start_share}"
        )
    photographed = {
        "path": str(args.photographs.resolve()),
        "seed": args.seed,
        "digest": labels_digest(args.photographs),
        "backgrounds": args.backgrounds,
    }
    pictures = DetectorPictures(
        sets=(
            RenderedPictures("train", args.seed, args.rendered, args.backgrounds),
            PhotographedPictures(split="train", samples=args.photographed, **photographed),
        ),
        shares=(16, 16),
        validation=PhotographedPictures(split="val", samples=256, **photographed),
    )
    settings = DetectorSettings(
        image_size_px=args.size,
        width=args.width,
        epochs=args.epochs,
        steps_per_epoch=args.steps,
        learning_rate=args.learning_rate,
        precision=args.precision,
        seed=args.seed,
        start=args.start,
        start_share=args.start_share,
    )
    network = train_detector(
        pictures, args.run_dir, settings=settings, checkpoint_every=args.checkpoint_every
    )
    print(json.dumps(measure(network, args), indent=2))


def measure(network, args: argparse.Namespace) -> dict:
    """Export; precision and recall at the threshold that the validation photographs ask for."""
    path = args.out or args.run_dir / "detector.tflite"

    def write(threshold: float) -> None:
        described = exporting.describe_detector(
            image_size_px=args.size,
            width=args.width,
            threshold=threshold,
            least_up=args.least_up,
        )
        exporting.export(network, path, "tflite", metadata=described, precision="fp16")

    write(LOWEST_SCORE)
    detector = Detector.load(path)
    none = on_none(detector, args)
    photographs = {"val": on_photographs(detector, args.photographs, "val")}
    val = evaluate_detector([*photographs["val"], *none])
    good = np.flatnonzero(val.precision >= WANTED_PRECISION)
    threshold = float(val.thresholds[good[0]]) if len(good) else float(val.thresholds[-1])
    if args.split not in photographs:
        photographs[args.split] = on_photographs(detector, args.photographs, args.split)
    measured = photographs[args.split]
    rendered = [
        match_hands(
            detector.detect(p.image, max_hands=4), p.boxes[p.weight > 0], p.is_right[p.weight > 0]
        )
        for p in (
            render_picture(args.split, args.seed, i, backgrounds=args.backgrounds)
            for i in range(RENDERED_TEST)
        )
    ]
    write(args.threshold)
    results = {
        "split": args.split,
        "threshold": threshold,
        "photographs": named(detection_summary(measured, threshold)),
        "photographs and pictures without hands": named(
            detection_summary([*measured, *none], threshold)
        ),
        "pictures without hands that show one": detection_summary(none, threshold)["empty_seen"],
        "rendered pictures": named(detection_summary(rendered, threshold)),
        "directions of photographed hands": directions(detector, args.photographs, args.split),
    }
    write_text(args.run_dir / "results.json", json.dumps(results, indent=2))
    return results


def on_photographs(detector: Detector, folder: Path, split: str) -> list:
    """Matches of the photographs of a split."""
    return [
        match_hands(detector.detect(rgb, max_hands=4), boxes, is_right)
        for rgb, boxes, is_right, _ in boxed_pictures(str(folder), split)
    ]


def directions(detector: Detector, folder: Path, split: str) -> dict[str, float]:
    """How far off the directions of hands in given boxes are, in degrees."""
    labels = load_labels(str(folder))
    off = []
    for row in np.flatnonzero((labels["split"] == split) & (labels["uv_weight"] > 0).any(axis=1)):
        uv = labels["uv_px"][row]
        rgb = picture_files.read(folder / str(labels["name"][row]))
        seen = detector.seen_in(rgb, box_of(uv))
        apart = seen.upright_rad - upright_rad(uv[MIDDLE_MCP] - uv[ROOT])
        off.append(abs(np.rad2deg(np.arctan2(np.sin(apart), np.cos(apart)))))
    return {
        "hands": len(off),
        "median": round(float(np.median(off)), 1),
        "share above 30": round(float(np.mean(np.array(off) > 30.0)), 4),
    }


def on_none(detector: Detector, args: argparse.Namespace) -> list:
    """Matches of cut-outs of the backgrounds, which hold no hand."""
    pictures = empty_pictures([args.seed, 99], HANDS_FREE, folder=args.backgrounds)
    return [match_hands(detector.detect(rgb, max_hands=4), (), ()) for rgb in pictures]


def named(numbers: Numbers) -> dict[str, float]:
    """A summary by the names of results."""
    rounded = {key: round(value, 4) for key, value in numbers.items()}
    handedness = rounded.pop("handedness", 0.0)
    average = rounded.pop("average_precision")
    return rounded | {"handedness accuracy": handedness, "average precision": average}


if __name__ == "__main__":
    raise SystemExit(main())
