"""A small model with random weights, its description and its hands, for tests of exported files."""

import numpy as np

from kerashand import exporting
from kerashand.config import load_config
from kerashand.exporting.parity import Limit
from kerashand.models.hand_pose import build_parts

SIZE = 32
SCALE_BONE = "wrist_middle_mcp"
SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx", "saved_model": ""}
LOOSE = dict.fromkeys(exporting.PRECISIONS, Limit("mean_error_increase_mm", 1e9))


def small_config():
    return load_config(
        "weak.yaml",
        [
            f"data.image_size_px={SIZE}", f"model.scale_bone={SCALE_BONE}",
            "model.lite={width: 0.25, stages: 2, block: dense, residuals: [0, 0, 0, 0, 1]}",
            "model.regressor={conv_channels: [16, 16], hidden_units: [32, 32]}",
        ],
    )  # fmt: skip


def random_model(config):
    """Random weights, with statistics in the normalisation that are not those of a new layer."""
    import keras

    keras.utils.set_random_seed(1)
    model = build_parts(**config.parts_arguments()).build_inference_model()
    rng = np.random.default_rng(2)
    for layer in model.get_layer("lite").layers:
        if layer.name.endswith("_bn"):
            count = layer.gamma.shape[0]
            layer.gamma.assign(rng.uniform(0.5, 1.5, count))
            layer.beta.assign(rng.normal(0, 0.2, count))
            layer.moving_mean.assign(rng.normal(0, 0.2, count))
            layer.moving_variance.assign(rng.uniform(0.3, 2.0, count))
    # Maps with peaks, and depths beyond the wrist's.
    last = model.get_layer("lite").get_layer("heatmaps_1")
    last.kernel.assign(np.asarray(last.kernel) * 20)
    return model


def described(config):
    return exporting.describe(config)


def small_hands():
    return exporting.rendered_hands("varied", "test", 4, size_px=SIZE, scale_bone=SCALE_BONE)


def export(model, path, form, precision, hands, metadata, **options):
    return exporting.checked_export(
        model, path / f"hand{SUFFIXES[form]}", form, precision=precision, metadata=metadata,
        hands=hands, calibration=hands, **options,
    )  # fmt: skip
