"""Metrics of hand pose: joint errors, PCK curves, AUC, and the named protocols behind a number.

NumPy only. An AUC means nothing without its protocol: on the same errors the thresholds, the way
of averaging and the treatment of the root move it by several hundredths. A number is therefore
always computed by `evaluate_pose` with a `Protocol`, which carries the conditions to print.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.skeleton import ROOT

SHOWN_PX = 256
"""Side of the square in which 2D errors of photographs are given."""

LEAST_HAND_MM = 5.0
"""Joints that span less are not in millimetres."""

ALIGNMENTS = ("none", "root", "procrustes")
"""What is done to a prediction before it is compared.

none: camera coordinates as they are; root: both hands moved to a common root; procrustes: best
rotation, translation and scale, see `pa_align`.
"""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way to turn joint errors into a number.

    Attributes:
        name: Key in `PROTOCOLS`.
        thresholds_mm: Ascending PCK thresholds.
        per_joint_mean: True averages each joint over samples first, then over joints; False treats
            all labelled joints as one list. They differ only when joints are missing.
        root: Index of the root joint.
        includes_root: Whether the root counts as a joint.
        alignment: One of `ALIGNMENTS`.
        conditions: One paragraph; `conditions_with` says the bone of a model too.
    """

    name: str
    thresholds_mm: tuple[float, ...]
    per_joint_mean: bool
    root: int
    includes_root: bool
    alignment: str
    conditions: str

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: If the alignment is unknown or the thresholds are no ascending range.
        """
        if self.alignment not in ALIGNMENTS:
            raise ValueError(
                f"`alignment` must be one of {ALIGNMENTS}. Received: alignment={self.alignment!r}"
            )
        if len(self.thresholds_mm) < 2 or not (np.diff(self.thresholds_mm) > 0).all():
            raise ValueError(
                "`thresholds_mm` must hold at least two ascending values. "
                f"Received: thresholds_mm={self.thresholds_mm}"
            )

    def conditions_with(self, scale_bone: str) -> str:
        """What to print under every number: the conditions, and the bone that gave the scale.

        Args:
            scale_bone: Of the model; its true length gives the hand scale, unless the alignment
                does.
        """
        if self.alignment == "procrustes":
            return self.conditions
        return f"{self.conditions} Scale bone: {scale_bone}."


def _linspace(start: float, stop: float, points: int, *, first: int = 0) -> tuple[float, ...]:
    return tuple(np.linspace(start, stop, points)[first:].tolist())


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="hand3d",
            thresholds_mm=_linspace(0.0, 50.0, 20, first=8),
            per_joint_mean=True,
            root=ROOT,
            includes_root=True,
            alignment="root",
            conditions=(
                "Zimmermann & Brox 2017, as their code computes it: called 20-50 mm, in fact 12 "
                "thresholds from 21.05 to 50 mm; PCK per joint, then averaged; 21 joints with the "
                "root, which is 0 by alignment; hands moved to a common root (there the palm "
                "centre, here joint 0); hand scale given; labelled joints only; no Procrustes."
            ),
        ),
        Protocol(
            name="cai2018",
            thresholds_mm=_linspace(20.0, 50.0, 31),
            per_joint_mean=True,
            root=ROOT,
            includes_root=True,
            alignment="none",
            conditions=(
                "Cai et al. 2018: 3D joints in the camera; 31 thresholds from 20 to 50 mm (their "
                "number is not in the paper); PCK per joint, then averaged; 21 joints with the "
                "wrist; true root depth and hand scale given; no alignment, no Procrustes."
            ),
        ),
        Protocol(
            name="freihand-pa",
            thresholds_mm=_linspace(0.0, 50.0, 100),
            per_joint_mean=True,
            root=ROOT,
            includes_root=True,
            alignment="procrustes",
            conditions=(
                "FreiHAND, aligned: 100 thresholds from 0 to 50 mm; PCK per joint, then averaged; "
                "21 joints with the wrist; each prediction moved, rotated and scaled onto the "
                "ground truth (Procrustes, no reflection)."
            ),
        ),
    )
}
"""Protocols by name."""


def joint_errors_mm(prediction_mm: ArrayLike, target_mm: ArrayLike) -> NDArray[np.float64]:
    """Return the Euclidean distance of each joint.

    Args:
        prediction_mm: [..., K, 3] joints in mm.
        target_mm: [..., K, 3] joints in mm.

    Returns:
        [..., K] errors in mm.
    """
    difference = np.asarray(prediction_mm, np.float64) - np.asarray(target_mm, np.float64)
    return np.linalg.norm(difference, axis=-1)


def errors_2d(prediction_px: ArrayLike, target_px: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of each joint in the image.

    Args:
        prediction_px: [..., K, 2] pixels.
        target_px: [..., K, 2] pixels.

    Returns:
        [..., K] errors in pixels.
    """
    difference = np.asarray(prediction_px, np.float64) - np.asarray(target_px, np.float64)
    return np.linalg.norm(difference, axis=-1)


