"""`Hands`, the entrance of MediaPipe's programs for hands, and the names of joints."""

from __future__ import annotations

import enum
import sys
import time
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from kerashand.compat.confidence import ConfidentPose, packaged_models
from kerashand.compat.conversion import handedness, picture_landmarks, world_landmarks
from kerashand.compat.mediapipe.solutions.hands_connections import HAND_CONNECTIONS
from kerashand.runtime import Hand
from kerashand.runtime.backends import is_number
from kerashand.runtime.tracker import HandTracker

__all__ = ["HAND_CONNECTIONS", "HandLandmark", "Hands", "SolutionOutputs"]
LEAST_SECONDS = 1.0 / 30.0
"""Between two frames: of a film that is read faster, 30 frames a second are assumed, as MediaPipe
does."""


class HandLandmark(enum.IntEnum):
    """The 21 joints by MediaPipe's names; their order is that of `kerashand.skeleton`."""

    WRIST = 0
    THUMB_CMC = 1
    THUMB_MCP = 2
    THUMB_IP = 3
    THUMB_TIP = 4
    INDEX_FINGER_MCP = 5
    INDEX_FINGER_PIP = 6
    INDEX_FINGER_DIP = 7
    INDEX_FINGER_TIP = 8
    MIDDLE_FINGER_MCP = 9
    MIDDLE_FINGER_PIP = 10
    MIDDLE_FINGER_DIP = 11
    MIDDLE_FINGER_TIP = 12
    RING_FINGER_MCP = 13
    RING_FINGER_PIP = 14
    RING_FINGER_DIP = 15
    RING_FINGER_TIP = 16
    PINKY_MCP = 17
    PINKY_PIP = 18
    PINKY_DIP = 19
    PINKY_TIP = 20


class SolutionOutputs(NamedTuple):
    """The hands of a picture, one entry a hand in each field; None where there is no hand.

    Attributes:
        multi_hand_landmarks: `landmark[i].x` and `.y` in shares of the picture's width and height,
            `.z` behind the wrist in shares of its width.
        multi_hand_world_landmarks: `landmark[i]` in metres about the knuckle of the middle finger,
            of a hand of average size (92 mm from the wrist to that knuckle).
        multi_handedness: `classification[0].label`, `.score` and `.index`. As in MediaPipe the
            label is right for a mirrored picture: a right hand is "Left" in a picture that is not.
    """

    multi_hand_landmarks: list[Message] | None  # NormalizedLandmarkList
    multi_hand_world_landmarks: list[Message] | None  # LandmarkList
    multi_handedness: list[Message] | None  # ClassificationList


class Hands:
    """Finds hands and their joints in pictures, or follows them through a video.

    Arguments may be given by position, as MediaPipe's.

    Args:
        static_image_mode: whether pictures have nothing to do with each other.
        max_num_hands: most hands of a picture.
        model_complexity: 0 or 1, which run the same model here.
        min_detection_confidence: 0..1, least score of a new hand; 0.5 suits the detector.
        min_tracking_confidence: 0..1, least score of a hand that is followed.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If it is out of range.
    """

    def __init__(
        self,
        static_image_mode: bool = False,
        max_num_hands: int = 2,
        model_complexity: int = 1,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ):
        _check_integer(
            "max_num_hands", max_num_hands, allowed=range(1, sys.maxsize), words="at least 1"
        )
        _check_integer("model_complexity", model_complexity, allowed=range(2), words="0 or 1")
        _check_share("min_detection_confidence", min_detection_confidence)
        _check_share("min_tracking_confidence", min_tracking_confidence)
        self._pose: ConfidentPose | None = ConfidentPose(
            packaged_models(),
            detection=float(min_detection_confidence),
            tracking=float(min_tracking_confidence),
        )
        self._static, self._max_hands = bool(static_image_mode), int(max_num_hands)
        self.reset()

    def process(self, image: NDArray[np.uint8]) -> SolutionOutputs:
        """The hands of an RGB picture [H, W, 3] of uint8.

        Raises:
            TypeError: If it holds anything but uint8.
            ValueError: If it is no picture with three channels, or `close` was called before.
        """
        pose = self._pose
        if pose is None:
            raise ValueError("`Hands` is closed: make a new one.")
        _check_image(image)
        hands = self._predict(pose, image) if self._static else self._follow(pose, image)
        if not hands:
            return SolutionOutputs(None, None, None)
        height, width = image.shape[:2]
        bone = pose.scale_bone
        return SolutionOutputs(
            [picture_landmarks(hand, width, height) for hand in hands],
            [world_landmarks(hand, bone) for hand in hands],
            [handedness(hand) for hand in hands],
        )

    def reset(self) -> None:
        """Forget the hands of the frames before."""
        self._tracker: HandTracker | None = None
        self._size: tuple[int, ...] | None = None
        self._last_s = 0.0

    def close(self) -> None:
        """Let go of the models; pictures are refused from then on."""
        self._pose = None
        self.reset()

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _predict(self, pose: ConfidentPose, image: NDArray[np.uint8]) -> list[Hand]:
        return pose.predict(image, max_hands=self._max_hands)

    def _follow(self, pose: ConfidentPose, image: NDArray[np.uint8]) -> list[Hand]:
        """The hands of the next frame; one of another size begins another video."""
        now_s = time.monotonic()
        if self._tracker is None or self._size != image.shape:
            self._tracker = HandTracker(pose, max_hands=self._max_hands)
            seconds = 0.0
        else:
            seconds = max(now_s - self._last_s, LEAST_SECONDS)
        self._size, self._last_s = image.shape, now_s
        return [hand for _, hand in self._tracker.update(image, seconds)]


def _check_image(image: Any) -> None:
    three = "Input image must contain three channel rgb data."
    if image is None:
        raise ValueError(f"{three} Received: None. Did the camera or the file give no frame?")
    if not isinstance(image, np.ndarray):
        raise ValueError(f"{three} Received: {type(image).__name__}, not a NumPy array")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"{three} Received: an array {image.shape}. Use cv2.cvtColor(image, COLOR), with "
            "COLOR=cv2.COLOR_GRAY2RGB for a grey picture, cv2.COLOR_BGRA2RGB for one with alpha"
        )
    if image.dtype != np.uint8:
        raise TypeError(f"Input image must hold uint8 of 0 to 255. Received: {image.dtype}")


def _check_integer(name: str, value: Any, *, allowed: range, words: str) -> None:
    if not isinstance(value, (int, np.integer)):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}")
    if int(value) not in allowed:
        raise ValueError(f"`{name}` must be {words}. Received: {name}={value!r}")


def _check_share(name: str, value: Any) -> None:
    if not is_number(value):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"`{name}` must be from 0 to 1. Received: {name}={value!r}")
