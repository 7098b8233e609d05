"""Choices from sequences, and what numbers of hands must be."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of some items, evenly spread over them, from the first on."""
    count = min(most, len(items))
    return [items[k * len(items) // count] for k in range(count)]


def numbered_once(hands: Iterable[tuple[int, T]]) -> list[tuple[int, T]]:
    """Hands with their numbers.

    Raises:
        ValueError: For two hands of one number.
    """
    numbered = list(hands)
    numbers = [number for number, _ in numbered]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"each hand needs its own number. Received: {numbers}")
    return numbered
