"""What is kept of a followed video: where each hand's joints were, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.root_depth import LEAST_SCALE_MM, scale_bone_px
from kerashand.sequences import numbered_once
from kerashand.skeleton import ROOT

Floats = NDArray[np.float64]
MM = 1e-3
"""Metres."""


class FollowedHand(Protocol):
    """What is asked of a hand; `kerashand.runtime.Hand` has it."""

    @property
    def handedness(self) -> str:
        """`left` or `right`."""

    @property
    def uv_px(self) -> Floats:
        """[21, 2] pixels of the picture."""

    @property
    def xyz_relative(self) -> Floats:
        """[21, 3] joints about the wrist in lengths of the scale bone."""

    @property
    def xyz_mm(self) -> Floats | None:
        """[21, 3] joints in the camera's frame, where it is known."""


@dataclass(frozen=True)
class HandMotion:
    """One hand through the frames in which it was followed.

    Attributes:
        number: of the hand.
        handedness: "left" or "right".
        frames: [T] rising numbers of the frames of the film that show it.
        wrist_m: [T, 3] x right, y down, z away.
        xyz_m: [T, 21, 3] joints about the wrist in the same axes.

    Raises:
        ValueError: For numbers that are not finite.
    """

    number: int
    handedness: str
    frames: NDArray[np.int64]
    wrist_m: Floats
    xyz_m: Floats

    def __post_init__(self):
        if not (np.isfinite(self.wrist_m).all() and np.isfinite(self.xyz_m).all()):
            raise ValueError(f"`wrist_m` and `xyz_m` of hand {self.number} must be finite numbers")

    @property
    def name(self) -> str:
        """What it is called in files."""
        return f"hand{self.number}_{self.handedness}"

    def latest(self, count: int) -> NDArray[np.int64]:
        """For each of the `count` frames of the film, which of the T poses was the last before it.

        Before the first it is the first.
        """
        return np.maximum(np.searchsorted(self.frames, np.arange(count), side="right") - 1, 0)

    def shown(self, count: int) -> list[tuple[int, bool]]:
        """The frames at which the hand comes and goes, and whether it is there; from frame 0 on."""
        there = np.isin(np.arange(count), self.frames)
        changes = np.flatnonzero(np.diff(there.astype(np.int8))) + 1
        return [(int(frame), bool(there[frame])) for frame in (0, *changes)]


@dataclass(frozen=True)
class Film:
    """The hands of a film, and the times of all of its frames in seconds."""

    times_s: Floats
    hands: list[HandMotion]


@dataclass
class _Track:
    """One hand while it is followed: a list entry for each frame."""

    handedness: str = ""
    frames: list[int] = field(default_factory=list)
    xyz_m: list[Floats] = field(default_factory=list)
    camera_m: list[Floats] = field(default_factory=list)
    aside_px: list[Floats] = field(default_factory=list)
    pixels: list[float] = field(default_factory=list)


class MotionRecorder:
    """Collects the hands of a film frame by frame.

    With a known camera joints and wrist are those in its frame. Without one the joints are
    `xyz_relative`, and the wrist moves across the picture as seen from far away: as many metres as
    its pixels are worth at the hand, by the median over the frames, at depth 0.

    Args:
        scale_mm: length of the scale bone.

    Raises:
        ValueError: If the length is no length in mm.
    """

    def __init__(self, scale_mm: float):
        if not LEAST_SCALE_MM <= scale_mm < np.inf:
            raise ValueError(
                f"`scale_mm` must be a length in mm, at least {LEAST_SCALE_MM:g}. Received: "
                f"{scale_mm!r}"
            )
        self.scale_m = scale_mm * MM
        self._times_s: list[float] = []
        self._tracks: dict[int, _Track] = {}

    def add(
        self,
        time_s: float,
        hands: Iterable[tuple[int, FollowedHand]],
        *,
        size_px: tuple[int, int],
    ) -> None:
        """The next frame, its time, its hands with their numbers, and its width and height.

        Raises:
            ValueError: For a time that is no number, and for two hands of one number.
        """
        if not np.isfinite(time_s):
            raise ValueError(f"`time_s` must be a finite number. Received: {time_s!r}")
        for number, hand in numbered_once(hands):
            track = self._tracks.setdefault(number, _Track())
            track.handedness = hand.handedness  # the last: it is averaged over the frames
            track.frames.append(len(self._times_s))
            if hand.xyz_mm is None:
                track.xyz_m.append(hand.xyz_relative * self.scale_m)
            else:
                track.xyz_m.append((hand.xyz_mm - hand.xyz_mm[ROOT]) * MM)
                track.camera_m.append(hand.xyz_mm[ROOT] * MM)
            track.aside_px.append(hand.uv_px[ROOT] - (np.array(size_px) - 1.0) / 2.0)
            track.pixels.append(scale_bone_px(hand.uv_px, hand.xyz_relative))
        self._times_s.append(time_s)

    def film(self) -> Film:
        """All that was added."""
        hands = [self._motion(number, track) for number, track in sorted(self._tracks.items())]
        return Film(np.array(self._times_s), hands)

    def _motion(self, number: int, track: _Track) -> HandMotion:
        if len(track.camera_m) == len(track.frames):
            wrist = np.stack(track.camera_m)
        else:
            across = np.stack(track.aside_px) / np.median(track.pixels) * self.scale_m
            wrist = np.concatenate([across, np.zeros((len(across), 1))], axis=1)
        return HandMotion(
            number=number,
            handedness=track.handedness,
            frames=np.array(track.frames),
            wrist_m=wrist,
            xyz_m=np.stack(track.xyz_m),
        )
