"""Write the RGB-only model of a training run: image in, 2D joints and joint depth out.

    python export/export_model.py --run runs/weak --format tflite --precision fp16 --out hand.tflite
    python export/export_model.py --run runs/weak --format saved_model --out hand_pose

The depth regularizer is not part of it. Inputs and outputs: see `kerashand.exporting`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kerashand import exporting
from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError

SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx", "saved_model": ""}


def main(argv: list[str] | None = None) -> int:
    """Export one run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="a run folder")
    parser.add_argument("--format", choices=exporting.FORMATS, default="saved_model")
    parser.add_argument("--precision", choices=exporting.PRECISIONS, default="fp32")
    parser.add_argument("--out", type=Path, required=True, help="the file or folder to write")
    args = parser.parse_args(argv)
    return exit_code("export_model", lambda: export(args))


def export(args: argparse.Namespace) -> None:
    """Write the model of the run."""
    suffix = SUFFIXES[args.format]
    if args.out.suffix != suffix:
        wanted = f"end in {suffix}" if suffix else "name a folder, without a suffix,"
        raise UserError(f"`--out` must {wanted} for this format. Received: {args.out}")
    model, config = exporting.load_run(args.run)
    exporting.export(
        model, args.out, args.format,
        metadata=exporting.describe(config), precision=args.precision,
    )  # fmt: skip
    print(f"{args.out}: {args.format} of {args.run}")


if __name__ == "__main__":
    raise SystemExit(main())
