"""What the package does with packages that the base install leaves out, and the extra of each.

The base install predicts. `PURPOSES` is the one list of all that needs more; commands and modules
call `check` before they start on it. No package is imported here.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import NamedTuple

from kerashand.errors import UserError


class Package(NamedTuple):
    """A package that an extra brings.

    Attributes:
        title: what people call it.
        module: what Python imports.
    """

    title: str
    module: str


class Purpose(NamedTuple):
    """Something that needs packages.

    Attributes:
        packages: keys of `PACKAGES`.
        extra: of setup.cfg, which brings them all.
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
    "rosbags": Package("rosbags", "rosbags"),
    "lzfse": Package("lzfse", "lzfse"),
    "pyrealsense2": Package("pyrealsense2", "pyrealsense2"),
    "rerun-sdk": Package("rerun-sdk", "rerun"),
}
"""By their names on PyPI."""

_KERAS = ("tensorflow", "keras", "opencv-python-headless")
PURPOSES = {
    "training": Purpose((*_KERAS, "tensorboard", "matplotlib"), "train"),
    "evaluation": Purpose((*_KERAS, "matplotlib"), "train"),
    "the sample cache": Purpose(_KERAS, "train"),
    "a sheet of hands": Purpose(("opencv-python-headless",), "opencv"),
    "a Keras model": Purpose(("tensorflow", "keras"), "train"),
    "a SavedModel": Purpose(("tensorflow",), "train"),
    "plot_landmarks": Purpose(("matplotlib",), "train"),
    "a video": Purpose(("av",), "video"),
    "a camera": Purpose(("opencv-python-headless",), "opencv"),
    "an .onnx file": Purpose(("onnxruntime",), "edge"),
    "export": Purpose(_KERAS, "export"),
    "export to ONNX": Purpose((*_KERAS, "tf2onnx", "onnx", "onnxruntime"), "export"),
    "export in 8 bits": Purpose((*_KERAS, "ai-edge-quantizer"), "export"),
    "STB": Purpose(("scipy",), "datasets"),
    "a ROS bag": Purpose(("rosbags", "opencv-python-headless"), "camera"),
    "a Record3D file": Purpose(("lzfse", "opencv-python-headless"), "camera"),
    "a RealSense camera": Purpose(("pyrealsense2", "opencv-python-headless"), "realsense"),
    "a recording": Purpose(("opencv-python-headless",), "opencv"),
    "--view 3d": Purpose(("opencv-python-headless",), "opencv"),
    "--rerun": Purpose(("rerun-sdk",), "rerun"),
}
"""By the words that messages start with."""
NEWEST_PYTHON = dict.fromkeys(("train", "export"), (3, 13))
"""Of the extras with TensorFlow, which has no release for later ones. The base runs on them too."""


def missing(purpose: str) -> list[str]:
    """The packages of a purpose that are not installed, by their names on PyPI."""
    return [
        package
        for package in PURPOSES[purpose].packages
        if importlib.util.find_spec(PACKAGES[package].module) is None
    ]


def check(purpose: str, what: str | None = None) -> None:
    """Look for the packages of a purpose without importing them.

    Args:
        purpose: key of `PURPOSES`.
        what: stands in the message for the purpose, such as the name of a file.

    Raises:
        UserError: naming the first that is not installed, and the command that installs all.
    """
    if lacking := missing(purpose):
        raise UserError(f"{what or purpose} {needs(lacking[0], PURPOSES[purpose].extra)}")


def check_export(form: str, precision: str) -> None:
    """The same for an export to a format in a precision."""
    if form == "onnx":
        check("export to ONNX")
    elif form == "tflite" and precision.endswith("int8"):
        check("export in 8 bits")
    else:
        check("export")


def needs(package: str, extra: str) -> str:
    """The rest of a sentence that starts with what needs a package."""
    return f"needs {PACKAGES[package].title}, which the base install leaves out: {remedy(extra)}"


def remedy(extra: str) -> str:
    """The command that installs an extra, or which Python can have it."""
    python, newest = sys.version_info[:2], NEWEST_PYTHON.get(extra)
    if newest is not None and python > newest:
        return (
            f"use Python {newest[0]}.{newest[1]}, since TensorFlow has no release for "
            f"{python[0]}.{python[1]} yet"
        )
    return f'pip install "kerashand[{extra}]"'


def needs_module(module: str) -> str | None:
    """The same of a module that could not be imported; None if no extra brings it."""
    for package in (name for name, one in PACKAGES.items() if one.module == module):
        users = (one for one in PURPOSES.values() if package in one.packages)
        smallest = min(users, key=lambda one: len(one.packages))
        return needs(package, smallest.extra)
    return None
