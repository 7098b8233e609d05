"""Sequences as the TUM RGB-D benchmark has them: pictures named in lists with their times.

rgb.txt, depth.txt    a line a picture: seconds, and its file within the folder; # begins a comment
associations.txt      instead of both: seconds and file of one, seconds and file of the other
depth/*.png           16 bits, 5000 a metre, registered to colour
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerashand.data.imports import stills
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Cameras, Options, Source
from kerashand.errors import UserError
from kerashand.files import read_text
from kerashand.geometry.camera import pinhole_matrix

UNIT_MM = 0.2
"""5000 values a metre."""
MOST_LINES = 1_000_000
ASSOCIATIONS = ("associations.txt", "associated.txt")
FREIBURG = {
    "1": ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "2": ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "3": ((535.4, 539.2, 320.1, 247.6), ()),
}
"""Cameras of the benchmark (Sturm et al., IROS 2012): fx fy cx cy, and k1 k2 p1 p2 k3."""
ANY = (525.0, 525.0, 319.5, 239.5)

Listed = list[tuple[float, Path]]


@contextlib.contextmanager
def open_source(root: Path, options: Options) -> Iterator[Source]:
    """Open a folder.

    Raises:
        UserError: if a list is missing or wrong, or names a file elsewhere.
    """
    options.refuse("a TUM sequence", "colour_topic", "depth_topic", "depth")
    colour, depth = _lists(root)
    size, depth_px = stills.size_of(colour[0][1]), stills.size_of(depth[0][1])
    notes: list[str] = []
    cameras = options.choose(
        lambda given: _cameras(root, given, size=size, depth_px=depth_px, notes=notes),
        colour_px=size,
        depth_px=depth_px,
        unit_mm=lambda: _unit_mm(notes),
        notes=notes,
    )
    yield Source(
        cameras,
        (stills.colour_shot(path, time_s) for time_s, path in colour),
        (stills.depth_shot(path, time_s) for time_s, path in depth),
        tuple(notes),
        len(colour),
        timed=not any((root / name).is_file() for name in ASSOCIATIONS),
    )


def _unit_mm(notes: list[str]) -> float:
    notes.append("assumed: 5000 depth values are a metre, as the benchmark has it.")
    return UNIT_MM


def _cameras(
    root: Path,
    given: Lens | None,
    *,
    size: tuple[int, int],
    depth_px: tuple[int, int],
    notes: list[str],
) -> Cameras:
    if given is not None:
        notes.append("assumed: depth is registered to colour.")
        return Cameras.registered(given, depth_px)
    if size != (640, 480):
        raise UserError(
            f"{root}: no camera is known for pictures of {size[0]} x {size[1]} pixels. Give "
            "--fx --fy --cx --cy, or --camera."
        )
    match = re.search("freiburg([123])", root.absolute().name.lower())
    numbers, bent = FREIBURG[match[1]] if match else (ANY, ())
    whose = f"freiburg{match[1]}" if match else "any Kinect, for no freiburg1 to 3 is in the name"
    fx, fy, cx, cy = numbers
    notes.append(
        f"assumed: the camera of {whose} (fx {fx}, fy {fy}, cx {cx}, cy {cy}); depth is registered "
        "to colour."
    )
    matrix = pinhole_matrix(numbers)
    return Cameras.registered(Lens(size, matrix, "opencv" if bent else "none", bent), depth_px)


def _lists(root: Path) -> tuple[Listed, Listed]:
    """Times and files of colour and of depth, in the order of time."""
    for name in ASSOCIATIONS:
        if (root / name).is_file():
            rows = _rows(root / name, 4)
            pairs = [(_entry(root, row[:2]), _entry(root, row[2:])) for row in rows]
            if pairs[0][0][1].parent.name == "depth":
                pairs = [(colour, depth) for depth, colour in pairs]
            # Lines say what belongs together, whatever their times are.
            return (
                [(float(number), colour[1]) for number, (colour, _) in enumerate(pairs)],
                [(float(number), depth[1]) for number, (_, depth) in enumerate(pairs)],
            )
    colour, depth = (
        sorted(_entry(root, row) for row in _rows(root / name, 2))
        for name in ("rgb.txt", "depth.txt")
    )
    return colour, depth


def _rows(path: Path, fields: int) -> list[list[str]]:
    try:
        lines = read_text(path).split("\n", MOST_LINES)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        row = line.split()
        if not row or row[0].startswith("#"):
            continue
        if len(row) != fields:
            raise UserError(
                f"{path}, line {number}: must hold {fields // 2} times and as many files. "
                f"Received: {line[:80]!r}"
            )
        rows.append(row)
    if not rows:
        raise UserError(f"{path} names no pictures.")
    return rows


def _entry(root: Path, row: list[str]) -> tuple[float, Path]:
    """A time and a file, which must lie in the folder."""
    time, name = row
    try:
        time_s, path = float(time), (root / name).resolve()
    except (ValueError, OSError):
        time_s, path = float("nan"), root
    if not np.isfinite(time_s):
        raise UserError(f"{root}: {time[:40]!r} is no time of {name[:80]!r}.")
    if not path.is_relative_to(root.resolve()):
        raise UserError(f"{root}: {name[:80]!r} lies outside of the folder: not read.")
    return time_s, path
