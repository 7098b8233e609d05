"""Cameras with lens distortion, and the maps that make pinhole pictures of theirs."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.geometry.camera import centre_is_far_out
from kerashand.orientation import upright_from_stored

NEGLIGIBLE_PX = 0.25
"""Distortion below it is left in the pictures."""
OUTSIDE = -1e4
"""A place in no picture."""
SAME = 0.02
"""Shapes and cameras that mean the same may differ by this share."""
ROUNDS = 25
"""To invert a distortion; each reduces the error several times."""
COEFFICIENTS = {"none": 0, "opencv": 8, "modified": 5, "inverse": 5, "fisheye": 4}
"""Models of distortion and how many coefficients they have at most.

opencv: k1 k2 p1 p2 k3 k4 k5 k6, from rays to pixels, as OpenCV and ROS (plumb_bob,
rational_polynomial) have them; modified: the same with RealSense's tangential part; inverse: the
same from pixels to rays; fisheye: k1 to k4 of the angle to the axis (ROS: equidistant).
"""
QUARTER_TURNS = {90: 6, 180: 3, 270: 8}
"""Degrees clockwise -> EXIF's number for this turn."""


@dataclasses.dataclass(frozen=True)
class Lens:
    """A camera.

    Attributes:
        size_px: width and height of its pictures.
        intrinsics: [3, 3] with the centre of the first pixel at (0, 0).
        model: a key of `COEFFICIENTS`.
        coefficients: of the distortion.

    Raises:
        UserError: if the model does not take the coefficients, or the centre lies more than half a
            side outside of the pictures.
    """

    size_px: tuple[int, int]
    intrinsics: NDArray[np.float64]
    model: str = "none"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self):
        most = COEFFICIENTS[self.model]
        if any(self.coefficients[most:]) or not np.isfinite(self.coefficients).all():
            raise UserError(
                f"Distortion of the model {self.model} has {most} finite coefficients at most. "
                f"Received: {self.coefficients}"
            )
        if centre_is_far_out(self.intrinsics, self.size_px).any():
            (width, height), (cx, cy) = self.size_px, self.intrinsics[:2, 2]
            raise UserError(
                f"The centre of a camera, cx {cx:g} and cy {cy:g}, lies far outside of its "
                f"pictures of {width} x {height} pixels. Give it in pixels of these."
            )

    @property
    def is_distorted(self) -> bool:
        """Whether any coefficient counts."""
        return any(self.coefficients)

    @property
    def pinhole(self) -> Lens:
        """The same camera without distortion."""
        return Lens(self.size_px, self.intrinsics)

    def resized(self, size_px: tuple[int, int]) -> Lens:
        """That of pictures of another size which show the same.

        Convention: halving a picture moves the middle of its first two pixels, 0.5, to 0.
        """
        (width, height), (old_width, old_height) = size_px, self.size_px
        scale = np.diag([width / old_width, height / old_height, 1.0])
        scale[:2, 2] = 0.5 * scale[[0, 1], [0, 1]] - 0.5
        return dataclasses.replace(self, size_px=size_px, intrinsics=scale @ self.intrinsics)

    def has_shape(self, size_px: tuple[int, int]) -> bool:
        """Whether pictures of this size are as wide, for their height, as those of the camera."""
        (width, height), (own_width, own_height) = size_px, self.size_px
        # Also for empty pictures, of which damaged files tell: those have no shape.
        return abs(width * own_height - height * own_width) < SAME * height * own_width

    def is_like(self, other: Lens) -> bool:
        """Whether the matrix of another camera is the same but for the size of pictures."""
        if not self.has_shape(other.size_px):
            return False
        apart = np.abs(self.intrinsics - other.resized(self.size_px).intrinsics)
        allowed = SAME * np.array([*self.intrinsics[[0, 1], [0, 1]], *self.size_px])
        return bool((apart[[0, 1, 0, 1], [0, 1, 2, 2]] <= allowed).all())

    def maps(self) -> NDArray[np.float32] | None:
        """Where each pixel of the pinhole picture lies in the distorted one.

        Returns:
            [H, W, 2] places u, v; None if none is `NEGLIGIBLE_PX` or more from its pixel.
        """
        if not self.is_distorted:
            return None
        width, height = self.size_px
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float64)
        focal, centre = self.intrinsics[[0, 1], [0, 1]], self.intrinsics[:2, 2]
        places = self._distorted((pixels - centre) / focal) * focal + centre
        moved = np.abs(places - pixels).max(axis=-1)
        if np.nanmax(moved) < NEGLIGIBLE_PX:
            return None
        return np.where(np.isfinite(places), places, OUTSIDE).astype(np.float32)

    def _distorted(self, rays: NDArray) -> NDArray:
        """Rays [..., 2] of the distorted picture; NaN where the model folds back."""
        given = np.zeros(8)
        known = self.coefficients[: COEFFICIENTS[self.model]]
        given[: len(known)] = known
        radius = np.hypot(rays[..., 0], rays[..., 1])
        with np.errstate(all="ignore"):
            if self.model == "fisheye":
                angle = np.arctan(radius)
                bent = angle * (1 + _polynomial(angle**2, given[:4]))
                return rays * np.where(radius > 0, bent / np.maximum(radius, 1e-12), 1.0)[..., None]
            if self.model == "inverse":
                found = rays.copy()
                for _ in range(ROUNDS):
                    found += rays - _brown_conrady(found, given, modified=False)
                return found
            bent = _brown_conrady(rays, given, modified=self.model == "modified")
            return np.where((radius < _fold(given, radius.max()))[..., None], bent, np.nan)


