"""Joints in 3D moved so that their bones come near the lengths that bones have in hands.

A network gives each joint's pixel and depth with an error of its own, so that bones come out too
long or too short by a sixth. Lengths of bones in wrist - middle MCP hardly differ between hands.
With the camera, the depth of the wrist and that length, the joints are moved to where errors of
the network and of lengths are together least: the mean of a Gaussian whose observations, the
lengths, are linearised anew in each of a few steps (an iterated extended Kalman filter without a
time axis). Errors of depth add up along a finger, and fingers beside each other err alike.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.pose import DEPTH_ALONG, sighted_rays
from kerashand.skeleton import BONES, NUM_JOINTS, PARENTS, ROOT

BONE_RATIOS = {
    "wrist_middle_mcp": (
        *(0.405, 0.413, 0.387, 0.262),
        *(1.039, 0.449, 0.262, 0.239),
        *(1.0, 0.504, 0.304, 0.233),
        *(0.961, 0.459, 0.279, 0.242),
        *(0.924, 0.365, 0.186, 0.187),
    ),
    "middle_mcp_pip": (
        *(0.828, 0.828, 0.784, 0.541),
        *(2.039, 0.877, 0.519, 0.493),
        *(1.985, 1.0, 0.596, 0.461),
        *(1.899, 0.91, 0.557, 0.499),
        *(1.826, 0.721, 0.363, 0.37),
    ),
}
"""Lengths of `skeleton.BONES` in scale bones: medians of the generator's look `varied`."""

# Typical errors of the packaged model on rendered hands, in lengths of wrist - middle MCP.
DEPTH_ERRORS = (0.19, 0.16, 0.12, 0.12)
"""Of the rise of a bone, from the palm to the tip."""
ALONG_FINGER, ACROSS_FINGERS = 0.3, 0.7
"""Correlation of these errors from bone to bone and from finger to finger."""
SURE_ERROR, UNSURE_ERROR = 0.06, 0.3
"""Beside the line of sight: of a joint with score 1, and what a score of 0 adds."""
LENGTH_ERROR = 0.1
"""Of a bone's length: hands differ, and so do data sets in where joints lie."""
STEPS = 3


def fit_bones(
    uv_px: ArrayLike,
    z_relative: ArrayLike,
    scores: ArrayLike,
    intrinsics: ArrayLike,
    root_depth_mm: ArrayLike,
    scale_mm: ArrayLike,
    *,
    scale_bone: str = "wrist_middle_mcp",
    depth_along: str = DEPTH_ALONG[0],
) -> NDArray[np.float64]:
    """Return joints whose bones are nearer to usual lengths.

    Args:
        uv_px: [..., 21, 2] pixels.
        z_relative: [..., 21] relative depth in lengths of the scale bone.
        scores: [..., 21] confidence, 0..1.
        intrinsics: [..., 3, 3] of the image in which `uv_px` is measured.
        root_depth_mm: [...] depth of the wrist along the optical axis.
        scale_mm: [...] length of the scale bone.
        scale_bone: a key of `BONE_RATIOS`.
        depth_along: what `z_relative` is measured along.

    Returns:
        [..., 21, 3] mm in the camera's frame.

    Raises:
        ValueError: If the bone is unknown.
    """
    if scale_bone not in BONE_RATIOS:
        raise ValueError(
            f"`scale_bone` must be one of {sorted(BONE_RATIOS)}. "
            f"Received: scale_bone={scale_bone!r}"
        )
    lengths = np.array(BONE_RATIOS[scale_bone])
    unit = lengths[BONES.index((0, 9))]  # wrist - middle MCP, which errors are counted in
    uv, z = np.asarray(uv_px, np.float64), np.asarray(z_relative, np.float64)
    matrix, scale = np.asarray(intrinsics, np.float64), np.asarray(scale_mm, np.float64)
    if depth_along == DEPTH_ALONG[0]:
        rays, reach = cam_from_px(uv, np.ones(uv.shape[:-1]), matrix), np.ones(uv.shape[:-1])
    else:
        rays, reach = sighted_rays(uv, matrix)
    root = np.asarray(root_depth_mm, np.float64) * reach[..., ROOT] / scale
    start = rays * (root[..., None] + z)[..., None]
    # Each joint may move along its ray, and along x and y, with these covariances.
    sideways = (unit * (SURE_ERROR + UNSURE_ERROR * (1.0 - np.asarray(scores)) ** 2)) ** 2
    covariances = (_DEPTH_COVARIANCE * unit**2, *2 * (_diagonal(sideways),))
    directions = (rays, *np.eye(3)[:2])
    moved = [np.zeros(z.shape) for _ in directions]
    for _ in range(STEPS):
        joints = start + sum(m[..., None] * d for m, d in zip(moved, directions, strict=True))
        bones = joints[..., _ENDS, :] - joints[..., _STARTS, :]
        long = np.maximum(np.linalg.norm(bones, axis=-1), 1e-6)
        along = bones / long[..., None]
        # How lengths change with what moves: [..., bones, joints] each.
        slopes = [
            _ENDS_OF_BONES * (along @ np.swapaxes(np.broadcast_to(d, joints.shape), -1, -2))
            for d in directions
        ]
        spread = [slope @ covariance for slope, covariance in zip(slopes, covariances, strict=True)]
        noise = (unit * LENGTH_ERROR) ** 2 * np.eye(len(BONES))
        total = noise + sum(
            part @ np.swapaxes(slope, -1, -2) for part, slope in zip(spread, slopes, strict=True)
        )
        missing = (
            lengths
            - long
            + sum((slope @ m[..., None])[..., 0] for slope, m in zip(slopes, moved, strict=True))
        )
        weights = np.linalg.solve(total, missing[..., None])
        moved = [(np.swapaxes(part, -1, -2) @ weights)[..., 0] for part in spread]
    joints = start + sum(m[..., None] * d for m, d in zip(moved, directions, strict=True))
    return joints * scale[..., None, None]


def _diagonal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[..., None] * np.eye(values.shape[-1])


def _depth_covariance() -> NDArray[np.float64]:
    """[21, 21] of the depth of joints: sums of the errors of the bones that lead to them."""
    finger, level = np.divmod(np.arange(len(BONES)), len(DEPTH_ERRORS))
    error = np.array(DEPTH_ERRORS)[level]
    fingers_apart = np.abs(finger[:, None] - finger)
    levels_apart = np.abs(level[:, None] - level)
    of_bones = ACROSS_FINGERS**fingers_apart * ALONG_FINGER**levels_apart * np.outer(error, error)
    leads = np.zeros((NUM_JOINTS, len(BONES)))
    for joint in range(1, NUM_JOINTS):
        on = joint
        while on != ROOT:
            leads[joint, on - 1] = 1.0
            on = PARENTS[on]
    return leads @ of_bones @ leads.T


_STARTS, _ENDS = np.array(BONES).T
_ENDS_OF_BONES = np.eye(NUM_JOINTS)[_ENDS] - np.eye(NUM_JOINTS)[_STARTS]
_DEPTH_COVARIANCE = _depth_covariance()
