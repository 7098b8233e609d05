"""The depth of the wrist from pixels, relative depth and one measure of the hand, in closed form.

A joint with pixel p lies on the ray r = K^-1 p (third component 1) at depth Z + s z, with Z the
depth of the wrist, s the scale in mm and z the relative depth. A bone of known length L between
joints a and b gives |r_a (Z + s z_a) - r_b (Z + s z_b)| = L, a quadratic equation in Z (Iqbal et
al., ECCV 2018, section 3.2). The wrist, the thumb's root and the knuckles keep nearly the same
distances in all hands: each distance is solved like a bone, and the weighted median of the answers
is taken, since a far answer comes from a wrong joint.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.pose import OPTICAL_AXIS, depth_rays
from kerashand.skeleton import ROOT

PALM_BONES = (
    *((0, 9), (0, 5), (0, 13), (0, 17), (5, 17), (5, 13), (9, 17)),
    *((0, 1), (1, 5), (1, 9), (1, 17)),
)
"""Pairs of joints that keep their distance, whatever the fingers do."""
PALM_RATIOS = {
    "wrist_middle_mcp": (1.0, 1.04, 0.96, 0.925, 0.65, 0.45, 0.41, 0.405, 0.715, 0.765, 0.855),
    "middle_mcp_pip": (1.985, 2.045, 1.9, 1.825, 1.29, 0.895, 0.835, 0.825, 1.415, 1.54, 1.7),
}
"""Lengths of `PALM_BONES` in scale bones: medians of the generator's style `varied`."""

LEAST_SCALE_MM = 1.0
"""Shorter bones are in metres."""
BONE_RANGES_MM = {"wrist_middle_mcp": (50.0, 150.0), "middle_mcp_pip": (20.0, 80.0)}
"""Least and greatest length of each scale bone; metres, inches and whole hands are not."""

# Typical errors in lengths of wrist - middle MCP, which say how far an answer can be trusted.
DEPTH_ERROR, PIXEL_ERROR, RATIO_ERROR = 0.2, 0.06, 0.03
LEAST_FLAT = 0.15
"""Share of its length that a bone is taken to span in the picture at least."""
MIN_DEPTH_MM = 50.0
LEAST_SPAN, LEAST_PX = 1e-9, 1e-3
"""What joints span in the picture at least, in scale bones, and a scale bone in pixels."""


def solve_root_depth(
    uv_px: ArrayLike,
    z_relative: ArrayLike,
    intrinsics: ArrayLike,
    *,
    scale_mm: ArrayLike,
    scale_bone: str = "wrist_middle_mcp",
    depth_along: str = OPTICAL_AXIS,
) -> NDArray[np.float64]:
    """Return the depth of the wrist along the optical axis.

    Of the two roots of each quadratic the farther one is meant: the nearer has the bone pass
    before or through the camera. Where noise leaves no real root, the depth at which the bone comes
    nearest to its length is taken. An answer counts by the inverse of its variance: the less of a
    bone lies across the view, the more an error of its joints moves it.

    Args:
        uv_px: [..., 21, 2] pixels.
        z_relative: [..., 21] relative depth in lengths of the scale bone.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        scale_mm: [...] length of the scale bone in mm.
        scale_bone: a key of `PALM_RATIOS`.
        depth_along: what `z_relative` is measured along.

    Returns:
        [...] depth in mm, at least `MIN_DEPTH_MM`.

    Raises:
        ValueError: If the bone or what depth is measured along is unknown, or a length is no mm.
    """
    ratios = _palm_ratios(scale_bone)
    if not (np.asarray(scale_mm) >= LEAST_SCALE_MM).all():
        raise ValueError(
            f"`scale_mm` must be in mm, at least {LEAST_SCALE_MM:g}. Received: {scale_mm!r}"
        )
    uv = np.asarray(uv_px, np.float64)
    scale = np.asarray(scale_mm, np.float64)[..., None]
    depth = np.asarray(z_relative, np.float64) * scale  # [..., 21] mm behind the wrist
    rays, reach = depth_rays(uv, np.asarray(intrinsics, np.float64), depth_along=depth_along)
    first, second = np.array(PALM_BONES).T
    length = ratios * scale
    # The bone as a function of Z: Z slope + offset.
    slope = rays[..., first, :] - rays[..., second, :]
    offset = (
        rays[..., first, :] * depth[..., first, None]
        - rays[..., second, :] * depth[..., second, None]
    )
    a = np.maximum((slope * slope).sum(axis=-1), 1e-12)
    half_b = (slope * offset).sum(axis=-1)
    c = (offset * offset).sum(axis=-1) - length * length
    root = np.sqrt(np.maximum(half_b * half_b - a * c, 0.0))
    solutions = (root - half_b) / a
    rise = depth[..., first] - depth[..., second]
    flat_squared = np.maximum(length * length - rise * rise, (LEAST_FLAT * length) ** 2)
    error = scale * ratios[0]  # wrist - middle MCP in mm
    variance = (
        (DEPTH_ERROR * error * rise / flat_squared) ** 2
        + (PIXEL_ERROR * error) ** 2 / flat_squared
        + RATIO_ERROR**2
    )
    return np.maximum(_weighted_median(solutions, 1.0 / variance) / reach[..., ROOT], MIN_DEPTH_MM)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]):
    """Median over the last axis: the first value below which half of the weight lies."""
    order = np.argsort(values, axis=-1)
    summed = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1)
    place = (summed >= 0.5 * summed[..., -1:]).argmax(axis=-1)
    return np.take_along_axis(np.take_along_axis(values, order, -1), place[..., None], -1)[..., 0]


