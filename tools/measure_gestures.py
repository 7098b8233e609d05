"""Measure gestures and extended fingers on photographs whose gestures are known.

    python tools/measure_gestures.py --photographs photographs --out results.json
    python tools/write_figures.py --take gestures results.json

Photographs come from tools/recipe/prepare_photographs.py. Those of `sign_digits` have the digit in
their name. What each digit shows was looked up in the pictures, and so was the gesture of each
photograph of `fingers` in the validation split; six of them, too dark or cut, are left out. The
whole picture goes through the detector and the pose model, as in `kerashand-predict`. A hand that
is not found counts as not right.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerashand import picture_files
from kerashand.cli.arguments import exit_code
from kerashand.data.kinds.photos import LABELS_FILE
from kerashand.errors import UserError
from kerashand.files import write_text
from kerashand.gestures import GESTURES, Gesture, gesture_of
from kerashand.runtime import HandPose

SPLITS = ("val", "train")
NONE = "no gesture"
# Gesture, and extended fingers from the thumb to the little finger.
DIGITS = {
    "0": ("pinch", "....."), "1": ("pointing", ".i..."), "2": ("victory", ".im.."),
    "3": (NONE, "tim.."), "4": (NONE, ".imrl"), "5": ("open_palm", "timrl"),
    "6": (NONE, ".imr."), "7": (NONE, ".im.l"), "8": (NONE, ".i.rl"), "9": ("ok", "..mrl"),
}  # fmt: skip
SHOWN = {
    ("open_palm", "timrl"): "0145 0171 0258 0393 0474 0507 0562 0566 0626",
    ("pointing", ".i..."): "0172 0175 0177 0420 0567",
    ("victory", ".im.."): "0079 0347 0506 0509 0510 0511 0669",
    ("thumbs_up", "t...."): "0370 0583",
    ("fist", "....."): "0568 0745",
    ("ok", "..mrl"): "0564",
    (NONE, "tim.."): "0101 0714 0727",
    (NONE, ".imr."): "0316 0512 0665",
    (NONE, ".imrl"): "0450 0508 0513",
}
"""Validation photographs of `fingers`, by the number in their names."""


@dataclass(frozen=True)
class Case:
    """A photograph, what it shows, and what was found; None where no hand was."""

    set: str
    gesture: str
    extended: tuple[bool, ...]
    found: Gesture | None

    @property
    def is_right(self) -> bool:
        """Whether the gesture is right."""
        return self.found is not None and (self.found.name or NONE) == self.gesture

    @property
    def fingers_right(self) -> int:
        """How many of the five fingers are right."""
        if self.found is None:
            return 0
        return sum(a == b for a, b in zip(self.extended, self.found.extended, strict=True))


def main(argv: list[str] | None = None) -> int:
    """Print the tables and write results.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help=".tflite or .onnx (default: the packaged one)")
    parser.add_argument("--detector", type=Path, help="likewise")
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--split", default=SPLITS[0], choices=SPLITS, help="(default: val)")
    parser.add_argument("--each", type=int, default=8, help="photographs of each digit")
    parser.add_argument("--out", type=Path, help="file of results, .json")
    args = parser.parse_args(argv)
    return exit_code("measure_gestures", lambda: measure(args))


def measure(args: argparse.Namespace) -> None:
    """All photographs, then the tables."""
    pose = HandPose.load(args.model, detector=args.detector)
    held = np.load(args.photographs / LABELS_FILE, allow_pickle=False)
    names = sorted({str(name) for name in held["name"][held["split"] == args.split]})
    cases = []
    for name, (gesture, fingers) in chosen(names, each=args.each):
        hands = pose.predict(picture_files.read(args.photographs / name), max_hands=1)
        extended = tuple(mark != "." for mark in fingers)
        found = gesture_of(hands[0]) if hands else None
        cases.append(Case(name.partition("/")[0], gesture, extended, found))
        if not cases[-1].is_right or cases[-1].fingers_right < 5:
            print(f"{name}: {gesture} {fingers}, found {found}")
    if not cases:
        raise UserError(f"{args.photographs} holds none of these photographs.")
    results = {"sets": by_set(cases), "gestures": by_gesture(cases)}
    text = json.dumps({"split": args.split, **results}, indent=2) + "\n"
    print(text)
    if args.out is not None:
        write_text(args.out, text)


def chosen(names: Iterable[str], *, each: int) -> list[tuple[str, tuple[str, str]]]:
    """Photographs and what they show: `each` of every digit, and those of `SHOWN`."""
    shown = {number: what for what, numbers in SHOWN.items() for number in numbers.split()}
    taken: dict[str, int] = {}
    result = []
    for name in names:
        of, _, file = name.partition("/")
        if of == "sign_digits" and taken.get(file[0], 0) < each:
            taken[file[0]] = taken.get(file[0], 0) + 1
            result.append((name, DIGITS[file[0]]))
        elif of == "fingers" and (what := shown.get(Path(file).stem.rpartition("_")[2])):
            result.append((name, what))
    return result


def by_set(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A row for each set of photographs."""
    return [
        {
            "set": name,
            "photographs": len(rows),
            "found": sum(case.found is not None for case in rows),
            "gesture": sum(case.is_right for case in rows) / len(rows),
            "fingers": sum(case.fingers_right for case in rows) / (5 * len(rows)),
            "count": sum(case.found is not None and case.found.count == sum(case.extended)
                         for case in rows) / len(rows),
        }
        for name in sorted({case.set for case in cases})
        if (rows := [case for case in cases if case.set == name])
    ]  # fmt: skip


def by_gesture(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A row for each gesture: how many photographs show it, and how many of others seem to."""
    return [
        {
            "gesture": name,
            "photographs": sum(case.gesture == name for case in cases),
            "right": sum(case.gesture == name and case.is_right for case in cases),
            "wrong": sum(case.gesture != name and case.found is not None
                         and (case.found.name or NONE) == name for case in cases),
        }
        for name in (*GESTURES, NONE)
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
