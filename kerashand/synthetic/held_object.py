"""Things in a hand: a bar, a can, a box or a ball that fits between fingers and palm."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kerashand.skeleton import BONES, PALM
from kerashand.synthetic import backgrounds, light
from kerashand.synthetic.hand import hand_length
from kerashand.synthetic.render import perpendicular, rasterise, unit

FLESH = 0.05
"""What lies about a bone, as a share of the hand's length from wrist to middle tip."""
THICKNESS_MM = (4.0, 45.0)
HALF_LENGTH_MM = (15.0, 120.0)
NEAREST_MM = 60.0
"""From the camera."""
TIPS = (4, 8, 12, 16, 20)
TRIES = 4
TEXTURE_PX = 32


@dataclass(frozen=True)
class Thing:
    """What is held, as the camera sees it.

    Attributes:
        rgba: [S, S, 4] float32, display colours and coverage.
        depth_mm: [S, S], infinite where there is nothing.
    """

    rgba: np.ndarray
    depth_mm: np.ndarray


def render_held_object(
    joints_mm: np.ndarray,
    intrinsics: np.ndarray,
    size_px: int,
    *,
    ambient: np.ndarray,
    lights: list[light.Light],
    rng: np.random.Generator,
) -> Thing | None:
    """A random thing in a hand, or None where nothing fits in.

    Args:
        joints_mm: [21, 3] in the camera's frame.
        intrinsics: [3, 3].
        size_px: side S of the picture.
        ambient: colour [3] of `light.sample_lights`.
        lights: far lights.
        rng: generator.
    """
    place = fit(joints_mm, rng)
    if place is None:
        return None
    centre, axis, radius, half_length = place
    vertices, normals, texture_uv, faces = solid(radius, half_length, rng)
    across = -perpendicular(axis)
    frame = np.stack([across, np.cross(axis, across), axis])  # rows; right-handed
    vertices, normals = vertices @ frame + centre, normals @ frame
    if vertices[:, 2].min() < NEAREST_MM:
        return None
    fragments = rasterise(vertices, faces, intrinsics, size_px=size_px)
    attributes = np.concatenate([normals, texture_uv], axis=1).astype(np.float32)
    values = fragments.interpolate(attributes, faces)
    colours = light.shade(
        _albedo(values[:, 3:], rng),
        unit(values[:, :3]),
        unit(fragments.towards_camera(intrinsics).astype(np.float32)),
        ambient=ambient,
        lights=lights,
        softness=rng.uniform(0.0, 0.3),
        gloss=rng.uniform(0.0, 0.6),
    )
    rgba = np.concatenate([colours, np.ones((len(colours), 1))], axis=1).astype(np.float32)
    return Thing(fragments.image(rgba), fragments.image(fragments.depth_mm, background=np.inf))


def fit(
    joints_mm: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float, float] | None:
    """Where a round bar goes through the grip without passing through flesh.

    Returns:
        Its centre [3], axis [3] unit, radius and half its length; None where nothing fits in.
    """
    flesh = FLESH * hand_length(joints_mm)
    part = np.linspace(0.0, 1.0, 5)[:, None, None]
    first, second = joints_mm[[bone[0] for bone in BONES]], joints_mm[[bone[1] for bone in BONES]]
    bones = (first + part * (second - first)).reshape(-1, 3)
    knuckles = joints_mm[17] - joints_mm[5]
    palm_normal = np.cross(joints_mm[9] - joints_mm[0], knuckles)  # out of a right hand's palm
    palm_normal /= np.linalg.norm(palm_normal)
    for _ in range(TRIES):
        tips = joints_mm[rng.choice(TIPS, rng.integers(1, 4), replace=False)].mean(axis=0)
        palm = joints_mm[list(PALM)].mean(axis=0) + rng.uniform(10.0, 35.0) * palm_normal
        share = rng.uniform(0.1, 0.9)
        centre = share * palm + (1.0 - share) * tips
        axis = knuckles / np.linalg.norm(knuckles) + rng.normal(0.0, 0.4, 3)
        if rng.random() < 0.4:
            axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        half_length = rng.uniform(*HALF_LENGTH_MM)
        along = (bones - centre) @ axis
        beyond = np.maximum(np.abs(along) - half_length, 0.0)
        aside = np.linalg.norm(bones - centre - along[:, None] * axis, axis=1)
        room = np.hypot(beyond, aside).min() - flesh
        most = rng.uniform(*THICKNESS_MM)
        if room >= THICKNESS_MM[0]:
            return centre, axis, min(room, most), half_length
    return None


def solid(
    radius_mm: float, half_length_mm: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A bar, box or ellipsoid along z: vertices [V, 3], normals, texture [V, 2] 0..1, faces."""
    kind = rng.random()
    if kind < 0.25:  # an ellipsoid
        turn = np.linspace(0.02, np.pi - 0.02, 11)
        profile = [(np.sin(a), -np.cos(a), np.sin(a) / radius_mm, -np.cos(a) / half_length_mm)
                   for a in turn]  # fmt: skip
        sides = 20
    else:  # side walls between two lids
        taper = rng.uniform(0.7, 1.0)
        profile = [(0.01, -1, 0, -1), (taper, -1, 0, -1), (taper, -1, 1, 0), (1, 1, 1, 0),
                   (1, 1, 0, 1), (0.01, 1, 0, 1)]  # fmt: skip
        sides = 20 if kind < 0.65 else 4
    flat = rng.uniform(0.3, 1.0) if sides == 4 else 1.0  # a book rather than a brick
    width = radius_mm * (1.0 if sides > 4 else 2**0.5)
    vertices: list[tuple[float, float, float]] = []
    normals, texture, faces = [], [], []
    rings = len(profile)
    for k in range(sides):
        # Each side has its own corners, so that edges of a box are sharp.
        ends = 2 * np.pi * (np.array([k, k + 1]) - 0.5) / sides
        outwards = ends if sides > 4 else np.full(2, ends.mean())
        start = len(vertices)
        for angle, out, u in zip(ends, outwards, (k / sides, (k + 1) / sides), strict=True):
            for ring, (r, z, normal_r, normal_z) in enumerate(profile):
                vertices.append((np.cos(angle) * r * width, np.sin(angle) * r * width * flat,
                                 z * half_length_mm))  # fmt: skip
                normals.append((np.cos(out) * normal_r, np.sin(out) * normal_r, normal_z))
                texture.append((u, ring / (rings - 1)))
        for ring in range(rings - 1):
            a, b = start + ring, start + rings + ring
            faces += [(a, b, b + 1), (a, b + 1, a + 1)]
    return np.array(vertices), unit(np.array(normals)), np.array(texture), np.array(faces)


def _albedo(texture_uv: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear colours [P, 3]: plain, or printed."""
    if rng.random() < 0.5:
        return np.broadcast_to(rng.uniform(0.0, 0.9, 3) ** 2, (len(texture_uv), 3)).astype(
            np.float32
        )
    texture = np.clip(backgrounds.procedural_background(rng, TEXTURE_PX), 0.0, 1.0) ** 2
    texture = cv2.resize(texture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    column, row = np.clip(texture_uv * (len(texture) - 1), 0, len(texture) - 1).astype(int).T
    return np.clip(texture[row, column], 0.0, 0.9).astype(np.float32)
