"""Small networks, and random inputs of a model's own shapes, for tests of the models."""

import keras
import numpy as np

from kerashand.models import hand_pose
from kerashand.models.depth_regressor import build_depth_regressor
from kerashand.models.depth_regularizer import build_depth_regularizer
from kerashand.models.lite import build_lite


def small_lite(**options):
    return build_lite(**{"image_size_px": 32, "width": 0.25, "stages": 2, **options})


def small_regressor(**options):
    arguments = {"map_size": 4, "feature_channels": 16, "conv_channels": (8, 8)}
    return build_depth_regressor(**{**arguments, "hidden_units": (16, 8), **options})


def small_regularizer(**options):
    return build_depth_regularizer(
        **{"output_size_px": 32, "channels": (16, 16, 8, 8, 8), "dropout": 0.0, **options}
    )


def small_parts(**options):
    return hand_pose.build_parts(
        **{
            "lite": {"width": 0.25, "stages": 2},
            "regressor": {"conv_channels": (8, 8), "hidden_units": (16, 8)},
            "regularizer": {"output_size_px": 32, "channels": (16, 16, 8, 8, 8)},
            "image_size_px": 32,
            **options,
        }
    )


def random_inputs(model, batch=2):
    """Inputs of the model's own shapes: an image if they have three channels, else 0..1."""

    def draw(tensor):
        rng = np.random.default_rng(0)
        high = 255.0 if tensor.name == "image" else 1.0
        return rng.uniform(0, high, (batch, *tensor.shape[1:])).astype(np.float32)

    return keras.tree.map_structure(draw, model.input)
