"""Recordings of Record3D on an iPhone or iPad (.r3d): a zip archive.

metadata        JSON: w, h of colour; dw, dh of depth; K, nine numbers by columns for colour; fps;
                frameTimestamps in s; perFrameIntrinsicCoeffs [fx, fy, cx, cy] of each frame
rgbd/N.jpg      colour
rgbd/N.depth    depth in m, rows of float32 (or float16), packed by LZFSE; the same view as colour
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.data.imports import stills
from kerashand.data.imports.lens import Lens, turned
from kerashand.data.imports.source import (
    METRES_UNIT_MM,
    Cameras,
    Options,
    Shot,
    Source,
    Transform,
    from_metres,
    registered_lens,
)
from kerashand.errors import UserError, shown
from kerashand.geometry.camera import pinhole_matrix
from kerashand.untrusted import as_numbers, parse_json

METADATA = "metadata"
MOST_BYTES = {METADATA: 64 << 20, "jpg": 32 << 20, "depth": 32 << 20}
MOST_FRAMES = 1_000_000
LEAST_BLOCK_BYTES = 40_000
"""What a full block of LZFSE unpacks to at least: 10,000 copies of 4 bytes, or so many letters."""
BLOCK_MARKS = (b"bvx-", b"bvx1", b"bvx2", b"bvxn")
TURNED_BACK = {6: 8, 8: 6}
"""EXIF's numbers of turns, and those of the way back; others are their own."""
STEADY = 0.005
"""Autofocus changes the focal length; by less than this share of it nobody needs to know."""


@contextlib.contextmanager
def open_source(path: Path, options: Options) -> Iterator[Source]:
    """Open a file.

    Raises:
        UserError: if it is none, or something is missing or wrong.
    """
    options.refuse("a recording of Record3D", "colour_topic", "depth_topic", "depth")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # of many classes, for damage of many kinds
        raise UserError(f"{path} cannot be read as a recording of Record3D: {error}") from error
    with archive:
        try:
            held = parse_json(_member(archive, METADATA, METADATA))
        except (ValueError, KeyError) as error:
            raise UserError(f"{path}: `{METADATA}` cannot be read: {error}") from error
        if not isinstance(held, dict):
            raise UserError(f"{path}: `{METADATA}` must be an object. Received: {shown(held)}")
        frames = _frames(path, archive)
        head = _head(path, archive, frames[0])
        depth_px = _depth_size(path, archive, held, colour_px=head.stored_px, frame=frames[0])
        notes: list[str] = []
        cameras = options.choose(
            lambda given: _cameras(path, held, head, given=given, depth_px=depth_px, notes=notes),
            colour_px=head.size_px,
            depth_px=depth_px,
            unit_mm=lambda: METRES_UNIT_MM,
            notes=notes,
        )
        notes.append(f"depth was in metres: written in units of {cameras.unit_mm:g} mm.")
        times = _times(path, held, frames)
        colour, depth = (
            [
                Shot(time_s, f"{path}, {name}", partial(read, archive, name))
                for time_s, name in zip(times, (f"rgbd/{n}.{kind}" for n in frames), strict=True)
            ]
            for kind, read in (("jpg", _colour), ("depth", _depth_reader(depth_px, cameras)))
        )
        yield Source(cameras, colour, depth, tuple(notes), len(frames))


def _member(archive: zipfile.ZipFile, name: str, kind: str) -> bytes:
    """The content of a member of the archive; nothing is written to disk under its name.

    Raises:
        KeyError: if there is none.
        ValueError: if it is too large or damaged.
    """
    info = archive.getinfo(name)
    if info.file_size > MOST_BYTES[kind]:
        raise ValueError(f"{name} unpacks to {info.file_size:,} bytes")
    try:
        return archive.read(info)
    except Exception as error:  # of many classes, for damage of many kinds
        raise ValueError(f"{name}: {error or type(error).__name__}") from error


