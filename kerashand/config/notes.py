"""What is allowed in a configuration and perhaps not meant: sentences that name the numbers."""

from collections.abc import Iterator

from kerashand.config.schema import STAGES, Config
from kerashand.errors import number_of

MOST_PASSES = 3
"""Passes over the hands of a domain in one epoch, from which on a note is given."""


def find_notes(config: Config) -> list[str]:
    """One sentence for each finding.

    Args:
        config: whose data section holds numbers (see `kerashand.data.splits.counted`).
    """
    active = [name for name in STAGES if config.stages[name].epochs > 0]
    return [text for name in active for text in (*_warmup(config, name), *_epochs(config, name))]


def _warmup(config: Config, name: str) -> Iterator[str]:
    """Fewer steps than the warm-up should take."""
    optimizer, used = config.stages[name].optimizer, config.warmup_steps(name)
    if used != optimizer.warmup_steps:
        steps = config.stages[name].epochs * config.steps_per_epoch(name)
        yield (
            f"stages.{name}.optimizer.warmup_steps is {optimizer.warmup_steps}, but the stage has "
            f"{steps} steps: the warm-up takes {used} of them"
        )


def _epochs(config: Config, name: str) -> Iterator[str]:
    """A `steps_per_epoch` that belongs to other data, as one of a configuration it extends."""
    stage, key = config.stages[name], f"stages.{name}.steps_per_epoch"
    steps = stage.steps_per_epoch
    if steps is None:
        return
    found = {}
    for domain, share in stage.shares.items():
        hands, one_pass = config.data[domain].train, config.one_pass(name, domain)
        if steps >= MOST_PASSES * one_pass:
            found[one_pass] = (
                f"an epoch takes {steps * share} hands from the {hands} of data.{domain}.train, "
                f"each of them {steps * share / hands:.0f} times"
            )
        elif 2 * stage.epochs * steps * share < hands:
            found[one_pass] = (
                f"all epochs together see {stage.epochs * steps * share} of the {hands} hands of "
                f"data.{domain}.train"
            )
    if found:
        most = max(found)
        yield (
            f"{key} is {steps}, so {found[most]}. One pass over them is "
            f"{number_of(most, 'step')}: --set {key}={most}"
        )
