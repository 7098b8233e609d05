"""Pictures and videos in and out, by OpenCV: as RGB uint8, upright, with clear errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.cli.arguments import writing
from kerashand.errors import UserError
from kerashand.files import user_path, written_beside

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
CAMERA = re.compile(r"(?:webcam|camera)(?::(\d{1,3}))?", re.IGNORECASE)
ASSUMED_FPS = 30.0
MOST_FRAME_PIXELS = 1 << 26
"""Twice what 8K has."""
FFMPEG_OPTIONS = f"protocol_whitelist;file|max_pixels;{MOST_FRAME_PIXELS}"
LEAST_SIDE_PX = 8

Picture = NDArray[np.uint8]


def camera_number(name: str) -> int | None:
    """The number of a camera that an input names as `camera:N` or `webcam`, else None."""
    match = CAMERA.fullmatch(name)
    return int(match.group(1) or 0) if match else None


def is_video(path: str | Path) -> bool:
    """Whether a file's name says that it is a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


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


class Video:
    """Frames of a video file or a camera.

    Attributes:
        fps: frames a second, as the file or the camera says.
        frames: how many there are, 0 if unknown.
    """

    def __init__(self, name: str):
        self.name = name
        self.camera = camera_number(name)
        if self.camera is None and not user_path(name).is_file():
            raise UserError(f"{name} does not exist.")
        source = self.camera if self.camera is not None else str(user_path(name))
        # FFmpeg reads the option when it opens a file; lists of other addresses stay unopened.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", FFMPEG_OPTIONS)
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            what = (
                "no camera answers there"
                if self.camera is not None
                else "it is not a video that OpenCV can read, or it is damaged"
            )
            raise UserError(f"{name} cannot be opened: {what}.")
        side = [cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT]
        width, height = (self._capture.get(which) for which in side)
        if width * height > MOST_FRAME_PIXELS:
            raise UserError(
                f"{name} says that it has {width:.0f} x {height:.0f} pixels, which no video has."
            )
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

    Codecs take even sides: an odd one is made longer by a pixel. Frames of another size than the
    first are scaled to it.

    Args:
        path: .mp4, .m4v, .mov, .mkv or .avi.
        fps: frames a second.
        size_px: width, height.

    Raises:
        UserError: If the file cannot be written, or holds fewer frames than were.
    """
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
    width, height = size_px
    odd = (height % 2, width % 2)
    written = 0
    with writing(path), written_beside(path) as beside:
        beside.touch()  # says more than OpenCV about what cannot be written
        writer = cv2.VideoWriter(str(beside), codec, fps, (width + odd[1], height + odd[0]))
        if not writer.isOpened():
            raise UserError(f"{path} cannot be written as a video of {width} x {height}.")

        def write(rgb: Picture) -> None:
            nonlocal written
            if rgb.shape[:2] != (height, width):
                rgb = cv2.resize(rgb, size_px, interpolation=cv2.INTER_AREA)
            rgb = cv2.copyMakeBorder(rgb, 0, odd[0], 0, odd[1], cv2.BORDER_REPLICATE)
            writer.write(np.ascontiguousarray(rgb[:, :, ::-1]))
            written += 1

        try:
            yield write
        finally:
            writer.release()
        # The writer reports nothing: a full disk shows in what can be read.
        held = cv2.VideoCapture(str(beside))
        count = int(held.get(cv2.CAP_PROP_FRAME_COUNT)) if held.isOpened() else 0
        held.release()
        if count < written:
            raise UserError(
                f"{path} could not be written: of {written} frames it holds {count}. Is the disk "
                "full?"
            )
