"""What the readers of data sets on disk give: a table with one row a hand.

A table holds paths and labels, in pixels of the pictures as they are on disk and in millimetres of
the colour camera; pictures are opened when a batch needs them (`kerashand.data.readers.decode`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.registration import Registration, register_depth
from kerashand.skeleton import NUM_JOINTS
from kerashand.untrusted import as_numbers

MOST_NAMED = 5
"""Problems that a message spells out."""
MOST_OFF_PX = 5.0
"""Distance of labelled points from projected joints above which the two do not belong together."""
HAND_MM = (40.0, 400.0)
"""Smallest and largest plausible distance of a hand's joints from each other."""
DEPTH_SAMPLES, FILE_THREADS = 12, 8
MOST_DEPTH_OFF_MM = 150.0
RHD_MM = 5000.0 / 65535.0
MEND = "Get it again, or delete it and leave it out with --skip-bad."
"""What to do about a picture that is damaged."""
END_BYTES, JPEG_HEAD_BYTES = 512, 1 << 18
"""Cameras append a little to JPEG files, and put a thumbnail before the picture."""


@dataclasses.dataclass(frozen=True)
class HandTable:
    """N hands of a data set, or of a split of it.

    Attributes:
        dataset: its name in messages.
        conditions: what a number on these hands depends on, in words.
        images: [N] paths of pictures, all of `size_px`.
        size_px: width and height.
        uv_px: [N, 21, 2] float32.
        uv_weight: [N, 21] float32, 0 = not labelled or not to be seen.
        xyz_mm: [N, 21, 3] float32 in the colour camera; without 3D labels any joints with the right
            depth of the wrist and lengths of the scale bones.
        has_xyz: whether they are labels.
        intrinsics: [N, 3, 3] float32 of the colour camera.
        is_right: [N] bool, anatomical side.
        depths: [N] paths of depth pictures, or none.
        depth_coding: "rhd", "stb" or "mm": how their pixels mean millimetres.
        depth_unit_mm: factor on these.
        registration: where the depth camera stands, None if depth is seen by the colour camera.
        groups: [N] rows with the same number stay in one split; None: each row by itself.
    """

    dataset: str
    conditions: str
    images: tuple[str, ...]
    size_px: tuple[int, int]
    uv_px: np.ndarray
    uv_weight: np.ndarray
    xyz_mm: np.ndarray
    intrinsics: np.ndarray
    is_right: np.ndarray
    has_xyz: bool = True
    depths: tuple[str, ...] | None = None
    depth_coding: str | None = None
    depth_unit_mm: float = 1.0
    registration: Registration | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the depth pictures."""
        return self.registration.size_px if self.registration else self.size_px

    @property
    def labels(self) -> tuple[str, ...]:
        """What of `kerashand.data.sample.LABELS` it gives."""
        return ("uv", *(("xyz",) if self.has_xyz else ()), *(("depth",) if self.depths else ()))

    def select(self, rows: Sequence[int] | np.ndarray) -> HandTable:
        """The table of some of its rows."""
        rows = np.asarray(rows, int)
        arrays = ("uv_px", "uv_weight", "xyz_mm", "intrinsics", "is_right")
        return dataclasses.replace(
            self,
            images=tuple(self.images[row] for row in rows),
            depths=None if self.depths is None else tuple(self.depths[row] for row in rows),
            groups=None if self.groups is None else self.groups[rows],
            **{name: getattr(self, name)[rows] for name in arrays},
        )

    def spread(self, count: int | None) -> HandTable:
        """So many of its rows, evenly spread over it; None: all.

        Raises:
            UserError: if there are fewer.
        """
        if count is None or count == len(self):
            return self
        if count > len(self):
            raise UserError(
                f"{self.dataset} holds {len(self)} hands for this, but {count} are asked for. "
                "Lower the number in the configuration, or set it to null for all."
            )
        return self.select(np.arange(count) * len(self) // count)

    def held_out(self, count: int) -> tuple[HandTable, HandTable]:
        """Its rows but for the last groups, and one row of each of the last `count` groups."""
        groups = np.arange(len(self)) if self.groups is None else self.groups
        names, first = np.unique(groups, return_index=True)
        if count >= len(names):
            raise UserError(
                f"{self.dataset} holds {len(names)} hands, of which {count} cannot be held out for "
                "validation. Lower `val` in the configuration."
            )
        out = names[len(names) - count :]
        return (
            self.select(np.flatnonzero(~np.isin(groups, out))),
            self.select(np.sort(first[len(names) - count :])),
        )


Problem = tuple[int, str]
"""A row and what is wrong with it; the text names the file."""


def find_problems(table: HandTable) -> list[Problem]:
    """What is wrong with rows of a table: labels first, then files; at most one text a row."""
    found: dict[int, str] = {}
    for check in (_label_problems, _file_problems):
        for row, text in check(table):
            found.setdefault(row, text)
    return sorted(found.items())


def without_bad_rows(
    table: HandTable, *, most_bad: float = 0.0, report: Callable[[str], None] | None = None
) -> HandTable:
    """The table without the rows that `find_problems` names.

    Args:
        table: as a reader gave it.
        most_bad: share of rows (0..1) that may be left out; 0 allows none.
        report: gets a line for each row that is left out, and one with their number.

    Raises:
        UserError: if more rows are wrong.
    """
    problems = find_problems(table)
    if not problems:
        return table
    share = len(problems) / len(table)
    if share > most_bad:
        shown = "\n  ".join(text for _, text in problems[:MOST_NAMED])
        more = len(problems) - MOST_NAMED
        raise UserError(
            f"{table.dataset}: {len(problems)} of {len(table)} hands cannot be used:\n  {shown}"
            + (f"\n  and {more} more" if more > 0 else "")
            + "\nMend or download these files again"
            + (
                ", or leave such hands out with --skip-bad."
                if most_bad == 0
                else f". At most {most_bad:.1%} may be left out (--skip-bad)."
            )
        )
    if report:
        for _, text in problems:
            report(f"left out: {text}")
        report(f"{table.dataset}: {len(problems)} of {len(table)} hands left out ({share:.2%})")
    bad = {row for row, _ in problems}
    return table.select([row for row in range(len(table)) if row not in bad])


def _label_problems(table: HandTable):
    """Rows whose labels are no hand."""
    finite = (
        np.isfinite(table.uv_px).all(axis=(1, 2))
        & np.isfinite(table.xyz_mm).all(axis=(1, 2))
        & np.isfinite(table.intrinsics).all(axis=(1, 2))
    )
    width, height = table.size_px
    with np.errstate(invalid="ignore"):
        inside = ((table.uv_px >= -0.5) & (table.uv_px <= np.array([width, height]) - 0.5)).all(-1)
        seen = np.where((table.uv_weight > 0).any(axis=1), inside.sum(axis=1), 0)
        before = (table.xyz_mm[..., 2] > 0).all(axis=1)
        extent = np.ptp(table.xyz_mm, axis=1).max(axis=1)
    for row, path in enumerate(table.images):
        if not finite[row] and not table.has_xyz and np.isfinite(table.uv_px[row]).all():
            yield row, f"{path}: no depth was measured at its wrist"
        elif not finite[row]:
            yield row, f"{path}: joints or camera are not finite numbers"
        elif seen[row] < 2:
            yield row, f"{path}: no hand, only {seen[row]} of its points lie in the picture"
        elif not before[row]:
            nearest = table.xyz_mm[row, :, 2].min()
            yield row, f"{path}: joints behind the camera (least depth {nearest:.0f} mm)"
        elif table.has_xyz and not HAND_MM[0] <= extent[row] <= HAND_MM[1]:
            yield (
                row,
                f"{path}: a hand of {extent[row]:.3g} mm, which is none (are the units right?)",
            )
        elif table.has_xyz:
            off = np.abs(
                px_from_cam(table.xyz_mm[row], table.intrinsics[row]) - table.uv_px[row]
            ).max()
            if off > MOST_OFF_PX:
                yield row, f"{path}: joints project {off:.0f} px beside the labelled points"


def _file_problems(table: HandTable):
    """Rows whose pictures are missing, cut short, or of another size or kind."""
    wanted = [(table.images, table.size_px)]
    if table.depths is not None:
        wanted.append((table.depths, table.depth_size_px))
    for paths, size_px in wanted:
        once = list(dict.fromkeys(paths))
        with ThreadPoolExecutor(FILE_THREADS) as pool:
            found = pool.map(picture_problem, map(Path, once), itertools.repeat(size_px))
        problem = dict(zip(once, found, strict=True))
        yield from (
            (row, f"{path}: {problem[path]}") for row, path in enumerate(paths) if problem[path]
        )


def check_depth(table: HandTable) -> None:
    """Compare a few depth pictures with the joints that they should show.

    Raises:
        UserError: if they lie far apart, as with another coding, byte order or unit.
    """
    if table.depths is None or not len(table):
        return
    off = []
    for row in np.unique(np.linspace(0, len(table) - 1, DEPTH_SAMPLES).astype(int)):
        depth = depth_seen(table, row)
        place = np.rint(table.uv_px[row]).astype(int)
        inside = ((place >= 0) & (place < np.array(depth.shape[::-1]))).all(axis=1)
        measured = depth[tuple(place[inside].T[::-1])]
        difference = measured - table.xyz_mm[row, inside, 2]
        off.append(difference[measured > 0])
    off = np.concatenate(off)
    if off.size and abs(np.median(off)) > MOST_DEPTH_OFF_MM:
        raise UserError(
            f"{table.dataset}: the depth pictures lie {np.median(off):+.0f} mm from the joints in "
            f"the median of {off.size} points, for example {table.depths[0]}. They may be of "
            "another version, unit or byte order."
        )


def depth_seen(table: HandTable, row: int) -> np.ndarray:
    """Depth [H, W] in mm of a row as its colour camera sees it; by OpenCV, for checks and sheets.

    Raises:
        UserError: if the picture cannot be read.
    """
    picture = picture_files.read(table.depths[row], cv2.IMREAD_UNCHANGED)
    plain = table.depth_coding == "mm"
    if (
        picture is None
        or picture.shape[1::-1] != table.depth_size_px
        or picture.ndim != (2 if plain else 3)
        or picture.dtype != (np.uint16 if plain else np.uint8)
    ):
        raise UserError(f"{table.depths[row]} is no depth picture of this data set.")
    values = picture.astype(np.float32)
    if table.depth_coding == "rhd":  # OpenCV gives B, G, R
        depth = (256.0 * values[..., 2] + values[..., 1]) * RHD_MM
    elif table.depth_coding == "stb":
        depth = values[..., 2] + 256.0 * values[..., 1]
    else:
        depth = values * table.depth_unit_mm
    if table.registration is None:
        return depth
    return register_depth(depth, table.registration, table.intrinsics[row], table.size_px)


def picture_problem(path: Path, size_px: tuple[int, int]) -> str | None:
    """What is wrong with a PNG or JPEG file, told by its head and its end; None if nothing is."""
    try:
        with open(path, "rb") as file:
            head = file.read(26)
            file.seek(0, 2)
            file.seek(max(file.tell() - END_BYTES, 0))
            end = file.read()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if not head:
        return "is empty"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        if not end.endswith(b"IEND\xaeB`\x82"):
            return "is a PNG file that was cut short"
        size = (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    elif head.startswith(b"\xff\xd8"):
        if b"\xff\xd9" not in end:
            return "is a JPEG file that was cut short"
        size = _jpeg_size(path)
    else:
        return "is neither PNG nor JPEG"
    if size != size_px:
        found = "of unknown size" if size is None else f"{size[0]} x {size[1]} pixels"
        return f"is {found}, not {size_px[0]} x {size_px[1]}"
    return None


def _jpeg_size(path: Path) -> tuple[int, int] | None:
    """Width and height that a JPEG file's frame header names."""
    with open(path, "rb") as file:
        data = file.read(JPEG_HEAD_BYTES)
    place = 2
    while place + 9 < len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            return int.from_bytes(data[place + 7 : place + 9], "big"), height
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def check_numbers(name: str, values: Any) -> np.ndarray:
    """Nested lists, or an array, as float32.

    Raises:
        UserError: if they are anything else.
    """
    try:
        return as_numbers(values)
    except ValueError as error:
        raise UserError(f"{name} must hold numbers alone: {str(error)[:200]}") from error


def check_joints(name: str, joints: Any, dims: int) -> np.ndarray:
    """Joints [N, 21, dims] as float32.

    Raises:
        UserError: for another shape.
    """
    array = check_numbers(name, joints)
    if array.ndim != 3 or array.shape[1:] != (NUM_JOINTS, dims):
        raise UserError(
            f"{name} must hold {NUM_JOINTS} joints of {dims} numbers a hand. "
            f"Received: shape {array.shape}"
        )
    return array
