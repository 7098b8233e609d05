"""Exported files, run by the runtime of their format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import user_path
from kerashand.geometry.pose import DEPTH_ALONG, OPTICAL_AXIS
from kerashand.runtime.litert import Interpreters
from kerashand.runtime.model_file import (
    METADATA_FILE,
    checked_network,
    described,
    not_loaded,
    read_metadata,
    undescribed,
)
from kerashand.stderr import native_stderr_held

JOINTS_SIGNATURE, XYZ_SIGNATURE = "serving_default", "xyz_mm"
"""Names of the signatures of exported models; `xyz_mm` also takes a camera and a scale."""
SAVED_MODEL_FILE = "saved_model.pb"

Outputs = dict[str, NDArray[np.float32]]


class Backend(Protocol):
    """A loaded file; several threads may run it at the same time.

    Attributes:
        metadata: what the export wrote about the model: `task`, `image_size_px`, `joint_names`,
            `scale_bone` and more.
        signatures: names of the functions that the file has.
        input_shape: of `image` in the first of them.
        outputs: names of its outputs.
    """

    metadata: Mapping[str, Any]
    signatures: tuple[str, ...]
    input_shape: tuple[int, ...]
    outputs: frozenset[str]

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Outputs by name, without a batch axis, for one picture [1, S, S, 3] uint8."""
        return self.call(self.signatures[0], {"image": images})

    def call(self, signature: str, inputs: Mapping[str, NDArray]) -> Outputs:
        """Outputs of one of `signatures`, as `run` gives them."""


class LiteRTBackend(Backend):
    """A .tflite file on LiteRT."""

    def __init__(self, path: Path, *, threads: int):
        self.metadata = read_metadata(path)
        network = checked_network(path, path.read_bytes(), self.metadata)
        self._interpreters = Interpreters(network, name=str(path), threads=threads)
        runners = self._interpreters.runners
        if not runners:
            raise not_loaded(path, "LiteRT", "it has no signatures")
        self.signatures = _joints_first(runners)
        first = runners[self.signatures[0]]
        inputs = first.get_input_details()
        self.input_shape = tuple(inputs["image"]["shape"].tolist()) if "image" in inputs else ()
        self.outputs = frozenset(first.get_output_details())

    def call(self, signature: str, inputs: Mapping[str, NDArray]) -> Outputs:
        """See `Backend.call`."""
        try:
            return _of_one(self._interpreters.run(signature, inputs))
        except (ValueError, RuntimeError, TypeError) as error:
            raise _not_run("LiteRT", error) from error


class OnnxBackend(Backend):
    """An .onnx file on `onnxruntime`; it has one signature."""

    def __init__(self, path: Path, *, threads: int):
        check("an .onnx file", str(path))
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = LOG_ERRORS
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            held = session.get_modelmeta().custom_metadata_map  # texts may be no UTF-8
            shapes = {value.name: tuple(value.shape) for value in session.get_inputs()}
            self._names = [value.name for value in session.get_outputs()]
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise not_loaded(path, "ONNX Runtime", error) from error
        if METADATA_FILE not in held:
            raise undescribed(path)
        self.metadata = described(path, held[METADATA_FILE])
        self._session = session
        self.signatures = (XYZ_SIGNATURE if "intrinsics" in shapes else JOINTS_SIGNATURE,)
        self.input_shape = shapes.get("image", ())
        self.outputs = frozenset(self._names)

    def call(self, signature: str, inputs: Mapping[str, NDArray]) -> Outputs:
        """See `Backend.call`."""
        try:
            values = self._session.run(self._names, {k: np.asarray(v) for k, v in inputs.items()})
        except Exception as error:  # onnxruntime raises classes of its own
            raise _not_run("ONNX Runtime", error) from error
        return _of_one(dict(zip(self._names, values, strict=True)))


class SavedModelBackend(Backend):
    """A SavedModel folder on TensorFlow, which chooses its threads itself."""

    def __init__(self, path: Path, *, threads: int):
        try:
            self.metadata = described(path, (path / METADATA_FILE).read_bytes())
        except OSError as error:
            raise undescribed(path) from error
        check("a SavedModel", f"{path} is a SavedModel, which")
        import tensorflow as tf

        self._as_tensor = tf.constant
        try:
            self._loaded = tf.saved_model.load(str(path))
            functions = dict(self._loaded.signatures)
        except Exception as error:  # whatever TensorFlow meets in a damaged folder
            raise not_loaded(path, "TensorFlow", error) from error
        if not functions:
            raise not_loaded(path, "TensorFlow", "it has no signatures")
        self.signatures = _joints_first(functions)
        self._functions = functions
        first = functions[self.signatures[0]]
        inputs = first.structured_input_signature[1]
        self.input_shape = tuple(inputs["image"].shape) if "image" in inputs else ()
        self.outputs = frozenset(first.structured_outputs)

    def call(self, signature: str, inputs: Mapping[str, NDArray]) -> Outputs:
        """See `Backend.call`."""
        tensors = {name: self._as_tensor(value) for name, value in inputs.items()}
        outputs = self._functions[signature](**tensors)
        return _of_one({name: value.numpy() for name, value in outputs.items()})


LOG_ERRORS = 3  # ONNX Runtime's severities: 0 verbose .. 4 fatal
PRECISIONS = ("fp32", "fp16", "dynamic_int8", "int8")


@dataclass(frozen=True)
class Format:
    """What a model can be exported as; `kerashand.exporting.formats` writes it.

    Attributes:
        suffix: of its file; "" for a folder.
        backend: runs it.
        precisions: in which it can be written.
        one_signature: whether it holds one signature; others hold all.
    """

    suffix: str
    backend: type[Backend]
    precisions: tuple[str, ...] = PRECISIONS
    one_signature: bool = False