def relative_joints(
    uv_px: ArrayLike, z_relative: ArrayLike, *, scale_bone: str = "wrist_middle_mcp"
) -> NDArray[np.float64]:
    """Return joints about the wrist in lengths of the scale bone, without any camera.

    Seen from far away a bone of length L spans p sqrt(L^2 - dz^2) pixels, with p pixels for a scale
    bone; p is the least-squares solution over the squares of the palm's bones.

    Args:
        uv_px: [..., 21, 2] pixels.
        z_relative: [..., 21] relative depth in lengths of the scale bone.
        scale_bone: a key of `PALM_RATIOS`.

    Returns:
        [..., 21, 3] x right, y down, z away, the wrist at the origin.

    Raises:
        ValueError: If the bone is unknown.
    """
    uv, z = np.asarray(uv_px, np.float64), np.asarray(z_relative, np.float64)
    first, second = np.array(PALM_BONES).T
    flat = uv[..., first, :] - uv[..., second, :]
    seen = (flat * flat).sum(axis=-1)
    rise = z[..., first] - z[..., second]
    expected = np.maximum(_palm_ratios(scale_bone) ** 2 - rise * rise, 0.01)
    squared = (seen * expected).sum(axis=-1) / (expected * expected).sum(axis=-1)
    pixels = np.sqrt(np.maximum(squared, 1e-12))[..., None, None]
    about = (uv - uv[..., :1, :]) / pixels
    return np.concatenate([about, (z - z[..., :1])[..., None]], axis=-1)


def scale_bone_px(uv_px: ArrayLike, xyz_relative: ArrayLike) -> float:
    """Return how many pixels a scale bone spans that lies across the line of sight.

    Args:
        uv_px: [21, 2] pixels.
        xyz_relative: [21, 3] of the same hand, as `relative_joints` gives them.
    """
    uv, xyz = np.asarray(uv_px, np.float64), np.asarray(xyz_relative, np.float64)
    flat = float(np.linalg.norm(xyz[:, :2] - xyz[ROOT, :2]))
    return max(float(np.linalg.norm(uv - uv[ROOT]) / max(flat, LEAST_SPAN)), LEAST_PX)


def _palm_ratios(scale_bone: str) -> NDArray[np.float64]:
    if scale_bone not in PALM_RATIOS:
        raise ValueError(
            f"`scale_bone` must be one of {sorted(PALM_RATIOS)}. "
            f"Received: scale_bone={scale_bone!r}"
        )
    return np.array(PALM_RATIOS[scale_bone])
