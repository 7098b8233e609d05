"""The errors that commands show as messages instead of tracebacks, and how these show values."""

import difflib
import reprlib
from collections.abc import Iterable
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


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """A sentence that names the closest allowed word, or an empty text if none is close."""
    close = difflib.get_close_matches(str(word), list(allowed), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def shown(value: Any) -> str:
    """A short representation of a received value, in the words of YAML for the empty one."""
    return "null (empty)" if value is None else _brief.repr(value)
