"""Whole samples of the two domains: a pure function of (domain, split, seed, index).

Source stands for RHD: the MakeHuman hand in wide poses, turned freely, exact depth. Target stands
for STB: the WebXR hand in gestures towards a camera, photographs behind it, a consumer camera's
depth. Every hand is a right hand; a left one is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kerashand.synthetic import appearance, sensor
from kerashand.synthetic.hand import PoseRange, load_hand, sample_pose, sample_shape, skin
from kerashand.synthetic.render import rasterise, unit, vertex_normals

DOMAINS = ("source", "target")
SPLITS = ("train", "val", "test")
SUPERSAMPLING = 2
GENERATOR_VERSION = 1


@dataclass(frozen=True)
class DomainLook:
    """What sets one domain apart from the other; lengths in mm, angles in degrees."""

    mesh: str
    pose: PoseRange
    turn_deg: tuple[float, float, float] | None
    hand_length_mm: tuple[float, float]
    distance_mm: tuple[float, float]
    off_axis: float
    margin: tuple[float, float]
    lights: tuple[int, int]
    detail: float
    gloss: float
    photographs: float
    camera: float
    measured_depth: bool


LOOKS = {
    "source": DomainLook(
        mesh="makehuman",
        pose=PoseRange(wide=True, noise_deg=8.0),
        turn_deg=None,
        hand_length_mm=(150.0, 210.0),
        distance_mm=(300.0, 900.0),
        off_axis=0.35,
        margin=(1.25, 1.7),
        lights=(1, 2),
        detail=0.4,
        gloss=0.08,
        photographs=0.0,
        camera=0.35,
        measured_depth=False,
    ),
    "target": DomainLook(
        mesh="webxr",
        pose=PoseRange(wide=False, noise_deg=6.0),
        turn_deg=(30.0, 55.0, 25.0),
        hand_length_mm=(155.0, 205.0),
        distance_mm=(350.0, 750.0),
        off_axis=0.25,
        margin=(1.25, 1.6),
        lights=(1, 4),
        detail=0.8,
        gloss=0.12,
        photographs=0.85,
        camera=1.0,
        measured_depth=True,
    ),
}


@dataclass(frozen=True)
class HandSample:
    """One rendered crop with all that is known about it.

    Attributes:
        image: [S, S, 3] uint8 RGB.
        depth_mm: [S, S] uint16, 0 = no measurement; the target's is that of a consumer camera.
        mask: [S, S] uint8, 255 = hand or forearm.
        uv_px: [21, 2] float32 joints in the crop.
        xyz_mm: [21, 3] float32 joints in the camera's frame.
        intrinsics: [3, 3] float32 of the crop.
    """

    image: np.ndarray
    depth_mm: np.ndarray
    mask: np.ndarray
    uv_px: np.ndarray
    xyz_mm: np.ndarray
    intrinsics: np.ndarray


def draw_sample(
    domain: str, split: str, seed: int, index: int, *, size_px: int = 128
) -> HandSample:
    """Draw sample `index` of a split.

    Raises:
        ValueError: for an unknown domain or split.
    """
    if domain not in DOMAINS or split not in SPLITS:
        raise ValueError(
            f"`domain` must be one of {DOMAINS} and `split` one of {SPLITS}. "
            f"Received: domain={domain!r}, split={split!r}"
        )
    look = LOOKS[domain]
    rng = np.random.default_rng([DOMAINS.index(domain), SPLITS.index(split), seed, index])
    mesh = load_hand(look.mesh)
    rest, rest_joints = sample_shape(mesh, rng, length_mm=look.hand_length_mm)
    joints, bones = sample_pose(mesh, rest_joints, look.pose, rng)
    vertices = skin(mesh, rest, rest_joints, joints, bones)
    vertices, joints = _place(vertices, joints, look, rng)
    intrinsics = _crop_intrinsics(joints, look.margin, size_px, rng)

    fine = intrinsics.copy()
    fine[:2] *= SUPERSAMPLING
    fine[:2, 2] += (SUPERSAMPLING - 1) / 2  # pixel centres are at integers
    fragments = rasterise(vertices, mesh.faces, fine, size_px * SUPERSAMPLING)
    colours = _colour(fragments, mesh, vertices, look, fine, rng)
    hand_rgb, alpha, depth = _downsample(fragments, colours, size_px)

    if rng.random() < look.photographs:
        background = appearance.photograph_background(rng, size_px)
    else:
        background = appearance.drawn_background(rng, size_px)
    image = hand_rgb + (1.0 - alpha) * np.clip(background, 0.0, 1.0)
    image = sensor.photograph(image, rng, strength=look.camera)
    mask = alpha[:, :, 0] >= 0.5
    depth = np.where(mask, depth, _background_depth(joints[0, 2], look, size_px, rng))
    if look.measured_depth:
        depth = sensor.measure_depth(depth, rng)
    uv = joints @ intrinsics.T
    return HandSample(
        image=np.clip(np.round(image * 255.0), 0, 255).astype(np.uint8),
        depth_mm=np.round(depth).astype(np.uint16),
        mask=mask.astype(np.uint8) * 255,
        uv_px=(uv[:, :2] / uv[:, 2:]).astype(np.float32),
        xyz_mm=joints.astype(np.float32),
        intrinsics=intrinsics.astype(np.float32),
    )


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


def _turned(angles_rad: np.ndarray) -> np.ndarray:
    """Rotation by pitch (x), yaw (y), roll (z) of a hand held up before the camera."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles_rad), np.sin(angles_rad)
    pitch = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


