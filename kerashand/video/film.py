"""Reading films by PyAV (FFmpeg)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError, number_of
from kerashand.extras import check
from kerashand.files import user_path
from kerashand.video import ASSUMED_FPS, Frame

MOST_FRAME_PIXELS = 1 << 26
"""Twice what 8K has."""
MOST_FPS = 1000.0
"""A film without a frame rate claims that of its clock, which is this or more."""
LEAST_STEP_S, MOST_STEP_S = 1e-4, 3600.0
"""From a frame to the next; other times are damage."""
MOST_PIXEL_ASPECT = 16.0
DECODER_THREADS = 4
"""Each holds frames of its own; more are no use beside the pose model."""
OPTIONS = {
    # Lists of other files (HLS, DASH, concat, SDP) and pictures are no films.
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg",
    "protocol_whitelist": "none",
    "max_pixels": str(MOST_FRAME_PIXELS),
}
KNOW_THEIR_LENGTH = {"mov", "matroska", "avi"}
"""Formats whose heads say how long a film is."""


class Film:
    """The frames of a film file, once.

    Attributes:
        name: as the user gave it.
        live: False.
        fps: frames a second as the film says, or 30. The frames have times of their own.
        frames: about how many there are, 0 if unknown.
        complaint: when the frames are read, what was wrong with the film; else None.

    Raises:
        UserError: If it cannot be opened, or claims more pixels than films have.
    """

    live = False

    def __init__(self, name: str):
        check("a video", name)
        import av

        self.name = name
        self.complaint: str | None = None
        # Damage shows as errors of FFmpeg, and of the file that is asked for impossible places.
        self._damage = (av.FFmpegError, OSError, ValueError, OverflowError)
        path = user_path(name)
        if not path.is_file():
            raise UserError(f"{name} does not exist.")
        self._opened = contextlib.ExitStack()
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._opened.close)
            try:
                file = self._opened.enter_context(path.open("rb"))
            except OSError as error:
                raise UserError(f"{name} cannot be opened: {error.strerror or error}.") from error
            # Titles may be in any encoding; from 19 on PyAV takes them as they are.
            old = int(av.__version__.partition(".")[0]) < 19
            titles: dict[str, Any] = {"metadata_errors": "replace"} if old else {}
            try:
                self._container = self._opened.enter_context(
                    av.open(file, options=OPTIONS, buffer_size=1 << 18, **titles)
                )
                self._stream = self._chosen_stream()
            except self._damage as error:
                raise UserError(
                    f"{name} cannot be opened: it is not a video that FFmpeg can read, or it is "
                    "damaged."
                ) from error
            on_error.pop_all()

    def _chosen_stream(self) -> Any:
        stream = self._container.streams.best("video")
        if stream is None or stream.codec_context is None:
            why = "it holds no pictures" if stream is None else "FFmpeg has no decoder for it"
            raise UserError(f"{self.name} cannot be opened as a video: {why}.")
        if stream.width * stream.height > MOST_FRAME_PIXELS:
            raise UserError(
                f"{self.name} says that it has {stream.width} x {stream.height} pixels, which no "
                "video has."
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(DECODER_THREADS, os.cpu_count() or 1)
        stream.codec_context.options = {"max_pixels": str(MOST_FRAME_PIXELS)}
        rate = float(stream.average_rate or 0)
        self._has_rate = 1.0 <= rate < MOST_FPS
        self.fps = rate if self._has_rate else ASSUMED_FPS
        self._begin_s = (self._container.start_time or 0) / 1e6
        self._length_s = self._length_of(stream)
        self.frames = stream.frames
        if not 0 < self.frames < 1e9:
            self.frames = round(min(self._length_s or 0.0, 1e6) * self.fps)
        return stream

    def _length_of(self, stream: Any) -> float | None:
        """Seconds to the end of the last picture, where the film's head knows."""
        if not KNOW_THEIR_LENGTH & set(self._container.format.name.split(",")):
            return None
        if stream.duration and stream.time_base:
            end = (stream.start_time or 0) + stream.duration
            return float(end * stream.time_base) - self._begin_s
        alone = len(self._container.streams) == 1  # else sound may be longer
        return self._container.duration / 1e6 if alone and self._container.duration else None

    def __iter__(self) -> Iterator[Frame]:
        """The frames to the end; damaged ones are left out.

        Raises:
            UserError: If there is not one.
        """
        from av.video.reformatter import VideoReformatter

        reformatter = VideoReformatter()
        clock = _Clock(1.0 / self.fps, begin_s=self._begin_s, has_rate=self._has_rate)
        self._damaged, end_s, too_large, sizes = 0, None, "", []
        with self._opened:
            for decoded in self._decoded():
                width, height = _square_size(decoded, self._stream.sample_aspect_ratio)
                if width * height > MOST_FRAME_PIXELS:
                    too_large = f" A frame claims {width} x {height} pixels."
                    break
                try:
                    square: Any = reformatter.reformat(decoded, width, height, "rgb24")
                    rgb = _upright(square.to_ndarray(), decoded)
                except self._damage:  # such as pixels that nothing converts
                    self._damaged += 1
                    continue
                if (size := rgb.shape[1::-1]) not in sizes:
                    sizes.append(size)
                time_s, duration_s = clock(decoded)
                end_s = time_s + duration_s
                yield Frame(rgb, time_s, duration_s)
        if end_s is None:
            raise UserError(f"{self.name} holds no frame that FFmpeg can read.{too_large}")
        wrong = self._what_was_wrong(end_s, clock.step_s)
        if len(sizes) > 1:
            shown = ", ".join(f"{width} x {height}" for width, height in sizes)
            wrong.append(f"The size of its frames changes: {shown} px. Pixels are of each frame.")
        self.complaint = (" ".join(wrong) + too_large).strip() or None

    def _decoded(self) -> Iterator[Any]:
        """Frames as FFmpeg gives them. Damage is counted and passed over."""
        try:
            for packet in self._container.demux(self._stream):
                yield from self._frames_of(packet)
        except self._damage:  # nothing more can be read; what waits in the decoder can
            self._damaged += 1
            yield from self._frames_of(None)

    def _frames_of(self, packet: Any) -> list[Any]:
        try:
            return self._stream.codec_context.decode(packet)
        except self._damage:
            self._damaged += 1
            return []

    def _what_was_wrong(self, end_s: float, step_s: float) -> list[str]:
        said = []
        if self._length_s is not None and self._length_s - end_s > 2.5 * step_s:
            said.append(
                f"{self.name} ends early: {end_s:.1f} of {self._length_s:.1f} s could be read."
            )
        if self._damaged:
            said.append(f"{self.name} is damaged in {number_of(self._damaged, 'place')}.")
        return said


