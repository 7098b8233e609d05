"""The depth of the wrist from pixels, relative depth and one measure of the hand, in closed form.

A joint with pixel p lies on the ray r = K^-1 p (third component 1) at depth Z + s z, with Z the
depth of the wrist, s the scale in mm and z the relative depth. A bone of known length L between
joints a and b gives |r_a (Z + s z_a) - r_b (Z + s z_b)| = L, a quadratic equation in Z (Iqbal et
al., ECCV 2018, section 3.2). The bones of the palm keep nearly the same ratio to each other in all
hands; each is solved, and one that is more foreshortened counts less.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.camera import cam_from_px

PALM_BONES = ((0, 9), (0, 5), (0, 13), (0, 17), (5, 17))
PALM_RATIOS = {
    "wrist_middle_mcp": (1.0, 1.02, 0.955, 0.915, 0.65),
    "middle_mcp_pip": (1.98, 2.02, 1.89, 1.815, 1.29),
}
"""Lengths of `PALM_BONES` in scale bones: means of the two meshes of the generator."""

MIN_DEPTH_MM = 50.0


def solve_root_depth(
    uv_px: ArrayLike,
    z_relative: ArrayLike,
    intrinsics: ArrayLike,
    scale_mm: ArrayLike,
    *,
    scale_bone: str = "wrist_middle_mcp",
) -> NDArray[np.float64]:
    """Return the depth of the wrist.

    Of the two roots of each quadratic the farther one is meant: the nearer has the bone pass
    before or through the camera. Where noise leaves no real root, the depth at which the bone comes
    nearest to its length is taken.

    Args:
        uv_px: [..., 21, 2] pixels.
        z_relative: [..., 21] relative depth in lengths of the scale bone.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        scale_mm: [...] length of the scale bone in mm.
        scale_bone: a key of `PALM_RATIOS`.

    Returns:
        [...] depth in mm, at least `MIN_DEPTH_MM`.

    Raises:
        ValueError: If the bone is unknown.
    """
    ratios = _palm_ratios(scale_bone)
    uv = np.asarray(uv_px, np.float64)
    scale = np.asarray(scale_mm, np.float64)[..., None]
    depth = np.asarray(z_relative, np.float64) * scale  # [..., 21] mm behind the wrist
    rays = cam_from_px(uv, np.ones(uv.shape[:-1]), np.asarray(intrinsics, np.float64))
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
    # An error of the length moves Z by L / root of it: longer in the image is better known.
    weight = root * root / (length * length)
    total = np.maximum(weight.sum(axis=-1), 1e-12)
    mean = (weight * solutions).sum(axis=-1) / total
    fallback = np.median(solutions, axis=-1)
    return np.maximum(np.where(weight.sum(axis=-1) > 1e-9, mean, fallback), MIN_DEPTH_MM)


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


def _palm_ratios(scale_bone: str) -> NDArray[np.float64]:
    if scale_bone not in PALM_RATIOS:
        raise ValueError(
            f"`scale_bone` must be one of {sorted(PALM_RATIOS)}. "
            f"Received: scale_bone={scale_bone!r}"
        )
    return np.array(PALM_RATIOS[scale_bone])
