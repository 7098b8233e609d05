"""What a run starts from: packaged weights, those of another run, or hand3d's published ones."""

from __future__ import annotations

from pathlib import Path

from kerashand.errors import UserError
from kerashand.models.hand3d import FORMAT_SUFFIXES as HAND3D_SUFFIXES
from kerashand.models.hand3d import load_hand3d
from kerashand.models.hand_pose import HandPoseParts, load_parts_npz, parts_in_npz


def load_initial_weights(path: Path, parts: HandPoseParts) -> tuple[list[str], str]:
    """Load what a file holds of the parts.

    Returns:
        Names of the parts that were loaded whole, and what was loaded, in words.

    Raises:
        UserError: for a file that is damaged or does not fit.
    """
    if path.suffix in HAND3D_SUFFIXES:
        layers = load_hand3d(path, parts.network)
        return [], f"{len(layers)} layers of the 2D network"
    try:
        held = parts_in_npz(path)
        load_parts_npz(path, parts.models, only=held)
    except ValueError as error:
        raise UserError(f"model.initial_weights: {error}") from error
    return held, ", ".join(held)
