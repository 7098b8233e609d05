"""The list of hands that `kerashand-predict --json` writes: a line when it is known."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, TextIO

from kerashand.cli.arguments import writing
from kerashand.errors import number_of
from kerashand.files import user_path


class HandLines:
    """A context manager that writes records as lines of JSON, each whole and at once.

    What has been written stays when the command is stopped. A file of that name is replaced when
    the first line is known, and not before.

    Args:
        target: a file, "-" for the terminal, None for nowhere.
    """

    def __init__(self, target: str | None):
        self.path = None if target in (None, "-") else user_path(target)
        self._to_terminal = target == "-"
        self._count = 0
        self._file: TextIO | None = None
        self._opened = ExitStack()

    def __enter__(self) -> HandLines:
        return self

    def __exit__(self, *_) -> None:
        if self.path is not None:
            with writing(self.path):
                self._opened.close()

    def add(self, record: dict[str, Any]) -> None:
        """Write a record.

        Raises:
            UserError: If the file cannot be written.
        """
        line = json.dumps(record)
        if self._to_terminal:
            print(line, flush=True)
        elif self.path is not None:
            with writing(self.path):
                if self._file is None:
                    self._file = self._opened.enter_context(self.path.open("w", encoding="utf-8"))
                self._file.write(line + "\n")
                self._file.flush()
        self._count += 1

    @property
    def summary(self) -> str | None:
        """What is said of the file at the end; None without one."""
        return None if self._file is None else f"{self.path}: {number_of(self._count, 'line')}"


def records_of(
    numbered, *, scale_bone: str, scale_mm: float, scale_assumed: bool
) -> list[dict[str, Any]]:
    """Hands with their numbers as JSON has them."""
    records = []
    for number, hand in numbered:
        record = {
            "number": number,
            "handedness": hand.handedness,
            "p_right": None if hand.p_right is None else round(hand.p_right, 4),
            "score": round(hand.score, 4),
            "box": [round(value, 2) for value in hand.box],
            "uv_px": _rounded(hand.uv_px, 2),
            "confidence": _rounded(hand.confidence, 4),
            "z_relative": _rounded(hand.z_relative, 4),
            "xyz_about_wrist_mm": _rounded(hand.xyz_relative * scale_mm, 2),
            "scale_bone": scale_bone,
            "scale_mm": scale_mm,
            "scale_assumed": scale_assumed,
        }
        if hand.xyz_mm is not None:
            record["xyz_camera_mm"] = _rounded(hand.xyz_mm, 2)
            record["root_depth_mm"] = round(hand.root_depth_mm, 2)
        records.append(record)
    return records


def _rounded(array, digits: int):
    return [
        [round(float(v), digits) for v in row] if getattr(row, "ndim", 0) else
        round(float(row), digits)
        for row in array
    ]  # fmt: skip
