"""Writing films in H.264 by PyAV (FFmpeg)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import written_beside
from kerashand.video import STOPPED, Frame

WRITTEN_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
ENCODERS = {
    # Without B frames the last picture written is the last one shown, and keeps its duration.
    "libx264": {"preset": "veryfast", "crf": "18", "bf": "0"},
    "libopenh264": {"b": "8000000"},
}
CLOCK = Fraction(1, 90_000)
BT709, LIMITED_RANGE = 1, 1
"""The colours of HD, by FFmpeg's numbers; said in the film, since players guess otherwise."""


def check_encoder() -> str:
    """The name of an encoder for H.264.

    Raises:
        UserError: If PyAV is not installed, or has none.
    """
    check("a video", "drawing a video")
    import av

    for name in ENCODERS:
        with contextlib.suppress(ValueError):  # UnknownCodecError is one
            return av.Codec(name, "w").name
    raise UserError(
        f"This PyAV cannot write H.264 (no {' or '.join(ENCODERS)}): take that of PyPI, "
        "pip install av, or leave videos undrawn with --no-drawing."
    )


@contextlib.contextmanager
def film_writer(
    path: Path, *, size_px: tuple[int, int], fps: float
) -> Iterator[Callable[[Frame], None]]:
    """A function that takes frames; the film, in H.264, appears under its name when it is whole.

    Frames keep their times. An odd side is made longer by a pixel; frames of another size than
    the first are scaled to it. What Ctrl-C ends is kept as `NAME.stopped.mp4`, and the exception
    says so.

    Args:
        path: a file of `WRITTEN_SUFFIXES`.
        size_px: width, height.
        fps: frames a second, about.

    Raises:
        UserError: If the film cannot be written.
    """
    with written_beside(path) as beside:
        film = _FilmFile(beside, path, size_px=size_px, fps=fps)
        try:
            yield film.write
        except KeyboardInterrupt as stop:
            if film.close():
                kept = beside.with_name(f"{path.stem}{STOPPED}{path.suffix}")
                beside.replace(kept)
                stop.args = (f"Stopped: drawn up to there in {kept}.",)
            raise
        except BaseException:
            film.abandon()
            raise
        film.close()


class _FilmFile:
    """A film that is being written."""

    def __init__(self, file: Path, shown: Path, *, size_px: tuple[int, int], fps: float):
        import av

        self._av: Any = av
        self._shown, self._size_px = shown, size_px
        self._last_pts, self._duration_s = -1, 0.0
        self._waiting: Any = None
        encoder = check_encoder()
        self._reformatter = av.video.reformatter.VideoReformatter()
        width, height = (side + side % 2 for side in size_px)
        with self._refused(f"as a video of {size_px[0]} x {size_px[1]}"):
            file.touch()  # says more about what cannot be written
            fast = {} if file.suffix.lower() == ".mkv" else {"movflags": "faststart"}
            # With the protocol and from the root, a colon or a % in a name is one.
            self._container = av.open(f"file:{file.absolute()}", "w", container_options=fast)
            stream: Any = self._container.add_stream(
                encoder, rate=Fraction(fps).limit_denominator(100_000), options=ENCODERS[encoder]
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            context = stream.codec_context
            context.time_base = CLOCK
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED_RANGE
            self._stream = stream

    @contextlib.contextmanager
    def _refused(self, how: str = "") -> Iterator[None]:
        try:
            yield
        except (self._av.FFmpegError, OSError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(
                f"{self._shown} cannot be written{' ' * bool(how)}{how}: {why}."
            ) from error

    def write(self, frame: Frame) -> None:
        """Add a frame."""
        width, height = self._size_px
        rgb, odd = frame.rgb, ((0, height % 2), (0, width % 2), (0, 0))
        if rgb.shape[:2] == (height, width) and (width % 2 or height % 2):
            rgb = np.pad(rgb, odd, mode="edge")
        with self._refused():
            picture = self._reformatter.reformat(
                self._av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
                self._stream.width, self._stream.height, "yuv420p",
                dst_colorspace=self._av.video.reformatter.Colorspace.ITU709,
                interpolation=self._av.video.reformatter.Interpolation.AREA,
            )  # fmt: skip
            picture.pts = self._last_pts = max(round(frame.time_s / CLOCK), self._last_pts + 1)
            picture.time_base = CLOCK
            self._duration_s = frame.duration_s
            self._take(self._stream.encode(picture))

    def _take(self, packets: list[Any]) -> None:
        """Write all packets but the last, which is told its duration at the end."""
        for packet in packets:
            if self._waiting is not None:
                self._container.mux(self._waiting)
            self._waiting = packet

    def close(self) -> bool:
        """Write what waits, and the end; whether there is a frame."""
        with self._refused():
            if self._last_pts >= 0:
                self._take(self._stream.encode(None))
                self._waiting.duration = round(self._duration_s / self._waiting.time_base)
                self._container.mux(self._waiting)
            self._container.close()
        return self._last_pts >= 0

    def abandon(self) -> None:
        """Close the file of a film that is not kept."""
        with contextlib.suppress(self._av.FFmpegError, OSError):
            self._container.close()
