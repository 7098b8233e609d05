"""Depth window of the regularizer: Eq. 4 and 5 of Cai et al. (ECCV 2018).

The paper leaves the scope of d_max and d_range open, and Eq. 4 carries a stray sum. In the weak
setting no joint depth is known, so the window comes from what is: root depth and hand scale.

Convention: d_max = d_root + k * scale, d_range = 2 * k * scale with k = `half_width_scales`;
normalised depth is 1 at the near end, 0.5 at the wrist, 0 at the far end and behind it.
"""

from typing import Any

import numpy as np

Array = Any  # a NumPy array or a tensor

MIN_RANGE_MM = 1e-3
"""Least width of a window: a sample without a scale (filler 0) must stay finite."""


def _namespace(array: Array) -> Any:
    """Return NumPy for NumPy input and `keras.ops` for tensors (imported only then)."""
    if isinstance(array, (np.ndarray, np.generic, float, int)):
        return np
    from keras import ops

    return ops


def _as_float32(value: Array, xp: Any) -> Array:
    """Return a float32 array of the namespace."""
    return np.asarray(value, np.float32) if xp is np else xp.cast(value, "float32")


def _per_sample(value: Array, like: Array) -> Array:
    """Append axes to a value of one number a sample, so that it broadcasts against `like`."""
    if not hasattr(value, "shape"):
        return value
    index = (..., *(None,) * (len(like.shape) - len(value.shape)))
    return value[index]


def _check_half_width(half_width_scales: float) -> None:
    if half_width_scales <= 0:
        raise ValueError(
            f"`half_width_scales` must be positive. Received: half_width_scales={half_width_scales}"
        )


def window(root_depth_mm: Array, scale_mm: Array, half_width_scales: float) -> tuple[Array, Array]:
    """Return the far end and the width of the depth window.

    Convention: root 500, scale 40, k = 5 gives d_max = 700 and d_range = 400.

    Args:
        root_depth_mm: [...] depth of the wrist in mm.
        scale_mm: [...] length of the scale bone in mm.
        half_width_scales: Half width k in bone lengths.

    Returns:
        `(d_max, d_range)` in mm, each [...].

    Raises:
        ValueError: If the half width is not positive.
    """
    width_mm = window_width_mm(scale_mm, half_width_scales=half_width_scales)
    return root_depth_mm + width_mm / 2.0, width_mm


def window_width_mm(scale_mm: Array, *, half_width_scales: float) -> Array:
    """Return d_range of Eq. 4, by which differences of normalised depth become millimetres.

    Args:
        scale_mm: [...] length of the scale bone in mm.
        half_width_scales: Half width k in bone lengths.

    Returns:
        [...] width of the depth window in mm.

    Raises:
        ValueError: If the half width is not positive.
    """
    _check_half_width(half_width_scales)
    return 2.0 * half_width_scales * scale_mm


def normalise_depth(
    depth_mm: Array, root_depth_mm: Array, scale_mm: Array, *, half_width_scales: float
) -> tuple[Array, Array]:
    """Normalise a depth image (Eq. 4) and mark where it was measured.

    Pixels behind the window become 0, pixels before it 1, both with weight 1: they were seen, and
    they are not at the hand. A missing measurement (0 mm, negative or NaN) and a sample without a
    scale get value 0 and weight 0.

    Args:
        depth_mm: [...] or [..., H, W] or [..., H, W, 1] depth in mm, of any real dtype.
        root_depth_mm: One number a sample: the leading axes of `depth_mm`, or a scalar.
        scale_mm: As `root_depth_mm`: length of the scale bone in mm.
        half_width_scales: Half width k of the window in bone lengths.

    Returns:
        `(depth_normalised, weight)`, both float32 of the shape of `depth_mm`.

    Raises:
        ValueError: If the half width is not positive.
    """
    xp = _namespace(depth_mm)
    depth_mm = _as_float32(depth_mm, xp)
    root_depth_mm = _per_sample(_as_float32(root_depth_mm, xp), like=depth_mm)
    scale_mm = _per_sample(_as_float32(scale_mm, xp), like=depth_mm)
    d_max_mm, d_range_mm = window(root_depth_mm, scale_mm, half_width_scales)
    zero = xp.zeros_like(depth_mm)
    present = xp.logical_and(depth_mm > 0, scale_mm > 0)
    inside = (d_max_mm - depth_mm) / xp.maximum(d_range_mm, MIN_RANGE_MM)
    return xp.where(present, xp.clip(inside, 0.0, 1.0), zero), xp.where(present, zero + 1.0, zero)


