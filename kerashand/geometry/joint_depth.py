"""Depth of predicted joints, moved to what a depth picture shows at them. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.flesh import flesh

FLESH = {"palm": 0.2, "knuckle": 0.155, "middle": 0.125, "tip": 0.115}
"""Radius of what surrounds a bone: half the width of a palm's ray or of a finger."""
RADIUS_NAMES = ("palm", *("palm", "knuckle", "middle", "tip") * 5)
"""Of the 21 joints, keys of `FLESH`."""
PALM_RAYS = (0, 1, 5, 9, 13, 17)
"""Joints whose measured depth says where the hand is as a whole."""
AGREE, AGREEMENTS = 0.2, 3
"""How far joints may be from what most say of the depth of the hand, and how often it is asked."""
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
    measured = depth_at(depth_mm, uv_px)
    apart = measured + SKIN * radii - joint_depth_mm
    seen = apart[list(PALM_RAYS)][np.isfinite(apart[list(PALM_RAYS)])]
    seen = seen if seen.size else apart[np.isfinite(apart)]
    if not seen.size:
        return None
    common = float(np.median(seen))
    rest = apart - common
    own = np.where(np.isfinite(rest) & (np.abs(rest) < most * palm_mm), rest, 0.0)
    return joint_depth_mm + common + own


def depth_behind_skin(
    depth_mm: NDArray,
    uv_px: NDArray,
    joint_depth_mm: NDArray,
    *,
    is_right: bool,
    focal_px: float,
    palm_mm: float,
) -> NDArray[np.float64] | None:
    """Predicted depth of joints, moved as a whole to the skin that was measured in front of them.

    The palm says where the hand is, then all joints that agree with it: the others are hidden by
    what is before them, or their points lie beside the hand.

    Args:
        depth_mm: [H, W].
        uv_px: [21, 2] in the same picture.
        joint_depth_mm: [21].
        is_right: whether it is a right hand.
        focal_px: of the camera.
        palm_mm: length of wrist - middle MCP.

    Returns:
        [21] depth in mm; None where nothing was measured at the hand.
    """
    skin = depth_at(depth_mm, uv_px)
    seen = np.isfinite(skin) & np.isfinite(joint_depth_mm)
    if not seen.any():
        return None
    palm_px = np.array([focal_px * palm_mm / np.median(skin[seen])])
    thick, _ = flesh(uv_px[None], np.array([is_right]), palm_px)
    apart = skin + thick[0] * palm_mm - joint_depth_mm
    of_palm = seen & np.isin(np.arange(len(seen)), PALM_RAYS)
    shift = float(np.median(apart[of_palm if of_palm.any() else seen]))
    for _ in range(AGREEMENTS):
        agree = seen & (np.abs(apart - shift) < AGREE * palm_mm)
        if agree.any():
            shift = float(np.median(apart[agree]))
    return joint_depth_mm + shift


def depth_at(depth_mm: NDArray, uv_px: NDArray) -> NDArray[np.float64]:
    """Median of what was measured in 3 x 3 pixels at points [21, 2]; NaN where there is nothing."""
    found = np.full(len(uv_px), np.nan)
    height, width = depth_mm.shape
    for number, (column, row) in enumerate(np.rint(uv_px)):
        if not (0 <= column <= width and 0 <= row <= height):
            continue  # no whole number may hold it
        u, v = int(column), int(row)
        part = depth_mm[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
        if (part > 0).any():
            found[number] = np.median(part[part > 0])
    return found
