"""Frozen dataclasses as config sections, whose fields state what they allow, and their reading."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from kerashand.errors import UserError, did_you_mean, shown

_NUMBER_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class ConfigError(UserError):
    """Everything that is wrong with one configuration.

    Attributes:
        problems: one text for each mistake, starting with its dotted path.
    """

    def __init__(self, source: str, problems: typing.Sequence[str]):
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n  ".join([f"{source}: {count}", *self.problems]))


@dataclasses.dataclass(frozen=True)
class Section(Mapping):
    """Base of the config dataclasses; a mapping, so that `build(**section)` passes its fields."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.names():
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self):
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(field.name for field in dataclasses.fields(cls))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, as YAML or JSON would hold them."""
        return {name: _plain(value) for name, value in self.items()}


SectionType = typing.TypeVar("SectionType", bound=Section)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a field allows, beyond its type; for a list, what each entry allows.

    Attributes:
        low, high: inclusive bounds.
        above, below: exclusive bounds.
        multiple_of: the divisor of a whole number.
        choices: the allowed texts.
        unique: whether a list may not name an entry twice.
        count: the length of a list (None = any).
        min_count: the least length of a list.
        pattern: the regular expression of a text, and what it means.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    multiple_of: int | None = None
    choices: tuple[str, ...] | None = None
    unique: bool = False
    count: int | None = None
    min_count: int = 0
    pattern: tuple[str, str] | None = None

    def number_rule(self) -> str:
        """The bounds in words, such as "a multiple of 8, at least 32, at most 512"."""
        words = {
            "a multiple of": self.multiple_of,
            "at least": self.low,
            "more than": self.above,
            "at most": self.high,
            "less than": self.below,
        }
        return ", ".join(f"{word} {bound}" for word, bound in words.items() if bound is not None)

    def admit(self, number: float) -> bool:
        """Whether a number lies within the bounds."""
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
            and (self.multiple_of is None or number % self.multiple_of == 0)
        )


def setting(default: Any, **limits: Any) -> Any:
    """A dataclass field with a default and its `Limits`."""
    return dataclasses.field(default=default, metadata={"limits": Limits(**limits)})


def read_section(
    defaults: SectionType, received: Any, path: str, *, problems: dict[str, str]
) -> SectionType:
    """Reads a plain mapping over the defaults.

    Args:
        defaults: the section whose values stand where `received` names none.
        received: what the YAML file holds at this place.
        path: the dotted path of this place; empty at the top.
        problems: dotted path -> text; gains an entry for each mistake, and the default stays.
    """
    if not isinstance(received, Mapping):
        problems[path] = (
            f"{path}: must be a mapping (`key: value` lines). Received: {shown(received)}"
        )
        return defaults
    fields = {field.name: field for field in dataclasses.fields(defaults)}
    hints = typing.get_type_hints(type(defaults))
    values = {}
    for key, value in received.items():
        place = f"{path}.{key}" if path else str(key)
        if key not in fields:
            name, colon, _ = str(key).partition(":")
            if colon and value is None and name in fields:  # `{train:40}` in YAML
                hint = f" A blank belongs after the colon: `{name}: ...`."
            else:
                hint = did_you_mean(key, fields)
            problems[place] = f"{place}: unknown key.{hint} Allowed here: {', '.join(fields)}"
        elif isinstance(defaults[key], Section):
            values[key] = read_section(defaults[key], value, place, problems=problems)
        else:
            try:
                values[key] = _read(hints[key], value, fields[key].metadata["limits"])
            except ValueError as error:
                problems[place] = f"{place}: {error}"
    return dataclasses.replace(defaults, **values)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _read(kind: Any, value: Any, limits: Limits) -> Any:
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
        return _read_plain(kind, value, limits, or_null=" or null")
    return _read_plain(kind, value, limits, or_null="")


def _read_plain(kind: Any, value: Any, limits: Limits, *, or_null: str) -> Any:
    if typing.get_origin(kind) is tuple:
        return _read_list(typing.get_args(kind)[0], value, limits)
    if kind is bool:
        return _demand(isinstance(value, bool), value, f"must be true or false{or_null}")
    if kind is str:
        return _read_text(value, limits, or_null)
    return _read_number(kind, value, limits, or_null=or_null)


def _read_list(kind: Any, value: Any, limits: Limits) -> tuple:
    what = "must be a list"
    if limits.choices:
        what += f" of {', '.join(limits.choices)}"
    _demand(isinstance(value, (list, tuple)), value, what)
    entries = tuple(_read_plain(kind, entry, limits, or_null="") for entry in value)
    if limits.count is not None:
        _demand(len(entries) == limits.count, value, f"must have {limits.count} entries")
    _demand(len(entries) >= limits.min_count, value, f"must have at least {limits.min_count} entry")
    if limits.unique:
        _demand(len(set(entries)) == len(entries), value, "names an entry twice")
    return entries


def _read_text(value: Any, limits: Limits, or_null: str) -> str:
    if limits.choices is not None:
        what = f"must be one of {', '.join(limits.choices)}{or_null}"
        hint = did_you_mean(value, limits.choices) if isinstance(value, str) else ""
        return _demand(isinstance(value, str) and value in limits.choices, value, what, hint=hint)
    _demand(isinstance(value, str) and value.strip(), value, f"must be text{or_null}")
    if limits.pattern is not None:
        expression, meaning = limits.pattern
        _demand(re.fullmatch(expression, value), value, f"must be {meaning}{or_null}")
    return value


def _read_number(kind: Any, value: Any, limits: Limits, *, or_null: str) -> Any:
    rule = limits.number_rule()
    what = f"must be a {'whole number' if kind is int else 'number'}{or_null}"
    if rule:
        what += f", {rule}"
    number = value
    if kind is float:
        # PyYAML reads `1e-4` (no dot) as text.
        is_text = isinstance(value, str) and _NUMBER_TEXT.fullmatch(value)
        if is_text or (type(value) is int and abs(value) < 1e300):
            number = float(value)
    good = type(number) is kind and (kind is int or math.isfinite(number))
    _demand(good and limits.admit(number), value, what)
    return number


def _demand(condition: Any, value: Any, what: str, *, hint: str = "") -> Any:
    if not condition:
        raise ValueError(f"{what}. Received: {shown(value)}{hint and '.' + hint}")
    return value
