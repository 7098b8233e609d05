"""Which gesture a hand makes, and which fingers are extended, from the angles of its joints.

Each condition of a gesture is a number of 0 to 1: a logistic function of an angle or a distance.
The score of a gesture is that of its weakest condition. The constants were set on training
photographs; tools/measure_gestures.py measures them on others. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.joint_angles import hand_frame, joint_angles
from kerashand.sequences import numbered_once
from kerashand.skeleton import FINGERS, MIDDLE_MCP, NUM_JOINTS, ROOT

GESTURES = ("fist", "pointing", "victory", "open_palm", "thumbs_up", "pinch", "ok")
FINGER_NAMES = tuple(FINGERS)
LEAST_SCORE = 0.5
"""Of a gesture of one picture."""

# Middle and width of the logistic functions: degrees, or lengths of wrist - middle MCP.
FREE_FLEXION_DEG = 30.0  # of a knuckle: so far it bends in an extended finger too
EXTENDED_DEG = (50.0, 10.0)  # bend of an extended finger
CURLED_DEG = (85.0, 10.0)  # of the fingers of a fist
HOOKED_DEG = (145.0, 8.0)  # most that an index bends which meets the thumb
THUMB_ASIDE_DEG = (8.0, 4.0)  # between the thumb and the plane of the palm's up and out
THUMB_BEND_DEG = (55.0, 8.0)  # of the last joint of an extended thumb
TOUCHING = (0.32, 0.05)  # tips of thumb and index
UP_DEG = (45.0, 8.0)  # between the thumb and up in the picture

THUMB, INDEX, MIDDLE, RING, LITTLE = range(5)
_THUMB_MCP, _THUMB_TIP, _INDEX_TIP = 2, 4, 8
_LEAST_LENGTH = 1e-9


class PosedHand(Protocol):
    """What is asked of a hand; `kerashand.runtime.Hand` has it."""

    @property
    def xyz_relative(self) -> NDArray[np.float64]:
        """[21, 3] joints about the wrist: x right, y down, z away."""

    @property
    def handedness(self) -> str:
        """`left` or `right`."""


@dataclass(frozen=True)
class Gesture:
    """What a hand shows.

    Attributes:
        name: of `GESTURES`; None where no gesture is sure enough.
        score: 0..1, that of the weakest condition of the gesture; of None how sure it is that none
            is shown.
        extended: thumb, index, middle, ring, little: whether each is extended.
        scores: of all gestures.
        fingers: 0..1 of each finger, how sure it is extended.
    """

    name: str | None
    score: float
    extended: tuple[bool, ...]
    scores: dict[str, float] = field(repr=False)
    fingers: tuple[float, ...] = field(repr=False)

    @property
    def count(self) -> int:
        """How many fingers are extended."""
        return sum(self.extended)


def gesture_of(hand: PosedHand) -> Gesture:
    """Return the gesture of one hand in one picture, whose up is up.

    Raises:
        ValueError: If its joints are not [21, 3] finite numbers.
    """
    shape = _shape(hand)
    fingers, scores = _fingers(shape), _scores(shape)
    best = max(scores, key=lambda name: scores[name])
    sure = scores[best] >= LEAST_SCORE
    return Gesture(
        name=best if sure else None,
        score=scores[best] if sure else 1.0 - scores[best],
        extended=tuple(value >= 0.5 for value in fingers),
        scores=scores,
        fingers=fingers,
    )


def extended_fingers(hand: PosedHand) -> tuple[bool, ...]:
    """Return whether thumb, index, middle, ring and little finger are extended."""
    return tuple(value >= 0.5 for value in _fingers(_shape(hand)))


def in_words(gesture: Gesture) -> str:
    """What a hand shows, for people: "victory, 2 fingers"."""
    fingers = f"{gesture.count} finger{'' if gesture.count == 1 else 's'}"
    return fingers if gesture.name is None else f"{gesture.name.replace('_', ' ')}, {fingers}"


@dataclass
class _Held:
    """What is shown of a followed hand, and what may come next, for how many frames already."""

    name: str | None
    extended: tuple[bool, ...]
    coming: str | None = None
    frames: int = 0


class GestureFilter:
    """Gestures of the hands of a video, without flicker.

    A gesture begins when it had a score of `enter` for `hold_frames` frames in a row, and ends when
    it had less than `leave` for as many. A finger counts as extended from `enter` on, and as folded
    below `leave`. In between both stay as they are.

        gestures = GestureFilter()
        for hands in pose.stream(frames):
            for number, gesture in gestures.update(hands).items():
                print(number, gesture.name, gesture.count)

    Args:
        hold_frames: frames in a row.
        enter, leave: scores, 0 < leave <= enter < 1.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, *, hold_frames: int = 3, enter: float = 0.6, leave: float = 0.4):
        if isinstance(hold_frames, bool) or not isinstance(hold_frames, int) or hold_frames < 1:
            raise ValueError(
                f"`hold_frames` must be a whole number of at least 1. Received: {hold_frames!r}"
            )
        if not 0.0 < leave <= enter < 1.0:
            raise ValueError(
                f"0 < `leave` <= `enter` < 1 must hold. Received: leave={leave!r}, enter={enter!r}"
            )
        self.hold_frames, self.enter, self.leave = hold_frames, enter, leave
        self._held: dict[int, _Held] = {}

    def update(self, hands: Iterable[tuple[int, PosedHand]]) -> dict[int, Gesture]:
        """The gestures of the next frame, by the number of the hand.

        Args:
            hands: numbers and hands as `HandPose.stream` yields them. A number that is missing is
                forgotten.

        Raises:
            ValueError: For two hands of one number.
        """
        seen = {number: gesture_of(hand) for number, hand in numbered_once(hands)}
        self._held = {number: self._next(number, gesture) for number, gesture in seen.items()}
        return {number: self._shown(number, gesture) for number, gesture in seen.items()}

    def _next(self, number: int, now: Gesture) -> _Held:
        held = self._held.get(number) or _Held(None, now.extended)
        extended = tuple(
            value >= (self.leave if was else self.enter)
            for value, was in zip(now.fingers, held.extended, strict=True)
        )
        coming = self._coming(held.name, now)
        if coming == held.name:
            return _Held(held.name, extended)
        frames = held.frames + 1 if coming == held.coming else 1
        if frames >= self.hold_frames:
            return _Held(coming, extended)
        return _Held(held.name, extended, coming, frames)

    def _coming(self, name: str | None, now: Gesture) -> str | None:
        """What this frame speaks for, while `name` is shown."""
        best = max(now.scores, key=lambda one: now.scores[one])
        if now.scores[best] >= self.enter:
            return best
        return name if name is not None and now.scores[name] >= self.leave else None

    def _shown(self, number: int, now: Gesture) -> Gesture:
        held = self._held[number]
        score = 1.0 - max(now.scores.values()) if held.name is None else now.scores[held.name]
        return replace(now, name=held.name, score=score, extended=held.extended)


