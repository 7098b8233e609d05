"""A small trainer, its settings and its batches, for tests of the trainer."""

import numpy as np
import tensorflow as tf

from kerashand.models.hand_pose import build_parts
from kerashand.terms import TERMS
from kerashand.training.optimizers import build_optimizers
from kerashand.training.trainer import HandPoseTrainer, StageSettings

SIZE_PX = 32
HEADS = {"handedness": 1.0, "presence": 1.0, "confidence": 1.0}
OPTIMIZER = {
    "name": "adamw", "learning_rate_peak": 2e-3, "weight_decay": 0.0, "schedule": "constant",
    "warmup_steps": 0, "final_fraction": 0.0, "clip_norm": None, "steps": 100,
}  # fmt: skip


def make_parts(*, heads=False, stages=2):
    return build_parts(
        lite={
            "width": 0.25, "stages": stages, "heatmap_stride": 8, "residuals": (0, 0, 0, 0, 1),
        },
        regressor={"conv_channels": (8, 8), "hidden_units": (16, 16), "heads": heads},
        regularizer={"output_size_px": 32, "channels": (16, 16, 8, 8, 8), "dropout": 0.0},
        image_size_px=SIZE_PX,
    )  # fmt: skip


def make_settings(**changes):
    weights = dict.fromkeys((term.name for term in TERMS), 0.0)
    weights |= {"heatmap": 1.0, "joint_depth": 0.1, "depth_map": 1.0}
    rates = {"network": 1.0, "regressor": 1.0, "regularizer": 1.0}
    settings = {
        "loss_weights": weights | changes.pop("loss_weights", {}),
        "rates": rates | changes.pop("rates", {}),
        "regularizer_input": "predicted",
        "heatmap_loss": "cross_entropy",
        "sigma_cells": 1.0,
        "coordinate_beta_px": 2.0,
        "half_width_scales": 5.0,
        "scale_bone": "middle_mcp_pip",
    }
    return StageSettings(**(settings | changes))


def make_batch(rng, count=4):
    batch = {
        "image": rng.uniform(0, 255, (count, SIZE_PX, SIZE_PX, 3)),
        "uv_px": rng.uniform(4, SIZE_PX - 4, (count, 21, 2)),
        "uv_weight": np.ones((count, 21)),
        "is_right": np.ones(count),
        "is_hand": np.ones(count),
        "z_relative": rng.normal(size=(count, 21)) * (np.arange(21) > 0),
        "z_weight": np.ones(count),
        "depth_map": rng.uniform(0, 1, (count, 32, 32, 1)),
        "depth_weight": np.ones((count, 32, 32, 1)),
        "xyz_mm": rng.normal(0.0, 1.0, (count, 21, 3)) + np.array([0.0, 0.0, 500.0]),
        "intrinsics": np.tile([[100.0, 0, 15.5], [0, 100.0, 15.5], [0, 0, 1]], (count, 1, 1)),
        "root_depth_mm": np.full(count, 500.0),
        "scale_mm": np.full(count, 40.0),
        "point_depth": rng.normal(size=(count, 21)) * (np.arange(21) > 0),
        "point_depth_weight": np.ones((count, 21)),
    }
    return {name: tf.constant(value, tf.float32) for name, value in batch.items()}


def started(settings, *, heads=False, stages=2, **options):
    trainer = HandPoseTrainer(make_parts(heads=heads, stages=stages), **options)
    trainer.start_stage(settings, build_optimizers(settings.rates, **OPTIMIZER))
    return trainer


def snapshot(model):
    return [np.array(variable) for variable in model.trainable_variables]


def changed(before, model):
    return any(
        not np.array_equal(old, np.array(new))
        for old, new in zip(before, model.trainable_variables, strict=True)
    )
