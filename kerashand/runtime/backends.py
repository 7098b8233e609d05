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
    """

    metadata: Mapping[str, Any]

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
        self.metadata = json.loads(held[METADATA_FILE])
        self._session = session

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See `Backend.run`."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, {"image": images}), strict=True))


BACKENDS = {".tflite": LiteRTBackend, ".onnx": OnnxBackend}


def load_backend(path: str | Path, *, threads: int = 1) -> Backend:
    """Load an exported model; its suffix says which runtime it needs.

    Raises:
        UserError: If it does not exist, has another suffix, was not exported by kerashand, or its
            runtime is not installed.
    """
    path = Path(path)
    if path.suffix not in BACKENDS:
        raise UserError(
            f"A model file must end in {' or '.join(BACKENDS)}. Received: {path.name!r}"
        )
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    return BACKENDS[path.suffix](path, threads=threads)


def read_metadata(path: Path) -> dict[str, Any]:
    """The description that the export appended to a .tflite file as a zip archive.

    Raises:
        UserError: If there is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(METADATA_FILE))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UserError(
            f"{path} was not exported by kerashand: it holds no description."
        ) from error


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
