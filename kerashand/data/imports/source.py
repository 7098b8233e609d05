"""What a format of files gives: cameras, and pictures of colour and depth with their times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand.data.imports.lens import Lens
from kerashand.errors import UserError
from kerashand.geometry.camera import pinhole_matrix
from kerashand.picture_files import PictureError

METRES_UNIT_MM = 0.1
"""The unit of depth pictures made from metres; 16 bits of it reach 6.5 m."""
NEARLY_ALL = 0.95
"""Of the pixels of a depth picture that hold depth."""
LARGEST = np.iinfo(np.uint16).max


@dataclasses.dataclass(frozen=True)
class Transform:
    """X_target = rotation X_source + translation_mm, with [3, 3] and [3]."""

    rotation: NDArray[np.float64]
    translation_mm: NDArray[np.float64]

    @classmethod
    def still(cls) -> Transform:
        """The one that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    def after(self, first: Transform) -> Transform:
        """`first`, and then this one."""
        moved = self.rotation @ first.translation_mm + self.translation_mm
        return Transform(self.rotation @ first.rotation, moved)

    def is_like(self, other: Transform) -> bool:
        """Whether the same is meant: within 2 mm, and about a degree."""
        apart_mm = np.abs(self.translation_mm - other.translation_mm).max()
        return bool(apart_mm < 2.0 and np.abs(self.rotation - other.rotation).max() < 0.02)

    def inverse(self) -> Transform:
        """The way back."""
        return Transform(self.rotation.T, -self.rotation.T @ self.translation_mm)


@dataclasses.dataclass(frozen=True)
class Cameras:
    """The cameras of a recording.

    Attributes:
        colour, depth: the lenses.
        unit_mm: what a depth value of 1 stands for.
        colour_from_depth: from the depth camera's frame to the colour camera's; None: depth
            pictures are registered, and their lens is the colour camera's.
    """

    colour: Lens
    depth: Lens
    unit_mm: float
    colour_from_depth: Transform | None

    @classmethod
    def registered(cls, colour: Lens, depth_px: tuple[int, int], unit_mm: float = 1.0) -> Cameras:
        """Those of depth pictures that show what the colour camera sees, at any size.

        Raises:
            UserError: if depth pictures are of another shape, or colour pictures are distorted and
                depth pictures are of another size.
        """
        if depth_px == colour.size_px:
            return cls(colour, colour, unit_mm, None)
        depth = registered_lens(colour, depth_px)
        if colour.is_distorted:
            raise UserError(
                "Depth pictures that are registered to distorted colour pictures must be of their "
                f"size. Received: depth {depth_px}, colour {colour.size_px}"
            )
        return cls(colour, depth, unit_mm, Transform.still())


def registered_lens(colour: Lens, depth_px: tuple[int, int]) -> Lens:
    """That of depth pictures, `depth_px` wide and high, which show what the colour camera sees.

    Raises:
        UserError: if they are of another shape.
    """
    if not colour.has_shape(depth_px):
        depth, other = (f"{width} x {height}" for width, height in (depth_px, colour.size_px))
        raise UserError(
            f"Depth pictures of {depth} pixels cannot be registered to colour pictures of {other}, "
            "which have another shape. Turn depth as colour is turned, or give depth its own "
            "camera by --camera."
        )
    return colour.resized(depth_px)


@dataclasses.dataclass(frozen=True)
class Shot:
    """One picture of one camera.

    Attributes:
        time_s: when it was taken, on a clock that both cameras share.
        name: for messages.
        read: gives RGB [H, W, 3] uint8 or depth [H, W] uint16 in units of `Cameras.unit_mm`.
    """

    time_s: float
    name: str
    read: Callable[[], NDArray]


