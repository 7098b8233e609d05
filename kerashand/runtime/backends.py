"""Exported files, run by the runtime of their format."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError

METADATA_FILE = "kerashand.json"


class Backend(Protocol):
    """A loaded file.

    Attributes:
        metadata: what the export wrote about the model: `task`, `image_size_px`, `joint_names`,
            `scale_bone` and more.
        input_shape: of the network's `image`.
        outputs: names of the network's outputs.
    """

    metadata: Mapping[str, Any]
    input_shape: tuple[int, ...]
    outputs: frozenset[str]

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name for images [1, S, S, 3] uint8."""


class LiteRTBackend:
    """A .tflite file on `ai-edge-litert`, or on the interpreter inside TensorFlow."""

    def __init__(self, path: Path, *, threads: int):
        self.metadata = read_metadata(path)
        interpreter_class = _interpreter_class()
        try:
            interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            self._run = interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} is not a model that LiteRT can load: {error}") from error
        self._interpreter = interpreter  # the runner does not keep it alive
        inputs = self._run.get_input_details()
        self.input_shape = tuple(inputs["image"]["shape"].tolist()) if "image" in inputs else ()
        self.outputs = frozenset(self._run.get_output_details())

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See `Backend.run`."""
        return self._run(image=images)


class OnnxBackend:
    """An .onnx file on `onnxruntime`."""

    def __init__(self, path: Path, *, threads: int):
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(
                f"{path} needs ONNX Runtime: pip install onnxruntime (or kerashand[edge])."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise UserError(f"{path} is not a model that ONNX Runtime can load: {error}") from error
        held = session.get_modelmeta().custom_metadata_map
        if METADATA_FILE not in held:
            raise UserError(f"{path} was not exported by kerashand: it holds no description.")
        self.metadata = _described(path, held[METADATA_FILE])
        self._session = session
        shapes = {value.name: tuple(value.shape) for value in session.get_inputs()}
        self.input_shape = shapes.get("image", ())
        self.outputs = frozenset(value.name for value in session.get_outputs())

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See `Backend.run`."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, {"image": images}), strict=True))


BACKENDS = {".tflite": LiteRTBackend, ".onnx": OnnxBackend}
TASKS = {
    "hand_pose": ("a pose model", frozenset({"uv_px", "z_relative", "confidence"})),
    "hand_finder": ("a finder", frozenset({"score", "box", "right"})),
}
"""What a file says it is -> what that is called, and the outputs that it has."""


def load_backend(path: str | Path, *, task: str, threads: int = 1) -> Backend:
    """Load an exported model; its suffix says which runtime it needs.

    Args:
        path: the file.
        task: what it has to be, a key of `TASKS`.
        threads: of the runtime.

    Raises:
        UserError: If it does not exist, has another suffix, was not exported by kerashand, is
            damaged or of another task, or its runtime is not installed.
    """
    path = Path(path).expanduser()
    check_count("threads", threads)
    if path.suffix.lower() not in BACKENDS:
        raise UserError(
            f"A model file must end in {' or '.join(BACKENDS)}. Received: {path.name!r}"
        )
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    backend = BACKENDS[path.suffix.lower()](path, threads=threads)
    name, outputs = TASKS[task]
    said = backend.metadata.get("task")
    if said != task:
        raise UserError(f"{path} is not {name}. It says that it is: {said}")
    side = backend.metadata.get("image_size_px")
    if backend.input_shape != (1, side, side, 3) or not outputs <= backend.outputs:
        raise UserError(
            f"{path} does not hold what it says, {name} for {side} px: its input is "
            f"{list(backend.input_shape)}, its outputs are {', '.join(sorted(backend.outputs))}."
        )
    return backend


def finite(output: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """The outputs of a network, if they are numbers.

    Raises:
        UserError: If they are not, as damaged weights give.
    """
    bad = sorted(name for name, values in output.items() if not np.isfinite(values).all())
    if bad:
        raise UserError(
            f"A model gives {', '.join(bad)} that are not numbers: its file is damaged."
        )
    return output


def check_count(name: str, value: int) -> None:
    """Raise ValueError unless this is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")


def read_metadata(path: Path) -> dict[str, Any]:
    """The description that the export appended to a .tflite file as a zip archive.

    Raises:
        UserError: If there is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _described(path, archive.read(METADATA_FILE))
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(
            f"{path} was not exported by kerashand: it holds no description."
        ) from error


def _described(path: Path, text: str | bytes) -> dict[str, Any]:
    try:
        described = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is damaged: its description is not JSON.") from error
    if not isinstance(described, dict):
        raise UserError(f"{path} is damaged: its description is {type(described).__name__}.")
    return described


def _interpreter_class():
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            import tensorflow

            Interpreter = tensorflow.lite.Interpreter
        except (ImportError, AttributeError) as error:
            raise UserError(
                "A .tflite file needs LiteRT: pip install ai-edge-litert (or kerashand[edge])."
            ) from error
    return Interpreter