def denormalise_depth(
    depth_normalised: Array, root_depth_mm: Array, scale_mm: Array, *, half_width_scales: float
) -> Array:
    """Return depth in mm from a normalised map; the inverse of Eq. 4 inside the window.

    Args:
        depth_normalised: [...] map of 0..1. A 0 comes back as the far end of the window.
        root_depth_mm: One number a sample, or a scalar.
        scale_mm: As `root_depth_mm`: length of the scale bone in mm.
        half_width_scales: Half width k of the window in bone lengths.

    Returns:
        Depth in mm, of the shape of `depth_normalised`.

    Raises:
        ValueError: If the half width is not positive.
    """
    d_max_mm, d_range_mm = window(
        _per_sample(root_depth_mm, like=depth_normalised),
        _per_sample(scale_mm, like=depth_normalised),
        half_width_scales,
    )
    return d_max_mm - depth_normalised * d_range_mm


def normalised_joint_depth(z_relative: Array, *, half_width_scales: float) -> Array:
    """Return joint depth in the unit of the depth map (Eq. 5).

    Root depth and scale cancel: X_z = 0.5 - z_relative / (2 k). Not clipped, so that the gradient
    survives outside the window.

    Convention: the wrist is 0.5; with k = 5 a joint one bone nearer than the wrist is 0.6.

    Args:
        z_relative: [..., K] relative depth in bone lengths.
        half_width_scales: Half width k of the window in bone lengths.

    Returns:
        [..., K] normalised depth, larger is nearer.

    Raises:
        ValueError: If the half width is not positive.
    """
    _check_half_width(half_width_scales)
    return 0.5 - z_relative / (2.0 * half_width_scales)


def joints_unit(
    uv_px: Array, z_relative: Array, *, image_size_px: int, half_width_scales: float
) -> Array:
    """Return joints as the depth regularizer takes them: u / S, v / S and X_z (Eq. 5).

    Convention: 0..1 spans the picture from edge to edge, so the centre of pixel u is (u + 0.5) / S.

    Args:
        uv_px: [..., K, 2] pixels.
        z_relative: [..., K] relative depth in bone lengths.
        image_size_px: Side S of the picture.
        half_width_scales: Half width k of the depth window in bone lengths.

    Returns:
        [..., K, 3].

    Raises:
        ValueError: If the half width is not positive.
    """
    joint_depth = normalised_joint_depth(z_relative, half_width_scales=half_width_scales)
    parts = [(uv_px + 0.5) / image_size_px, joint_depth[..., None]]
    return _namespace(uv_px).concatenate(parts, axis=-1)


def normalised_joint_depth_long(
    z_relative: Array, root_depth_mm: Array, scale_mm: Array, *, half_width_scales: float
) -> Array:
    """Return the same as `normalised_joint_depth`, by Eq. 5 as it is printed.

    Kept as the reference that the short form is tested against.

    Args:
        z_relative: [..., K] relative depth in bone lengths.
        root_depth_mm: [...] depth of the wrist in mm.
        scale_mm: [...] length of the scale bone in mm.
        half_width_scales: Half width k of the window in bone lengths.

    Returns:
        [..., K] normalised depth, larger is nearer.

    Raises:
        ValueError: If the half width is not positive.
    """
    d_max_mm, d_range_mm = window(root_depth_mm, scale_mm, half_width_scales)
    z_mm = z_relative * scale_mm[..., None]
    return (d_max_mm[..., None] - z_mm - root_depth_mm[..., None]) / d_range_mm[..., None]