def _place(vertices, joints, look: DomainLook, rng: np.random.Generator):
    """Turn the hand and put it before the camera, all of it at least 60 mm away."""
    if look.turn_deg is None:
        rotation = _random_rotation(rng)
    else:
        angles = np.clip(rng.normal(size=3), -2.0, 2.0) * np.deg2rad(look.turn_deg)
        angles[1] += np.pi * rng.integers(2)  # palm or back to the camera
        # Hand frame to camera frame: fingers up, back of the hand to the camera.
        rotation = _turned(angles) @ np.diag([1.0, -1.0, -1.0])
    distance = rng.uniform(*look.distance_mm)
    direction = np.array([*rng.uniform(-look.off_axis, look.off_axis, 2), 1.0])
    centre = joints.mean(axis=0)
    vertices = (vertices - centre) @ rotation.T + distance * direction
    joints = (joints - centre) @ rotation.T + distance * direction
    nearest = vertices[:, 2].min()
    if nearest < 60.0:
        shift = direction * (60.0 - nearest)
        vertices, joints = vertices + shift, joints + shift
    return vertices, joints


def _crop_intrinsics(joints, margin, size_px: int, rng: np.random.Generator) -> np.ndarray:
    """Intrinsics of a square crop around the joints with a random margin and shift."""
    plane = joints[:, :2] / joints[:, 2:]
    low, high = plane.min(axis=0), plane.max(axis=0)
    side = (high - low).max() * rng.uniform(*margin)
    centre = (low + high) / 2 + rng.uniform(-0.06, 0.06, 2) * side
    focal = size_px / side
    offset = (size_px - 1) / 2 - focal * centre
    return np.array([[focal, 0.0, offset[0]], [0.0, focal, offset[1]], [0.0, 0.0, 1.0]])


def _colour(fragments, mesh, vertices, look: DomainLook, intrinsics, rng) -> np.ndarray:
    """Display colours [P, 3] of the visible surface."""
    attributes = np.concatenate(
        [
            vertex_normals(vertices, mesh.faces),
            mesh.vertices_mm,
            mesh.rest_normals,
            mesh.nails[:, None],
        ],
        axis=1,
    ).astype(np.float32)
    values = fragments.interpolate(attributes, mesh.faces)
    normals = unit(values[:, :3])
    colours = appearance.albedo(
        values[:, 3:6], values[:, 6:9], values[:, 9], rng, detail=look.detail
    )
    rows, columns = np.divmod(fragments.pixel, fragments.size_px)
    view = -np.stack(
        [
            (columns - intrinsics[0, 2]) / intrinsics[0, 0],
            (rows - intrinsics[1, 2]) / intrinsics[1, 1],
            np.ones(len(rows)),
        ],
        axis=1,
    )
    view = unit(view.astype(np.float32))
    ambient, lights = appearance.sample_lights(rng, int(rng.integers(*look.lights)))
    return appearance.shade(
        colours, normals, view, ambient, lights,
        softness=rng.uniform(0.1, 0.4), gloss=rng.uniform(0.0, look.gloss),
    )  # fmt: skip


def _downsample(fragments, colours: np.ndarray, size_px: int):
    """Premultiplied colour [S, S, 3], coverage [S, S, 1] and the nearest depth [S, S]."""
    rgba = np.concatenate([colours, np.ones((len(colours), 1), np.float32)], axis=1)
    rgba = cv2.resize(fragments.image(rgba), (size_px, size_px), interpolation=cv2.INTER_AREA)
    depth = fragments.image(fragments.depth_mm, background=np.inf)
    depth = np.minimum(depth[0::2], depth[1::2])
    depth = np.minimum(depth[:, 0::2], depth[:, 1::2])
    return rgba[:, :, :3], rgba[:, :, 3:], depth


def _background_depth(root_mm: float, look: DomainLook, size_px: int, rng) -> np.ndarray:
    """A tilted wall behind the hand; before a camera now and then a body close behind it."""
    distance = root_mm + rng.uniform(250.0, 1500.0)
    slope = rng.uniform(-1.0, 1.0, 2)
    axis = np.linspace(-0.5, 0.5, size_px)
    wall = distance + 150.0 * (slope[0] * axis[None, :] + slope[1] * axis[:, None])
    if look.measured_depth and rng.random() < 0.15:
        body = root_mm + rng.uniform(130.0, 250.0)
        x, y, width = rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.6), rng.uniform(0.3, 0.8)
        bump = ((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2) / width**2
        wall = np.where(bump < 1.0, np.minimum(wall, body + 80.0 * bump), wall)
    return wall
