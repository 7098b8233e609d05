"""Simulated recordings: one person's hand that moves in a room before a depth camera.

For trials of what needs a recording, with the true joints known. Rooms, persons and motions are a
pure function of the seed. Every hand is a right hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kerashand.geometry.camera import px_from_cam
from kerashand.synthetic import sensor
from kerashand.synthetic.motion import Motion, Person, sample_person, smooth_path
from kerashand.synthetic.placing import PlacedHand, labelled_joints
from kerashand.synthetic.render import rasterise
from kerashand.synthetic.rooms import (
    CLEARANCE_MM,
    Room,
    above_table,
    build_room,
)
from kerashand.synthetic.scene import draw_hand
from kerashand.synthetic.styles import STYLES, Style

SIZE_PX, FOCAL_PX = (640, 480), (560.0, 640.0)
NEAREST_MM, FARTHEST_MM = 380.0, 620.0
OFF_AXIS = 0.22
BORDER_PX = 6
HAND_FROM_Y_MM = -12.0
"""Where the hand begins, along the arm in the mesh's rest pose; the wrist is at 0."""
BLUR = 0.6
"""Strength of the camera's blur and noise, see `sensor.photograph`."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        depth_mm: [H, W] uint16 as a depth camera measures it, 0 = no measurement.
        hand: [H, W] bool, the bare hand without the forearm and without what covers it.
        arm: [H, W] bool, the forearm.
        xyz_mm: [21, 3] true joints in the camera's frame.
        uv_px: [21, 2].
    """

    image: np.ndarray
    depth_mm: np.ndarray
    hand: np.ndarray
    arm: np.ndarray
    xyz_mm: np.ndarray
    uv_px: np.ndarray


