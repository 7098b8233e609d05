"""Colour and depth pictures that were taken at the same time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from kerashand.data.imports.source import Shot


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which colour pictures are taken: every `every`-th from number `first` on, `count` at most."""

    first: int = 0
    every: int = 1
    count: int | None = None

    def takes(self, number: int) -> bool:
        """Whether a colour picture is one of them."""
        return number >= self.first and (number - self.first) % self.every == 0

    def most_of(self, total: int | None) -> int | None:
        """How many of so many pictures are taken at most; None if that is unknown."""
        if total is None:
            return self.count
        taken = len(range(self.first, total, self.every))
        return taken if self.count is None else min(taken, self.count)


class Pairing:
    """Gives colour pictures with the depth picture nearest in time, and counts the others.

    Attributes:
        alone: colour pictures that have no depth near enough.
        backward: pictures whose time lies before that of the one before them.
        standing: of colour and of depth, the share of pictures with the time of the one before.
        shared: depth pictures that go with more than one colour picture.
        least_apart_s: of those without, the least time to a depth picture.
    """

    def __init__(self, limit_s: float):
        self.limit_s = limit_s
        self.alone = self.backward = self.shared = 0
        self.standing = {"colour": 0.0, "depth": 0.0}
        self.least_apart_s: float | None = None

    def __call__(
        self, colour: Iterable[Shot], depth: Iterable[Shot], selection: Selection
    ) -> Iterator[tuple[int, Shot, Shot]]:
        """Number of the colour picture, it, and its depth picture."""
        depths = self._forward("depth", depth)
        before, after = None, next(depths, None)
        last, uses = None, 0
        for number, shot in enumerate(self._forward("colour", colour)):
            if not selection.takes(number):
                continue
            while after is not None and after.time_s < shot.time_s:
                before, after = after, next(depths, None)
            near = [other for other in (before, after) if other is not None]
            if not near:
                self.alone += 1
                continue
            best = min(near, key=lambda other: abs(other.time_s - shot.time_s))
            apart_s = abs(best.time_s - shot.time_s)
            if apart_s <= self.limit_s:
                last, uses = best, uses + 1 if best is last else 1
                self.shared += uses == 2
                yield number, shot, best
                continue
            self.alone += 1
            if self.least_apart_s is None or apart_s < self.least_apart_s:
                self.least_apart_s = apart_s

    def _forward(self, kind: str, shots: Iterable[Shot]) -> Iterator[Shot]:
        last_s, standing = -float("inf"), 0
        for count, shot in enumerate(shots, start=1):
            if shot.time_s < last_s:
                self.backward += 1
                continue
            standing += shot.time_s == last_s
            self.standing[kind] = standing / count
            last_s = shot.time_s
            yield shot
