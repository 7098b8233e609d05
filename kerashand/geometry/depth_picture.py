"""A depth picture as the pose model by depth sees it: three channels of 8 bits about the hand.

Depth is measured along the line of sight to the hand, from the skin of its palm, and in lengths of
wrist - middle MCP. So the picture is the same wherever the hand stands and however large it is.
NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.joint_depth import PALM_RAYS, depth_at
from kerashand.geometry.pose import line_of_sight

HALF_WINDOWS = (1.5, 0.5)
"""Depth before and behind the palm that the first two channels show, in the same lengths."""


def depth_picture(
    depth_mm: NDArray, uv_px: NDArray, *, intrinsics: NDArray, palm_mm: float
) -> NDArray[np.uint8] | None:
    """Show what a depth camera measured around a hand.

    Convention: a pixel at the depth of the palm is (128, 128, 255), one half a length nearer
    (170, 255, 255), and one without a measurement (0, 0, 0).

    Args:
        depth_mm: [H, W] depth along the optical axis as the camera of the points sees it, 0 = no
            measurement.
        uv_px: [21, 2] points of the hand, of which those of the palm are used.
        intrinsics: [3, 3].
        palm_mm: length of wrist - middle MCP.

    Returns:
        [H, W, 3] RGB; None where nothing was measured at the palm.
    """
    height, width = depth_mm.shape
    camera = np.linalg.inv(intrinsics.astype(np.float64))
    rays = np.concatenate([uv_px, np.ones((len(uv_px), 1))], axis=1) @ camera.T
    # How far along the line of sight a ray comes for each millimetre along the axis; it is linear.
    du, dv, start = line_of_sight(rays) @ camera
    reach = du * np.arange(width) + (dv * np.arange(height) + start)[:, None]
    along = depth_mm.astype(np.float32) * reach.astype(np.float32)
    at_palm = depth_at(along, uv_px[list(PALM_RAYS)])
    at_palm = at_palm[np.isfinite(at_palm)]
    if not at_palm.size:
        return None
    nearer = (np.float32(np.median(at_palm)) - along) / np.float32(palm_mm)
    measured = depth_mm > 0
    shown = [measured * (0.5 + nearer / (2.0 * half)) for half in HALF_WINDOWS]
    channels = np.stack([*shown, measured], axis=-1)
    return np.rint(255.0 * np.clip(channels, 0.0, 1.0)).astype(np.uint8)
