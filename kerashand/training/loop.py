"""The loop over the epochs of a stage: train, validate, log, keep the best, write checkpoints."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerashand.data.readers import cached
from kerashand.data.readers.decode import damaged_pictures
from kerashand.data.readers.table import MEND, HandTable
from kerashand.errors import TryAgainError, UserError, number_of
from kerashand.models.hand_pose import load_parts_npz
from kerashand.training.averaging import StartAverage
from kerashand.training.callbacks import EpochLog, SaveEverySteps, StageProgress, StopOnNaN
from kerashand.training.run_folder import RunFolder
from kerashand.training.steps import TermsTrainer

LOGGER = logging.getLogger(__name__)


def train_stage(
    trainer: TermsTrainer,
    folder: RunFolder,
    *,
    samples: str,
    batches: Callable[[int], Any],
    validation: tf.data.Dataset,
    checkpoint_every: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    score: Callable[[], float] | None = None,
    start_share: float = 0.0,
) -> None:
    """Train the stage at which a folder stands, or what is left of it.

    Each epoch is a `fit` of its own, so that one that goes on within an epoch has fewer steps.

    Args:
        trainer: its stage started, its variables those of the folder's checkpoint.
        folder: of the run.
        samples: what a step takes, in words.
        batches: number of a step of the stage -> endless batches from that step on.
        validation: one pass over held-out samples.
        checkpoint_every: steps between checkpoints; None writes them after epochs alone.
        callbacks: for every epoch, beside the loop's own.
        score: gives a number of the models, lower is better. The stage then ends with the weights
            of its best epoch, or with those from before it. None: with its last ones.
        start_share: what the weights from before the stage count in those that are scored and that
            it ends with, see `kerashand.training.averaging`.
    """
    stage, title = folder.state["stage"], folder.plan.title(folder.state["stage"])
    epochs, steps = folder.plan.epochs[stage], folder.plan.steps[stage]
    average = StartAverage(trainer.models, folder.path / f"start_{stage}.npz", start_share)
    if start_share > 0 and (folder.state["epoch"], folder.state["step"]) == (0, 0):
        folder.save_weights(average.start.name, trainer.models)
    watching = _watching(folder)
    if folder.state["epoch"] < epochs:
        LOGGER.info(
            "%s: %s of %s of %s. Its step is compiled first, which takes a while",
            title, number_of(epochs, "epoch"), number_of(steps, "step"), samples,
        )  # fmt: skip
    else:
        LOGGER.info("%s: done", title)
    if score is not None and stage not in folder.state["best"]:
        _keep_best(trainer, folder, score(), epoch=0)
    while folder.state["epoch"] < epochs:
        epoch, step = folder.state["epoch"], folder.state["step"]
        trainer.fit(
            batches(epoch * steps + step),
            initial_epoch=epoch,
            epochs=epoch + 1,
            steps_per_epoch=steps - step,
            validation_data=validation,
            callbacks=_ordered(
                watching,
                callbacks,
                _saving(trainer, folder, every=checkpoint_every),
            ),
            shuffle=False,
            verbose=(1 if sys.stdout.isatty() else 2) if folder.writes else 0,
        )
        with average.applied():
            value = folder.state["history"][-1]["val_loss"] if score is None else score()
            _keep_best(trainer, folder, value, epoch=epoch + 1, told=score is not None)
        folder.save(trainer.state_variables(), epoch=epoch + 1, step=0)
    if score is not None and epochs:
        _end_with_best(trainer, folder)
    else:
        average.apply()
    folder.save_weights(f"weights_{stage}.npz", trainer.models)


def _keep_best(
    trainer: TermsTrainer, folder: RunFolder, value: float, *, epoch: int, told: bool = True
) -> None:
    """Write the weights if no epoch of the stage was better."""
    stage = folder.state["stage"]
    if told:
        # Not there from the start: a run of before goes on without.
        scores = folder.state.setdefault("scores", {}).setdefault(stage, [])
        scores.append(round(float(value), 3))
        LOGGER.info("score without 3D labels after epoch %d: %.2f", epoch, value)
    if folder.is_best(value):
        folder.state["best_epoch"][stage] = epoch
        folder.save_weights(f"best_{stage}.npz", trainer.models)


def _end_with_best(trainer: TermsTrainer, folder: RunFolder) -> None:
    """Give the models the weights of the best epoch, and say which one it was."""
    stage = folder.state["stage"]
    epoch, value = folder.state["best_epoch"][stage], folder.state["best"][stage]
    load_parts_npz(folder.path / f"best_{stage}.npz", trainer.models)
    if epoch == 0:
        LOGGER.warning(
            "No epoch was better than the weights from before the stage, by the score without 3D "
            "labels (%.2f). The run ends with those: it has adapted nothing.", value,
        )  # fmt: skip
    else:
        LOGGER.info("the run ends with the weights after epoch %d, score %.2f", epoch, value)


def _ordered(*groups: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Callbacks in the order in which Keras calls them: what others do is saved after it."""
    return [callback for group in groups for callback in group]


def _watching(folder: RunFolder) -> list[keras.callbacks.Callback]:
    """What is looked at and written down in the epochs of a stage."""
    stage = folder.state["stage"]
    shown = []
    if folder.writes:
        shown = [StageProgress(folder.plan.epochs[stage], folder.say_pace)]
    log = EpochLog(stage, folder.state["history"], folder.path if folder.writes else None)
    return [*shown, StopOnNaN(), log]


def _saving(
    trainer: TermsTrainer, folder: RunFolder, *, every: int | None
) -> list[keras.callbacks.Callback]:
    """The checkpoints within the next epoch."""
    if every is None:
        return []
    first, steps = folder.state["step"], folder.plan.steps[folder.state["stage"]]

    def save(step: int) -> None:
        folder.save(trainer.state_variables(), step=first + step)

    return [SaveEverySteps(every, save, last=steps - first)]


@contextlib.contextmanager
def naming_damage(
    shards: Iterable[Path], tables: Iterable[HandTable] = (), *, alone: bool = True
) -> Iterator[None]:
    """Turn what TensorFlow says of a file that it cannot read into the file's name.

    Args:
        shards: files of the cache that the block reads.
        tables: hands whose pictures it opens.
        alone: whether no other process takes part.

    Raises:
        TryAgainError: where a process of several was lost.
        UserError: with the damaged file.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if isinstance(error, tf.errors.UnavailableError) and not alone:
            raise TryAgainError(
                f"A worker was lost ({error.message.splitlines()[-1][:200]}). Start this "
                "command again on every worker: it goes on from the last checkpoint."
            ) from error
        LOGGER.info("a batch could not be made; looking for the file")
        if damaged := cached.damaged_shards([str(path) for path in shards]):
            raise UserError(
                f"{damaged[0]} is damaged or gone ({len(damaged)} such shards of the cache). "
                "Delete what is left of it: the same command writes it again and goes on."
            ) from error
        damaged = [path for table in tables for path in damaged_pictures(table)]
        if not damaged:
            raise
        raise UserError(
            f"{damaged[0]} is damaged inside ({len(damaged)} such pictures). {MEND}"
        ) from error
