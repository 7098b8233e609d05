"""What happens beside the training steps: progress, log files, saving at steps, a stop on NaN."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerashand.files import written_beside
from kerashand.progress import LINE_SECONDS
from kerashand.training.checkpoint import NotFiniteError
from kerashand.training.forecast import TIMED_STEPS

LOGGER = logging.getLogger(__name__)
NAN_CHECK_STEPS = 20


class StageProgress(keras.callbacks.ProgbarLogger):
    """The progress bar of a stage whose epochs are separate calls of `fit`.

    Without a terminal (verbose 2) it is a line now and then, beside that of each epoch. The time of
    the first steps is told once.
    """

    def __init__(self, epochs: int, say_pace: Callable[[float, int], None]):
        """Keep the arguments.

        Args:
            epochs: of the stage.
            say_pace: takes seconds a step, and the steps of this epoch so far.
        """
        super().__init__()
        self.stage_epochs, self.say_pace = epochs, say_pace
        self.said, self.timed = time.monotonic(), False

    def set_params(self, params: dict[str, Any]) -> None:
        """Count the epochs of the stage, not those of the call."""
        super().set_params(params)
        self.epochs = self.stage_epochs

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar, or say where the epoch is."""
        super().on_train_batch_end(batch, logs)
        if not self.timed:
            self._time(batch, logs)
        now = time.monotonic()
        if self.verbose == 2 and now - self.said >= LINE_SECONDS:
            self.said = now
            loss = float((logs or {}).get("loss", math.nan))
            LOGGER.info("step %d of %d, loss %.4g", batch + 1, self.target, loss)

    def _time(self, batch: int, logs: dict | None) -> None:
        """Time the steps after the first of an epoch, which is compiled in the first epoch."""
        float((logs or {}).get("loss", math.nan))  # waits for the device
        now = time.monotonic()
        if batch == 0:
            self.since = now
        elif batch == TIMED_STEPS or batch + 1 == self.target:
            self.timed = True
            if self.verbose == 1:
                print()  # the bar goes on below what is said
            self.say_pace((now - self.since) / batch, batch + 1)


class StopOnNaN(keras.callbacks.Callback):
    """Ends training soon after a loss or metric is no number any more.

    What is saved is checked by `kerashand.training.checkpoint.save_checkpoint`, at every save.
    """

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Look every few steps: reading a value waits for the device."""
        if batch % NAN_CHECK_STEPS == 0:
            self._check(f"step {batch + 1} of an epoch", logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Look at the validation too."""
        self._check(f"the end of epoch {epoch + 1}", logs)

    def _check(self, where: str, logs: dict | None) -> None:
        bad = [k for k, v in (logs or {}).items() if not math.isfinite(float(v))]
        if bad:
            raise NotFiniteError(f"{', '.join(bad)} is not finite at {where}")


class EpochLog(keras.callbacks.Callback):
    """One row an epoch, to TensorBoard and, through `rows`, to log.csv.

    The rows travel in the checkpoint, and log.csv is written anew from them: after a kill it
    never holds an epoch twice.
    """

    def __init__(self, stage: str, rows: list[dict[str, Any]], folder: Path | None):
        """Without a folder only the rows are kept."""
        super().__init__()
        self.stage, self.rows, self.folder = stage, rows, folder

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Append and write."""
        row = {"stage": self.stage, "epoch": epoch + 1}
        row |= {name: round(float(value), 6) for name, value in (logs or {}).items()}
        self.rows.append(row)
        if self.folder is None:
            return
        write_rows(self.folder / "log.csv", self.rows)
        writer = tf.summary.create_file_writer(str(self.folder / "tensorboard" / self.stage))
        with writer.as_default(step=epoch + 1):
            for name, value in row.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value)
        writer.close()


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write dicts as CSV, with the union of their keys as columns; replaced as a whole."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (
        written_beside(path) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


class SaveEverySteps(keras.callbacks.Callback):
    """Calls `save(step of the epoch)` every `steps` training steps, but not after the last one.

    What is saved there would be an epoch without its validation, with no step left to train.
    """

    def __init__(self, steps: int, save, *, last: int):
        super().__init__()
        self.steps, self.save, self.last = steps, save, last

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Save between epochs' ends."""
        if (batch + 1) % self.steps == 0 and batch + 1 < self.last:
            self.save(batch + 1)