class _Shape(NamedTuple):
    """What conditions are about: degrees, and lengths of wrist - middle MCP.

    Attributes:
        bends_deg: [5] how far each finger is bent in all; the end joint, the least sure, counts
            half.
        thumb_end_deg: flexion of the thumb's last joint.
        aside_deg: how far the thumb points away from the other fingers; 90 straight to its own
            side.
        off_up_deg: between the thumb and up in the picture.
        gap: between the tips of thumb and index.
    """

    bends_deg: NDArray[np.float64]
    thumb_end_deg: float
    aside_deg: float
    off_up_deg: float
    gap: float


def _shape(hand: PosedHand) -> _Shape:
    joints, handedness = np.asarray(hand.xyz_relative, np.float64), hand.handedness
    if joints.shape != (NUM_JOINTS, 3) or not np.isfinite(joints).all():
        raise ValueError(
            f"`xyz_relative` must be [{NUM_JOINTS}, 3] finite numbers. Received: shape "
            f"{joints.shape}"
        )
    flexion = np.maximum(joint_angles(joints, handedness=handedness).flexion, 0.0)
    knuckle, middle, end = np.moveaxis(flexion, -1, 0)
    thumb = joints[_THUMB_TIP] - joints[_THUMB_MCP]
    thumb = thumb / max(float(np.linalg.norm(thumb)), _LEAST_LENGTH)
    across = float(hand_frame(joints, handedness=handedness)[0][:, 0] @ thumb)
    palm = float(np.linalg.norm(joints[MIDDLE_MCP] - joints[ROOT]))
    return _Shape(
        bends_deg=np.maximum(knuckle - FREE_FLEXION_DEG, 0.0) + middle + 0.5 * end,
        thumb_end_deg=float(flexion[THUMB, 2]),
        # Across points to the thumb of right hands, and away from that of left ones.
        aside_deg=90.0 - _angle_deg(across if handedness == "right" else -across),
        off_up_deg=_angle_deg(-float(thumb[1])),
        gap=float(np.linalg.norm(joints[_THUMB_TIP] - joints[_INDEX_TIP]))
        / max(palm, _LEAST_LENGTH),
    )


def _fingers(shape: _Shape) -> tuple[float, ...]:
    """How sure each of the five fingers is extended."""
    thumb = min(
        _above(shape.aside_deg, THUMB_ASIDE_DEG), _below(shape.thumb_end_deg, THUMB_BEND_DEG)
    )
    return (thumb, *(_below(bend, EXTENDED_DEG) for bend in shape.bends_deg[INDEX:]))


def _scores(shape: _Shape) -> dict[str, float]:
    """Scores of all gestures."""
    fingers = _fingers(shape)
    folded = [1.0 - value for value in fingers]
    curled = min(_above(bend, CURLED_DEG) for bend in shape.bends_deg[INDEX:])
    meeting = min(_below(shape.gap, TOUCHING), _below(shape.bends_deg[INDEX], HOOKED_DEG))
    apart, others = 1.0 - meeting, min(fingers[MIDDLE:])
    return {
        "fist": min(curled, folded[THUMB], apart),
        "pointing": min(fingers[INDEX], *folded[MIDDLE:], apart),
        "victory": min(folded[THUMB], fingers[INDEX], fingers[MIDDLE], *folded[RING:]),
        "open_palm": min(fingers),
        "thumbs_up": min(curled, fingers[THUMB], apart, _below(shape.off_up_deg, UP_DEG)),
        "pinch": min(meeting, 1.0 - others),
        "ok": min(meeting, others),
    }


def _angle_deg(cosine: float) -> float:
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


def _above(value: float, limit: tuple[float, float]) -> float:
    """0..1, 0.5 at the middle of the limit."""
    middle, width = limit
    return 1.0 / (1.0 + math.exp(-min(max((float(value) - middle) / width, -500.0), 500.0)))


def _below(value: float, limit: tuple[float, float]) -> float:
    return 1.0 - _above(value, limit)
