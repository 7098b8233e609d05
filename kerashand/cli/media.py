"""Pictures in: as RGB uint8, upright, with clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.video import VIDEO_SUFFIXES

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
LEAST_SIDE_PX = 8

Picture = NDArray[np.uint8]


def is_picture(path: str | Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> Picture:
    """A picture [H, W, 3] uint8 RGB, turned as its EXIF orientation says.

    Grey becomes RGB, 16 bits become 8, and what is transparent is laid on white.

    Raises:
        UserError: If it cannot be read, or is too small to show a hand.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    if picture_files.is_transparent(path, content):
        picture = _on_white(content)
    else:
        bgr = picture_files.decoded(path, content)
        picture = None if bgr is None else bgr[:, :, ::-1]
    if picture is None:
        known = "" if is_picture(path) else f" Videos end in {', '.join(VIDEO_SUFFIXES)}."
        raise UserError(
            f"{path} is not a picture that OpenCV can read (JPEG, PNG, WebP, TIFF, BMP; no 32-bit "
            f"samples), or it is damaged.{known}"
        )
    if min(picture.shape[:2]) < LEAST_SIDE_PX:
        raise UserError(
            f"{path} is too small to show a hand: {picture.shape[1]} x {picture.shape[0]} px."
        )
    return np.ascontiguousarray(picture)


def _on_white(content: bytes) -> Picture | None:
    """RGB of a picture with alpha, upright, on white. OpenCV would not turn it upright."""
    try:
        with picture_files.opened(content) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except Exception:  # of many classes, for damage of many kinds
        return None
    white = Image.new("RGB", upright.size, "white")
    white.paste(upright, mask=upright)
    return np.asarray(white)
