"""Figures from docs/figures/*.json, and how tables write them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"


@functools.cache
def figures(name: str) -> dict[str, Any]:
    """The content of a JSON file."""
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def results(name: str) -> Any:
    """What a JSON file says was measured."""
    return figures(name)["results"]


def number(value: float, digits: int) -> str:
    """A number with thousands marked."""
    return f"{value:,.{digits}f}"


def significant(value: float, digits: int) -> str:
    """So many digits, without an exponent."""
    return format(Decimal(f"{value:.{digits}g}"), "f")


FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "code": lambda value: f"`{value}`",
    "yes": lambda value: "yes" if value else "no",
    **{str(digits): functools.partial(number, digits=digits) for digits in range(5)},
    **{f"%{digits}": lambda value, d=digits: f"{value * 100:.{d}f} %" for digits in range(2)},
    # Two digits behind the point of a time or ratio, none from 100 on.
    "short": lambda value: number(value, 2 if value < 100 else 0),
    "mb": lambda value: number(value, 1 if value < 20 else 0),
    "signed": "{:+.3f}".format,
    "2g": functools.partial(significant, digits=2),
}
"""How a column writes a value: digits behind the point, or a name."""


def table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table.

    Args:
        columns: title -> "KEY FORM". KEY may be a path with slashes; + in it stands for a space.
            FORM is one of `FORMS`.
        rows: nested mappings; what a row lacks is an empty cell.
    """

    def cell(row: Mapping[str, Any], column: str) -> str:
        path, form = column.split()
        path = path.replace("+", " ")
        value: Any = row
        for key in path.split("/"):
            if key not in value:
                return ""
            value = value[key]
        return FORMS[form](value)

    lines: list[Sequence[str]] = [list(columns), ["---"] * len(columns)]
    lines += [[cell(row, column) for column in columns.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def titled(rows: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict]:
    """Rows by name as a list, each with its title; names without one are their own."""
    return [{"title": titles.get(name, name), **row} for name, row in rows.items()]
