"""Single runs of the pose network on a hand, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerashand.runtime.recipe import Recipe
from kerashand.runtime.views import View

LEAST_WEIGHT = 1e-6
"""Of a joint, so that two confidences of 0 have a mean."""
LEAST_P = 1e-4
"""Probabilities are kept so far from 0 and 1, so that one pass cannot outvote all others."""


@dataclass(frozen=True)
class Estimate:
    """What one pass says.

    Attributes:
        view: the square that the network saw.
        handedness: "left" where it saw the mirror image.
        fits: whether the joints lie in the square as they should.
        uv_px: [21, 2] pixels of the picture.
        z_relative: [21].
        confidence: [21].
        score: 0..1, how likely there is a hand.
        p_right: 0..1, how likely the hand in the picture is a right one; None of a model that does
            not say.
    """

    view: View
    handedness: str
    fits: bool
    uv_px: NDArray[np.float64]
    z_relative: NDArray[np.float64]
    confidence: NDArray[np.float64]
    score: float
    p_right: float | None

    def counts(self, handedness: str) -> bool:
        """Whether it saw the hand as it is, where it should be."""
        return self.fits and self.handedness == handedness

    def is_sure(self, recipe: Recipe) -> bool:
        """Whether no other pass is needed: it fits, surely saw a hand of its side, and joints."""
        if self.p_right is None or not self.fits:
            return False
        p_seen = self.p_right if self.handedness == "right" else 1.0 - self.p_right
        sure = min(self.score, p_seen) > recipe.sure
        return sure and float(self.confidence.mean()) > recipe.sure_joints


def pass_weights(count: int, first_weight: float) -> list[float]:
    """What each pass counts: the first less, unless it is the only one."""
    return [1.0 if count == 1 or number else first_weight for number in range(count)]


def mean_p_right(estimates: Sequence[Estimate], first_weight: float) -> float:
    """The probability of a right hand by the mean logit of all passes."""
    weights = pass_weights(len(estimates), first_weight)
    said = [e.p_right for e in estimates if e.p_right is not None]
    total = sum(w * logit(p) for w, p in zip(weights, said, strict=True))
    return probability(total / sum(weights))


def p_hand_of(detector_score: float, pose_score: float) -> float:
    """The probability of a hand by both models.

    The detector's logit counts twice, which was best on validation data (docs/experiments.md).
    """
    return probability(2.0 * logit(detector_score) + logit(pose_score))


def logit(p: float) -> float:
    """The logit of a probability."""
    p = min(max(p, LEAST_P), 1.0 - LEAST_P)
    return math.log(p / (1.0 - p))


def probability(value: float) -> float:
    """The inverse of `logit`."""
    return 1.0 / (1.0 + math.exp(-value))


def mean_joints(
    estimates: Sequence[Estimate], weights: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Joints [21, 2], depth [21] and confidence [21], the mean of passes.

    Each joint counts by the weight of its pass times the square of its confidence.
    """
    confidence = np.array([estimate.confidence for estimate in estimates])
    share = np.array(weights)[:, None] * np.square(confidence) + LEAST_WEIGHT
    share /= share.sum(axis=0)
    uv = sum(part[:, None] * e.uv_px for part, e in zip(share, estimates, strict=True))
    z = sum(part * e.z_relative for part, e in zip(share, estimates, strict=True))
    return uv, z, (share * confidence).sum(axis=0)