def turned(lens: Lens, orientation: int) -> tuple[Lens, NDArray[np.float64]]:
    """The lens of pictures that are turned, and the rotation [3, 3] of the camera's frame.

    Args:
        lens: of the pictures as they are stored, without distortion.
        orientation: EXIF's number for how they are turned.

    Raises:
        UserError: if it mirrors, which no camera does.
    """
    pixels = upright_from_stored(orientation, lens.size_px)
    rotation = np.eye(3)
    rotation[:2, :2] = pixels[:2, :2]
    if np.linalg.det(rotation) < 0:
        raise UserError(
            "Mirrored pictures cannot be used: a right hand in them looks like a left one. Switch "
            "mirroring off in the camera's program."
        )
    size = lens.size_px if orientation == 3 or orientation == 1 else lens.size_px[::-1]
    return Lens(size, pixels @ lens.intrinsics @ rotation.T), rotation


def _polynomial(squared: NDArray, coefficients: NDArray) -> NDArray:
    """c1 s + c2 s^2 + ..."""
    total = np.zeros_like(squared)
    for coefficient in coefficients[::-1]:
        total = (total + coefficient) * squared
    return total


def _radial(squared: NDArray, given: NDArray) -> NDArray:
    above = 1 + _polynomial(squared, given[[0, 1, 4]])
    return above / (1 + _polynomial(squared, given[5:8]))


def _brown_conrady(rays: NDArray, given: NDArray, *, modified: bool) -> NDArray:
    """Brown, Close-range camera calibration, 1971, with OpenCV's rational radial part."""
    x, y = rays[..., 0], rays[..., 1]
    squared = x * x + y * y
    radial, (p1, p2) = _radial(squared, given), given[2:4]
    if modified:  # the tangential part of what was bent already, with the first radius
        x, y, radial = x * radial, y * radial, np.ones_like(radial)
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
            y * radial + 2 * p2 * x * y + p1 * (squared + 2 * y * y),
        ],
        axis=-1,
    )


def _fold(given: NDArray, farthest: float) -> float:
    """The radius from which on larger ones would land nearer to the centre again."""
    radius = np.linspace(0.0, 1.01 * farthest, 2000)
    rises = np.diff(radius * _radial(radius**2, given)) > 0
    return float(radius[rises.argmin()]) if not rises.all() else np.inf
