"""Lengths of bones from pixels and relative depth, and how long the bones of hands are.

Where only 2D points of a hand are known, its depth is not free: bones keep their lengths. A finger
that spans few pixels is pointed at the camera or away from it.
"""

from typing import Any

import numpy as np
from keras import ops

from kerashand.geometry.root_depth import PALM_BONES, PALM_RATIOS
from kerashand.skeleton import BONES

# fmt: off
BONE_RANGES = {
    "wrist_middle_mcp": (
        (0.387, 0.341, 0.334, 0.209, 0.999, 0.351, 0.201, 0.191, 1.000, 0.447,
         0.252, 0.191, 0.943, 0.391, 0.252, 0.198, 0.893, 0.309, 0.144, 0.155),
        (0.470, 0.480, 0.481, 0.364, 1.046, 0.530, 0.324, 0.312, 1.000, 0.559,
         0.375, 0.301, 0.966, 0.523, 0.310, 0.299, 0.939, 0.413, 0.238, 0.217),
    ),
    "middle_mcp_pip": (
        (0.708, 0.674, 0.688, 0.420, 1.814, 0.767, 0.438, 0.382, 1.790, 1.000,
         0.557, 0.418, 1.700, 0.848, 0.501, 0.399, 1.632, 0.665, 0.313, 0.334),
        (0.963, 0.941, 0.888, 0.673, 2.328, 1.004, 0.603, 0.573, 2.238, 1.000,
         0.685, 0.555, 2.154, 0.971, 0.603, 0.553, 2.078, 0.773, 0.452, 0.402),
    ),
}
# fmt: on
"""Shortest and longest `skeleton.BONES` in scale bones: 2nd and 98th percentile of 1,000 hands of
the generator's style `varied` (train split, seed 0)."""
RANGE_MARGIN = 0.05
"""Share by which `bone_range` is wider at both ends: people differ more than meshes do."""
LEAST_SQUARE = 1e-6  # of lengths: the slope of their root stays finite


def bone_range(scale_bone: str) -> tuple[np.ndarray, np.ndarray]:
    """Return between which lengths the bones of most hands are.

    Args:
        scale_bone: A key of `BONE_RANGES`.

    Returns:
        Two arrays float32 [20], shortest and longest, in scale bones.
    """
    shortest, longest = np.array(BONE_RANGES[scale_bone], np.float32)
    return shortest * (1.0 - RANGE_MARGIN), longest * (1.0 + RANGE_MARGIN)


def bone_lengths(uv_px: Any, z_relative: Any, *, scale_bone: str) -> Any:
    """Return how long bones are, as seen from far, without any camera.

    The pixels of a scale bone are those of `root_depth.relative_joints`; here they pass no
    gradient on, so that a bone changes its length by the depth of its own two joints alone.

    Args:
        uv_px: [B, 21, 2] pixels.
        z_relative: [B, 21] relative depth in lengths of the scale bone.
        scale_bone: A key of `root_depth.PALM_RATIOS`.

    Returns:
        [B, 20] lengths of `skeleton.BONES` in scale bones.
    """
    uv_px, z_relative = ops.cast(uv_px, "float32"), ops.cast(z_relative, "float32")
    flat, rise = _squares(uv_px, z_relative, PALM_BONES)
    ratios = np.array(PALM_RATIOS[scale_bone], np.float32)
    expected = ops.maximum(ratios * ratios - rise, 0.01)
    squared_px = ops.sum(flat * expected, axis=-1) / ops.sum(expected * expected, axis=-1)
    squared_px = ops.stop_gradient(ops.maximum(squared_px, LEAST_SQUARE))
    flat, rise = _squares(uv_px, z_relative, BONES)
    return ops.sqrt(flat / squared_px[:, None] + rise + LEAST_SQUARE)


def bone_rises(z_relative: Any) -> Any:
    """Return how far the ends of bones are apart in depth: [B, 20], of [B, 21] depths."""
    return ops.abs(_apart(z_relative, BONES))


def _squares(uv_px: Any, z_relative: Any, pairs: tuple) -> tuple[Any, Any]:
    """Squared distance of pairs of joints in the picture, and in depth: [B, P] each."""
    flat, rise = _apart(uv_px, pairs), _apart(z_relative, pairs)
    return ops.sum(ops.square(flat), axis=-1), ops.square(rise)


def _apart(values: Any, pairs: tuple) -> Any:
    """Differences [B, P, ...] of values [B, 21, ...] of joints."""
    first, second = np.array(pairs).T
    return ops.take(values, first, axis=1) - ops.take(values, second, axis=1)
