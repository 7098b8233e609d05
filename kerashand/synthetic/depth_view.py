"""What a depth camera measures of a hand, and how that is shown to the pose model by depth.

A hand with its forearm, now and then with something in it, stands over a table, before a wall, a
body or nothing. The sensor is one of two kinds, of any noise, and has more or fewer pixels than the
picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.depth_picture import depth_picture
from kerashand.skeleton import MIDDLE_MCP, ROOT
from kerashand.synthetic import sensor
from kerashand.synthetic.held_object import render_held_object
from kerashand.synthetic.placing import PlacedHand
from kerashand.synthetic.render import rasterise
from kerashand.synthetic.rooms import plane_depth

SURROUNDINGS = {"free": 0.25, "table": 0.45, "wall": 0.15, "body": 0.15}
"""What is behind a hand, and how often."""
CLEARANCE_MM = {"table": (0.0, 90.0), "wall": (20.0, 300.0), "body": (60.0, 250.0)}
"""How far it lies behind the nearest part of the hand, along its normal."""
TILT_DEG = {"table": (0.0, 75.0), "wall": (0.0, 30.0), "body": (0.0, 10.0)}
HELD = 0.25
"""Share of hands with something in them."""
SENSOR_PX = (0.35, 1.6)
"""Pixels of the sensor along a side, in pixels of the picture."""
STRUCTURED = 0.4
"""Share of sensors that throw a pattern; the others are stereo cameras."""
SMOOTHED = 0.25
"""Share of sensors whose driver smooths the depth."""
POINTS_OFF = 0.06
"""Deviation of the points from which the palm's depth is taken, in sides of the hand's box."""
PALM_OFF = 0.05
"""Deviation of the logarithm of the palm's length."""
NEAR_MM = 140.0
"""Parts of the hand about its middle that must not reach into what is behind it."""
UNSEEN_MM = 4000.0
"""From here on a sensor measures nothing."""


def measure(
    placed: PlacedHand, rng: np.random.Generator, size_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a random depth camera measures of a hand in random surroundings.

    Args:
        placed: the hand.
        rng: generator.
        size_px: side S of the picture.

    Returns:
        [S, S] uint16 mm, 0 = no measurement; and [S, S] bool, where it is the hand.
    """
    vertices, joints = placed.vertices_mm, placed.joints_mm
    own_px = int(np.clip(round(size_px * rng.uniform(*SENSOR_PX)), 40, 2 * size_px))
    camera = placed.intrinsics.copy()
    camera[:2] *= own_px / size_px
    camera[:2, 2] += 0.5 * (own_px / size_px - 1.0)  # pixel centres are at integers
    fragments = rasterise(vertices, placed.mesh.faces, camera, size_px=own_px)
    depth = fragments.image(fragments.depth_mm, background=np.inf)
    is_hand = np.isfinite(depth)
    if rng.random() < HELD:
        thing = render_held_object(joints, camera, own_px, ambient=np.ones(3), lights=[], rng=rng)
        if thing is not None:
            is_hand &= depth <= thing.depth_mm
            depth = np.minimum(depth, thing.depth_mm)
    near = np.linalg.norm(vertices - joints.mean(axis=0), axis=1) < NEAR_MM
    behind = _surroundings(vertices[near], camera, rng=rng, size_px=own_px)
    is_hand &= depth <= behind
    depth = np.minimum(depth, behind)
    depth = np.where(depth < UNSEEN_MM, depth, 0.0)
    measured = _measured(depth, rng, focal_px=camera[0, 0])
    return _resized(measured, size_px), _resized(is_hand.astype(np.uint8), size_px) > 0


def _resized(picture: np.ndarray, size_px: int) -> np.ndarray:
    return cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_NEAREST_EXACT)


def _surroundings(near_mm, camera, *, rng: np.random.Generator, size_px: int) -> np.ndarray:
    """Depth [S, S] of what is behind a hand, infinite where nothing is."""
    names, shares = list(SURROUNDINGS), list(SURROUNDINGS.values())
    scene = names[rng.choice(len(names), p=shares)]
    if scene == "free":
        return np.full((size_px, size_px), near_mm[:, 2].max() + rng.uniform(300.0, 4000.0))
    tilt, around = np.deg2rad(rng.uniform(*TILT_DEG[scene])), rng.uniform(0.0, 2.0 * np.pi)
    normal = np.array([np.sin(tilt) * np.cos(around), np.sin(tilt) * np.sin(around), -np.cos(tilt)])
    offset = (near_mm @ normal).min() - rng.uniform(*CLEARANCE_MM[scene])
    pixels = np.stack(np.meshgrid(np.arange(size_px), np.arange(size_px)), -1).astype(np.float64)
    depth = plane_depth(
        cam_from_px(pixels, np.ones((size_px, size_px)), camera), normal, float(offset)
    )
    if scene == "body":
        folds = cv2.resize(rng.normal(0.0, 25.0, (5, 5)), (size_px, size_px), None, 0, 0, 2)
        depth = depth + np.abs(folds)
        edge = rng.uniform(0.2, 1.4) * size_px
        depth[:, np.abs(np.arange(size_px) - rng.uniform(0, size_px)) > edge] = np.inf
    return depth


def _measured(depth_mm, rng: np.random.Generator, *, focal_px: float) -> np.ndarray:
    """[S, S] uint16 of one of the sensors."""
    kind = sensor.structured_light if rng.random() < STRUCTURED else sensor.stereo
    measured = kind(depth_mm, rng, focal_px=focal_px)
    if rng.random() < SMOOTHED:
        measured = cv2.medianBlur(measured, int(rng.choice([3, 5])))
    return measured


def shown(
    depth_mm: np.ndarray, joints_mm: np.ndarray, uv_px: np.ndarray, *, intrinsics: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """The depth picture [S, S, 3], with points as a program finds them and a palm as measured.

    Args:
        depth_mm: [S, S].
        joints_mm: [21, 3] in the camera's frame.
        uv_px: [21, 2] where they are seen.
        intrinsics: [3, 3].
        rng: generator.
    """
    off_px = POINTS_OFF * rng.uniform() * float(np.ptp(uv_px, axis=0).max())
    palm_mm = float(np.linalg.norm(joints_mm[MIDDLE_MCP] - joints_mm[ROOT]))
    picture = depth_picture(
        depth_mm,
        uv_px + rng.normal(0.0, off_px, uv_px.shape),
        intrinsics=intrinsics,
        palm_mm=palm_mm * float(np.exp(rng.normal(0.0, PALM_OFF))),
    )
    return np.zeros((*depth_mm.shape, 3), np.uint8) if picture is None else picture
