"""Writing pictures so that a file never appears half-written."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike
from PIL import Image

from kerashand.files import write_bytes
from kerashand.visualize.images import as_uint8

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JPEG_QUALITY = 85
PNG_LEVEL = 1
"""Of compression: the next levels take several times as long, and save little."""


def save_png(path: str | os.PathLike[str], image_rgb: ArrayLike) -> None:
    """Write an RGB image [H, W, 3] of 0..255; the file appears under its name when it is whole.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the name does not end with .png, or the image holds whole numbers above 255.
    """
    if not os.fspath(path).lower().endswith(".png"):
        raise ValueError(f"a PNG file must end with .png. Received: {os.fspath(path)!r}")
    encoded = io.BytesIO()
    Image.fromarray(as_uint8(image_rgb)).save(encoded, "PNG", compress_level=PNG_LEVEL)
    write_bytes(path, encoded.getvalue())


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, or as JPEG to a name that ends with .jpg.

    The file appears under its name when it is whole.
    """
    buffer = io.BytesIO()
    if os.fspath(path).lower().endswith(".jpg"):
        figure.savefig(buffer, format="jpeg", pil_kwargs={"quality": JPEG_QUALITY})
    else:
        figure.savefig(buffer, format="png")
    write_bytes(path, buffer.getvalue())
