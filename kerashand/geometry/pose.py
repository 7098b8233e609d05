"""Hand pose: root-relative, scale-free depth and its way back to millimetres.

Convention: z_relative = (z - z_root) / scale, with scale = length of the scale bone. Plain
operators: NumPy arrays and tensors both work.
"""

from kerashand.geometry.camera import Array, cam_from_px, flip_intrinsics, flip_uv, flip_xyz
from kerashand.skeleton import SCALE_BONES


def scale_from_joints(xyz_mm: Array, scale_bone: str = "middle_mcp_pip") -> Array:
    """Return the length of the scale bone, the unit of relative depth.

    Args:
        xyz_mm: [..., K, 3] joints in mm.
        scale_bone: A key of `skeleton.SCALE_BONES`.

    Returns:
        [...] length in mm.

    Raises:
        ValueError: If the bone is unknown.
    """
    if scale_bone not in SCALE_BONES:
        raise ValueError(
            f"`scale_bone` must be one of {sorted(SCALE_BONES)}. "
            f"Received: scale_bone={scale_bone!r}"
        )
    start, end = SCALE_BONES[scale_bone]
    bone = xyz_mm[..., end, :] - xyz_mm[..., start, :]
    squared = bone * bone
    return (squared[..., 0] + squared[..., 1] + squared[..., 2]) ** 0.5


def relative_from_mm(z_mm: Array, root_depth_mm: Array, scale_mm: Array) -> Array:
    """Make joint depth root-relative and scale-free.

    Convention: z = 540, root at 500, scale 40 gives +1: behind the wrist by one bone length.

    Args:
        z_mm: [..., K] depth of the joints in mm.
        root_depth_mm: [...] depth of the wrist in mm.
        scale_mm: [...] length of the scale bone in mm.

    Returns:
        [..., K] relative depth in bone lengths.
    """
    return (z_mm - root_depth_mm[..., None]) / scale_mm[..., None]


def mm_from_relative(z_relative: Array, root_depth_mm: Array, scale_mm: Array) -> Array:
    """Return joint depth in mm; the inverse of `relative_from_mm`.

    Args:
        z_relative: [..., K] relative depth in bone lengths.
        root_depth_mm: [...] depth of the wrist in mm.
        scale_mm: [...] length of the scale bone in mm.

    Returns:
        [..., K] depth in mm.
    """
    return z_relative * scale_mm[..., None] + root_depth_mm[..., None]


def xyz_from_uv_z(
    uv_px: Array, z_relative: Array, intrinsics: Array, root_depth_mm: Array, scale_mm: Array
) -> Array:
    """Combine predicted pixels and relative depth into camera joints.

    As in the paper (section 4.2) the root depth and the hand scale are given. The order of the
    arguments is that of the pipeline: two predictions, then what has to be known.

    Args:
        uv_px: [..., K, 2] pixels.
        z_relative: [..., K] relative depth in bone lengths.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        root_depth_mm: [...] depth of the wrist in mm.
        scale_mm: [...] length of the scale bone in mm.

    Returns:
        [..., K, 3] joints in mm.
    """
    z_mm = mm_from_relative(z_relative, root_depth_mm, scale_mm)
    return cam_from_px(uv_px, z_mm, intrinsics)


def mirror(
    uv_px: Array, xyz_mm: Array, intrinsics: Array, *, width_px: int
) -> tuple[Array, Array, Array]:
    """Mirror the labels of a flipped image, turning a left hand into a right one.

    Depth, scale and joint order do not change. Projecting the mirrored joints with the mirrored
    intrinsics gives the mirrored pixels.

    Args:
        uv_px: [..., K, 2] pixels.
        xyz_mm: [..., K, 3] joints in mm.
        intrinsics: [..., 3, 3].
        width_px: Width W of the image.

    Returns:
        The mirrored `(uv_px, xyz_mm, intrinsics)`.
    """
    return flip_uv(uv_px, width_px), flip_xyz(xyz_mm), flip_intrinsics(intrinsics, width_px)
