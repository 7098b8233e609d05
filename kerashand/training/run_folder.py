"""The folder of a run: who holds it, where the run stands, and what is said of that.

config.yaml  versions.json      what was run, with what
checkpoint.npz                  where it stands; running the same command again goes on here
log.csv  tensorboard/           losses and errors by epoch
weights_STAGE.npz               the parts after each stage
best_STAGE.npz                  and at its lowest validation loss
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerashand.errors import UserError, number_of
from kerashand.files import RUN_CONFIG, held, write_text
from kerashand.machine import machine, versions
from kerashand.models.hand_pose import save_parts_npz
from kerashand.training.checkpoint import (
    NotFiniteError,
    check_finite,
    load_state,
    restore_variables,
    save_checkpoint,
)
from kerashand.training.forecast import Forecast, memory_in_words

LOGGER = logging.getLogger(__name__)
MOST_DIFFERENCES = 5
"""Keys of another configuration that a message names."""


@dataclass(frozen=True)
class Plan:
    """What a run does, as far as its folder has to know.

    Attributes:
        key: text that stands for everything that decides the result.
        config: content of config.yaml.
        epochs: stage -> its epochs, in the order of the stages.
        steps: stage -> steps of one epoch.
        samples: stage -> what a step takes of the data.
        against_nan: what to change where a stage comes to numbers that are none; `{stage}` in it
            stands for that stage.
        differences: config.yaml of a folder -> where it says otherwise, a line each; it may raise
            UserError or ValueError for a file that it cannot read.
        labels: data set -> text that stands for its labels, which people correct.
    """

    key: str
    config: str
    epochs: Mapping[str, int]
    steps: Mapping[str, int]
    samples: Mapping[str, int]
    against_nan: str
    differences: Callable[[Path], list[str]]
    labels: Mapping[str, str] = field(default_factory=dict)

    def number(self, stage: str) -> int:
        """Which stage it is, from 1 on."""
        return list(self.epochs).index(stage) + 1

    def title(self, stage: str) -> str:
        """Which stage it is, in words."""
        if len(self.epochs) == 1:
            return stage
        return f"stage {self.number(stage)} of {len(self.epochs)}, {stage}"

    def place(self, state: Mapping[str, Any]) -> str:
        """Where a run stands, in words."""
        name, step = state["stage"], state["step"]
        return f"{self.title(name)}, after epoch {state['epoch']} of {self.epochs[name]}" + (
            f" and {number_of(step, 'step')} of the next" if step else ""
        )


class RunFolder:
    """The folder of one run and the state that its checkpoint holds."""

    def __init__(self, path: Path, plan: Plan, *, writes: bool = True):
        """Touch nothing yet.

        Args:
            path: of the folder.
            plan: what the run does.
            writes: whether this process writes: one of several alone does.
        """
        self.path, self.plan, self.writes = path, plan, writes
        self.state: dict[str, Any] = {
            "config_hash": plan.key, "stage": next(iter(plan.epochs)), "epoch": 0, "step": 0,
            "history": [], "best": {}, "best_epoch": {}, "seconds": 0.0, "finished": False,
            "labels": dict(plan.labels),
        }  # fmt: skip
        self.resumed = False
        self.forecast = Forecast(
            {stage: epochs * plan.steps[stage] for stage, epochs in plan.epochs.items()},
            plan.samples,
        )
        self._since = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """The file that says where the run stands."""
        return self.path / "checkpoint.npz"

    # ------------------------------------------------------------------------------- to begin

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """The folder, made and kept from other runs by the process that writes it."""
        with contextlib.ExitStack() as stack:
            if self.writes:
                with self._writing():
                    self.path.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(held(self.path))
            yield

    def check_writable(self) -> None:
        """Raise UserError if the folder could not be made or written; nothing is."""
        there = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        with self._writing():
            if not there.is_dir():
                raise NotADirectoryError(f"{there} is a file")
            if not os.access(there, os.W_OK):
                raise PermissionError(f"no permission to write into {there}")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"The run folder {self.path} cannot be written: {error.strerror or error}. "
                "Choose another with `--run-dir`."
            ) from error

    def load(self) -> bool:
        """Load where the run stands; False if it has not begun.

        Raises:
            UserError: where another run stands there.
        """
        if not self.checkpoint.exists():
            return False
        state = self.stored_state()
        if state["config_hash"] != self.plan.key:
            raise UserError(
                f"{self.path} holds a run of another configuration{self._differing()}\n"
                "Choose another folder with `--run-dir`, or delete this one."
            )
        self.check_labels(state)
        self.state = state
        return True

    def stored_state(self) -> dict[str, Any]:
        """What the checkpoint says of where the run stands; of before it says nothing of labels.

        Raises:
            UserError: when the file is damaged.
        """
        required = {name: value for name, value in self.state.items() if name != "labels"}
        return load_state(self.checkpoint, like=required)

    def check_labels(self, state: Mapping[str, Any]) -> None:
        """Refuse to go on with other labels than those with which a run began.

        Raises:
            UserError: naming the data.
        """
        began = state.get("labels", {})
        for name, key in self.plan.labels.items():
            if began.get(name, key) != key:
                raise UserError(
                    f"The labels of {name} have changed since the run in {self.path} began. Train "
                    "with another `--run-dir`, or delete this folder."
                )

    def _differing(self) -> str:
        """What the configuration of the folder says otherwise, as the end of a sentence."""
        with contextlib.suppress(UserError, ValueError):
            found = self.plan.differences(self.path / RUN_CONFIG)
            shown, more = found[:MOST_DIFFERENCES], len(found) - MOST_DIFFERENCES
            shown += [f"and {more} more"] if more > 0 else []
            return ". There:" + "".join(f"\n  {line}" for line in shown) if shown else "."
        return "."

    def open(self) -> None:
        """Say where the run goes on, or write what it is."""
        self.resumed = self.load()
        if self.resumed:
            LOGGER.info("going on from %s: %s", self.checkpoint, self.plan.place(self.state))
        elif self.writes:
            with self._writing():
                write_text(self.path / RUN_CONFIG, self.plan.config)
                write_text(self.path / "versions.json", json.dumps(conditions(), indent=2))

    def say_start(self, what: str) -> None:
        """Say which weights a new run starts from; of another one the checkpoint takes their place.

        Args:
            what: the file and what it holds, in words.
        """
        if not self.resumed:
            LOGGER.info("starting from %s", what)

    def say_pace(self, step_seconds: float, steps: int) -> None:
        """Say how long the rest takes, by the time of its first steps.

        Args:
            step_seconds: of the stage at which the run stands.
            steps: since the run came there, or went on from there.
        """
        stage = self.state["stage"]
        self.forecast.step_seconds[stage] = step_seconds
        done = self.state["epoch"] * self.plan.steps[stage] + self.state["step"] + steps
        text = self.forecast.from_here(stage, done=done)
        LOGGER.info("%s: %s%s", self.plan.title(stage), text, memory_in_words())

    @contextlib.contextmanager
    def saying_where_it_stopped(self) -> Iterator[None]:
        """Let Ctrl-C in the block say what the same command will do, and a NaN what is kept."""
        try:
            yield
        except KeyboardInterrupt as stop:
            if self.checkpoint.exists():
                place = self.plan.place(load_state(self.checkpoint))
                stop.args = (f"Stopped: run the same command again to go on from {place}.",)
            else:
                stop.args = ("Stopped before the first checkpoint: the same command begins anew.",)
            raise
        except NotFiniteError as error:
            kept = "There is no checkpoint yet"
            if self.checkpoint.exists():
                place = self.plan.place(load_state(self.checkpoint))
                kept = f"The last checkpoint is whole ({place})"
            stage = self.state["stage"]
            raise UserError(
                f"Training stopped in stage {stage}: {error}. {kept}. "
                f"{self.plan.against_nan.format(stage=stage)}, and run with another `--run-dir`."
            ) from error

    # ------------------------------------------------------------------------------- to go on

    def is_behind(self, stage: str) -> bool:
        """Whether the run has left a stage."""
        return self.plan.number(stage) < self.plan.number(self.state["stage"])

    def enter(self, stage: str, variables: Mapping[str, Any]) -> None:
        """Come to a stage, or go on within it: the variables are then those of the checkpoint."""
        if self.state["stage"] != stage:
            self.state |= {"stage": stage, "epoch": 0, "step": 0}
        elif self.resumed:
            # A finished stage passes here too: its weights are what the next one starts from.
            restore_variables(self.checkpoint, variables)

    def is_best(self, loss: float) -> bool:
        """Whether the stage had no lower validation loss before; keeps it."""
        best, stage = self.state["best"], self.state["stage"]
        if stage in best and loss >= best[stage]:
            return False
        best[stage] = loss
        return True

    def save_weights(self, name: str, models: Mapping[str, keras.Model]) -> None:
        """Write the weights of the parts, such as `best_pretrain.npz`.

        Raises:
            NotFiniteError: in every process, where a weight is no number; the old file stays.
        """
        check_finite(
            {
                f"{part}/{i:03d}": variable
                for part, model in models.items()
                for i, variable in enumerate(model.variables)
            }
        )
        if self.writes:
            save_parts_npz(self.path / name, models)

    def save(self, variables: Mapping[str, Any], **state: Any) -> None:
        """Write the checkpoint.

        Args:
            variables: everything that training changes.
            **state: what has changed of where the run stands.

        Raises:
            NotFiniteError: in every process, where a variable is no number; the old file stays.
        """
        now = time.monotonic()
        self.state["seconds"] += now - self._since
        self._since = now
        self.state |= state
        if self.writes:
            save_checkpoint(self.checkpoint, variables, self.state)
        else:  # the same values, on which the process that writes stops too
            check_finite(variables)


def conditions() -> dict[str, str]:
    """What the numbers of a run depend on: versions and the machine."""
    return {**versions(), "machine": machine()}
