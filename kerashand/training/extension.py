"""Lets a finished run go on for more epochs of its last stage."""

from __future__ import annotations

import logging
from pathlib import Path

from kerashand.config import Config, config_hash, dump_yaml, last_stage
from kerashand.errors import UserError
from kerashand.files import RUN_CONFIG, write_text
from kerashand.training.checkpoint import replace_state
from kerashand.training.run import plan_of
from kerashand.training.run_folder import RunFolder
from kerashand.training.stages import rate_at

LOGGER = logging.getLogger(__name__)


def reopen(path: Path, before: Config, after: Config) -> None:
    """Write into the folder of a finished run that it has more epochs to go.

    The next run of `after` in this folder goes on from the last weights, with the state of the
    optimisers and with the log. Where this was done already, nothing changes.

    Args:
        path: of the folder.
        before: the configuration of the run.
        after: the same with more epochs, see `kerashand.config.lengthened`.

    Raises:
        UserError: where the run is not finished, or has that many epochs already.
    """
    folder = RunFolder(path, plan_of(after))
    stage = last_stage(after)
    assert stage is not None  # `lengthened` refuses it
    epochs = after.stages[stage].epochs
    with folder.kept():
        if not folder.checkpoint.exists():
            raise UserError(f"{path} has no checkpoint: that run has not begun, or lost it.")
        state = folder.stored_state()
        folder.check_labels(state)
        keys = [config_hash(before), config_hash(after)]
        if state["config_hash"] not in keys:
            raise UserError(
                f"{path} holds a run of another configuration than its {RUN_CONFIG} says. If it "
                "was stopped while it was lengthened, give the same --extend again."
            )
        if state["config_hash"] == keys[1]:
            if state["finished"]:
                raise UserError(f"{path} is finished, with {epochs} epochs of {stage}: give more.")
        elif not state["finished"]:
            raise UserError(
                f"{path} is not finished: it stands at {plan_of(before).place(state)}. Let it end "
                f"first: kerashand-train --config {path / RUN_CONFIG} --run-dir {path}"
            )
        else:
            _say_rates(before, after, stage)
            # The checkpoint first: a kill before the next line is mended by the same command.
            replace_state(folder.checkpoint, state | {"config_hash": keys[1], "finished": False})
        write_text(path / RUN_CONFIG, dump_yaml(after))


def _say_rates(before: Config, after: Config, stage: str) -> None:
    """Say where the schedule of the learning rate goes on."""
    done = before.stages[stage].epochs * before.steps_per_epoch(stage)
    LOGGER.info(
        "%s goes on after epoch %d, up to epoch %d. Its learning rate is that of the longer "
        "schedule from there on: %.2g, after %.2g at the end of the shorter one",
        stage, before.stages[stage].epochs, after.stages[stage].epochs,
        rate_at(after, stage, done), rate_at(before, stage, done),
    )  # fmt: skip
