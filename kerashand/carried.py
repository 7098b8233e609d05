"""Weights that can be read back from an exported .tflite file.

The file's constants are the kernels, rounded, transposed and with batch normalisation folded in.
Beside its description it therefore carries (`weights.npz` in the same archive) the vectors of every
layer as they were, and for each kernel the number of the constant that holds it. So one small file
is enough to run, to train on from, and to export to other formats.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.models.blocks import FusedBatchNormalization
from kerashand.models.detector import build_detector
from kerashand.models.hand_pose import PART_NAMES, build_parts
from kerashand.runtime.backends import TASKS
from kerashand.runtime.litert import open_interpreter
from kerashand.runtime.model_file import checked_network, read_metadata
from kerashand.untrusted import read_arrays, read_member

LOGGER = logging.getLogger(__name__)
WEIGHTS_FILE = "weights.npz"
LARGEST_STEP = 0.75 / 127
"""How far a constant may be from its kernel: rounding to 8 bits is off by half a step of 1/127."""
LEAST_FACTOR = 1e-12


def carried_weights(model: keras.Model, tflite: bytes) -> bytes | None:
    """The content of `WEIGHTS_FILE` for a model and the file that was made of it.

    None for a file that does not hold every kernel as a constant.
    """
    constants = _constants(open_interpreter(tflite, plain=True))
    held = {number: array for number, array in constants if array.ndim > 1}
    arrays: dict[str, NDArray] = {}
    for key, layer, variable, norm in _variables(model):
        value = keras.ops.convert_to_numpy(variable).astype(np.float32)
        if value.ndim < 2:
            arrays[key] = value
            continue
        number = _nearest(_folded(value, layer, norm), held)
        if number is None:
            LOGGER.warning("%s is no constant of the file, which carries no weights.", key)
            return None
        arrays[key] = np.asarray(number, np.int64)
    with io.BytesIO() as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()


def load_carried(path: Path, task: str = "hand_pose") -> tuple[keras.Model, dict[str, Any]]:
    """The inference model in float32 of a .tflite file, and the file's description.

    Raises:
        UserError: when the file is damaged, or carries no weights of a model for this task.
    """
    metadata = read_metadata(path)
    network = checked_network(path, path.read_bytes(), metadata)
    keras.config.set_dtype_policy("float32")
    model = _built(path, metadata, task)
    for variable, value in _values(path, network, model):
        variable.assign(value)
    return model, metadata


def _built(path: Path, metadata: Mapping[str, Any], task: str) -> keras.Model:
    architecture = metadata.get("architecture")
    if metadata.get("task") != task or not isinstance(architecture, dict):
        raise UserError(f"{path} is not {TASKS[task][0]} that carries its weights.")
    try:
        if task == "hand_detector":
            return build_detector(**{"up": False, **architecture})
        return build_parts(**architecture).build_inference_model()
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} says that it has an architecture that is none: {error}") from error


def _values(path: Path, network: bytes, model: keras.Model) -> list[tuple[keras.Variable, NDArray]]:
    """Each variable of a model with its value in a file; nothing if one does not fit."""
    arrays = _read_archive(path)
    constants = dict(_constants(open_interpreter(network, name=str(path), plain=True)))
    found = []
    for key, layer, variable, norm in _variables(model):
        if key not in arrays:
            raise UserError(f"{path} carries no {key}: it is of another architecture.")
        value: NDArray | None = arrays[key]
        if len(variable.shape) > 1:
            value = constants.get(int(arrays[key])) if arrays[key].shape == () else None
            value = None if value is None else _unfolded(value, layer, _held(norm, arrays))
        if value is None or value.shape != tuple(variable.shape):
            raise UserError(f"{path} carries a {key} that does not fit: other shapes.")
        if not np.isfinite(value).all():
            raise UserError(f"{path} is damaged: its {key} is not finite.")
        found.append((variable, value))
    return found


def _read_archive(path: Path) -> dict[str, NDArray]:
    try:
        return read_arrays(read_member(path, WEIGHTS_FILE))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} carries no weights, or they are damaged: {error}") from error


def _variables(model: keras.Model) -> Iterator[tuple[str, Any, keras.Variable, Any]]:
    """Key, layer, variable, and the batch normalisation that is folded into the layer or None."""
    parts = [layer for layer in model.layers if layer.name in PART_NAMES] or [model]
    for part in parts:
        layers = {layer.name: layer for layer in part.layers}
        for layer in part.layers:
            norm = layers.get(f"{layer.name.removesuffix('_conv')}_bn")
            norm = norm if isinstance(norm, FusedBatchNormalization) else None
            for variable in layer.weights:
                key = f"{_name(part.name)}/{layer.name}/{variable.name}"
                yield key, layer, variable, None if norm is None else (part.name, norm)


def _name(part: str) -> str:
    """What a part of a pose model, or a detector as a whole, is called in the file."""
    return PART_NAMES.get(part, "detector")


def _factor(gamma, variance, epsilon: float) -> NDArray[np.float32]:
    return (gamma / np.sqrt(variance + epsilon)).astype(np.float32)


def _folded(kernel: NDArray, layer, norm) -> NDArray[np.float32]:
    """A kernel as LiteRT holds it: output channels first, times the factor of its normalisation."""
    if norm is not None:
        gamma, variance = (
            keras.ops.convert_to_numpy(value) for value in (norm[1].gamma, norm[1].moving_variance)
        )
        kernel = kernel * _per_channel(_factor(gamma, variance, norm[1].epsilon), layer)
    return kernel.T if kernel.ndim == 2 else kernel.transpose(3, 0, 1, 2)


def _held(norm, arrays: Mapping[str, NDArray]) -> NDArray | None:
    """The factor of a normalisation by the vectors in a file."""
    if norm is None:
        return None
    prefix = f"{_name(norm[0])}/{norm[1].name}"
    names = (f"{prefix}/gamma", f"{prefix}/moving_variance")
    channels = tuple(norm[1].gamma.shape)
    if any(name not in arrays or arrays[name].shape != channels for name in names):
        return None
    gamma, variance = (arrays[name] for name in names)
    factor = _factor(gamma, variance, norm[1].epsilon)
    # A channel of factor 0 is the same whatever its kernel is.
    return np.where(np.abs(factor) < LEAST_FACTOR, 1.0, factor).astype(np.float32)


def _unfolded(constant: NDArray, layer, factor) -> NDArray | None:
    """The inverse of `_folded`; None where shapes do not allow it."""
    if constant.ndim == 2:
        return constant.T
    if constant.ndim != 4:
        return None
    kernel = constant.transpose(1, 2, 3, 0)
    if factor is None:
        return kernel
    factor = _per_channel(factor, layer)
    channels = kernel.shape[3] if factor.shape[-1] != 1 else kernel.shape[2]
    return kernel / factor if channels == factor.size else None


def _per_channel(factor: NDArray, layer) -> NDArray:
    """Shaped so that it multiplies the kernel of a layer."""
    return factor[:, None] if isinstance(layer, keras.layers.DepthwiseConv2D) else factor


def _constants(interpreter) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Number and value of every constant of a file, as real numbers."""
    for detail in interpreter.get_tensor_details():
        if detail["dtype"] not in (np.float32, np.float16, np.int8):
            continue
        try:
            value = interpreter.get_tensor(detail["index"]).astype(np.float32)
        except ValueError:  # not a constant: it has no value yet
            continue
        quantised = detail["quantization_parameters"]
        if detail["dtype"] == np.int8:
            scales, axis = quantised["scales"], quantised["quantized_dimension"]
            if not len(scales):
                continue
            shape = np.ones(value.ndim, int)
            if value.ndim:
                shape[axis] = len(scales)
            value = (value - quantised["zero_points"].reshape(shape)) * scales.reshape(shape)
        yield detail["index"], value.astype(np.float32)


def _nearest(kernel: NDArray, held: Mapping[int, NDArray]) -> int | None:
    """The constant that is a kernel up to rounding."""
    with np.errstate(all="ignore"):  # what is no constant may hold anything
        apart = {
            number: float(np.abs(array - kernel).max())
            for number, array in held.items()
            if array.shape == kernel.shape and np.isfinite(array).all()
        }
    best = min(apart, key=lambda number: apart[number], default=None)
    return best if best is not None and apart[best] <= LARGEST_STEP * np.abs(kernel).max() else None
