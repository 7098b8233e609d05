"""Exported detectors: ONNX finds what the packaged file finds; one too far off is not written."""

from pathlib import Path

import numpy as np
import pytest

from kerashand import exporting, picture_files
from kerashand.exporting.parity import Limit
from kerashand.exporting.pictures import difference
from kerashand.runtime.detector import Detector
from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "hand.jpg"


@pytest.fixture(scope="module")
def pictures():
    return exporting.rendered_pictures("test", 3, size_px=192)


def test_a_detector_as_onnx_finds_what_the_packaged_file_finds(tmp_path, pictures):
    detector, described = exporting.load_exportable("detector")
    path = tmp_path / "detector.onnx"
    report = exporting.checked_export(detector, path, "onnx", metadata=described, hands=pictures)
    assert report["passed"]
    assert report["limit"] == {"max_score": 0.001}
    assert "from the model, at most: score" in exporting.parity_text(report)
    rgb = picture_files.read(PICTURE)
    (hand,) = Detector.load(path).detect(rgb, max_hands=1)
    (packaged,) = Detector.load(packaged_model(DETECTOR_FILE)).detect(rgb, max_hands=1)
    assert hand.box == pytest.approx(packaged.box, abs=0.1)
    assert hand.score == pytest.approx(packaged.score, abs=1e-3)
    assert hand.upright_rad == pytest.approx(packaged.upright_rad, abs=1e-2)


def test_a_detector_that_is_too_far_off_is_not_written(tmp_path, pictures):
    detector, described = exporting.load_exportable("detector")
    strict = {"dynamic_int8": Limit("max_score", 1e-6)}
    with pytest.raises(exporting.ParityError, match=r"not written: a score is off by .* of 0 to 1"):
        exporting.checked_export(
            detector, tmp_path / "d.tflite", "tflite", precision="dynamic_int8",
            metadata=described, hands=pictures, limits=strict,
        )  # fmt: skip
    assert not (tmp_path / "d.tflite").exists()


def test_how_far_a_detector_is_off(pictures):
    """By hand: scores count everywhere, boxes in the one cell where the model sees a hand."""
    score_logit = np.full((1, 2, 2), -20.0, np.float32)
    score_logit[0, 0, 1] = 20.0

    def model(image, training):
        return {"score_logit": score_logit, "box": np.zeros((1, 2, 2, 4), np.float32),
                "right_logit": np.zeros((1, 2, 2), np.float32)}  # fmt: skip

    def run(image):
        box = np.full((2, 2, 4), 100.0)
        box[0, 1] = 3.0
        return {"score": np.array([[0.25, 1.0], [0.0, 0.0]]), "box": box,
                "p_right": np.full((2, 2), 0.5)}  # fmt: skip

    found = difference(model, run, pictures, threshold=0.5)
    assert found["score"] == {"max": 0.25, "mean": 0.0625}
    assert found["box"] == {"max": 3.0, "mean": 3.0}
    assert found["p_right"] == {"max": 0.0, "mean": 0.0}
