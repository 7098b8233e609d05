"""What a run starts from: packaged weights, those of another run or file, or hand3d's published."""

from __future__ import annotations

from pathlib import Path

from kerashand.carried import load_carried
from kerashand.errors import UserError
from kerashand.models.hand3d import FORMAT_SUFFIXES as HAND3D_SUFFIXES
from kerashand.models.hand3d import load_hand3d
from kerashand.models.hand_pose import (
    PART_NAMES,
    HandPoseParts,
    arrays_of,
    assign_arrays,
    load_parts_npz,
    parts_in_npz,
)


def load_initial_weights(path: Path, parts: HandPoseParts) -> tuple[list[str], str]:
    """Load what a file holds of the parts. Heads that it lacks start afresh.

    Returns:
        Names of the parts that were loaded whole, and what was loaded, in words.

    Raises:
        UserError: for a file that is damaged or does not fit.
    """
    if path.suffix in HAND3D_SUFFIXES:
        layers = load_hand3d(path, parts.network)
        return [], f"{len(layers)} layers of the 2D network"
    try:
        if path.suffix == ".tflite":
            held = _load_tflite(path, parts)
        else:
            held = parts_in_npz(path)
            load_parts_npz(path, parts.models, only=held, new_heads=True)
    except ValueError as error:
        raise UserError(f"model.initial_weights: {error}") from error
    return held, ", ".join(held)


def _load_tflite(path: Path, parts: HandPoseParts) -> list[str]:
    """Load the weights that an exported file carries."""
    model, _ = load_carried(path)
    carried = {PART_NAMES[layer.name]: layer for layer in model.layers if layer.name in PART_NAMES}
    wanted = {name: parts.models[name] for name in carried}
    assign_arrays(wanted, arrays_of(carried), path, new_heads=True)
    return list(carried)
