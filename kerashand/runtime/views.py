"""Which square of a picture the network sees next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.camera import apply_affine, rotation_matrix
from kerashand.runtime.recipe import Recipe
from kerashand.skeleton import MIDDLE_MCP, ROOT

View = tuple[NDArray[np.float64], float, float]
"""Centre [2] and side in pixels of a square of a picture that is turned by an angle in radians."""
LEAST_BOX_PX = 8.0
"""A box around joints is taken to be at least so large."""


def upright_rad(up: NDArray[np.float64]) -> float:
    """By how much a picture is turned so that a direction [2] in it points up."""
    return float(-np.pi / 2 - np.arctan2(up[1], up[0]))


def view_of_joints(uv_px: NDArray[np.float64], *, margin: float, turn_deg: float = 0.0) -> View:
    """The square of `margin` boxes in which a hand stands with its fingers up, and a turn more."""
    upright = upright_rad(uv_px[MIDDLE_MCP] - uv_px[ROOT])
    centre, side_px, _ = view_turned(uv_px, upright, margin=margin)
    return centre, side_px, upright + float(np.deg2rad(turn_deg))


def view_turned(uv_px: NDArray[np.float64], angle_rad: float, *, margin: float) -> View:
    """The square of `margin` boxes around joints when the picture is turned by an angle."""
    turn = rotation_matrix(angle_rad)
    turned = apply_affine(uv_px, turn)
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = turn[:2, :2].T @ ((low + high) / 2)
    return centre, max(float((high - low).max()), LEAST_BOX_PX) * margin, angle_rad


def fits(view: View, uv_px: NDArray[np.float64], recipe: Recipe) -> bool:
    """Whether joints lie as they should in the square in which the network saw them."""
    centre, side_px, angle_rad = view
    own_centre, own_px, _ = view_turned(uv_px, angle_rad, margin=recipe.margin)
    off_px = float(np.linalg.norm(own_centre - centre))
    return (
        recipe.smallest_fit * side_px <= own_px <= recipe.largest_fit * side_px
        and off_px <= recipe.most_shift * side_px
    )
