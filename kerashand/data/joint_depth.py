"""Depth of predicted joints, moved to what a depth picture shows at them. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLESH = {"palm": 0.2, "knuckle": 0.155, "middle": 0.125, "tip": 0.115}
"""Radius of what surrounds a bone: half the width of a palm's ray or of a finger."""
RADIUS_NAMES = ("palm", *("palm", "knuckle", "middle", "tip") * 5)
"""Of the 21 joints, keys of `FLESH`."""
PALM = (0, 1, 5, 9, 13, 17)
"""Joints whose measured depth says where the hand is as a whole."""
SKIN = 0.7
"""Depth of a joint behind the skin, in radii."""


def fitted_depth(
    depth_mm: NDArray,
    uv_px: NDArray,
    joint_depth_mm: NDArray,
    *,
    palm_mm: float,
    most: float = 0.0,
) -> NDArray[np.float64] | None:
    """Predicted depth of joints, moved to the depth that was measured at them.

    The hand is moved as a whole, by what is measured at its palm.

    Args:
        depth_mm: [H, W].
        uv_px: [21, 2] in the same picture.
        joint_depth_mm: [21].
        palm_mm: length of wrist - middle MCP.
        most: by how much each joint is then moved by itself, in palm lengths.

    Returns:
        [21] depth in mm; None where nothing was measured at the hand.
    """
    radii = np.array([FLESH[name] for name in RADIUS_NAMES]) * palm_mm
    measured = _depth_at(depth_mm, uv_px)
    apart = measured + SKIN * radii - joint_depth_mm
    seen = apart[list(PALM)][np.isfinite(apart[list(PALM)])]
    seen = seen if seen.size else apart[np.isfinite(apart)]
    if not seen.size:
        return None
    common = float(np.median(seen))
    rest = apart - common
    own = np.where(np.isfinite(rest) & (np.abs(rest) < most * palm_mm), rest, 0.0)
    return joint_depth_mm + common + own


def _depth_at(depth_mm: NDArray, uv_px: NDArray) -> NDArray[np.float64]:
    """Median of what was measured in 3 x 3 pixels at points [21, 2]; NaN where there is nothing."""
    found = np.full(len(uv_px), np.nan)
    for number, (u, v) in enumerate(np.rint(uv_px).astype(int)):
        if u < 0 or v < 0:
            continue
        part = depth_mm[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
        if (part > 0).any():
            found[number] = np.median(part[part > 0])
    return found
