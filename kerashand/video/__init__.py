"""Films and cameras in, films out: frames with their times, upright, with square pixels.

Films go through PyAV (FFmpeg), cameras through OpenCV; each is imported where it is needed. A film
is known by what it holds, not by its name, and can open no other file or address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kerashand.video.camera import Camera
    from kerashand.video.film import Film

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
CAMERA = re.compile(r"(?:webcam|camera)(?::(\d{1,3}))?", re.IGNORECASE)
ASSUMED_FPS = 30.0


@dataclass(frozen=True)
class Frame:
    """A picture of a film as players show it.

    Attributes:
        rgb: [H, W, 3] uint8, turned upright, with square pixels.
        time_s: since the film's beginning, or the first frame of a camera; it only rises.
        duration_s: how long it is shown, as far as that is known before the next one.
    """

    rgb: NDArray[np.uint8]
    time_s: float
    duration_s: float


def camera_number(name: str) -> int | None:
    """The number of a camera that an input names as `camera:N` or `webcam`, else None."""
    match = CAMERA.fullmatch(name)
    return int(match.group(1) or 0) if match else None


def is_video(path: str | Path) -> bool:
    """Whether a file's name says that it is a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def open_video(name: str) -> Film | Camera:
    """The camera or the film that an input names.

    Raises:
        UserError: If it cannot be opened.
    """
    if camera_number(name) is None:
        from kerashand.video.film import Film

        return Film(name)
    from kerashand.video.camera import Camera

    return Camera(name)
