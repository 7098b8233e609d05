"""Tracks of a video file by PyAV: pictures of colour, and of depth with 16 bits."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.data.imports.source import Shot
from kerashand.errors import UserError, number_of
from kerashand.picture_files import PictureError
from kerashand.video.film import DECODER_THREADS, MOST_FRAME_PIXELS, OPTIONS

LOGGER = logging.getLogger(__name__)
DEPTH_FORMATS = ("gray16le", "gray16be")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The container of a video file, which can open no other file.

    Raises:
        UserError: if it cannot be read.
    """
    import av

    old = int(av.__version__.partition(".")[0]) < 19  # from 19 on titles are taken as they are
    titles: dict[str, Any] = {"metadata_errors": "replace"} if old else {}
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            container = stack.enter_context(
                av.open(file, options=OPTIONS, buffer_size=1 << 18, **titles)
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be opened: it is not a video that FFmpeg can read, or it is "
                "damaged."
            ) from error
        yield container


def colour_shots(path: Path, index: int | None = None) -> Generator[Shot, None, None]:
    """Colour pictures of a track, by its index; without one, of the best track."""
    return (
        Shot(time_s, name, partial(_colour, name, frame))
        for time_s, name, frame in _frames(path, index)
    )


def depth_shots(path: Path, index: int | None = None) -> Generator[Shot, None, None]:
    """Depth pictures likewise."""
    return (
        Shot(time_s, name, partial(_depth, name, frame))
        for time_s, name, frame in _frames(path, index)
    )


def _frames(path: Path, index: int | None) -> Iterator[tuple[float, str, Any]]:
    """Time, name and frame; what cannot be decoded is left out, and counted in a message."""
    import av

    damage = (av.FFmpegError, OSError, ValueError, OverflowError)
    with opened(path) as container:
        stream = container.streams.best("video") if index is None else container.streams[index]
        if stream is None or stream.codec_context is None:
            raise UserError(f"{path} holds no pictures that FFmpeg can read.")
        if stream.width * stream.height > MOST_FRAME_PIXELS:
            raise UserError(f"{path} says that it has {stream.width} x {stream.height} pixels.")
        stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
        stream.codec_context.options = {"max_pixels": str(MOST_FRAME_PIXELS)}
        damaged, packets = 0, _packets(container, stream, damage)
        for packet in packets:
            try:
                decoded = stream.codec_context.decode(packet)
            except damage:
                decoded, damaged = [], damaged + 1
            for frame in decoded:
                if frame.time is None or frame.width * frame.height > MOST_FRAME_PIXELS:
                    damaged += 1
                    continue
                yield frame.time, f"{path} at {frame.time:.3f} s", frame
        if damaged:
            LOGGER.warning("%s is damaged in %s.", path, number_of(damaged, "place"))


def _packets(container: Any, stream: Any, damage: tuple[type[Exception], ...]) -> Iterator[Any]:
    """Packets of a track, and at the end None, which gives what waits in the decoder."""
    try:
        yield from container.demux(stream)
    except damage:  # nothing more can be read
        yield None


def _colour(name: str, frame: Any) -> NDArray[np.uint8]:
    import av

    try:
        return frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, ValueError) as error:
        raise PictureError(name, f"cannot be converted to RGB ({error})") from error


def _depth(name: str, frame: Any) -> NDArray[np.uint16]:
    if frame.format.name not in DEPTH_FORMATS:
        raise PictureError(name, f"is no depth: its pixels are {frame.format.name}, not gray16")
    return frame.to_ndarray().astype(np.uint16)
