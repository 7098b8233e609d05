"""Tiles: overlapping squares of a picture, in which the detector sees few hands, and these large.

It sees each square shrunk to its own input, so that a hand must fill about a tenth of it. And it
was trained on pictures of three hands at most: the more there are, the lower it scores each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kerashand.metrics_detection import box_overlap

AUTO = "auto"
MOST_TILES = 16
"""Along the longer side; 16 x 16 runs of the detector take seconds."""
FEW_HANDS, TILES_OF_MANY = 3, 4
"""So many hands are looked for in the whole picture alone, more of them in so many tiles too."""
SHARED = 0.25
"""Share of a tile's side that its neighbour shows too: a smaller hand is whole in one of them."""
AUTO_SIDES = 4
"""Sides of the detector's input that a tile of `auto` has at most."""
NEAR_BORDER = 0.02
"""Share of a tile's side from its border within which the box of a hand is taken to be cut."""
INSIDE = 0.6
"""Share of the smaller of two boxes inside the other from which on they are one hand."""
SMALL_PART = 0.3
"""Share of the area of a hand's box below which a box inside it is a part of that hand."""

Square = tuple[NDArray[np.float64], float]
"""Centre [2] and side in pixels of the picture."""


class Boxed(Protocol):
    """What has a box and a score: detections, hands."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""

    @property
    def score(self) -> float:
        """0..1."""


OneBoxed = TypeVar("OneBoxed", bound=Boxed)
T = TypeVar("T")


@dataclass(frozen=True)
class Seen(Generic[OneBoxed]):
    """A box, the number of the square that shows it, and whether that one's border cuts it."""

    one: OneBoxed
    square: int = 0
    cut: bool = False


def least_tiles(max_hands: int) -> int:
    """How many tiles are looked at for so many hands, whatever the size of the picture."""
    return 1 if max_hands <= FEW_HANDS else TILES_OF_MANY


def checked_tiles(tiles: int | str | None, max_hands: int) -> int | str:
    """How many tiles are looked at, where None leaves it to the number of hands.

    Raises:
        ValueError: unless it is None, `auto` or a number of tiles along the longer side.
    """
    if tiles is None:
        return least_tiles(max_hands)
    whole = isinstance(tiles, (int, np.integer)) and not isinstance(tiles, bool)
    if tiles != AUTO and not (whole and 1 <= int(tiles) <= MOST_TILES):
        raise ValueError(
            f"`tiles` must be {AUTO!r} or an integer of 1 to {MOST_TILES}. Received: "
            f"tiles={tiles!r}"
        )
    return tiles


def squares(
    size_px: tuple[int, int], tiles: int | str, *, input_px: int, least: int = 1
) -> list[Square]:
    """The tiles of a picture, row by row; none where one would be the whole picture.

    Args:
        size_px: width and height of the picture.
        tiles: how many along the longer side; `auto`: as many as make them `AUTO_SIDES` times as
            large as the input of the detector, or smaller.
        input_px: side of the detector's input.
        least: how many `auto` takes at least.
    """
    longer = max(size_px)
    count = int(tiles) if tiles != AUTO else max(_auto(longer, AUTO_SIDES * input_px), least)
    if count == 1:
        return []
    side = longer / (1 + (count - 1) * (1 - SHARED))
    columns, rows = (_middles(length, side) for length in size_px)
    return [(np.array([u, v]), side) for v in rows for u in columns]


def _auto(longer: int, most_px: int) -> int:
    needed = 1 + (longer / most_px - 1) / (1 - SHARED)
    return min(max(math.ceil(needed), 1), MOST_TILES)


def _middles(length: int, side: float) -> list[float]:
    """Middles of the tiles along one side of the picture, evenly spread over it."""
    if length <= side:
        return [(length - 1) / 2]
    count = math.ceil((length - side) / (side * (1 - SHARED)) - 1e-9) + 1
    first, last = side / 2 - 0.5, length - side / 2 - 0.5
    return np.linspace(first, last, count).tolist()


def is_cut(box: Sequence[float], square: Square, size_px: tuple[int, int]) -> bool:
    """Whether a box reaches a border of its tile that is no border of the picture."""
    (u, v), side = square
    near = NEAR_BORDER * side
    low, high = (u - side / 2, v - side / 2), (u + side / 2, v + side / 2)
    return any(
        (box[axis] < low[axis] + near and low[axis] > 0)
        or (box[axis + 2] > high[axis] - near and high[axis] < size_px[axis] - 1)
        for axis in (0, 1)
    )


def merged(seen: Iterable[Seen[OneBoxed]], overlap: float) -> list[OneBoxed]:
    """One box for each hand, which several squares may show; the surest first.

    A box that no border cuts is preferred to one that is cut, then the surer one.

    Args:
        seen: all boxes.
        overlap: IoU from which on two boxes are one hand.
    """

    def same(new: Seen[OneBoxed], old: Seen[OneBoxed]) -> bool:
        # In one square two hands may lie one before the other.
        apart = new.square != old.square and is_part(new.one.box, old.one.box)
        return apart or bool(box_overlap(new.one.box, old.one.box) >= overlap)

    in_order = sorted(seen, key=lambda new: (new.cut, -new.one.score))
    return sorted((old.one for old in _kept(in_order, same)), key=lambda one: -one.score)


def distinct(hands: Iterable[OneBoxed], overlap: float, *, parts: bool) -> list[OneBoxed]:
    """Hands without those whose joints are a surer one's, the surest first.

    Two detections of one hand lead to the same joints. With `parts`, what lies small within a surer
    hand is left out too: a finger in a tile may be taken for a hand.
    """

    def same(new: OneBoxed, old: OneBoxed) -> bool:
        small = parts and is_part(new.box, old.box, most_area=SMALL_PART)
        return small or bool(box_overlap(new.box, old.box) >= overlap)

    return _kept(sorted(hands, key=lambda hand: -hand.score), same)


def _kept(in_order: Iterable[T], same: Callable[[T, T], bool]) -> list[T]:
    """What is not the same as something before it."""
    kept: list[T] = []
    for new in in_order:
        if not any(same(new, old) for old in kept):
            kept.append(new)
    return kept


def is_part(first: Sequence[float], second: Sequence[float], *, most_area: float = 1.0) -> bool:
    """Whether most of the smaller of two boxes, of at most that share of the larger, lies in it."""
    sides = [
        min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis]) for axis in (0, 1)
    ]
    common = max(sides[0], 0.0) * max(sides[1], 0.0)
    smaller, larger = sorted((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return common >= INSIDE * smaller > 0 and smaller <= most_area * larger
