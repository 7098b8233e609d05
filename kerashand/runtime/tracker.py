"""Hands through a video: the next crop from the last joints, now and then a look for new hands."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.root_depth import relative_joints
from kerashand.metrics_detection import box_overlap
from kerashand.runtime.backends import check_count, is_number
from kerashand.runtime.finder import in_picture
from kerashand.runtime.hand_pose import SPARE_HANDS, Hand, HandPose, check_camera, check_picture
from kerashand.runtime.smoothing import OneEuroFilter

SEARCH_EVERY_FRAMES = 5
LEAST_JOINT_SCORE = 0.2
"""Score of a hand, which is the mean of its joints, below which it is lost."""
MISSES_TO_LOSE = 2
"""Searches in a row that do not see a hand where it is followed."""
SAME_HAND = 0.3
"""Overlap of boxes above which two are one hand."""
# Positions are smoothed in sides of the box in which the hand was found, so that the settings do
# not depend on the size of the picture: at rest 1.2 Hz, and 6 Hz more for each side a second.
# With 3 Hz joints of a moving hand were 0.6 % of the box farther from their labels than without
# smoothing, with 6 Hz 0.3 % (a clip of 621 frames).
SMOOTHING = {"min_cutoff_hz": 1.2, "beta": 6.0}
DEPTH_SMOOTHING = {"min_cutoff_hz": 1.0, "beta": 0.7}


@dataclasses.dataclass
class _Track:
    number: int
    hand: Hand
    position_filter: OneEuroFilter
    depth_filter: OneEuroFilter
    unit_px: float
    misses: int = 0


class HandTracker:
    """Follows up to `max_hands` hands from frame to frame, of one video in one thread.

    Several trackers, in several threads, may share a `HandPose`.

    Args:
        pose: with a finder.
        max_hands: most hands that are followed.
        smooth: whether One-Euro filters smooth joints, and with them the box, over time.
        intrinsics, scale_mm: as for `HandPose.predict`.

    Raises:
        ValueError: If an argument is of a wrong type, shape or range.
    """

    def __init__(
        self,
        pose: HandPose,
        *,
        max_hands: int = 2,
        smooth: bool = True,
        intrinsics: ArrayLike | None = None,
        scale_mm: float | None = None,
    ):
        self.pose, self.max_hands, self.smooth = pose, max_hands, smooth
        check_count("max_hands", max_hands)
        check_camera(intrinsics, scale_mm)
        self.intrinsics, self.scale_mm = intrinsics, scale_mm
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._frame = 0

    def update(self, rgb: NDArray[np.uint8], seconds: float) -> list[tuple[int, Hand]]:
        """The hands of the next frame with their numbers, which stay while a hand is followed.

        Args:
            rgb: [H, W, 3] uint8.
            seconds: since the frame before; 0 for the first.

        Raises:
            ValueError: If `rgb` is no picture, or `seconds` not a finite number of at least 0.
        """
        check_picture(rgb)
        if not (is_number(seconds) and 0 <= seconds < np.inf):
            raise ValueError(
                f"`seconds` must be a number of at least 0. Received: seconds={seconds!r}"
            )
        followed = []
        for track in self._tracks:
            hand = self.pose.follow(rgb, track.hand)
            doubled = any(box_overlap(hand.box, other.hand.box) > 0.6 for other in followed)
            if hand.score >= LEAST_JOINT_SCORE and not doubled and in_picture(hand.box, rgb):
                track.hand = hand
                followed.append(track)
        self._tracks = followed
        if not followed or self._frame % SEARCH_EVERY_FRAMES == 0:
            self._search(rgb)
        self._frame += 1
        return [(track.number, self._shown(track, seconds)) for track in self._tracks]

    def _search(self, rgb: NDArray[np.uint8]) -> None:
        found = self.pose.find(rgb, max_hands=self.max_hands + SPARE_HANDS)
        for track in self._tracks:
            seen = any(box_overlap(track.hand.box, hand.box) >= SAME_HAND for hand in found)
            track.misses = 0 if seen else track.misses + 1
        self._tracks = [track for track in self._tracks if track.misses < MISSES_TO_LOSE]
        for new in found:
            if len(self._tracks) == self.max_hands:
                break
            if any(box_overlap(track.hand.box, new.box) >= SAME_HAND for track in self._tracks):
                continue
            hand = self.pose.read(rgb, new)
            if self.pose.is_hand(new, hand) and hand.score >= LEAST_JOINT_SCORE:
                left, top, right, bottom = hand.box
                track = _Track(
                    self._next_number,
                    hand,
                    OneEuroFilter(**SMOOTHING),
                    OneEuroFilter(**DEPTH_SMOOTHING),
                    unit_px=max(right - left, bottom - top, 1.0),
                )
                self._tracks.append(track)
                self._next_number += 1

    def _shown(self, track: _Track, seconds: float) -> Hand:
        """The hand as shown; the next crop is cut from the joints as they were measured."""
        hand = self._smoothed(track, seconds) if self.smooth else track.hand
        return self.pose.with_camera(hand, self.intrinsics, self.scale_mm)

    def _smoothed(self, track: _Track, seconds: float) -> Hand:
        hand = track.hand
        uv = track.position_filter(hand.uv_px / track.unit_px, seconds) * track.unit_px
        z = track.depth_filter(hand.z_relative, seconds)
        return dataclasses.replace(
            hand, uv_px=uv, z_relative=z,
            xyz_relative=relative_joints(uv, z, scale_bone=self.pose.scale_bone),
        )  # fmt: skip
