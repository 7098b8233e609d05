"""How the commands import TensorFlow: late, quietly, and with the package's messages shown."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def tensorflow_start() -> Iterator[None]:
    """Prepares TensorFlow for the imports in the block, and starts it when the block ends.

    What native code writes to stderr meanwhile is held back, and shown only after an exception:
    TensorFlow 2.21 prints a screen of notes about oneDNN and absent GPUs at import, whatever
    TF_CPP_MIN_LOG_LEVEL says.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The trainer and the pipelines are TensorFlow's, whatever ~/.keras/keras.json prefers.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    logging.basicConfig(format="%(message)s")
    logging.getLogger("kerashand").setLevel(logging.INFO)
    with native_stderr_held():
        yield
        import tensorflow as tf

        tf.config.list_logical_devices()  # looks for devices now, with what it says about them


@contextlib.contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold back what native code writes to stderr in the block; shown only after an exception."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
