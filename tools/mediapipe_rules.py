"""What twenty small scripts for MediaPipe's hands answer on one picture.

tools/compare_mediapipe.py asks both packages. The rules do what public scripts typically do. None
is copied. A rule reads the results of `mp.solutions.hands.Hands.process` and the size of the
picture, as scripts do. It uses the standard library alone: the interpreter with MediaPipe lacks
kerashand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WRIST, THUMB_IP, THUMB_TIP = 0, 3, 4
INDEX_MCP, INDEX_PIP, INDEX_DIP, INDEX_TIP = 5, 6, 7, 8
MIDDLE_MCP, MIDDLE_TIP, LITTLE_MCP = 9, 12, 17
FINGER_TIPS = (8, 12, 16, 20)
"""From the index to the little finger; two less is the middle joint of the finger."""
PRESSED_Z = -0.1
"""A button is pressed where the `z` of the index tip is below this."""

CHOICE, RANGE, SIDES, DEGREES, MM = "choice", "range", "sides", "degrees", "mm"
"""Kinds of answers. Those of `SIDES` are lists of % of the width and height of the picture."""

Answer = Any
Size = tuple[int, int]
"""Width and height of the picture, px."""
Point = tuple[float, float]


@dataclass(frozen=True)
class Rule:
    """What a script answers, the function that does so, and the kind of the answer."""

    text: str
    answer: Callable[[Any, Size], Answer]
    kind: str


# ------------------------------------------------------------------------- what scripts compute


def pixels(results: Any, size: Size) -> list[Point]:
    """The landmarks of the first hand, px."""
    width, height = size
    return [(p.x * width, p.y * height) for p in results.multi_hand_landmarks[0].landmark]


def metres(results: Any, *joints: int) -> list[tuple[float, float, float]]:
    """World landmarks of the first hand."""
    world = results.multi_hand_world_landmarks[0].landmark
    return [(world[joint].x, world[joint].y, world[joint].z) for joint in joints]


def label(results: Any, size: Size) -> str:
    """Left or Right."""
    return results.multi_handedness[0].classification[0].label


def scaled(value: float, low: float, high: float) -> float:
    """Where a value lies between two others: 0..100."""
    return 100.0 * min(max((value - low) / (high - low), 0.0), 1.0)


def raised(results: Any, size: Size) -> tuple[bool, ...]:
    """Which of five fingers are stretched, the thumb first; the hand may be turned."""
    at = pixels(results, size)
    thumb = math.dist(at[THUMB_TIP], at[LITTLE_MCP]) > math.dist(at[THUMB_IP], at[LITTLE_MCP])
    others = (
        math.dist(at[tip], at[WRIST]) > math.dist(at[tip - 2], at[WRIST]) for tip in FINGER_TIPS
    )
    return (thumb, *others)


def pattern(results: Any, size: Size) -> str:
    """The raised fingers by their first letters, others as points: `.im..`."""
    return "".join(
        letter if up else "." for letter, up in zip("timrl", raised(results, size), strict=True)
    )


def pinched(at: Sequence[Point]) -> bool:
    """Whether the tips of thumb and index touch."""
    return math.dist(at[THUMB_TIP], at[INDEX_TIP]) < 0.4 * math.dist(at[INDEX_MCP], at[LITTLE_MCP])


# ------------------------------------------------------------------------------------- the rules


def finger_count(results: Any, size: Size) -> int:
    """Tips above the middle joints; the thumb by its side, for a palm that faces the camera."""
    at = pixels(results, size)
    left_of_joint = at[THUMB_TIP][0] < at[THUMB_IP][0]
    thumb = left_of_joint if label(results, size) == "Right" else not left_of_joint
    return thumb + sum(at[tip][1] < at[tip - 2][1] for tip in FINGER_TIPS)


DIGITS = (
    ".....", ".i...", ".im..", "tim..", ".imrl", "timrl", ".imr.", ".im.l", ".i.rl", "..mrl"
)  # fmt: skip
"""Raised fingers of the signed digits 0 to 9."""
LETTERS = {
    "t....": "A", ".imrl": "B", ".i...": "D", "..mrl": "F", "....l": "I", "ti...": "L",
    ".....": "S", ".im..": "V", ".imr.": "W", "t...l": "Y",
}  # fmt: skip
"""Letters of the American finger alphabet that the raised fingers tell."""


def digit(results: Any, size: Size) -> int:
    """The digit whose fingers differ least; the lower one of two."""
    seen = pattern(results, size)
    return min(range(10), key=lambda n: sum(a != b for a, b in zip(seen, DIGITS[n], strict=True)))


def letter(results: Any, size: Size) -> str:
    """A letter, or none."""
    return LETTERS.get(pattern(results, size), "none")


def move(results: Any, size: Size) -> str:
    """Rock, paper, scissors or none; the thumb does not count."""
    moves = {"....": "rock", "imrl": "paper", "im..": "scissors"}
    return moves.get(pattern(results, size)[1:], "none")


def volume(results: Any, size: Size) -> float:
    """Distance of the tips of thumb and index, in lengths of the palm."""
    at = pixels(results, size)
    palm = math.dist(at[WRIST], at[MIDDLE_MCP])
    return scaled(math.dist(at[THUMB_TIP], at[INDEX_TIP]) / palm, 0.2, 1.2)


def brightness(results: Any, size: Size) -> float:
    """Distance of the tips of thumb and middle finger, in widths of the picture."""
    at = pixels(results, size)
    return scaled(math.dist(at[THUMB_TIP], at[MIDDLE_TIP]) / size[0], 0.05, 0.5)


def pen_down(results: Any, size: Size) -> bool:
    """Only the index is up; the thumb does not count."""
    return pattern(results, size)[1:] == "i..."


def drawn_point(results: Any, size: Size) -> list[float] | None:
    """The index tip, while the pen is down."""
    tip = results.multi_hand_landmarks[0].landmark[INDEX_TIP]
    return [100.0 * tip.x, 100.0 * tip.y] if pen_down(results, size) else None


def pointer(results: Any, size: Size) -> list[float]:
    """The inner part of the picture is the screen."""
    tip = results.multi_hand_landmarks[0].landmark[INDEX_TIP]
    return [scaled(tip.x, 0.1, 0.9), scaled(tip.y, 0.1, 0.9)]


def clicked(results: Any, size: Size) -> bool:
    """A pinch."""
    return pinched(pixels(results, size))


def thumb_sign(results: Any, size: Size) -> str:
    """Up or down where the thumb tip is the highest or lowest point of a closed hand, or none."""
    heights = [y for _, y in pixels(results, size)]
    if any(raised(results, size)[1:]):
        return "none"
    if heights[THUMB_TIP] == min(heights):
        return "up"
    return "down" if heights[THUMB_TIP] == max(heights) else "none"


def is_ok(results: Any, size: Size) -> bool:
    """A pinch with the other three fingers up."""
    return clicked(results, size) and pattern(results, size)[2:] == "mrl"


def is_victory(results: Any, size: Size) -> bool:
    """Index and middle finger up, and spread."""
    at = pixels(results, size)
    spread = math.dist(at[INDEX_TIP], at[MIDDLE_TIP]) > math.dist(at[INDEX_MCP], at[MIDDLE_MCP])
    return spread and pattern(results, size)[1:] == "im.."


def is_open(results: Any, size: Size) -> bool:
    """The finger tips are far from the wrist, on average."""
    at = pixels(results, size)
    far = sum(math.dist(at[tip], at[WRIST]) for tip in FINGER_TIPS) / len(FINGER_TIPS)
    return far > 1.4 * math.dist(at[MIDDLE_MCP], at[WRIST])


def direction(results: Any, size: Size) -> str:
    """Where the index points: up, down, left or right."""
    at = pixels(results, size)
    x, y = (tip - knuckle for tip, knuckle in zip(at[INDEX_TIP], at[INDEX_MCP], strict=True))
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"


def key(results: Any, size: Size) -> str:
    """The key under the index tip, of a telephone's twelve that fill the picture."""
    tip = results.multi_hand_landmarks[0].landmark[INDEX_TIP]
    column, row = (min(max(int(part), 0), most) for part, most in ((3 * tip.x, 2), (4 * tip.y, 3)))
    return "123456789*0#"[3 * row + column]


