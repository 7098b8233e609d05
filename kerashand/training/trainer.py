"""The trainer: one `keras.Model` whose train step adds and weighs the losses of Eq. 7."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerashand import losses
from kerashand.geometry.bones import bone_lengths, bone_range
from kerashand.geometry.heatmaps import decode_expectation, encode_gaussian, normalise_maps
from kerashand.geometry.pose import xyz_from_uv_z
from kerashand.metrics_keras import MeanJointErrorMM
from kerashand.models.depth_regressor import PRECISE_SHARE
from kerashand.models.hand_pose import HandPoseParts, draw_depth, regressor_inputs, stage_maps
from kerashand.replicas import as_keras_reduces, replicas, summed, summed_values
from kerashand.skeleton import BONES
from kerashand.training.optimizers import LossScale

LOSS_NAMES = (
    *("heatmap", "coordinate", "joint_depth", "bone_length", "depth_map"),
    *("handedness", "presence", "confidence"),
)
# Normalised depth above which a pixel shows the hand: 0.5 is the wrist, 0.2 is three bones behind.
HAND_LEVEL = 0.2
PARTS = ("network", "regressor", "regularizer")


@dataclass(frozen=True)
class StageSettings:
    """What one stage trains, and with which losses.

    Attributes:
        loss_weights: loss name to its factor in Eq. 7; 0 leaves it out.
        rates: part name to learning-rate multiplier; 0 freezes the part (batch normalisation and
            drop-out then behave as in inference).
        regularizer_input: "ground_truth" or "predicted" joint depth.
        heatmap_loss: "l2" (Eq. 1) or "cross_entropy".
        sigma_cells: standard deviation of the target Gaussians in cells.
        coordinate_beta_px: where the coordinate loss turns linear.
        half_width_scales: half width of the depth window (Eq. 4, 5) in scale bones.
        scale_bone: the unit of relative depth, of `kerashand.skeleton.SCALE_BONES`.
        depth_pixels: "all" (Eq. 6) or "overlap": only pixels where both the drawn and the measured
            map show something, so that what counts is depth and not the outline.
        micro_batches: parts of a batch that are taken one after the other, for less memory.
    """

    loss_weights: dict[str, float]
    rates: dict[str, float]
    regularizer_input: str
    heatmap_loss: str
    sigma_cells: float
    coordinate_beta_px: float
    half_width_scales: float
    scale_bone: str
    depth_pixels: str = "all"
    micro_batches: int = 1

    @property
    def needs_images(self) -> bool:
        """Whether the 2D network runs at all; stage 2 on true joints needs no picture."""
        predicts = any(self.loss_weights[n] > 0 for n in LOSS_NAMES if n != "depth_map")
        return predicts or self.regularizer_input == "predicted"


def label_weight(batch: dict, loss: str) -> tf.Tensor:
    """How much each label counts in a loss; its sum is what the loss is divided by.

    Args:
        batch: As in `kerashand.data.sample.BATCH_SPEC`.
        loss: One of `LOSS_NAMES`.

    Returns:
        [B, 21] of the losses in 2D, [B] of joint depth, [B, D, D, 1] of the depth map; of bone
        lengths [B, 20], 0 where joint depth is labelled: it tells more than they do.
    """
    if loss == "joint_depth":
        return batch["z_weight"]
    if loss == "depth_map":
        return batch["depth_weight"]
    if loss == "presence":
        return ops.ones_like(batch["is_hand"])
    if loss == "handedness":
        return batch["is_hand"]
    if loss == "bone_length":
        start, end = np.array(BONES).T
        weight = batch["uv_weight"]
        both = ops.take(weight, start, axis=1) * ops.take(weight, end, axis=1)
        return both * ops.cast(batch["z_weight"] == 0, both.dtype)[:, None]
    return batch["uv_weight"]


def shared_evenly(gradients: list) -> list:
    """An equal share of the gradients of all replicas, for optimisers that clip and then sum."""
    known = [gradient for gradient in gradients if gradient is not None]
    totals = iter(summed(known))
    return [g if g is None else next(totals) / replicas() for g in gradients]


class HandPoseTrainer(keras.Model):
    """Trains the parts on batches of `kerashand.data.sample.BATCH_SPEC`.

    One trainer lives for a whole run; `start_stage` sets what the next `fit` does.
    """

    def __init__(self, parts: HandPoseParts, *, loss_scaling: bool = False):
        super().__init__(name="hand_pose_trainer")
        self.parts = parts
        self.network = parts.network
        self.regressor = parts.regressor
        self.regularizer = parts.regularizer
        self.loss_scale = LossScale(enabled=loss_scaling)
        self.means = {name: keras.metrics.Mean(name=name) for name in ("loss", *LOSS_NAMES)}
        self.error_mm = MeanJointErrorMM(name="error_mm")
        self.error_px = keras.metrics.Mean(name="error_px")
        self.part_optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.built = True

    def start_stage(
        self,
        settings: StageSettings,
        optimizers: dict[str, keras.optimizers.Optimizer],
        *,
        jit_compile: bool = False,
    ) -> None:
        """Set losses, trainable parts and one optimiser for each part whose rate is above 0."""
        self.settings = settings
        self.part_optimizers = optimizers
        for name, optimizer in optimizers.items():
            optimizer.build(getattr(self, name).trainable_variables)
        self.compile(optimizer=next(iter(optimizers.values())), jit_compile=jit_compile)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: all is built, and Keras 3 would average a batch over workers, which fails."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Losses in use, then the errors in mm and px if the 2D network runs."""
        used = [n for n in LOSS_NAMES if self.settings.loss_weights[n] > 0]
        errors = [self.error_mm, self.error_px] if self.settings.needs_images else []
        return [self.means["loss"], *(self.means[name] for name in used), *errors]

    # ------------------------------------------------------------------------------- losses

    def _stage_losses(self, batch: dict, training: bool) -> dict[str, tf.Tensor]:
        """Every loss of the stage by name, not yet weighed; updates the error metrics."""
        settings = self.settings
        weights = settings.loss_weights
        values = {}
        seen = None
        if settings.needs_images:
            outputs = self.network(
                batch["image"], training=training and settings.rates["network"] > 0
            )
            maps = stage_maps(outputs)
            seen = regressor_inputs(maps[-1], outputs["features"], self.parts.decode)
            answers = self.regressor(seen, training=training and settings.rates["regressor"] > 0)
            z_relative = answers["z_relative"]
            uv_px = decode_expectation(
                normalise_maps(maps[-1], self.parts.decode), stride=self.parts.heatmap_stride
            )
            if weights["heatmap"] > 0:
                values["heatmap"] = self._heatmap_loss(batch, maps)
            if weights["coordinate"] > 0:
                values["coordinate"] = losses.coordinate_smooth_l1(
                    batch["uv_px"], uv_px, batch["uv_weight"], beta_px=settings.coordinate_beta_px
                )
            if weights["joint_depth"] > 0:
                values["joint_depth"] = losses.joint_depth_smooth_l1(
                    batch["z_relative"], z_relative, batch["z_weight"]
                )
            if weights["bone_length"] > 0:
                values["bone_length"] = self._bone_length_loss(batch, z_relative)
            values |= self._head_losses(batch, answers, uv_px)
            self._update_errors(batch, uv_px, z_relative)
        if weights["depth_map"] > 0:
            values["depth_map"] = self._depth_map_loss(batch, self.render(batch, seen, training))
        return values

    def _heatmap_loss(self, batch: dict, maps: list) -> tf.Tensor:
        """Sum over the supervised stages of the 2D network."""
        target = encode_gaussian(
            batch["uv_px"],
            size=maps[0].shape[1],
            stride=self.parts.heatmap_stride,
            sigma_cells=self.settings.sigma_cells,
        )
        loss = {"l2": losses.heatmap_l2, "cross_entropy": losses.heatmap_cross_entropy}[
            self.settings.heatmap_loss
        ]
        return sum(loss(target, stage, batch["uv_weight"]) for stage in maps)

    def _head_losses(self, batch: dict, answers: dict, uv_px: tf.Tensor) -> dict[str, tf.Tensor]:
        """Cross entropies of what the heads say; none teaches the heat maps to be sure."""
        reach = PRECISE_SHARE * self.parts.image_size_px
        error = ops.norm(ops.stop_gradient(uv_px) - batch["uv_px"], axis=-1)
        asked = {
            "handedness": ("right_logit", batch["is_right"]),
            "presence": ("hand_logit", batch["is_hand"]),
            "confidence": ("precise_logit", ops.cast(error <= reach, "float32")),
        }
        return {
            name: losses.binary_cross_entropy(truth, answers[logit], label_weight(batch, name))
            for name, (logit, truth) in asked.items()
            if self.settings.loss_weights[name] > 0
        }

    def _bone_length_loss(self, batch: dict, z_relative: tf.Tensor) -> tf.Tensor:
        """How far bones between labelled points are from lengths of bones, by predicted depth."""
        bone = self.settings.scale_bone
        shortest, longest = bone_range(bone)
        return losses.bone_length_hinge(
            bone_lengths(batch["uv_px"], z_relative, scale_bone=bone),
            label_weight(batch, "bone_length"),
            shortest=shortest,
            longest=longest,
        )

    def _depth_map_loss(self, batch: dict, drawn: tf.Tensor) -> tf.Tensor:
        """Eq. 6 over all measured pixels, or over those where drawn and measured hand overlap."""
        weight = batch["depth_weight"]
        if self.settings.depth_pixels == "overlap":
            both = ops.logical_and(batch["depth_map"] > HAND_LEVEL, drawn > HAND_LEVEL)
            weight = weight * ops.cast(ops.stop_gradient(both), weight.dtype)
        return losses.depth_map_l1(batch["depth_map"], drawn, weight)

    def render(self, batch: dict, seen: dict | None, training: bool) -> tf.Tensor:
        """Depth maps [B, D, D, 1] that the regularizer draws of the batch.

        Its input is true 2D and either true or predicted joint depth. The prediction is made
        anew from inputs cut off from the 2D network, since no gradient of the depth loss may reach
        that (section 3.4).
        """
        if self.settings.regularizer_input == "predicted":
            z_relative = self.regressor(
                {name: ops.stop_gradient(value) for name, value in seen.items()},
                training=training and self.settings.rates["regressor"] > 0,
            )["z_relative"]
        else:
            z_relative = batch["z_relative"]
        return draw_depth(
            self.regularizer,
            batch["uv_px"],
            z_relative,
            image_size_px=self.parts.image_size_px,
            half_width_scales=self.settings.half_width_scales,
            training=training and self.settings.rates["regularizer"] > 0,
        )

    def _update_errors(self, batch: dict, uv_px: tf.Tensor, z_relative: tf.Tensor) -> None:
        xyz_mm = xyz_from_uv_z(
            uv_px, z_relative, batch["intrinsics"], batch["root_depth_mm"], batch["scale_mm"],
            depth_along=self.parts.depth_along,
        )  # fmt: skip
        self.error_mm.update_state(batch["xyz_mm"], xyz_mm, batch["z_weight"])
        distance = ops.norm(uv_px - batch["uv_px"], axis=-1)
        weight = ops.cast(batch["uv_weight"], distance.dtype)
        sums = summed_values({"px": ops.sum(distance * weight), "count": ops.sum(weight)})
        self.error_px.update_state(ops.divide_no_nan(sums["px"], sums["count"]), sums["count"])

    # -------------------------------------------------------------------------------- steps

    def train_step(self, batch: dict) -> dict[str, tf.Tensor]:
        """One step of every part whose rate is above 0."""
        trained = {name: getattr(self, name).trainable_variables for name in self.part_optimizers}
        variables = [variable.value for group in trained.values() for variable in group]
        counts = self._label_counts(batch)
        gradients, values = self._gradients(batch, variables, counts)
        gradients = self.loss_scale.unscale(gradients)
        if replicas() > 1 and any(o.global_clipnorm for o in self.part_optimizers.values()):
            gradients = shared_evenly(gradients)
        keep = self.loss_scale.update(gradients)
        start = 0
        for name, group in trained.items():
            part = gradients[start : start + len(group)]
            start += len(group)
            self.loss_scale.apply(self.part_optimizers[name], part, group, keep)
        return self._report(values, counts)

    def test_step(self, batch: dict) -> dict[str, tf.Tensor]:
        """The same losses and errors without training."""
        counts = self._label_counts(batch)
        return self._report(self._shares(batch, counts, training=False), counts)

    def _label_counts(self, batch: dict) -> dict[str, tf.Tensor]:
        """Labels of each loss in the batch of all replicas."""
        used = [name for name in LOSS_NAMES if self.settings.loss_weights[name] > 0]
        return summed_values({name: ops.sum(label_weight(batch, name)) for name in used})

    def _shares(self, batch: dict, counts: dict, *, training: bool) -> dict[str, tf.Tensor]:
        """What these rows add to the loss of the whole batch: means weigh as their labels do."""
        values = self._stage_losses(batch, training)
        if replicas() == 1 and self.settings.micro_batches == 1:
            return values
        here = {name: ops.sum(label_weight(batch, name)) for name in values}
        least = losses.WEIGHT_EPSILON
        return {
            name: value * here[name] / ops.maximum(counts[name], least)
            for name, value in values.items()
        }

    def _gradients(self, batch: dict, variables: list, counts: dict) -> tuple[list, dict]:
        """Gradients of the scaled loss, and the losses, of a batch taken in parts."""

        def of_rows(rows: dict) -> tuple[list, dict]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                values = self._shares(rows, counts, training=True)
                scaled = self.loss_scale.scale(self._total(values))
            return tape.gradient(scaled, variables), values

        parts = self.settings.micro_batches
        if parts == 1:
            return of_rows(batch)
        # Every n-th row: each part holds both domains. A loop, so that one part is in memory.
        split = {
            name: tf.stack([value[part::parts] for part in range(parts)])
            for name, value in batch.items()
        }
        used = tuple(counts)

        def add(part, gradients, values):
            more, shares = of_rows({name: value[part] for name, value in split.items()})
            more = [
                tf.zeros_like(g) if m is None else m for g, m in zip(gradients, more, strict=True)
            ]
            return (
                part + 1,
                [g + m for g, m in zip(gradients, more, strict=True)],
                [v + shares[name] for v, name in zip(values, used, strict=True)],
            )

        start = (0, [tf.zeros_like(v) for v in variables], [tf.constant(0.0) for _ in used])
        _, gradients, values = tf.while_loop(
            lambda part, *_: part < parts, add, start, parallel_iterations=1
        )
        return list(gradients), dict(zip(used, values, strict=True))

    def _total(self, values: dict[str, tf.Tensor]) -> tf.Tensor:
        """Eq. 7."""
        return sum(self.settings.loss_weights[name] * value for name, value in values.items())

    def _report(self, values: dict, counts: dict) -> dict[str, tf.Tensor]:
        """Running means, in which a batch counts as much as it has labels for the loss."""
        values = summed_values(values)
        self.means["loss"].update_state(self._total(values))
        for name, value in values.items():
            self.means[name].update_state(value, counts[name])
        return {metric.name: as_keras_reduces(metric.result()) for metric in self.metrics}

    def call(self, image: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """The 2D network alone; `fit` never calls it."""
        return self.network(image, training=training)