def _frames(path: Path, archive: zipfile.ZipFile) -> list[int]:
    """Numbers of the frames that have colour and depth."""
    names = set(archive.namelist())
    found = (re.fullmatch(r"rgbd/(0|[1-9][0-9]{0,8})\.jpg", name) for name in names)
    frames = sorted(int(m[1]) for m in found if m and f"rgbd/{m[1]}.depth" in names)
    if not 0 < len(frames) <= MOST_FRAMES:
        raise UserError(f"{path} holds {len(frames)} frames with rgbd/N.jpg and rgbd/N.depth.")
    return frames


def _head(path: Path, archive: zipfile.ZipFile, frame: int) -> picture_files.Head:
    name = f"rgbd/{frame}.jpg"
    try:
        return picture_files.head_of(f"{path}, {name}", _member(archive, name, "jpg"))
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: {error}") from error


def _depth_size(
    path: Path,
    archive: zipfile.ZipFile,
    held: dict[str, Any],
    *,
    colour_px: tuple[int, int],
    frame: int,
) -> tuple[int, int]:
    """Width and height of depth; by the shape of colour where the file does not say them."""
    size = wide, high = held.get("dw"), held.get("dh")
    if (
        isinstance(wide, int)
        and isinstance(high, int)
        and 16 <= wide <= 4096
        and 16 <= high <= 4096
    ):
        return wide, high
    if size != (None, None):
        raise UserError(f"{path}: `dw`, `dh` must be 16 to 4096. Received: {shown(size)}")
    content = len(_unpacked(archive, f"rgbd/{frame}.depth", None))
    width = round((content / 4 * colour_px[0] / colour_px[1]) ** 0.5)
    height = content // 4 // max(width, 1)
    if 4 * width * height != content or min(width, height) < 16:
        raise UserError(f"{path}: it does not say how large depth pictures are (`dw`, `dh`).")
    return width, height


def _cameras(
    path: Path,
    held: dict[str, Any],
    head: picture_files.Head,
    *,
    given: Lens | None,
    depth_px: tuple[int, int],
    notes: list[str],
) -> Cameras:
    """The cameras of the file, with that of upright colour pictures if one is given."""
    size = (held.get("w", head.stored_px[0]), held.get("h", head.stored_px[1]))
    if not all(isinstance(side, int) and 16 <= side <= 20000 for side in size):
        raise UserError(f"{path}: `w`, `h` must be 16 to 20000. Received: {shown(size)}")
    if size == head.size_px != head.stored_px:  # of upright pictures, as depth is then
        head = replace(head, stored_px=size, orientation=1)
    if given is not None:
        lens, _ = turned(given, TURNED_BACK.get(head.orientation, head.orientation))
    else:
        lens = _stored_lens(path, held, size, px=head.stored_px, notes=notes)
        notes.append("the camera is K of the file.")
    depth = registered_lens(lens, depth_px)
    upright, rotation = turned(lens, head.orientation)
    if head.orientation != 1:
        notes.append("colour pictures were turned upright, as their EXIF orientation says.")
    notes.append("depth shows the view of colour.")
    if depth_px == upright.size_px and head.orientation == 1:
        return Cameras(upright, upright, METRES_UNIT_MM, None)
    return Cameras(upright, depth, METRES_UNIT_MM, Transform(rotation, np.zeros(3)))


def _stored_lens(
    path: Path,
    held: dict[str, Any],
    size: tuple[int, int],
    *,
    px: tuple[int, int],
    notes: list[str],
) -> Lens:
    """The camera of stored colour pictures, `px` wide and high, by numbers for those of a size."""
    if own := _steady(path, held, notes):
        lens = Lens(size, pinhole_matrix(own))
    else:
        lens = stills.lens_of(f"{path}, K", size, held.get("K"), by_columns=True)
    if size != px:
        if abs(size[0] * px[1] - size[1] * px[0]) > max(*size, 100):
            raise UserError(f"{path}: pictures have {px} pixels, `w` and `h` say {shown(size)}.")
        notes.append(f"K is of pictures of {size}: scaled to {px}.")
        lens = lens.resized(px)
    return lens


