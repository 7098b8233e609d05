"""Optimisers and rate schedules from plain settings, and the loss scale of float16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerashand.replicas import run_if, summed

OPTIMIZERS = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}


def learning_rate(
    *, schedule: str, peak: float, steps: int, warmup_steps: int, final_fraction: float
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """A rate over the steps of a stage: warm-up from 0, then constant, cosine or two drops.

    `step` divides by 10 at half and at three quarters of the stage. `final_fraction` is of `cosine`
    alone.

    Raises:
        ValueError: for an unknown schedule.
    """
    if schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else peak,
            decay_steps=max(steps - warmup_steps, 1),
            alpha=final_fraction,
            warmup_target=peak if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    if schedule == "step":
        rates = keras.optimizers.schedules.PiecewiseConstantDecay(
            [steps // 2, 3 * steps // 4], [peak, peak / 10.0, peak / 100.0]
        )
    elif schedule == "constant":
        rates = peak
    else:
        raise ValueError(
            f'`schedule` must be "constant", "cosine" or "step". Received: schedule={schedule!r}'
        )
    return WarmUp(rates, warmup_steps) if warmup_steps else rates


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A rate or a schedule, of which the first steps take a share that grows from 0 to 1.

    Keras has this for `CosineDecay` alone.
    """

    def __init__(
        self, rates: float | keras.optimizers.schedules.LearningRateSchedule, warmup_steps: int
    ):
        self.rates, self.warmup_steps = rates, warmup_steps

    def __call__(self, step):
        """The rate at a step."""
        share = tf.minimum(tf.cast(step, tf.float32) / self.warmup_steps, 1.0)
        return share * (self.rates(step) if callable(self.rates) else self.rates)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"rates": self.rates, "warmup_steps": self.warmup_steps}


def build_optimizers(
    rates: Mapping[str, float],
    *,
    name: str,
    learning_rate_peak: float,
    weight_decay: float,
    schedule: str,
    warmup_steps: int,
    final_fraction: float,
    clip_norm: float | None,
    steps: int,
) -> dict[str, keras.optimizers.Optimizer]:
    """One optimiser for each part whose rate is above 0, at `rate` times the learning rate.

    Built in the scope of a strategy, `clip_norm` holds for the gradients of all replicas together:
    Keras clips before it sums, so that each replica gives its share of the sum (`shared_evenly`).
    """
    count = tf.distribute.get_strategy().num_replicas_in_sync
    optimizers = {}
    for part, rate in rates.items():
        if rate > 0:
            optimizers[part] = OPTIMIZERS[name](
                learning_rate(
                    schedule=schedule,
                    peak=learning_rate_peak * rate,
                    steps=steps,
                    warmup_steps=warmup_steps,
                    final_fraction=final_fraction,
                ),
                weight_decay=weight_decay,
                global_clipnorm=None if clip_norm is None else clip_norm / count,
                name=f"{part}_{name}",
            )
            # Kernels alone are decayed: a bias or a normalisation scale has no reason to be small.
            optimizers[part].exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizers


class LossScale:
    """Dynamic loss scaling shared by several optimisers; does nothing unless enabled.

    float16 gradients underflow: the loss is multiplied by a power of two before the gradient is
    taken. A step with a non-finite gradient is left out and halves the scale; many good steps in a
    row double it.
    """

    INITIAL, GROWTH_STEPS = 2.0**15, 2000

    def __init__(self, *, enabled: bool):
        self.enabled = enabled
        if enabled:
            first = tf.VariableAggregation.ONLY_FIRST_REPLICA
            self.factor = tf.Variable(
                self.INITIAL, trainable=False, name="loss_scale", aggregation=first
            )
            self.good_steps = tf.Variable(0, trainable=False, name="good_steps", aggregation=first)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint must hold."""
        return [self.factor, self.good_steps] if self.enabled else []

    def scale(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss to differentiate."""
        return loss * self.factor if self.enabled else loss

    def unscale(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients of the loss itself."""
        if not self.enabled:
            return list(gradients)
        return [g if g is None else g / tf.cast(self.factor, g.dtype) for g in gradients]

    def update(self, gradients: Sequence[tf.Tensor]) -> tf.Tensor | None:
        """Move the scale; returns whether to apply these gradients, None for always."""
        if not self.enabled:
            return None
        finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients if g is not None]
        bad = tf.reduce_sum(1.0 - tf.cast(tf.stack(finite), tf.float32))
        keep = summed(bad) < 0.5
        grown = self.good_steps + 1 >= self.GROWTH_STEPS
        raised = tf.where(grown, self.factor * 2.0, self.factor)
        self.good_steps.assign(tf.where(keep & ~grown, self.good_steps + 1, 0))
        self.factor.assign(tf.where(keep, raised, tf.maximum(self.factor / 2.0, 1.0)))
        return keep

    def apply(self, optimizer, gradients, variables, *, keep: tf.Tensor | None) -> None:
        """Apply gradients unless `keep` is false, on all replicas or on none."""
        if keep is None:
            optimizer.apply(gradients, variables)
        else:
            run_if(keep, lambda some: optimizer.apply(some, variables), gradients)
