"""The RGB-only model as one file: uint8 crop in, joints out, with a description of itself.

Every format has one signature: `image` [1, S, S, 3] uint8 RGB gives `uv_px` [1, 21, 2],
`z_relative` [1, 21] and `confidence` [1, 21], all float32; that of a finder `score` [1, h, w],
`box` [1, h, w, 4] and `right` [1, h, w].
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerashand import __version__
from kerashand.config import Config, config_hash, load_config
from kerashand.errors import UserError
from kerashand.files import written_beside
from kerashand.models.hand_pose import build_parts, load_parts_npz
from kerashand.runtime.backends import METADATA_FILE
from kerashand.skeleton import JOINT_NAMES

OUTPUTS = ("uv_px", "z_relative", "confidence")
PRECISIONS = ("fp32", "fp16")
FORMATS = ("saved_model", "tflite", "onnx")
STAGES_LAST_FIRST = ("finetune", "regularizer", "pretrain")


def _pose_outputs(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: outputs[name] for name in OUTPUTS}


def _finder_outputs(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {
        "score": tf.sigmoid(outputs["score_logit"]),
        "box": outputs["box"],
        "right": tf.sigmoid(outputs["right_logit"]),
    }


OUTPUTS_OF_TASK = {"hand_pose": _pose_outputs, "hand_finder": _finder_outputs}


class ServedModel:
    """A model behind the signature of the exported files of its task."""

    def __init__(self, model: keras.Model, task: str):
        self.model = model
        self._outputs = OUTPUTS_OF_TASK[task]
        side = model.input.shape[1]
        self.input_signature = [tf.TensorSpec((1, side, side, 3), tf.uint8, name="image")]

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Outputs by name."""
        return self._outputs(self.model(tf.cast(image, tf.float32), training=False))


def load_run(folder: Path) -> tuple[keras.Model, Config]:
    """The inference model of a run folder with the weights after its last stage.

    Raises:
        UserError: when the folder holds no finished stage.
    """
    if not (folder / "config.yaml").exists():
        raise UserError(f"`--run` must be a run folder with a config.yaml. Received: {folder}")
    config = load_config(folder / "config.yaml")
    paths = [folder / f"weights_{stage}.npz" for stage in STAGES_LAST_FIRST]
    weights = next((path for path in paths if path.exists()), None)
    if weights is None:
        raise UserError(f"{folder} holds no weights yet: no stage of it is finished.")
    return load_model(config, weights), config


def load_model(config: Config, weights: str | Path) -> keras.Model:
    """The inference model of a configuration with weights from a file, in float32."""
    keras.config.set_dtype_policy("float32")
    parts = build_parts(**config.parts_arguments())
    inference = {name: parts.models[name] for name in ("network", "regressor")}
    load_parts_npz(weights, inference, only=tuple(inference))
    return parts.build_inference_model()


def describe(config: Config) -> dict[str, Any]:
    """What an exported file says about itself."""
    return {
        "task": "hand_pose",
        "kerashand": __version__,
        "config": config.name,
        "config_hash": config_hash(config),
        "image_size_px": config.data.image_size_px,
        "scale_bone": config.model.scale_bone,
        "joint_names": list(JOINT_NAMES),
        "input": "image [1, S, S, 3] uint8 RGB: a square around a right hand, left ones mirrored",
        "outputs": {
            "uv_px": "[1, 21, 2] column, row in pixels of the input; centres are integers",
            "z_relative": "[1, 21] depth behind the wrist in lengths of the scale bone",
            "confidence": "[1, 21] 0..1",
        },
    }


def describe_finder(
    *, image_size_px: int, threshold: float, least_score: float = 0.0
) -> dict[str, Any]:
    """What an exported finder says about itself.

    Args:
        image_size_px: side of its input.
        threshold: score from which on a cell may be a hand.
        least_score: this score times the mean score of the joints, from which on it is one.
    """
    return {
        "task": "hand_finder",
        "kerashand": __version__,
        "image_size_px": image_size_px,
        "threshold": threshold,
        "least_score": least_score,
        "input": "image [1, S, S, 3] uint8 RGB: a whole picture, made square",
        "outputs": {
            "score": "[1, h, w] 0..1: the middle of a hand's box lies in this cell",
            "box": "[1, h, w, 4] left, top, right, bottom of its joints in pixels of the input",
            "right": "[1, h, w] 0..1: it is a right hand",
        },
    }


def export(
    model: keras.Model,
    path: Path,
    form: str,
    *,
    metadata: Mapping[str, Any],
    precision: str = "fp32",
) -> None:
    """Write a model beside `path`, then rename.

    Args:
        model: of `load_run` or `load_model`.
        path: the file, or for a SavedModel the folder, to write.
        form: one of `FORMATS`.
        metadata: written into the file (SavedModel: beside its graph) as JSON; its `task` says
            which outputs the file has.
        precision: fp32, or for .tflite fp16: weights are stored in half the room.

    Raises:
        UserError: for a combination that does not exist, or a missing package.
    """
    if precision != "fp32" and form != "tflite":
        raise UserError(f"Precision {precision} exists for tflite only. Received: {form}")
    text = json.dumps(dict(metadata), indent=2)
    served = ServedModel(model, metadata["task"])
    if form == "saved_model":
        _check_folder(path)
    with written_beside(path, folder=form == "saved_model") as beside:
        if form == "tflite":
            beside.write_bytes(to_tflite(served, precision))
            with zipfile.ZipFile(beside, "a") as archive:
                archive.writestr(METADATA_FILE, text)
        elif form == "onnx":
            beside.write_bytes(_to_onnx(served, text))
        else:
            save(served, beside)
            (beside / METADATA_FILE).write_text(text, encoding="utf-8")


def _check_folder(path: Path) -> None:
    """Refuse to put a SavedModel in the place of anything but another."""
    if path.is_file() or (
        path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").is_file()
    ):
        raise UserError(f"{path} exists and is not a SavedModel: choose another name.")


def save(served: ServedModel, path: Path) -> None:
    """Write a SavedModel whose signature keeps the names of its outputs."""
    archive = keras.export.ExportArchive()
    # Keras tracks the weights; tf.saved_model.save would leave them out of a converted file.
    archive.track(served.model)
    archive.add_endpoint("serving_default", served, input_signature=served.input_signature)
    archive.write_out(str(path), verbose=False)


def to_tflite(served: ServedModel, precision: str) -> bytes:
    """A TFLite model of built-in operations alone."""
    with tempfile.TemporaryDirectory() as folder:
        save(served, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if precision == "fp16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _to_onnx(served: ServedModel, text: str) -> bytes:
    try:
        import tf2onnx
    except ImportError as error:
        raise UserError("ONNX needs tf2onnx: pip install 'kerashand[export]'.") from error
    spec = served.input_signature
    function = tf.function(served.__call__, input_signature=spec)
    graph, _ = tf2onnx.convert.from_function(function, input_signature=spec, opset=17)
    held = graph.metadata_props.add()
    held.key, held.value = METADATA_FILE, text
    return graph.SerializeToString()
