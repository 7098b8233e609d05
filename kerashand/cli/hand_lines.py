"""What `kerashand-predict` writes of hands while it works: lines of JSON, and rows of CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from kerashand.cli.arguments import writing
from kerashand.errors import number_of
from kerashand.files import growing, user_path

if TYPE_CHECKING:
    from kerashand.gestures import Gesture


class _GrowingFile:
    """A context manager that writes lines, each whole and at once.

    What has been written stays when the command is stopped. A file of that name is replaced when
    the first line is known, or when the work is done without one, and not before.

    Args:
        target: a file, "-" for the terminal, None for nowhere.
        what: one line, as the summary counts them.
        head: the first line of a file.
    """

    def __init__(self, target: str | None, *, what: str, head: str | None = None):
        self.path = None if target in (None, "-") else user_path(target)
        self._to_terminal = target == "-"
        self._what, self._head = what, head
        self._count = 0
        self._file: TextIO | None = None
        self._opened = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self.path is not None:
            with writing(self.path):
                self._opened.close()

    def write(self, line: str) -> None:
        """Write a line.

        Raises:
            UserError: If the file cannot be written.
        """
        if self._to_terminal:
            print(line, flush=True)
        elif self.path is not None:
            with writing(self.path):
                file = self._begun(self.path)
                file.write(line + "\n")
                file.flush()
        self._count += 1

    def done(self) -> None:
        """Replace the file of an earlier call, though there was no line to write.

        Raises:
            UserError: If the file cannot be written.
        """
        if self.path is not None:
            with writing(self.path):
                self._begun(self.path)

    def _begun(self, path: Path) -> TextIO:
        """The file, with its first line."""
        if self._file is None:
            self._file = self._opened.enter_context(growing(path))
            if self._head is not None:
                self._file.write(self._head + "\n")
        return self._file

    @property
    def summary(self) -> str | None:
        """What is said of the file at the end; None without one."""
        if self._file is None:
            return None
        return f"{self.path}: {number_of(self._count, self._what)}"


class HandLines(_GrowingFile):
    """The records as lines of JSON."""

    def __init__(self, target: str | None):
        super().__init__(target, what="line")

    def add(self, record: dict[str, Any]) -> None:
        """Write a record: a picture or frame with its hands.

        Raises:
            UserError: If the file cannot be written.
        """
        self.write(json.dumps(record))


JOINT_COLUMNS = ("u_px", "v_px", "x_mm", "y_mm", "z_mm", "confidence")
"""Of each joint: pixels, millimetres about the wrist, and how sure it is."""
HAND_COLUMNS = ("number", "handedness", "score", "gesture", "gesture_score", "extended_fingers")


def csv_columns() -> list[str]:
    """The columns of the table."""
    from kerashand.skeleton import JOINT_NAMES  # loads NumPy

    of_joints = [f"{joint}_{column}" for joint in JOINT_NAMES for column in JOINT_COLUMNS]
    return ["input", "frame", "time_s", *HAND_COLUMNS, *of_joints]


class HandRows(_GrowingFile):
    """The records as a table in CSV: a row for each hand of each picture or frame."""

    def __init__(self, target: str | None):
        super().__init__(target, what="row", head=",".join(csv_columns()))

    def add(self, record: dict[str, Any]) -> None:
        """Write the rows of a record: a picture or frame with its hands.

        Raises:
            UserError: If the file cannot be written.
        """
        from kerashand.gestures import FINGER_NAMES  # loads NumPy

        for hand in record.get("hands", ()):
            joints = zip(hand["uv_px"], hand["xyz_about_wrist_mm"], hand["confidence"], strict=True)
            extended = dict(zip(FINGER_NAMES, hand["extended_fingers"], strict=True))
            told = {
                **hand, "extended_fingers": " ".join(name for name in extended if extended[name])
            }  # fmt: skip
            row = [record["input"], record.get("frame"), record.get("time_s")]
            row += [told[column] for column in HAND_COLUMNS]
            row += [value for uv, xyz, sure in joints for value in (*uv, *xyz, sure)]
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow(row)
            self.write(text.getvalue())


def records_of(
    numbered,
    gestures: Mapping[int, Gesture],
    *,
    scale_bone: str,
    scale_mm: float,
    scale_assumed: bool,
) -> list[dict[str, Any]]:
    """Hands with their numbers and gestures as JSON has them."""
    records = []
    for number, hand in numbered:
        gesture = gestures[number]
        record = {
            "number": number,
            "handedness": hand.handedness,
            "p_right": None if hand.p_right is None else round(hand.p_right, 4),
            "score": round(hand.score, 4),
            "gesture": gesture.name,
            "gesture_score": round(gesture.score, 4),
            "extended_fingers": list(gesture.extended),
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
