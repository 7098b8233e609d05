"""Writing pictures so that a file never appears half-written."""

from __future__ import annotations

import io
import os

import cv2
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from kerashand.files import write_bytes
from kerashand.visualize.images import as_uint8


def save_png(path: str | os.PathLike[str], image_rgb: ArrayLike) -> None:
    """Write an RGB image [H, W, 3] of 0..255; the file appears under its name when it is whole.

    Raises:
        OSError: If the file cannot be written.
    """
    encoded = cv2.imencode(".png", as_uint8(image_rgb)[:, :, ::-1])[1]
    write_bytes(path, encoded.tobytes())


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG; the file appears under its name when it is whole."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_bytes(path, buffer.getvalue())
