"""Kinds of hands: what a labelled hand counts as, the numbers of each kind, and the worst of them.

A mean hides who a model fails: report the worst group beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import Numbers, summary
from kerashand.skeleton import FINGERS, INDEX_MCP, LITTLE_MCP, ROOT

ALL = "all"
FEWEST = 15
"""Hands of a group that may be called the worst."""
KNUCKLES = tuple(FINGERS[finger][0] for finger in ("index", "middle", "ring", "little"))
EDGE_ON = 0.25
"""Sine of the angle between index and little knuckle, seen from the wrist."""
SKIN = ((85.0, "dark"), (150.0, "medium"), (256.0, "light"))
"""Brightness (luma) of the hand in the picture below which it counts as a kind."""
POSES: dict[tuple[bool, ...], str] = {
    (False, False, False, False): "fist",
    (True, False, False, False): "pointing",
    (True, True, True, True): "open",
}
"""Which fingers but the thumb are straight."""
WORST_BY = {
    "mean_error_px": (1, "{:.1f} px"),
    "hands_above_15px": (1, "{:.1%} of the hands above 15 px"),
    "recall": (-1, "{:.3f} of the hands found"),
    "handedness": (-1, "handedness right in {:.3f}"),
}
"""Numbers by which a group is the worst, 1 where more is worse, -1 where less is; their words."""


def groups_of(rgb: NDArray, uv_px: NDArray, is_right: bool) -> list[str]:
    """What a labelled hand counts as: its handedness, view, pose and brightness.

    Args:
        rgb: [H, W, 3] of 0..255.
        uv_px: [21, 2] pixels of it.
        is_right: whether the picture shows a right hand.
    """
    index, little = uv_px[INDEX_MCP] - uv_px[ROOT], uv_px[LITTLE_MCP] - uv_px[ROOT]
    lengths = np.linalg.norm(index) * np.linalg.norm(little)
    sine = (index[0] * little[1] - index[1] * little[0]) / max(lengths, 1e-6)
    # Fingers up and the palm to the camera: the little finger of a right hand is on the left.
    view = "palm" if (sine < 0) == is_right else "back"
    if abs(sine) < EDGE_ON:
        view = "edge"
    reach = np.linalg.norm(uv_px - uv_px[ROOT], axis=1)
    straight = tuple(bool(reach[first + 3] > reach[first + 1]) for first in KNUCKLES)
    return [
        f"handedness: {'right' if is_right else 'left'}",
        f"view: {view}",
        f"pose: {POSES.get(straight, 'some fingers')}",
        f"skin in the picture: {_brightness(rgb, uv_px)}",
    ]


def _brightness(rgb: NDArray, uv_px: NDArray) -> str:
    middles = np.concatenate([(uv_px[ROOT] + uv_px[list(KNUCKLES)]) / 2, uv_px[[5, 9, 13]]])
    columns, rows = np.clip(np.rint(middles).astype(int), 0, np.array(rgb.shape[1::-1]) - 1).T
    luma = float(np.median(rgb[rows, columns] @ [0.299, 0.587, 0.114]))
    return next(name for limit, name in SKIN if luma < limit)


def by_group(
    predictions: Predictions, groups: Sequence[set[str]], protocol: str | None = None
) -> dict[str, Numbers]:
    """The summary of each group, "all" first; a square may be of several groups.

    Args:
        predictions: on N squares.
        groups: N sets of names; those in `ALL` are in the first row.
        protocol: see `summary`.
    """
    names = sorted(set().union(*groups), key=lambda name: (name != ALL, name))
    return {
        name: summary(predictions.only(np.array([name in of for of in groups])), protocol)
        for name in names
    }


def worst_group(rows: Mapping[str, Mapping[str, Any]], key: str) -> str | None:
    """The name of the worst group of at least `FEWEST` hands; None if none has the number.

    Args:
        rows: name of a group -> `summary` or `detection_summary`; "all" is no group.
        key: a number of `WORST_BY`.
    """
    sign, _ = WORST_BY[key]
    large = [
        name
        for name, row in rows.items()
        if name != ALL and key in row and row["hands" if "hands" in row else "samples"] >= FEWEST
    ]
    return max(large, key=lambda name: sign * rows[name][key]) if large else None


def worst_in_words(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each number of `WORST_BY`; none where no group is large enough."""
    worst = {key: worst_group(rows, key) for key in WORST_BY}
    return [
        f"Worst group of at least {FEWEST} hands: {name}, {form.format(rows[name][key])}."
        for (key, name), (_, form) in zip(worst.items(), WORST_BY.values(), strict=True)
        if name is not None
    ]
