"""What a format of files gives: cameras, and pictures of colour and depth with their times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand.data.imports.lens import Lens
from kerashand.errors import UserError

METRES_UNIT_MM = 0.1
"""The unit of depth pictures made from metres; 16 bits of it reach 6.5 m."""
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
    def registered(cls, colour: Lens, depth_px: tuple[int, int], unit_mm: float) -> Cameras:
        """Those of depth pictures that show what the colour camera sees, at any size.

        Raises:
            UserError: if colour pictures are distorted and depth pictures are of another size.
        """
        if depth_px == colour.size_px:
            return cls(colour, colour, unit_mm, None)
        if colour.is_distorted:
            raise UserError(
                "Depth pictures that are registered to distorted colour pictures must be of their "
                f"size. Received: depth {depth_px}, colour {colour.size_px}"
            )
        return cls(colour, colour.resized(depth_px), unit_mm, Transform.still())


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
        cameras: instead of those of the file.
        pinhole: fx, fy, cx, cy of the colour camera that depth is registered to, likewise.
        unit_mm: instead of the file's unit.
        colour_topic, depth_topic: of a ROS bag.
        depth: the file or folder with depth, if it is another one than that of colour.
    """

    cameras: Cameras | None = None
    pinhole: tuple[float, float, float, float] | None = None
    unit_mm: float | None = None
    colour_topic: str | None = None
    depth_topic: str | None = None
    depth: Path | None = None

    def choose(
        self,
        own: Callable[[], Cameras] | None,
        *,
        colour_px: tuple[int, int],
        depth_px: tuple[int, int],
    ) -> Cameras:
        """The cameras that the user gives, or those of the file.

        Args:
            own: gives those of the file; None if it has none.
            colour_px: width and height of colour pictures.
            depth_px: those of depth pictures.

        Raises:
            UserError: if nobody gives any.
        """
        if self.cameras is not None:
            cameras = self.cameras
        elif self.pinhole is not None:
            fx, fy, cx, cy = self.pinhole
            intrinsics = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
            cameras = Cameras.registered(Lens(colour_px, intrinsics), depth_px, 1.0)
        elif own is not None:
            cameras = own()
        else:
            raise UserError(
                "The pictures come without a camera. Give --fx --fy --cx --cy of the colour camera "
                "in pixels, or --camera FILE with the keys of recording.yaml."
            )
        unit_mm = cameras.unit_mm if self.unit_mm is None else self.unit_mm
        return dataclasses.replace(cameras, unit_mm=unit_mm)

    def refuse(self, kind: str, *names: str) -> None:
        """Raise UserError for options that a format has no use for."""
        for name in names:
            if getattr(self, name) is not None:
                raise UserError(f"--{name.replace('_', '-')} is of no use for {kind}.")


def from_metres(depth_m: NDArray, unit_mm: float) -> NDArray[np.uint16]:
    """Depth in whole units; what is not measured, or too far for 16 bits, becomes 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.rint(np.asarray(depth_m, np.float64) * (1000.0 / unit_mm))
        good = np.isfinite(values) & (values > 0) & (values <= LARGEST)
    return np.where(good, values, 0.0).astype(np.uint16)
