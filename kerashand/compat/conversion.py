"""A `Hand` in MediaPipe's units: landmarks of the picture, landmarks in metres, handedness."""

from __future__ import annotations

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from kerashand.compat.messages import ClassificationList, LandmarkList, NormalizedLandmarkList
from kerashand.geometry.root_depth import scale_bone_px
from kerashand.runtime.hand import ASSUMED_SCALE_MM, Hand
from kerashand.skeleton import MIDDLE_MCP

LABELS = ("Left", "Right")
"""MediaPipe's labels by their index."""


def picture_landmarks(
    hand: Hand, width_px: int, height_px: int
) -> Message:  # a NormalizedLandmarkList
    """Joints in shares of the picture's width and height, depth in shares of its width.

    Convention: pixel centres lie at integers here, and at halves in MediaPipe's shares. The centre
    of the first of 4 columns is 0.125.
    """
    xy = (hand.uv_px + 0.5) / (width_px, height_px)
    z = hand.z_relative - hand.z_relative[0]
    pixels = scale_bone_px(hand.uv_px, hand.xyz_relative)
    return _landmarks(NormalizedLandmarkList(), xy, z * pixels / width_px)


def world_landmarks(hand: Hand, scale_bone: str) -> Message:  # a LandmarkList
    """Joints in metres about the knuckle of the middle finger, of a hand of average size.

    MediaPipe calls its origin the hand's approximate geometric centre. Measured, it lies at that
    knuckle, also where the fingers are folded (docs/mediapipe.md).
    """
    xyz_m = hand.xyz_relative * (ASSUMED_SCALE_MM[scale_bone] / 1000.0)
    xyz_m = xyz_m - xyz_m[MIDDLE_MCP]
    return _landmarks(LandmarkList(), xyz_m[:, :2], xyz_m[:, 2])


def handedness(hand: Hand) -> Message:  # a ClassificationList
    """Left or right as MediaPipe names it: that of the hand in a mirror."""
    index = int(hand.handedness == "left")
    p_right = 0.5 if hand.p_right is None else hand.p_right
    result = ClassificationList()
    result.classification.add(
        index=index, score=p_right if hand.handedness == "right" else 1.0 - p_right,
        label=LABELS[index],
    )  # fmt: skip
    return result


def _landmarks(target, xy: NDArray[np.float64], z: NDArray[np.float64]):
    for (x, y), depth in zip(xy.tolist(), z.tolist(), strict=True):
        target.landmark.add(x=x, y=y, z=depth)
    return target
