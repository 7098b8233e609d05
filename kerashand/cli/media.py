"""Pictures and videos in and out, by OpenCV: as RGB uint8, upright, with clear errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.files import written_beside

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
CAMERA = re.compile(r"(?:webcam|camera)(?::(\d+))?")
ASSUMED_FPS = 30.0
LEAST_SIDE_PX = 8

Picture = NDArray[np.uint8]


def camera_number(name: str) -> int | None:
    """The number of a camera that an input names as `camera:N` or `webcam`, else None."""
    match = CAMERA.fullmatch(name)
    return int(match.group(1) or 0) if match else None


def is_video(name: str) -> bool:
    """Whether an input's name says that it is a video."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def pictures_of(name: str) -> list[Path]:
    """The picture that an input names, or those of the folder that it names, in order.

    Raises:
        UserError: If there is no such file, or no picture in the folder.
    """
    path = Path(name).expanduser()
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise UserError(f"{path} holds no pictures ({', '.join(PICTURE_SUFFIXES)}).")
    return files


def read_picture(path: Path) -> Picture:
    """A picture [H, W, 3] uint8 RGB, turned as its EXIF orientation says.

    Grey becomes RGB, 16 bits become 8, and what is transparent is laid on white.

    Raises:
        UserError: If it cannot be read, or is too small to show a hand.
    """
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    picture = _decoded(content, cv2.IMREAD_COLOR) if content.size else None
    if picture is None:
        raise UserError(
            f"{path} is not a picture that OpenCV can read (JPEG, PNG, WebP, TIFF, BMP), or it is "
            "damaged."
        )
    if min(picture.shape[:2]) < LEAST_SIDE_PX:
        raise UserError(
            f"{path} is too small to show a hand: {picture.shape[1]} x {picture.shape[0]} px."
        )
    whole = _decoded(content, cv2.IMREAD_UNCHANGED)
    if whole is not None and whole.ndim == 3 and whole.shape[2] == 4:
        picture = _on_white(whole)
    return np.ascontiguousarray(picture[:, :, ::-1])


def _decoded(content: NDArray[np.uint8], flags: int) -> Picture | None:
    try:
        return cv2.imdecode(content, flags)
    except cv2.error:  # more pixels than OpenCV takes
        return None


def _on_white(bgra: NDArray) -> Picture:
    """Colour [H, W, 3] uint8 of a picture with alpha on white; formats with alpha have no EXIF."""
    whole = np.iinfo(bgra.dtype).max if bgra.dtype.kind == "u" else 1.0
    values = bgra.astype(np.float32) / whole
    alpha = values[:, :, 3:]
    return np.rint((values[:, :, :3] * alpha + 1.0 - alpha) * 255.0).astype(np.uint8)


class Video:
    """Frames of a video file or a camera.

    Attributes:
        fps: frames a second, as the file or the camera says.
        frames: how many there are, 0 if unknown.
    """

    def __init__(self, name: str):
        self.name = name
        self.camera = camera_number(name)
        if self.camera is None and not Path(name).expanduser().is_file():
            raise UserError(f"{name} does not exist.")
        source = self.camera if self.camera is not None else str(Path(name).expanduser())
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            what = (
                "no camera answers there"
                if self.camera is not None
                else "it is not a video that OpenCV can read, or it is damaged"
            )
            raise UserError(f"{name} cannot be opened: {what}.")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 1.0 <= fps <= 1000.0 else ASSUMED_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = int(count) if self.camera is None and 0 < count < 1e9 else 0

    def __iter__(self) -> Iterator[Picture]:
        """RGB frames, to the end or to the first that is damaged.

        Raises:
            UserError: If there is not one.
        """
        read = 0
        try:
            while True:
                good, frame = self._capture.read()
                if not good or frame is None:
                    break
                read += 1
                yield np.ascontiguousarray(frame[:, :, ::-1])
        finally:
            self._capture.release()
        if not read:
            raise UserError(f"{self.name} holds no frame that OpenCV can read.")


@contextmanager
def video_writer(path: Path, *, fps: float, size_px: tuple[int, int]):
    """A function that takes RGB frames; the video appears under its name when it is whole.

    Args:
        path: .mp4, .m4v, .mov, .mkv or .avi.
        fps: frames a second.
        size_px: width, height.

    Raises:
        UserError: If the format is unknown or the file cannot be written.
    """
    if path.suffix.lower() not in CODECS:
        raise UserError(f"A video must end in {', '.join(CODECS)}. Received: {path.name}")
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    with written_beside(path) as beside:
        writer = cv2.VideoWriter(str(beside), codec, fps, size_px)
        if not writer.isOpened():
            raise UserError(f"{path} cannot be written as a video of {size_px[0]} x {size_px[1]}.")
        try:
            yield lambda rgb: writer.write(np.ascontiguousarray(rgb[:, :, ::-1]))
        finally:
            writer.release()
