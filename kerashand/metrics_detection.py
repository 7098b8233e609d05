"""Metrics of detection: precision, recall and average precision of boxes, and the handedness.

NumPy only. A box is right when it overlaps the box of a hand that no surer box took, by at least
`MIN_OVERLAP` of their union (0.5, as in PASCAL VOC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_OVERLAP = 0.5


def box_overlap(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of boxes [..., 4] left, top, right, bottom.

    Convention: (0, 0, 2, 2) and (1, 0, 3, 2) share 2 of 6: 1/3.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    both = np.prod(
        np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None),
        axis=-1,
    )
    areas = np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1)
    return both / np.maximum(areas - both, 1e-12)


@dataclass(frozen=True)
class Matches:
    """What became of the boxes found in one picture, the surest first.

    Attributes:
        score: [F] 0..1.
        is_hand: [F] bool.
        same_handedness: [F] bool, whether the handedness of the hand is right too.
        hands: how many there are.
        hand: [F] number of the hand that a box is of, -1 for none.
    """

    score: NDArray[np.float64]
    is_hand: NDArray[np.bool_]
    same_handedness: NDArray[np.bool_]
    hands: int
    hand: NDArray[np.int64]

    def of_hands(self, chosen: ArrayLike) -> Matches:
        """What became of some hands, a mask [T]; boxes that are of no hand or of others drop out.

        Recall and the handedness then are those of these hands; precision says nothing.
        """
        mask = np.asarray(chosen, bool)
        kept = np.isin(self.hand, np.flatnonzero(mask))
        return Matches(
            self.score[kept], self.is_hand[kept], self.same_handedness[kept], int(mask.sum()),
            self.hand[kept],
        )  # fmt: skip


def match_boxes(
    boxes: ArrayLike,
    scores: ArrayLike,
    handedness: Sequence[str],
    *,
    true_boxes: ArrayLike,
    true_handedness: Sequence[str],
    min_overlap: float = MIN_OVERLAP,
) -> Matches:
    """Give each found box of a picture, the surest first, the hand it overlaps most.

    Args:
        boxes: [F, 4].
        scores: [F].
        handedness: F of "left", "right".
        true_boxes: [T, 4].
        true_handedness: T of "left", "right".
        min_overlap: below which a box is of no hand.
    """
    found = np.asarray(boxes, np.float64).reshape(-1, 4)
    truth = np.asarray(true_boxes, np.float64).reshape(-1, 4)
    score = np.asarray(scores, np.float64).reshape(-1)
    order = np.argsort(-score, kind="stable")
    same_handedness, hand = np.zeros(len(found), bool), np.full(len(found), -1)
    free = np.ones(len(truth), bool)
    for place, number in enumerate(order.tolist()):
        overlaps = np.where(free, box_overlap(found[number], truth), 0.0)
        if len(truth) and overlaps.max() >= min_overlap:
            taken = int(overlaps.argmax())
            free[taken] = False
            hand[place] = taken
            same_handedness[place] = handedness[number] == true_handedness[taken]
    return Matches(score[order], hand >= 0, same_handedness, len(truth), hand)


@dataclass(frozen=True)
class DetectorResult:
    """Curves over thresholds of the score.

    Attributes:
        thresholds: [N] ascending.
        precision: [N] share of the boxes at or above the threshold that are hands; 1 without any.
        recall: [N] share of the hands that have one.
        handedness_accuracy: [N] share of those whose handedness is right; NaN without any.
        average_precision: area under the precision that recall r is reached with at best.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    handedness_accuracy: NDArray[np.float64]
    average_precision: float


def match_hands(found: Sequence[Any], boxes: ArrayLike, is_right: Sequence[bool]) -> Matches:
    """`match_boxes` for detections in a picture, which have `box`, `score` and `handedness`."""
    return match_boxes(
        [hand.box for hand in found],
        [hand.score for hand in found],
        [hand.handedness for hand in found],
        true_boxes=boxes,
        true_handedness=["right" if right else "left" for right in is_right],
    )


def evaluate_detector(
    matches: Sequence[Matches], thresholds: Sequence[float] = tuple(np.arange(1, 20) / 20)
) -> DetectorResult:
    """Precision and recall over pictures.

    Raises:
        ValueError: If there is no hand in any picture.
    """
    hands = sum(m.hands for m in matches)
    if not hands:
        raise ValueError("`matches` must hold a hand: recall is not defined without one.")
    score = np.concatenate([m.score for m in matches])
    is_hand = np.concatenate([m.is_hand for m in matches])
    same_handedness = np.concatenate([m.same_handedness for m in matches])
    rows = []
    for threshold in thresholds:
        above = score >= threshold
        right = int((above & is_hand).sum())
        rows.append(
            (
                right / above.sum() if above.any() else 1.0,
                right / hands,
                (above & same_handedness).sum() / right if right else np.nan,
            )
        )
    precision, recall, handedness = np.array(rows, np.float64).T
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(is_hand[order])
    best = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return DetectorResult(
        thresholds=np.asarray(thresholds, np.float64),
        precision=precision,
        recall=recall,
        handedness_accuracy=handedness,
        average_precision=float((best * is_hand[order]).sum() / hands),
    )
