"""Which model is better, in one line, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kerashand.evaluation.errors import mean_of_each
from kerashand.reports import breakdown
from kerashand.reports.assessment import Assessment
from kerashand.reports.breakdown import Difference

FEWEST_HANDS = 30
"""Of fewer hands a bootstrap interval says too little for a verdict."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A sentence for the top of a report, and what it rests on."""

    text: str
    reason: str


def verdict(assessments: Sequence[Assessment], names: Sequence[str]) -> Verdict:
    """What a report says first: one model's error, or which of several is better.

    Models are ordered by their mean 3D error, or by the 2D error where there are no 3D labels. The
    best is compared with the second, hand by hand, by `breakdown.compared`.
    """
    if len(assessments) == 1:
        return _of_one(assessments[0], names[0])
    errors = [_mean(assessment) for assessment in assessments]
    best, second = sorted(range(len(errors)), key=errors.__getitem__)[:2]
    difference = breakdown.compared(assessments[second], assessments[best])[0]
    text = sentence(difference, names[best], names[second], models=len(assessments))
    measured = " and ".join(
        f"{errors[model]:.1f}{difference.unit} ({names[model]})" for model in (best, second)
    )
    low, high = sorted((-difference.surely[0], -difference.surely[1]))
    if low == high == 0.0:
        return Verdict(text, f"Mean {difference.what} on {difference.hands} hands: {measured}.")
    return Verdict(
        text,
        f"Mean {difference.what} on the same {difference.hands} hands: {measured}. 99 % interval "
        f"of the difference: {_rounded(low)} to {_rounded(high)}{difference.unit}. Surely: this "
        "interval excludes 0. Probably: the 95 % interval does. It speaks of these hands, not of "
        "other data or another training.",
    )


def sentence(difference: Difference, best: str, second: str, *, models: int = 2) -> str:
    """The verdict on the difference of two models.

    Args:
        difference: of the better one to the other: its mean is at most 0.
        best: name of the better one.
        second: name of the other.
        models: how many there are in all.
    """
    amount = f"{_rounded(-difference.mean)}{difference.unit}"
    of_all = f"{best} is the best of {models} models: better than {second} by {amount}"
    better = f"{best} is better than {second} by {amount}" if models == 2 else of_all
    if difference.mean == 0.0 and difference.low == difference.high == 0.0:
        return f"{best} and {second} give the same on all hands."
    if difference.hands < FEWEST_HANDS:
        return f"{better}, but {difference.hands} hands are too few to be sure."
    if difference.surely[1] < 0.0:
        return f"{better}, surely."
    if difference.high < 0.0:
        return f"{better}, probably."
    return f"{better}, but the difference may be chance."


def _of_one(assessment: Assessment, name: str) -> Verdict:
    numbers = assessment.numbers
    if breakdown.unit_of(assessment) == "mm":
        text = (
            f"{name}: joints are {numbers['mean_error_mm']:.1f} mm off in the mean, and "
            f"{numbers['mean_error_px']:.1f} px in a square 256 px wide."
        )
    else:
        text = f"{name}: joints are {numbers['mean_error_px']:.1f} px off in a square 256 px wide."
    return Verdict(text, f"Mean over {len(assessment)} hands.")


def _mean(assessment: Assessment) -> float:
    """What models are ordered by: the mean of the errors that `compared` takes first."""
    key = {"mm": "error_mm"}.get(breakdown.unit_of(assessment), "error_px")
    return float(np.nanmean(mean_of_each(assessment.arrays[key])))


def _rounded(amount: float) -> str:
    """With one decimal place, with more where that would be 0."""
    return f"{amount:.1f}" if abs(amount) >= 0.095 else f"{amount:.2g}"
