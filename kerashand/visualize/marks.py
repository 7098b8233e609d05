"""Lines, discs, rings and words, drawn into pictures with smooth edges. NumPy and Pillow alone.

Convention: points are (column, row), and pixel centres lie at integers. A pixel whose centre lies
inside a shape by half a pixel or more has its whole colour; one that lies outside by half a pixel
or more has none.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

Layers = Sequence[tuple[float, ArrayLike]]
"""(half a width, colour) from below to above."""


def line(canvas: NDArray[np.uint8], start: ArrayLike, end: ArrayLike, *, layers: Layers) -> None:
    """Draw a line with round ends into `canvas` [H, W, 3]; what lies beyond it is cut off."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.hypot(*(end - start)))
    along = (end - start) / length if length else np.array([1.0, 0.0])
    found = _around(canvas, [start, end], max(half for half, _ in layers))
    if found is None:
        return
    window, columns, rows = found
    x, y = columns - start[0], rows - start[1]
    # Rows and columns are added up last: only these sums are as large as the window.
    ahead = (x * along[0]).astype(np.float32) + (y * along[1]).astype(np.float32)
    beside = (x * along[1]).astype(np.float32) - (y * along[0]).astype(np.float32)
    beyond = ahead - np.clip(ahead, 0.0, np.float32(length))
    _paint(window, np.sqrt(beyond * beyond + beside * beside), layers)


def disc(canvas: NDArray[np.uint8], centre: ArrayLike, layers: Layers) -> None:
    """Draw discs of these radii about a point."""
    line(canvas, centre, centre, layers=layers)


def ring(
    canvas: NDArray[np.uint8], centre: ArrayLike, radius: float, *, width: float, colour: ArrayLike
) -> None:
    """Draw a circle; `width` is that of its rim, half of which lies inside."""
    centre = np.asarray(centre, np.float64)
    found = _around(canvas, [centre], radius + width / 2.0)
    if found is None:
        return
    window, columns, rows = found
    distance = np.abs(np.hypot(columns - centre[0], rows - centre[1]) - radius)
    _paint(window, distance, [(width / 2.0, colour)])


def text_size(text: str, size_px: float) -> tuple[int, int, int]:
    """Width of a line of text, its height above the baseline, and its depth below."""
    font = _font(size_px)
    left, _, right, _ = font.getbbox(text, anchor="ls")
    above, below = font.getmetrics()
    return round(right - min(left, 0)), above, below


def write(
    canvas: NDArray[np.uint8], text: str, origin: tuple[int, int], *, size_px: float,
    colour: ArrayLike,
) -> None:  # fmt: skip
    """Write a line of text; `origin` is its left end on the baseline."""
    width, above, below = text_size(text, size_px)
    letters = Image.new("L", (width + 1, above + below))
    ImageDraw.Draw(letters).text((0, above), text, 255, _font(size_px), anchor="ls")
    left, top = origin[0], origin[1] - above
    cut_x, cut_y = max(-left, 0), max(-top, 0)
    window = canvas[top + cut_y : top + above + below, left + cut_x : left + width + 1]
    share = np.asarray(letters, np.float32)[cut_y:, cut_x:, None] / 255.0
    share = share[: window.shape[0], : window.shape[1]]
    window[:] = np.round(window + share * (np.asarray(colour, np.float32) - window))


@functools.lru_cache(maxsize=32)
def _font(size_px: float) -> Any:
    """Pillow's own font, at a height of letters with their ascenders and descenders."""
    return ImageFont.load_default(size_px)


def _around(
    canvas: NDArray[np.uint8], points: Sequence[NDArray[np.float64]], reach: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]] | None:
    """The part of a picture within reach of points, its columns [1, w] and its rows [h, 1]."""
    sides = np.array([canvas.shape[1], canvas.shape[0]])
    low = np.clip(np.floor(np.min(points, axis=0) - reach - 1.0), 0, sides).astype(int)
    high = np.clip(np.ceil(np.max(points, axis=0) + reach + 2.0), 0, sides).astype(int)
    if (low >= high).any():
        return None
    columns, rows = (np.arange(a, b, dtype=np.float64) for a, b in zip(low, high, strict=True))
    return canvas[low[1] : high[1], low[0] : high[0]], columns[None], rows[:, None]


def _paint(window: NDArray[np.uint8], distance: NDArray, layers: Layers) -> None:
    """Mix colours into the pixels [h, w, 3] whose distances [h, w] are within a layer's half."""
    near = distance < max(half for half, _ in layers) + 0.5
    distance = distance[near][:, None]
    pixels = window[near].astype(np.float32)
    for half, colour in layers:
        share = np.clip(np.float32(half + 0.5) - distance, 0.0, 1.0)
        pixels += share * (np.asarray(colour, np.float32) - pixels)
    window[near] = np.round(pixels)