@dataclasses.dataclass(frozen=True)
class Source:
    """An opened file.

    Attributes:
        cameras: of its pictures.
        colour, depth: the pictures in the order of their times, each read once.
        notes: what was found in the file and what was assumed, a sentence each.
        frames: how many colour pictures there are; None if that is unknown.
        timed: False if "times" are whole numbers, the same for pictures that belong together.
    """

    cameras: Cameras
    colour: Iterable[Shot]
    depth: Iterable[Shot]
    notes: tuple[str, ...] = ()
    frames: int | None = None
    timed: bool = True


@dataclasses.dataclass(frozen=True)
class Options:
    """What the user says about a file.

    Attributes:
        cameras: instead of those of the file, but for their unit.
        pinhole: fx, fy, cx, cy of the colour camera, instead of its matrix and distortion.
        unit_mm: instead of the file's unit.
        wrist_middle_mcp_mm: the measure of the hand, if the user wrote it beside cameras.
        colour_topic, depth_topic: of a ROS bag.
        depth: the file or folder with depth, if it is another one than that of colour.
    """

    cameras: Cameras | None = None
    pinhole: tuple[float, float, float, float] | None = None
    unit_mm: float | None = None
    wrist_middle_mcp_mm: float | None = None
    colour_topic: str | None = None
    depth_topic: str | None = None
    depth: Path | None = None

    def choose(
        self,
        own: Callable[[Lens | None], Cameras] | None,
        *,
        colour_px: tuple[int, int],
        depth_px: tuple[int, int],
        unit_mm: Callable[[], float],
        notes: list[str],
    ) -> Cameras:
        """The cameras that the user gives, or those of the file.

        Args:
            own: gives those of the file, whose unit does not count, with the colour camera that it
                gets if it gets one; None if the file has none.
            colour_px: width and height of colour pictures.
            depth_px: those of depth pictures.
            unit_mm: gives what a depth value of 1 stands for by the file, or by its format.
            notes: get a sentence about what was replaced.

        Raises:
            UserError: if nobody gives any.
        """
        if self.cameras is not None:
            cameras = self.cameras
        elif self.pinhole is not None:
            lens = Lens(colour_px, pinhole_matrix(self.pinhole))
            if own is None:
                cameras = Cameras.registered(lens, depth_px)
            else:
                cameras = own(lens)
                notes.append(
                    "the matrix of the colour camera is that of --fx --fy --cx --cy, without "
                    "distortion; the rest is as the file has it."
                )
        elif own is not None:
            cameras = own(None)
        else:
            raise UserError(
                "The pictures come without a camera. Give --fx --fy --cx --cy of the colour camera "
                "in pixels, or --camera FILE with the keys of recording.yaml."
            )
        given = self.unit_mm
        return dataclasses.replace(cameras, unit_mm=unit_mm() if given is None else given)

    def refuse(self, kind: str, *names: str) -> None:
        """Raise UserError for options that a format has no use for."""
        for name in names:
            if getattr(self, name) is not None:
                raise UserError(f"--{name.replace('_', '-')} is of no use for {kind}.")


def from_metres(depth_m: NDArray, unit_mm: float, name: str = "depth") -> NDArray[np.uint16]:
    """Depth in whole units; what is not measured, or too far for 16 bits, becomes 0.

    Raises:
        PictureError: with the picture's name, if nearly all that was measured is too far.
    """
    depth_m = np.asarray(depth_m, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.rint(depth_m * (1000.0 / unit_mm))
        good = np.isfinite(values) & (values > 0) & (values <= LARGEST)
        far = np.isfinite(depth_m) & (values > LARGEST)
    if far.sum() > NEARLY_ALL * (far.sum() + good.sum()):
        reach_m, middle = LARGEST * unit_mm / 1000.0, np.median(depth_m[far])
        raise PictureError(
            name,
            f"holds nearly no depth within {reach_m:.1f} m, but {middle:g} in the middle. Is it in "
            "millimetres? Numbers with a fraction must be in metres",
        )
    return np.where(good, values, 0.0).astype(np.uint16)
