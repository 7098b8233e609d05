"""The Python runtime against tests/golden, which tools/write_golden.py writes for every port."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerashand import picture_files
from kerashand.runtime.backends import HEADS, TASKS
from kerashand.runtime.detector import Detection, Detector
from kerashand.runtime.hand import Hand
from kerashand.runtime.hand_pose import HandPose

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))
TOOLS = Path(__file__).parents[1] / "tools"


class Replay:
    """A backend that gives recorded answers, and compares the crops with the recorded ones."""

    outputs = frozenset(TASKS["hand_pose"][1] | HEADS)

    def __init__(self, runs):
        self.metadata = {
            "image_size_px": GOLDEN["size_px"], "scale_bone": "wrist_middle_mcp",
            "recipe": GOLDEN["recipe"],
        }  # fmt: skip
        self.runs, self.count = runs, 0

    def run(self, images):
        run = self.runs[self.count]
        self.count += 1
        np.testing.assert_allclose(images[0].mean(axis=(0, 1)), run["crop_mean"], atol=0.02)
        corners = images[0][::127, ::127].reshape(-1, 3).astype(int)
        assert np.abs(corners - run["crop_corner_pixels"]).max() <= 1
        return {name: np.array(value) for name, value in run["outputs"].items()}


def assert_hand(hand, expected):
    assert hand.handedness == expected["handedness"]
    assert hand.p_right == pytest.approx(expected["p_right"], abs=1e-5)
    assert hand.score == pytest.approx(expected["score"], abs=1e-5)
    for name in ("uv_px", "z_relative", "confidence", "xyz_relative"):
        np.testing.assert_allclose(getattr(hand, name), expected[name], atol=1e-4)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["picture"])
def test_golden_vectors(case):
    rgb = picture_files.read(FOLDER / case["picture"])
    backend = Replay(case["runs"])
    pose = HandPose(backend, None)
    detection = Detection(**case["detection"])
    hand = pose.read(rgb, detection, passes=case["passes"])
    assert backend.count == len(case["runs"])
    assert_hand(hand, case["hand"])
    backend.runs, backend.count = case["follow"]["runs"], 0
    last = case["follow"]["last"]
    before = Hand(
        last["handedness"], np.array(last["uv_px"]), np.zeros(21), np.ones(21), np.zeros((21, 3)),
        1.0,
    )  # fmt: skip
    followed = pose.follow(rgb, before)
    assert backend.count == len(case["follow"]["runs"])
    assert_hand(followed, case["follow"]["hand"])


def test_golden_detections():
    held = GOLDEN["detector"]
    maps = {name: np.array(values) for name, values in held["outputs"].items()}

    backend = SimpleNamespace(
        metadata={
            "image_size_px": held["size_px"],
            "threshold": held["threshold"],
            "least_up": held["least_up"],
        },
        outputs=frozenset(maps),
        run=lambda images: maps,
    )
    found = Detector(backend).detect(picture_files.read(FOLDER / held["picture"]), max_hands=16)
    assert len(found) == len(held["detections"]) > 2
    for one, expected in zip(found, held["detections"], strict=True):
        assert one.box == pytest.approx(expected["box"], abs=1e-5)
        assert (one.handedness, one.score) == (expected["handedness"], expected["score"])
        assert one.p_right == pytest.approx(expected["p_right"], abs=1e-6)
        assert one.upright_rad == pytest.approx(expected["upright_rad"], abs=1e-6)
        # By hand: the direction, turned by this angle, points up.
        cell = int(np.argmin(np.abs(maps["score"] - one.score)))
        u, v = maps["up"].reshape(-1, 2)[cell]
        if np.hypot(u, v) < held["least_up"]:
            assert one.upright_rad == 0.0
            continue
        turned = (u + 1j * v) * np.exp(1j * one.upright_rad)
        assert (turned / abs(turned)) == pytest.approx(-1j, abs=1e-6)

    assert {one.upright_rad == 0.0 for one in found} == {True, False}


def test_the_vectors_are_what_the_tool_writes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import write_golden

    monkeypatch.setattr(write_golden, "FOLDER", tmp_path)
    write_golden.main()
    written = json.loads((tmp_path / "golden.json").read_text(encoding="utf-8"))
    assert written["recipe"] == GOLDEN["recipe"]
    assert written["detector"] == GOLDEN["detector"]
    assert [case["detection"] for case in written["cases"]] == [
        case["detection"] for case in GOLDEN["cases"]
    ]
    for case, expected in zip(written["cases"], GOLDEN["cases"], strict=True):
        assert (tmp_path / case["picture"]).exists()
        for run, wanted in zip(case["runs"], expected["runs"], strict=True):
            np.testing.assert_allclose(run["affine"], wanted["affine"], atol=1e-4)
    sys.modules.pop("write_golden")
