"""What stands around a hand in a simulated recording: a wall, a table, a body, with their depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kerashand.geometry.camera import cam_from_px
from kerashand.synthetic import SCENES
from kerashand.synthetic.backgrounds import photograph_background

TILE_PX, TILE_MM = 512, 900.0
WALL_MM = {"free": (900.0, 1600.0), "wall": (90.0, 160.0)}
"""How far the wall lies behind the farthest place of the hand."""
BODY_MM = (110.0, 170.0)
CLEARANCE_MM = (3.0, 90.0)
"""How far the lowest point of the hand is above the table."""


@dataclass(frozen=True)
class Room:
    """The still part of a scene.

    Attributes:
        image: [H, W, 3] float32 RGB 0..1.
        depth_mm: [H, W] float32.
        table: unit normal [3] towards the hand and offset: points x of the table have
            normal @ x = offset. None without a table.
    """

    image: np.ndarray
    depth_mm: np.ndarray
    table: tuple[np.ndarray, float] | None


def build_room(
    scene: str,
    rng: np.random.Generator,
    intrinsics: np.ndarray,
    *,
    size_px: tuple[int, int],
    farthest_mm: float,
    backgrounds: str | None = None,
) -> Room:
    """A random room.

    Args:
        scene: one of `kerashand.synthetic.SCENES`.
        rng: generator.
        intrinsics: [3, 3] of the camera.
        size_px: width and height of its pictures.
        farthest_mm: farthest place of the hand.
        backgrounds: folder of photographs; None for those in the package.

    Raises:
        ValueError: for an unknown scene.
    """
    if scene not in SCENES:
        raise ValueError(f"`scene` must be one of {SCENES}. Received: scene={scene!r}")
    rays = _rays(intrinsics, size_px)
    far = farthest_mm + rng.uniform(*WALL_MM.get(scene, WALL_MM["free"]))
    tilt = rng.uniform(-0.15, 0.15, 2)
    normal = np.array([tilt[0], tilt[1], -1.0]) / np.linalg.norm([*tilt, 1.0])
    depth, image = _plane(rays, normal, -normal[2] * -far, rng=rng, backgrounds=backgrounds)
    table = None
    if scene in ("table", "object"):
        down = np.deg2rad(rng.uniform(35.0, 65.0))
        normal = np.array([rng.uniform(-0.1, 0.1), -np.cos(down), -np.sin(down)])
        normal /= np.linalg.norm(normal)
        offset = normal[2] * (farthest_mm + 60.0)
        below, texture = _plane(rays, normal, offset, rng=rng, backgrounds=backgrounds)
        near = below < depth
        depth, image = np.where(near, below, depth), np.where(near[..., None], texture, image)
        table = (normal, offset)
    if scene == "body":
        depth, image = _with_body(
            depth, image, rng=rng, distance_mm=farthest_mm + rng.uniform(*BODY_MM)
        )
    return Room(image.astype(np.float32), depth.astype(np.float32), table)


def above_table(
    joints_mm: np.ndarray, vertices_mm: np.ndarray, room: Room, *, clearance_mm: float
) -> np.ndarray:
    """By how much [3] a hand is moved so that its lowest point is `clearance_mm` above the table.

    Args:
        joints_mm: [21, 3] of the hand, whose forearm may reach into the table.
        vertices_mm: [V, 3].
        room: with a table.
        clearance_mm: least distance.
    """
    assert room.table is not None
    normal, offset = room.table
    near = np.linalg.norm(vertices_mm - joints_mm.mean(axis=0), axis=1) < 140.0
    lowest = (vertices_mm[near] @ normal).min() - offset
    return (clearance_mm - lowest) * normal


def _rays(intrinsics: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Directions [H, W, 3] of the pixels, with z = 1."""
    width, height = size_px
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    return cam_from_px(pixels, np.ones((height, width)), intrinsics)


def plane_depth(rays: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """Depth [...] of a plane, infinite where it is not seen.

    Args:
        rays: [..., 3] with z = 1.
        normal: [3].
        offset: points x of the plane have normal @ x = offset.
    """
    slope = rays @ normal
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(slope * offset > 0, offset / slope, np.inf)


def _plane(rays, normal, offset: float, *, rng: np.random.Generator, backgrounds: str | None):
    """Depth [H, W] and picture [H, W, 3] of a plane; infinite where it is not seen."""
    depth = plane_depth(rays, normal, offset)
    tile = _tile(rng, backgrounds)
    points = rays * np.minimum(depth, 1e4)[..., None]
    first = np.cross(normal, [0.0, 1.0, 0.1])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    places = [(points @ axis * (TILE_PX / TILE_MM)).astype(np.float32) for axis in (first, second)]
    image = cv2.remap(tile, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = 1.0 + 0.15 * np.tanh((points @ second)[..., None] / 500.0)
    return depth, image * light


def _tile(rng: np.random.Generator, backgrounds: str | None) -> np.ndarray:
    """What a surface looks like: wood, cloth, a poster, or one colour with grain."""
    if rng.random() < 0.6:
        tile = photograph_background(rng, TILE_PX, folder=backgrounds, tint=0.1)
    else:
        grain = rng.normal(0.0, 0.04, (TILE_PX, TILE_PX, 1)).astype(np.float32)
        tile = (
            np.float32(rng.uniform(0.15, 0.9, 3)) + cv2.GaussianBlur(grain, (0, 0), 1.2)[..., None]
        )
    return np.clip(tile, 0.0, 1.0).astype(np.float32)


def _with_body(depth, image, *, rng: np.random.Generator, distance_mm: float):
    """A trunk in cloth of one colour."""
    height, width = depth.shape
    columns, rows = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    centre, half = rng.uniform(-0.3, 0.3), rng.uniform(0.5, 0.8)
    across = (columns - centre) / half
    inside = (across**2 < 1.0) & (rows > rng.uniform(-0.9, -0.4))
    bulge = distance_mm + 120.0 * (1.0 - np.sqrt(np.clip(1.0 - across**2, 0.0, 1.0)))
    folds = cv2.GaussianBlur(rng.normal(size=depth.shape).astype(np.float32), (0, 0), 14.0)
    bulge = bulge + 250.0 * folds
    cloth = np.float32(rng.uniform(0.05, 0.9, 3)) * (1.0 - 0.5 * across**2 + 8.0 * folds)[..., None]
    near = inside & (bulge < depth)
    return np.where(near, bulge, depth), np.where(near[..., None], np.clip(cloth, 0, 1), image)
