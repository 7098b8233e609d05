"""One `HandPose` in several threads gives what it gives in one."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kerashand import exporting
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.models.hand_pose import build_parts
from kerashand.runtime import HandPose
from kerashand.runtime.hand_pose import POSE_FILE, packaged_model
from kerashand.runtime.litert import Interpreters
from kerashand.runtime.model_file import checked_network, read_metadata
from kerashand.runtime.tracker import HandTracker
from kerashand.stderr import native_stderr_held
from kerashand.synthetic.pictures import render_picture
from kerashand.synthetic.scene import render_sample

THREADS = 4
SIZE = 32


@pytest.fixture(scope="module")
def pictures():
    """Pictures with hands of all sizes and without."""
    return [
        np.ascontiguousarray(render_picture("test", 0, index, size_px=320).image)
        for index in range(12)
    ]


@pytest.fixture(scope="module")
def clips():
    """Two short videos: a hand that moves right, and another one that moves left."""
    hands = [
        render_sample("varied", "test", seed=0, index=index, size_px=192).image for index in (2, 6)
    ]
    return [
        [np.roll(np.pad(hand, [(30, 30), (60, 60), (0, 0)], mode="edge"), way * step, axis=1)
         for step in range(12)]
        for hand, way in zip(hands, (3, -3), strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def small_model():
    """A pose model with random weights, and its description."""
    config = load_config(
        "weak.yaml",
        [
            f"data.image_size_px={SIZE}", "model.lite={width: 0.25, stages: 1}",
            "model.regressor={conv_channels: [8, 8], hidden_units: [8, 8]}",
        ],
    )  # fmt: skip
    parts = build_parts(**config.parts_arguments())
    return parts.build_inference_model(), exporting.describe(config)


def assert_same(hands, expected):
    """The same hands to the last bit."""
    assert len(hands) == len(expected)
    for hand, wanted in zip(hands, expected, strict=True):
        assert hand.handedness == wanted.handedness
        for name in ("uv_px", "z_relative", "confidence", "xyz_relative"):
            np.testing.assert_array_equal(getattr(hand, name), getattr(wanted, name), err_msg=name)


def test_pictures_with_the_packaged_models(pictures):
    pose = HandPose.load()
    expected = [pose.predict(rgb) for rgb in pictures]
    assert sum(map(len, expected)) >= 5
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(3):
            for hands, wanted in zip(threads.map(pose.predict, pictures), expected, strict=True):
                assert_same(hands, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "saved_model"])
def test_pictures_with_files_of_other_formats(form, pictures, small_model, tmp_path):
    if form == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    model, metadata = small_model
    path = tmp_path / ("pose.onnx" if form == "onnx" else "pose")
    exporting.export(model, path, form, metadata=metadata)
    pose = HandPose.load(path)

    def predict(rgb):
        return pose.predict(rgb, box=(40, 40, 280, 280), handedness="right")

    expected = [predict(rgb) for rgb in pictures]
    with ThreadPoolExecutor(THREADS) as threads:
        for hands, wanted in zip(threads.map(predict, pictures), expected, strict=True):
            assert_same(hands, wanted)


def test_two_trackers_on_one_model(clips):
    pose = HandPose.load()

    def follow(clip):
        tracker = HandTracker(pose)
        return [tracker.update(rgb, 0.04) for rgb in clip]

    expected = [follow(clip) for clip in clips]
    assert all(rows[-1] for rows in expected)
    with ThreadPoolExecutor(THREADS) as threads:
        for rows, wanted in zip(threads.map(follow, clips * 2), expected * 2, strict=True):
            for frame, wanted_frame in zip(rows, wanted, strict=True):
                assert [number for number, _ in frame] == [number for number, _ in wanted_frame]
                assert_same([hand for _, hand in frame], [hand for _, hand in wanted_frame])


def test_there_are_no_more_interpreters_than_cores(monkeypatch):
    path = packaged_model(POSE_FILE)
    network = checked_network(path, path.read_bytes(), read_metadata(path))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    interpreters = Interpreters(network, name="hand_pose.tflite", threads=1)
    opened, open_one = [], interpreters._open
    monkeypatch.setattr(interpreters, "_open", lambda: opened.append(1) or open_one())
    image = np.zeros((1, 128, 128, 3), np.uint8)
    with ThreadPoolExecutor(8) as threads:
        runs = [
            threads.submit(interpreters.run, "serving_default", {"image": image}) for _ in range(40)
        ]
        results = [run.result() for run in runs]
    assert len(opened) <= 1  # beside the first
    for result in results:
        np.testing.assert_array_equal(result["uv_px"], results[0]["uv_px"])


def test_an_error_leaves_the_interpreter_to_others():
    pose = HandPose.load()
    with pytest.raises(UserError, match="LiteRT cannot run a model"):
        pose.backend.call("serving_default", {"image": np.zeros((1, 128, 128, 3), np.float32)})
    image = np.zeros((1, 128, 128, 3), np.uint8)
    assert np.isfinite(pose.backend.run(image)["uv_px"]).all()


def test_held_output_is_held_by_one_thread_at_a_time():
    """As while models are loaded; else one thread takes what another one holds for the terminal."""
    inside, most = [], []

    def hold():
        with native_stderr_held():
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.pop()

    before = os.fstat(2).st_ino
    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert os.fstat(2).st_ino == before
