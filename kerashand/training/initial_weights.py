"""What a run starts from: weights of another run, of a file, packaged, or hand3d's published."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerashand.carried import load_carried
from kerashand.config import (
    Config,
    find_initial_weights,
    flat,
    load_config,
    packaged_weights,
)
from kerashand.errors import UserError, shown
from kerashand.files import RUN_CONFIG
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
from kerashand.networks import NETWORKS
from kerashand.runtime.model_file import read_metadata

LOGGER = logging.getLogger(__name__)
KEY = "model.initial_weights"
SHAPELESS = ("dropout", "decode", "depth_along", "scale_bone")
"""Ends of keys of the networks that no weight's shape depends on."""
MEANING = ("decode", "depth_along", "scale_bone")
"""Those of them that say what the networks' numbers mean."""


def load_initial_weights(config: Config, parts: HandPoseParts) -> tuple[list[str], str]:
    """Load what the file of `model.initial_weights` holds of the parts.

    Heads that it lacks start afresh.

    Returns:
        Names of the parts that were loaded whole, and what was loaded from where, in words.

    Raises:
        UserError: for a file that is damaged or does not fit.
    """
    assert config.model.initial_weights is not None
    path = find_initial_weights(config.model.initial_weights)
    name = path.name if path in packaged_weights().values() else str(path)
    if path.suffix in HAND3D_SUFFIXES:
        layers = load_hand3d(path, parts.network)
        return [], f"{name}: {len(layers)} layers of the 2D network"
    there = _networks_of(path)
    here = _chosen(config)
    try:
        if path.suffix == ".tflite":
            held = _load_tflite(path, parts)
        else:
            held = parts_in_npz(path)
            load_parts_npz(path, parts.models, only=held, new_heads=True)
    except ValueError as error:
        raise UserError(f"{KEY}: {_other_networks(name, there, here) or error}") from error
    for key in there:
        if key.endswith(MEANING) and there[key] != here[key]:
            LOGGER.info(
                "note: %s was %s where %s was trained and is %s here: what that changes has to be "
                "learnt anew", key, there[key], name, here[key],
            )  # fmt: skip
    return held, f"{name}: {', '.join(held)}"


def _load_tflite(path: Path, parts: HandPoseParts) -> list[str]:
    """Load the weights that an exported file carries."""
    model, _ = load_carried(path)
    carried = {PART_NAMES[layer.name]: layer for layer in model.layers if layer.name in PART_NAMES}
    wanted = {name: parts.models[name] for name in carried}
    assign_arrays(wanted, arrays_of(carried), path, new_heads=True)
    return list(carried)


def _networks_of(path: Path) -> dict[str, Any]:
    """The keys of the networks whose weights a file holds; none where nothing tells them."""
    if path.suffix == ".tflite":
        described = read_metadata(path)
        architecture = described.get("architecture")
        model = dict(architecture) if isinstance(architecture, Mapping) else {}
        size_px = model.pop("image_size_px", described.get("image_size_px"))
        model.pop("regularizer", None)  # a file carries none
        model |= {"scale_bone": described.get("scale_bone")}
        return _of_networks({"data": {"image_size_px": size_px}, "model": model})
    beside = path.parent / RUN_CONFIG
    return _chosen(load_config(beside, trains=False)) if beside.is_file() else {}


def _chosen(config: Config) -> dict[str, Any]:
    return _of_networks(config.to_dict())


def _of_networks(content: Mapping[str, Any]) -> dict[str, Any]:
    """The dotted keys and values on which networks depend."""
    values = flat({name: content[name] for name in ("data", "model")})
    network = values.get("model.network")
    others = tuple(f"model.{name}." for name in NETWORKS if name != network)
    left_out = ("model.half_width_scales", KEY)
    return {
        key: value
        for key, value in values.items()
        if (key.startswith("model.") or key == "data.image_size_px")
        and not key.startswith(others)
        and key not in left_out
    }


def _other_networks(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What is said of weights of networks of other shapes; "" where nothing is known of them."""
    differing = {
        key: there[key]
        for key in there
        if there[key] != here.get(key) and not key.endswith(SHAPELESS)
    }
    if not differing:
        return ""
    lines = [
        f"{key}: {shown(value)}, not {shown(here.get(key))}" for key, value in differing.items()
    ]
    settings = " ".join(f"'{key}={_as_yaml(value)}'" for key, value in differing.items())
    return (
        f"{name} holds weights of a network `{there.get('model.network')}` that is not the "
        f"`{here['model.network']}` of this configuration. There:"
        + "".join(f"\n  {line}" for line in lines)
        + f"\nGive other weights, or the same network: --set {settings}"
    )


def _as_yaml(value: Any) -> str:
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
