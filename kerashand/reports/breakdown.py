"""What errors depend on, joint by joint and sample by sample; and what one model gains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.evaluation.errors import joint_calibration, mean_of_each
from kerashand.metrics_calibration import BINS, Calibration
from kerashand.reports.assessment import Assessment, error_name, sample_error
from kerashand.skeleton import FINGERS, ROOT

PARTS = {"wrist": (ROOT,), **FINGERS}
FACTORS = {
    "yaw_deg": "angle of palm and camera (0°: palm seen, 180°: back seen)",
    "distance_mm": "distance between wrist and camera (mm)",
    "occluded": "share of joints that are hidden (0 to 1)",
    "brightness": "mean brightness of the picture (0: black, 1: white)",
}
"""Name of an array of an assessment -> what its axis says."""
FEWEST = 10
"""Samples of a bin that is shown."""
RESAMPLES = 4000
SAME_BOX = 0.01
"""Relative difference of the boxes of one hand in crops of two sizes."""
SAME_BRIGHTNESS = 0.02
"""Median difference of 0..1; crops of two sizes differ by less."""


@dataclasses.dataclass(frozen=True)
class Bins:
    """Means over equal-sized groups of samples.

    Attributes:
        centre, mean, low, high: [M] mean of the factor and of the error, and its 95 % interval.
        count: [M].
        unit: of the error.
    """

    centre: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]
    unit: str


def unit_of(assessment: Assessment) -> str:
    """The unit of `sample_error`."""
    return {"error_mm": "mm", "error_px": "px of 256"}[error_name(assessment.arrays)]


def joint_means(assessment: Assessment) -> NDArray[np.float64]:
    """[K] mean error of each joint, in `unit_of`; NaN of those that no hand has."""
    errors = assessment.arrays[error_name(assessment.arrays)]
    count = np.isfinite(errors).sum(axis=0)
    total = np.nansum(errors, axis=0, dtype=np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def by_factor(assessment: Assessment, factor: str, bins: int = 8) -> Bins | None:
    """Error against a factor; None where it is known of too few samples or does not vary."""
    values = assessment.arrays[factor]
    if values.ndim == 2:
        known = np.isfinite(values).any(axis=1)
        values = np.where(known, np.nanmean(np.where(known[:, None], values, 0.0), axis=1), np.nan)
    errors = sample_error(assessment.arrays)
    known = np.isfinite(values) & np.isfinite(errors)
    values, errors = values[known], errors[known]
    if len(values) < 2 * FEWEST or np.ptp(values) < 1e-9:
        return None
    order = np.argsort(values, kind="stable")
    groups = np.array_split(order, min(bins, len(order) // FEWEST))
    rows = [(values[g].mean(), errors[g].mean(), _half_interval(errors[g]), len(g)) for g in groups]
    centre, mean, half, count = (np.array(column) for column in zip(*rows, strict=True))
    return Bins(centre, mean, mean - half, mean + half, count, unit_of(assessment))


def _half_interval(errors: NDArray) -> float:
    return 1.96 * float(errors.std(ddof=1)) / np.sqrt(len(errors))


def calibration(assessment: Assessment, bins: int = BINS) -> Calibration:
    """Confidence of joints against the share of them that are precise."""
    return joint_calibration(assessment.arrays, assessment.arrays["confidence"], bins=bins)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Second minus first model on the same samples.

    Attributes:
        what: is compared.
        unit: of it.
        mean: of the difference.
        low, high: its 95 % bootstrap interval, over hands.
        surely: its 99 % interval.
        better_share: of the hands, on which the second is better.
        hands: that were compared.
    """

    what: str
    unit: str
    mean: float
    low: float
    high: float
    surely: tuple[float, float]
    better_share: float
    hands: int

    def text(self, names: Sequence[str]) -> str:
        """In a line, with the names of the first and the second model."""
        first, second = names
        return (
            f"{self.what} of {second} minus that of {first}: {self.mean:+.3g}{self.unit} "
            f"(95 % interval {self.low:+.3g} to {self.high:+.3g}); {second} is better on "
            f"{100 * self.better_share:.0f} % of the hands"
        )


