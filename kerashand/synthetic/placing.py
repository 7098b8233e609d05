"""Where a hand stands before the camera, and which square of the picture is cut around it."""

from __future__ import annotations

import numpy as np

from kerashand.synthetic.hand import turned
from kerashand.synthetic.styles import Style


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
