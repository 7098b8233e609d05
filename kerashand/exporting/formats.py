"""Models written as .tflite, .onnx or SavedModel."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerashand.carried import WEIGHTS_FILE, carried_weights
from kerashand.errors import UserError
from kerashand.exporting import half, quantization
from kerashand.exporting.converters import quiet_stderr
from kerashand.exporting.hands import Hands
from kerashand.exporting.served import Served, serve
from kerashand.extras import check_export
from kerashand.files import written_beside
from kerashand.runtime.backends import (
    FORMATS,
    JOINTS_SIGNATURE,
    SAVED_MODEL_FILE,
    TASKS,
    depth_along,
)
from kerashand.runtime.model_file import METADATA_FILE, with_description

LOGGER = logging.getLogger(__name__)
ONNX_OPSET = 17


def export(
    model: keras.Model,
    path: Path,
    form: str,
    *,
    metadata: Mapping[str, Any],
    precision: str = "fp32",
    signature: str = JOINTS_SIGNATURE,
    calibration: Hands | None = None,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a model beside `path`, check it there, then rename.

    Args:
        model: of `load_exportable`, or a detector.
        path: the file, or for a SavedModel the folder, to write.
        form: one of `FORMATS`.
        metadata: written into the file (SavedModel: beside its graph) as JSON; its `task` says
            which signatures the file has.
        precision: of `FORMATS[form].precisions`. fp16: weights in half the room. dynamic_int8:
            weights in a quarter, activations rounded to 8 bits while it runs, but in TFLite files
            for fine maps. int8: activations rounded by ranges that were measured beforehand, but
            for the heads of the network.
        signature: the one that a file of one signature has; the other formats hold all.
        calibration: hands for int8.
        check: called with the file before it gets its name; may raise.

    Raises:
        UserError: for a combination that does not exist, a missing package, or a path that stands
            for something else.
    """
    check_precision(form, precision, metadata["task"])
    described = {**metadata, "format": form, "precision": precision}
    served = serve(model, metadata["task"], depth_along=depth_along(metadata))
    folder = not FORMATS[form].suffix
    if folder:
        _check_folder(path)
    with written_beside(path, folder=folder) as beside:
        measuring = f", with {len(calibration)} hands to calibrate on" if calibration else ""
        LOGGER.info("converting to %s in %s%s", form, precision, measuring)
        write(
            served,
            beside,
            form,
            described=described,
            precision=precision,
            signature=signature,
            calibration=calibration,
        )
        if check is not None:
            check(beside)


def check_precision(form: str, precision: str, task: str) -> None:
    """Refuse a precision that a format, or a model of a task, does not have.

    Raises:
        UserError: saying which there are, or which package is missing.
    """
    if precision == "int8" and task == "hand_detector":
        raise UserError("int8 exists for pose models; a detector can be dynamic_int8.")
    if precision not in (known := FORMATS[form].precisions):
        raise UserError(f"{form} exists in {', '.join(known)}. Received: {precision}")
    check_export(form, precision)


def write(
    served: Served, path: Path, form: str, *, described: Mapping[str, Any], precision: str,
    signature: str = JOINTS_SIGNATURE, calibration: Hands | None = None,
) -> None:  # fmt: skip
    """Write served functions under a name; arguments as for `export`."""
    if form == "tflite":
        content = to_tflite(served, precision, calibration)
        whole = described.get("task") in TASKS  # a part of a network, for the parity check, is not
        carried = carried_weights(served.model, content) if whole else None
        more = {} if carried is None else {WEIGHTS_FILE: carried}
        path.write_bytes(with_description(content, described, more))
        return
    text = json.dumps(dict(described), indent=2)
    if form == "onnx":
        path.write_bytes(
            to_onnx(served.only(signature), text, precision=precision, calibration=calibration)
        )
    else:
        save(served, path)
        (path / METADATA_FILE).write_text(text, encoding="utf-8")


def _check_folder(path: Path) -> None:
    """Refuse to put a SavedModel in the place of anything but another."""
    if path.is_file() or (
        path.is_dir() and any(path.iterdir()) and not (path / SAVED_MODEL_FILE).is_file()
    ):
        raise UserError(f"{path} exists and is not a SavedModel: choose another name.")


def save(served: Served, path: Path) -> None:
    """Write a SavedModel whose signatures keep the names of their outputs.

    Raises:
        UserError: where the system refuses to write, as on a full disk.
    """
    archive = keras.export.ExportArchive()
    # Keras tracks the weights; tf.saved_model.save would leave them out of a converted file.
    archive.track(served.model)
    for name, (function, specs) in served.signatures.items():
        archive.add_endpoint(name, function, input_signature=list(specs))
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        said = error.message.strip().splitlines()[0]
        raise UserError(f"{path} cannot be written: {said[:300]}") from error


def to_tflite(served: Served, precision: str, calibration: Hands | None = None) -> bytes:
    """A TFLite model of built-in operations alone."""
    with tempfile.TemporaryDirectory() as folder:
        save(served, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(served.signatures)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        with quiet_stderr():
            content = converter.convert()
    if precision == "fp16":
        return half.half_tflite(content)
    if precision == "dynamic_int8":
        return quantization.dynamic_tflite(half.half_tflite(content, quantization.FINE_MAPS))
    if precision == "int8":
        return quantization.static_tflite(content, calibration)
    return content


def to_onnx(
    served: Served, text: str, *, precision: str, calibration: Hands | None = None
) -> bytes:
    """An ONNX model of one signature, with its description."""
    import onnx
    import tf2onnx

    ((function, specs),) = served.signatures.values()
    traced = tf.function(
        function, input_signature=list(specs), autograph=False
    ).get_concrete_function()
    # tf2onnx.convert.from_function takes captured constants for inputs.
    inputs = {f"{spec.name}:0": spec.name for spec in specs}
    outputs = {
        tensor.name: name
        for name, tensor in zip(sorted(traced.structured_outputs), traced.outputs, strict=True)
    }
    with quiet_stderr():
        frozen = tf2onnx.tf_loader.from_function(traced, list(inputs), list(outputs))
        graph, _ = tf2onnx.convert.from_graph_def(
            frozen, input_names=list(inputs), output_names=list(outputs), opset=ONNX_OPSET,
            tensors_to_rename={**inputs, **outputs},
        )  # fmt: skip
    onnx.checker.check_model(graph)  # tf2onnx goes on after what it cannot convert
    if precision == "fp16":
        graph = half.half_onnx(graph)
    elif precision != "fp32":
        graph = quantization.onnx_model(graph, precision, calibration)
    held = graph.metadata_props.add()
    held.key, held.value = METADATA_FILE, text
    return graph.SerializeToString()
