"""Packages that the base install leaves out, and what needs them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

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
    check_packages(f"{form} in {precision}", needed_to_export(form, precision), extra="export")


def check_packages(what: str, packages: Iterable[str], *, extra: str) -> None:
    """Look for packages without importing them.

    Args:
        what: what needs them.
        packages: their names on PyPI; those of their modules have _ for -.
        extra: the extra of setup.cfg that they belong to.

    Raises:
        UserError: naming those that are not installed.
    """
    missing = [
        package
        for package in packages
        if importlib.util.find_spec(package.replace("-", "_")) is None
    ]
    if missing:
        raise UserError(
            f"{what} needs {' and '.join(missing)}, which the base install leaves "
            f'out: pip install -e ".[{extra}]" in the folder of the project, or pip install '
            f"{' '.join(missing)}."
        )
