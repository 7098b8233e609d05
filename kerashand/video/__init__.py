"""Films and cameras in, films out: frames with their times, upright, with square pixels.

Films go through PyAV (FFmpeg), cameras through OpenCV; each is imported where it is needed. A film
is known by what it holds, not by its name, and can open no other file or address.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kerashand.video.camera import Camera
    from kerashand.video.film import Film

VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ogv", ".3gp", ".mts", ".m2ts"),
)
"""Files of a folder that end so are videos; a file that is named by itself is known by content."""
STOPPED = ".stopped"
"""What is put before the ending of a file that Ctrl-C has left unfinished."""
FIRST_BYTES = (
    *(b"\x1a\x45\xdf\xa3", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
)
"""Of Matroska and WebM, FLV, Ogg, MPEG program streams and ASF."""
TS_MARK, TS_PACKET_BYTES = b"\x47", 188
"""MPEG transport streams: what each packet begins with, and its length."""
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
"""Of pictures that lie in files like those of MP4."""
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


def holds_video(path: str | Path) -> bool:
    """Whether the first bytes of a file are those of a film that can be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(TS_PACKET_BYTES + 1)
    except OSError:
        return False
    boxed = head[4:8] == b"ftyp" and head[8:12] not in HEIC_BRANDS
    packets = head[:1] == TS_MARK == head[TS_PACKET_BYTES:]
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return boxed or packets or riff or head.startswith(FIRST_BYTES)


def open_video(name: str | os.PathLike[str] | int) -> Film | Camera:
    """The camera or the film that an input names.

    Args:
        name: a file, `camera:N`, or the number of a camera.

    Raises:
        UserError: If it cannot be opened.
    """
    name = f"camera:{name}" if isinstance(name, int) else os.fspath(name)
    if camera_number(name) is None:
        from kerashand.video.film import Film

        return Film(name)
    from kerashand.video.camera import Camera

    return Camera(name)
