"""Single steps of a run: to try a configuration (`--dry-run`), and to measure what a step takes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from kerashand.training.run import Run

LOGGER = logging.getLogger(__name__)


def try_stages(run: Run) -> dict[str, dict[str, float]]:
    """One training step and one validation batch of every stage; the losses of that step."""
    found = {}
    for name in run.active:
        title = run.folder.plan.title(name)
        LOGGER.info("%s: one step, which is compiled first", title)
        batches, step = stage_step(run, name)
        losses = {key: float(value) for key, value in step(next(iter(batches))).items()}
        validation = run.strategy.experimental_distribute_dataset(
            run.data.validation(name, run.trainer.settings)
        )
        on_devices(run.strategy, run.trainer.test_step)(next(iter(validation)))
        words = ", ".join(f"{key} {value:.4g}" for key, value in losses.items())
        LOGGER.info("%s: %s", title, words)
        found[name] = losses
    return found


def stage_step(run: Run, name: str) -> tuple[tf.data.Dataset, Callable]:
    """The batches of a stage of a prepared run and its compiled training step."""
    step = compiled_step(run, name)
    batches = run.data.training(name, run.trainer.settings, 0)
    if isinstance(batches, tf.data.Dataset):
        batches = run.strategy.experimental_distribute_dataset(batches)
    return batches, step


def compiled_step(run: Run, name: str) -> Callable:
    """The compiled training step of a stage of a built run, on batches of any source."""
    run.start_trainer(name)
    run.trainer.reset_metrics()
    return on_devices(run.strategy, run.trainer.train_step)


def on_devices(strategy: tf.distribute.Strategy, function: Callable) -> Callable:
    """A compiled step on every device, which gives the results of one: they are equal."""

    def everywhere(batch: dict) -> dict[str, tf.Tensor]:
        results = strategy.run(function, (batch,))
        first = strategy.experimental_local_results
        return {name: tf.squeeze(first(value)[0]) for name, value in results.items()}

    # A partial: TensorFlow counts retracings of functions by their code, of all steps together.
    return tf.function(functools.partial(everywhere), autograph=False)