class SimulatedRecording:
    """A person, a room, a camera and a motion.

    Attributes:
        intrinsics: [3, 3] of the camera that sees colour and depth.
        palm_mm: length of wrist - middle MCP.
    """

    def __init__(
        self, scene: str, seed: int, frames: int, *, every: int = 1, backgrounds: str | None = None
    ):
        """Draw who and what is recorded.

        Args:
            scene: one of `kerashand.synthetic.SCENES`.
            seed: of person, room, camera and motion.
            frames: how many there are.
            every: the hand moves through so many frames from one of them to the next.
            backgrounds: folder of photographs; None for those in the package.

        Raises:
            ValueError: for an unknown scene.
        """
        rng = np.random.default_rng([20261130, seed])
        self.scene, self.seed, self.frames, self.every = scene, seed, frames, every
        moments = frames * every
        focal = rng.uniform(*FOCAL_PX)
        centre = (np.array(SIZE_PX) - 1) / 2 + rng.normal(0.0, 4.0, 2)
        self.intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
        self.person: Person = sample_person(rng)
        self.motion = Motion(self.person, rng, moments)
        low = np.array([-OFF_AXIS, -OFF_AXIS * 0.6, NEAREST_MM])
        high = np.array([OFF_AXIS, OFF_AXIS * 0.6, FARTHEST_MM])
        self.places = smooth_path(rng, moments, low=low, high=high)
        lowest, highest = np.array(CLEARANCE_MM)[:, None]
        self.clearances = smooth_path(rng, moments, low=lowest, high=highest)[:, 0]
        self.room: Room = build_room(
            scene,
            rng,
            self.intrinsics,
            size_px=SIZE_PX,
            farthest_mm=FARTHEST_MM,
            backgrounds=backgrounds,
        )
        joints = self.person.joints_mm
        self.palm_mm = float(np.linalg.norm(joints[9] - joints[0]))
        self.style: Style = _style(scene)

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(number) for number in range(self.frames))

    def frame(self, number: int) -> Frame:
        """Draw one frame."""
        moment = number * self.every
        rng = np.random.default_rng([20261130, self.seed, moment])
        moving = self.motion.hand(moment)
        *aside, distance = self.places[moment]
        place = distance * np.array([*aside, 1.0])
        vertices, joints = moving.vertices_mm + place, moving.joints_mm + place
        if self.room.table is not None:
            shift = above_table(joints, vertices, self.room, clearance_mm=self.clearances[moment])
            vertices, joints = vertices + shift, joints + shift
        vertices[:, 2] = np.maximum(vertices[:, 2], 60.0)  # an elbow beside the camera
        origin, side = self._square(joints)
        crop = self.intrinsics.copy()
        crop[:2, 2] -= origin
        placed = PlacedHand(self.person.mesh, vertices, joints, crop, self.person.cuff_mm)
        drawn = draw_hand(
            placed, self.style, np.random.default_rng(self.person.looks), size_px=side
        )
        image, depth = self.room.image.copy(), self.room.depth_mm.copy()
        inner, outer = _overlap(origin, side, SIZE_PX)
        rgb, cover = drawn.rgb[inner], drawn.cover[inner]
        image[outer] = rgb + (1.0 - cover) * image[outer]
        bare = cover[..., 0] - drawn.object_cover[inner] >= 0.5
        of_hand = np.zeros(depth.shape, bool)
        of_hand[outer] = bare
        is_arm = np.zeros(depth.shape, bool)
        is_arm[outer] = bare & (self._along_arm(vertices, crop, side) < HAND_FROM_Y_MM)[inner]
        depth[outer] = np.where(bare, drawn.depth_mm[inner], depth[outer])
        depth[outer] = np.where(
            drawn.object_cover[inner] >= 0.5, drawn.object_depth_mm[inner], depth[outer]
        )
        image = sensor.photograph(np.maximum(image, 0.0), rng, strength=BLUR)
        depth = np.where(np.isfinite(depth), depth, 0.0)
        joints = labelled_joints(joints)
        return Frame(
            image=np.clip(np.round(image * 255.0), 0, 255).astype(np.uint8),
            depth_mm=sensor.structured_light(depth, rng, focal_px=self.intrinsics[0, 0]),
            hand=of_hand & ~is_arm,
            arm=is_arm,
            xyz_mm=joints,
            uv_px=px_from_cam(joints, self.intrinsics),
        )

    def _square(self, joints: np.ndarray) -> tuple[np.ndarray, int]:
        """Corner [2] and side of a square of whole pixels around the hand and some of its arm."""
        uv = px_from_cam(joints, self.intrinsics)
        low, high = uv.min(axis=0), uv.max(axis=0)
        arm_px = 1.6 * self.palm_mm * self.intrinsics[0, 0] / joints[:, 2].mean()
        side = int(np.ceil((high - low).max() + 2 * (BORDER_PX + arm_px)))
        side += side % 2
        return np.floor((low + high) / 2 - side / 2), side

    def _along_arm(self, vertices: np.ndarray, crop: np.ndarray, side: int) -> np.ndarray:
        """Where the visible surface lies along the arm of the rest pose [S, S]; 0 elsewhere."""
        mesh = self.person.mesh
        fragments = rasterise(vertices, mesh.faces, crop, size_px=side)
        along = fragments.interpolate(mesh.vertices_mm[:, 1:2], mesh.faces)[:, 0]
        return fragments.image(along)


def _style(scene: str) -> Style:
    """The style `varied` before a good camera, with or without things in the hand."""
    style = STYLES["varied"]
    assert style.clutter is not None
    held = 1.0 if scene == "object" else 0.0
    return replace(style, clutter=replace(style.clutter, held_object=held))


def _overlap(origin: np.ndarray, side: int, size_px: tuple[int, int]):
    """What a square has in common with the picture: slices of the square, and of the picture."""
    left, top = origin.astype(int)
    columns = slice(max(left, 0), min(left + side, size_px[0]))
    rows = slice(max(top, 0), min(top + side, size_px[1]))
    inner = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    return inner, (rows, columns)
