"""The default style of a hand: a colour for each finger, as in kerashand's own drawings."""

from __future__ import annotations

from kerashand.compat.mediapipe.solutions.drawing_utils import DrawingSpec
from kerashand.compat.mediapipe.solutions.hands import HandLandmark
from kerashand.compat.mediapipe.solutions.hands_connections import (
    HAND_CONNECTIONS,
    HAND_PALM_CONNECTIONS,
)
from kerashand.skeleton import JOINT_COLOURS, ROOT

RADIUS_PX, PALM_PX, FINGER_PX = 5, 3, 2


def get_default_hand_landmarks_style() -> dict[HandLandmark, DrawingSpec]:
    """A filled circle for each joint."""
    return {joint: DrawingSpec(_bgr(joint), -1, RADIUS_PX) for joint in HandLandmark}


def get_default_hand_connections_style() -> dict[tuple[int, int], DrawingSpec]:
    """A line for each connection: grey in the palm, else in the colour of its finger."""
    return {
        pair: DrawingSpec(_bgr(ROOT), PALM_PX)
        if pair in HAND_PALM_CONNECTIONS
        else DrawingSpec(_bgr(pair[1]), FINGER_PX)
        for pair in HAND_CONNECTIONS
    }


def _bgr(joint: int) -> tuple[int, int, int]:
    red, green, blue = JOINT_COLOURS[joint].tolist()
    return blue, green, red
