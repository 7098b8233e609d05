"""Depth pictures as another camera sees them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

MOST_COVERED = 8


@dataclasses.dataclass(frozen=True)
class Registration:
    """Where a depth camera stands beside the colour camera.

    Attributes:
        size_px: width and height of the depth pictures.
        intrinsics: [3, 3] of the depth camera.
        rotation, translation_mm: [3, 3] and [3]; X_colour = rotation X_depth + translation.
    """

    size_px: tuple[int, int]
    intrinsics: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation_mm: NDArray[np.float64]

    def numbers(self) -> list:
        """All that it holds as plain numbers, for digests."""
        return [np.asarray(part).tolist() for part in vars(self).values()]

    def rays(self) -> NDArray[np.float64]:
        """Directions of the depth pixels in the colour camera's frame.

        Returns:
            [H, W, 3]; times depth, plus the translation, they are points.
        """
        width, height = self.size_px
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1).astype(np.float64)
        return pixels @ np.linalg.inv(self.intrinsics).T @ self.rotation.T


def covered_px(finer: float) -> int:
    """Side in pixels of what a measurement covers in a picture that is `finer` times as fine."""
    return int(np.clip(np.ceil(finer), 1, MOST_COVERED))


def register_depth(
    depth_mm: NDArray,
    registration: Registration,
    intrinsics: NDArray,
    *,
    size_px: tuple[int, int],
) -> NDArray[np.float32]:
    """Move each measurement to the pixel at which the colour camera sees it.

    Args:
        depth_mm: [H, W] of the depth camera, 0 = no measurement.
        registration: where that stands.
        intrinsics: [3, 3] of the colour camera.
        size_px: width and height of the colour pictures.

    A measurement covers as many pixels as the colour camera is finer, or gaps would stay.

    Returns:
        [height, width] depth along the colour camera's axis in mm; of several measurements at one
        pixel the nearest, 0 where there is none.
    """
    reach = covered_px(intrinsics[0, 0] / registration.intrinsics[0, 0]) - 1
    depth = np.asarray(depth_mm, np.float64)
    measured = depth > 0
    points: NDArray = registration.rays()[measured] * depth[measured][:, None]
    points += registration.translation_mm
    points = points[points[:, 2] > 0]
    projected = points @ np.asarray(intrinsics, np.float64).T
    first = np.rint(projected[:, :2] / points[:, 2:] - reach / 2)
    width, height = size_px
    seen = ((first >= -reach) & (first < size_px)).all(axis=1)
    columns, rows = first[seen].astype(int).T + reach
    # The first pixel of each measurement, then the nearest of all that cover a pixel.
    nearest = np.full((height + reach, width + reach), np.inf)
    np.minimum.at(nearest.reshape(-1), rows * (width + reach) + columns, points[seen, 2])
    nearest = np.min([nearest[:, step : step + width] for step in range(reach + 1)], axis=0)
    nearest = np.min([nearest[step : step + height] for step in range(reach + 1)], axis=0)
    return np.where(np.isfinite(nearest), nearest, 0.0).astype(np.float32)
