"""Pictures in: as RGB uint8, upright, with clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    """A picture [H, W, 3] uint8 RGB, upright, as `kerashand.picture_files.read` has it.

    Raises:
        UserError: If it cannot be read, or is too small to show a hand.
    """
    try:
        picture = picture_files.read(path)
    except picture_files.PictureError as error:
        if is_picture(path):
            raise
        known = ", ".join(VIDEO_SUFFIXES)
        raise UserError(f"{error} Videos end in {known}.") from error
    if min(picture.shape[:2]) < LEAST_SIDE_PX:
        raise UserError(
            f"{path} is too small to show a hand: {picture.shape[1]} x {picture.shape[0]} px."
        )
    return picture