def check_same(first: Assessment, second: Assessment) -> None:
    """Refuse models that did not run on the same samples.

    Raises:
        UserError: unless both ran on the same samples by the same protocol.
    """
    if (first.data, len(first), first.protocol) != (second.data, len(second), second.protocol):
        raise not_the_same(*((a.name, a.data, a.protocol) for a in (first, second)))
    if not np.allclose(first.arrays["box_px"], second.arrays["box_px"], rtol=SAME_BOX):
        raise UserError(
            f"{first.name} and {second.name} did not run on the same samples: the hands differ in "
            "size. Assess both anew."
        )
    light = [one.arrays["brightness"] for one in (first, second)]
    if np.median(np.abs(light[0] - light[1])) > SAME_BRIGHTNESS:
        raise UserError(
            f"{first.name} and {second.name} did not run on the same samples: the pictures differ "
            "in brightness, as with other backgrounds. Assess both anew."
        )


def not_the_same(first: tuple[str, str, str], second: tuple[str, str, str]) -> UserError:
    """The error of two (name, data in words, protocol) that differ."""
    received = ", ".join(
        f"{name} on {data} by {protocol}" for name, data, protocol in (first, second)
    )
    return UserError(
        f"Models are compared on the same samples by the same protocol. Received: {received}. "
        "Assess both in one command, or with the same --data, --samples and --protocol."
    )


def compared(first: Assessment, second: Assessment, *, seed: int = 0) -> list[Difference]:
    """Paired differences of two models that `check_same` lets pass."""
    check_same(first, second)
    rng = np.random.default_rng(seed)
    pixels = [mean_of_each(a.arrays["error_px"]) for a in (first, second)]
    results = [_difference("2D error", " px of 256", pixels, rng=rng)]
    if {unit_of(first), unit_of(second)} == {"mm"}:
        in_mm = [a.arrays["error_mm"].mean(axis=1) for a in (first, second)]
        areas = [a.arrays["auc"] for a in (first, second)]
        results = [
            _difference("3D error", " mm", in_mm, rng=rng),
            _difference("AUC", "", areas, rng=rng, more_is_better=True),
            *results,
        ]
    return results


def _difference(
    what: str, unit: str, pair: Sequence[NDArray], *, rng: np.random.Generator,
    more_is_better: bool = False,
) -> Difference:  # fmt: skip
    first, second = pair
    gain = second - first
    gain = gain[np.isfinite(gain)]
    means = np.array([gain[rng.integers(0, len(gain), len(gain))].mean() for _ in range(RESAMPLES)])
    lowest, low, high, highest = np.quantile(means, (0.005, 0.025, 0.975, 0.995)).tolist()
    better = gain > 0 if more_is_better else gain < 0
    return Difference(
        what, unit, float(gain.mean()), low, high, surely=(lowest, highest),
        better_share=float(better.mean()), hands=len(gain),
    )  # fmt: skip


def finger_means(assessment: Assessment) -> Mapping[str, float]:
    """Mean error of the wrist and of each finger."""
    means = joint_means(assessment)
    return {name: float(np.nanmean(means[list(joints)])) for name, joints in PARTS.items()}


def names_apart(names: Sequence[str]) -> list[str]:
    """Short names of models: the ends of their paths by which they differ, numbered where alike."""
    parts = [PurePath(name).parts or (name,) for name in names]
    short = list(names)
    for kept in range(max(map(len, parts)), 0, -1):
        shorter = ["/".join(path[-kept:]) for path in parts]
        if len(set(shorter)) < len(set(names)):
            break
        short = shorter
    return [
        f"{name} ({number + 1})" if short.count(name) > 1 else name
        for number, name in enumerate(short)
    ]
