"""Single hands with their pictures: which ones, and all that is drawn of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerashand.evaluation.predictions import (
    Arrays,
    Predictor,
    as_numpy,
    is_hand_of,
    measured_depth,
    outputs_of,
)


def spread(count: int, wanted: int) -> list[int]:
    """At most so many of 0 .. count - 1, spread over them."""
    return np.unique(np.linspace(0, count - 1, wanted).astype(int)).tolist() if count else []


def samples_shown(
    predictor: Predictor, batches: Iterable[Mapping[str, Any]], chosen: Mapping[int, str]
) -> list[dict[str, Any]]:
    """What a model gives for some hands, with their pictures.

    Args:
        predictor: the model.
        batches: those of `kerashand.evaluation.predictions.predict`, gone through once more.
        chosen: number of a hand -> the group under which it is shown. Squares without a hand have
            no number.

    Returns:
        In the order of `chosen`, each with `number`, `group`, `image` [S, S, 3] uint8, `uv_px`,
        `uv_true_px`, `xyz_mm`, `xyz_true_mm` (None if not known), `scale_mm`, `window_mm`,
        `measured` and `measured_weight` [D, D] (None if nothing was measured), and `generated`
        [D, D] (None without a regularizer).
    """
    found, first = [], 0
    for tensors in batches:
        if first > max(chosen, default=-1):
            break
        batch = as_numpy(tensors)
        hands = np.flatnonzero(is_hand_of(batch))
        here = [n for n in chosen if first <= n < first + len(hands)]
        if here:
            rows = hands[np.array(here) - first]
            part = {name: value[rows] for name, value in batch.items()}
            found += _pictures(predictor, part, [(n, chosen[n]) for n in here])
        first += len(hands)
    order = list(chosen)
    return sorted(found, key=lambda shown: order.index(shown["number"]))


def _pictures(
    predictor: Predictor, batch: Arrays, named: Sequence[tuple[int, str]]
) -> list[dict[str, Any]]:
    output, xyz = outputs_of(predictor, batch)
    drawn = None
    if predictor.generate_depth is not None:
        drawn = predictor.generate_depth(batch["uv_px"], output["z_relative"])[..., 0]
    results, (measured, weight, window_mm) = [], measured_depth(predictor, batch)
    for row, (number, group) in enumerate(named):
        has_xyz = batch["z_weight"][row] > 0
        has_depth = (weight[row] > 0).any()
        results.append(
            {
                "number": number,
                "group": group,
                "image": np.rint(batch["image"][row]).astype(np.uint8),
                "uv_px": output["uv_px"][row],
                "uv_true_px": batch["uv_px"][row],
                "xyz_mm": xyz[row],
                "scale_mm": float(batch["scale_mm"][row]),
                "window_mm": float(window_mm[row]),
                "xyz_true_mm": batch["xyz_mm"][row].astype(float) if has_xyz else None,
                "measured": measured[row, ..., 0] if has_depth else None,
                "measured_weight": weight[row, ..., 0] if has_depth else None,
                "generated": None if drawn is None else drawn[row],
            }
        )
    return results
