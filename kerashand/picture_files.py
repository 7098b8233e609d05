"""The one decoder of picture files: RGB of 8 bits, upright, whatever the file is.

The size of a picture is looked at before anything is unpacked. Pillow reads the files: its pixels
of JPEG and PNG files are those of TensorFlow's decoder, which reads the pictures of a training.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from kerashand.errors import UserError
from kerashand.orientation import TURNS, as_stored
from kerashand.stderr import WARNINGS_HELD

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
MOST_PIXELS = 120_000_000
"""More than the largest cameras of phones give; as RGB they take 360 MB."""
MOST_WEBP_PIXELS = 50_000_000
"""Its decoder holds several copies of a picture."""
ORIENTATION = 0x0112
"""EXIF's and TIFF's number for how to turn a picture."""
STRIP_PIXELS = 1 << 18
"""Converted at a time, so that a large picture is in memory twice and not four times."""
END_BYTES = 512
"""Of a JPEG file, where its end mark is looked for first: cameras append a little."""
NEARLY_BLACK = 15  # of 255: 12 bits in a file that says 16
TIFF_BITS, TIFF_PHOTOMETRIC = 258, 262
PNG_DEPTH = 24
"""Place of the byte that holds the bits of a sample."""
PNG_MARK, PNG_ORIENTATION, PNG_END = b"\x89PNG\r\n\x1a\n", b"eXIf", b"IEND"
PNM_HEAD = re.compile(rb"P([56])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" + rb"\s")
GREY_16_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
KINDS = {
    "1": "1-bit", "L": "8-bit grey", "LA": "8-bit grey with alpha", "P": "palette", "RGB": "RGB",
    "RGBA": "RGB with alpha", "F": "32-bit", **dict.fromkeys(GREY_16_BITS, "16-bit grey"),
}  # fmt: skip
"""Pillow's modes in words."""

Rows = Callable[[int, int], NDArray[np.uint8]]
"""From the first row and the one after the last to their RGB [n, w, 3], as they are stored."""


class PictureError(UserError):
    """A picture file that cannot be used.

    Attributes:
        reason: why, as the rest of a sentence that starts with the file's name.
    """

    def __init__(self, name: str | Path, reason: str):
        self.reason = reason
        super().__init__(f"{name} {reason}.")


@dataclass(frozen=True)
class Head:
    """What a picture file says of itself.

    Attributes:
        format: as Pillow names it: "JPEG", "PNG" and so on.
        stored_px: width and height as it is stored.
        orientation: how to turn it, 1 (not at all) to 8, as EXIF numbers it.
        transparent: whether it has alpha, or a colour that stands for nothing.
        mode: Pillow's name for its kind of pixels.
    """

    format: str
    stored_px: tuple[int, int]
    orientation: int
    transparent: bool
    mode: str

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return self.stored_px[::-1] if TURNS[self.orientation][0] else self.stored_px

    @property
    def kind(self) -> str:
        """Its kind of pixels in words."""
        if self.mode == "I":
            return "16-bit grey" if self.format in ("PNG", "PPM") else "32-bit"
        return KINDS.get(self.mode, self.mode)


def read(path: str | Path) -> NDArray[np.uint8]:
    """A picture as RGB [H, W, 3], turned as its EXIF orientation says.

    Grey becomes RGB, any largest value becomes 255, and what is transparent is laid on white.

    Raises:
        PictureError: if it is not there, is no picture, is damaged, too large or nearly black.
    """
    return decoded(path, _content(path))


