"""Contact sheets: many pictures on one, with titles and captions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerashand.geometry.depth import normalise_depth
from kerashand.geometry.pose import scale_from_joints
from kerashand.skeleton import ROOT
from kerashand.visualize.images import (
    PAPER,
    Image,
    as_uint8,
    colour_depth,
    colour_mask,
    enlarge,
    plot_skeleton,
)
from kerashand.visualize.marks import text_size, write

INK = (40, 40, 40)
TEXT_PX, LEAST_TEXT_PX = 15.0, 9.0


def contact_sheet(
    rows: Sequence[Sequence[ArrayLike]],
    *,
    column_titles: Sequence[str] = (),
    captions: Sequence[Sequence[str]] | None = None,
    padding_px: int = 8,
) -> Image:
    """Arrange images in rows and columns.

    Args:
        rows: Lists of RGB images [h, w, 3] of 0..255; sizes and lengths of rows may differ.
        column_titles: One text a column, or none.
        captions: One text under each image, in the nesting of `rows`, or None.
        padding_px: Space between images.

    Returns:
        [H, W, 3] uint8 RGB.

    Raises:
        ValueError: If there is no image.
    """
    grid = [[as_uint8(image) for image in row] for row in rows]
    columns = max((len(row) for row in grid), default=0)
    if columns == 0:
        raise ValueError(f"`rows` must hold at least one image. Received: {len(grid)} empty rows")
    widths = [max(row[c].shape[1] for row in grid if c < len(row)) for c in range(columns)]
    heights = [max((image.shape[0] for image in row), default=0) for row in grid]
    text_px = 22 if captions is not None else 0
    top = padding_px + (26 if column_titles else 0)
    lefts = padding_px + np.cumsum([0, *(w + padding_px for w in widths)])
    tops = top + np.cumsum([0, *(h + text_px + padding_px for h in heights)])
    sheet = np.full((int(tops[-1]), int(lefts[-1]), 3), PAPER, np.uint8)
    for title, left, width in zip(column_titles, lefts, widths, strict=False):
        _text(sheet, title, (left, top - 10), width=width)
    for r, row in enumerate(grid):
        for c, image in enumerate(row):
            y, x = int(tops[r]), int(lefts[c])
            sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
            if captions is not None and c < len(captions[r]):
                _text(sheet, captions[r][c], (x, y + heights[r] + 15), width=widths[c])
    return sheet


def sample_sheet(
    samples: Sequence[Any], *, scale: int = 2, samples_per_row: int = 2, first: int = 0
) -> Image:
    """Draw samples of the generator: picture, skeleton over it, depth about the root, mask.

    Depth is shown in the window of Eq. 4 with k = 5 middle MCP-PIP bones.

    Args:
        samples: Objects with `image` [S, S, 3], `uv_px` [K, 2], `xyz_mm` [K, 3], `depth_mm` [S, S]
            and `mask` [S, S], such as `kerashand.synthetic.scene.HandSample`.
        scale: Enlargement.
        samples_per_row: Samples side by side.
        first: Number of the first sample, for the captions.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    panels, captions = [], []
    for number, sample in enumerate(samples, start=first):
        root_mm, scale_mm = sample.xyz_mm[ROOT, 2], scale_from_joints(sample.xyz_mm)
        depth, weight = normalise_depth(sample.depth_mm, root_mm, scale_mm, half_width_scales=5.0)
        panels.append(
            [
                enlarge(sample.image, scale),
                plot_skeleton(sample.image, sample.uv_px, scale=scale),
                enlarge(colour_depth(depth, weight), scale, smooth=False),
                enlarge(colour_mask(sample.mask), scale, smooth=False),
            ]
        )
        captions.append([f"{number}", "", f"root {root_mm:.0f} mm", f"bone {scale_mm:.1f} mm"])
    starts = range(0, len(panels), samples_per_row)
    titles = ["picture", "joints", "depth", "mask"] * min(samples_per_row, len(panels))
    return contact_sheet(
        [_joined(panels[start : start + samples_per_row]) for start in starts],
        column_titles=titles,
        captions=[_joined(captions[start : start + samples_per_row]) for start in starts],
    )


def _joined(lists: Sequence[list]) -> list:
    return list(itertools.chain.from_iterable(lists))


def _text(canvas: Image, text: str, origin, *, width: float) -> None:
    """One line of text at a baseline, made smaller where it would not fit."""
    size_px = TEXT_PX
    wide = text_size(text, size_px)[0]
    if wide > width:
        size_px = max(size_px * width / wide, LEAST_TEXT_PX)
    write(canvas, text, (int(origin[0]), int(origin[1])), size_px=size_px, colour=INK)
