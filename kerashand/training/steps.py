"""Training steps that weigh and add terms of a loss, on replicas and in micro-batches alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerashand import losses
from kerashand.replicas import as_keras_reduces, replicas, summed, summed_values
from kerashand.terms import Term
from kerashand.training.optimizers import LossScale


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """What steps train, and with which losses.

    Attributes:
        loss_weights: loss name to its factor in Eq. 7; 0 leaves it out.
        rates: part name to learning-rate multiplier; 0 freezes the part (batch normalisation and
            drop-out then behave as in inference).
        micro_batches: parts of a batch that are taken one after the other, for less memory.
    """

    loss_weights: Mapping[str, float]
    rates: Mapping[str, float]
    micro_batches: int = 1


def shared_evenly(gradients: list) -> list:
    """An equal share of the gradients of all replicas, for optimisers that clip and then sum."""
    known = [gradient for gradient in gradients if gradient is not None]
    totals = iter(summed(known))
    return [g if g is None else next(totals) / replicas() for g in gradients]


class TermsTrainer(keras.Model):
    """Trains models on batches (dicts of tensors with a leading axis) by terms of a loss.

    One trainer lives for a whole run; `start_stage` sets what the next `fit` does. A subclass says
    what its models answer to a batch (`forward`), and may measure more than losses (`measure`).
    """

    def __init__(
        self,
        models: Mapping[str, keras.Model],
        terms: Sequence[Term],
        *,
        name: str,
        loss_scaling: bool = False,
    ):
        """Take the models by part name; each becomes an attribute of that name."""
        super().__init__(name=name)
        self.part_names = tuple(models)
        for part, model in models.items():
            setattr(self, part, model)
        self.terms = tuple(terms)
        self.loss_scale = LossScale(enabled=loss_scaling)
        names = ("loss", *(term.name for term in terms))
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self.part_optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.built = True

    # ------------------------------------------------------------------- for the subclasses

    def forward(self, batch: dict, *, training: bool) -> Any:
        """What the models answer to a batch, as `value` of the terms takes it."""
        raise NotImplementedError

    def measure(self, seen: Any) -> None:
        """Update the metrics that are no losses."""

    @property
    def error_metrics(self) -> list[keras.metrics.Metric]:
        """The metrics that are no losses."""
        return []

    # -------------------------------------------------------------------------------- stages

    @property
    def models(self) -> dict[str, keras.Model]:
        """The models by part name."""
        return {part: getattr(self, part) for part in self.part_names}

    @property
    def used_terms(self) -> list[Term]:
        """The terms whose factor is above 0."""
        return [term for term in self.terms if self.settings.loss_weights[term.name] > 0]

    def start_stage(
        self,
        settings: StepSettings,
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
        """Losses in use, then what else is measured."""
        used = [self.means[term.name] for term in self.used_terms]
        return [self.means["loss"], *used, *self.error_metrics]

    def state_variables(self) -> dict[str, Any]:
        """Everything that training changes, by the names that it has in a checkpoint."""
        variables: dict[str, Any] = {}
        for part, model in self.models.items():
            variables |= {f"{part}/{i:03d}": v for i, v in enumerate(model.variables)}
        for part, optimizer in self.part_optimizers.items():
            variables |= {f"optimizer/{part}/{i:03d}": v for i, v in enumerate(optimizer.variables)}
        variables |= {f"scale/{i}": v for i, v in enumerate(self.loss_scale.variables)}
        return variables

    def call(self, batch: dict, training: bool = False) -> Any:
        """What the models answer to a batch; `fit` never calls it."""
        return self.forward(batch, training=training)

    # --------------------------------------------------------------------------------- steps

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
            self.loss_scale.apply(self.part_optimizers[name], part, group, keep=keep)
        return self._report(values, counts)

    def test_step(self, batch: dict) -> dict[str, tf.Tensor]:
        """The same losses and errors without training."""
        counts = self._label_counts(batch)
        return self._report(self._shares(batch, counts, training=False), counts)

    def _counts_here(self, batch: dict) -> dict[str, tf.Tensor]:
        """Labels of each term in these rows."""
        return {term.name: ops.sum(term.weight(batch)) for term in self.used_terms}

    def _label_counts(self, batch: dict) -> dict[str, tf.Tensor]:
        """What each mean is divided by: the labels of each term in the batch of all replicas."""
        counts = summed_values(self._counts_here(batch))
        return {term.name: _at_least(counts[term.name], term) for term in self.used_terms}

    def _values(self, batch: dict, *, training: bool) -> dict[str, tf.Tensor]:
        """Every term of the stage by name, not yet weighed; updates the error metrics."""
        seen = self.forward(batch, training=training)
        self.measure(seen)
        return {term.name: term.value(seen, term.weight(batch)) for term in self.used_terms}

    def _shares(self, batch: dict, counts: dict, *, training: bool) -> dict[str, tf.Tensor]:
        """What these rows add to the loss of the whole batch: means weigh as their labels do."""
        values = self._values(batch, training=training)
        if replicas() == 1 and self.settings.micro_batches == 1:
            return values
        here = self._counts_here(batch)
        return {
            term.name: values[term.name]
            * _at_least(here[term.name], term)
            / ops.maximum(counts[term.name], losses.WEIGHT_EPSILON)
            for term in self.used_terms
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


def _at_least(count: tf.Tensor, term: Term) -> tf.Tensor:
    return ops.maximum(count, term.least_count) if term.least_count else count