FORMATS = {
    "tflite": Format(".tflite", LiteRTBackend),
    "onnx": Format(".onnx", OnnxBackend, one_signature=True),
    "saved_model": Format("", SavedModelBackend, ("fp32",)),
}
_JOINTS = frozenset({"uv_px", "z_relative", "confidence"})
TASKS = {
    "hand_pose": ("a pose model", _JOINTS),
    "hand_pose_by_depth": ("a pose model by depth", _JOINTS),
    "hand_detector": ("a detector", frozenset({"score", "box", "p_right"})),
}
"""What a file says it is -> what that is called, and the outputs that it has."""
HEADS = frozenset({"p_right", "p_hand"})
"""More outputs of a pose model that was trained with them."""
LATER_OUTPUTS = HEADS | {"up"}
"""Outputs that models of before lack."""
POSE_SHAPES = {
    "uv_px": (21, 2), "z_relative": (21,), "confidence": (21,), "p_right": (), "p_hand": (),
}  # fmt: skip


def _of_one(outputs: Mapping[str, NDArray]) -> Outputs:
    """Outputs without the batch axis that files of versions before 0.1 keep."""
    return {
        name: value[0] if value.ndim > 1 and value.shape[0] == 1 else value
        for name, value in outputs.items()
    }


def _joints_first(names) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name != JOINTS_SIGNATURE, name)))


def load_backend(path: str | Path, *, task: str, threads: int = 1) -> Backend:
    """Load an exported model; its suffix says which runtime it needs.

    Args:
        path: a .tflite or .onnx file, or the folder of a SavedModel.
        task: what it has to be, a key of `TASKS`.
        threads: of the runtime.

    Raises:
        UserError: If it does not exist, has another suffix, was not exported by kerashand, is
            damaged or of another task, or its runtime is not installed.
    """
    path = user_path(path)
    check_count("threads", threads)
    backend = open_backend(path, threads=threads)
    name, outputs = TASKS[task]
    said = backend.metadata.get("task")
    if said != task:
        raise UserError(f"{path} is not {name}. It says that it is: {str(said)[:60]}")
    if backend.signatures[0] != JOINTS_SIGNATURE:
        raise UserError(
            f"{path} has the signature {backend.signatures[0]} alone, which takes a camera too; "
            f"this needs one that was exported with --signature {JOINTS_SIGNATURE}."
        )
    side = backend.metadata.get("image_size_px")
    if backend.input_shape != (1, side, side, 3) or not outputs <= backend.outputs:
        raise UserError(
            f"{path} does not hold what it says, {name} for {side} px: its input is "
            f"{list(backend.input_shape)}, its outputs are {', '.join(sorted(backend.outputs))}."
        )
    return backend


def open_backend(path: Path, *, threads: int = 1) -> Backend:
    """Load a file whatever it is for, without what its runtime tells of itself.

    Raises as `load_backend` does.
    """
    with native_stderr_held():
        return _backend_class(path)(path, threads=threads)


def _backend_class(path: Path):
    if (path / SAVED_MODEL_FILE).is_file():
        return SavedModelBackend
    if path.is_dir():
        raise UserError(f"{path} is a folder without a {SAVED_MODEL_FILE}: no SavedModel.")
    backends = {form.suffix: form.backend for form in FORMATS.values() if form.suffix}
    if not (path.suffix or path.exists()):
        raise UserError(f"{path} does not exist.")
    if path.suffix.lower() not in backends:
        raise UserError(
            f"A model is a file that ends in {' or '.join(backends)}, or the folder of a "
            f"SavedModel. Received: {path.name!r}"
        )
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    return backends[path.suffix.lower()]


def checked(output: Mapping[str, NDArray], *, task: str) -> dict[str, NDArray[np.float64]]:
    """The outputs of a network, if they are numbers in the shapes of its task.

    Raises:
        UserError: If they are not, as damaged weights give.
    """
    output = {name: np.asarray(values, np.float64) for name, values in output.items()}
    names = set(TASKS[task][1]) | (LATER_OUTPUTS & set(output))
    shapes = {name: output[name].shape for name in names}
    cells = shapes.get("score", ())
    of_task = POSE_SHAPES if task == "hand_pose" else {
        "score": cells, "box": (*cells, 4), "p_right": cells, "up": (*cells, 2)
    }  # fmt: skip
    wanted = {name: of_task[name] for name in names}
    if shapes != wanted or len(cells) not in (0, 2):
        raise UserError(f"A model gives outputs of wrong shapes: {shapes}. Export it again.")
    bad = sorted(name for name, values in output.items() if not np.isfinite(values).all())
    if bad:
        raise UserError(
            f"A model gives {', '.join(bad)} that are not numbers: its file is damaged."
        )
    return output


def is_number(value: Any) -> bool:
    """Whether this is a real number: no text, no truth value, no array."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def check_count(name: str, value: int) -> None:
    """Raise ValueError unless this is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")


def depth_along(metadata: Mapping[str, Any]) -> str:
    """What a pose model's relative depth is measured along, of its description.

    Raises:
        UserError: If this version does not know it.
    """
    along = metadata.get("depth_along", OPTICAL_AXIS)
    if along not in DEPTH_ALONG:
        raise UserError(
            f"The model measures depth along {str(along)[:60]!r}, which this version does not know "
            f"({', '.join(DEPTH_ALONG)})."
        )
    return along


def _not_run(runtime: str, why: object) -> UserError:
    return UserError(
        f"{runtime} cannot run a model: {str(why)[:300]}. Its file is damaged, or does not hold "
        "what it says."
    )
