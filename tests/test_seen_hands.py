"""What `kerashand-data check` says where the packaged models see other points or another side."""

import dataclasses

import cv2
import numpy as np
import pytest
from stick_hand import SHAPE

from kerashand.cli import seen_hands
from kerashand.cli.data import main
from kerashand.cli.seen_hands import GivenHand, doubts
from kerashand.runtime.hand import Hand
from kerashand.synthetic.scene import render_sample

POINTS = np.array([300.0, 400.0]) + 100.0 * SHAPE
RIGHT = Hand(
    handedness="right", score=0.9, uv_px=POINTS, z_relative=np.zeros(21),
    confidence=np.full(21, 0.9), xyz_relative=np.zeros((21, 3)), p_right=0.99,
)  # fmt: skip
BESIDE = dataclasses.replace(
    RIGHT, uv_px=POINTS + np.array([250.0, 0.0]), handedness="left", p_right=0.01
)
TIPS_FIRST = [0, *(first + k for first in (1, 5, 9, 13, 17) for k in (3, 2, 1, 0))]
LITTLE_FIRST = [0, *(first + k for first in (17, 13, 9, 5, 1) for k in range(4))]


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A function that makes hands of points; the model sees the right hand and one beside it."""

    class Pose:
        @classmethod
        def load(cls):
            return cls()

        def predict(self, rgb, max_hands):
            return [BESIDE, RIGHT]

    monkeypatch.setattr(seen_hands, "HandPose", Pose)
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((20, 20, 3), np.uint8))

    def hands(uv_px, *, is_right=True, count=6, weight=None):
        weight = np.ones(21) if weight is None else weight
        return [GivenHand(path, uv_px, weight, is_right)] * count

    return hands


def test_points_and_sides_that_are_right(given):
    assert doubts(given(POINTS)) == []
    assert doubts(given(POINTS + 20.0)) == []


@pytest.mark.parametrize(
    ("uv_px", "reason"),
    [
        (POINTS[TIPS_FIRST], "each finger begins with its tip: the order is wrist, thumb"),
        (POINTS[LITTLE_FIRST], "the little finger comes first: the order"),
        (POINTS[LITTLE_FIRST][TIPS_FIRST], "comes first, and each finger begins with its tip: "),
        (POINTS[:, ::-1], "y comes before x: "),
        (POINTS / 2, "Are they in pixels of these pictures"),
    ],
)
def test_points_in_another_order(given, uv_px, reason):
    (doubt,) = doubts(given(uv_px))
    assert "% of the hand's box from those of the model (median of 6 hands)" in doubt
    assert reason in doubt


def test_points_without_weight_do_not_count(given):
    uv, weight = POINTS.copy(), np.ones(21)
    uv[5:], weight[5:] = 0.0, 0.0
    assert doubts(given(uv, weight=weight)) == []
    assert doubts(given(uv)) != []


def test_sides_that_are_named_as_in_a_mirror(given):
    (doubt,) = doubts(given(POINTS, is_right=False))
    assert "the model sees the other hand in 6 of 6 pictures" in doubt
    assert doubts(given(POINTS, count=4) + given(POINTS, is_right=False, count=2)) == []


def test_few_hands_say_nothing(given):
    assert doubts([]) == []
    assert doubts(given(POINTS[TIPS_FIRST], is_right=False, count=4)) == []


def test_the_packaged_models_see_it(tmp_path, capsys):
    """Rendered right hands: as they are, and as left ones whose fingers begin with the tip."""
    points = []
    for index in range(8):
        sample = render_sample("varied", "test", seed=5, index=index, size_px=192)
        cv2.imwrite(str(tmp_path / f"{index}.png"), sample.image[:, :, ::-1])
        points.append(sample.uv_px)
    labels = {
        "name": np.array([f"{index}.png" for index in range(8)]),
        "uv_px": np.array(points, np.float32),
        "uv_weight": np.ones((8, 21), np.float32),
        "is_right": np.ones(8, bool),
        "split": np.array(["train"] * 8),
    }
    np.savez(tmp_path / "labels.npz", **labels)
    assert main(["check", str(tmp_path), "--kind", "photos"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    labels["uv_px"] = labels["uv_px"][:, TIPS_FIRST]
    labels["is_right"] = np.zeros(8, bool)
    np.savez(tmp_path / "labels.npz", **labels)
    assert main(["check", str(tmp_path), "--kind", "photos"]) == 0
    out = capsys.readouterr().out
    assert "WARNING: points lie" in out
    assert "begins with its tip" in out
    assert "WARNING: the handedness may be the other one" in out