def _steady(path: Path, held: dict[str, Any], notes: list[str]) -> list[float] | None:
    """fx, fy, cx, cy in the middle of those of all frames; None if the file has none."""
    if not held.get("perFrameIntrinsicCoeffs"):
        return None
    try:
        numbers = as_numbers(held["perFrameIntrinsicCoeffs"], np.float64)
    except ValueError:
        numbers = np.zeros(0)
    if numbers.ndim != 2 or numbers.shape[1] != 4 or not (numbers[:, :2] > 0).all():
        raise UserError(f"{path}: `perFrameIntrinsicCoeffs` must hold fx, fy, cx, cy of frames.")
    if not np.isfinite(numbers).all():
        raise UserError(f"{path}: `perFrameIntrinsicCoeffs` must hold finite numbers.")
    middle = np.median(numbers, axis=0)
    spread = np.ptp(numbers[:, 0]) / middle[0]
    if spread > STEADY:
        notes.append(
            f"the focal length changes by {100 * spread:.1f} % (autofocus): the middle one is "
            "taken for all frames. Lock the focus when you record."
        )
    return middle.tolist()


def _times(path: Path, held: dict[str, Any], frames: list[int]) -> list[float]:
    given = held.get("frameTimestamps")
    if given is None:
        fps = held.get("fps", 30)
        if not isinstance(fps, (int, float)) or not 0.1 <= fps <= 1000:
            raise UserError(f"{path}: `fps` must be 0.1 to 1000. Received: {shown(fps)}")
        return [number / fps for number in frames]
    try:
        times = as_numbers(given, np.float64)
    except ValueError:
        times = np.zeros(0)
    if times.ndim != 1 or times.size <= frames[-1] or not np.isfinite(times).all():
        raise UserError(f"{path}: `frameTimestamps` must hold a time for each frame.")
    return times[frames].tolist()


def _colour(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint8]:
    try:
        content = _member(archive, name, "jpg")
    except (ValueError, KeyError) as error:
        raise picture_files.PictureError(name, f"cannot be read ({error})") from error
    return picture_files.decoded(name, content)


def _depth_reader(
    depth_px: tuple[int, int], cameras: Cameras
) -> Callable[[zipfile.ZipFile, str], NDArray[np.uint16]]:
    width, height = depth_px

    def read(archive: zipfile.ZipFile, name: str) -> NDArray[np.uint16]:
        content = _unpacked(archive, name, width * height)
        kind = {4: "<f4", 2: "<f2"}.get(len(content) // (width * height))
        depth = np.frombuffer(content, kind).reshape(height, width)
        return from_metres(depth, cameras.unit_mm, name)

    return read


def _unpacked(archive: zipfile.ZipFile, name: str, pixels: int | None) -> bytes:
    """Unpacked content of a depth file, of 4 or 2 bytes a pixel if their number is given.

    Raises:
        PictureError: if it is damaged, or would be larger.
    """
    import lzfse

    try:
        packed = _member(archive, name, "depth")
        most = MOST_BYTES["depth"] if pixels is None else 4 * pixels
        if len(packed) > most + 4096 or _blocks(packed) > 2 + most // LEAST_BLOCK_BYTES:
            raise ValueError("it would unpack to more than a picture")
        content = lzfse.decompress(packed)
    except (ValueError, KeyError, MemoryError, lzfse.error) as error:
        raise picture_files.PictureError(name, f"cannot be unpacked ({error})") from error
    if pixels is not None and len(content) not in (4 * pixels, 2 * pixels):
        raise picture_files.PictureError(
            name, f"holds {len(content)} bytes, which are not {pixels} numbers"
        )
    return content


def _blocks(packed: bytes) -> int:
    """How many blocks an LZFSE stream has at most; each unpacks to 27 MB at most."""
    return sum(packed.count(mark) for mark in BLOCK_MARKS)
