"""How far the answers of scripts agree: with one package and with another, picture by picture."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure_gestures import DIGITS
from mediapipe_rules import CHOICE, DEGREES, MM, RANGE, RULES, Answer

SIGNED = re.compile(r"(\d)_\d+\.jpg")
"""Names of the photographs of `sign_digits`: the digit, and a number."""
TRUE_ANSWERS = {
    "finger counting": {int(d): 5 - fingers.count(".") for d, (_, fingers) in DIGITS.items()},
    "sign digits": {int(d): int(d) for d in DIGITS},
}
"""Of scripts whose answer a signed digit tells."""

NUMBERS = (RANGE, DEGREES, MM)
"""Kinds of answers that are one number."""

Answers = Mapping[str, Answer]
"""Of one hand: name of a script -> its answer. None is a script that does nothing."""
Found = Sequence[Answers | None]
"""Of each picture; None where there is no hand."""


def apart(first: Answer, second: Answer, kind: str) -> float:
    """How far two answers are apart; choices are 0 or 1. Of lists the largest difference counts."""
    if kind == CHOICE:
        return float(first != second)
    furthest = float(np.max(np.abs(np.subtract(first, second))))
    return min(furthest, 360.0 - furthest) if kind == DEGREES else furthest


def typical(pairs: Iterable[tuple[Answer, Answer]], kind: str) -> float:
    """Share of equal answers; of other kinds the median of how far they are apart."""
    off = [apart(*pair, kind) for pair in pairs]
    return 1.0 - float(np.mean(off)) if kind == CHOICE else float(np.median(off))


def rows(theirs: Found, ours: Found) -> list[dict[str, Any]]:
    """A row for each script: what it answers, hands for which both answer, and how they agree.

    `by_chance` is the agreement of MediaPipe's answers on each two different pictures.
    """
    both = [(a, b) for a, b in zip(theirs, ours, strict=True) if a and b]
    found = []
    for name, rule in RULES.items():
        pairs = [(a[name], b[name]) for a, b in both if None not in (a[name], b[name])]
        row = {"script": name, "answers": rule.text, "kind": rule.kind, "hands": len(pairs)}
        if len(pairs) > 1:
            first, second = zip(*pairs, strict=True)
            row["agree"] = typical(pairs, rule.kind)
            row["by_chance"] = typical(itertools.combinations(first, 2), rule.kind)
            if rule.kind != CHOICE:
                off = [apart(*pair, rule.kind) for pair in pairs]
                row["nine_of_ten"] = float(np.quantile(off, 0.9))
            if rule.kind in NUMBERS:
                row["medians"] = {who: float(np.median(of)) for who, of in (
                    ("mediapipe", first), ("kerashand", second))}  # fmt: skip
        found.append(row)
    return found


def sets(names: Sequence[str], found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """A row for each folder: hands found by each package, and right answers where both find them.

    Args:
        names: of the pictures.
        found: package -> its answers on them.
    """
    folders = [Path(name).parent.as_posix() for name in names]
    result = []
    for folder in dict.fromkeys(folders):
        inside = [n for n, other in enumerate(folders) if other == folder]
        both = [n for n in inside if all(hands[n] for hands in found.values())]
        seen = {who: sum(bool(hands[n]) for n in inside) for who, hands in found.items()}
        row = {"set": folder, "pictures": len(inside), "found": {**seen, "both": len(both)}}
        result.append(row | right(names, found, both))
    return result


def right(
    names: Sequence[str], found: Mapping[str, Sequence[Any]], numbers: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Script -> package -> share of right answers on the pictures with these numbers."""
    shown = {n: int(match[1]) for n in numbers if (match := SIGNED.fullmatch(Path(names[n]).name))}
    if not shown:
        return {}
    return {
        script: {
            who: float(np.mean([hands[n][script] == answers[sign] for n, sign in shown.items()]))
            for who, hands in found.items()
        }
        for script, answers in TRUE_ANSWERS.items()
    }
