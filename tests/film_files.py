"""Small films for tests, written with PyAV and nothing of the package."""

from fractions import Fraction

import av
import numpy as np

MILLISECOND = Fraction(1, 1000)


def picture(width=96, height=64, *, mark=(255, 0, 0), number=0):
    """Grey with a coloured upper left quarter; `number` makes frames of one film differ."""
    rgb = np.full((height, width, 3), 40 + number % 8 * 20, np.uint8)
    rgb[: height // 2, : width // 2] = mark
    return rgb


def write_film(path, pictures, *, times_s=None, fps=25, codec="libx264", pix_fmt="yuv420p",
               sample_aspect=None, rate=None, format=None, options=None):  # fmt: skip
    """Write pictures [H, W, 3] uint8 at these times, or at a steady rate.

    Args:
        path: where; its suffix chooses the format unless `format` does.
        pictures: of one size.
        times_s: of each picture.
        fps: pictures a second, without times.
        codec, pix_fmt: of FFmpeg.
        sample_aspect: width of a pixel by its height.
        rate: what the head claims, else `fps`.
        format: of the file.
        options: of the encoder.
    """
    pictures = list(pictures)
    times_s = [n / fps for n in range(len(pictures))] if times_s is None else times_s
    # A file object takes any name.
    with open(path, "wb") as file, av.open(file, "w", format=format or _format(path)) as film:
        stream = film.add_stream(codec, rate=rate or fps, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        steady = codec in ("mpeg4", "mjpeg", "mpeg2video", "mpeg1video")  # take no other clock
        stream.codec_context.time_base = Fraction(1, fps) if steady else MILLISECOND
        if sample_aspect is not None:
            stream.sample_aspect_ratio = sample_aspect
        for rgb, time_s in zip(pictures, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time_s / frame.time_base)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def _format(path):
    suffix = str(path).rpartition(".")[2].lower()
    return {"mkv": "matroska", "mpg": "mpeg", "m4v": "mp4"}.get(suffix, suffix)


def write_browser_film(path, pictures, times_s):
    """A .webm as a browser's recorder writes it: times in the blocks, and no rate in the head."""
    write_film(path, pictures, times_s=times_s, codec="libvpx", options={"deadline": "realtime"})
    content = path.read_bytes()
    # DefaultDuration, 23 E3 83, of eight bytes at most: a void element of the same size, EC.
    at = content.index(b"\x23\xe3\x83")
    size = content[at + 3] & 0x7F
    void = b"\xec" + bytes([0x80 | (size + 2)]) + bytes(size + 2)
    content = content[:at] + void + content[at + 4 + size :]
    path.write_bytes(content)


def turned(path, matrix):
    """Put a display matrix a b c d, of -1, 0 and 1, into the head of an .mp4."""
    a, b, c, d = matrix
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    unit = 1 << 16
    numbers = (a * unit, b * unit, 0, c * unit, d * unit, 0, 0, 0, 1 << 30)
    content[at : at + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in numbers)
    path.write_bytes(bytes(content))


UNEVEN_S = (0.0, 0.045, 0.084, 0.119, 0.3, 0.33)
