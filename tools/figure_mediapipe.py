"""Tables that show kerashand beside MediaPipe."""

from __future__ import annotations

from figure_forms import results, significant, titled

MODELS = {
    "hand_landmark_lite": "MediaPipe `hand_landmark_lite`",
    "hand_landmark_full": "MediaPipe `hand_landmark_full`",
}
UNITS = {"range": "of 100", "sides": "% of the side", "degrees": "°", "mm": "mm"}
"""Of the answers of scripts, by their kind in tools/mediapipe_rules.py; others are choices."""
AGREEMENT = ("agree", "nine_of_ten", "by_chance")


def scripts() -> list[dict]:
    """What scripts answer and how far both packages agree, with units."""
    return [
        row | {key: said(row[key], row["kind"]) for key in AGREEMENT if key in row}
        for row in results("scripts")["rows"]
    ]


def said(value: float, kind: str) -> str:
    """How far answers agree."""
    if kind in UNITS:
        return f"{significant(value, 2)} {UNITS[kind]}"
    return f"{100.0 * value:.0f} % the same"


def _ruler() -> str:
    """By how much world landmarks differ."""
    (row,) = (row for row in results("scripts")["rows"] if row["script"] == "ruler")
    mediapipe, kerashand = (row["medians"][who] for who in ("mediapipe", "kerashand"))
    return (
        f"The median answer of the ruler is {mediapipe:.0f} mm with MediaPipe and "
        f"{kerashand:.0f} mm with kerashand."
    )


SENTENCES = {"scripts-ruler": _ruler}
"""Name of a block -> its text."""
TABLES = {
    "mediapipe": (
        lambda: results("mediapipe")["rows"],
        {"measured": "what text", "MediaPipe": "mediapipe 2g", "kerashand": "kerashand 2g",
         "between both": "between 2g"},
    ),
    "mediapipe_time": (
        lambda: results("mediapipe_time")["rows"],
        {"time of": "what text", "MediaPipe, ms": "mediapipe 1", "kerashand, ms": "kerashand 1",
         "ratio": "ratio 2"},
    ),
    "tips": (
        lambda: titled({row["model"]: row for row in results("tips")["rows"]}, MODELS),
        {"model": "title text", "found": "found 0", "mean px": "mean_px 1",
         "median px": "median_px 1"},
    ),
    "scripts": (
        scripts,
        {"script": "script text", "answer": "answers text", "hands": "hands 0",
         "both packages": "agree text", "nine of ten within": "nine_of_ten text",
         "by chance": "by_chance text"},
    ),
    "scripts-sets": (
        lambda: results("scripts")["sets"],
        {"photographs of": "set code", "photographs": "pictures 0",
         "MediaPipe finds": "found/mediapipe 0", "kerashand finds": "found/kerashand 0",
         "both find": "found/both 0",
         "count right: MediaPipe": "finger+counting/mediapipe %0",
         "count right: kerashand": "finger+counting/kerashand %0",
         "digit right: MediaPipe": "sign+digits/mediapipe %0",
         "digit right: kerashand": "sign+digits/kerashand %0"},
    ),
}  # fmt: skip
"""Name of a block -> its rows and columns."""
