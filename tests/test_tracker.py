"""Hands through a video: one meaning of the score, boxes of the joints shown, refusals."""

import warnings

import numpy as np
import pytest

from kerashand.geometry.camera import HAND_MARGIN
from kerashand.runtime import HandPose
from kerashand.runtime.detector import Detector
from kerashand.runtime.tracker import HandTracker

SIZE = 64
FRAME = np.zeros((SIZE, SIZE, 3), np.uint8)


class Joints:
    """A pose model that sees a hand in every crop as it should lie there, with given scores."""

    outputs = frozenset({"uv_px", "z_relative", "confidence"})

    def __init__(self, *scores):
        self.metadata = {
            "image_size_px": SIZE, "scale_bone": "wrist_middle_mcp", "recipe": {"least_hand": 0.6},
        }  # fmt: skip
        self.scores, self.looks = scores, 0
        middle, half = (SIZE - 1) / 2, SIZE / HAND_MARGIN / 2
        up = np.linspace(middle + half, middle - half, 21)
        self.uv_px = np.stack([np.full(21, middle), up], axis=1)
        self.uv_px[[5, 17], 0] += [-half, half]

    def run(self, images):
        score = self.scores[min(self.looks, len(self.scores) - 1)]
        self.looks += 1
        return {
            "uv_px": self.uv_px, "z_relative": np.zeros(21), "confidence": np.full(21, score),
        }  # fmt: skip


class OneHand:
    """A detector that sees one hand, in a box of the picture."""

    outputs = frozenset({"score", "box", "p_right"})

    def __init__(self, score, box=(16.0, 16.0, 48.0, 48.0)):
        self.metadata = {"image_size_px": SIZE, "threshold": 0.25}
        self.output = {
            "score": np.zeros((8, 8)), "box": np.zeros((8, 8, 4)), "p_right": np.ones((8, 8)),
        }  # fmt: skip
        self.output["score"][4, 4] = score
        self.output["box"][4, 4] = box

    def run(self, images):
        return self.output


def pose_of(joints, detector_score):
    return HandPose(joints, Detector(OneHand(detector_score)))


def test_the_score_is_that_of_the_joints_in_every_frame_and_in_a_picture():
    """A detector that is sure by 0.6 alone changes nothing of a hand whose joints have 0.9."""
    pose = pose_of(Joints(0.9), detector_score=0.6)
    tracker = HandTracker(pose)
    scores = [hand.score for _ in range(7) for _, hand in tracker.update(FRAME, 0.04)]
    assert scores == pytest.approx([0.9] * 7)
    assert [hand.score for hand in pose.predict(FRAME)] == pytest.approx([0.9])
    (given,) = pose.predict(FRAME, box=(16, 16, 48, 48), handedness="right")
    assert given.score == pytest.approx(0.9)


@pytest.mark.parametrize(("detector", "joints", "hands"), [(0.5, 0.7, 1), (0.5, 0.5, 0)])
def test_what_is_a_hand_is_the_same_in_a_picture_and_a_video(detector, joints, hands):
    """Even odds and 0.7 are 0.7 together, above the 0.6 of the model's file; 0.5 is below it."""
    pose = pose_of(Joints(joints), detector)
    assert len(pose.predict(FRAME)) == hands
    assert len(HandTracker(pose).update(FRAME, 0.0)) == hands


def test_two_detections_of_one_hand_are_one_hand():
    detector = OneHand(0.9)
    detector.output["score"][2, 2] = 0.8
    detector.output["box"][2, 2] = (4.0, 4.0, 20.0, 20.0)
    pose = HandPose(Joints(0.9), Detector(detector))
    assert len(pose.predict(FRAME)) == len(pose.detect(FRAME)) == 2
    (hand,) = pose.predict(FRAME, box=(16, 16, 48, 48), handedness="right")
    pose.read = lambda *args, **options: hand  # the same joints, from both
    assert pose.predict(FRAME) == [hand]


def test_a_followed_hand_is_lost_by_its_joints():
    """Found with 0.9; followed while joints have 0.2, lost at 0.19 and found anew by nobody."""
    tracker = HandTracker(pose_of(Joints(0.9, 0.9, 0.2, 0.19), detector_score=0.6), smooth=False)
    # Two looks at what was found, and one a frame.
    assert [len(tracker.update(FRAME, 0.04)) for _ in range(3)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("max_hands", "score", "every"), [(1, 0.95, 15), (1, 0.85, 5), (2, 0.95, 5)]
)
def test_how_often_hands_are_searched(max_hands, score, every):
    """Seldom where all hands are followed and sure: the recipe's `sure` is 0.9."""
    pose = pose_of(Joints(score), detector_score=0.9)
    found, detect = [], pose.detect
    pose.detect = lambda *args, **options: found.append(detect(*args, **options)) or found[-1]
    tracker = HandTracker(pose, max_hands=max_hands)
    searches = []
    for _ in range(31):
        assert len(tracker.update(FRAME, 0.04)) == 1
        searches.append(len(found))
    assert searches == [1 + frame // every for frame in range(31)]


def test_the_box_shown_is_that_of_the_joints_shown():
    joints = Joints(0.9)
    tracker = HandTracker(pose_of(joints, detector_score=0.9))
    raw = HandTracker(pose_of(joints, detector_score=0.9), smooth=False)
    at_rest = joints.uv_px
    for step in range(4):
        joints.uv_px = at_rest + np.array([0.5 * step, 0.0])
        ((_, hand),) = tracker.update(FRAME, 0.04)
        ((_, measured),) = raw.update(FRAME, 0.04)
        assert hand.box == (*hand.uv_px.min(axis=0), *hand.uv_px.max(axis=0))
    assert hand.box[0] < measured.box[0] - 0.1  # it lags behind, as smoothed joints do


@pytest.mark.parametrize("max_hands", [0, -1, 1.5, "2", True])
def test_a_number_of_hands_that_is_none(max_hands):
    pose = pose_of(Joints(0.9), 0.9)
    with pytest.raises(ValueError, match=r"`max_hands` must be an integer of at least 1"):
        HandTracker(pose, max_hands=max_hands)
    with pytest.raises(ValueError, match=r"`max_hands` must be an integer of at least 1"):
        pose.stream([], max_hands=max_hands)


@pytest.mark.parametrize("seconds", [np.inf, -np.inf, np.nan, -0.1, "0.04", None, True])
def test_a_time_that_is_none(seconds):
    tracker = HandTracker(pose_of(Joints(0.9), 0.9))
    tracker.update(FRAME, 0.0)
    with pytest.raises(ValueError, match=r"`seconds` must be a number of at least 0\. Received"):
        tracker.update(FRAME, seconds)
    ((number, _),) = tracker.update(FRAME, 0.04)  # nothing was lost
    assert number == 0


def test_a_frame_that_is_no_picture():
    tracker = HandTracker(pose_of(Joints(0.9), 0.9))
    with pytest.raises(ValueError, match="`rgb` must hold uint8"):
        tracker.update(FRAME.astype(float), 0.0)


@pytest.mark.parametrize("seconds", [33.3, 1e-5])
def test_seconds_that_are_milliseconds_are_a_warning(seconds):
    tracker = HandTracker(pose_of(Joints(0.9), detector_score=0.6))
    with pytest.warns(UserWarning, match="since the frame before"):
        tracker.update(FRAME, seconds)


@pytest.mark.parametrize("seconds", [0.0, 1e-3, 1 / 30, 2.0])
def test_seconds_of_videos_are_none(seconds):
    tracker = HandTracker(pose_of(Joints(0.9), detector_score=0.6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.update(FRAME, seconds)
