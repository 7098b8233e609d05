"""Hands in a picture: boxes from the finder or given, joints from the pose model.

Needs NumPy and the runtime of the model's format; neither TensorFlow nor OpenCV.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.errors import UserError
from kerashand.geometry.camera import (
    HAND_MARGIN,
    apply_affine,
    apply_inverse_affine,
    rotation_matrix,
)
from kerashand.geometry.pose import relative_depth, xyz_from_uv_z
from kerashand.geometry.root_depth import relative_joints, solve_root_depth
from kerashand.runtime.backends import (
    Backend,
    check_count,
    checked,
    depth_along,
    is_number,
    load_backend,
)
from kerashand.runtime.crop import crop_from_image, cut, square_around
from kerashand.runtime.finder import Finder, FoundHand, side_of
from kerashand.skeleton import MIDDLE_MCP, ROOT, SCALE_BONES

Box = tuple[float, float, float, float]
View = tuple[NDArray[np.float64], float, float]
"""Centre [2] and side in pixels of a square of a picture that is turned by an angle in radians."""
SIDES = ("left", "right")
LEAST_BOX_PX, LARGEST_BOX = 2, 4
SPARE_HANDS = 2
"""How many more than asked for are looked at: joints decide which of them are hands."""
SURE_SIDE = 0.05
"""The finder's word on the side is taken where it is surer than this."""
SIDE_BY_JOINTS = 24.0
"""Logarithm of the odds that a difference of 1 in the mean score of the joints stands for; of 4, 8,
12, 16 and 24 the best on validation photographs and rendered hands."""
EARLIER_LOOK = 0.25
"""What the first look counts beside the next; of 0, 0.25, 0.5 and 1 the best on validation
photographs, together with 0.5."""
CLOSER = 0.95
"""Sides of the squares of further looks, beside `view_of_joints`. Of 0.8 to 1.08 validation
photographs were best from 0.88 to 0.96, validation rendered hands from 0.96 to 1."""
TURNS_DEG = (0.0, -10.0, 10.0)
"""Of further looks against fingers up, again from the front after the last; of 10, 20 and 40 the
best on both."""
FITTING_SIDE, FITTING_SHIFT = (0.75, 1.33), 0.15
"""A square fits joints if theirs is so many times as large and its centre so near, in sides."""
MOST_SEARCHES = 3
"""Looks that only tell where to look next, before those that count."""
ANY_SCALE_MM = 90.0
"""Of a hand, where only its relative depth is wanted, in which scales cancel."""
LEAST_WEIGHT = 1e-6
"""Of a joint in a look, so that two scores of 0 have a mean."""
POSE_FILE, FINDER_FILE = "hand_pose.tflite", "hand_finder.tflite"


@dataclasses.dataclass(frozen=True)
class Hand:
    """One hand.

    Attributes:
        side: "left" or "right", anatomically.
        uv_px: [21, 2] pixels of the picture.
        z_relative: [21] depth behind the wrist in lengths of the scale bone: along the camera's
            axis where intrinsics are given, else along the line of sight to the hand, as if that
            were in the middle of the picture.
        joint_scores: [21] 0..1.
        xyz_relative: [21, 3] joints about the wrist in lengths of the scale bone, seen from far
            away (no camera is needed): x right, y down, z away.
        xyz_mm: [21, 3] joints in the camera's frame; None unless intrinsics and the length of the
            scale bone are given.
        root_depth_mm: depth of the wrist, as it was given or solved for; None likewise.
    """

    side: str
    uv_px: NDArray[np.float64]
    z_relative: NDArray[np.float64]
    joint_scores: NDArray[np.float64]
    xyz_relative: NDArray[np.float64]
    xyz_mm: NDArray[np.float64] | None = None
    root_depth_mm: float | None = None

    @property
    def score(self) -> float:
        """0..1, the mean of `joint_scores`, in a picture and in a video alike.

        The finder's score is not in it. It decides, together with this one, whether there is a hand
        (`HandPose.is_hand`).
        """
        return float(self.joint_scores.mean())

    @property
    def box(self) -> Box:
        """Left, top, right, bottom of the joints in pixels of the picture."""
        (left, top), (right, bottom) = self.uv_px.min(axis=0), self.uv_px.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


