"""Cameras that the user writes down: a YAML file with the keys of recording.yaml."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from kerashand.data.imports.lens import COEFFICIENTS, Lens
from kerashand.data.imports.source import Cameras, Transform
from kerashand.data.readers.recording import MEASURES, SPELLINGS, parse_recording
from kerashand.errors import UserError, shown
from kerashand.files import user_path
from kerashand.untrusted import as_numbers
from kerashand.yaml_files import YamlError, read_yaml_file

DISTORTIONS = {"distortion": "colour", "depth_distortion": "depth"}
"""Keys beside those of recording.yaml, and the camera that each describes."""
MODEL = "distortion_model"


@dataclasses.dataclass(frozen=True)
class Written:
    """What the user wrote down.

    Attributes:
        cameras: their unit is 1 mm if none is written.
        unit_mm: what a depth value of 1 stands for; None if it is not written.
        wrist_middle_mcp_mm: from the wrist to the knuckle of the middle finger, likewise.
    """

    cameras: Cameras
    unit_mm: float | None
    wrist_middle_mcp_mm: float | None


def read_cameras(path: str | Path) -> Written:
    """The cameras, and the measure of the hand, of a YAML file with the keys of recording.yaml.

    `hand` and `unit_mm` may be left out. `distortion` and `depth_distortion` hold coefficients k1,
    k2, p1, p2, k3 and so on; `distortion_model` is a key of `COEFFICIENTS`, `opencv` without it.

    Raises:
        UserError: if it cannot be read or something in it is wrong.
    """
    path = user_path(path)
    try:
        held = read_yaml_file(path)
    except YamlError as error:
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(held, dict):
        raise UserError(f"{path} must hold `key: value` lines. Received: {shown(held)}")
    model = held.pop(MODEL, "opencv")
    if model not in COEFFICIENTS:
        raise UserError(
            f"{path}: `{MODEL}` must be one of {', '.join(COEFFICIENTS)}. Received: {shown(model)}"
        )
    bent = {
        lens: _coefficients(path, key, held.pop(key))
        for key, lens in DISTORTIONS.items()
        if key in held
    }
    names = {SPELLINGS.get(key, key) for key in held}
    measured = "hand" in names
    held.setdefault("hand", {next(iter(MEASURES)): MEASURES["wrist_middle_mcp_mm"][0]})
    if "depth" not in names and "colour" in names:  # registered depth
        held["depth"] = held.get("colour", held.get("color"))
    recording = parse_recording(path, held)
    unit_mm = recording.unit_mm if held["depth"].get("unit_mm") is not None else None
    palm_mm = recording.wrist_middle_mcp_mm if measured else None

    def lens(kind: str, size_px: tuple[int, int], intrinsics: np.ndarray) -> Lens:
        given = bent.get(kind, ())
        return Lens(size_px, intrinsics, model if any(given) else "none", given)

    colour = lens("colour", recording.size_px, recording.intrinsics)
    registration = recording.registration
    if registration is None:
        if "depth" in bent:
            raise UserError(f"{path}: depth is registered, it has no distortion of its own.")
        return Written(Cameras(colour, colour, recording.unit_mm, None), unit_mm, palm_mm)
    depth = lens("depth", registration.size_px, registration.intrinsics)
    move = Transform(registration.rotation, registration.translation_mm)
    return Written(Cameras(colour, depth, recording.unit_mm, move), unit_mm, palm_mm)


def _coefficients(path: Path, key: str, value: object) -> tuple[float, ...]:
    try:
        numbers = as_numbers(value, np.float64)
    except ValueError:
        numbers = np.full(1, np.nan)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise UserError(f"{path}: `{key}` must be a list of numbers. Received: {shown(value)}")
    return tuple(numbers.tolist())