def depth_map_errors(
    generated: ArrayLike, measured: ArrayLike, weight: ArrayLike
) -> NDArray[np.float64]:
    """Mean absolute difference of depth maps over what was measured, in windows of Eq. 4.

    Args:
        generated: [N, D, D, 1] or [N, D, D] normalised depth.
        measured: the same.
        weight: the same, 0 where nothing was measured.

    Returns:
        [N], NaN where nothing was measured.
    """
    weight = np.asarray(weight, np.float64)
    axes = tuple(range(1, weight.ndim))
    apart = np.abs(np.asarray(generated, np.float64) - np.asarray(measured, np.float64)) * weight
    count = weight.sum(axis=axes)
    return np.where(count > 0, apart.sum(axis=axes) / np.maximum(count, 1e-9), np.nan)


def _labelled(errors: NDArray[np.float64], weight: ArrayLike | None) -> NDArray[np.bool_]:
    """Return the mask of labelled joints, one for each error."""
    if weight is None:
        return np.ones(errors.shape, dtype=bool)
    return np.broadcast_to(np.asarray(weight) > 0, errors.shape)


def _over_joints(values: NDArray[Any], mask: NDArray[np.bool_], per_joint: bool) -> NDArray[Any]:
    """Average [..., N, K] values over labelled entries; unlabelled joints drop out."""
    if not per_joint:
        return (values * mask).sum(axis=(-2, -1)) / mask.sum()
    seen = mask.any(axis=0)
    per_joint_values = (values * mask).sum(axis=-2)[..., seen] / mask.sum(axis=0)[seen]
    return per_joint_values.mean(axis=-1)


