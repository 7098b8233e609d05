"""Write the RGB-only model of a training run: image in, 2D joints and joint depth out.

    python export/export_model.py --run runs/weak --format tflite --precision fp16 --out hand.tflite
    python export/export_model.py --run runs/weak --format saved_model --out hand_pose

The depth regularizer is not part of it. Inputs and outputs: see `kerashand.exporting`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kerashand import exporting
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
    try:
        suffix = SUFFIXES[args.format]
        if args.out.suffix != suffix:
            wanted = f"end in {suffix}" if suffix else "name a folder, without a suffix,"
            raise UserError(f"`--out` must {wanted} for this format. Received: {args.out}")
        model, config = exporting.load_run(args.run)
        exporting.export(
            model, args.out, args.format,
            metadata=exporting.describe(config), precision=args.precision,
        )  # fmt: skip
    except UserError as error:
        print(f"export_model: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: {args.format} of {args.run}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
