"""What the readers of data sets on disk give: a table with one row a hand.

A table holds paths and labels, in pixels of the upright pictures (turned as their EXIF orientation
says) and in millimetres of the colour camera; pictures are opened when a batch needs them
(`kerashand.data.readers.decode`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from kerashand import picture_files
from kerashand.errors import UserError
from kerashand.geometry.registration import Registration, register_depth
from kerashand.picture_files import Head, PictureError
from kerashand.skeleton import NUM_JOINTS
from kerashand.untrusted import as_numbers

FILE_THREADS = 8
RHD_MM = 5000.0 / 65535.0
MEND = "Get it again, or delete it and leave it out with --skip-bad."
"""What to do about a picture that is damaged."""
COLOUR = ("RGB", "RGB with alpha")
Column = TypeVar("Column")
DEPTH_KINDS = {"rhd": COLOUR, "stb": COLOUR, "mm": ("16-bit grey",)}
"""Coding of depth pictures -> what their pixels may be."""


@dataclasses.dataclass(frozen=True)
class HandTable:
    """N hands of a data set, or of a split of it.

    Attributes:
        dataset: its name in messages.
        conditions: what a number on these hands depends on, in words.
        images: [N] paths of pictures, all of `size_px`.
        size_px: width and height of the upright pictures.
        uv_px: [N, 21, 2] float32.
        uv_weight: [N, 21] float32, 0 = not labelled or not to be seen.
        xyz_mm: [N, 21, 3] float32 in the colour camera; without 3D labels any joints with the right
            depth of the wrist and lengths of the scale bones.
        has_xyz: whether they are labels.
        intrinsics: [N, 3, 3] float32 of the colour camera.
        is_right: [N] bool, anatomical side.
        depths: [N] paths of depth pictures, or none; they are never turned.
        depth_coding: "rhd", "stb" or "mm": how their pixels mean millimetres.
        depth_unit_mm: factor on these.
        registration: where the depth camera stands, None if depth is seen by the colour camera.
        joint_depth_mm: [N, 21] predicted depth of joints along the camera's axis, NaN where none is
            known; no label, but where to look for the hand in its depth picture.
        segmented: whether depth pictures show the hand alone, see `kerashand.data.hand_depth`.
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
    joint_depth_mm: np.ndarray | None = None
    segmented: bool = False
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

    @functools.cached_property
    def heads(self) -> tuple[Head | PictureError, ...]:
        """[N] what the pictures say of themselves, or why they cannot be read; read when needed."""
        return read_heads(self.images)

    def select(self, rows: Sequence[int] | np.ndarray) -> HandTable:
        """The table of some of its rows."""
        rows = np.asarray(rows, int)
        joint_depth_mm, groups = self.joint_depth_mm, self.groups
        chosen = dataclasses.replace(
            self,
            images=tuple(self.images[row] for row in rows),
            uv_px=self.uv_px[rows],
            uv_weight=self.uv_weight[rows],
            xyz_mm=self.xyz_mm[rows],
            intrinsics=self.intrinsics[rows],
            is_right=self.is_right[rows],
            depths=None if self.depths is None else tuple(self.depths[row] for row in rows),
            joint_depth_mm=None if joint_depth_mm is None else joint_depth_mm[rows],
            groups=None if groups is None else groups[rows],
        )
        if "heads" in vars(self):  # of many files: not read again
            vars(chosen)["heads"] = tuple(self.heads[row] for row in rows)
        return chosen

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

    def held_out(self, count: int, *, blocks: int = 1) -> tuple[HandTable, HandTable]:
        """Its rows but for `count` groups, and one row of each of these.

        The table is cut into `blocks` parts, or fewer if few groups are left, and the last groups
        of each part are held out.
        """
        groups = np.arange(len(self)) if self.groups is None else self.groups
        names, first = np.unique(groups, return_index=True)
        if count >= len(names):
            raise UserError(
                f"{self.dataset} holds {len(names)} hands, of which {count} cannot be held out for "
                "validation. Lower `val` in the configuration."
            )
        blocks = min(blocks, len(names) - count)  # so that no part is smaller than its share
        ends = np.arange(1, blocks + 1) * len(names) // blocks
        each = np.diff(np.arange(blocks + 1) * count // blocks)
        out = np.concatenate([np.arange(end - n, end) for end, n in zip(ends, each, strict=True)])
        return (
            self.select(np.flatnonzero(~np.isin(groups, names[out]))),
            self.select(np.sort(first[out])),
        )


def given(column: Column | None) -> Column:
    """A column that not every table has, but that of the caller has."""
    assert column is not None
    return column


def read_heads(paths: Sequence[str]) -> tuple[Head | PictureError, ...]:
    """Heads of picture files, each file read once; the error where one cannot be read."""

    def head(path: str) -> Head | PictureError:
        try:
            return picture_files.read_head(path)
        except PictureError as error:
            return error

    once = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(FILE_THREADS) as pool:
        found = dict(zip(once, pool.map(head, once), strict=True))
    return tuple(found[path] for path in paths)


def picture_problem(head: Head | PictureError, size_px: tuple[int, int]) -> str | None:
    """What is wrong with a colour picture of a data set, told by its head; None if nothing is."""
    if isinstance(head, PictureError):
        return head.reason
    if head.format not in ("PNG", "JPEG"):
        return f"is neither PNG nor JPEG but {head.format}"
    if head.size_px == size_px:
        return None
    found, wanted = (" x ".join(map(str, size)) for size in (head.size_px, size_px))
    turned = ""
    if head.orientation != 1:
        stored = " x ".join(map(str, head.stored_px))
        turned = (
            f" (it is stored as {stored} and turned by its EXIF orientation {head.orientation}; "
            "sizes, cameras and points are those of the upright picture)"
        )
    return f"is {found} pixels, not {wanted}{turned}"


def depth_problem(head: Head | PictureError, size_px: tuple[int, int], coding: str) -> str | None:
    """The same of a depth picture, which is never turned."""
    if isinstance(head, PictureError):
        return head.reason
    if head.format != "PNG" or head.kind not in DEPTH_KINDS[coding]:
        return (
            f"holds {head.kind} pixels in a {head.format} file, but depth must be "
            f"{DEPTH_KINDS[coding][0]} in a PNG file"
        )
    if head.stored_px != size_px:
        found, wanted = (" x ".join(map(str, size)) for size in (head.stored_px, size_px))
        return f"is {found} pixels, not {wanted}"
    return None


def depth_values(table: HandTable, row: int) -> np.ndarray:
    """Pixels of a row's depth picture as they are stored: [H, W] uint16, or [H, W, 3] uint8.

    Raises:
        PictureError: if it is missing, damaged, or of another kind or size.
    """
    path, coding = given(table.depths)[row], given(table.depth_coding)
    problem = depth_problem(picture_files.read_head(path), table.depth_size_px, coding)
    if problem:
        raise PictureError(path, problem)
    return picture_files.read_values(path)


def depth_seen(table: HandTable, row: int, values: np.ndarray | None = None) -> np.ndarray:
    """Depth [H, W] in mm of a row as its colour camera sees it, for checks and sheets.

    Args:
        table: with depth pictures.
        row: of the table.
        values: of `depth_values`; None reads them.

    Raises:
        PictureError: as of `depth_values`.
    """
    values = depth_values(table, row) if values is None else values
    values = values.astype(np.float32)
    if table.depth_coding == "rhd":
        depth = (256.0 * values[..., 0] + values[..., 1]) * RHD_MM
    elif table.depth_coding == "stb":
        depth = values[..., 0] + 256.0 * values[..., 1]
    else:
        depth = values * table.depth_unit_mm
    if table.registration is None:
        return depth
    return register_depth(depth, table.registration, table.intrinsics[row], size_px=table.size_px)


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
