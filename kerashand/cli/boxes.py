"""Boxes of hands that the user gives: `--box`, and the lines of CSV or JSON of `--boxes`."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerashand.errors import UserError, did_you_mean, shown
from kerashand.files import read_text, user_path

if TYPE_CHECKING:
    from kerashand.cli.jobs import Job  # loads NumPy

COLUMNS = ("input", "left", "top", "right", "bottom", "handedness")
"""Of a CSV file; the last one may be absent or empty."""
KEYS = ("input", "box", "handedness")
"""Of a line of JSON."""
AUTO = "auto"
HANDEDNESSES = ("left", "right", AUTO)
LARGEST_PX = 1e9


class GivenBox(NamedTuple):
    """One hand: its box, its handedness or "auto", and the line it is from (empty: an option)."""

    box: tuple[float, ...]
    handedness: str
    origin: str = ""


def checked_box(values: Sequence[Any]) -> tuple[float, ...]:
    """Four numbers as a box.

    Raises:
        UserError: The rest of a sentence that starts with what the box is.
    """
    try:
        box = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        box = ()
    if isinstance(values, str) or len(box) != 4 or not all(abs(v) < LARGEST_PX for v in box):
        raise UserError("must be 4 finite numbers: left, top, right, bottom")
    if not (box[0] < box[2] and box[1] < box[3]):
        raise UserError("must be left,top,right,bottom with left < right and top < bottom")
    return box


def read_boxes(name: str) -> list[tuple[str, GivenBox]]:
    """The lines of a file of boxes: the picture that each names, and its box.

    Raises:
        UserError: For a file that cannot be read, or a wrong line, with its number.
    """
    path = user_path(name)
    try:
        text = read_text(path)
    except OSError as error:
        raise UserError(f"--boxes: {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(f"--boxes: {path}, {error}.") from error
    fields = _json_fields if text.lstrip().startswith("{") else _csv_fields
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        origin = f"{path}, line {number}"
        try:
            if (read := fields(line.strip())) is not None:
                found.append(_checked(*read, origin=origin))
        except UserError as error:
            raise UserError(f"--boxes: {origin}: {error}") from error
    if not found:
        raise UserError(f"--boxes: {path} holds no boxes.")
    return found


def _checked(picture: Any, box: Any, handedness: Any, *, origin: str) -> tuple[str, GivenBox]:
    if not isinstance(picture, str) or not picture.strip():
        raise UserError(f"`input` must name a picture. Received: {shown(picture)}")
    side = AUTO if handedness in (None, "") else handedness
    if side not in HANDEDNESSES:
        raise UserError(f"`handedness` must be {', '.join(HANDEDNESSES)}. Received: {shown(side)}")
    try:
        return picture, GivenBox(checked_box(box), side, origin)
    except UserError as error:
        raise UserError(f"the box {error}. Received: {shown(box)}") from error


def _json_fields(line: str) -> tuple[Any, Any, Any] | None:
    """Picture, box and handedness of a line of JSON; None of an empty one."""
    from kerashand.untrusted import parse_json  # loads NumPy

    if not line:
        return None
    try:
        row = parse_json(line)
    except ValueError as error:
        raise UserError(f"it is not JSON: {str(error)[:100]}.") from error
    if not isinstance(row, dict):
        raise UserError(f"it must be an object. Received: {shown(row)}")
    for key in row:
        if key not in KEYS:
            raise UserError(f"unknown key {shown(key)}.{did_you_mean(key, KEYS)}")
    for key in KEYS[:2]:
        if key not in row:
            raise UserError(f"`{key}` is missing.")
    return row["input"], row["box"], row.get("handedness")


def _csv_fields(line: str) -> tuple[Any, Any, Any] | None:
    """Picture, box and handedness of a line of CSV; None of an empty one and of column names."""
    try:
        row = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), ())]
    except csv.Error as error:
        raise UserError(f"it is no CSV: {error}.") from error
    if not any(row) or tuple(row) in (COLUMNS, COLUMNS[:-1]):
        return None
    if not len(COLUMNS) - 1 <= len(row) <= len(COLUMNS):
        raise UserError(
            f"it must hold {', '.join(COLUMNS[:-1])}, and a {COLUMNS[-1]} if that is known. "
            f"Received: {shown(line)}"
        )
    return row[0], row[1:5], row[5].lower() if len(row) == len(COLUMNS) else None


def assigned(
    lines: Sequence[tuple[str, GivenBox]], jobs: Sequence[Job]
) -> dict[str, list[GivenBox]]:
    """The boxes of each input by the input's name.

    A line names an input by its path, or by the end of it: `b.jpg` or `may/b.jpg`. Letters with
    accents may be one character or two, as systems write them.

    Raises:
        UserError: For a line that names no input, or several.
    """
    by_path = {_composed(job.path.resolve()): job.name for job in jobs if job.path is not None}
    by_name: dict[str, list[Path]] = {}
    for path in by_path:
        by_name.setdefault(path.name, []).append(path)
    found: dict[str, list[GivenBox]] = {job.name: [] for job in jobs}
    for picture, given in lines:
        named = _composed(Path(picture))
        whole = _resolved(picture)
        if whole is not None and whole in by_path:
            paths = [whole]
        else:
            ends = by_name.get(named.name, [])
            paths = [path for path in ends if path.parts[-len(named.parts) :] == named.parts]
        if len(paths) != 1:
            what = f"{len(paths)} inputs: write its path" if paths else "none of the inputs"
            near = "" if paths else did_you_mean(picture, by_name)
            raise UserError(f"--boxes: {given.origin}: {shown(picture)} is {what}.{near}")
        found[by_path[paths[0]]].append(given)
    return found


def _composed(path: Path) -> Path:
    """The path with each accented letter as one character."""
    return Path(unicodedata.normalize("NFC", str(path)))


def _resolved(picture: str) -> Path | None:
    """The path that a line names; None if it can be none."""
    try:
        return _composed(user_path(picture).resolve())
    except (OSError, ValueError):
        return None