def pck_curve(
    errors: ArrayLike,
    thresholds: ArrayLike,
    *,
    per_joint: bool = True,
    weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return the share of joints with an error of at most each threshold.

    Args:
        errors: [N, K] errors.
        thresholds: [T] thresholds in the same unit.
        per_joint: Average each joint over samples, then over joints; else all joints as one list.
        weight: [N, K], 0 where a joint is not labelled; None means all are.

    Returns:
        [T] shares of 0..1.

    Raises:
        ValueError: If `errors` is not [N, K] or holds no labelled joint.
    """
    errors = np.asarray(errors, np.float64)
    if errors.ndim != 2:
        raise ValueError(f"`errors` must have shape [N, K]. Received: shape={errors.shape}")
    mask = _labelled(errors, weight)
    if not mask.any():
        raise ValueError(
            f"`errors` must hold at least one labelled joint. Received: shape={errors.shape}"
        )
    # One threshold at a time: [T, N, K] of a whole test set would not be small.
    return np.array([_over_joints(errors <= t, mask, per_joint) for t in np.ravel(thresholds)])


def depth_slope(prediction_mm: ArrayLike, target_mm: ArrayLike) -> float:
    """Return how deep hands are seen: 1 is right on average, 0 is flat.

    Depth about the root along the optical axis, predicted on true, by least squares through 0 over
    all joints.

    Args:
        prediction_mm: [N, K, 3] joints in mm.
        target_mm: [N, K, 3] joints in mm.
    """
    own, true = (
        xyz[:, :, 2] - xyz[:, ROOT : ROOT + 1, 2]
        for xyz in (np.asarray(prediction_mm, np.float64), np.asarray(target_mm, np.float64))
    )
    return float((own * true).sum() / max((true * true).sum(), 1e-9))


def auc(thresholds: ArrayLike, values: ArrayLike) -> float:
    """Return the area under a curve (trapezoid rule), divided by the range of the thresholds.

    Convention: a curve that is 1 everywhere has area 1, a straight line from 0 to 1 has 0.5.

    Args:
        thresholds: [T] ascending thresholds.
        values: [T] shares of 0..1.

    Returns:
        Area of 0..1.

    Raises:
        ValueError: If the shapes differ, there are fewer than two thresholds or they do not ascend,
            or a value is no share.
    """
    thresholds, values = np.asarray(thresholds, np.float64), np.asarray(values, np.float64)
    if thresholds.shape != values.shape or thresholds.ndim != 1 or thresholds.size < 2:
        raise ValueError(
            "`thresholds` and `values` must be of one shape [T] with T >= 2. "
            f"Received: shapes={thresholds.shape}, {values.shape}"
        )
    if not (np.diff(thresholds) > 0).all() or not ((values >= 0) & (values <= 1 + 1e-9)).all():
        raise ValueError(
            "`thresholds` must ascend and `values` must be shares of 0..1. "
            f"Received: thresholds={thresholds}, values={values}"
        )
    return float(np.trapezoid(values, thresholds) / (thresholds[-1] - thresholds[0]))


def pa_align(prediction_mm: ArrayLike, target_mm: ArrayLike) -> NDArray[np.float64]:
    """Move, rotate and scale each predicted hand onto its target.

    Least squares with scale (Umeyama, PAMI 1991). Reflections are excluded: the mirror image of a
    hand does not become right by alignment. A prediction shrunk to a point stays one, at the mean
    of the target.

    Args:
        prediction_mm: [..., K, 3] joints in mm.
        target_mm: [..., K, 3] joints in mm.

    Returns:
        [..., K, 3] aligned predictions in mm.
    """
    prediction, target = np.asarray(prediction_mm, np.float64), np.asarray(target_mm, np.float64)
    target_mean = target.mean(axis=-2, keepdims=True)
    prediction = prediction - prediction.mean(axis=-2, keepdims=True)
    covariance = np.swapaxes(target - target_mean, -1, -2) @ prediction
    u, singular, vt = np.linalg.svd(covariance)
    # Turn the weakest axis where the best orthogonal matrix would be a reflection.
    sign = np.ones_like(singular)
    sign[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    spread = np.sum(prediction**2, axis=(-2, -1))
    scale = np.sum(singular * sign, axis=-1) / np.where(spread > 0, spread, 1.0)
    return scale[..., None, None] * (prediction @ np.swapaxes(rotation, -1, -2)) + target_mean


def aligned(
    prediction: NDArray[np.float64], target: NDArray[np.float64], protocol: Protocol
) -> NDArray[np.float64]:
    """Return the prediction after the alignment of the protocol."""
    if protocol.alignment == "procrustes":
        return pa_align(prediction, target)
    if protocol.alignment == "root":
        shift = target[:, protocol.root] - prediction[:, protocol.root]
        return prediction + shift[:, None]
    return prediction


def evaluate_pose(
    prediction_mm: ArrayLike,
    target_mm: ArrayLike,
    protocol: Protocol,
    *,
    weight: ArrayLike | None = None,
) -> dict[str, Any]:
    """Compute the numbers of a protocol.

    Args:
        prediction_mm: [N, K, 3] joints in mm.
        target_mm: [N, K, 3] joints in mm.
        protocol: The conditions, one of `PROTOCOLS`.
        weight: [N] or [N, K], 0 where a joint is not labelled (alignments still use all joints);
            None means all are.

    Returns:
        `protocol` (name), `samples`, `auc`, `mean_error_mm`, `median_error_mm`,
        `mean_depth_error_mm` (mean |z difference|, the second metric of the paper),
        `thresholds_mm` [T] and `pck` [T]. With `per_joint_mean` the mean and the median are taken
        per joint and then averaged.

    Raises:
        ValueError: If the shapes do not fit, there is no sample, a value is not finite, or the
            hands are so small that they seem to be in metres.
    """
    if not isinstance(protocol, Protocol):
        raise ValueError(f"`protocol` must be one of `PROTOCOLS`. Received: {protocol!r}")
    prediction, target = np.asarray(prediction_mm, np.float64), np.asarray(target_mm, np.float64)
    if prediction.shape != target.shape or target.ndim != 3 or target.shape[-1] != 3:
        raise ValueError(
            "`prediction_mm` and `target_mm` must be of one shape [N, K, 3]. "
            f"Received: shapes={prediction.shape}, {target.shape}"
        )
    for name, array in (("prediction_mm", prediction), ("target_mm", target)):
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise ValueError(f"`{name}` must be finite. Received: {bad} values that are not")
    size_mm = float(np.median(np.ptp(target, axis=1).max(axis=-1))) if target.size else 0.0
    if 0.0 < size_mm < LEAST_HAND_MM:
        raise ValueError(
            f"`target_mm` must be in mm. Received: hands {size_mm:.3g} large (median); metres?"
        )
    prediction = aligned(prediction, target, protocol) if len(target) else prediction
    if weight is not None:
        weight = np.asarray(weight)
        if weight.shape not in (target.shape[:1], target.shape[:2]):
            raise ValueError(
                f"`weight` must have shape [N] or [N, K], of {target.shape[0]} samples with "
                f"{target.shape[1]} joints. Received: shape={weight.shape}"
            )
        weight = weight[:, None] if weight.ndim == 1 else weight
    errors_mm = joint_errors_mm(prediction, target)
    depth_errors_mm = np.abs(prediction - target)[..., 2]
    mask = _labelled(errors_mm, weight)
    if not protocol.includes_root:
        errors_mm = np.delete(errors_mm, protocol.root, axis=1)
        depth_errors_mm = np.delete(depth_errors_mm, protocol.root, axis=1)
        mask = np.delete(mask, protocol.root, axis=1)
    per_joint = protocol.per_joint_mean
    pck = pck_curve(errors_mm, protocol.thresholds_mm, per_joint=per_joint, weight=mask)
    return {
        "protocol": protocol.name,
        "samples": int(mask.any(axis=1).sum()),
        "auc": auc(protocol.thresholds_mm, pck),
        "mean_error_mm": float(_over_joints(errors_mm, mask, per_joint)),
        "median_error_mm": _median(errors_mm, mask, per_joint),
        "mean_depth_error_mm": float(_over_joints(depth_errors_mm, mask, per_joint)),
        "thresholds_mm": np.array(protocol.thresholds_mm),
        "pck": pck,
    }


def _median(errors: NDArray[np.float64], mask: NDArray[np.bool_], per_joint: bool) -> float:
    """Return the median of labelled errors: mean over joints of theirs, or of all together."""
    if not per_joint:
        return float(np.median(errors[mask]))
    columns = [errors[mask[:, k], k] for k in range(errors.shape[1]) if mask[:, k].any()]
    return float(np.mean([np.median(column) for column in columns]))