def crop(results: Any, size: Size) -> list[float]:
    """Left, top, right and bottom of the hand with a margin, inside the picture."""
    landmarks = results.multi_hand_landmarks[0].landmark
    xs, ys = [p.x for p in landmarks], [p.y for p in landmarks]
    sides = (min(xs) - 0.05, min(ys) - 0.05, max(xs) + 0.05, max(ys) + 0.05)
    return [scaled(side, 0.0, 1.0) for side in sides]


def steering(results: Any, size: Size) -> float:
    """How far the palm is turned from upright, clockwise."""
    at = pixels(results, size)
    x, y = (far - near for far, near in zip(at[MIDDLE_MCP], at[WRIST], strict=True))
    return math.degrees(math.atan2(x, -y))


def index_angle(results: Any, size: Size) -> float:
    """The angle at the middle joint of the index: 180 where it is straight."""
    start, joint, end = metres(results, INDEX_MCP, INDEX_PIP, INDEX_DIP)
    a, b, across = math.dist(start, joint), math.dist(joint, end), math.dist(start, end)
    cosine = (a * a + b * b - across * across) / (2.0 * a * b)
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


def span(results: Any, size: Size) -> float:
    """Distance of the tips of thumb and index, mm."""
    return 1000.0 * math.dist(*metres(results, THUMB_TIP, INDEX_TIP))


