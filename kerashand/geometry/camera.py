"""Pinhole camera: projection, intrinsics under crop, rotation and flip, and the pixel maps.

The functions on points use plain operators only, so NumPy arrays and TensorFlow tensors both work,
eager and in graphs; leading axes broadcast. The builders of matrices are NumPy. Compute in float32
or wider: the product of two focal lengths overflows float16.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Array = Any  # a NumPy array or a tensor

HAND_MARGIN = 1.3
"""Side of the square that shows a hand to the pose model, in boxes around its joints."""

PRECISE_SHARE = 0.05
"""A joint is precise within this share of the side of that square: the event whose probability
a model with heads states as a joint's confidence."""

FOCAL_OVER_SIDE = (0.2, 5.0)
"""Focal lengths of whole pictures over their longer side: views of 136 to 11 degrees."""
ALIKE_FOCAL = 1.25
"""What fx may be of fy, and fy of fx: pixels are nearly square."""


def _constant(values: Any, like: Array) -> np.ndarray:
    """Return `values` in the dtype of `like`; tensors refuse constants of another dtype."""
    dtype = getattr(like.dtype, "as_numpy_dtype", like.dtype)
    return np.asarray(values, dtype=dtype)


def apply_affine(uv_px: Array, affine: Array) -> Array:
    """Map points by an affine map of the plane.

    Convention: p' = A p with p = (u, v, 1).

    Args:
        uv_px: [..., K, 2] points.
        affine: [..., 3, 3] with bottom row (0, 0, 1), such as `crop_from_image`.

    Returns:
        [..., K, 2] mapped points.
    """
    # Written with the columns of the matrix, this needs neither a transpose nor a stack.
    return (
        uv_px[..., 0:1] * affine[..., None, :2, 0]
        + uv_px[..., 1:2] * affine[..., None, :2, 1]
        + affine[..., None, :2, 2]
    )


def apply_inverse_affine(uv_px: Array, affine: Array) -> Array:
    """Map points by the inverse of an affine map of the plane.

    Args:
        uv_px: [..., K, 2] points.
        affine: [..., 3, 3] with bottom row (0, 0, 1) and an invertible 2 x 2 block, which may be
            full.

    Returns:
        [..., K, 2] points q with A q = p.
    """
    a, b = affine[..., None, 0:1, 0], affine[..., None, 0:1, 1]
    c, d = affine[..., None, 1:2, 0], affine[..., None, 1:2, 1]
    shifted = uv_px - affine[..., None, :2, 2]
    u, v = shifted[..., 0:1], shifted[..., 1:2]
    axes = _constant(np.eye(2), like=uv_px)
    return ((d * u - b * v) * axes[0] + (a * v - c * u) * axes[1]) / (a * d - b * c)


def px_from_cam(xyz_mm: Array, intrinsics: Array) -> Array:
    """Project camera points to pixels.

    Convention: x right, y down, z forward. With f = 100, c = (64, 64), the point (20, -10, 200) mm
    falls on pixel (74, 59).

    Args:
        xyz_mm: [..., K, 3] points in front of the camera, in mm.
        intrinsics: [..., 3, 3].

    Returns:
        [..., K, 2] pixels as (column, row).
    """
    return apply_affine(xyz_mm[..., :2] / xyz_mm[..., 2:3], intrinsics)


def cam_from_px(uv_px: Array, z_mm: Array, intrinsics: Array) -> Array:
    """Lift pixels with known depth to camera points; the inverse of `px_from_cam`.

    Args:
        uv_px: [..., K, 2] pixels as (column, row).
        z_mm: [..., K] depth along the optical axis in mm.
        intrinsics: [..., 3, 3], the 2 x 2 block may be full.

    Returns:
        [..., K, 3] points in mm.
    """
    rays = apply_inverse_affine(uv_px, intrinsics)
    axes = _constant(np.eye(3), like=uv_px)
    return z_mm[..., None] * (rays[..., 0:1] * axes[0] + rays[..., 1:2] * axes[1] + axes[2])


