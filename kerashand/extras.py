"""Packages that the base install leaves out: what exports and recordings need of them."""

from __future__ import annotations

import importlib.util

from kerashand.errors import UserError

ONNX = ("tf2onnx", "onnx", "onnxruntime")
"""The last one runs the file, which every export is checked with."""
QUANTIZER = "ai-edge-quantizer"


def needed_to_export(form: str, precision: str) -> tuple[str, ...]:
    """The packages, by their names on PyPI, that write and check a format in a precision."""
    if form == "onnx":
        return ONNX
    return (QUANTIZER,) if form == "tflite" and precision.endswith("int8") else ()


def check_export(form: str, precision: str) -> None:
    """Look for the packages without importing them.

    Raises:
        UserError: naming those that are not installed.
    """
    missing = [
        package
        for package in needed_to_export(form, precision)
        if importlib.util.find_spec(package.replace("-", "_")) is None
    ]
    if missing:
        raise UserError(
            f"{form} in {precision} needs {' and '.join(missing)}, which the base install leaves "
            'out: pip install -e ".[export]" in the folder of the project, or pip install '
            f"{' '.join(missing)}."
        )


def check_rerun() -> None:
    """Look for rerun-sdk without importing it.

    Raises:
        UserError: If it is not installed.
    """
    if importlib.util.find_spec("rerun") is None:
        raise UserError(
            "--rerun needs rerun-sdk, which the base install leaves out: pip install -e "
            '".[rerun]" in the folder of the project, or pip install rerun-sdk.'
        )
