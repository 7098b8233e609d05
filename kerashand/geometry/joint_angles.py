"""How a hand is turned and how its joints are bent: the palm's rotation, angles, OpenXR's joints.

Axes of a hand, as a figure in words. Hold up a right hand, fingers up, palm to the camera:

    across  right in the picture, to the side of the thumb
    up      up in the picture, from the wrist between the knuckles of index and little finger
    out     out of the palm, to the camera

`across = up x out`, so the axes are a rotation. A left hand has the same up and out. Its across is
up x out too, so that it points to the little finger: the mirror image of a rotation is none. Angles
are anatomical and alike for both hands: a left hand has those of its mirror image.

Every bone has such axes of its own, whose up runs along the bone to the tip. Those of a bone come
from those of the bone before by a turn about its across (flexion), then by one about its new out
(abduction), and by none about the bone. The first bone of a finger is measured from the palm. That
of the thumb is measured from the palm turned by 90 degrees about up, since the thumb bends in the
plane of the palm. NumPy only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.palm import palm_frames
from kerashand.skeleton import FINGERS, MIDDLE_MCP, NUM_JOINTS, PARENTS, ROOT, THUMB_CMC

Floats = NDArray[np.float64]

CARPUS = 0.35
"""Share of wrist - knuckle at which a metacarpal begins: the carpus is 0.54 times as high as the
third metacarpal is long (Youm et al., J Bone Joint Surg 60-A, 1978), and 0.54 / 1.54 = 0.35."""
OPENXR_JOINTS = (
    *("palm", "wrist"),
    *("thumb_metacarpal", "thumb_proximal", "thumb_distal", "thumb_tip"),
    *(
        f"{finger}_{bone}"
        for finger in ("index", "middle", "ring", "little")
        for bone in ("metacarpal", "proximal", "intermediate", "distal", "tip")
    ),
)
"""The 26 joints in the order of XrHandJointEXT."""

_MIRROR = np.array([-1.0, 1.0, 1.0])
# Columns: across, up and out of the thumb, in the axes of a right palm.
THUMB_BASE = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
_KNUCKLES = tuple(joints[0] for joints in FINGERS.values())
_OPENXR_FROM_CAMERA = np.array([1.0, -1.0, -1.0])
# Columns: x, y and z of an OpenXR joint (right, out of the back, to the wrist) in across, up, out.
_OPENXR_AXES = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])


class JointAngles(NamedTuple):
    """Angles in degrees: five fingers from thumb to little, three joints each from the palm.

    Attributes:
        flexion: [..., 5, 3], positive to the palm; a straight finger has 0. Thumb: CMC, MCP, IP;
            others: MCP, PIP, DIP. The thumb's CMC is positive across the palm, negative away from
            it in the palm's plane.
        abduction: [..., 5, 3], positive to the side of the thumb; the thumb's is positive out of
            the palm. That of PIP, DIP and IP, which hinges do not have, is noise of the joints.
    """

    flexion: Floats
    abduction: Floats


def hand_frame(xyz: ArrayLike, *, handedness: str = "right") -> tuple[Floats, Floats]:
    """Return how the palm is turned in the frame of the joints.

    Convention: a right hand with its fingers up and its palm to the camera has across = (1, 0, 0),
    up = (0, -1, 0) and out = (0, 0, -1), a half turn about x: quaternion (0, 1, 0, 0). So has a
    left hand, whose across points away from its thumb.

    Args:
        xyz: [..., 21, 3] joints in any unit; x right, y down, z away.
        handedness: "left" or "right".

    Returns:
        Rotation [..., 3, 3] whose columns are across, up and out, so that `rotation @ vector` is a
        vector of the hand's axes in the frame of the joints; and the same as a unit quaternion
        [..., 4] (w, x, y, z) with w >= 0. Where the wrist and the two knuckles lie on one line the
        rotation is that of no turn.

    Raises:
        ValueError: If `handedness` is unknown.
    """
    rotation = _mirrored_back(_palm(_as_right(xyz, handedness)), handedness)
    return rotation, quaternion_of(rotation)


def joint_angles(xyz: ArrayLike, *, handedness: str = "right") -> JointAngles:
    """Return flexion and abduction of the fifteen joints of the fingers.

    Convention: of a right hand with its fingers up and its palm to the camera, an index whose
    middle bone points at the camera has a PIP flexion of 90; one that leans 10 degrees to the right
    of the picture has an MCP abduction of 10; a thumb whose metacarpal points to the right has a
    CMC flexion of -90, and one that points at the camera a CMC abduction of 90.

    Args:
        xyz: [..., 21, 3] joints in any unit; x right, y down, z away.
        handedness: "left" or "right".

    Raises:
        ValueError: If `handedness` is unknown.
    """
    _, angles = _chains(_as_right(xyz, handedness))
    return JointAngles(*np.rad2deg(np.moveaxis(angles, -1, 0)))


def bone_frames(xyz: ArrayLike, *, handedness: str = "right") -> Floats:
    """Return the axes of all bones as rotations [..., 21, 3, 3].

    Entry j belongs to the bone that ends in joint j, entry 0 to the palm. Columns are across, up
    (along the bone) and out, in the frame of the joints.

    Raises:
        ValueError: If `handedness` is unknown.
    """
    frames, _ = _chains(_as_right(xyz, handedness))
    return _mirrored_back(frames, handedness)


def openxr_joints(xyz: ArrayLike, *, handedness: str = "right") -> tuple[Floats, Floats]:
    """Return the 26 joints of OpenXR (XR_EXT_hand_tracking).

    Interpolated are the metacarpals of the four fingers, at `CARPUS` of the way from the wrist to
    the knuckle, and the palm, in the middle of the metacarpal of the middle finger. All others are
    joints of ours.

    Convention: axes are OpenXR's: x right, y up, z to the camera. At a joint -z runs along the bone
    to the tip, y out of the back of the hand, x to the right as seen from the back, in both hands.
    A right hand with its fingers up and its palm to the camera has the palm's orientation
    (w, x, y, z) = (0, 0, 0.7071, -0.7071), or its negative, the same turn.

    Args:
        xyz: [..., 21, 3] joints in any unit; x right, y down, z away.
        handedness: "left" or "right".

    Returns:
        Positions [..., 26, 3] in the unit of `xyz`, and unit quaternions [..., 26, 4] (w, x, y, z),
        in the order of `OPENXR_JOINTS`. The palm and the wrist have the palm's axes, a joint those
        of the bone that it begins, a tip those of the last bone.

    Raises:
        ValueError: If `handedness` is unknown.
    """
    joints = np.asarray(xyz, np.float64)
    frames = bone_frames(joints, handedness=handedness)
    wrist = joints[..., ROOT, :]
    positions, axes = [wrist, wrist], [frames[..., ROOT, :, :]] * 2
    for first, *rest in FINGERS.values():
        chain = (first, *rest)
        if first != THUMB_CMC:
            positions.append(wrist + CARPUS * (joints[..., first, :] - wrist))
            axes.append(frames[..., first, :, :])
        positions += [joints[..., joint, :] for joint in chain]
        axes += [frames[..., joint, :, :] for joint in (*chain[1:], chain[-1])]
    positions[0] = wrist + (1.0 + CARPUS) / 2.0 * (joints[..., MIDDLE_MCP, :] - wrist)
    turned = _OPENXR_FROM_CAMERA[:, None] * (np.stack(axes, axis=-3) @ _OPENXR_AXES)
    return np.stack(positions, axis=-2) * _OPENXR_FROM_CAMERA, quaternion_of(turned)


def quaternion_of(rotation: ArrayLike) -> Floats:
    """Unit quaternions [..., 4] (w, x, y, z) with w >= 0 of rotations [..., 3, 3]."""
    m = np.asarray(rotation, np.float64)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = (
        m[..., 0, 1] + m[..., 1, 0],
        m[..., 0, 2] + m[..., 2, 0],
        m[..., 1, 2] + m[..., 2, 1],
    )
    # Rows of 4 q q^T; the one with the largest diagonal is the surest.
    rows = np.stack(
        [
            np.stack([1.0 + m00 + m11 + m22, x, y, z], axis=-1),
            np.stack([x, 1.0 + m00 - m11 - m22, xy, xz], axis=-1),
            np.stack([y, xy, 1.0 - m00 + m11 - m22, yz], axis=-1),
            np.stack([z, xz, yz, 1.0 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    best = np.diagonal(rows, axis1=-2, axis2=-1).argmax(axis=-1)[..., None, None]
    q = np.take_along_axis(rows, best, axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0.0, -q, q)


def aimed(frames: ArrayLike, directions: ArrayLike) -> tuple[Floats, Floats]:
    """Turn axes so that their up runs along a direction, without a turn about it.

    Args:
        frames: [..., 3, 3] axes as columns.
        directions: [..., 3], of any length; those of nearly no length turn nothing.

    Returns:
        Axes [..., 3, 3], and flexion and abduction [..., 2] in radians.
    """
    frames, directions = np.asarray(frames, np.float64), np.asarray(directions, np.float64)
    across, up, out = np.moveaxis(np.einsum("...ij,...i->...j", frames, directions), -1, 0)
    flexion = np.arctan2(out, up)
    abduction = np.arctan2(across, np.hypot(up, out))
    (sin_f, sin_a), (cos_f, cos_a) = (f(np.array([flexion, abduction])) for f in (np.sin, np.cos))
    zero = np.zeros_like(flexion)
    turn = np.stack(
        [
            np.stack([cos_a, sin_a, zero], axis=-1),
            np.stack([-sin_a * cos_f, cos_a * cos_f, -sin_f], axis=-1),
            np.stack([-sin_a * sin_f, cos_a * sin_f, cos_f], axis=-1),
        ],
        axis=-2,
    )
    return frames @ turn, np.stack([flexion, abduction], axis=-1)


def _as_right(xyz: ArrayLike, handedness: str) -> Floats:
    if handedness not in ("left", "right"):
        raise ValueError(f"`handedness` must be left or right. Received: handedness={handedness!r}")
    joints = np.asarray(xyz, np.float64)
    if joints.shape[-2:] != (NUM_JOINTS, 3):
        raise ValueError(f"joints must be [..., {NUM_JOINTS}, 3]. Received: shape {joints.shape}")
    return joints * _MIRROR if handedness == "left" else joints


def _mirrored_back(frames: Floats, handedness: str) -> Floats:
    """The mirror image's axes: up and out are mirrored, across is up x out."""
    return _MIRROR[:, None] * frames * _MIRROR if handedness == "left" else frames


def _palm(right: Floats) -> Floats:
    rows, _ = palm_frames(right)
    flat = (rows == 0.0).all(axis=(-2, -1), keepdims=True)
    return np.where(flat, np.eye(3), np.swapaxes(rows, -2, -1))


def _chains(right: Floats) -> tuple[Floats, Floats]:
    """Axes [..., 21, 3, 3] of the bones of right hands, and angles [..., 5, 3, 2] in radians."""
    frames = np.zeros((*right.shape[:-2], NUM_JOINTS, 3, 3))
    angles = np.zeros((*right.shape[:-2], NUM_JOINTS, 2))
    palm = frames[..., ROOT, :, :] = _palm(right)
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        before = frames[..., parent, :, :]
        if parent == THUMB_CMC:
            before = palm @ THUMB_BASE
        elif parent in _KNUCKLES:
            before = palm
        bone = right[..., joint, :] - right[..., parent, :]
        frames[..., joint, :, :], angles[..., joint, :] = aimed(before, bone)
    moving = [joints[1:] for joints in FINGERS.values()]
    return frames, angles[..., np.array(moving), :]
