"""Which group of layers makes an exported file differ from its model."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerashand.exporting.formats import write
from kerashand.exporting.hands import Hands
from kerashand.exporting.served import Served, image_spec
from kerashand.models.hand_pose import PART_NAMES, regressor_inputs, stage_maps
from kerashand.runtime.backends import FORMATS, JOINTS_SIGNATURE, open_backend
from kerashand.stderr import native_stderr_held

LOGGER = logging.getLogger(__name__)
BLAME_HANDS = 8
FILE_ITSELF = "none: each layer group is as near as it should be"


def layer_groups(
    model: keras.Model, metadata: Mapping[str, Any], *, form: str, precision: str, hands: Hands,
    calibration: Hands | None,
) -> dict[str, float]:  # fmt: skip
    """How far the output of each group of layers is off in an export of the same kind.

    Each group is written to a file of its own, up to its last layer: as one more output of a file
    it would keep layers apart that are computed as one.

    Returns:
        group, in the order of computation -> root mean square difference over that of the output.
    """
    described = {**metadata, "task": "probe"}
    images = hands.images[:BLAME_HANDS]
    errors = {}
    for name, function in _probes(model, metadata):
        probe = Served(model, {JOINTS_SIGNATURE: (function, [image_spec(model)])})
        with tempfile.TemporaryDirectory() as folder, native_stderr_held():
            path = Path(folder) / f"probe{FORMATS[form].suffix}"
            write(
                probe, path, form, described=described, precision=precision,
                calibration=calibration and calibration.first(BLAME_HANDS),
            )  # fmt: skip
            backend = open_backend(path)
            given = np.array([backend.run(image[None])["output"] for image in images])
        wanted = np.array([function(image[None])["output"] for image in images])
        apart = np.sqrt(np.square(given - wanted.reshape(given.shape)).sum())
        errors[name] = float(f"{apart / np.sqrt(np.square(wanted).sum()):.3g}")
        LOGGER.info("%s: off by %.3g of its output", name, errors[name])
    return errors


def blamed(groups: Mapping[str, float]) -> str:
    """The group at which the error grows most over what came before."""
    most, growth, before = FILE_ITSELF, 0.0, 0.0
    for name, error in groups.items():
        if not np.isfinite(error):
            return name
        if error - before > growth:
            most, growth = name, error - before
        before = max(before, error)
    return most


def _probes(
    model: keras.Model, metadata: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[tf.Tensor], dict[str, tf.Tensor]]]]:
    """Each group of layers, with the function from an image to its last tensor."""
    network = next(layer for layer in model.layers if PART_NAMES.get(layer.name) == "network")
    regressor = model.get_layer("depth_regressor")
    decode = metadata["architecture"]["decode"]

    def in_network(part):
        return lambda image: {"output": part(tf.cast(image, tf.float32), training=False)}

    def in_regressor(part):
        def function(image: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = network(tf.cast(image, tf.float32), training=False)
            seen = regressor_inputs(stage_maps(outputs)[-1], outputs["features"], decode)
            return {"output": part(seen, training=False)}

        return function

    for whole, through in ((network, in_network), (regressor, in_regressor)):
        for group, tensor in _cut_points(whole):
            # By its name quantisation knows what it is.
            part = keras.Model(whole.input, tensor, name=whole.name)
            yield f"{PART_NAMES[whole.name]}_{group}", through(part)


def _cut_points(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Group (the first word of its layers' names) and the output of its last layer."""
    groups: dict[str, list[keras.Layer]] = {}
    for layer in model.layers:
        found = re.match(r"[a-zA-Z]*\d*", layer.name)
        assert found is not None  # it fits every name
        groups.setdefault(found[0], []).append(layer)
    for name, layers in groups.items():
        if any(layer.weights for layer in layers):
            yield name, layers[-1].output
