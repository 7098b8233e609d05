"""How the commands import TensorFlow: late, quietly, and with the package's messages shown."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator

from kerashand.files import home_is_known
from kerashand.stderr import native_stderr_held

LOGGER = logging.getLogger(__name__)


def show_messages() -> None:
    """Show on stderr what the package says while it works."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("kerashand").setLevel(logging.INFO)


@contextlib.contextmanager
def tensorflow_start() -> Iterator[None]:
    """Prepares TensorFlow for the imports in the block, and starts it when the block ends.

    What native code writes to stderr meanwhile is held back, and shown only after an exception:
    TensorFlow 2.21 prints a screen of notes about oneDNN and absent GPUs at import, whatever
    TF_CPP_MIN_LOG_LEVEL says.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow leaves oneDNN out where a processor lacks AVX-512, and needs a third more time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not home_is_known():  # else TensorFlow makes a folder named ~
        os.environ.setdefault("KERAS_HOME", os.path.join(tempfile.gettempdir(), ".keras"))
    show_messages()
    LOGGER.info("starting TensorFlow")
    with native_stderr_held():
        from kerashand import keras_setup  # noqa: F401  before any other module imports Keras

        yield
        import tensorflow as tf

        # Each stage compiles steps of its own; TensorFlow takes them for one that changes.
        tf.get_logger().addFilter(lambda record: "retracing" not in str(record.msg))
        if "TF_CONFIG" not in os.environ:  # workers have to find each other first
            tf.config.list_logical_devices()  # looks for devices now, with what it says about them
