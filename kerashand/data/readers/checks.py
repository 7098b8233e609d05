"""What is wrong with the hands of a data set on disk, before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from kerashand.data.readers import units
from kerashand.data.readers.table import (
    HandTable,
    depth_problem,
    depth_seen,
    depth_values,
    given,
    picture_problem,
    read_heads,
)
from kerashand.errors import UserError
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.squares import LEAST_HAND_PX
from kerashand.picture_files import Head, PictureError

MOST_NAMED = 5
"""Problems that a message spells out."""
MOST_OFF_PX = 5.0
"""Distance of labelled points from projected joints above which the two do not belong together."""
HAND_MM = (40.0, 400.0)
"""Smallest and largest plausible distance of a hand's joints from each other."""
DEPTH_SAMPLES = 12
MOST_DEPTH_OFF_MM = 150.0

Problem = tuple[int, str]
"""A row and what is wrong with it; the text names the file."""


def find_problems(table: HandTable) -> list[Problem]:
    """What is wrong with rows of a table: files first, then labels; at most one text a row."""
    found: dict[int, str] = {}
    for check in (_file_problems, _label_problems):
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


def _label_problems(table: HandTable) -> Iterator[Problem]:
    """Rows whose labels are no hand."""
    finite = np.isfinite(table.uv_px).all(axis=(1, 2)) & np.isfinite(table.intrinsics).all((1, 2))
    placed = np.isfinite(table.xyz_mm).all(axis=(1, 2))
    width, height = table.size_px
    with np.errstate(invalid="ignore"):
        inside = ((table.uv_px >= -0.5) & (table.uv_px <= np.array([width, height]) - 0.5)).all(-1)
        seen = np.where((table.uv_weight > 0).any(axis=1), inside.sum(axis=1), 0)
        span = np.ptp(table.uv_px, axis=1).max(axis=1)
        before = np.all(table.xyz_mm[..., 2] > 0, axis=1)
        extent = np.ptp(table.xyz_mm, axis=1).max(axis=1)
    for row, path in enumerate(table.images):
        if not finite[row] or (table.has_xyz and not placed[row]):
            yield row, f"{path}: joints or camera are not finite numbers"
        elif seen[row] < 2:
            yield row, f"{path}: no hand, only {seen[row]} of its points lie in the picture"
        elif span[row] < LEAST_HAND_PX:
            yield row, f"{path}: no hand, {spans_too_little(span[row])}"
        elif not placed[row]:
            yield row, _without_depth(table, row)
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


def spans_too_little(span_px: float) -> str:
    """What is said of points that lie too near to each other."""
    return (
        f"its points span {span_px:.2g} pixels (points are counted in pixels, not in shares 0..1 "
        "of the picture)"
    )


def _without_depth(table: HandTable, row: int) -> str:
    """Why a row of a table without 3D labels has no depth."""
    try:
        depth_values(table, row)
    except PictureError as error:  # damaged inside: its head and end are whole
        return f"{given(table.depths)[row]}: {error.reason}"
    return f"{table.images[row]}: no depth was measured at its wrist"


def _file_problems(table: HandTable) -> Iterator[Problem]:
    """Rows whose pictures are missing, cut short, or of another size or kind."""
    for row, (path, head) in enumerate(zip(table.images, table.heads, strict=True)):
        if problem := picture_problem(head, table.size_px):
            yield row, f"{path}: {problem}"
    if table.depths is None:
        return
    for row, (path, head) in enumerate(zip(table.depths, read_heads(table.depths), strict=True)):
        if problem := depth_problem(head, table.depth_size_px, given(table.depth_coding)):
            yield row, f"{path}: {problem}"
    yield from _turned_otherwise(table)


def _turned_otherwise(table: HandTable) -> Iterator[Problem]:
    """Rows whose picture is turned and others' is not: depth and cameras fit one of them alone."""
    turns = [head.orientation if isinstance(head, Head) else None for head in table.heads]
    counted = Counter(turn for turn in turns if turn)
    if len(counted) < 2:
        return
    usual = counted.most_common(1)[0][0]
    for row, turn in enumerate(turns):
        if turn and turn != usual:
            yield (
                row,
                f"{table.images[row]}: has EXIF orientation {turn} and most pictures have {usual}, "
                "but depth is not turned with them: one camera file cannot fit both",
            )


def check_depth(table: HandTable) -> None:
    """Compare a few depth pictures with the joints, or the size of the hand, that they should show.

    Raises:
        UserError: if they do not fit, as with another coding, byte order or unit.
    """
    if table.depths is None or not len(table) or table.segmented:
        return
    if not table.has_xyz:
        units.check_units(table)
        return
    found = []
    for row in np.unique(np.linspace(0, len(table) - 1, DEPTH_SAMPLES).astype(int)):
        depth = depth_seen(table, row)
        place = np.rint(table.uv_px[row]).astype(int)
        inside = ((place >= 0) & (place < np.array(depth.shape[::-1]))).all(axis=1)
        measured = depth[tuple(place[inside].T[::-1])]
        difference = measured - table.xyz_mm[row, inside, 2]
        found.append(difference[measured > 0])
    off = np.concatenate(found)
    if off.size and abs(np.median(off)) > MOST_DEPTH_OFF_MM:
        raise UserError(
            f"{table.dataset}: the depth pictures lie {np.median(off):+.0f} mm from the joints in "
            f"the median of {off.size} points, for example {table.depths[0]}. They may be of "
            "another version, unit or byte order."
        )
