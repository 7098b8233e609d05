"""2D points for the frames of a recording: one hand is found, followed both ways, and measured.

A sure frame labels its neighbours: the hand is followed from it forwards and backwards. A hand
counts only where its size fits its distance, which depth tells. Where the picture shows a hand, the
depth picture is read too, by a model of its own. The points of a frame are the mean of what was
seen of it, and how far these estimates lie apart becomes part of their weights.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.depth_picture import depth_picture
from kerashand.geometry.joint_depth import depth_behind_skin
from kerashand.geometry.pose import LINE_OF_SIGHT, xyz_from_uv_z
from kerashand.geometry.root_depth import solve_root_depth
from kerashand.runtime.estimates import logit
from kerashand.runtime.hand import HANDEDNESSES, Hand
from kerashand.skeleton import ROOT

SIZE_RATIO = (0.72, 1.4)
"""A hand's distance by its size, over its distance by the depth picture."""
LEAST_FOLLOWED = 0.4
"""Score below which a followed hand is lost."""
MOST_MOVED = 0.8
"""How far a hand may move from frame to frame, in sides of its box."""
SPREAD = 0.05
"""Distance between estimates of a point, in sides of the box, at which its weight is 1 / e."""
MOST_SPREAD = 0.1
"""Mean distance of all points at which estimates disagree."""
LEAST_WEIGHT = 0.3
"""Points that weigh less are not used: their weight becomes 0."""
UNSUPPORTED = 0.8
"""Factor on the weights of a frame of which there is one estimate alone."""

BY_DEPTH = ("wrist_middle_mcp", LINE_OF_SIGHT)
"""The unit of the relative depth of the model by depth, and what it is measured along."""

Read = Callable[[str], tuple[NDArray[np.uint8], NDArray[np.float32] | None] | None]
"""Name of a frame -> its picture, and its depth in mm as the camera of the picture sees it; None
for a picture that cannot be read, beyond which the hand is followed."""


