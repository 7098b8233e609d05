"""Distances of predicted and true joints, hand by hand. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kerashand.evaluation.predictions import Arrays, Predictions
from kerashand.geometry.camera import HAND_MARGIN, PRECISE_SHARE
from kerashand.metrics import PROTOCOLS, SHOWN_PX, aligned, errors_2d, joint_errors_mm
from kerashand.metrics_calibration import BINS, Calibration, calibration

PCK_2D_SHARE = 0.1
"""Of the longer side of the box around the true points, within which a point counts as right."""
LOST_PX = 15.0
"""Mean error above which a hand is lost, where the square of `HAND_MARGIN` boxes around its joints
is drawn 256 px wide."""


def errors_of_2d(hands: Predictions) -> Arrays:
    """Errors in pixels of the squares drawn `shown_px` wide.

    Returns:
        `error_px` [N, K], NaN where a point is not labelled, and `box_px` [N], the longer side of
        the box around the labelled points.
    """
    own_px, true_px, side_px = hands.points_px
    to_shown = hands.shown_px / side_px
    pixels = errors_2d(own_px, true_px) * to_shown[:, None]
    known = np.ones(pixels.shape, bool) if hands.uv_weight is None else hands.uv_weight > 0
    true = true_px * to_shown[:, None, None]
    low = np.where(known[..., None], true, np.inf).min(axis=1)
    high = np.where(known[..., None], true, -np.inf).max(axis=1)
    box = np.where(known.any(axis=1), (high - low).max(axis=1), np.nan)
    return {"error_px": np.where(known, pixels, np.nan), "box_px": box}


def errors_of_3d(hands: Predictions, protocol: str) -> Arrays:
    """Errors after the alignment of a protocol.

    Returns:
        `error_mm` and `depth_error_mm` [N, K], NaN where a hand has no true joints in 3D.
    """
    own, true = hands.joints_mm
    known = np.ones(len(own), bool) if hands.z_weight is None else hands.z_weight > 0
    compared = aligned(own, true, PROTOCOLS[protocol]) if known.all() else own
    return {
        "error_mm": np.where(known[:, None], joint_errors_mm(compared, true), np.nan),
        "depth_error_mm": np.where(known[:, None], np.abs(compared - true)[..., 2], np.nan),
    }


def hits(arrays: Mapping[str, NDArray], share: float) -> NDArray[np.bool_]:
    """[M] of all labelled joints of `errors_of_2d`: is each within a share of the hand's box?"""
    pixels = arrays["error_px"]
    return (pixels <= share * arrays["box_px"][:, None])[np.isfinite(pixels)]


def joint_calibration(
    arrays: Mapping[str, NDArray],
    confidence: NDArray,
    *,
    shown_px: float = SHOWN_PX,
    bins: int = BINS,
) -> Calibration:
    """Compare the confidence [N, K] of labelled joints with the share of them that are precise.

    Args:
        arrays: of `errors_of_2d`.
        confidence: [N, K].
        shown_px: the unit of the errors.
        bins: of confidence.
    """
    pixels = arrays["error_px"]
    known = np.isfinite(pixels)
    return calibration(confidence[known], pixels[known] <= PRECISE_SHARE * shown_px, bins=bins)


def mean_of_each(errors: NDArray) -> NDArray[np.float64]:
    """[N] mean error of each hand over its known joints; NaN where none is known."""
    known = np.isfinite(errors)
    count = known.sum(axis=1)
    total = np.where(known, errors, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def lost(arrays: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """[M] of all hands with labelled joints: is the mean error above `LOST_PX`?"""
    of_256 = mean_of_each(arrays["error_px"]) / (HAND_MARGIN * arrays["box_px"]) * SHOWN_PX
    return of_256[np.isfinite(of_256)] > LOST_PX