class HandPose:
    """The pose model with the finder, ready to run on pictures."""

    def __init__(self, backend: Backend, finder: Finder | None):
        self.backend, self.finder = backend, finder
        self.size_px = int(backend.metadata["image_size_px"])
        self.scale_bone = str(backend.metadata["scale_bone"])
        self.depth_along = depth_along(backend.metadata)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        finder: str | Path | None = None,
        threads: int = 1,
    ) -> HandPose:
        """Load exported models.

        Args:
            path: the pose model, .tflite, .onnx or the folder of a SavedModel; None for the one in
                the package.
            finder: the finder; None for the one in the package, if it is there. Without a finder
                every picture needs a box and a side.
            threads: of the runtime.

        Raises:
            UserError: If a file is missing, damaged or of another kind.
        """
        if path is None:
            path = packaged_model(POSE_FILE)
            if not path.is_file():
                raise UserError(
                    "This version holds no pose model: give one that kerashand-export made."
                )
        backend = load_backend(path, task="hand_pose", threads=threads)
        bone = backend.metadata.get("scale_bone")
        if bone not in tuple(SCALE_BONES):
            raise UserError(
                f"{path} measures depth by {str(bone)[:60]}, a bone that this version does not "
                f"know ({', '.join(SCALE_BONES)})."
            )
        if finder is None and (packaged := packaged_model(FINDER_FILE)).is_file():
            finder = packaged
        return cls(backend, None if finder is None else Finder.load(finder, threads=threads))

    @property
    def least_score(self) -> float:
        """The finder's score times that of the joints from which on it is a hand."""
        return 0.0 if self.finder is None else self.finder.least_score

    def is_hand(self, found: FoundHand, hand: Hand) -> bool:
        """Whether what was found is a hand, by the finder's score and that of its joints."""
        return found.score * hand.score >= self.least_score

    def find(self, rgb: NDArray[np.uint8], *, max_hands: int = 2) -> list[FoundHand]:
        """What may be hands in a picture [H, W, 3] uint8 RGB, the surest first.

        Their joints decide: `read`, and `is_hand`.
        """
        check_picture(rgb)
        check_count("max_hands", max_hands)
        return self._need_finder("A picture without a box").find(rgb, max_hands=max_hands)

    def predict(
        self,
        rgb: NDArray[np.uint8],
        *,
        box: Sequence[float] | None = None,
        side: str = "auto",
        intrinsics: ArrayLike | None = None,
        scale_mm: float | None = None,
        root_depth_mm: float | None = None,
        max_hands: int = 2,
        passes: int = 4,
    ) -> list[Hand]:
        """Find the hands of a picture and their joints.

        Args:
            rgb: [H, W, 3] uint8 RGB (OpenCV reads pictures as BGR).
            box: left, top, right, bottom around one hand in pixels; None looks for hands.
            side: "left", "right" or "auto".
            intrinsics: [3, 3] of the picture.
            scale_mm: length of the scale bone (`metadata["scale_bone"]`) of the person.
            root_depth_mm: depth of the wrist along the camera's axis, where a sensor measured it;
                it is solved for otherwise. Needs a box, intrinsics and `scale_mm`.
            max_hands: most hands that are looked for.
            passes: 1 looks once; 2 looks again, closer and with the fingers up, where the joints
                of the first look say; the third and the fourth look are turned a little to either
                side. Joints are the mean of all. A box that does not fit the joints of the first
                look costs a look more.

        Returns:
            Hands, the surest first; empty if there is none.

        Raises:
            ValueError: If an argument is of a wrong type, shape or range.
        """
        check_picture(rgb)
        check_count("max_hands", max_hands)
        check_count("passes", passes)
        check_camera(intrinsics, scale_mm, root_depth_mm)
        if root_depth_mm is not None and (box is None or intrinsics is None or scale_mm is None):
            raise ValueError("`root_depth_mm` is of one hand: it needs box, intrinsics, scale_mm.")
        if side not in ("auto", *SIDES):
            raise ValueError(f"`side` must be auto, left or right. Received: side={side!r}")
        camera = {"intrinsics": intrinsics, "scale_mm": scale_mm}
        if box is not None:
            given = self._given(rgb, box, side)
            return [self.read(rgb, given, passes=passes, root_depth_mm=root_depth_mm, **camera)]
        hands = []
        for found in self._sided(rgb, side, max_hands):
            hand = self.read(rgb, found, passes=passes, least_score=self.least_score, **camera)
            if self.is_hand(found, hand):
                hands.append(hand)
        return sorted(hands, key=lambda hand: -hand.score)[:max_hands]

    def predict_batch(
        self,
        pictures: Iterable[NDArray[np.uint8]],
        *,
        boxes: Sequence[Sequence[float] | None] | None = None,
        sides: str | Sequence[str] = "auto",
        **options: Any,
    ) -> list[list[Hand]]:
        """The hands of each of several pictures, which may differ in size.

        Args:
            pictures: each as for `predict`.
            boxes: one for each picture, or None to look for hands in all.
            sides: one for all pictures, or one for each.
            **options: of `predict`, for all pictures.

        Raises:
            ValueError: as `predict`, with the number of the picture; or if there is no picture, or
                another number of boxes or sides.
        """
        pictures = list(pictures)
        if not pictures:
            raise ValueError("`pictures` must hold at least one. Received: none")
        boxes = [None] * len(pictures) if boxes is None else list(boxes)
        sides = [sides] * len(pictures) if isinstance(sides, str) else list(sides)
        if not len(pictures) == len(boxes) == len(sides):
            raise ValueError(
                "`boxes` and `sides` must be as many as pictures. Received: "
                f"{len(pictures)} pictures, {len(boxes)} boxes, {len(sides)} sides"
            )
        results = []
        for number, (rgb, box, side) in enumerate(zip(pictures, boxes, sides, strict=True)):
            try:
                results.append(self.predict(rgb, box=box, side=side, **options))
            except ValueError as error:
                raise ValueError(f"picture {number}: {error}") from error
        return results

    def stream(
        self, frames: Iterable[NDArray[np.uint8]], *, fps: float = 30.0, **options: Any
    ) -> Iterator[list[tuple[int, Hand]]]:
        """The hands of the frames of a video, followed and smoothed, while frames come.

        Args:
            frames: [H, W, 3] uint8 RGB each, in order.
            fps: frames a second.
            **options: of `kerashand.runtime.tracker.HandTracker`.

        Yields:
            For each frame its hands, each with a number that stays while the hand is followed.

        Raises:
            ValueError: as `predict`, or if `fps` is not positive.
        """
        from kerashand.runtime.tracker import HandTracker

        if not (is_number(fps) and 0 < fps < np.inf):
            raise ValueError(f"`fps` must be a positive number. Received: fps={fps!r}")
        tracker = HandTracker(self, **options)
        return (tracker.update(rgb, 1.0 / fps) for rgb in frames)

    def _sided(self, rgb, side: str, max_hands: int) -> list[FoundHand]:
        found = self.find(rgb, max_hands=max_hands + SPARE_HANDS)
        if side != "auto":
            found = [dataclasses.replace(hand, side=side, right=None) for hand in found]
        return found

    def read(
        self, rgb: NDArray[np.uint8], found: FoundHand, *, passes: int = 2,
        least_score: float = 0.0, intrinsics=None, scale_mm=None, root_depth_mm=None,
    ) -> Hand:  # fmt: skip
        """The joints of a hand that was found; arguments as for `predict`.

        What after two looks has less than `least_score`, times the finder's score, is not looked at
        again.
        """
        view = (*square_around(found.box, margin=HAND_MARGIN), 0.0)
        result = self._first_look(rgb, found, view)
        if passes > 1:
            result = self._settled(rgb, view, result)
        for number in range(passes - 1):
            if number and found.score * result.score < least_score:
                break
            centre, side_px, angle = view_of_joints(result.uv_px)
            angle += np.deg2rad(TURNS_DEG[number % len(TURNS_DEG)])
            again = self._look(rgb, centre, CLOSER * side_px, angle, side=result.side)
            result = self._blended(result, again, before_counts=EARLIER_LOOK + number)
        return self.with_camera(result, intrinsics, scale_mm, root_depth_mm)

    def follow(self, rgb: NDArray[np.uint8], last: Hand) -> Hand:
        """The hand of the frame before in the next one: a look where its joints were.

        A hand that has moved on costs a look more, or a few. Without a camera; `with_camera` adds
        one.
        """
        check_picture(rgb)
        view = view_of_joints(last.uv_px)
        return self._settled(rgb, view, self._look(rgb, *view, side=last.side))

    def _settled(self, rgb, view: View, hand: Hand) -> Hand:
        """The hand of a look at a view, looked for again until the view fits its joints."""
        for _ in range(MOST_SEARCHES):
            if fits(view, hand.uv_px):
                break
            view = view_of_joints(hand.uv_px)
            hand = self._look(rgb, *view, side=hand.side)
        return hand

    def look_around(
        self, rgb: NDArray[np.uint8], uv_px: NDArray[np.float64], side: str,
        views: Sequence[tuple[float, float]],
    ) -> Hand:  # fmt: skip
        """The mean of several looks at where a hand is, each joint by the squares of its scores.

        Args:
            rgb: [H, W, 3] uint8 RGB.
            uv_px: [21, 2] joints, near the true ones.
            side: "left" or "right".
            views: of each look the turn against fingers up, in degrees, and the factor on the side
                of the square.

        Returns:
            The hand without a camera.
        """
        check_picture(rgb)
        centre, side_px, angle = view_of_joints(uv_px)
        looks = [
            self._look(rgb, centre, factor * side_px, angle + np.deg2rad(turn_deg), side=side)
            for turn_deg, factor in views
        ]
        scores = np.array([look.joint_scores for look in looks])
        share = np.square(scores) + LEAST_WEIGHT
        share /= share.sum(axis=0)
        uv = sum(part[:, None] * look.uv_px for part, look in zip(share, looks, strict=True))
        z = sum(part * look.z_relative for part, look in zip(share, looks, strict=True))
        return self._hand(side, uv, z, (share * scores).sum(axis=0))

    def with_camera(
        self, hand: Hand, intrinsics: ArrayLike | None, scale_mm: float | None,
        root_depth_mm: float | None = None,
    ) -> Hand:  # fmt: skip
        """A hand as this model gives it, with its depth along the camera's axis, and in mm.

        Args:
            hand: as `predict` gives it without intrinsics.
            intrinsics: [3, 3] of its picture; None leaves the hand as it is.
            scale_mm: length of the scale bone; None leaves millimetres out.
            root_depth_mm: depth of the wrist; None solves for it.
        """
        if intrinsics is None:
            return hand
        scale = np.float64(ANY_SCALE_MM if scale_mm is None else scale_mm)
        seen = (hand.uv_px, hand.z_relative, np.asarray(intrinsics, np.float64))
        if root_depth_mm is None:
            depth = solve_root_depth(
                *seen, scale, scale_bone=self.scale_bone, depth_along=self.depth_along
            )
        else:
            depth = np.float64(root_depth_mm)
        xyz = xyz_from_uv_z(*seen, depth, scale, depth_along=self.depth_along)
        hand = dataclasses.replace(hand, z_relative=relative_depth(xyz, scale))
        if scale_mm is None:
            return hand
        return dataclasses.replace(hand, xyz_mm=xyz, root_depth_mm=float(depth))

    def _given(self, rgb, box, side: str) -> FoundHand:
        """The hand that the caller's box says is there."""
        box = check_box(box, rgb)
        if side != "auto":
            return FoundHand(box, side, 1.0)
        right = self._need_finder("A box without a side").right_in(rgb, box)
        return FoundHand(box, side_of(right), 1.0, right)

    def _first_look(self, rgb, hand: FoundHand, view: View) -> Hand:
        """Look where the finder says; with a doubtful side as both, and keep what fits better."""
        if hand.right is None or not SURE_SIDE < hand.right < 1.0 - SURE_SIDE:
            return self._look(rgb, *view, side=hand.side)
        as_right, as_left = (self._look(rgb, *view, side=side) for side in ("right", "left"))
        gain = as_right.score - as_left.score
        odds = np.log(hand.right / (1.0 - hand.right)) + SIDE_BY_JOINTS * gain
        return as_right if odds >= 0.0 else as_left

    def _need_finder(self, what: str) -> Finder:
        if self.finder is None:
            raise UserError(
                f"{what} needs a finder: HandPose.load(path, finder=FILE), --finder FILE."
            )
        return self.finder

    def _look(self, rgb, centre, side_px: float, angle_rad: float, *, side: str) -> Hand:
        affine = crop_from_image(
            centre, side_px, self.size_px, angle_rad=angle_rad, mirrored=side == "left"
        )
        output = self.backend.run(cut(rgb, affine, self.size_px)[None])
        output = checked(output, task="hand_pose")
        uv = apply_inverse_affine(output["uv_px"], affine)
        return self._hand(side, uv, output["z_relative"], output["confidence"])

    def _blended(self, before: Hand, now: Hand, *, before_counts: float) -> Hand:
        """The mean of what was seen before, which counts so many looks, and of a look.

        Each joint by the square of its score.
        """
        first = before_counts * np.square(before.joint_scores) + LEAST_WEIGHT
        second = np.square(now.joint_scores) + LEAST_WEIGHT
        share = second / (first + second)
        uv = before.uv_px + share[:, None] * (now.uv_px - before.uv_px)
        z_relative = before.z_relative + share * (now.z_relative - before.z_relative)
        scores = before.joint_scores + share * (now.joint_scores - before.joint_scores)
        return self._hand(now.side, uv, z_relative, scores)

    def _hand(self, side: str, uv, z_relative, scores) -> Hand:
        return Hand(
            side=side,
            uv_px=uv,
            z_relative=z_relative,
            joint_scores=scores,
            xyz_relative=relative_joints(uv, z_relative, scale_bone=self.scale_bone),
        )


