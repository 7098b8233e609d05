"""The errors that commands show as messages instead of tracebacks, and how these show values."""

import reprlib
from typing import Any

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 60


class UserError(Exception):
    """A mistake that the user can mend; the message says how."""


class TryAgainError(UserError):
    """Nothing is wrong with the input: the same command, run again, goes on."""


def number_of(count: int, noun: str) -> str:
    """A number with its noun, such as "1 hand" and "2 hands"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def shown(value: Any) -> str:
    """A short representation of a received value, in the words of YAML for the empty one."""
    return "null (empty)" if value is None else _brief.repr(value)
