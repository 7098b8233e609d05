"""The options `--intrinsics` and `--scale-mm` of `kerashand-predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kerashand.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def intrinsics_of(text: str | None) -> list[list[float]] | None:
    """Intrinsics [3][3] of "fx,fy,cx,cy" in pixels; None of None.

    Raises:
        UserError: For anything else.
    """
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4 or not all(abs(value) < 1e9 for value in values):
        raise UserError(
            f"--intrinsics must be 4 finite numbers with commas between. Received: {text!r}"
        )
    fx, fy, cx, cy = values
    if not (fx >= 1 and fy >= 1):
        raise UserError(f"--intrinsics must have fx and fy of 1 and more. Received: {fx:g}, {fy:g}")
    return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]


def scale_of(given: float | None, bone: str) -> float:
    """Length of the scale bone in mm, as it is given or that of a hand of average size.

    Raises:
        UserError: For a length that this bone of no hand has.
    """
    from kerashand.geometry.root_depth import BONE_RANGES_MM  # these load NumPy
    from kerashand.runtime.hand import ASSUMED_SCALE_MM

    if given is None:
        return ASSUMED_SCALE_MM[bone]
    low, high = BONE_RANGES_MM[bone]
    if not low <= given <= high:
        raise UserError(
            f"--scale-mm must be {low:g} to {high:g} mm, the length of {bone}. Received: {given:g}"
        )
    return given


def checked(intrinsics: list[list[float]] | None, frames: Iterable[Any]) -> Iterator[Any]:
    """The frames of a video; `check_whole` of the first one."""
    for number, frame in enumerate(frames):
        if not number:
            check_whole(intrinsics, frame.rgb)
        yield frame


def check_whole(intrinsics: list[list[float]] | None, rgb: NDArray[np.uint8]) -> None:
    """Raise UserError where intrinsics cannot belong to a whole picture [H, W, 3]."""
    import numpy as np

    from kerashand.geometry.camera import camera_faults

    if intrinsics is None:
        return
    height, width = rgb.shape[:2]
    if faults := list(camera_faults(np.array(intrinsics), (width, height))):
        raise UserError(
            f"--intrinsics must be those of the whole picture, in its pixels: {', '.join(faults)}."
        )