def packaged_model(name: str) -> Path:
    """Where a model of the package lies."""
    return Path(str(resources.files("kerashand") / "weights" / name))


def view_of_joints(uv_px: NDArray[np.float64]) -> View:
    """The square in which a hand stands with its fingers up."""
    up = uv_px[MIDDLE_MCP] - uv_px[ROOT]
    return view_turned(uv_px, float(-np.pi / 2 - np.arctan2(up[1], up[0])))


def view_turned(uv_px: NDArray[np.float64], angle: float) -> View:
    """The square that shows joints when the picture is turned by an angle."""
    turn = rotation_matrix(angle)
    turned = apply_affine(uv_px, turn)
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = turn[:2, :2].T @ ((low + high) / 2)
    return centre, max(float((high - low).max()), 8.0) * HAND_MARGIN, angle


def fits(view: View, uv_px: NDArray[np.float64]) -> bool:
    """Whether the joints that a look saw lie as they should in the square that it looked at."""
    centre, side_px, angle = view
    asked_centre, asked_px, _ = view_turned(uv_px, angle)
    low, high = FITTING_SIDE
    off = float(np.linalg.norm(asked_centre - centre))
    return low * side_px <= asked_px <= high * side_px and off <= FITTING_SHIFT * side_px


def check_picture(rgb: NDArray[np.uint8]) -> None:
    """Raise ValueError unless this is an RGB picture [H, W, 3] of uint8."""
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3:
        shape = getattr(rgb, "shape", type(rgb).__name__)
        raise ValueError(f"`rgb` must be an array [H, W, 3]. Received: {shape}")
    if not rgb.size:
        raise ValueError(f"`rgb` must hold pixels. Received: an empty array {rgb.shape}")
    if rgb.dtype != np.uint8:
        raise ValueError(f"`rgb` must hold uint8 of 0..255. Received: {rgb.dtype}")