def pinhole_matrix(numbers: Sequence[float]) -> np.ndarray:
    """Intrinsics [3, 3] of fx, fy, cx and cy, float64."""
    fx, fy, cx, cy = numbers
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def centre_is_far_out(intrinsics: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Whether cx and cy, [2], are more than half a side outside of a picture: of another one."""
    size = np.array(size_px)
    return ~(np.abs(intrinsics[:2, 2] - size / 2) <= size)


def camera_faults(
    intrinsics: np.ndarray, size_px: tuple[int, int], prefix: str = ""
) -> Iterator[str]:
    """What of a camera cannot belong to a whole picture.

    Args:
        intrinsics: [3, 3] in pixels.
        size_px: width and height.
        prefix: what stands before the names of its numbers.
    """
    low, high = FOCAL_OVER_SIDE
    shown = f"{size_px[0]} x {size_px[1]} pixels"
    for axis, key in enumerate(("fx", "fy")):
        focal = float(intrinsics[axis, axis])
        if not low <= focal / max(size_px) <= high:
            view = 2.0 * np.degrees(np.arctan(0.5 * max(size_px) / focal))
            yield f"`{prefix}{key}: {focal:g}` for {shown} is a view of {view:.0f} degrees"
    for axis in np.flatnonzero(centre_is_far_out(intrinsics, size_px)).tolist():
        key = ("cx", "cy")[axis]
        yield f"`{prefix}{key}: {intrinsics[axis, 2]:g}` is far outside of {shown}"
    if not 1.0 / ALIKE_FOCAL <= intrinsics[0, 0] / intrinsics[1, 1] <= ALIKE_FOCAL:
        yield (
            f"`{prefix}fx: {intrinsics[0, 0]:g}` and `{prefix}fy: {intrinsics[1, 1]:g}` are not of "
            "square pixels (of a picture of another aspect, or turned otherwise)"
        )


def crop_intrinsics(intrinsics: Array, crop_from_image: Array) -> Array:
    """Return the intrinsics of a cropped or resized image.

    Convention: K' = A @ K.

    Args:
        intrinsics: [..., 3, 3] of the image.
        crop_from_image: [..., 3, 3] affine map of pixels.

    Returns:
        [..., 3, 3] intrinsics of the crop.
    """
    return crop_from_image @ intrinsics


def rotated_intrinsics(intrinsics: Array, crop_from_image: Array, rotation: Array) -> Array:
    """Return the intrinsics when the joints are rotated along with the image.

    Convention: K' = A @ K @ R^T, so that K' (R X) = A (K X) for every point X. With different
    focal lengths the 2 x 2 block of K' is full.

    Args:
        intrinsics: [..., 3, 3] of the image.
        crop_from_image: [..., 3, 3] affine map of pixels that contains the rotation.
        rotation: [..., 3, 3] rotation about z, see `rotation_matrix`.

    Returns:
        [..., 3, 3] intrinsics of the crop for rotated joints.
    """
    # Rows times a transposed matrix are rotated points.
    return rotate_points(crop_from_image @ intrinsics, rotation)


def crop_affine(center_px: Any, side_px: Any, output_px: int) -> np.ndarray:
    """Build `crop_from_image` for a square crop resized to `output_px`.

    Convention: pixel centres at integers; the crop spans [-0.5, output_px - 0.5]. A crop of side
    64 about (31.5, 31.5) resized to 128 maps pixel 0 to 0.5.

    Args:
        center_px: [..., 2] centre of the square in the image.
        side_px: [...] side of the square in image pixels.
        output_px: Side of the crop after resizing.

    Returns:
        [..., 3, 3] float64.

    Raises:
        ValueError: If a side is not positive.
    """
    center, side = np.asarray(center_px, dtype=np.float64), np.asarray(side_px, dtype=np.float64)
    if not np.all(side > 0):
        raise ValueError(f"`side_px` must be positive. Received: side_px={side_px}")
    if output_px < 1:
        raise ValueError(f"`output_px` must be positive. Received: output_px={output_px}")
    zoom = output_px / side
    affine = np.zeros((*np.broadcast_shapes(side.shape, center.shape[:-1]), 3, 3))
    affine[..., 0, 0] = affine[..., 1, 1] = zoom
    affine[..., :2, 2] = (output_px - 1) / 2 - zoom[..., None] * center
    affine[..., 2, 2] = 1.0
    return affine


def rotation_matrix(angle_rad: Any) -> np.ndarray:
    """Build the rotation about the optical axis.

    Convention: a positive angle turns +x towards +y, clockwise on the screen. A quarter turn maps
    (1, 0, z) to (0, 1, z).

    Args:
        angle_rad: [...] angle.

    Returns:
        [..., 3, 3] float64.
    """
    angle = np.asarray(angle_rad, dtype=np.float64)
    rotation = np.zeros((*angle.shape, 3, 3))
    rotation[..., 0, 0] = rotation[..., 1, 1] = np.cos(angle)
    rotation[..., 1, 0] = np.sin(angle)
    rotation[..., 0, 1] = -rotation[..., 1, 0]
    rotation[..., 2, 2] = 1.0
    return rotation


def rotation_affine(angle_rad: Any, center_px: Any) -> np.ndarray:
    """Build the pixel map that turns an image about a centre.

    Convention: a positive angle turns +u towards +v. A quarter turn about (10, 10) maps (12, 10)
    to (10, 12).

    Args:
        angle_rad: [...] angle.
        center_px: [..., 2] fixed point.

    Returns:
        [..., 3, 3] float64.
    """
    affine = rotation_matrix(angle_rad)
    center = np.asarray(center_px, dtype=np.float64)
    shape = (*np.broadcast_shapes(affine.shape[:-2], center.shape[:-1]), 3, 3)
    affine = np.broadcast_to(affine, shape).copy()
    affine[..., :2, 2] = center - (affine[..., :2, :2] @ center[..., None])[..., 0]
    return affine


def rotate_points(xyz: Array, rotation: Array) -> Array:
    """Rotate points: X' = R X for every point.

    Args:
        xyz: [..., K, 3] points (or the rows of matrices, for M @ R^T).
        rotation: [..., 3, 3].

    Returns:
        [..., K, 3] rotated points.
    """
    return (
        xyz[..., 0:1] * rotation[..., None, :, 0]
        + xyz[..., 1:2] * rotation[..., None, :, 1]
        + xyz[..., 2:3] * rotation[..., None, :, 2]
    )


def rotate_joints(xyz_mm: Array, angle_rad: Any) -> Array:
    """Rotate joints about the optical axis, to go with `rotation_affine` of the same angle.

    Args:
        xyz_mm: [..., K, 3] joints in the camera.
        angle_rad: [...] angle as a NumPy value; for an angle that is a tensor build the rotation
            and call `rotate_points`.

    Returns:
        [..., K, 3] joints in mm.
    """
    return rotate_points(xyz_mm, _constant(rotation_matrix(angle_rad), like=xyz_mm))


def flip_uv(uv_px: Array, width_px: int) -> Array:
    """Flip pixels left to right.

    Convention: u -> W - 1 - u. In an image of 320 columns u = 0 becomes 319.

    Args:
        uv_px: [..., K, 2] pixels.
        width_px: Width W of the image.

    Returns:
        [..., K, 2] pixels in the flipped image.
    """
    sign = _constant([-1, 1], like=uv_px)
    return uv_px * sign + _constant([width_px - 1, 0], like=uv_px)


def flip_intrinsics(intrinsics: Array, width_px: int) -> Array:
    """Return the intrinsics of the flipped image for joints with x negated.

    Convention: cx -> W - 1 - cx; focal lengths keep their sign, off-diagonal terms change it.

    Args:
        intrinsics: [..., 3, 3].
        width_px: Width W of the image.

    Returns:
        [..., 3, 3] intrinsics.
    """
    sign = _constant([[1, -1, -1], [-1, 1, 1], [1, 1, 1]], like=intrinsics)
    shift = _constant([[0, 0, width_px - 1], [0, 0, 0], [0, 0, 0]], like=intrinsics)
    return intrinsics * sign + shift


def flip_xyz(xyz_mm: Array) -> Array:
    """Mirror camera points at the plane x = 0, which turns a left hand into a right one.

    Args:
        xyz_mm: [..., K, 3] points.

    Returns:
        [..., K, 3] points with x negated.
    """
    return xyz_mm * _constant([-1, 1, 1], like=xyz_mm)
