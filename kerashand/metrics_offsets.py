"""Where a model puts joints and where labels do: mean offsets in the hand's own frame.

NumPy only. Data sets put wrist and knuckles at different places of the hand. Such a difference of
definitions is the same in every picture, seen from the palm, and no error of a model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.palm import palm_frames


def joint_offsets(prediction_mm: ArrayLike, target_mm: ArrayLike) -> NDArray[np.float64]:
    """Return the mean offset of each predicted joint from the labelled one.

    Convention: a right hand, fingers up and palm to the camera, 90 mm from wrist to middle MCP,
    whose wrist is predicted 9 mm above the labelled one has the offset (0, 0.1, 0) there.

    Args:
        prediction_mm: [N, K, 3] joints of right hands.
        target_mm: [N, K, 3] labels; the frames are theirs.

    Returns:
        [K, 3] across, up and out, see `kerashand.geometry.palm`, in lengths of wrist - middle MCP.

    Raises:
        ValueError: If the shapes differ, or no hand has a palm.
    """
    prediction, target = _checked(prediction_mm, target_mm)
    axes, length = palm_frames(target)
    is_palm = axes.any(axis=(1, 2)) & (length > 0)
    if not is_palm.any():
        raise ValueError(
            "`target_mm` must hold a hand whose wrist and knuckles are not on one line. "
            f"Received: {len(target)} hands"
        )
    apart = (prediction - target)[is_palm] / length[is_palm, None, None]
    return np.einsum("nij,nkj->nki", axes[is_palm], apart).mean(axis=0)


def with_offsets(target_mm: ArrayLike, offsets: ArrayLike) -> NDArray[np.float64]:
    """Return labels [N, K, 3] moved by offsets [K, 3] in their own frames, as `joint_offsets`."""
    target = np.asarray(target_mm, np.float64)
    axes, length = palm_frames(target)
    moved = np.einsum("nij,ki->nkj", axes, np.asarray(offsets, np.float64))
    return target + length[:, None, None] * moved


def without_offsets(prediction_mm: ArrayLike, target_mm: ArrayLike) -> NDArray[np.float64]:
    """Return labels moved to where the model puts joints, by offsets of other hands.

    Those of the first half of the hands come from the second half, and the other way round, so that
    no label moves by what was fitted to it.

    Args:
        prediction_mm: [N, K, 3] joints of right hands.
        target_mm: [N, K, 3] labels.

    Returns:
        [N, K, 3] labels in mm.

    Raises:
        ValueError: As `joint_offsets`, of each half.
    """
    prediction, target = _checked(prediction_mm, target_mm)
    halves = np.array_split(np.arange(len(target)), 2)
    moved = target.copy()
    for own, other in (halves, halves[::-1]):
        moved[own] = with_offsets(target[own], joint_offsets(prediction[other], target[other]))
    return moved


def _checked(prediction_mm: ArrayLike, target_mm: ArrayLike) -> tuple[NDArray, NDArray]:
    prediction, target = np.asarray(prediction_mm, np.float64), np.asarray(target_mm, np.float64)
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[-1] != 3:
        raise ValueError(
            "`prediction_mm` and `target_mm` must be of one shape [N, K, 3]. "
            f"Received: shapes={prediction.shape}, {target.shape}"
        )
    return prediction, target
