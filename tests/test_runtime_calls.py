"""Other calls of the runtime: batches, streams, files that are no models, and smoothing."""

import subprocess
import sys

import numpy as np
import pytest
from runtime_models import TrueJoints, coded_scene

from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend
from kerashand.runtime.model_file import with_description
from kerashand.runtime.smoothing import OneEuroFilter

scene = pytest.fixture(coded_scene)


def test_one_euro_rests_and_follows():
    still, moving = OneEuroFilter(), OneEuroFilter(beta=1.0)
    noise = np.random.default_rng(0).normal(0.0, 1.0, 300)
    smooth = [float(still(value, 1 / 30)) for value in noise]
    assert np.std(smooth[50:]) < 0.5
    ramp = np.arange(100) * 20.0
    followed = [float(moving(value, 1 / 30)) for value in ramp]
    assert ramp[-1] - followed[-1] < 5.0
    with pytest.raises(ValueError, match="`min_cutoff_hz` must be positive"):
        OneEuroFilter(min_cutoff_hz=0.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.pt", b"", "ends in .tflite or .onnx"),
        ("missing.tflite", None, "does not exist"),
        ("model.tflite", b"TFL3 rubbish", "was not exported by kerashand"),
    ],
)
def test_files_that_are_no_models(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_backend(tmp_path / name, task="hand_pose")


def test_values_that_are_not_numbers_are_an_error(scene):
    sample, picture = scene[:2]
    backend = TrueJoints(sample.uv_px, np.full(21, np.nan))
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    with pytest.raises(UserError, match="z_relative that are not numbers: its file is damaged"):
        HandPose(backend, None).predict(picture, box=box, handedness="right")


def test_the_runtime_needs_neither_tensorflow_nor_opencv():
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'cv2'): sys.modules[name] = None\n"
        "import kerashand.runtime\n"
        "print(kerashand.runtime.HandPose.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "HandPose"


def test_a_batch_of_pictures_of_several_sizes(scene):
    sample, picture = scene[:2]
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    pose = HandPose(TrueJoints(sample.uv_px, np.zeros(21)), None)
    pictures, boxes = [picture, picture[:250, :240]], [box, box]
    results = pose.predict_batch(pictures, boxes=boxes, handedness=["right", "left"], passes=1)
    for hands, rgb, side in zip(results, pictures, ("right", "left"), strict=True):
        (alone,) = pose.predict(rgb, box=box, handedness=side, passes=1)
        assert hands[0].handedness == side
        np.testing.assert_array_equal(hands[0].uv_px, alone.uv_px)


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        ([], {}, "must hold at least one"),
        (
            [np.zeros((8, 8, 3), np.uint8)],
            {"boxes": []},
            "1 pictures, 0 boxes, 1 times `handedness`",
        ),
        (
            [np.zeros((8, 8, 3), np.uint8)],
            {"handedness": ["left"] * 2},
            "1 boxes, 2 times `handedness`",
        ),
        (
            [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)],
            {"boxes": [(0, 0, 8, 8)] * 2, "handedness": "left", "passes": 1},
            r"picture 1: `rgb` must be an array \[H, W, 3\]\. Received: \(8, 8\)",
        ),
        (
            [np.full((8, 8, 3), np.nan, np.float32)],
            {"boxes": [(0, 0, 8, 8)], "handedness": "left"},
            "picture 0: `rgb` must hold uint8 of 0..255. Received: float32",
        ),
        (
            [np.zeros((3, 8, 8), np.uint8)],
            {"boxes": [(0, 0, 8, 8)], "handedness": "left"},
            r"picture 0: .* Received: \(3, 8, 8\)",
        ),
    ],
)
def test_mistakes_in_a_batch(pictures, options, message):
    pose = HandPose(TrueJoints(np.arange(42.0).reshape(21, 2), np.zeros(21)), None)
    with pytest.raises(ValueError, match=message):
        pose.predict_batch(pictures, **options)


@pytest.mark.parametrize("fps", [0, -1.0, np.nan, np.inf, "30", True, None])
def test_a_stream_needs_a_rate(fps):
    pose = HandPose(TrueJoints(np.zeros((21, 2)), np.zeros(21)), None)
    with pytest.raises(ValueError, match="`fps` must be a positive number"):
        pose.stream([], fps=fps)


def test_a_described_file_is_the_same_on_another_day(monkeypatch):
    today = with_description(b"network", {"task": "hand_pose"}, {"more": b"weights"})
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert with_description(b"network", {"task": "hand_pose"}, {"more": b"weights"}) == today
