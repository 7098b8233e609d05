"""`kerashand-export`: a trained model as one file for other runtimes, checked against the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from kerashand import __version__
from kerashand.cli.arguments import add_backgrounds, check_backgrounds, exit_code
from kerashand.cli.startup import tensorflow_start
from kerashand.errors import UserError
from kerashand.extras import check_export
from kerashand.files import identity, user_path
from kerashand.runtime.backends import (
    FORMATS,
    JOINTS_SIGNATURE,
    PRECISIONS,
    XYZ_SIGNATURE,
    depth_along,
)

WEIGHTS = "weights"
WEIGHTS_SUFFIX = ".npz"


def build_parser(prog: str = "kerashand-export") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Writes the RGB-only model as one file: uint8 crop in, joints out. The runtime "
        "of the format runs the file on rendered hands. Its joints are compared with those of the "
        "model. NAME.parity.json beside the file holds the differences. A file that differs more "
        "than its precision allows is not written (fp32 0.01 px, fp16 0.1 px at any joint; 8 bits "
        "0.5 mm in the mean error). A detector is compared on rendered pictures (fp32 0.001, fp16 "
        "0.01, 8 bits 0.1 at any score).",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model", default="lite",
        help="`lite` (the packaged pose model, default), `detector` (the packaged detector), a run "
        "folder, or a .tflite file made here",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=(*FORMATS, WEIGHTS), default="tflite",
        help="default: tflite; weights: starting weights for model.initial_weights",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="fp32",
        help="fp32 (default); fp16: weights of 16 bits, in .tflite files the largest kernels of 8; "
        "dynamic_int8: weights of 8 bits, activations quantized at run time, in .tflite files fine "
        "maps in float; int8: weights and activations of 8 bits, calibrated on rendered hands, "
        "heads in float",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, help="the file to write (saved_model: the folder)"
    )
    parser.add_argument(
        "--signature", choices=(JOINTS_SIGNATURE, XYZ_SIGNATURE),
        help=f"signature of an .onnx file (default: {JOINTS_SIGNATURE}); other formats have both",
    )  # fmt: skip
    parser.add_argument(
        "--hands", type=int, default=64,
        help="rendered hands, or pictures for a detector, to compare on (default: 64)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", type=int, default=128,
        help="rendered hands that int8 measures the ranges of activations on (default: 128)",
    )  # fmt: skip
    add_backgrounds(parser, "behind the rendered hands")
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand-export") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    return exit_code(prog, lambda: _export(arguments))


def _export(arguments: argparse.Namespace) -> None:
    _check(arguments)
    with tensorflow_start():
        from kerashand import exporting

    model, metadata = exporting.load_exportable(arguments.model)
    is_detector = metadata["task"] == "hand_detector"
    if is_detector:
        _check_detector(arguments)
    if arguments.format == WEIGHTS:
        exporting.save_weights(model, arguments.out)
        print(f"{arguments.out}: weights, which model.initial_weights takes")
        return
    exporting.check_precision(arguments.format, arguments.precision, metadata["task"])

    def hands(split: str, count: int) -> exporting.Hands:
        return exporting.rendered_hands(
            metadata["style"], split, count, size_px=metadata["image_size_px"],
            scale_bone=metadata["scale_bone"], backgrounds=arguments.backgrounds,
            depth_along=depth_along(metadata),
        )  # fmt: skip

    static = arguments.precision == "int8"
    shown: exporting.Hands | exporting.Pictures
    if is_detector:
        shown = exporting.rendered_pictures(
            "test", arguments.hands, size_px=metadata["image_size_px"],
            backgrounds=arguments.backgrounds,
        )  # fmt: skip
    else:
        shown = hands("test", arguments.hands)
    report = exporting.checked_export(
        model, arguments.out, arguments.format, metadata=metadata, precision=arguments.precision,
        signature=arguments.signature or JOINTS_SIGNATURE, hands=shown,
        calibration=hands("train", arguments.calibration) if static else None,
    )  # fmt: skip
    print(exporting.parity_text(report))
    print(f"  written with {exporting.report_path(arguments.out).name}")


def _check_detector(arguments: argparse.Namespace) -> None:
    """Refuse what a detector does not have.

    Raises:
        UserError: saying what was received.
    """
    if arguments.format == WEIGHTS:
        raise UserError("--format weights is for pose models; --model is a detector.")
    if arguments.signature == XYZ_SIGNATURE:
        raise UserError(f"--signature {XYZ_SIGNATURE} is for pose models; --model is a detector.")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before TensorFlow is imported.

    Raises:
        UserError: saying what was received.
    """
    out, form = arguments.out, FORMATS.get(arguments.format)
    suffix = form.suffix if form else WEIGHTS_SUFFIX
    if out.suffix.lower() != suffix:
        wanted = f"end in {suffix}" if suffix else "name a folder, without a suffix,"
        raise UserError(f"--out must {wanted} for --format {arguments.format}. Received: {out}")
    if not out.parent.is_dir():
        raise UserError(f"--out: the folder {out.parent} does not exist.")
    if suffix and out.is_dir():
        raise UserError(f"--out: {out} is a folder.")
    if identity(out) == identity(user_path(arguments.model)):
        raise UserError(f"--out: {out} is the model that is read. Choose another name.")
    for flag, value in (("hands", arguments.hands), ("calibration", arguments.calibration)):
        if value < 1:
            raise UserError(f"--{flag} must be at least 1. Received: {value}")
    if arguments.signature and not (form and form.one_signature):
        raise UserError("--signature is for --format onnx; the other formats hold both.")
    check_export(arguments.format, arguments.precision)
    check_backgrounds(arguments.backgrounds)


if __name__ == "__main__":
    raise SystemExit(main())
