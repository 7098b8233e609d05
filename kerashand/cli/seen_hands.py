"""Points and handedness that were given beside what the packaged models see, for `check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.data.readers.table import HandTable
from kerashand.runtime import Hand, HandPose
from kerashand.sequences import evenly
from kerashand.skeleton import FINGERS, ROOT

SAMPLES = 24
"""Hands that are looked at, evenly spread."""
LEAST = 5
"""Hands that must have been seen, else nothing is said."""
MOST_HANDS = 4
"""Of a picture that are compared with the given one."""
FAR, NEAR = 0.25, 0.15
"""Mean distance of points in sides of the hand's box: from which on they are another hand's or
mixed up, and up to which they are of the same hand. The models alone are at 0.03 to 0.1. Of
points in another order it is half of the distance in the order given, or less."""
SURE = 0.9
"""Probability of a side that counts."""


class GivenHand(NamedTuple):
    """A picture file, with points [21, 2] in its pixels, their weights [21] and the side."""

    path: Path
    uv_px: NDArray
    weight: NDArray
    is_right: bool


def _fingers(change: Callable[[NDArray], NDArray]) -> NDArray[np.intp]:
    """[21] the order of joints after a change of the numbers of the fingers' joints [5, 4]."""
    return np.concatenate([[ROOT], change(np.array([*FINGERS.values()])).ravel()])


TIPS_FIRST = _fingers(lambda fingers: fingers[:, ::-1])
LITTLE_FIRST = _fingers(lambda fingers: fingers[::-1])
ORDERS: dict[str, Callable[[NDArray], NDArray]] = {
    "": lambda uv: uv,
    "each finger begins with its tip": lambda uv: uv[TIPS_FIRST],
    "the little finger comes first": lambda uv: uv[LITTLE_FIRST],
    "the little finger comes first, and each finger begins with its tip": lambda uv: uv[TIPS_FIRST][
        LITTLE_FIRST
    ],
    "y comes before x": lambda uv: uv[:, ::-1],
}
"""In words -> what turns points in that order into ours; the first is ours."""


def of_table(table: HandTable, rows: Sequence[int]) -> list[GivenHand]:
    """Some rows of a table."""
    return [
        GivenHand(
            Path(table.images[row]), table.uv_px[row], table.uv_weight[row],
            bool(table.is_right[row]),
        )
        for row in rows
    ]  # fmt: skip


def doubts(hands: Sequence[GivenHand]) -> list[str]:
    """What is probably wrong with the order of points, or with the handedness.

    Args:
        hands: of a data set; some of them are looked at.
    """
    if len(hands) < LEAST:
        return []
    pose = HandPose.load()
    given, found = [], []
    for hand in evenly(hands, SAMPLES):
        try:
            picture = picture_files.read(hand.path)
        except picture_files.PictureError:
            continue  # named by itself
        if seen := pose.predict(picture, max_hands=MOST_HANDS):
            given.append(hand)
            found.append(seen)
    if len(given) < LEAST:
        return []
    texts = []
    apart = {
        order: [
            _nearest(change(_weighted(hand)), seen) for hand, seen in zip(given, found, strict=True)
        ]
        for order, change in ORDERS.items()
    }
    medians = {order: float(np.median([off for off, _ in each])) for order, each in apart.items()}
    order = min(medians, key=medians.__getitem__)
    is_other = bool(order) and medians[order] < min(NEAR, medians[""] / 2)
    if is_other or medians[""] > FAR:
        off = f"points lie {100 * medians['']:.0f} % of the hand's box from those of the model"
        why = (
            f"It seems that {order}: the order is wrist, thumb from its base to its tip, then the "
            "index finger and on"
            if is_other
            else "Are they in pixels of these pictures, x before y, and in the right order?"
        )
        texts.append(f"{off} (median of {len(given)} hands). {why}")
    sides = [
        hand.is_right == (seen.handedness == "right")
        for hand, (off, seen) in zip(given, apart[order], strict=True)
        if off < NEAR and seen.p_right is not None and not 1.0 - SURE < seen.p_right < SURE
    ]
    if len(sides) >= LEAST and 2 * sum(sides) < len(sides):
        texts.append(
            f"the handedness may be the other one: the model sees the other hand in "
            f"{len(sides) - sum(sides)} of {len(sides)} pictures. It is that of the person; some "
            "programs name it as in a mirror"
        )
    return texts


def _weighted(hand: GivenHand) -> NDArray:
    """[21, 2] the points of a hand, NaN where one has no weight."""
    return np.where(hand.weight[:, None] > 0, hand.uv_px, np.nan)


def _nearest(uv: NDArray, seen: Sequence[Hand]) -> tuple[float, Hand]:
    """Mean distance of points from the nearest of some hands, in sides of its box; and that."""

    def off(hand: Hand) -> float:
        left, top, right, bottom = hand.box
        distances = np.linalg.norm(uv - hand.uv_px, axis=1)
        return float(np.nanmean(distances)) / max(right - left, bottom - top, 1.0)

    return min(((off(hand), hand) for hand in seen), key=lambda pair: pair[0])
