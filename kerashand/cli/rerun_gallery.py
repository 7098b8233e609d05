"""`kerashand-eval --rerun`: the hands of the galleries, with their truth and their depth maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerashand.cli.rerun_log import PIXEL_MIDDLE, ended, log_skeleton, started
from kerashand.visualize.images import TRUTH_COLOUR

if TYPE_CHECKING:
    from kerashand.reports.assessment import Assessment

MM_PER_M = 1000.0


def log_galleries(
    target: str | bool, assessments: Sequence[Assessment], names: Sequence[str]
) -> None:
    """Log the hands that the reports show, a step of the timeline `hand` each.

    Of each model there is an entity: `picture` with the predicted joints and, in grey, the true
    ones; `space` with the same in the camera's frame, in mm; `depth/measured` and
    `depth/generated`, as far as they exist.

    Args:
        target: a file, or the viewer.
        assessments: of the models.
        names: of the models, as the report tells them apart.

    Raises:
        UserError: If the file cannot be written.
    """
    import rerun

    stream = started(target, "kerashand-eval")
    try:
        for assessment, name in zip(assessments, names, strict=True):
            stream.log([name, "space"], rerun.ViewCoordinates.RDF, static=True)
            for step, shown in enumerate(assessment.shown):
                stream.set_time("hand", sequence=step)
                _log_hand(stream, name, shown)
    finally:
        ended(stream)


def _log_hand(stream: Any, name: str, shown: Mapping[str, Any]) -> None:
    import rerun

    told = f"{shown['group']}: hand {shown['number']}"
    stream.log([name, "words"], rerun.TextLog(told))
    stream.log([name, "picture"], rerun.Image(shown["image"]))
    for what, uv, xyz, colour in (
        ("predicted", "uv_px", "xyz_mm", None),
        ("true", "uv_true_px", "xyz_true_mm", TRUTH_COLOUR),
    ):
        log_skeleton(stream, [name, "picture", what], shown[uv] + PIXEL_MIDDLE, colour=colour)
        if shown[xyz] is None:
            stream.log([name, "space", what], rerun.Clear(recursive=True))
        else:
            log_skeleton(stream, [name, "space", what], np.asarray(shown[xyz]), colour=colour)
    for what in ("measured", "generated"):
        place = [name, "depth", what]
        if shown[what] is None:
            stream.log(place, rerun.Clear(recursive=False))
            continue
        depth_mm = depth_of_map_mm(
            shown[what],
            shown["measured_weight"] if what == "measured" else None,
            window_mm=shown["window_mm"],
            wrist_mm=float(shown["xyz_mm"][0][2]),
        )
        stream.log(place, rerun.DepthImage(depth_mm, meter=MM_PER_M))


def depth_of_map_mm(depth, weight, *, window_mm: float, wrist_mm: float) -> np.ndarray:
    """The depth before the camera that a map stands for; 0 where nothing was measured.

    Args:
        depth: [D, D] of 0 (far end of the window) to 1 (near end).
        weight: [D, D], 0 where nothing was measured, or None.
        window_mm: width of the window, in whose middle the wrist is.
        wrist_mm: depth of the wrist.
    """
    depth_mm = np.maximum(wrist_mm + (0.5 - np.asarray(depth)) * window_mm, 0.0)
    if weight is not None:
        depth_mm = np.where(np.asarray(weight) > 0, depth_mm, 0.0)
    return depth_mm.astype(np.float32)
