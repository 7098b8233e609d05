"""One pass of the pose model is enough where it is sure."""

import numpy as np
import pytest
from runtime_models import TrueJoints, coded_scene

from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.runtime.backends import HEADS
from kerashand.runtime.detector import Detection
from kerashand.runtime.recipe import Recipe

scene = pytest.fixture(coded_scene)


class Saying(TrueJoints):
    """Says how likely a crop shows a right hand, and a hand at all."""

    outputs = TrueJoints.outputs | HEADS

    def __init__(self, scene, p_right, p_hand, confidence=0.8):
        sample, _, z_relative, _ = scene
        super().__init__(96.0 + 0.25 * sample.uv_px, z_relative)
        self.heads = {"p_right": p_right, "p_hand": p_hand, "confidence": np.full(21, confidence)}

    def run(self, images):
        return super().run(images) | self.heads

    @property
    def box(self):
        """Of its joints."""
        return (*self.uv_px.min(axis=0).tolist(), *self.uv_px.max(axis=0).tolist())


@pytest.mark.parametrize(
    ("p_right", "p_hand", "passes", "runs"),
    [
        (0.95, 0.95, None, 1),
        (0.89, 0.95, None, 2),
        (0.95, 0.89, None, 2),
        (0.9, 0.95, None, 2),  # not above
        (0.95, 0.95, 2, 2),  # who asks for two gets two
        (0.5, 0.5, 1, 1),
    ],
)
def test_a_sure_first_pass_is_enough(scene, p_right, p_hand, passes, runs):
    backend = Saying(scene, p_right, p_hand)
    hand = HandPose(backend, None).read(
        scene[1], Detection(backend.box, "right", 1.0, 0.8), passes=passes
    )
    assert len(backend.seen) == runs
    assert hand.handedness == "right"
    assert hand.score == p_hand


def test_a_pass_that_saw_the_other_hand_is_not_enough(scene):
    """The crop of a left hand is mirrored, so a model that says right hand says left."""
    backend = Saying(scene, 0.05, 0.99)
    pose = HandPose(backend, None)
    pose.read(scene[1], Detection(backend.box, "right", 1.0, 0.8))
    assert len(backend.seen) > 1


@pytest.mark.parametrize(("p_right", "runs"), [(0.95, 1), (0.5, 2)])
def test_a_given_handedness_must_be_seen_too(scene, p_right, runs):
    backend = Saying(scene, p_right, 0.99)
    hand = HandPose(backend, None).read(scene[1], Detection(backend.box, "right", 1.0, None))
    assert len(backend.seen) == runs
    assert hand.handedness == "right"


@pytest.mark.parametrize(("confidence", "runs"), [(0.61, 1), (0.6, 2)])
def test_unsure_joints_take_a_second_pass(scene, confidence, runs):
    backend = Saying(scene, 0.95, 0.95, confidence)
    HandPose(backend, None).read(scene[1], Detection(backend.box, "right", 1.0, 0.8))
    assert len(backend.seen) == runs


def test_a_pass_whose_crop_does_not_fit_is_not_enough(scene):
    backend = Saying(scene, 0.99, 0.99)
    left, top, right, bottom = backend.box
    side = max(right - left, bottom - top)
    loose = (left - 0.4 * side, top - 0.4 * side, right + 0.4 * side, bottom + 0.4 * side)
    HandPose(backend, None).read(scene[1], Detection(loose, "right", 1.0, 0.9))
    assert len(backend.seen) > 1


def test_a_model_without_heads_is_never_sure(scene):
    sample, picture, z_relative, _ = scene
    backend = TrueJoints(96.0 + 0.25 * sample.uv_px, z_relative)
    box = (*backend.uv_px.min(axis=0), *backend.uv_px.max(axis=0))
    HandPose(backend, None).predict(picture, box=box, handedness="right")
    assert len(backend.seen) == Recipe().passes


def test_the_file_says_how_sure_is_sure(scene):
    for sure, runs in ((0.97, 2), (1.0, 2), (0.5, 1)):
        backend = Saying(scene, 0.95, 0.95)
        backend.metadata["recipe"] = {"sure": sure}
        pose = HandPose(backend, None)
        pose.read(scene[1], Detection(backend.box, "right", 1.0, 0.8))
        assert len(backend.seen) == runs
    with pytest.raises(UserError, match=r"recipe\.sure"):
        Recipe.of({"recipe": {"sure": 1.1}})
