"""Hands through a video: the next crop from the last joints, now and then a run of the detector."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.root_depth import relative_joints
from kerashand.metrics_detection import box_overlap
from kerashand.runtime.backends import check_count, is_number
from kerashand.runtime.detector import handedness_of, in_picture, spare_hands
from kerashand.runtime.estimates import logit, probability
from kerashand.runtime.hand import Hand, check_camera, check_picture
from kerashand.runtime.hand_pose import HandPose
from kerashand.runtime.smoothing import OneEuroFilter
from kerashand.runtime.tiles import checked_tiles

LIKELY_STEP_S = (1e-4, 5.0)
"""Between two frames of a video. Others are taken as they are, with a warning."""


@dataclasses.dataclass
class _Track:
    number: int
    hand: Hand
    position_filter: OneEuroFilter
    depth_filter: OneEuroFilter
    unit_px: float
    right_logit: float | None
    frames: int = 1
    misses: int = 0

    def add(self, hand: Hand, *, most_frames: int) -> None:
        """Take over the hand of the next frame, and average its handedness."""
        self.frames += 1
        if hand.p_right is None:  # of a model without heads
            hand = dataclasses.replace(hand, p_right=self.hand.p_right)
        elif self.right_logit is not None:
            share = 1.0 / min(self.frames, most_frames)
            self.right_logit += share * (logit(hand.p_right) - self.right_logit)
            p_right = probability(self.right_logit)
            hand = dataclasses.replace(hand, p_right=p_right, handedness=handedness_of(p_right))
        self.hand = hand


class HandTracker:
    """Follows up to `max_hands` hands from frame to frame, of one video in one thread.

    Several trackers, in several threads, may share a `HandPose`.

    Args:
        pose: with a detector.
        max_hands: most hands that are followed.
        tiles: as for `HandPose.predict`, where new hands are looked for.
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
        tiles: int | str | None = None,
        smooth: bool = True,
        intrinsics: ArrayLike | None = None,
        scale_mm: float | None = None,
    ):
        self.pose, self.max_hands, self.smooth = pose, max_hands, smooth
        self.recipe = pose.recipe
        check_count("max_hands", max_hands)
        self.tiles = checked_tiles(tiles, max_hands)
        check_camera(intrinsics, scale_mm, scale_bone=pose.scale_bone)
        self.intrinsics, self.scale_mm = intrinsics, scale_mm
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._frame = 0
        self._shape: tuple[int, ...] | None = None

    def update(self, rgb: NDArray[np.uint8], seconds: float) -> list[tuple[int, Hand]]:
        """The hands of the next frame with their numbers, which stay while a hand is followed.

        Where the size of the frames changes, hands are searched anew and get new numbers.

        Args:
            rgb: [H, W, 3] uint8.
            seconds: since the frame before; 0 for the first.

        Raises:
            ValueError: If `rgb` is no picture, `seconds` not a finite number of at least 0, or the
                intrinsics are of another size.
        """
        check_picture(rgb)
        if not (is_number(seconds) and 0 <= seconds < np.inf):
            raise ValueError(
                f"`seconds` must be a number of at least 0. Received: seconds={seconds!r}"
            )
        if seconds and not LIKELY_STEP_S[0] <= seconds <= LIKELY_STEP_S[1]:
            warnings.warn(
                f"`seconds` are those since the frame before, {seconds:g} here: not milliseconds, "
                "and not the time since the start",
                stacklevel=2,
            )
        if rgb.shape != self._shape:  # joints of the frame before are pixels of another size
            height, width = rgb.shape[:2]
            check_camera(
                self.intrinsics, self.scale_mm, scale_bone=self.pose.scale_bone,
                size_px=(width, height),
            )  # fmt: skip
            self._tracks, self._shape = [], rgb.shape
        recipe = self.recipe
        followed: list[_Track] = []
        for track in self._tracks:
            hand = self.pose.follow(rgb, track.hand)
            doubled = any(
                box_overlap(hand.box, other.hand.box) > recipe.doubled for other in followed
            )
            if hand.score >= recipe.least_score and not doubled and in_picture(hand.box, rgb):
                track.add(hand, most_frames=recipe.handedness_frames)
                followed.append(track)
        self._tracks = followed
        if self._search_is_due():
            self._search(rgb)
        self._frame += 1
        return [(track.number, self._shown(track, seconds)) for track in self._tracks]

    def _search_is_due(self) -> bool:
        """Seldom where no hand is missing and the pose model is sure of all."""
        recipe = self.recipe
        settled = len(self._tracks) == self.max_hands and all(
            track.hand.score > recipe.sure for track in self._tracks
        )
        every = recipe.check_every_frames if settled else recipe.search_every_frames
        return not self._tracks or self._frame % every == 0

    def _search(self, rgb: NDArray[np.uint8]) -> None:
        recipe = self.recipe
        spare = spare_hands(self.tiles)
        detections = self.pose.detect(rgb, max_hands=self.max_hands, tiles=self.tiles, spare=spare)
        for track in self._tracks:
            visible = any(
                box_overlap(track.hand.box, one.box) >= recipe.same_hand for one in detections
            )
            track.misses = 0 if visible else track.misses + 1
        self._tracks = [track for track in self._tracks if track.misses < recipe.misses_to_lose]
        for new in detections:
            if len(self._tracks) == self.max_hands:
                break
            if any(
                box_overlap(track.hand.box, new.box) >= recipe.same_hand for track in self._tracks
            ):
                continue
            hand = self.pose.read(rgb, new, least_hand=recipe.least_hand)
            if self.pose.is_hand(new, hand) and hand.score >= recipe.least_score:
                self._tracks.append(self._track(hand))

    def _track(self, hand: Hand) -> _Track:
        recipe = self.recipe
        left, top, right, bottom = hand.box
        self._next_number += 1
        return _Track(
            self._next_number - 1,
            hand,
            OneEuroFilter(min_cutoff_hz=recipe.min_cutoff_hz, beta=recipe.beta),
            OneEuroFilter(min_cutoff_hz=recipe.depth_min_cutoff_hz, beta=recipe.depth_beta),
            unit_px=max(right - left, bottom - top, 1.0),
            right_logit=None if hand.p_right is None else logit(hand.p_right),
        )

    def _shown(self, track: _Track, seconds: float) -> Hand:
        """The hand as shown; the next crop is cut from the joints as they were measured."""
        hand = self._smoothed(track, seconds) if self.smooth else track.hand
        return self.pose.with_camera(hand, self.intrinsics, scale_mm=self.scale_mm)

    def _smoothed(self, track: _Track, seconds: float) -> Hand:
        hand = track.hand
        uv = track.position_filter(hand.uv_px / track.unit_px, seconds) * track.unit_px
        z = track.depth_filter(hand.z_relative, seconds)
        return dataclasses.replace(
            hand, uv_px=uv, z_relative=z,
            xyz_relative=relative_joints(uv, z, scale_bone=self.pose.scale_bone),
        )  # fmt: skip
