"""Pictures in: as RGB uint8, upright, with clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.video import HEIC_BRANDS, VIDEO_SUFFIXES

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
HEIC_SUFFIXES = (".heic", ".heif", ".hif", ".avif")
HEIC_TEXT = (
    "HEIC and AVIF pictures are not read: save them as JPEG. An iPhone does so itself (Settings, "
    "Camera, Formats, Most Compatible); `heif-convert a.heic a.jpg` turns one."
)
LEAST_SIDE_PX = 8

Picture = NDArray[np.uint8]


def is_picture(path: str | Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> Picture:
    """A picture [H, W, 3] uint8 RGB, upright, as `kerashand.picture_files.read` has it.

    Raises:
        UserError: If it cannot be read, or is too small to show a hand.
    """
    try:
        picture = picture_files.read(path)
    except picture_files.PictureError as error:
        if _is_heic(path):
            raise UserError(f"{path} is a HEIC or AVIF picture. {HEIC_TEXT}") from error
        if is_picture(path):
            raise
        known = ", ".join(VIDEO_SUFFIXES)
        raise UserError(f"{error} Videos end in {known}.") from error
    if min(picture.shape[:2]) < LEAST_SIDE_PX:
        raise UserError(
            f"{path} is too small to show a hand: {picture.shape[1]} x {picture.shape[0]} px."
        )
    return picture


def _is_heic(path: Path) -> bool:
    """Whether the first bytes of a file, whatever its name, say that it is HEIC or AVIF."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[4:8] == b"ftyp" and head[8:] in HEIC_BRANDS