@dataclasses.dataclass(frozen=True)
class Finder:
    """What looks for hands.

    Attributes:
        find: picture -> hands.
        follow: (picture, hand in the frame before) -> the same hand; None cannot follow.
        read_box: (picture, box, handedness or "auto") -> the hand in a box; None takes no box.
        by_depth: (picture of `kerashand.geometry.depth_picture`, hand that was seen in colour)
            -> the same hand, read from depth; None does not read depth.
    """

    find: Callable[[NDArray[np.uint8]], Sequence[Hand]]
    follow: Callable[[NDArray[np.uint8], Hand], Hand] | None = None
    read_box: Callable[..., Hand] | None = None
    by_depth: Callable[[NDArray[np.uint8], Hand], Hand] | None = None


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What one pass says of the hand of a frame.

    Attributes:
        hand: its points.
        z_mm: [21] depth of its joints, moved to the measured depth as a whole; None without depth.
        by_depth: whether it was read from the depth picture.
    """

    hand: Hand
    z_mm: NDArray[np.float64] | None
    by_depth: bool = False


@dataclasses.dataclass(frozen=True)
class Points:
    """The hand of one frame.

    Attributes:
        handedness: "left" or "right".
        score: 0..1, the largest of its estimates.
        uv_px: [21, 2].
        weight: [21] 0..1, how likely a point is where it says.
        z_mm: [21] predicted depth of the joints along the camera's axis, moved to the measured
            depth as a whole; None without depth.
    """

    handedness: str
    score: float
    uv_px: NDArray[np.float64]
    weight: NDArray[np.float64]
    z_mm: NDArray[np.float64] | None


@dataclasses.dataclass(frozen=True)
class Camera:
    """What turns pixels into millimetres.

    Attributes:
        intrinsics: [3, 3] of the pictures.
        palm_mm: length of wrist - middle MCP.
        scale_bone, scale_mm: the unit of the model's relative depth, and its length.
        depth_along: what that is measured along.
    """

    intrinsics: NDArray[np.float64]
    palm_mm: float
    scale_bone: str
    scale_mm: float
    depth_along: str

    def in_palms(self) -> Camera:
        """For a model whose unit is the palm, along the line of sight, as that by depth."""
        return dataclasses.replace(
            self, scale_bone=BY_DEPTH[0], scale_mm=self.palm_mm, depth_along=BY_DEPTH[1]
        )


class Labeller:
    """Looks for one hand in the frames of a recording."""

    def __init__(
        self,
        finder: Finder,
        camera: Camera,
        *,
        least_score: float = 0.8,
        handedness: str | None = None,
    ):
        """Start without any frame.

        Args:
            finder: what finds and follows hands.
            camera: of the pictures.
            least_score: of a hand that others are followed from.
            handedness: of the hand; None is that of most sure frames.
        """
        self.finder, self.camera = finder, camera
        self.least_score, self.handedness = least_score, handedness
        self.estimates: dict[str, list[Estimate]] = {}
        self.sure: dict[str, Hand] = {}
        self.other_side: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.misfits: dict[str, Hand] = {}
        self.size_ratios: list[float] = []
        self.right_logit = 0.0

    def forwards(
        self, frames: Sequence[str], read: Read, *, box: Sequence[float] | None = None
    ) -> Iterable[str]:
        """Look for the hand in every frame, and follow it; yields each frame when it is done.

        Args:
            frames: names, in the order of time.
            read: reads one.
            box: around the hand in the first frame.
        """
        read_box = self.finder.read_box
        last, start = None, box
        for frame in frames:
            if (seen := read(frame)) is not None:
                rgb, depth = seen
                if start is not None and read_box is not None:
                    last, start = read_box(rgb, start, self.handedness or "auto"), None
                    self._add(frame, last, self._measured(last, depth)[0], depth=depth)
                else:
                    last = self._next(frame, rgb, depth, last=last)
            yield frame
        self.handedness = self._side()

    def backwards(self, frames: Sequence[str], read: Read) -> Iterable[str]:
        """Follow the hand from later frames to earlier ones; `forwards` comes before."""
        last = None
        for frame in reversed(frames):
            if last is not None and (seen := read(frame)) is not None:
                last = self._followed(frame, *seen, last=last)
            sure = self.sure.get(frame)
            if sure is not None and sure.handedness == self.handedness:
                last = sure
            yield frame

    def points(self) -> dict[str, Points]:
        """What is known of each frame so far; frames without a hand are missing."""
        side, found = self._side(), {}
        for frame, estimates in self.estimates.items():
            alike = [one for one in estimates if one.hand.handedness == side]
            if not alike:
                self.reasons[frame] = f"it looks like a {estimates[0].hand.handedness} hand"
                continue
            points = _mean(alike)
            if points is None:  # a sensor that the model by depth does not understand
                points = _mean([one for one in alike if not one.by_depth])
            if points is None:
                self.reasons[frame] = "estimates of the points disagree"
                continue
            found[frame] = points
        return found

    def left_out(self, frames: Iterable[str]) -> Counter[str]:
        """Why frames have no points, and how many for each reason."""
        known = self.points()
        return Counter(
            self.reasons.get(frame, "no hand was found") for frame in frames if frame not in known
        )

    def seen_twice(self) -> dict[str, tuple[Hand, NDArray[np.float64]]]:
        """The hand by colour, and points [21, 2] by depth, of frames that have both."""
        side, found = self._side(), {}
        for frame, estimates in self.estimates.items():
            alike = [one for one in estimates if one.hand.handedness == side]
            colour = [one.hand for one in alike if not one.by_depth]
            depth = [one.hand for one in alike if one.by_depth]
            if colour and depth:
                uv, by_depth = (
                    np.mean([hand.uv_px for hand in hands], axis=0) for hands in (colour, depth)
                )
                found[frame] = dataclasses.replace(colour[0], uv_px=uv), by_depth
        return found

    def _side(self) -> str:
        """The handedness that is looked for, or else that of most sure frames so far."""
        return self.handedness or HANDEDNESSES[int(self.right_logit >= 0.0)]

    # --------------------------------------------------------------------------- one frame

    def _next(self, frame: str, rgb, depth, *, last: Hand | None) -> Hand | None:
        """The hand in the next frame: found, or else followed."""
        followed = None if last is None else self._followed(frame, rgb, depth, last=last)
        for hand in sorted(self.finder.find(rgb), key=lambda hand: -hand.score):
            if hand.score < self.least_score:
                self.reasons.setdefault(frame, "no hand is sure enough")
                continue
            z_mm, wrong = self._measured(hand, depth)
            if wrong is not None:
                self.reasons[frame] = wrong
                self.misfits.setdefault(frame, hand)
                continue
            if self.handedness not in (None, hand.handedness):
                self.other_side.add(frame)
                continue
            self.sure[frame] = hand
            self.other_side.discard(frame)
            self._add(frame, hand, z_mm, depth=depth)
            if hand.p_right is not None:
                self.right_logit += logit(hand.p_right)
            else:
                self.right_logit += 1.0 if hand.handedness == "right" else -1.0
            return hand
        return followed

    def _followed(self, frame: str, rgb, depth, *, last: Hand) -> Hand | None:
        """The hand where it was a frame before; None where it is lost, or nothing can follow."""
        if self.finder.follow is None or self.handedness not in (None, last.handedness):
            return None
        hand = self.finder.follow(rgb, last)
        if hand.score < LEAST_FOLLOWED or _moved(last, hand) > MOST_MOVED:
            return None
        z_mm, wrong = self._measured(hand, depth)
        if wrong is not None:
            self.reasons[frame] = wrong
            return None
        self._add(frame, hand, z_mm, depth=depth)
        return hand

    def _add(self, frame: str, hand: Hand, z_mm: NDArray | None, *, depth) -> None:
        """Keep what was seen of a frame, and what its depth picture says of the same hand."""
        estimates = self.estimates.setdefault(frame, [])
        estimates.append(Estimate(hand, z_mm))
        if depth is None or self.finder.by_depth is None:
            return
        camera = self.camera
        picture = depth_picture(
            depth, hand.uv_px, intrinsics=camera.intrinsics, palm_mm=camera.palm_mm
        )
        if picture is not None:
            read = self.finder.by_depth(picture, hand)
            z_mm, _ = self._measured(read, depth, camera=camera.in_palms())
            estimates.append(Estimate(read, z_mm, by_depth=True))

    def _measured(
        self, hand: Hand, depth, *, camera: Camera | None = None
    ) -> tuple[NDArray[np.float64] | None, str | None]:
        """Compare a hand with a depth picture.

        Returns:
            Predicted depth [21] of the joints in mm, moved as a whole to the measured depth, None
            where no depth is; and why the hand is none, None if it fits.
        """
        if depth is None:
            return None, None
        camera = camera or self.camera
        by_size = solve_root_depth(
            hand.uv_px, hand.z_relative, camera.intrinsics, scale_mm=camera.scale_mm,
            scale_bone=camera.scale_bone, depth_along=camera.depth_along,
        )  # fmt: skip
        xyz = xyz_from_uv_z(
            hand.uv_px,
            hand.z_relative,
            camera.intrinsics,
            root_depth_mm=by_size,
            scale_mm=np.float64(camera.scale_mm),
            depth_along=camera.depth_along,
        )
        z_mm = depth_behind_skin(
            depth, hand.uv_px, xyz[:, 2], is_right=hand.handedness == "right",
            focal_px=camera.intrinsics[0, 0], palm_mm=camera.palm_mm,
        )  # fmt: skip
        if z_mm is None:
            return None, "no depth was measured at the hand"
        ratio = float(by_size) / max(z_mm[ROOT], 1.0)
        if camera is self.camera:
            self.size_ratios.append(ratio)
        fits = SIZE_RATIO[0] <= ratio <= SIZE_RATIO[1]
        return z_mm, None if fits else "its size does not fit its distance"


def _moved(last: Hand, hand: Hand) -> float:
    """By how much a hand has moved, in sides of its box."""
    left, top, right, bottom = last.box
    side = max(right - left, bottom - top, 1.0)
    return float(np.linalg.norm(hand.uv_px.mean(axis=0) - last.uv_px.mean(axis=0))) / side


def _mean(estimates: Sequence[Estimate]) -> Points | None:
    """The mean of estimates of one frame; None where they disagree."""
    hands = [one.hand for one in estimates]
    weights = np.array([np.maximum(hand.confidence, 1e-3) ** 2 for hand in hands])
    shares = weights / weights.sum(axis=0)
    uv = np.einsum("ej,ejc->jc", shares, np.array([hand.uv_px for hand in hands]))
    low, high = uv.min(axis=0), uv.max(axis=0)
    side = max(float((high - low).max()), 1.0)
    apart = np.array([np.linalg.norm(hand.uv_px - uv, axis=1) for hand in hands]) / side
    spread = np.einsum("ej,ej->j", shares, apart)
    if spread.mean() > MOST_SPREAD:
        return None
    confidence = np.einsum("ej,ej->j", shares, np.array([hand.confidence for hand in hands]))
    weight = confidence * np.exp(-((spread / SPREAD) ** 2))
    if len(hands) == 1:
        weight = UNSUPPORTED * weight
    by_depth = [one.z_mm for one in estimates if one.by_depth and one.z_mm is not None]
    depths = by_depth or [one.z_mm for one in estimates if one.z_mm is not None]
    return Points(
        handedness=hands[0].handedness,
        score=max(hand.score for hand in hands),
        uv_px=uv,
        weight=np.where(weight < LEAST_WEIGHT, 0.0, weight),
        z_mm=np.mean(depths, axis=0) if depths else None,
    )
