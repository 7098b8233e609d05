"""A person's hand that moves before a camera: one shape, smooth poses, turns and places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerashand.synthetic import appearance
from kerashand.synthetic.hand import (
    HandMesh,
    bone_rotations,
    load_hand_with_anatomical_tips,
    pose_joints,
    sample_shape,
    skin,
    turned,
    vary_fingers,
)
from kerashand.synthetic.poses import PoseRange, collides, sample_angles

KEY_FRAMES = 18
"""Frames from one pose to the next."""
TRIES = 12
MESHES = ("makehuman", "webxr")
FINGER_LENGTH = 0.06
"""Deviation of the fingers' common factor: a person's hand need not look like those in training."""
ARM_MM, ARM_END_MM = 250.0, 14.0
"""By how much the forearm is longer than the mesh's, and the slice of it that is moved."""
TURN_DEG = (30.0, 45.0, 40.0)
"""Deviation of pitch, yaw and roll."""


@dataclass(frozen=True)
class Person:
    """One hand: its shape and its looks.

    Attributes:
        mesh: that was shaped.
        vertices_mm, joints_mm: [V, 3] and [21, 3] in rest pose.
        cuff_mm: where the sleeve ends.
        looks: seed of skin, light and what is in the hand.
    """

    mesh: HandMesh
    vertices_mm: np.ndarray
    joints_mm: np.ndarray
    cuff_mm: float
    looks: int


@dataclass(frozen=True)
class MovingHand:
    """A hand in one frame, about its middle: x right, y down, z away from the camera.

    Attributes:
        vertices_mm: [V, 3].
        joints_mm: [21, 3].
    """

    vertices_mm: np.ndarray
    joints_mm: np.ndarray


def sample_person(rng: np.random.Generator, meshes: tuple[str, ...] = MESHES) -> Person:
    """A random right hand with a long forearm, of one of the meshes."""
    mesh = load_hand_with_anatomical_tips(meshes[rng.integers(len(meshes))])
    vertices, joints = sample_shape(mesh, rng, length_mm=(155.0, 205.0))
    vertices, joints = vary_fingers(mesh, vertices, joints, rng=rng, deviation=FINGER_LENGTH)
    cuff_mm = appearance.sample_cuff(rng)
    vertices = appearance.thicken_sleeve(
        vertices, mesh.vertices_mm[:, 1], mesh.rest_normals, cuff_mm=cuff_mm, by_mm=4.0
    )
    end = mesh.vertices_mm[:, 1].min() + ARM_END_MM
    vertices = vertices - ARM_MM * np.outer(mesh.vertices_mm[:, 1] < end, [0.0, 1.0, 0.0])
    return Person(mesh, vertices, joints, cuff_mm, int(rng.integers(2**31)))


class Motion:
    """Poses and turns of a person's hand, a function of the frame."""

    def __init__(self, person: Person, rng: np.random.Generator, frames: int):
        """Draw the poses between which the hand moves.

        Args:
            person: whose hand it is.
            rng: generator.
            frames: how many there are.
        """
        self.person = person
        keys = frames // KEY_FRAMES + 2
        ranges = (PoseRange(True, 8.0, apart=True), PoseRange(False, 7.0, apart=True))
        poses = [self._free_pose(ranges[int(rng.integers(2))], rng) for _ in range(keys)]
        self.fingers = np.array([fingers for fingers, _ in poses])
        self.wrists = np.array([wrist for _, wrist in poses])
        self.turns = np.clip(rng.normal(size=(keys, 3)), -1.8, 1.8) * np.deg2rad(TURN_DEG)
        # A palm that faces the camera does so for a while.
        sides = np.repeat(rng.integers(2, size=keys // 3 + 1), 3)[:keys]
        self.turns[:, 1] += np.pi * sides

    def _free_pose(self, pose_range: PoseRange, rng: np.random.Generator):
        """Finger angles [5, 4] and wrist angles [2] of a pose that passes through nothing."""
        for _ in range(TRIES):
            fingers, wrist = sample_angles(pose_range, rng, 8)
            rotations = bone_rotations(self.person.mesh, fingers, wrist)
            free = np.flatnonzero(~collides(pose_joints(self.person.joints_mm, rotations)))
            if len(free):
                return fingers[free[0]], wrist[free[0]]
        return np.deg2rad(np.full((5, 4), 5.0)), np.zeros(2)

    def hand(self, frame: int) -> MovingHand:
        """The hand in a frame."""
        key, part = divmod(frame / KEY_FRAMES, 1.0)
        part = part * part * (3.0 - 2.0 * part)
        key = int(key)

        def between(values: np.ndarray) -> np.ndarray:
            return values[key] + part * (values[key + 1] - values[key])

        person = self.person
        rotations = bone_rotations(
            person.mesh, between(self.fingers)[None], between(self.wrists)[None]
        )
        joints = pose_joints(person.joints_mm, rotations)[0]
        vertices = skin(
            person.mesh,
            person.vertices_mm,
            person.joints_mm,
            posed_joints_mm=joints,
            rotations=rotations[0],
        )
        turn = turned(between(self.turns)) @ np.diag([1.0, -1.0, -1.0])
        centre = joints.mean(axis=0)
        return MovingHand((vertices - centre) @ turn.T, (joints - centre) @ turn.T)


def smooth_path(rng: np.random.Generator, frames: int, *, low: np.ndarray, high: np.ndarray):
    """Points [frames, C] that move smoothly between `low` [C] and `high` [C]."""
    waves = np.zeros((frames, len(low)))
    time = np.arange(frames)[:, None]
    for period in (47.0, 110.0, 290.0):
        waves += np.sin(2 * np.pi * (time / period + rng.random(len(low))))
    return low + (0.5 + waves / 6.0) * (high - low)