def check_box(box: Sequence[float], rgb: NDArray[np.uint8]) -> Box:
    """The box as floats.

    Raises:
        ValueError: If it is not left < right and top < bottom in numbers, does not meet the
            picture, or is smaller than `LEAST_BOX_PX` or larger than `LARGEST_BOX` pictures.
    """
    try:
        values = tuple(float(value) for value in box)
    except (TypeError, ValueError):
        values = ()
    if isinstance(box, str) or len(values) != 4 or not np.isfinite(values).all():
        raise ValueError(f"`box` must hold left, top, right, bottom. Received: box={box!r}")
    left, top, right, bottom = values
    if not (left < right and top < bottom):
        raise ValueError(f"`box` must have left < right and top < bottom. Received: box={box!r}")
    height, width = rgb.shape[:2]
    if not (left < width and right > 0 and top < height and bottom > 0):
        raise ValueError(
            f"`box` must meet the picture of {width} x {height} pixels. Received: box={box!r}"
        )
    side = max(right - left, bottom - top)
    if not LEAST_BOX_PX <= side <= LARGEST_BOX * max(width, height):
        raise ValueError(
            f"`box` must be {LEAST_BOX_PX} pixels to {LARGEST_BOX} pictures wide or high. "
            f"Received: box={box!r} in {width} x {height} pixels"
        )
    return values


def check_camera(
    intrinsics: ArrayLike | None, scale_mm: float | None, root_depth_mm: float | None = None
) -> None:
    """Raise ValueError unless each is None or can be what it stands for."""
    if intrinsics is not None:
        try:
            matrix = np.asarray(intrinsics, np.float64)
        except (TypeError, ValueError):
            matrix = np.zeros(0)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise ValueError(
                f"`intrinsics` must be a matrix [3, 3] of numbers. Received: {intrinsics!r}"
            )
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[2].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(
                "`intrinsics` must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with positive fx, fy. "
                f"Received: {matrix.tolist()}"
            )
    for name, value in (("scale_mm", scale_mm), ("root_depth_mm", root_depth_mm)):
        if value is not None and not (is_number(value) and 0 < value < np.inf):
            raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}")
