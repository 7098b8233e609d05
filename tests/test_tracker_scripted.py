"""The tracker on boxes that a script gives: numbers of hands, sizes of frames, and smoothing."""

import dataclasses

import numpy as np
import pytest
from predict_runs import random_models

from kerashand.runtime import HandPose
from kerashand.runtime.detector import Detection
from kerashand.runtime.tracker import HandTracker

models = pytest.fixture(scope="module")(random_models)


class Scripted(HandPose):
    """Sees in each frame what the script says: a box, or none."""

    def __init__(self, models, script):
        loaded = HandPose.load(models / "pose.tflite")
        super().__init__(loaded.backend, None)
        self.script, self.frame, self.searches = script, 0, 0

    def detect(self, rgb, *, max_hands=2, tiles=1, spare=0):
        self.searches += 1
        return [Detection(box, "right", 1.0) for box in self.script[self.frame]][
            : max_hands + spare
        ]

    def _pass(self, rgb, view, handedness):
        boxes = self.script[self.frame]
        near = min(boxes, default=None, key=lambda b: abs((b[0] + b[2]) / 2 - view[0][0]))
        estimate = super()._pass(rgb, view, handedness)
        if near is None:
            return dataclasses.replace(estimate, confidence=np.zeros(21))
        uv = np.linspace(near[:2], near[2:], 21)
        confidence = np.full(21, 0.9)
        return dataclasses.replace(estimate, confidence=confidence, uv_px=uv, fits=True)


def test_a_hand_keeps_its_number_until_it_is_gone(models):
    still, moved = (40.0, 40.0, 60.0, 60.0), (44.0, 40.0, 64.0, 60.0)
    second = (100.0, 40.0, 120.0, 60.0)
    script = [[still], [moved], [moved], [], [], [], [still, second], *[[still, second]] * 6]
    pose = Scripted(models, script)
    tracker = HandTracker(pose, smooth=False)
    rgb = np.zeros((100, 160, 3), np.uint8)
    numbers = []
    for pose.frame in range(len(script)):
        numbers.append([number for number, _ in tracker.update(rgb, 1 / 30)])
    assert numbers[:3] == [[0], [0], [0]]
    assert numbers[3:6] == [[], [], []]
    assert numbers[6] == [1, 2]  # came back: a new number, and a second hand
    assert numbers[-1] == [1, 2]
    assert pose.searches < len(script)


def test_hands_are_searched_anew_where_the_size_of_frames_changes(models):
    box = (40.0, 40.0, 60.0, 60.0)
    pose = Scripted(models, [[box]] * 4)
    tracker = HandTracker(pose, intrinsics=np.diag([150.0, 150.0, 1.0]), scale_mm=45.0)
    numbers = []
    for pose.frame, size in enumerate([(100, 160), (100, 160), (80, 128), (80, 128)]):
        hands = tracker.update(np.zeros((*size, 3), np.uint8), 1 / 30)
        numbers.append([number for number, _ in hands])
        assert hands[0][1].uv_px[0, 0] == pytest.approx(40.0, abs=1e-6)
    assert numbers == [[0], [0], [1], [1]]
    with pytest.raises(ValueError, match=r"at least 300 for 3000 x 2000. Received: 150, 150"):
        tracker.update(np.zeros((2000, 3000, 3), np.uint8), 1 / 30)


def test_a_hand_at_rest_is_the_same_with_and_without_smoothing(models):
    """In the camera's frame and about the wrist, beside the middle of the picture."""
    camera = {"intrinsics": [[150.0, 0, 0], [0, 150.0, 50], [0, 0, 1]], "scale_mm": 45.0}
    shown = []
    for smooth in (True, False):
        pose = Scripted(models, [[(100.0, 40.0, 120.0, 60.0)]])
        pose.depth_along = "line_of_sight"
        tracker = HandTracker(pose, smooth=smooth, **camera)
        ((_, hand),) = tracker.update(np.zeros((100, 160, 3), np.uint8), 1 / 30)
        shown.append(hand)
    assert np.abs(shown[0].z_relative - shown[0].xyz_relative[:, 2]).max() > 0.1
    for name in ("uv_px", "z_relative", "xyz_mm"):
        np.testing.assert_allclose(*(getattr(hand, name) for hand in shown), atol=1e-6)
    depths = [hand.xyz_relative[:, 2] for hand in shown]
    np.testing.assert_allclose(*depths, atol=1e-6)


def test_smoothing_calms_what_is_shown_but_not_the_crop(models):
    rng = np.random.default_rng(0)
    boxes = [tuple(np.array([40.0, 40.0, 60.0, 60.0]) + rng.normal(0, 1.0)) for _ in range(40)]
    shown = {}
    for smooth in (True, False):
        pose = Scripted(models, [[box] for box in boxes])
        tracker = HandTracker(pose, smooth=smooth)
        rgb = np.zeros((100, 160, 3), np.uint8)
        track = []
        for pose.frame in range(len(boxes)):
            ((_, hand),) = tracker.update(rgb, 1 / 30)
            track.append(hand.uv_px[0, 0])
        shown[smooth] = np.std(track[10:])
    assert shown[True] < 0.7 * shown[False]
