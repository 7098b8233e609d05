"""Single steps of a run: to try a configuration (`--dry-run`), and to measure what a step takes."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import tensorflow as tf

from kerashand.training.forecast import TIMED_STEPS, memory_in_words

if TYPE_CHECKING:
    from kerashand.training.run import Run

MOST_SECONDS = 30.0
LOGGER = logging.getLogger(__name__)


def try_stages(run: Run) -> dict[str, dict[str, float]]:
    """A few training steps and one validation batch of every stage; the losses of the first step.

    Says how long the run would take.
    """
    found, forecast = {}, run.folder.forecast
    for name in run.active:
        title = run.folder.plan.title(name)
        LOGGER.info("%s: a few steps, of which the first is compiled", title)
        batches, step = stage_step(run, name)
        batches = iter(batches)
        losses = {key: float(value) for key, value in step(next(batches)).items()}
        forecast.step_seconds[name] = _seconds_of(step, batches)
        validation = run.strategy.experimental_distribute_dataset(
            run.data.validation(name, run.trainer.settings)
        )
        on_devices(run.strategy, run.trainer.test_step)(next(iter(validation)))
        words = ", ".join(f"{key} {value:.4g}" for key, value in losses.items())
        LOGGER.info("%s: %s", title, words)
        found[name] = losses
    for name in run.active:
        LOGGER.info("%s: %s", run.folder.plan.title(name), forecast.left(name))
    if run.active:
        LOGGER.info("all stages: %s%s", forecast.of_all(), memory_in_words())
    return found


def _seconds_of(step: Callable, batches: Iterator) -> float:
    """The time of a compiled step: the mean of those that a run times, or of `MOST_SECONDS`."""
    count, start = 0, time.monotonic()
    while count < TIMED_STEPS and time.monotonic() - start < MOST_SECONDS:
        float(step(next(batches))["loss"])  # waits for the device
        count += 1
    return (time.monotonic() - start) / count


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
    step = run.trainer.train_step
    if run.config.runtime.jit_compile:  # as Keras does in `fit`
        step = tf.function(step, jit_compile=True, autograph=False)
    return on_devices(run.strategy, step)


def on_devices(strategy: tf.distribute.Strategy, function: Callable) -> Callable:
    """A compiled step on every device, which gives the results of one: they are equal."""

    def everywhere(batch: dict) -> dict[str, tf.Tensor]:
        results = strategy.run(function, (batch,))
        first = strategy.experimental_local_results
        return {name: tf.squeeze(first(value)[0]) for name, value in results.items()}

    # A partial: TensorFlow counts retracings of functions by their code, of all steps together.
    return tf.function(functools.partial(everywhere), autograph=False)
