"""From a picture as a file stores it to the upright one, by its EXIF orientation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TURNS = {
    1: (False, 1, 1), 2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1),
    5: (True, 1, 1), 6: (True, 1, -1), 7: (True, -1, -1), 8: (True, -1, 1),
}  # fmt: skip
"""EXIF orientation -> whether rows and columns change places, and the steps of rows and columns
afterwards: what makes a picture as it is stored upright."""


def upright_from_stored(orientation: int, stored_px: tuple[int, int]) -> NDArray[np.float64]:
    """The map [3, 3] from pixels of a picture as it is stored to those of the upright one."""
    swap, down, right = TURNS[orientation]
    turn = np.eye(3)[[1, 0, 2]] if swap else np.eye(3)
    width, height = stored_px[::-1] if swap else stored_px
    flip = np.diag([float(right), float(down), 1.0])
    flip[:2, 2] = (width - 1 if right < 0 else 0), (height - 1 if down < 0 else 0)
    return flip @ turn


def as_stored(upright: NDArray, orientation: int) -> NDArray:
    """A view of an upright picture in which its rows lie as they are stored."""
    swap, down, right = TURNS[orientation]
    view = upright[::down, ::right]
    return view.swapaxes(0, 1) if swap else view
