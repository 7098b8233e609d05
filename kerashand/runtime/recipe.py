"""How joints are read from a picture: numbers that stand in the description of an exported file.

Python, JavaScript, C++, Kotlin and Swift read them there, so that a model that was trained or
chosen in another way needs no other program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kerashand.errors import UserError, shown
from kerashand.geometry.camera import HAND_MARGIN

KEY = "recipe"
"""Of the description of a file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How often the network runs on a hand, on which crops, and how a hand is followed.

    Lengths of crops are in sides of the box around the joints, or of the crop.

    Attributes:
        margin: side of a crop around the box of a detection or of joints.
        passes: runs of the network on a hand in a picture.
        sure: probability of a hand, and of its handedness, above which the first of these is
            enough, if its crop fits; 1 asks for all passes,
        sure_joints: and mean confidence of its joints above which it is.
        extra_passes: more runs at most, where a crop does not fit the joints or the handedness.
        closer: factor on the side of the crops after the first.
        turns_deg: turns of these crops against fingers up, one after the other.
        first_weight: what the first pass counts in the mean of all.
        smallest_fit, largest_fit: a crop fits joints whose own crop is so many times as large,
        most_shift: and whose centre is so near.
        least_hand: probability of a hand, by detector and pose model together, from which on a
            detection is one.
        least_score: score of a followed hand below which it is lost.
        search_every_frames: frames between two runs of the detector in a video,
        check_every_frames: and where as many hands as wanted are followed and all are `sure`.
        misses_to_lose: runs of the detector in a row that do not see a hand where it is followed.
        same_hand: overlap (IoU) of boxes above which two are one hand.
        doubled: overlap of two hands from which on they are one: the less sure one is dropped, or
            in a video the later one.
        handedness_frames: frames over which a followed hand's handedness is averaged.
        min_cutoff_hz, beta: of the One-Euro filter of positions, in sides of the hand's first box.
        depth_min_cutoff_hz, depth_beta: of that of depth, in lengths of the scale bone.
    """

    margin: float = HAND_MARGIN
    passes: int = 2
    sure: float = 0.9
    sure_joints: float = 0.6
    extra_passes: int = 3
    closer: float = 0.95
    turns_deg: tuple[float, ...] = (0.0, -10.0, 10.0)
    first_weight: float = 0.25
    smallest_fit: float = 0.75
    largest_fit: float = 1.33
    most_shift: float = 0.15
    least_hand: float = 0.9
    least_score: float = 0.2
    search_every_frames: int = 5
    check_every_frames: int = 15
    misses_to_lose: int = 2
    same_hand: float = 0.3
    doubled: float = 0.6
    handedness_frames: int = 30
    min_cutoff_hz: float = 1.2
    beta: float = 6.0
    depth_min_cutoff_hz: float = 1.0
    depth_beta: float = 0.7

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the description of a file."""
        return dataclasses.asdict(self) | {"turns_deg": list(self.turns_deg)}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Recipe:
        """The recipe in the description of a file; what it does not say is as by default.

        Raises:
            UserError: for an unknown name, or a value that is out of range.
        """
        given = metadata.get(KEY, {})
        known = {field.name: field.default for field in dataclasses.fields(cls)}
        if not isinstance(given, Mapping) or not set(given) <= set(known):
            raise UserError(
                f"The `{KEY}` of a model may hold {', '.join(known)}. Received: {shown(given)}"
            )
        values = {name: _checked(name, value, known[name]) for name, value in given.items()}
        return cls(**values)


LARGEST = {
    "passes": 16, "extra_passes": 16, "margin": 4.0, "closer": 4.0, "turns_deg": 180.0, "sure": 1.0,
    "sure_joints": 1.0, "least_hand": 1.0,
}  # fmt: skip
"""Above these a file asks for work or crops without sense."""
LEAST = {
    "margin": 0.5, "closer": 0.1, "first_weight": 0.01, "min_cutoff_hz": 0.01,
    "depth_min_cutoff_hz": 0.01,
}  # fmt: skip
"""Below these a crop holds nothing, or a pass or frame counts nothing."""


def _checked(name: str, value: Any, default: Any) -> Any:
    """A value of the kind of its default, of a sensible size."""
    if isinstance(default, tuple):
        numbers = value if isinstance(value, list) and 0 < len(value) <= 16 else [None]
        return tuple(_number(name, number, least=-LARGEST[name]) for number in numbers)
    number = _number(name, value, least=LEAST.get(name, 0.0))
    if isinstance(default, int) and (number != int(number) or number < 1):
        raise _wrong(name, value)
    return int(number) if isinstance(default, int) else number


def _number(name: str, value: Any, *, least: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value <= LARGEST.get(name, 1e6):
        raise _wrong(name, value)
    return float(value)


def _wrong(name: str, value: Any) -> UserError:
    return UserError(f"The `{KEY}.{name}` of a model is out of range. Received: {shown(value)}")
