"""One hand as the runtime gives it, and the checks of what a caller gives."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.errors import UserError
from kerashand.geometry.camera import camera_faults
from kerashand.geometry.pose import relative_depth, xyz_from_uv_z
from kerashand.geometry.root_depth import (
    BONE_RANGES_MM,
    MIN_DEPTH_MM,
    PALM_BONES,
    PALM_RATIOS,
    solve_root_depth,
)
from kerashand.runtime.backends import is_number

Box = tuple[float, float, float, float]
HANDEDNESSES = ("left", "right")
LEAST_BOX_PX, LARGEST_BOX = 2, 4
ASSUMED_SCALE_MM = {"wrist_middle_mcp": 92.0, "middle_mcp_pip": 45.0}
"""Length of each scale bone of a hand of average size, for callers who know no length."""
LIKELY_SIZE = (0.1, 3.0)
"""Length of a palm at a measured depth of the wrist over what it is said to be; of rendered hands
the models see 0.19 to 1.1."""
DEPTH_RANGE_MM = (MIN_DEPTH_MM, 100_000.0)
"""Where a wrist may be measured; metres are not."""
ANY_SCALE_MM = 90.0
"""Of a hand, where only its relative depth is wanted, in which scales cancel."""
LEAST_FOCAL = 0.1
"""Of the longer side of the picture, which is a view of 157 degrees; shares are not pixels."""


@dataclasses.dataclass(frozen=True)
class Hand:
    """One hand.

    Attributes:
        handedness: "left" or "right", anatomically.
        p_right: 0..1, how likely it is a right hand; None where the caller gave the handedness.
        score: 0..1, how likely there is a hand, the least of all passes; of a model that does not
            say, the mean of `confidence`.
        uv_px: [21, 2] pixels of the picture.
        z_relative: [21] depth behind the wrist in lengths of the scale bone: along the camera's
            axis where intrinsics are given, else along the line of sight to the hand, as if that
            were in the middle of the picture.
        confidence: [21] 0..1, how likely each joint is within 5 % of the crop's side.
        xyz_relative: [21, 3] joints about the wrist in lengths of the scale bone, seen from far
            away (no camera is needed): x right, y down, z away.
        xyz_mm: [21, 3] joints in the camera's frame; None unless intrinsics and the length of the
            scale bone are given.
        root_depth_mm: depth of the wrist, as it was given or solved for; None likewise.
    """

    handedness: str
    uv_px: NDArray[np.float64]
    z_relative: NDArray[np.float64]
    confidence: NDArray[np.float64]
    xyz_relative: NDArray[np.float64]
    score: float
    p_right: float | None = None
    xyz_mm: NDArray[np.float64] | None = None
    root_depth_mm: float | None = None

    @property
    def box(self) -> Box:
        """Left, top, right, bottom of the joints in pixels of the picture."""
        (left, top), (right, bottom) = self.uv_px.min(axis=0), self.uv_px.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


def in_camera(
    hand: Hand, intrinsics: ArrayLike | None, *, scale_bone: str, depth_along: str,
    scale_mm: float | None, root_depth_mm: float | None = None,
) -> Hand:  # fmt: skip
    """A hand without a camera, with its depth along the camera's axis, and in mm.

    Args:
        hand: as the pose model gives it.
        intrinsics: [3, 3] of its picture; None leaves the hand as it is.
        scale_bone: one of `kerashand.skeleton.SCALE_BONES`.
        depth_along: see `kerashand.geometry.pose.xyz_from_uv_z`.
        scale_mm: length of the scale bone; None leaves millimetres out.
        root_depth_mm: depth of the wrist; None solves for it. A warning is given where the palm
            would be far from its length there.
    """
    if intrinsics is None:
        return hand
    scale = np.float64(ANY_SCALE_MM if scale_mm is None else scale_mm)
    observed = (hand.uv_px, hand.z_relative, np.asarray(intrinsics, np.float64))
    if root_depth_mm is None:
        depth: Any = solve_root_depth(
            *observed, scale_mm=scale, scale_bone=scale_bone, depth_along=depth_along
        )
    else:
        depth = np.float64(root_depth_mm)
    xyz = xyz_from_uv_z(*observed, root_depth_mm=depth, scale_mm=scale, depth_along=depth_along)
    hand = dataclasses.replace(hand, z_relative=relative_depth(xyz, scale))
    if scale_mm is None:
        return hand
    if root_depth_mm is not None:
        _warn_of_size(xyz, depth_mm=root_depth_mm, scale_mm=scale_mm, scale_bone=scale_bone)
    return dataclasses.replace(hand, xyz_mm=xyz, root_depth_mm=float(depth))


def _warn_of_size(xyz_mm: NDArray, *, depth_mm: float, scale_mm: float, scale_bone: str) -> None:
    first, second = np.array(PALM_BONES).T
    lengths = np.linalg.norm(xyz_mm[first] - xyz_mm[second], axis=-1)
    size = float(np.median(lengths / np.array(PALM_RATIOS[scale_bone]))) / scale_mm
    if not LIKELY_SIZE[0] <= size <= LIKELY_SIZE[1]:
        warnings.warn(
            f"at `root_depth_mm` {depth_mm:g} the palm is {size:.2g} times as long as `scale_mm` "
            f"{scale_mm:g} says: are both in mm, and the intrinsics in pixels of this picture?",
            stacklevel=2,
        )


def check_picture(rgb: NDArray[np.uint8]) -> None:
    """Raise ValueError unless this is an RGB picture [H, W, 3] of uint8."""
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3:
        shape = getattr(rgb, "shape", type(rgb).__name__)
        raise ValueError(f"`rgb` must be an array [H, W, 3]. Received: {shape}")
    if not rgb.size:
        raise ValueError(f"`rgb` must hold pixels. Received: an empty array {rgb.shape}")
    if rgb.dtype != np.uint8:
        raise ValueError(f"`rgb` must hold uint8 of 0..255. Received: {rgb.dtype}")


def check_handedness(handedness: str) -> None:
    """Raise ValueError unless this is "auto" or one of `HANDEDNESSES`."""
    if handedness not in ("auto", *HANDEDNESSES):
        raise ValueError(
            f"`handedness` must be auto, left or right. Received: handedness={handedness!r}"
        )


def check_box(box: Sequence[float], rgb: NDArray[np.uint8]) -> Box:
    """The box as floats.

    Raises:
        ValueError: If it is not left < right and top < bottom in numbers, does not meet the
            picture, or is smaller than `LEAST_BOX_PX` or larger than `LARGEST_BOX` pictures.
    """
    try:
        values = tuple(float(value) for value in box)
    except (TypeError, ValueError):
        values = ()
    if isinstance(box, str) or len(values) != 4 or not np.isfinite(values).all():
        raise ValueError(f"`box` must hold left, top, right, bottom. Received: box={box!r}")
    left, top, right, bottom = values
    if not (left < right and top < bottom):
        raise ValueError(f"`box` must have left < right and top < bottom. Received: box={box!r}")
    height, width = rgb.shape[:2]
    if not (left < width and right > 0 and top < height and bottom > 0):
        raise ValueError(
            f"`box` must meet the picture of {width} x {height} pixels. Received: box={box!r}"
        )
    side = max(right - left, bottom - top)
    if not LEAST_BOX_PX <= side <= LARGEST_BOX * max(width, height):
        raise ValueError(
            f"`box` must be {LEAST_BOX_PX} pixels to {LARGEST_BOX} pictures wide or high. "
            f"Received: box={box!r} in {width} x {height} pixels"
        )
    return values


class CameraError(UserError, ValueError):
    """Intrinsics that do not fit the picture."""


def check_camera(
    intrinsics: ArrayLike | None,
    scale_mm: float | None,
    root_depth_mm: float | None = None,
    *,
    scale_bone: str,
    size_px: tuple[int, int] | None = None,
) -> None:
    """Refuse what is not None and cannot be what it stands for.

    A warning is given for intrinsics that are those of no whole picture of this size: it may be a
    crop.

    Args:
        intrinsics: [3, 3].
        scale_mm: length of the scale bone.
        root_depth_mm: depth of the wrist.
        scale_bone: a key of `BONE_RANGES_MM`.
        size_px: width and height of the picture, if it is known.

    Raises:
        ValueError: saying what was received.
    """
    if intrinsics is not None:
        try:
            matrix = np.asarray(intrinsics, np.float64)
        except (TypeError, ValueError):
            matrix = np.zeros(0)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise ValueError(
                f"`intrinsics` must be a matrix [3, 3] of numbers. Received: {intrinsics!r}"
            )
        if (
            min(matrix[0, 0], matrix[1, 1]) <= 0
            or matrix[1, 0] != 0
            or matrix[2].tolist() != [0.0, 0.0, 1.0]
        ):
            raise ValueError(
                "`intrinsics` must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with positive fx, fy. "
                f"Received: {matrix.tolist()}"
            )
        width, height = size_px or (0, 0)
        least = LEAST_FOCAL * max(width, height)
        if min(matrix[0, 0], matrix[1, 1]) < least:
            raise CameraError(
                f"fx and fy of the intrinsics must be in pixels of the picture, at least {least:g} "
                f"for {width} x {height}. Received: {matrix[0, 0]:g}, {matrix[1, 1]:g}"
            )
        if size_px and (faults := list(camera_faults(matrix, size_px))):
            warnings.warn(
                f"`intrinsics` are of another picture, unless this is a crop: {', '.join(faults)}",
                stacklevel=3,
            )
    for name, value, (low, high) in (
        ("scale_mm", scale_mm, BONE_RANGES_MM[scale_bone]),
        ("root_depth_mm", root_depth_mm, DEPTH_RANGE_MM),
    ):
        if value is not None and not (is_number(value) and low <= value <= high):
            raise ValueError(
                f"`{name}` must be a number of {low:g} to {high:g} mm. Received: {name}={value!r}"
            )
