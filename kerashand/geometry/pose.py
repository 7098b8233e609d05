"""Hand pose: root-relative, scale-free depth and its way back to millimetres.

Convention: z_relative = (z - z_root) / scale, with scale = length of the scale bone. Plain
operators: NumPy arrays and tensors both work.

Depth runs along the optical axis, as in the paper, or along the line of sight to the middle
finger's MCP joint. A square around a hand does not show where in the picture it was cut: the same
picture of a hand 20 degrees beside the axis has another depth along the axis, and the same along
its line of sight. Relative depth is best learned along that; with the camera's intrinsics either
gives the other.
"""

from kerashand.geometry.camera import Array, cam_from_px, flip_intrinsics, flip_uv, flip_xyz
from kerashand.skeleton import MIDDLE_MCP, ROOT, SCALE_BONES

OPTICAL_AXIS, LINE_OF_SIGHT = "optical_axis", "line_of_sight"
DEPTH_ALONG = (OPTICAL_AXIS, LINE_OF_SIGHT)
"""What relative depth is measured along."""


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


def line_of_sight(points: Array) -> Array:
    """Return the direction from the camera to the middle finger's MCP joint.

    Args:
        points: [..., K, 3] joints in the camera's frame, or any points on their rays.

    Returns:
        [..., 3] of length 1.
    """
    knuckle = points[..., MIDDLE_MCP, :]
    return knuckle / _dot(knuckle, knuckle)[..., None] ** 0.5


def relative_depth(xyz_mm: Array, scale_mm: Array, *, depth_along: str = OPTICAL_AXIS) -> Array:
    """Make joint depth root-relative and scale-free.

    Convention: z = 540, root at 500, scale 40 gives +1: behind the wrist by one bone length.

    Args:
        xyz_mm: [..., K, 3] joints in mm.
        scale_mm: [...] length of the scale bone in mm.
        depth_along: one of `DEPTH_ALONG`.

    Returns:
        [..., K] relative depth in bone lengths.

    Raises:
        ValueError: If `depth_along` is unknown.
    """
    if _is_sighted(depth_along):
        depth = _dot(xyz_mm, line_of_sight(xyz_mm)[..., None, :])
    else:
        depth = xyz_mm[..., 2]
    return (depth - depth[..., ROOT : ROOT + 1]) / scale_mm[..., None]


def xyz_from_uv_z(
    uv_px: Array,
    z_relative: Array,
    intrinsics: Array,
    *,
    root_depth_mm: Array,
    scale_mm: Array,
    depth_along: str = OPTICAL_AXIS,
) -> Array:
    """Combine predicted pixels and relative depth into camera joints.

    As in the paper (section 4.2) the root depth and the hand scale are given. The order of the
    arguments is that of the pipeline: two predictions, then what has to be known.

    Args:
        uv_px: [..., K, 2] pixels.
        z_relative: [..., K] relative depth in bone lengths.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        root_depth_mm: [...] depth of the wrist in mm, along the optical axis in any case.
        scale_mm: [...] length of the scale bone in mm.
        depth_along: one of `DEPTH_ALONG`, what `z_relative` is measured along.

    Returns:
        [..., K, 3] joints in mm.

    Raises:
        ValueError: If `depth_along` is unknown.
    """
    rays, reach = depth_rays(uv_px, intrinsics, depth_along=depth_along)
    root_mm = root_depth_mm[..., None] * reach[..., ROOT : ROOT + 1]
    return rays * (root_mm + z_relative * scale_mm[..., None])[..., None]


def depth_rays(uv_px: Array, intrinsics: Array, *, depth_along: str) -> tuple[Array, Array]:
    """Return the rays of joints up to where depth is 1.

    Args:
        uv_px: [..., K, 2] pixels.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        depth_along: one of `DEPTH_ALONG`, what depth is measured along.

    Returns:
        Rays [..., K, 3] that reach depth 1, and the depth [..., K] that they have where their depth
        along the optical axis is 1.

    Raises:
        ValueError: If `depth_along` is unknown.
    """
    ones = uv_px[..., 0] * 0.0 + 1.0
    rays = cam_from_px(uv_px, ones, intrinsics)
    if not _is_sighted(depth_along):
        return rays, ones
    reach = _dot(rays, line_of_sight(rays)[..., None, :])
    return rays / reach[..., None], reach


def _dot(a: Array, b: Array) -> Array:
    product = a * b
    return product[..., 0] + product[..., 1] + product[..., 2]


def _is_sighted(depth_along: str) -> bool:
    if depth_along not in DEPTH_ALONG:
        raise ValueError(
            f"`depth_along` must be one of {DEPTH_ALONG}. Received: depth_along={depth_along!r}"
        )
    return depth_along == LINE_OF_SIGHT


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
