"""Hands in a picture: boxes from the detector or given, joints from the pose model.

Needs NumPy and the runtime of the model's format; neither TensorFlow nor OpenCV. `recipe` says how
often the network runs and on which crops.
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
from kerashand.geometry.camera import apply_inverse_affine
from kerashand.geometry.root_depth import relative_joints
from kerashand.runtime.backends import (
    HEADS,
    Backend,
    check_count,
    checked,
    depth_along,
    is_number,
    load_backend,
)
from kerashand.runtime.crop import crop_from_image, cut, square_around
from kerashand.runtime.detector import Detection, Detector, handedness_of, spare_hands
from kerashand.runtime.estimates import (
    Estimate,
    mean_joints,
    mean_p_right,
    p_hand_of,
    pass_weights,
)
from kerashand.runtime.hand import (
    Hand,
    check_box,
    check_camera,
    check_handedness,
    check_picture,
    in_camera,
)
from kerashand.runtime.recipe import Recipe
from kerashand.runtime.tiles import checked_tiles, distinct, least_tiles
from kerashand.runtime.views import View, fits, view_of_joints
from kerashand.skeleton import SCALE_BONES

POSE_FILE, DETECTOR_FILE = "hand_pose.tflite", "hand_detector.tflite"
DEPTH_POSE_FILE = "hand_pose_by_depth.tflite"
PACKAGED_FILES = (POSE_FILE, DETECTOR_FILE, DEPTH_POSE_FILE)


class HandPose:
    """The pose model with the detector, ready to run on pictures."""

    def __init__(self, backend: Backend, detector: Detector | None):
        self.backend, self.detector = backend, detector
        self.size_px = int(backend.metadata["image_size_px"])
        self.scale_bone = str(backend.metadata["scale_bone"])
        self.depth_along = depth_along(backend.metadata)
        self.recipe = Recipe.of(backend.metadata)
        self.has_heads = backend.outputs >= HEADS

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        detector: str | Path | None = None,
        threads: int = 1,
    ) -> HandPose:
        """Load exported models.

        Args:
            path: the pose model, .tflite, .onnx or the folder of a SavedModel; None for the one in
                the package.
            detector: the detector; None for the one in the package, if it is there. Without a
                detector every picture needs a box.
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
        if detector is None and (packaged := packaged_model(DETECTOR_FILE)).is_file():
            detector = packaged
        return cls(backend, None if detector is None else Detector.load(detector, threads=threads))

    @classmethod
    def load_by_depth(cls, *, threads: int = 1) -> HandPose:
        """Load the pose model by depth of the package.

        It reads the pictures that `kerashand.geometry.depth_picture` draws of what a depth camera
        measured, around a hand that was seen in colour.
        """
        path = packaged_model(DEPTH_POSE_FILE)
        return cls(load_backend(path, task="hand_pose_by_depth", threads=threads), None)

    def is_hand(self, detection: Detection, hand: Hand) -> bool:
        """Whether a detection is a hand, by the detector's score and that of the pose model."""
        return p_hand_of(detection.score, hand.score) >= self.recipe.least_hand

    def detect(
        self, rgb: NDArray[np.uint8], *, max_hands: int = 2, tiles: int | str = 1, spare: int = 0
    ) -> list[Detection]:
        """What may be hands in a picture [H, W, 3] uint8 RGB, the surest first.

        The pose model decides: `read`, and `is_hand`. `tiles` is as for `predict`. `spare` is how
        many more detections than hands are given.
        """
        check_picture(rgb)
        check_count("max_hands", max_hands)
        detector = self._need_detector("A picture without a box")
        tiles, least = checked_tiles(tiles, max_hands), least_tiles(max_hands)
        most = max_hands + spare
        return detector.detect(rgb, max_hands=most, tiles=tiles, least_tiles=least)

    def predict(
        self,
        rgb: NDArray[np.uint8],
        *,
        box: Sequence[float] | None = None,
        handedness: str = "auto",
        intrinsics: ArrayLike | None = None,
        scale_mm: float | None = None,
        root_depth_mm: float | None = None,
        max_hands: int = 2,
        tiles: int | str | None = None,
        passes: int | None = None,
    ) -> list[Hand]:
        """Find the hands of a picture and their joints.

        Args:
            rgb: [H, W, 3] uint8 RGB (OpenCV reads pictures as BGR).
            box: left, top, right, bottom around one hand in pixels; None looks for hands.
            handedness: "left", "right" or "auto".
            intrinsics: [3, 3] of the picture.
            scale_mm: length of the scale bone (`metadata["scale_bone"]`) of the person.
            root_depth_mm: depth of the wrist along the camera's axis, where a sensor measured it;
                it is solved for otherwise. Needs a box, intrinsics and `scale_mm`.
            max_hands: most hands that are looked for.
            tiles: so many overlapping tiles along the picture's longer side are looked at besides
                the whole; "auto" chooses the number by the size, so that small hands are found,
                and takes 4 at least for more than 3 hands.
                None: 1, which is the whole alone, for up to 3 hands, else 4.
            passes: runs of the network on a hand, whose joints are averaged; None is one where that
                is sure, else as many as the model's recipe says. The first sees the box, the next
                the joints of the one before, closer and upright, the third and fourth turned. One
                more follows where the crop did not fit or showed the wrong hand, unless it is 1.

        Returns:
            Hands, the surest first; empty if there is none.

        Raises:
            ValueError: If an argument is of a wrong type, shape or range.
        """
        check_picture(rgb)
        check_count("max_hands", max_hands)
        tiles = checked_tiles(tiles, max_hands)
        if passes is not None:
            check_count("passes", passes)
        bone, size = self.scale_bone, rgb.shape[1::-1]
        check_camera(intrinsics, scale_mm, root_depth_mm, scale_bone=bone, size_px=size)
        if root_depth_mm is not None and (box is None or intrinsics is None or scale_mm is None):
            raise ValueError("`root_depth_mm` is of one hand: it needs box, intrinsics, scale_mm.")
        check_handedness(handedness)
        camera: dict[str, Any] = {"intrinsics": intrinsics, "scale_mm": scale_mm}
        if box is not None:
            given = self._given(rgb, box, handedness)
            return [self.read(rgb, given, passes=passes, root_depth_mm=root_depth_mm, **camera)]
        options: dict[str, Any] = {"max_hands": max_hands, "tiles": tiles, "passes": passes}
        return self._found(rgb, handedness, **options, **camera)

    def _found(self, rgb, handedness: str, *, max_hands: int, tiles, passes, **camera):
        """The hands that the detector finds and the pose model takes for some."""
        hands = []
        spare, least = spare_hands(tiles), self.recipe.least_hand
        for detection in self.detect(rgb, max_hands=max_hands, tiles=tiles, spare=spare):
            if handedness != "auto":
                detection = dataclasses.replace(detection, handedness=handedness, p_right=None)
            hand = self.read(rgb, detection, passes=passes, least_hand=least, **camera)
            if self.is_hand(detection, hand):
                hands.append(hand)
        return distinct(hands, self.recipe.doubled, parts=tiles != 1)[:max_hands]

    def predict_batch(
        self,
        pictures: Iterable[NDArray[np.uint8]],
        *,
        boxes: Sequence[Sequence[float] | None] | None = None,
        handedness: str | Sequence[str] = "auto",
        **options: Any,
    ) -> list[list[Hand]]:
        """The hands of each of several pictures, which may differ in size.

        Args:
            pictures: each as for `predict`.
            boxes: one for each picture, or None to look for hands in all.
            handedness: one for all pictures, or one for each.
            **options: of `predict`, for all pictures.

        Raises:
            ValueError: as `predict`, with the number of the picture; or if there is no picture, or
                another number of boxes or of `handedness`.
        """
        pictures = list(pictures)
        if not pictures:
            raise ValueError("`pictures` must hold at least one. Received: none")
        boxes = [None] * len(pictures) if boxes is None else list(boxes)
        each = [handedness] * len(pictures) if isinstance(handedness, str) else list(handedness)
        if not len(pictures) == len(boxes) == len(each):
            raise ValueError(
                "`boxes` and `handedness` must be as many as pictures. Received: "
                f"{len(pictures)} pictures, {len(boxes)} boxes, {len(each)} times `handedness`"
            )
        results = []
        for number, (rgb, box, one) in enumerate(zip(pictures, boxes, each, strict=True)):
            try:
                results.append(self.predict(rgb, box=box, handedness=one, **options))
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

    def read(
        self, rgb: NDArray[np.uint8], detection: Detection, *, passes: int | None = None,
        least_hand: float = 0.0, intrinsics=None, scale_mm=None, root_depth_mm=None,
    ) -> Hand:  # fmt: skip
        """The joints of a detection; arguments as for `predict`.

        There is no second pass where it is less likely a hand than `least_hand` by the first, nor,
        unless `passes` are given, where the first is sure (`Recipe.sure`).
        """
        square = square_around(detection.box, margin=self.recipe.margin)
        view = (*square, detection.upright_rad)
        estimates = [self._pass(rgb, view, detection.handedness)]
        auto = detection.p_right is not None
        enough = passes is None and estimates[0].is_sure(self.recipe)
        if not enough and p_hand_of(detection.score, estimates[0].score) >= least_hand:
            passes = self.recipe.passes if passes is None else passes
            extra = self.recipe.extra_passes if passes > 1 else 0
            self._more(rgb, estimates, auto=auto, passes=passes, most=passes + extra)
        hand = self._hand(estimates, auto=auto)
        if auto and not self.has_heads:
            hand = dataclasses.replace(hand, p_right=detection.p_right)
        return self.with_camera(hand, intrinsics, scale_mm=scale_mm, root_depth_mm=root_depth_mm)

    def follow(self, rgb: NDArray[np.uint8], last: Hand) -> Hand:
        """The hand of the frame before in the next one: one pass where its joints were.

        A hand that has moved on costs a pass more, or a few. `with_camera` adds a camera.
        """
        check_picture(rgb)
        view = view_of_joints(last.uv_px, margin=self.recipe.margin)
        estimates = [self._pass(rgb, view, last.handedness)]
        self._more(rgb, estimates, auto=False, passes=1, most=1 + self.recipe.extra_passes)
        return dataclasses.replace(
            self._hand(estimates[-1:], auto=False), p_right=estimates[-1].p_right
        )

    def with_camera(
        self, hand: Hand, intrinsics: ArrayLike | None, *, scale_mm: float | None,
        root_depth_mm: float | None = None,
    ) -> Hand:  # fmt: skip
        """`kerashand.runtime.hand.in_camera` with this model's scale bone and kind of depth."""
        return in_camera(
            hand, intrinsics, scale_bone=self.scale_bone, depth_along=self.depth_along,
            scale_mm=scale_mm, root_depth_mm=root_depth_mm,
        )  # fmt: skip

    def _given(self, rgb, box, handedness: str) -> Detection:
        """The hand that the caller's box says is there."""
        box = check_box(box, rgb)
        auto = handedness == "auto"
        if auto and not self.has_heads:
            self._need_detector("A box without a handedness")
        seen = Detection(box, "right", 1.0, 0.5)
        if self.detector is not None and (auto or self.detector.says_up):
            seen = self.detector.seen_in(rgb, box)
        return seen if auto else dataclasses.replace(seen, handedness=handedness, p_right=None)

    def _need_detector(self, what: str) -> Detector:
        if self.detector is None:
            raise UserError(
                f"{what} needs a detector: HandPose.load(path, detector=FILE), --detector FILE."
            )
        return self.detector

    def _pass(self, rgb, view: View, handedness: str) -> Estimate:
        """One run of the network; it sees left hands mirrored, as right ones."""
        centre, side_px, angle_rad = view
        mirrored = handedness == "left"
        affine = crop_from_image(
            centre, side_px, self.size_px, angle_rad=angle_rad, mirrored=mirrored
        )
        raw = self.backend.run(cut(rgb, affine, self.size_px)[None])
        output = checked(raw, task="hand_pose")
        uv = apply_inverse_affine(output["uv_px"], affine)
        p_right, score = None, float(output["confidence"].mean())
        if self.has_heads:
            seen_right, score = float(output["p_right"]), float(output["p_hand"])
            p_right = 1.0 - seen_right if mirrored else seen_right
        return Estimate(
            view=view,
            handedness=handedness,
            fits=fits(view, uv, self.recipe),
            uv_px=uv,
            z_relative=output["z_relative"],
            confidence=output["confidence"],
            score=score,
            p_right=p_right,
        )

    def _more(self, rgb, estimates: list[Estimate], *, auto: bool, passes: int, most: int) -> None:
        """Add passes until `passes` of them count, `most` at most."""
        recipe = self.recipe
        while len(estimates) < most:
            handedness = self._handedness(estimates, auto=auto)
            good = sum(estimate.counts(handedness) for estimate in estimates)
            if good >= passes:
                return
            turn_deg = recipe.turns_deg[max(good - 1, 0) % len(recipe.turns_deg)]
            view = view_of_joints(
                estimates[-1].uv_px, margin=recipe.margin * recipe.closer, turn_deg=turn_deg
            )
            estimates.append(self._pass(rgb, view, handedness))

    def _handedness(self, estimates: Sequence[Estimate], *, auto: bool) -> str:
        """By what all passes say; as it was first where it was given or the model does not say."""
        if not auto or not self.has_heads:
            return estimates[0].handedness
        return handedness_of(mean_p_right(estimates, self.recipe.first_weight))

    def _hand(self, estimates: Sequence[Estimate], *, auto: bool) -> Hand:
        """The mean of the passes that count; of the last where none does."""
        handedness = self._handedness(estimates, auto=auto)
        weights = pass_weights(len(estimates), self.recipe.first_weight)
        good = [
            (estimate, weight)
            for estimate, weight in zip(estimates, weights, strict=True)
            if estimate.counts(handedness)
        ] or [(estimates[-1], 1.0)]
        uv, z, confidence = mean_joints(*zip(*good, strict=True))
        # Every pass must see a hand: one that looks closer at something else often does.
        least = min(estimate.score for estimate in estimates)
        ask = auto and self.has_heads
        return Hand(
            handedness=handedness,
            p_right=mean_p_right(estimates, self.recipe.first_weight) if ask else None,
            score=least if self.has_heads else float(confidence.mean()),
            uv_px=uv,
            z_relative=z,
            confidence=confidence,
            xyz_relative=relative_joints(uv, z, scale_bone=self.scale_bone),
        )


def packaged_model(name: str) -> Path:
    """Where a model of the package lies."""
    return Path(str(resources.files("kerashand") / "weights" / name))
