"""Pictures that lie in files of their own, and small JSON files beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Shot
from kerashand.errors import UserError
from kerashand.files import natural_order
from kerashand.untrusted import as_numbers, parse_json

COLOUR_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp")
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".pgm")
MOST_JSON_BYTES = 1 << 20


def read_depth(path: Path) -> NDArray[np.uint16]:
    """The values of a depth picture [H, W].

    Raises:
        PictureError: if it cannot be read or is not grey with 16 bits.
    """
    return checked_depth(path, picture_files.read_values(path))


def checked_depth(name: str | Path, values: NDArray) -> NDArray[np.uint16]:
    """Values of a picture if they can be depth.

    Raises:
        PictureError: if they are not grey with 16 bits.
    """
    if values.dtype != np.uint16:
        raise picture_files.PictureError(name, "is no depth picture: it has 8 bits, not 16")
    return values


def colour_shot(path: Path, time_s: float) -> Shot:
    """A colour picture that is read when it is needed."""
    return Shot(time_s, str(path), partial(picture_files.read, path))


def depth_shot(path: Path, time_s: float) -> Shot:
    """A depth picture likewise."""
    return Shot(time_s, str(path), partial(read_depth, path))


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of an upright picture.

    Raises:
        PictureError: if it cannot be read.
    """
    return picture_files.read_head(path).size_px


def list_pictures(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The pictures of a folder in natural order; hidden files are none.

    Raises:
        UserError: if there are none.
    """
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    ]
    if not found:
        raise UserError(f"{folder} holds no pictures ({', '.join(suffixes)}).")
    return sorted(found, key=lambda path: natural_order(path.name))


def both_by_name(colour: list[Path], depth: list[Path]) -> tuple[list[Shot], list[Shot], str]:
    """Pictures of two folders, with the same "time" where they belong together by their names.

    Returns:
        Shots of colour and of depth in order, and a sentence that says what counted.

    Raises:
        UserError: if names say nothing.
    """
    if {path.stem for path in colour} & {path.stem for path in depth}:
        stems = sorted({path.stem for path in [*colour, *depth]}, key=natural_order)
        keys, what = {stem: number for number, stem in enumerate(stems)}, "name"
    else:
        keys, what = _by_number(colour, depth)

    def shots(shot: Callable[[Path, float], Shot], paths: list[Path]) -> list[Shot]:
        return [shot(path, key) for key, path in sorted((keys[path.stem], path) for path in paths)]

    note = f"colour and depth pictures with the same {what} belong together."
    return shots(colour_shot, colour), shots(depth_shot, depth), note


def _by_number(colour: list[Path], depth: list[Path]) -> tuple[dict[str, int], str]:
    """The number in each name that no other picture of its folder has, and which number it is."""
    for place, what in ((0, "first number"), (-1, "last number")):
        of_colour, of_depth = (_numbers(paths, place=place) for paths in (colour, depth))
        if of_colour is not None and of_depth is not None:
            return of_colour | of_depth, what
    raise UserError(
        f"{colour[0]} and {depth[0]}: the names do not say which pictures belong together. Give "
        "both the same names."
    )


def _numbers(paths: list[Path], *, place: int) -> dict[str, int] | None:
    """A number of each name; None where one has no number, or two have the same."""
    found: dict[str, int] = {}
    for path in paths:
        numbers = re.findall("[0-9]{1,15}", path.stem)
        if not numbers:
            return None
        found[path.stem] = int(numbers[place])
    return found if len(set(found.values())) == len(paths) else None


def read_json(path: Path) -> Any:
    """What a small JSON file holds.

    Raises:
        UserError: if it cannot be read, or is large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_JSON_BYTES + 1)
        if len(content) > MOST_JSON_BYTES:
            raise ValueError(f"more than {MOST_JSON_BYTES:,} bytes")
        return parse_json(content)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}.") from error


def lens_of(name: str | Path, size_px: tuple[int, int], numbers: Any, *, by_columns: bool) -> Lens:
    """The pinhole camera of nine numbers, or three rows of three.

    Args:
        name: for messages.
        size_px: width and height of the pictures.
        numbers: the matrix.
        by_columns: whether nine numbers come column by column.

    Raises:
        UserError: if they are no camera matrix.
    """
    try:
        matrix = as_numbers(numbers, np.float64)
    except ValueError:
        matrix = np.zeros(0)
    if matrix.shape == (9,):
        matrix = matrix.reshape(3, 3).T if by_columns else matrix.reshape(3, 3)
    if matrix.shape == (3, 3) and np.isfinite(matrix).all():
        (fx, skew, cx), (_, fy, cy), _ = matrix
        plain = np.array([[fx, skew, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        if min(fx, fy) > 0 and abs(skew) < 1e-3 * fx and np.abs(matrix - plain).max() < 1e-6:
            plain[0, 1] = 0.0
            return Lens(size_px, plain)
    raise UserError(f"{name}: this is no camera matrix. Received: {str(numbers)[:120]}")
