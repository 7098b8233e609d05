"""The palm's frame, and the offsets between two definitions of joints in it."""

import numpy as np
import pytest
from evaluated_hands import hands, turns

from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import OFFSET_HANDS, summary
from kerashand.geometry.palm import palm_frames
from kerashand.metrics_offsets import joint_offsets, with_offsets, without_offsets

# ------------------------------------------------------------------------------ the palm's frame


def test_convention_palm_frame():
    hand = np.zeros((21, 3))
    hand[5], hand[9], hand[17] = (30.0, -80.0, 0.0), (0.0, -90.0, 0.0), (-30.0, -80.0, 0.0)
    axes, length = palm_frames(hand + np.array([3.0, 4.0, 500.0]))
    np.testing.assert_allclose(axes, [[1, 0, 0], [0, -1, 0], [0, 0, -1]], atol=1e-12)
    assert length == pytest.approx(90.0)


def test_palm_frames_turn_with_the_hand(rng):
    xyz = hands(rng, 6)
    turn = turns(rng, 1)[0]
    axes, length = palm_frames(xyz)
    turned, same_length = palm_frames(xyz @ turn.T)
    np.testing.assert_allclose(turned, axes @ turn.T, atol=1e-9)
    np.testing.assert_allclose(same_length, length)
    np.testing.assert_allclose(axes @ np.swapaxes(axes, 1, 2), np.tile(np.eye(3), (6, 1, 1)),
                               atol=1e-9)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(axes), 1.0)
    # Knuckles on a line with the wrist span no plane.
    xyz[:, 17] = xyz[:, 0] + 2.0 * (xyz[:, 5] - xyz[:, 0])
    assert not palm_frames(xyz)[0].any()


# ------------------------------------------------------------------------------------- offsets


def test_convention_joint_offsets():
    hand = np.zeros((1, 21, 3))
    hand[0, 5], hand[0, 9], hand[0, 17] = (30.0, -80.0, 0), (0, -90.0, 0), (-30.0, -80.0, 0)
    predicted = hand.copy()
    predicted[0, 0] += (0.0, -9.0, 0.0)
    offsets = joint_offsets(predicted, hand)
    np.testing.assert_allclose(offsets[0], [0.0, 0.1, 0.0], atol=1e-12)
    np.testing.assert_allclose(offsets[1:], 0.0, atol=1e-12)


def test_an_offset_is_found_and_taken_out_exactly(rng):
    """Labels whose joints are defined elsewhere: each joint by its own vector of the palm."""
    true, offsets = hands(rng), rng.normal(0.0, 0.08, (21, 3))
    predicted = with_offsets(true, offsets)
    np.testing.assert_allclose(joint_offsets(predicted, true), offsets, atol=1e-9)
    np.testing.assert_allclose(without_offsets(predicted, true), predicted, atol=1e-6)
    numbers = summary(Predictions(xyz_mm=predicted, xyz_true_mm=true), "cai2018")
    assert numbers["mean_error_mm"] > 5.0
    assert numbers["mean_without_offsets_mm"] == pytest.approx(0.0, abs=1e-6)
    assert numbers["auc_without_offsets"] == pytest.approx(1.0)
    np.testing.assert_allclose(numbers["joint_offsets"], offsets, atol=1e-9)


def test_offsets_come_from_the_other_half(rng):
    """What is true of the first half alone makes the second half worse, and cannot help itself."""
    true = hands(rng)
    predicted = true.copy()
    half = len(true) // 2
    predicted[:half] = with_offsets(true[:half], np.full((21, 3), 0.1))
    moved = without_offsets(predicted, true)
    np.testing.assert_allclose(moved[:half], true[:half], atol=1e-9)
    np.testing.assert_allclose(moved[half:], with_offsets(true[half:], np.full((21, 3), 0.1)))


def test_noise_has_no_offset(rng):
    true = hands(rng, 400)
    predicted = true + rng.normal(0.0, 10.0, true.shape)
    numbers = summary(Predictions(xyz_mm=predicted, xyz_true_mm=true), "cai2018")
    assert np.abs(numbers["joint_offsets"]).max() < 0.03
    assert numbers["mean_without_offsets_mm"] == pytest.approx(numbers["mean_error_mm"], rel=0.02)


def test_offsets_refuse_what_has_none(rng):
    true = hands(rng)
    with pytest.raises(ValueError, match=r"one shape \[N, K, 3\]. Received: .*\(39, 21, 3\)"):
        joint_offsets(true[1:], true)
    with pytest.raises(ValueError, match="must hold a hand whose wrist and knuckles"):
        joint_offsets(np.zeros((2, 21, 3)), np.zeros((2, 21, 3)))
    few = true[: OFFSET_HANDS - 1]
    assert "joint_offsets" not in summary(Predictions(xyz_mm=few, xyz_true_mm=few), "cai2018")
