"""A model run over a labelled data set: everything about each sample that a report needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.evaluation.errors import errors_of_2d, errors_of_3d, mean_of_each
from kerashand.evaluation.groups import ALL, by_group, groups_of
from kerashand.evaluation.predictions import (
    JUDGED_SCALES,
    Arrays,
    Predictions,
    Predictor,
    predict,
)
from kerashand.evaluation.samples import samples_shown
from kerashand.evaluation.summary import Numbers
from kerashand.geometry.depth import normalised_joint_depth, window_width_mm
from kerashand.geometry.palm import palm_frames
from kerashand.metrics import PROTOCOLS, auc
from kerashand.skeleton import ROOT

OCCLUDED_MM = 25.0
"""A joint is hidden where the measured surface lies so much before its centre: a finger's half
width and the noise of a sensor do not reach that far."""
LUMA = np.array([0.299, 0.587, 0.114])


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What a model gave on a data set.

    Attributes:
        name: of the model.
        data: what it ran on, in words; two assessments of one text are of the same samples.
        protocol: a name in `kerashand.metrics.PROTOCOLS`.
        scale_bone: whose true length gave the scale.
        numbers: the summary of all, see `kerashand.evaluation.summary`.
        arrays: over N samples; NaN where something is not known. `error_mm`, `depth_error_mm`,
            `error_px` (of the crop drawn 256 px wide), `confidence`, `occluded` (0 or 1), all
            [N, K]; `auc`, `yaw_deg` (0: palm to the camera, 180: back), `distance_mm`,
            `brightness` (0..1), `box_px` (longer side of the joints' box, of 256), `depth_map_mm`
            (mean difference of generated and measured depth maps), [N]. Squares without a hand are
            left out.
        shown: samples with pictures.
        groups: the summary of each kind of hand.
    """

    name: str
    data: str
    protocol: str
    scale_bone: str
    numbers: dict[str, Any]
    arrays: Arrays
    shown: tuple[dict[str, Any], ...] = ()
    groups: Mapping[str, Numbers] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.arrays["error_px"])


def assess(
    predictor: Predictor,
    batches: Iterable[Mapping[str, Any]],
    *,
    data: str,
    protocol: str,
    gallery: int = 4,
    shown: Sequence[int] | None = None,
) -> Assessment:
    """Run a model over batches of `kerashand.data.pipeline.evaluation_batches`.

    Args:
        predictor: the model.
        batches: can be gone through twice; the second time pictures are taken for the gallery.
            Their depth maps are those of `JUDGED_SCALES` and `JUDGED_MAP_PX`; where the model draws
            some, `OWN_MAP` and `OWN_WEIGHT` hold the measured ones to compare them with.
        data: in words.
        protocol: a name in `PROTOCOLS`.
        gallery: how many of the best, the median and the worst samples are shown.
        shown: numbers of the samples to show instead, group "chosen"; those beyond the set are
            left out.

    Raises:
        UserError: when no square holds a hand.
    """

    def more(batch: Arrays) -> Arrays:
        return {
            "occluded": hidden_joints(batch),
            "distance_mm": batch["root_depth_mm"].astype(np.float64),
            "brightness": batch["image"].mean(axis=(1, 2)) @ LUMA / 255.0,
            "kinds": _kinds(batch),
        }

    predictions = predict(predictor, batches, more=more)
    if not len(predictions.hands):
        raise UserError(f"There is no hand to measure among {data}.")
    arrays = _arrays_of(predictions.hands, protocol)
    chosen = chosen_samples(arrays, gallery)
    if shown is not None:
        chosen = {n: "chosen" for n in shown if n < len(arrays["auc"])}
    groups = [{ALL, *kinds} for kinds in predictions.more["kinds"]]
    numbers = by_group(predictions, groups, protocol)
    return Assessment(
        name=predictor.name, data=data, protocol=protocol,
        scale_bone=predictor.scale_bone, numbers=numbers.pop(ALL), arrays=arrays,
        shown=tuple(samples_shown(predictor, batches, chosen)), groups=numbers,
    )  # fmt: skip


