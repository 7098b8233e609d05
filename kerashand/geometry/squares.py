"""The square around a hand that readers, sheets and evaluation cut: where it lies and how wide.

What the runtime cuts is `kerashand.runtime.crop`, which knows boxes and no points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_HAND_PX = 4.0
"""Points that span less are no hand in pixels: shares of the picture span at most 1."""


def square_around_points(
    uv_px: Any, known: Any, *, margin: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre [..., 2] and side [...] of the square around the known points.

    Points 10 and 30 px to the right span a box of 20 px; with a margin of 1.5 the square is 30 px
    wide about 20. A box smaller than `LEAST_HAND_PX` counts as so large.

    Args:
        uv_px: [..., K, 2] points.
        known: [..., K] which of them count, at least one.
        margin: side of the square in boxes.
    """
    uv, known = np.asarray(uv_px, np.float64), np.asarray(known, bool)[..., None]
    low = np.where(known, uv, np.inf).min(axis=-2)
    high = np.where(known, uv, -np.inf).max(axis=-2)
    return (low + high) / 2, np.maximum((high - low).max(axis=-1), LEAST_HAND_PX) * margin
