"""What the package does with packages that may be absent, and the extra that brings each.

`PURPOSES` is the one list. No package is imported here.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from kerashand.errors import UserError


class Package(NamedTuple):
    """What people call a package, and the module that Python imports."""

    title: str
    module: str


class Purpose(NamedTuple):
    """Something that needs packages (keys of `PACKAGES`), and the extra of setup.cfg with them.

    Of the base install the extra is empty.
    """

    packages: tuple[str, ...]
    extra: str


PACKAGES = {
    "tensorflow": Package("TensorFlow", "tensorflow"),
    "keras": Package("Keras", "keras"),
    "tensorboard": Package("TensorBoard", "tensorboard"),
    "opencv-python-headless": Package("OpenCV", "cv2"),
    "matplotlib": Package("Matplotlib", "matplotlib"),
    "av": Package("PyAV", "av"),
    "onnxruntime": Package("ONNX Runtime", "onnxruntime"),
    "tf2onnx": Package("tf2onnx", "tf2onnx"),
    "onnx": Package("ONNX", "onnx"),
    "ai-edge-quantizer": Package("the LiteRT quantizer", "ai_edge_quantizer"),
    "scipy": Package("SciPy", "scipy"),
}
"""By their names on PyPI."""
PURPOSES = {
    "training": Purpose(("tensorflow", "keras", "tensorboard", "matplotlib"), ""),
    "a film": Purpose(("av",), ""),
    "an .onnx file": Purpose(("onnxruntime",), "edge"),
    "export to ONNX": Purpose(("tf2onnx", "onnx", "onnxruntime"), "export"),
    "export in 8 bits": Purpose(("ai-edge-quantizer",), "export"),
    "STB": Purpose(("scipy",), "datasets"),
}


def missing(purpose: str) -> list[str]:
    """The packages of a purpose that are not installed, by their names on PyPI."""
    return [
        package
        for package in PURPOSES[purpose].packages
        if importlib.util.find_spec(PACKAGES[package].module) is None
    ]


def check_export(form: str, precision: str) -> None:
    """Look for the packages that write and check a format in a precision.

    Raises:
        UserError: naming those that are not installed.
    """
    lacking = []
    if form == "onnx":  # the last of them runs the file, which every export is checked with
        lacking = missing("export to ONNX")
    elif form == "tflite" and precision.endswith("int8"):
        lacking = missing("export in 8 bits")
    if lacking:
        raise UserError(
            f"{form} in {precision} needs {' and '.join(lacking)}, which the base install leaves "
            'out: pip install -e ".[export]" in the folder of the project, or pip install '
            f"{' '.join(lacking)}."
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
