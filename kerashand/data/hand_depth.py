"""Depth pictures of a recording that show the hand alone, as Eq. 4 asks; kept in the cache.

The picture of a row is 16-bit grey in the view of the colour camera: 0 is no measurement or unsure,
`FAR` is background, which lies behind every depth window, and all else is the hand.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from kerashand.data.readers.checks import check_depth
from kerashand.data.readers.table import FILE_THREADS, HandTable, depth_seen, given
from kerashand.data.segmentation import BACKGROUND, HAND, segment_hand
from kerashand.data.shards import writing_cache
from kerashand.files import file_stamp, written_beside
from kerashand.progress import progress
from kerashand.skeleton import MIDDLE_MCP, ROOT

VERSION = 1
"""Raised when the same picture is segmented in another way, so that cached ones are not used."""
UNIT_MM = 0.25
FAR = 65535
"""16 m."""


def with_hand_depth(table: HandTable, cache: Path) -> HandTable:
    """The table with depth pictures of the hands alone, written where they are missing.

    Args:
        table: of a recording, with the depth of the wrists in `xyz_mm`.
        cache: root of the sample cache.

    Raises:
        UserError: if units or cameras are implausible, a picture cannot be read, or the cache
            cannot be written.
    """
    check_depth(table)
    folder = cache / f"hands-v{VERSION}"
    paths = [folder / f"{_digest(table, row)}.png" for row in range(len(table))]
    missing = [row for row, path in enumerate(paths) if not path.is_file()]
    if missing:
        with writing_cache(cache):
            folder.mkdir(parents=True, exist_ok=True)
            _write(table, paths, missing)
    return dataclasses.replace(
        table,
        depths=tuple(map(str, paths)),
        depth_unit_mm=UNIT_MM,
        registration=None,
        segmented=True,
    )


def hand_depth(table: HandTable, row: int) -> np.ndarray:
    """The picture [H, W] uint16 of a row, in units of `UNIT_MM`.

    Raises:
        PictureError: if its depth picture cannot be read.
    """
    depth = depth_seen(table, row)
    predicted = given(table.joint_depth_mm)[row].astype(np.float64)
    palm_mm = float(np.linalg.norm(table.xyz_mm[row, MIDDLE_MCP] - table.xyz_mm[row, ROOT]))
    known, root_mm = np.isfinite(predicted), table.xyz_mm[row, ROOT, 2]
    kinds = segment_hand(
        depth,
        table.uv_px[row].astype(np.float64),
        np.where(known, predicted, np.median(predicted[known]) if known.any() else root_mm),
        intrinsics=table.intrinsics[row].astype(np.float64),
        palm_mm=palm_mm,
        predicted=bool(known.any()),
    )
    units = np.clip(np.rint(depth / UNIT_MM), 1, FAR - 1)
    seen = np.where(kinds == HAND, units, np.where(kinds == BACKGROUND, FAR, 0))
    return seen.astype(np.uint16)


def _write(table: HandTable, paths: list[Path], rows: list[int]) -> None:
    def write(row: int) -> None:
        data = cv2.imencode(".png", hand_depth(table, row))[1].tobytes()
        with written_beside(paths[row]) as beside:
            beside.write_bytes(data)

    with (
        progress("finding hands in depth pictures", len(rows), "frames") as advance,
        ThreadPoolExecutor(min(FILE_THREADS, os.cpu_count() or 1)) as pool,
    ):
        for _ in pool.map(write, rows):
            advance(1)


def _digest(table: HandTable, row: int) -> str:
    """Of all that the picture of a row depends on; the depth picture by size and time."""
    camera = table.registration and table.registration.numbers()
    held = (file_stamp(given(table.depths)[row]), table.size_px, table.depth_unit_mm, camera)
    digest = hashlib.sha256(repr(held).encode())
    for array in (table.uv_px, given(table.joint_depth_mm), table.xyz_mm, table.intrinsics):
        digest.update(np.ascontiguousarray(array[row], np.float32).tobytes())
    return digest.hexdigest()[:24]
