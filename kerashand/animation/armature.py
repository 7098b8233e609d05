"""A hand's motion as a skeleton: fixed bones, and a rotation of every joint in every frame.

Axes are those of glTF: x right, y up, z to the camera; lengths in metres. In the rest pose the
wrist is at the origin, the hand is flat with its fingers up and its palm to the camera, and nothing
is turned. Bones have the median of their lengths over the frames and run in every frame in the
direction in which they were followed. So joints are where they were, up to how much the lengths
varied.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kerashand.animation.motion import HandMotion
from kerashand.geometry.joint_angles import THUMB_BASE, aimed, bone_frames
from kerashand.skeleton import FINGERS, JOINT_NAMES, NUM_JOINTS, PARENTS, ROOT, THUMB_CMC

Floats = NDArray[np.float64]
Y_UP = np.array([1.0, -1.0, -1.0])
"""Our axes times these are glTF's: a half turn about x."""


class Armature(NamedTuple):
    """The skeleton of one hand and how it moves.

    A finger begins in a node of its own at the wrist, NAME_base, which turns the bone from the
    wrist to the first joint.

    Attributes:
        names: 26 nodes: the wrist, then five of each finger from the wrist to the tip.
        parents: of each node; -1 for the wrist.
        offsets_m: [26, 3] from the parent in the rest pose.
        rotations: [T, 26, 3, 3] against the parent.
        wrist_m: [T, 3].
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_m: Floats
    rotations: Floats
    wrist_m: Floats


def armature_of(motion: HandMotion) -> Armature:
    """The skeleton of a motion."""
    frames = bone_frames(motion.xyz_m, handedness=motion.handedness)  # [T, 21, 3, 3]
    frames = Y_UP[:, None] * frames
    bones = Y_UP * (motion.xyz_m - motion.xyz_m[:, np.array(PARENTS)])
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)  # [21]; that of the wrist is unused
    resting = _rest_frames(frames, motion.handedness)
    # How each bone is turned from its rest pose, in the axes of the film.
    turns = frames @ np.swapaxes(resting, -2, -1)
    names, parents, offsets = ["wrist"], [-1], [np.zeros(3)]
    turned = [turns[:, ROOT]]
    for finger, joints in FINGERS.items():
        names += [f"{finger}_base", *(JOINT_NAMES[joint] for joint in joints)]
        parents += [0, *range(len(parents), len(parents) + 4)]
        offsets += [np.zeros(3), *(lengths[joint] * resting[joint, :, 1] for joint in joints)]
        turned += [*(turns[:, joint] for joint in joints), turns[:, joints[-1]]]
    world = np.stack(turned, axis=1)
    local = world.copy()
    local[:, 1:] = np.swapaxes(world[:, np.array(parents[1:])], -2, -1) @ world[:, 1:]
    return Armature(
        names=tuple(f"{motion.name}_{name}" for name in names),
        parents=tuple(parents),
        offsets_m=np.stack(offsets),
        rotations=local,
        wrist_m=motion.wrist_m * Y_UP,
    )


def _rest_frames(frames: Floats, handedness: str) -> Floats:
    """Axes [21, 3, 3] of the bones in the rest pose: a flat hand with the palm of this person.

    Bones of the palm and the metacarpal of the thumb have their mean direction. Fingers are
    straight up, the thumb is straight.
    """
    resting = np.broadcast_to(np.eye(3), (NUM_JOINTS, 3, 3)).copy()
    palm = np.swapaxes(frames[:, ROOT], -2, -1)
    for first, second, *rest in FINGERS.values():
        resting[first], _ = aimed(np.eye(3), (palm @ frames[:, first])[:, :, 1].mean(axis=0))
        if first == THUMB_CMC:
            mean = (palm @ frames[:, second])[:, :, 1].mean(axis=0)
            # The axes of the thumb of a left hand are the mirror image.
            thumb = THUMB_BASE if handedness == "right" else THUMB_BASE.T
            resting[second], _ = aimed(thumb, mean)
        for before, joint in zip((second, *rest), rest, strict=False):
            resting[joint] = resting[before]
    return resting
