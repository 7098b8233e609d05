"""The configuration of a finished run with more epochs, as `--extend` asks for them."""

import dataclasses
import re

from kerashand.config.schema import STAGES, Config
from kerashand.errors import UserError, did_you_mean, shown

_FORM = re.compile(r"stages\.(\w+)\.epochs\s*=\s*(\d{1,9})")


def last_stage(config: Config) -> str | None:
    """The last stage that trains; None where a run only measures."""
    return next((name for name in reversed(STAGES) if config.stages[name].epochs > 0), None)


def lengthened(config: Config, change: str) -> Config:
    """The configuration with more epochs of its last stage, or with as many as it has.

    Args:
        config: of the run.
        change: such as `stages.finetune.epochs=10`.

    Raises:
        UserError: for anything else: what came after a stage started from the end of that.
    """
    found = _FORM.fullmatch(change.strip())
    if found is None:
        raise UserError(
            "--extend takes stages.STAGE.epochs=NUMBER: a run can be lengthened and nothing else "
            f"of it changed. Received: {shown(change)}"
        )
    stage, epochs = found[1], int(found[2])
    if stage not in STAGES:
        raise UserError(f"--extend: there is no stage {stage}.{did_you_mean(stage, STAGES)}")
    last = last_stage(config)
    if stage != last:
        raise UserError(
            f"--extend lengthens the last stage that a run trained, which is {last or 'none'}. "
            f"Received: {change}"
        )
    held = config.stages[stage]
    if epochs < held.epochs:
        raise UserError(
            f"--extend: the run has {held.epochs} epochs of {stage} already. Received: {change}"
        )
    longer = dataclasses.replace(held, epochs=epochs)
    stages = dataclasses.replace(config.stages, **{stage: longer})
    return dataclasses.replace(config, stages=stages)
