"""Whether stated probabilities are true: bins of confidence, expected calibration error.

NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Statements in bins of equal width from 0 to 1; empty bins are left out.

    Attributes:
        stated: [M] mean confidence of a bin.
        true: [M] share of its statements that are true.
        count: [M] statements.
    """

    stated: NDArray[np.float64]
    true: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al., ICML 2017): mean distance, by count."""
        return float((np.abs(self.stated - self.true) * self.count).sum() / self.count.sum())


def calibration(confidence: ArrayLike, is_true: ArrayLike, *, bins: int = BINS) -> Calibration:
    """Compare the confidence of statements with the share of them that are true.

    Convention: 0.95 (true), 0.95 (false), 0.85 (true) and 0.15 (false) in 10 bins have the error
    (2 |0.95 - 0.5| + |0.85 - 1| + |0.15 - 0|) / 4 = 0.3.

    Args:
        confidence: [N] of 0..1.
        is_true: [N].
        bins: how many; a limit belongs to the bin above it, 1 to the last.

    Raises:
        ValueError: If the shapes differ, or there is nothing to compare.
    """
    stated = np.clip(np.asarray(confidence, np.float64), 0.0, 1.0)
    true = np.asarray(is_true, np.float64)
    if stated.shape != true.shape or stated.ndim != 1 or not len(stated):
        raise ValueError(
            "`confidence` and `is_true` must be of one shape [N] with N >= 1. "
            f"Received: shapes={stated.shape}, {true.shape}"
        )
    place = np.minimum((stated * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    sums = (np.bincount(place, values, minlength=bins)[held] for values in (stated, true))
    mean_stated, mean_true = (total / count[held] for total in sums)
    return Calibration(mean_stated, mean_true, count[held])