class _Clock:
    """Time and duration of each frame, in seconds; what the file says is corrected where it must.

    Args:
        step_s: from frame to frame by the film's rate, or by the one that is assumed.
        begin_s: when the film begins.
        has_rate: whether the film says its rate; durations follow from it where it does not.
    """

    def __init__(self, step_s: float, *, begin_s: float, has_rate: bool):
        self.step_s, self._begin_s, self._has_rate = step_s, begin_s, has_rate
        self._last_s: float | None = None

    def __call__(self, decoded: Any) -> tuple[float, float]:
        said = None if decoded.time is None else decoded.time - self._begin_s
        if self._last_s is None:
            time_s = said or 0.0
            if not 0.0 <= time_s <= MOST_STEP_S:
                self._begin_s, time_s = decoded.time, 0.0
        elif said is not None and LEAST_STEP_S <= said - self._last_s <= MOST_STEP_S:
            time_s = said
            if not self._has_rate:
                self.step_s = time_s - self._last_s
        else:
            time_s = self._last_s + self.step_s
        self._last_s = time_s
        duration_s = float((decoded.duration or 0) * (decoded.time_base or 0))
        if not self._has_rate or not LEAST_STEP_S <= duration_s <= MOST_STEP_S:
            duration_s = self.step_s
        return time_s, duration_s


def _square_size(decoded: Any, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of a frame with square pixels: the shorter side of pixels is stretched."""
    width, height, aspect = decoded.width, decoded.height, float(pixel_aspect or 1)
    if not 1.0 / MOST_PIXEL_ASPECT <= aspect <= MOST_PIXEL_ASPECT:
        return width, height
    return round(width * max(aspect, 1.0)), round(height / min(aspect, 1.0))


def _upright(rgb: NDArray[np.uint8], decoded: Any) -> NDArray[np.uint8]:
    """A frame turned and mirrored as its display matrix says, to the nearest quarter turn.

    The matrix is nine integers, a b u c d v x y w: a point u, v is shown at (a u + c v, b u + d v).
    """
    matrix = bytes(decoded.side_data.get("DISPLAYMATRIX") or b"")
    if len(matrix) >= 36:
        a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).astype(float)
        if abs(b) + abs(c) > abs(a) + abs(d):
            rgb, a, d = rgb.transpose(1, 0, 2), c, b
        rgb = rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(rgb)
