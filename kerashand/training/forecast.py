"""How many steps a run takes, and how many minutes by the pace of its first steps."""

from __future__ import annotations

from collections.abc import Mapping

from kerashand.errors import number_of
from kerashand.machine import memory_mb

TIMED_STEPS = 10
"""Steps after the first one, which is compiled, by whose time a pace is measured."""


class Forecast:
    """What is left of the stages of a run, and the pace of those that were timed."""

    def __init__(self, steps: Mapping[str, int], samples: Mapping[str, int]):
        """Nothing is timed yet.

        Args:
            steps: stage -> its steps in all, in the order of the stages.
            samples: stage -> what a step takes.
        """
        self.steps, self.samples = steps, samples
        self.step_seconds: dict[str, float] = {}

    def in_steps(self) -> str:
        """Steps of each stage and in all, such as "563 steps: pretrain 375, regularizer 188"."""
        parts = {stage: count for stage, count in self.steps.items() if count}
        total = number_of(sum(parts.values()), "step")
        listed = ", ".join(f"{stage} {count}" for stage, count in parts.items())
        return f"{total}: {listed}" if len(parts) > 1 else total

    def seconds(self, stage: str, steps: int) -> float:
        """What steps of a stage take; where it was not timed, by the slowest samples that were."""
        if stage in self.step_seconds:
            return steps * self.step_seconds[stage]
        paces = (took / self.samples[timed] for timed, took in self.step_seconds.items())
        return steps * self.samples[stage] * max(paces)

    def left(self, stage: str, *, done: int = 0) -> str:
        """Steps of a stage after those that are done, and their time."""
        steps = self.steps[stage] - done
        return f"{number_of(steps, 'step')} to go, about {duration(self.seconds(stage, steps))}"

    def from_here(self, stage: str, *, done: int = 0) -> str:
        """What is left of a timed stage, and of the run from there."""
        stages = list(self.steps)
        later = [s for s in stages[stages.index(stage) + 1 :] if self.steps[s]]
        if not later:
            return self.left(stage, done=done)
        here = self.seconds(stage, self.steps[stage] - done)
        total = here + sum(self.seconds(s, self.steps[s]) for s in later)
        return (
            f"{self.left(stage, done=done)}; all stages about {duration(total)}, if a sample of "
            "the later ones takes as long"
        )

    def of_all(self) -> str:
        """The whole run, of which every stage was timed."""
        seconds = sum(self.seconds(stage, count) for stage, count in self.steps.items() if count)
        return f"{number_of(sum(self.steps.values()), 'step')}, about {duration(seconds)}"


def memory_in_words() -> str:
    """The most memory so far, as the end of a sentence; nothing where it is not known."""
    held_mb = memory_mb()
    return "" if held_mb is None else f". Most memory so far: {held_mb / 1000:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours in words."""
    if seconds < 90:
        return number_of(max(round(seconds), 1), "second")
    if seconds < 90 * 60:
        return number_of(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"
