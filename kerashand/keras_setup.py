"""Keras as the networks need it, whatever ~/.keras/keras.json says; imported before Keras is used.

Another `image_data_format`, `floatx` or `epsilon` would build other networks, or none.
"""

from __future__ import annotations

import os
import sys

from kerashand.errors import UserError
from kerashand.extras import check

BACKEND = "tensorflow"


def set_up_keras() -> None:
    """Choose TensorFlow, pictures with channels last, float32 and the usual epsilon.

    Raises:
        UserError: where Keras or TensorFlow is not installed, Keras runs on something else already,
            or it cannot read its own file.
    """
    check("a Keras model")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
    try:
        import keras
    except (ValueError, AssertionError, AttributeError) as error:
        raise UserError(
            f"Keras cannot read ~/.keras/keras.json ({str(error)[:200]}): delete that file."
        ) from error
    if keras.config.backend() != BACKEND:
        raise UserError(
            f"kerashand needs Keras on TensorFlow; in this process it runs on "
            f"{keras.config.backend()}. Import kerashand first, or set KERAS_BACKEND={BACKEND}."
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


set_up_keras()