def decoded(name: str | Path, content: bytes) -> NDArray[np.uint8]:
    """The same of the content of a file; `name` is for messages."""
    with _opened(name, io.BytesIO(content)) as (head, picture), _undamaged(name, head):
        has_16_bits = _of_16_bits(head, picture)
        rows, orientation = _rows_of(name, content, head, picture=picture)
        height, width = head.stored_px[::-1]
        if orientation == 1 != head.orientation:
            height, width = head.size_px[::-1]  # turned by Pillow
        upright = np.empty((*head.size_px[::-1], 3), np.uint8)
        stored = as_stored(upright, orientation)
        step = max(STRIP_PIXELS // width, 1)
        for first in range(0, height, step):
            last = min(first + step, height)
            stored[first:last] = rows(first, last)
    if has_16_bits and 0 < upright.max() <= NEARLY_BLACK:
        most = (int(upright.max()) + 1) * 256 - 1
        held = f"its values are at most {most} of 65535"
        raise PictureError(name, f"is nearly black: {held}. Scale 10 or 12 bits to 16")
    return upright


def read_values(path: str | Path) -> NDArray:
    """The numbers of a picture that is a map: not turned, not scaled.

    Returns:
        [H, W] uint8 or uint16 of grey, [H, W, 3] uint8 of colour; palettes become grey.

    Raises:
        PictureError: as of `read`.
    """
    return decoded_values(path, _content(path))


def decoded_values(name: str | Path, content: bytes) -> NDArray:
    """The same of the content of a file; `name` is for messages."""
    with _opened(name, io.BytesIO(content)) as (head, picture), _undamaged(name, head):
        picture.load()
        if head.kind == "16-bit grey":
            return np.array(picture).astype(np.uint16)
        return np.array(picture.convert("L" if head.mode in ("1", "L", "P") else "RGB"))


def read_head(path: str | Path) -> Head:
    """The head of a picture file, whose end is there too.

    Raises:
        PictureError: if it is not there, is no picture, was cut short or has too many pixels.
    """
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise PictureError(path, "is empty")
            file.seek(0)
            with _opened(path, file) as (head, picture):
                if head.format == "JPEG" and not _jpeg_ends(file):
                    # Something longer was appended, such as a film: only decoding tells.
                    picture.draft("L", (picture.width // 8, picture.height // 8))
                    with _undamaged(path, head):
                        picture.load()
            if head.format == "PNG" and not _png_chunks(file)[1]:
                raise _cut_short(path, head)
            return head
    except (OSError, ValueError) as error:
        raise _unopened(path, error) from error


def head_of(name: str | Path, content: bytes) -> Head:
    """The head of the content of a picture file; `name` is for messages.

    Raises:
        PictureError: if it is no picture or has too many pixels.
    """
    with _opened(name, io.BytesIO(content)) as (head, _):
        return head


# ------------------------------------------------------------------------------------- heads


@contextmanager
def _opened(name: str | Path, file: BinaryIO) -> Iterator[tuple[Head, Image.Image]]:
    """Head and picture as Pillow opens it, which unpacks nothing."""
    with WARNINGS_HELD:
        try:
            picture = Image.open(file, formats=FORMATS)
            head = _head_of(picture, file)
        except Image.DecompressionBombError:  # far too large for Pillow too
            raise _too_large(name, "far more pixels", MOST_PIXELS) from None
        except Exception as error:  # of many classes, for damage of many kinds
            raise _no_picture(name) from error
        with picture:
            most = MOST_WEBP_PIXELS if head.format == "WEBP" else MOST_PIXELS
            width, height = head.stored_px
            if width * height > most:
                raise _too_large(name, f"{width} x {height} pixels", most)
            if not width * height or head.kind == "32-bit":
                raise _no_picture(name)
            if head.mode == "RGB" and head.transparent and _of_16_bits(head, picture):
                raise PictureError(name, "has a transparent colour of 16 bits: save it with 8")
            yield head, picture


def _of_16_bits(head: Head, picture: Image.Image) -> bool:
    """Whether a picture that is not loaded yet holds samples of 16 bits."""
    stored = str([tile[-1] for tile in getattr(picture, "tile", ())])  # ";16", or a PNM's maximum
    return head.kind == "16-bit grey" or ";16" in stored or ", 65535)" in stored


def _head_of(picture: Image.Image, file: BinaryIO) -> Head:
    kind = "JPEG" if picture.format == "MPO" else picture.format  # a JPEG file with more pictures
    size = picture.size
    if isinstance(picture, TiffImageFile):
        tags = picture.tag_v2
        size, orientation = (tags[256], tags[257]), tags.get(ORIENTATION, 1)
    else:
        exif = picture.info.get("exif")
        if kind == "PNG" and exif is None:
            place = file.tell()
            exif = _png_chunks(file)[0]
            file.seek(place)
        orientation = _orientation(exif)
    orientation = orientation if orientation in TURNS else 1
    return Head(kind or "", size, orientation, picture.has_transparency_data, picture.mode)


def _orientation(exif: bytes | None) -> int:
    """What an EXIF block says about it; 1 if nothing, or if it is damaged."""
    if not exif:
        return 1
    held = Image.Exif()
    try:
        held.load(exif)
        return held.get(ORIENTATION, 1)
    except Exception:  # of many classes, for damage of many kinds
        return 1


def _png_chunks(file: BinaryIO) -> tuple[bytes | None, bool]:
    """The EXIF block of a PNG file, which may follow the pixels, and whether its end is there."""
    exif, end = None, file.seek(0, io.SEEK_END)
    place = len(PNG_MARK)
    while place + 12 <= end:
        file.seek(place)
        start = file.read(8)
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if kind == PNG_END:
            return exif, True
        if kind == PNG_ORIENTATION and place + 12 + length <= end:
            exif = file.read(length)
        place += 12 + length
    return exif, False


def _jpeg_ends(file: BinaryIO) -> bool:
    """Whether the last bytes of a JPEG file hold its end mark."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(end - END_BYTES, 0))
    found = b"\xff\xd9" in file.read()
    file.seek(0)
    return found


# ------------------------------------------------------------------------------------- pixels


def _rows_of(
    name: str | Path, content: bytes, head: Head, *, picture: Image.Image
) -> tuple[Rows, int]:
    """What gives RGB rows, and the orientation that is still to be applied to them."""
    if match := PNM_HEAD.match(content):  # Pillow takes seconds for unusual largest values
        return _pnm_rows(name, content, head, match=match), 1
    picture.load()
    # Pillow turns TIFF files itself.
    orientation = 1 if head.format == "TIFF" else head.orientation

    def part(first: int, last: int) -> Image.Image:
        return picture.crop((0, first, picture.width, last))

    if head.mode in ("I", *GREY_16_BITS):
        table = _eight_bits(_most_of(head, picture))
        if isinstance(picture, TiffImageFile) and picture.tag_v2.get(TIFF_PHOTOMETRIC) == 0:
            table = 255 - table  # 0 is white; Pillow turns 8 bits itself
        clear = picture.info.get("transparency")

        def rows(first: int, last: int) -> NDArray[np.uint8]:
            values = np.asarray(part(first, last)).astype(np.int64)
            grey = table[np.clip(values, 0, len(table) - 1)]
            if isinstance(clear, int):
                grey = np.where(values == clear, 255, grey)
            return grey[..., None]
    elif head.transparent and not (head.format == "BMP" and picture.getextrema()[-1] == (0, 0)):
        # The fourth byte of a BMP file may be unused: it is 0 in every pixel then.
        clear = picture.info.get("transparency")
        if head.format == "PNG" and head.mode in ("1", "L") and isinstance(clear, int):
            # Pillow widens 1, 2 and 4 bits to 8, but not the value that stands for nothing.
            picture.info["transparency"] = 255 * clear // ((1 << content[PNG_DEPTH]) - 1)

        def rows(first: int, last: int) -> NDArray[np.uint8]:
            return on_white(np.asarray(part(first, last).convert("RGBA")))
    else:

        def rows(first: int, last: int) -> NDArray[np.uint8]:
            return np.asarray(part(first, last).convert("RGB"))

    return rows, orientation


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB [H, W, 3] of pixels with alpha [H, W, 4] on a white ground."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = rgba[..., :3] * alpha + (255 * (255 - alpha) + 127)
    return ((mixed + 1 + (mixed >> 8)) >> 8).astype(np.uint8)  # an exact division by 255


@functools.cache
def _eight_bits(most: int) -> NDArray[np.uint8]:
    """[most + 1] 8 bits of each value; of 16 bits the higher eight, as libpng takes them."""
    values = np.arange(most + 1)
    return (values >> 8 if most == 65535 else (255 * values + most // 2) // most).astype(np.uint8)


def _most_of(head: Head, picture: Image.Image) -> int:
    """The largest value of grey samples with more than 8 bits."""
    if not isinstance(picture, TiffImageFile):
        return 65535
    return (1 << picture.tag_v2.get(TIFF_BITS, (16,))[0]) - 1


def _pnm_rows(name: str | Path, content: bytes, head: Head, *, match: re.Match[bytes]) -> Rows:
    """Rows of a binary PGM or PPM file."""
    channels = 3 if match[1] == b"6" else 1
    width, height, most = (int(match[group]) for group in (2, 3, 4))
    if not 0 < most < 65536:
        raise _no_picture(name)
    count, kind = width * height * channels, "u1" if most < 256 else ">u2"
    if len(content) < match.end() + count * np.dtype(kind).itemsize:
        raise _cut_short(name, head)
    values = np.frombuffer(content, kind, count, match.end()).reshape(height, width, channels)
    table = _eight_bits(most)
    return lambda first, last: table[np.minimum(values[first:last], most)]


# ------------------------------------------------------------------------------------- errors


def _content(path: str | Path) -> bytes:
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise _unopened(path, error) from error
    if not content:
        raise PictureError(path, "is empty")
    return content


def _unopened(path: str | Path, error: Exception) -> PictureError:
    if isinstance(error, FileNotFoundError):
        return PictureError(path, "does not exist")
    return PictureError(path, f"cannot be read ({getattr(error, 'strerror', None) or error})")


@contextmanager
def _undamaged(name: str | Path, head: Head) -> Iterator[None]:
    """Turn what Pillow raises while it unpacks into an error with a reason."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of many classes, for damage of many kinds
        if "truncated" in str(error):
            raise _cut_short(name, head) from error
        raise PictureError(name, f"is a damaged {head.format} file, or of a rare kind") from error


def _cut_short(name: str | Path, head: Head) -> PictureError:
    return PictureError(name, f"is a {head.format} file that was cut short")


def _no_picture(name: str | Path) -> PictureError:
    return PictureError(
        name,
        f"is not a picture that can be read ({', '.join(FORMATS)}; no 32-bit samples), or it is "
        "damaged",
    )


def _too_large(name: str | Path, size: str, most: int) -> PictureError:
    return PictureError(
        name,
        f"says that it has {size}; {most // 10**6} million are the most that are read. Make it "
        "smaller, or get it again if it is not that large",
    )