def is_pressed(results: Any, size: Size) -> bool:
    """The index tip is nearer to the camera than the wrist."""
    return results.multi_hand_landmarks[0].landmark[INDEX_TIP].z < PRESSED_Z


RULES = {
    "finger counting": Rule("number of raised fingers of an upright hand", finger_count, CHOICE),
    "sign digits": Rule("digit 0 to 9 by the raised fingers", digit, CHOICE),
    "sign letters": Rule("one of ten letters, or none", letter, CHOICE),
    "rock, paper, scissors": Rule("the move, or none", move, CHOICE),
    "thumbs": Rule("up, down or none", thumb_sign, CHOICE),
    "OK sign": Rule("yes or no", is_ok, CHOICE),
    "victory sign": Rule("yes or no", is_victory, CHOICE),
    "open hand": Rule("yes or no", is_open, CHOICE),
    "left or right": Rule("the label", label, CHOICE),
    "pointing": Rule("up, down, left or right", direction, CHOICE),
    "keypad": Rule("one of twelve keys under the index tip", key, CHOICE),
    "mouse: click": Rule("yes or no, by a pinch", clicked, CHOICE),
    "mouse: pointer": Rule("position of the index tip on the screen", pointer, SIDES),
    "drawing in the air: pen": Rule("down or not, by the raised fingers", pen_down, CHOICE),
    "drawing in the air: point": Rule("position of the index tip", drawn_point, SIDES),
    "button by depth": Rule("yes or no, by `z` of the index tip", is_pressed, CHOICE),
    "volume by pinch": Rule("0 to 100, by thumb and index", volume, RANGE),
    "brightness by pinch": Rule("0 to 100, by thumb and middle finger", brightness, RANGE),
    "cropping": Rule("box of the hand with a margin", crop, SIDES),
    "steering wheel": Rule("angle of the palm", steering, DEGREES),
    "robot finger": Rule("angle of the index, by world landmarks", index_angle, DEGREES),
    "ruler": Rule("from thumb tip to index tip, by world landmarks", span, MM),
}
"""Name of a script -> its rule."""
