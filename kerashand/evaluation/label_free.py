"""How good a model is on a recording of one hand, told without any 3D label.

The points that `kerashand-data label` read from a depth picture are compared with predicted joints,
in 3D: they are right to less than what a model is off that sees colour alone. Where no depth came
with the points, two numbers are compared with what a recording knows. Visible joints lie behind the
skin that was measured at their points. And the bones of one hand have the same lengths in all
frames: a hand that is tilted or bent wrongly shows longer and shorter ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from keras import ops

from kerashand.evaluation.predictions import Predictor, as_numpy, in_camera, outputs_of
from kerashand.geometry.root_depth import PALM_RATIOS
from kerashand.geometry.surface import joints_by_skin
from kerashand.skeleton import BONES

LEAST_SURE = 0.3
"""Of where a joint lies behind the skin; others are not compared."""
SPREAD_WEIGHT = 2.0
"""What a millimetre of `bone_spread_mm` counts in the score."""


def label_free(predictor: Predictor, batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Measure a model on frames of one hand.

    Args:
        predictor: the model.
        batches: with `uv_px` labelled, `depth_map` in the window of the model, the depth of the
            wrist and the scale; those of frames without depth tell about points alone.

    Returns:
        `points_px`: mean distance of predicted from labelled points, in pixels of the model's
        input. With depth also `surface_mm`: median distance of visible joints, along the view, from
        where the measured skin says that they are; `bone_spread_mm`: standard deviation of the
        lengths of bones over the frames, mean of 20 bones. With the depth of points also
        `points_mm`: mean distance of predicted joints from them. `score`, lower is better:
        `points_mm`; else `surface_mm` + `SPREAD_WEIGHT` * `bone_spread_mm`; else `points_px`.
    """
    off_px, off_mm, lengths, from_points = [], [], [], []
    for tensors in batches:
        batch = as_numpy(tensors)
        output, xyz_mm = outputs_of(predictor, batch)
        known = batch["uv_weight"] > 0
        off_px.append(np.linalg.norm(output["uv_px"] - batch["uv_px"], axis=-1)[known])
        off_mm.append(_off_the_skin(predictor, batch, output["z_relative"]))
        ends = xyz_mm[:, np.array(BONES)]
        lengths.append(np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=-1))
        from_points.append(_off_the_points(predictor, batch, xyz_mm))
    numbers = {"points_px": _mean(np.concatenate(off_px))}
    surface_mm = np.concatenate(off_mm)
    if not surface_mm.size:
        return numbers | {"score": numbers["points_px"]}
    spread = float(np.concatenate(lengths).std(axis=0).mean())
    numbers |= {"surface_mm": float(np.median(surface_mm)), "bone_spread_mm": spread}
    points_mm = np.concatenate(from_points)
    if points_mm.size:
        return numbers | {"points_mm": _mean(points_mm), "score": _mean(points_mm)}
    return numbers | {"score": numbers["surface_mm"] + SPREAD_WEIGHT * spread}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _off_the_points(predictor: Predictor, batch: Mapping[str, np.ndarray], xyz_mm) -> np.ndarray:
    """Distances in mm of joints from points whose depth is known."""
    if "point_depth_weight" not in batch:
        return np.zeros(0)
    points = in_camera(predictor, batch, uv_px=batch["uv_px"], z_relative=batch["point_depth"])
    known = batch["point_depth_weight"] > 0
    return np.linalg.norm(xyz_mm - points, axis=-1)[known]


def _off_the_skin(predictor: Predictor, batch: Mapping[str, np.ndarray], z_relative) -> np.ndarray:
    """Distances in mm of all visible joints of a batch."""
    palm = PALM_RATIOS[predictor.scale_bone][0]
    expected, weight, hidden, sure = (
        ops.convert_to_numpy(value)
        for value in joints_by_skin(
            batch,
            z_relative.astype(np.float32),
            palm_scales=palm,
            half_width_scales=predictor.half_width_scales,
            image_size_px=predictor.image_size_px,
        )
    )
    seen = (weight > 0) & (hidden == 0) & (batch["uv_weight"] > 0) & (sure >= LEAST_SURE)
    palm_mm = (batch["scale_mm"] * palm)[:, None]
    return np.abs((expected - z_relative / palm) * palm_mm)[seen]