def _kinds(batch: Arrays) -> NDArray:
    """[B] of tuples: the kinds of each hand of which all points are labelled."""
    kinds = np.empty(len(batch["uv_px"]), object)
    for row, (image, uv_px, weight) in enumerate(
        zip(batch["image"], batch["uv_px"], batch["uv_weight"], strict=True)
    ):
        # All pictures show right hands: the handedness is no group.
        found = groups_of(image, uv_px, True)[1:] if (weight > 0).all() else ()
        kinds[row] = tuple(found)
    return kinds


def _arrays_of(hands: Predictions, protocol: str) -> Arrays:
    """What is known of each hand, see `Assessment`."""
    assert hands.xyz_true_mm is not None  # labelled hands have all three
    assert hands.depth_l1 is not None
    assert hands.window_mm is not None
    errors = errors_of_2d(hands) | errors_of_3d(hands, protocol)
    in_3d = np.isfinite(errors["error_mm"]).all(axis=1)
    return errors | {
        "confidence": hands.confidence,
        "occluded": hands.more["occluded"],
        "auc": _auc_of_each(errors["error_mm"], protocol),
        "yaw_deg": np.where(in_3d, palm_angle_deg(hands.xyz_true_mm), np.nan),
        "distance_mm": hands.more["distance_mm"],
        "brightness": hands.more["brightness"],
        "depth_map_mm": hands.depth_l1 * hands.window_mm,
    }


def _auc_of_each(errors: NDArray, protocol: str) -> NDArray:
    """[N] area of the PCK curve of each sample; their mean is that of all where joints agree."""
    chosen = PROTOCOLS[protocol]
    counted = errors if chosen.includes_root else np.delete(errors, chosen.root, axis=1)
    thresholds = np.array(chosen.thresholds_mm)
    return np.array(
        [
            auc(thresholds, (row[:, None] <= thresholds).mean(axis=0))
            if np.isfinite(row).all()
            else np.nan
            for row in counted
        ]
    )


def palm_angle_deg(xyz_mm: NDArray) -> NDArray[np.float64]:
    """Angle [N] between the palm's normal and the way to the camera, of right hands.

    Convention: 0 where the palm faces the camera, 90 edge-on, 180 where its back does.

    Args:
        xyz_mm: [N, K, 3] in the camera's frame.
    """
    wrist = xyz_mm[:, ROOT]
    out = palm_frames(xyz_mm)[0][:, 2]
    cosine = -(out * wrist).sum(axis=1) / np.maximum(np.linalg.norm(wrist, axis=1), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def hidden_joints(batch: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """[N, K] 1 where the measured depth lies before a joint, 0 where not, NaN where unknown.

    Args:
        batch: whose depth maps are in the window of `JUDGED_SCALES`.
    """
    depth, weight = batch["depth_map"][..., 0], batch["depth_weight"][..., 0]
    count, side = depth.shape[:2]
    joints = normalised_joint_depth(batch["z_relative"], half_width_scales=JUDGED_SCALES)
    size_px = batch["image"].shape[1]
    cell = np.clip(((batch["uv_px"] + 0.5) * side / size_px).astype(int), 0, side - 1)
    rows = np.arange(count)[:, None]
    surface, seen = (
        depth[rows, cell[..., 1], cell[..., 0]],
        weight[rows, cell[..., 1], cell[..., 0]],
    )
    window_mm = window_width_mm(batch["scale_mm"], half_width_scales=JUDGED_SCALES)[:, None]
    known = (seen > 0) & (batch["z_weight"] > 0)[:, None]
    return np.where(known, ((surface - joints) * window_mm > OCCLUDED_MM).astype(float), np.nan)


def error_name(arrays: Mapping[str, NDArray]) -> str:
    """The array of errors that samples are judged by: of mm where all are known, else of pixels."""
    return "error_mm" if np.isfinite(arrays["error_mm"]).all() else "error_px"


def sample_error(arrays: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """[N] the error by which samples are ordered."""
    return mean_of_each(arrays[error_name(arrays)])


def chosen_samples(arrays: Mapping[str, NDArray], count: int) -> dict[int, str]:
    """Number of a sample -> "best", "median" or "worst"."""
    order = np.argsort(sample_error(arrays), kind="stable")
    count = min(count, len(order) // 3 or 1)
    middle = (len(order) - count) // 2
    groups = {
        "worst": order[::-1][:count], "median": order[middle : middle + count],
        "best": order[:count],
    }  # fmt: skip
    return {int(number): group for group, numbers in groups.items() for number in numbers}
