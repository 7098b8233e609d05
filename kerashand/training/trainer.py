"""The trainer of the hand pose models: what they answer to a batch, and how far off that is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import ops

from kerashand.geometry.heatmaps import decode_expectation, normalise_maps
from kerashand.geometry.pose import xyz_from_uv_z
from kerashand.metrics_keras import MeanJointErrorMM
from kerashand.models.hand_pose import (
    HandPoseParts,
    generate_depth_map,
    regressor_inputs,
    stage_maps,
)
from kerashand.replicas import summed_values
from kerashand.terms import TERMS
from kerashand.training.steps import StepSettings, TermsTrainer


@dataclass(frozen=True, kw_only=True)
class StageSettings(StepSettings):
    """What one stage trains, and with which losses; see `StepSettings` for the rest.

    Attributes:
        regularizer_input: "ground_truth" or "predicted" joint depth.
        heatmap_loss: "l2" (Eq. 1) or "cross_entropy".
        sigma_cells: standard deviation of the target Gaussians in cells.
        coordinate_beta_px: error from which on the coordinate loss is linear.
        half_width_scales: half width of the depth window (Eq. 4, 5) in scale bones.
        scale_bone: the unit of relative depth, of `kerashand.skeleton.SCALE_BONES`.
        fixed_shapes: whether all tensors of a step have shapes that are known before, as XLA asks.
    """

    regularizer_input: str
    heatmap_loss: str
    sigma_cells: float
    coordinate_beta_px: float
    half_width_scales: float
    scale_bone: str
    fixed_shapes: bool = False

    @property
    def needs_images(self) -> bool:
        """Whether the 2D network runs at all; stage 2 on true joints needs no picture."""
        predicts = any(
            self.loss_weights[term.name] > 0 and "regularizer" not in term.trains for term in TERMS
        )
        return predicts or self.regularizer_input == "predicted"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A batch and what the networks answer to it: nothing where the stage needs no pictures.

    Attributes:
        batch: as in `kerashand.data.sample.BATCH_SPEC`.
        settings: of the stage.
        parts: the models, with sizes and how maps are decoded.
        generated_depth: gives the depth maps [N, D, D, 1] that the regularizer draws of rows [N] of
            the batch.
        maps: score maps [B, h, w, K] of the stages of the 2D network.
        answers: of the regressor, ``z_relative`` [B, K] and the logits of its heads.
        uv_px: [B, K, 2] decoded joints, pixels.
    """

    batch: dict
    settings: StageSettings
    parts: HandPoseParts
    generated_depth: Callable[[tf.Tensor], tf.Tensor]
    maps: list
    answers: dict
    uv_px: tf.Tensor | None


class HandPoseTrainer(TermsTrainer):
    """Trains the parts on batches of `kerashand.data.sample.BATCH_SPEC`."""

    settings: StageSettings

    def __init__(self, parts: HandPoseParts, *, loss_scaling: bool = False):
        super().__init__(parts.models, TERMS, name="hand_pose_trainer", loss_scaling=loss_scaling)
        self.parts = parts
        self.error_mm = MeanJointErrorMM(name="error_mm")
        self.error_px = keras.metrics.Mean(name="error_px")

    @property
    def error_metrics(self) -> list[keras.metrics.Metric]:
        """The errors in mm and px, if the 2D network runs."""
        return [self.error_mm, self.error_px] if self.settings.needs_images else []

    def forward(self, batch: dict, *, training: bool) -> Seen:
        """What the networks answer to a batch; a part whose rate is 0 behaves as in inference."""
        settings, parts = self.settings, self.parts
        maps, inputs, answers, uv_px = [], {}, {}, None
        if settings.needs_images:
            outputs = self.network(
                batch["image"], training=training and settings.rates["network"] > 0
            )
            maps = stage_maps(outputs)
            inputs = regressor_inputs(maps[-1], outputs["features"], parts.decode)
            answers = self.regressor(inputs, training=training and settings.rates["regressor"] > 0)
            uv_px = decode_expectation(
                normalise_maps(maps[-1], parts.decode), stride=parts.heatmap_stride
            )
        return Seen(
            batch=batch,
            settings=settings,
            parts=parts,
            generated_depth=functools.partial(
                self.generate_depth, batch, inputs, training=training
            ),
            maps=maps,
            answers=answers,
            uv_px=uv_px,
        )

    def generate_depth(
        self, batch: dict, inputs: dict, rows: tf.Tensor, *, training: bool
    ) -> tf.Tensor:
        """Depth maps [N, D, D, 1] that the regularizer draws of rows [N] of the batch.

        Its input is true 2D and either true or predicted joint depth. The prediction is made
        anew from inputs cut off from the 2D network, since no gradient of the depth loss may reach
        that (section 3.4).
        """
        if self.settings.regularizer_input == "predicted":
            z_relative = self.regressor(
                {name: tf.gather(ops.stop_gradient(value), rows) for name, value in inputs.items()},
                training=training and self.settings.rates["regressor"] > 0,
            )["z_relative"]
        else:
            z_relative = tf.gather(batch["z_relative"], rows)
        return generate_depth_map(
            self.regularizer,
            tf.gather(batch["uv_px"], rows),
            z_relative,
            image_size_px=self.parts.image_size_px,
            half_width_scales=self.settings.half_width_scales,
            training=training and self.settings.rates["regularizer"] > 0,
        )

    def measure(self, seen: Seen) -> None:
        """Update the errors, over samples with 3D labels and over joints with 2D labels."""
        if seen.uv_px is None:
            return
        batch = seen.batch
        xyz_mm = xyz_from_uv_z(
            seen.uv_px, seen.answers["z_relative"], batch["intrinsics"],
            root_depth_mm=batch["root_depth_mm"], scale_mm=batch["scale_mm"],
            depth_along=self.parts.depth_along,
        )  # fmt: skip
        self.error_mm.update_state(batch["xyz_mm"], xyz_mm, batch["z_weight"])
        distance = ops.norm(seen.uv_px - batch["uv_px"], axis=-1)
        weight = ops.cast(batch["uv_weight"], distance.dtype)
        sums = summed_values({"px": ops.sum(distance * weight), "count": ops.sum(weight)})
        self.error_px.update_state(ops.divide_no_nan(sums["px"], sums["count"]), sums["count"])
