"""Random hands: shaped, posed, put before the camera, and a square of the picture around each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerashand.skeleton import MIDDLE_MCP, ROOT, THUMB_CMC
from kerashand.synthetic import appearance
from kerashand.synthetic.hand import (
    HandMesh,
    load_hand,
    load_hand_with_anatomical_tips,
    sample_shape,
    skin,
    turned,
    vary_fingers,
)
from kerashand.synthetic.poses import sample_pose
from kerashand.synthetic.styles import STYLES, Style

ARM_END_MM = 14.0
"""Thickness of the slice of both meshes that holds the end of the forearm and nothing else."""
CLOTH_MM = (1.0, 9.0)
"""Thickness of a sleeve."""


@dataclass(frozen=True)
class PlacedHand:
    """A skinned hand before a camera.

    Attributes:
        mesh: in its rest pose.
        vertices_mm: [V, 3] in the camera's frame.
        joints_mm: [21, 3] likewise.
        intrinsics: [3, 3] of the square picture.
        cuff_mm: where a sleeve ends, see `appearance.sample_cuff`; None draws it.
    """

    mesh: HandMesh
    vertices_mm: np.ndarray
    joints_mm: np.ndarray
    intrinsics: np.ndarray
    cuff_mm: float | None


def place_hand(
    style: Style,
    rng: np.random.Generator,
    size_px: int,
    *,
    aim: Callable[[np.ndarray], np.ndarray] | None = None,
    arm_mm: float = 0.0,
) -> PlacedHand:
    """A random hand before a camera, not drawn yet.

    Args:
        style: of its domain.
        rng: generator.
        size_px: side S of the picture.
        aim: joints [21, 3] in the camera's frame to intrinsics [3, 3]; None crops the hand.
        arm_mm: by how much the forearm is longer than the mesh's.
    """
    mesh = _choose_mesh(style, rng)
    rest, rest_joints = sample_shape(mesh, rng, length_mm=style.hand_length_mm)
    cuff_mm = None
    if style.clutter:
        rest, rest_joints = vary_fingers(
            mesh, rest, rest_joints, rng=rng, deviation=style.clutter.finger_length
        )
        cuff_mm = appearance.sample_cuff(rng)
        rest = appearance.thicken_sleeve(
            rest,
            mesh.vertices_mm[:, 1],
            mesh.rest_normals,
            cuff_mm=cuff_mm,
            by_mm=rng.uniform(*CLOTH_MM),
        )
    if arm_mm:
        end = mesh.vertices_mm[:, 1].min() + ARM_END_MM
        rest = rest - arm_mm * np.outer(mesh.vertices_mm[:, 1] < end, [0.0, 1.0, 0.0])
    joints, bones = sample_pose(mesh, rest_joints, _one_of(style.poses, rng), rng=rng)
    vertices = skin(mesh, rest, rest_joints, posed_joints_mm=joints, rotations=bones)
    vertices, joints = place(vertices, joints, style, rng=rng)
    intrinsics = (
        aim(joints) if aim else crop_intrinsics(joints, style.margin, size_px=size_px, rng=rng)
    )
    return PlacedHand(mesh, vertices, joints, intrinsics, cuff_mm)


def _one_of(choices: tuple, rng: np.random.Generator):
    return choices[0] if len(choices) == 1 else choices[rng.integers(len(choices))]


def _choose_mesh(style: Style, rng: np.random.Generator) -> HandMesh:
    name = _one_of(style.meshes, rng)
    return load_hand_with_anatomical_tips(name) if style.clutter else load_hand(name)


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Uniform over all rotations (Shoemake's quaternion)."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def place(
    vertices: np.ndarray, joints: np.ndarray, style: Style, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the hand and put it before the camera, all of it at least 60 mm away."""
    if style.free_turns == 1.0 or (style.free_turns and rng.random() < style.free_turns):
        rotation = _random_rotation(rng)
        # The forearm is -y: seen along it, it hides the hand, and no crop would be of that hand.
        while rotation[2, 1] > style.arm_to_camera:
            rotation = _random_rotation(rng)
    else:
        angles = np.clip(rng.normal(size=3), -2.0, 2.0) * np.deg2rad(style.turn_deg)
        angles[1] += np.pi * rng.integers(2)  # palm or back to the camera
        # Hand frame to camera frame: fingers up, back of the hand to the camera.
        rotation = turned(angles) @ np.diag([1.0, -1.0, -1.0])
    distance = rng.uniform(*style.distance_mm)
    direction = np.array([*rng.uniform(-style.off_axis, style.off_axis, 2), 1.0])
    centre = joints.mean(axis=0)
    vertices = (vertices - centre) @ rotation.T + distance * direction
    joints = (joints - centre) @ rotation.T + distance * direction
    nearest = vertices[:, 2].min()
    if nearest < 60.0:
        shift = direction * (60.0 - nearest)
        vertices, joints = vertices + shift, joints + shift
    return vertices, joints


def crop_intrinsics(
    joints: np.ndarray, margin: tuple[float, float], *, size_px: int, rng: np.random.Generator
) -> np.ndarray:
    """Intrinsics of a square crop around the joints with a random margin and shift."""
    plane = joints[:, :2] / joints[:, 2:]
    low, high = plane.min(axis=0), plane.max(axis=0)
    side = (high - low).max() * rng.uniform(*margin)
    centre = (low + high) / 2 + rng.uniform(-0.06, 0.06, 2) * side
    focal = size_px / side
    offset = (size_px - 1) / 2 - focal * centre
    return np.array([[focal, 0.0, offset[0]], [0.0, focal, offset[1]], [0.0, 0.0, 1.0]])


def labelled_joints(joints_mm: np.ndarray, style: Style = STYLES["varied"]) -> np.ndarray:
    """Joints [21, 3] where labels have them; by default those of photographs.

    See `Style.thumb_base`.
    """
    joints = joints_mm.copy()
    joints[THUMB_CMC] += style.thumb_base * (joints[ROOT] - joints[MIDDLE_MCP])
    return joints
