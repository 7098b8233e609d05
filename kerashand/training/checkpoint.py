"""Checkpoints: one .npz with every variable of a run and where it stands, replaced atomically."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError
from kerashand.files import written_beside

_STATE_KEY = "state_json"


def save_checkpoint(path: Path, variables: Mapping[str, Any], state: dict[str, Any]) -> None:
    """Write variables and a JSON state beside `path`, then rename: a kill leaves the old file."""
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    arrays[_STATE_KEY] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with written_beside(path, sync=True) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)


def load_state(path: Path) -> dict[str, Any]:
    """Where the run of a checkpoint stands.

    Raises:
        UserError: when the file is damaged.
    """
    with _opened(path) as data:
        return json.loads(data[_STATE_KEY].tobytes())


def restore_variables(path: Path, variables: Mapping[str, Any]) -> None:
    """Assign every variable from the checkpoint; nothing is assigned unless all of them fit.

    Raises:
        UserError: when the file is damaged or belongs to other models.
    """
    with _opened(path) as data:
        stored = {name: data[name] for name in data.files if name != _STATE_KEY}
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


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            yield data
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, OSError) as error:
        raise UserError(
            f"The checkpoint {path} cannot be read: {error}. Delete it to start this run anew."
        ) from error
