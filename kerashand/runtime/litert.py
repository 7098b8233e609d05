"""Interpreters of .tflite files, on `ai-edge-litert` or the one inside TensorFlow."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.runtime.model_file import not_loaded


class Interpreters:
    """The interpreters of a network: as many as run at the same time, at most one a core.

    An interpreter keeps its tensors between calls and lets other threads of Python go on while it
    computes, so that no two threads may use one. Here a call takes a free one, makes another if
    there is none, and waits once each core has one. A lock around a single one is right too, and
    leaves the other cores idle.

    Attributes:
        runners: of the first one, by signature.
    """

    def __init__(self, network: bytes, *, name: str, threads: int):
        self._network, self._name, self._threads = network, name, threads
        self._turns = threading.BoundedSemaphore(os.cpu_count() or 1)
        first = self._open()
        self.runners = first[1]
        self._free = collections.deque([first])  # append and pop are safe in threads

    def run(self, signature: str, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """The outputs of a signature, as arrays of their own; errors are those of LiteRT."""
        with self._turns:
            try:
                one = self._free.pop()
            except IndexError:
                one = self._open()
            try:
                return one[1][signature](**inputs)
            finally:
                self._free.append(one)

    def _open(self) -> tuple[Any, dict[str, Any]]:
        """An interpreter and its runners, which do not keep it alive."""
        interpreter = open_interpreter(self._network, name=self._name, threads=self._threads)
        try:
            names = interpreter.get_signature_list()
            return interpreter, {name: interpreter.get_signature_runner(name) for name in names}
        except (ValueError, RuntimeError) as error:
            raise not_loaded(self._name, "LiteRT", error) from error


def open_interpreter(
    content: bytes, *, name: str = "the model", threads: int | None = None, plain: bool = False
):
    """A LiteRT interpreter, ready to run; it verifies the structure of the file.

    Args:
        content: of a .tflite file.
        name: of the file, for errors.
        threads: None for the runtime's own choice.
        plain: without XNNPACK, which hides the constants of a file.

    Raises:
        UserError: when this is no such file, or LiteRT is missing.
    """
    interpreter_class, resolvers = _litert()
    kind = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else resolvers.AUTO
    try:
        interpreter = interpreter_class(
            model_content=content, num_threads=threads, experimental_op_resolver_type=kind
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise not_loaded(name, "LiteRT", error) from error
    return interpreter


def _litert():
    """The interpreter's class, and the enumeration of its resolvers of operations."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        try:
            import tensorflow

            Interpreter = tensorflow.lite.Interpreter
            OpResolverType = tensorflow.lite.experimental.OpResolverType
        except (ImportError, AttributeError) as error:
            raise UserError("A .tflite file needs LiteRT: pip install ai-edge-litert.") from error
    return Interpreter, OpResolverType
