"""What can be exported, by name: a packaged model, an exported .tflite file, a run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kerashand.carried import load_carried
from kerashand.config import Config, find_initial_weights, load_config
from kerashand.errors import UserError
from kerashand.exporting.description import describe
from kerashand.files import RUN_CONFIG, user_path
from kerashand.models.hand_pose import (
    PART_NAMES,
    build_parts,
    load_parts_npz,
    parts_in_npz,
    save_parts_npz,
)
from kerashand.runtime.backends import TASKS
from kerashand.runtime.hand_pose import DETECTOR_FILE, POSE_FILE, packaged_model
from kerashand.runtime.model_file import read_metadata

LOGGER = logging.getLogger(__name__)
PACKAGED, PACKAGED_DETECTOR = "lite", "detector"
STAGES_LAST_FIRST = ("finetune", "regularizer", "pretrain")


def load_exportable(name: str) -> tuple[keras.Model, dict[str, Any]]:
    """An inference model in float32 with the description of its files.

    Args:
        name: "lite" for the packaged pose model, "detector" for the packaged detector, a .tflite
            file that kerashand exported, or a run folder.

    Raises:
        UserError: when there is no such model, or it has no weights.
    """
    path = user_path(name)
    LOGGER.info("loading %s", name)
    packaged = {PACKAGED: POSE_FILE, PACKAGED_DETECTOR: DETECTOR_FILE}
    if name in packaged and not path.is_dir():
        return _of_file(packaged_model(packaged[name]))
    if path.is_dir():
        model, config = load_run(path)
        return model, describe(config)
    if path.suffix.lower() == ".tflite":
        return _of_file(path)
    if name == "cpm":
        raise UserError(
            "No weights of the CPM are in the package: train it (`kerashand-train --config "
            "paper/weak.yaml`) and give its run folder."
        )
    raise UserError(
        f"A model is `{PACKAGED}`, `{PACKAGED_DETECTOR}`, a run folder, or a .tflite file that "
        f"kerashand exported. Received: {name}"
    )


def _of_file(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """The model of a .tflite file, whatever its task."""
    task = read_metadata(path).get("task")
    return load_carried(path, task if task in TASKS else "hand_pose")


def load_run(folder: Path) -> tuple[keras.Model, Config]:
    """The inference model of a run folder with the weights after its last stage.

    Raises:
        UserError: when the folder holds no finished stage.
    """
    if not (folder / RUN_CONFIG).exists():
        raise UserError(f"A run folder holds a {RUN_CONFIG}. Received: {folder}")
    config = load_config(folder / RUN_CONFIG)
    return load_model(config, _last_weights(folder, config)), config


def run_regularizer(folder: Path, config: Config) -> keras.Model | None:
    """The depth regularizer of a run folder; None where the run neither trained nor used one."""
    stages, weights = config.stages, _last_weights(folder, config)
    used = stages.finetune.epochs and stages.finetune.loss_weights["depth_map"] > 0
    started_with = _untrained(config) and "regularizer" in parts_in_npz(weights)
    if not (stages.regularizer.epochs or used or started_with):
        return None
    regularizer = float32_parts(config.parts_arguments()).regularizer
    load_parts_npz(weights, {"regularizer": regularizer}, only=("regularizer",))
    return regularizer


def _untrained(config: Config) -> bool:
    """Whether a run only measures what it starts from."""
    return not any(config.stages[stage].epochs for stage in STAGES_LAST_FIRST)


def _last_weights(folder: Path, config: Config) -> Path:
    paths = [folder / f"weights_{stage}.npz" for stage in STAGES_LAST_FIRST]
    if _untrained(config):
        assert config.model.initial_weights is not None  # what it measures
        return find_initial_weights(config.model.initial_weights)
    weights = next((path for path in paths if path.exists()), None)
    if weights is None:
        raise UserError(f"{folder} holds no weights yet: no stage of it is finished.")
    return weights


def load_model(config: Config, weights: str | Path) -> keras.Model:
    """The inference model of a configuration with weights from a file, in float32.

    Raises:
        UserError: when the weights cannot be read or do not fit.
    """
    parts = float32_parts(config.parts_arguments())
    inference = {name: parts.models[name] for name in ("network", "regressor")}
    try:
        load_parts_npz(weights, inference, only=tuple(inference))
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    return parts.build_inference_model()


def save_weights(model: keras.Model, path: Path) -> None:
    """Write what training starts from: `model.initial_weights` takes the file.

    Args:
        model: an inference model.
        path: an .npz file.
    """
    parts = {PART_NAMES[layer.name]: layer for layer in model.layers if layer.name in PART_NAMES}
    save_parts_npz(path, parts)


def float32_parts(arguments: Mapping[str, Any]):
    """The parts of an architecture, whatever precision the process trains in."""
    keras.config.set_dtype_policy("float32")
    return build_parts(**arguments)
