"""The numbers of an evaluation: one function for squares around hands, one for whole pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerashand.evaluation.errors import (
    PCK_2D_SHARE,
    errors_of_2d,
    hits,
    joint_calibration,
    lost,
)
from kerashand.evaluation.predictions import Predictions
from kerashand.metrics import PROTOCOLS, Protocol, depth_slope, evaluate_pose, joint_errors_mm
from kerashand.metrics_detection import Matches, evaluate_detector
from kerashand.metrics_offsets import joint_offsets, without_offsets
from kerashand.skeleton import ROOT

OFFSET_HANDS = 20
"""Hands from which on mean offsets of joints are more than chance."""
EVEN_ODDS = 0.5

Numbers = dict[str, Any]


def summary(predictions: Predictions, protocol: str | None = None) -> Numbers:
    """All numbers that can be computed of predictions; what is not known is left out.

    Errors are those of hands: squares without a hand count for `empty_seen` alone.

    Args:
        predictions: on squares.
        protocol: name in `kerashand.metrics.PROTOCOLS` of the numbers in 3D.

    Returns:
        Plain numbers, and lists of them:

        - `samples`: hands;
        - in 3D, where all hands have true joints: those of `kerashand.metrics.evaluate_pose`;
        - `mean_error_px`, `median_error_px`; `pck_2d`, the share of points within `PCK_2D_SHARE` of
          the box; `depth_map_l1` and `depth_map_mm` of generated depth maps;
        - `hands_above_15px`: share of hands that are lost, see `errors.LOST_PX`;
        - `procrustes_mm`: mean error after Procrustes; `depth_slope`;
        - `calibration_error` of the confidence of joints;
        - `handedness`: share of pictures whose handedness is right; `handedness_right`,
          `handedness_left`: of hands of this handedness, as they are; with `_mirrored` their mirror
          images; `handedness_worst`: the lowest of these;
        - `hands_seen`: share of hands that the model says are hands; `empty_seen`: share of the
          `empty_squares` without a hand of which it says the same;
        - `joint_offsets`, three numbers for each joint; `mean_without_offsets_mm` and
          `auc_without_offsets`: see `kerashand.metrics_offsets`;
        - `root_mean_mm`, `root_median_mm`, `root_share`, `camera_mean_mm`: how far the depth of the
          wrist that is solved for is off, and the joints with it.

    Raises:
        ValueError: As `evaluate_pose`.
    """
    hands = predictions.hands
    numbers: Numbers = {"samples": len(hands)}
    rules = None
    if protocol is not None and len(hands) > 0 and predictions.in_3d:
        rules = PROTOCOLS[protocol]
        numbers |= _listed(evaluate_pose(*hands.joints_mm, rules))
    if len(hands) and hands.uv_px is not None:
        numbers |= _in_2d(hands)
    numbers |= _depth_maps(hands)
    if rules is not None:
        numbers |= _more_in_3d(hands, rules)
    return numbers | _handedness(hands) | _presence(predictions)


def _listed(numbers: Numbers) -> Numbers:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in numbers.items()}


def _in_2d(hands: Predictions) -> Numbers:
    arrays = errors_of_2d(hands)
    known = np.isfinite(arrays["error_px"])
    if not known.any():
        return {}
    pixels = arrays["error_px"][known]
    numbers = {
        "mean_error_px": float(pixels.mean()),
        "median_error_px": float(np.median(pixels)),
        "pck_2d": float(hits(arrays, PCK_2D_SHARE).mean()),
        "hands_above_15px": float(lost(arrays).mean()),
    }
    if hands.confidence is not None:
        found = joint_calibration(arrays, hands.confidence, shown_px=hands.shown_px)
        numbers["calibration_error"] = found.error
    return numbers


def _depth_maps(hands: Predictions) -> Numbers:
    if hands.depth_l1 is None or not np.isfinite(hands.depth_l1).any():
        return {}
    return {
        "depth_map_l1": float(np.nanmean(hands.depth_l1)),
        "depth_map_mm": float(np.nanmean(hands.depth_l1 * hands.window_mm)),
    }


def _more_in_3d(hands: Predictions, protocol: Protocol) -> Numbers:
    own, true = hands.joints_mm
    procrustes = evaluate_pose(own, true, PROTOCOLS["freihand-pa"])
    numbers = {
        "procrustes_mm": procrustes["mean_error_mm"],
        "depth_slope": depth_slope(own, true),
    }
    if len(hands) >= OFFSET_HANDS:
        moved = evaluate_pose(own, without_offsets(own, true), protocol)
        numbers["mean_without_offsets_mm"] = moved["mean_error_mm"]
        numbers["auc_without_offsets"] = moved["auc"]
        numbers["joint_offsets"] = joint_offsets(own, true).tolist()
    if hands.xyz_solved_mm is not None:
        solved = hands.xyz_solved_mm
        off_mm = np.abs(solved[:, ROOT, 2] - true[:, ROOT, 2])
        numbers |= {
            "root_mean_mm": float(off_mm.mean()),
            "root_median_mm": float(np.median(off_mm)),
            "root_share": float((off_mm / true[:, ROOT, 2]).mean()),
            "camera_mean_mm": float(joint_errors_mm(solved, true).mean()),
        }
    return numbers


def _handedness(hands: Predictions) -> Numbers:
    if hands.p_right is None or not len(hands):
        return {}
    is_right = np.ones(len(hands), bool) if hands.is_right is None else hands.is_right > 0
    correct = {"": (hands.p_right >= EVEN_ODDS) == is_right}
    if hands.p_right_mirrored is not None:
        correct["_mirrored"] = (hands.p_right_mirrored < EVEN_ODDS) == is_right
    numbers = {"handedness": float(np.mean(list(correct.values())))}
    parts = {
        f"handedness_{handedness}{how}": float(right[chosen].mean())
        for how, right in correct.items()
        for handedness, chosen in (("right", is_right), ("left", ~is_right))
        if chosen.any()
    }
    return numbers | {"handedness_worst": min(parts.values())} | parts


def _presence(predictions: Predictions) -> Numbers:
    empty = np.zeros(len(predictions), bool)
    if predictions.is_hand is not None:
        empty = ~(predictions.is_hand > 0)
    numbers: Numbers = {"empty_squares": int(empty.sum())} if empty.any() else {}
    if predictions.p_hand is not None:
        said = predictions.p_hand >= predictions.least_hand
        for name, chosen in (("hands_seen", ~empty), ("empty_seen", empty)):
            if chosen.any():
                numbers[name] = float(said[chosen].mean())
    return numbers


def detection_summary(matches: Sequence[Matches], threshold: float = 0.0) -> Numbers:
    """The numbers of whole pictures.

    Args:
        matches: of each picture, see `kerashand.metrics_detection.match_boxes`.
        threshold: score from which on a box counts.

    Returns:
        `pictures`, `hands`; where there are hands `precision`, `recall` and `average_precision`;
        where one was found `handedness`, the share of the hands found whose handedness is
        right; where there are pictures without hands `empty_pictures`, and
        `empty_seen`, the share of them that show one.
    """
    empty = [one for one in matches if not one.hands]
    numbers: Numbers = {"pictures": len(matches), "hands": sum(one.hands for one in matches)}
    if numbers["hands"]:
        result = evaluate_detector(matches, [threshold])
        numbers |= {
            "precision": float(result.precision[0]),
            "recall": float(result.recall[0]),
            "average_precision": result.average_precision,
        }
        if np.isfinite(result.handedness_accuracy[0]):
            numbers["handedness"] = float(result.handedness_accuracy[0])
    if empty:
        seen = [bool((one.score >= threshold).any()) for one in empty]
        numbers |= {"empty_pictures": len(empty), "empty_seen": float(np.mean(seen))}
    return numbers
