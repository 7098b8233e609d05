"""Picture files, whose size is looked at before anything is unpacked."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerashand.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
MOST_PIXELS = 120_000_000
"""More than the largest cameras of phones give; as RGB they take 360 MB."""
MOST_TRANSPARENT_PIXELS = 50_000_000
"""Pillow, which lays them on white, needs three times as much room for each."""


@contextmanager
def opened(content: bytes) -> Iterator[Image.Image]:
    """A picture as Pillow opens it, which reads its head alone; raises errors of many classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is large or odd
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            yield picture


def is_transparent(name: str | Path, content: bytes) -> bool | None:
    """Whether a picture has alpha, as its head says; None if it is no picture.

    Raises:
        UserError: if there are too many pixels.
    """
    try:
        with opened(content) as picture:
            (width, height), transparent = picture.size, picture.has_transparency_data
    except Image.DecompressionBombError:  # far too large for Pillow too
        raise _too_large(name, "far more pixels", MOST_PIXELS) from None
    except Exception:
        return None
    most = MOST_TRANSPARENT_PIXELS if transparent else MOST_PIXELS
    if width * height > most:
        raise _too_large(name, f"{width} x {height} pixels", most)
    return transparent


def _too_large(name: str | Path, size: str, most: int) -> UserError:
    return UserError(
        f"{name} says that it has {size}; {most // 10**6} million are the most that are read. Make "
        "it smaller, or get it again if it is not that large."
    )


def decoded(name: str | Path, content: bytes, flags: int = cv2.IMREAD_COLOR) -> NDArray | None:
    """What `cv2.imdecode` makes of the content of a file; None if it cannot be read.

    Raises:
        UserError: if there are too many pixels.
    """
    if is_transparent(name, content) is None:
        return None
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        return None


def read(path: str | Path, flags: int = cv2.IMREAD_COLOR) -> NDArray | None:
    """What `cv2.imread` makes of a file; None if it is not there or cannot be read.

    Raises:
        UserError: if there are too many pixels.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError):
        return None
    return decoded(path, content, flags)
