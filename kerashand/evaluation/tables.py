"""Numbers of a summary as rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Column = tuple[str, str, str]
"""Title, name of a number, its form."""
COLUMNS: tuple[Column, ...] = (
    ("AUC", "auc", "{:.3f}"),
    ("mean mm", "mean_error_mm", "{:.1f}"),
    ("median mm", "median_error_mm", "{:.1f}"),
    ("depth mm", "mean_depth_error_mm", "{:.1f}"),
    ("2D px", "mean_error_px", "{:.2f}"),
    ("PCK 2D", "pck_2d", "{:.3f}"),
)
MORE_COLUMNS: tuple[Column, ...] = (
    ("PA mm", "procrustes_mm", "{:.1f}"),
    ("hands > 15 px", "hands_above_15px", "{:.1%}"),
    ("ECE", "calibration_error", "{:.3f}"),
    ("handedness, worst", "handedness_worst", "{:.3f}"),
    ("hands seen", "hands_seen", "{:.3f}"),
    ("no hand, seen", "empty_seen", "{:.3f}"),
)
"""Beside `COLUMNS`, where a row has the number."""


def held_columns(rows: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Those of `MORE_COLUMNS` that a row has."""
    held = set().union(*rows)
    return tuple(column for column in MORE_COLUMNS if column[1] in held)


def cells(numbers: Mapping[str, Any], columns: Sequence[Column] = COLUMNS) -> list[str]:
    """The numbers of a row as text, "-" for what it lacks."""
    return [form.format(numbers[key]) if key in numbers else "-" for _, key, form in columns]


def aligned_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
