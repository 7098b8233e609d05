"""Assessments as JSON, to read again and compare, and as CSV, one row a sample."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError, shown
from kerashand.files import read_text
from kerashand.metrics import PROTOCOLS
from kerashand.reports.assessment import Assessment, error_name, sample_error
from kerashand.skeleton import JOINT_NAMES, NUM_JOINTS
from kerashand.untrusted import as_numbers, parse_json

FORMAT = "kerashand-eval 3"
PER_JOINT = ("error_mm", "depth_error_mm", "error_px", "confidence", "occluded")
LISTED = ("pck", "thresholds_mm")
"""Of the summary, with `OFFSETS`; the rest are single numbers."""
OFFSETS = "joint_offsets"
UNLIKE = 0.05
"""Of a mean: means over joints and over samples differ by less."""
PER_SAMPLE = ("auc", "yaw_deg", "distance_mm", "brightness", "box_px", "depth_map_mm")


def as_json(assessment: Assessment, versions: dict[str, Any]) -> str:
    """Numbers, conditions and everything about each sample but its picture."""
    content = {
        "format": FORMAT, "model": assessment.name, "data": assessment.data,
        "protocol": assessment.protocol, "scale_bone": assessment.scale_bone,
        "conditions": PROTOCOLS[assessment.protocol].conditions_with(assessment.scale_bone),
        "versions": versions, "numbers": assessment.numbers, "groups": dict(assessment.groups),
        "samples": {name: _listed(assessment.arrays[name]) for name in PER_JOINT + PER_SAMPLE},
    }  # fmt: skip
    return json.dumps(content) + "\n"


def _listed(values: np.ndarray) -> list:
    """Numbers with five digits; null for what is not known."""
    if values.ndim == 2:
        return [_listed(row) for row in values]
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def from_json(path: Path) -> Assessment:
    """An assessment that `as_json` wrote; it has no pictures.

    Raises:
        UserError: when it is no such file.
    """
    try:
        content = parse_json(read_text(path))
        if content["format"] != FORMAT:
            raise UserError(f"{path} is of another version: {shown(content['format'])}.")
        samples = content["samples"]
        arrays = {name: as_numbers(samples[name], np.float64) for name in PER_JOINT + PER_SAMPLE}
        count = len(arrays["auc"])
        shapes = {arrays[name].shape for name in PER_JOINT}
        if not count or shapes != {(count, NUM_JOINTS)} or content["protocol"] not in PROTOCOLS:
            raise ValueError("its arrays do not fit together")
        if any(arrays[name].shape != (count,) for name in PER_SAMPLE):
            raise ValueError("its arrays do not fit together")
        for key in ("samples", "mean_error_px", f"mean_{error_name(arrays)}"):
            if key not in content["numbers"]:
                raise ValueError(f"`numbers` lacks {key}")
        _check_errors(arrays, content["numbers"])
        return Assessment(
            name=str(content["model"]), data=str(content["data"]), protocol=content["protocol"],
            scale_bone=str(content["scale_bone"]), numbers=_summary(content["numbers"]),
            arrays=arrays, groups=_groups(content.get("groups", {})),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no report of `kerashand-eval --json`, or it is damaged: {str(error)[:200]}"
        ) from error


def _check_errors(arrays: dict[str, np.ndarray], numbers: Any) -> None:
    """Refuse errors that are below 0, and a mean that is not theirs."""
    if any((arrays[name] < 0).any() for name in ("error_mm", "depth_error_mm", "error_px")):
        raise ValueError("an error is negative")
    judged = error_name(arrays)
    if np.isfinite(arrays[judged]).all():
        mean, said = float(arrays[judged].mean()), float(numbers[f"mean_{judged}"])
        if not abs(mean - said) <= UNLIKE * mean:
            raise ValueError(f"its mean_{judged} is {said:g}, that of its samples {mean:.4g}")


def _summary(numbers: Any) -> dict[str, Any]:
    """The summary, if all in it but the protocol's name are numbers, or lists of them."""
    if not isinstance(numbers, dict):
        raise ValueError("`numbers` is no mapping")
    for name, value in numbers.items():
        values = value if name in LISTED and isinstance(value, list) else [value]
        if name == OFFSETS:
            if as_numbers(value, np.float64).shape != (NUM_JOINTS, 3):
                raise ValueError(f"its {OFFSETS} are not {NUM_JOINTS} x 3")
            values = [number for offset in value for number in offset]
        if name != "protocol" and not all(isinstance(v, float) or type(v) is int for v in values):
            raise ValueError(f"its {shown(name)} is no number")
        if any(type(v) is int and abs(v) > 1 << 53 for v in values):
            raise ValueError(f"its {shown(name)} is too large")
    if len({np.shape(numbers.get(name, [])) for name in LISTED}) > 1:
        raise ValueError("its curve does not fit its thresholds")
    return numbers


def _groups(groups: Any) -> dict[str, dict[str, Any]]:
    """The summary of each kind of hand; earlier reports have none."""
    if not isinstance(groups, dict):
        raise ValueError("`groups` is no mapping")
    found = {str(name): _summary(numbers) for name, numbers in groups.items()}
    if not all("samples" in numbers for numbers in found.values()):
        raise ValueError("a group lacks its number of hands")
    return found


def as_csv(assessment: Assessment) -> str:
    """One row a sample: its errors, what they may depend on, and the error of each joint."""
    arrays = assessment.arrays
    judged = error_name(arrays)
    errors, unit = arrays[judged], {"error_mm": "mm", "error_px": "px256"}[judged]
    hidden = arrays["occluded"]
    with io.StringIO(newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["sample", f"error_{unit}", "error_px256", "auc", "yaw_deg", "distance_mm",
             "brightness", "joints_hidden", "confidence",
             *(f"{joint}_{unit}" for joint in JOINT_NAMES)]
        )  # fmt: skip
        mean_px = np.nanmean(arrays["error_px"], axis=1)
        for n, error in enumerate(sample_error(arrays)):
            values = [
                error, mean_px[n], *(arrays[name][n] for name in PER_SAMPLE[:4]), hidden[n].sum(),
                arrays["confidence"][n].mean(), *errors[n],
            ]  # fmt: skip
            writer.writerow([n, *(f"{v:.5g}" if np.isfinite(v) else "" for v in values)])
        return file.getvalue()
