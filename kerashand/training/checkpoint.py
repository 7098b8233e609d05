"""Checkpoints: one .npz with every variable of a run and where it stands, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError
from kerashand.files import written_beside
from kerashand.untrusted import parse_json, read_arrays

_STATE_KEY = "state_json"


class NotFiniteError(UserError):
    """Training has come to values that are no numbers any more."""


def check_finite(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values of variables by name, if all of them are finite.

    Raises:
        NotFiniteError: with the first that is not.
    """
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise NotFiniteError(f"{bad[0]} is not finite ({len(bad)} of {len(arrays)} variables)")
    return arrays


def save_checkpoint(path: Path, variables: Mapping[str, Any], state: dict[str, Any]) -> None:
    """Write variables and a JSON state beside `path`, then rename: a kill leaves the old file.

    Raises:
        NotFiniteError: where a variable is not finite; the old file stays then too.
    """
    arrays = check_finite(variables)
    arrays[_STATE_KEY] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with written_beside(path, sync=True) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_state(path: Path, *, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Where the run of a checkpoint stands.

    Args:
        path: the file.
        like: a state that names what has to be there, with values of the same kinds.

    Raises:
        UserError: when the file is damaged.
    """
    try:
        state = parse_json(read_arrays(path, only=(_STATE_KEY,))[_STATE_KEY].tobytes())
        if not isinstance(state, dict):
            raise ValueError("its state is no mapping")
        for name, value in (like or {}).items():
            if not isinstance(state.get(name), type(value)):
                raise ValueError(f"its state has no `{name}`")
        return state
    except (OSError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error


def replace_state(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint anew with the variables that it holds and another state.

    Raises:
        UserError: when the file is damaged.
    """
    save_checkpoint(path, _stored(path), state)


def restore_variables(path: Path, variables: Mapping[str, Any]) -> None:
    """Assign every variable from the checkpoint; nothing is assigned unless all of them fit.

    Raises:
        UserError: when the file is damaged or belongs to other models.
    """
    stored = _stored(path)
    differing = sorted(
        name
        for name in stored.keys() | variables.keys()
        if name not in stored
        or name not in variables
        or stored[name].shape != tuple(variables[name].shape)
    )
    if differing:
        raise UserError(
            f"The checkpoint {path} does not fit this configuration: {len(differing)} variables "
            f"differ, {differing[0]} first. Choose another `--run-dir` or delete the folder."
        )
    for name, variable in variables.items():
        variable.assign(stored[name])


def _stored(path: Path) -> dict[str, np.ndarray]:
    """The variables of a checkpoint."""
    try:
        stored = read_arrays(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    stored.pop(_STATE_KEY, None)
    return stored


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"The checkpoint {path} cannot be read: {error}. Delete it to start this run anew."
    )
