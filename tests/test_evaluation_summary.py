"""The summary of predictions: errors, lost hands, calibration, handedness and depth, by hand."""

import numpy as np
import pytest
from evaluated_hands import hands, squares, turns

from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import summary
from kerashand.metrics import depth_slope
from kerashand.metrics_calibration import calibration

# --------------------------------------------------------------------------------- calibration


def test_convention_calibration_error():
    """Two statements of 0.95, one of which is true: off by 0.45; 0.85 true, 0.15 false."""
    found = calibration([0.95, 0.85, 0.95, 0.15], [True, True, False, False])
    np.testing.assert_allclose(found.stated, [0.15, 0.85, 0.95])
    np.testing.assert_allclose(found.true, [0.0, 1.0, 0.5])
    np.testing.assert_array_equal(found.count, [1, 1, 2])
    assert found.error == pytest.approx((2 * 0.45 + 0.15 + 0.15) / 4)


def test_calibration_of_limits_and_of_nothing():
    found = calibration([1.0, 0.9, 0.0], [True, True, False])
    np.testing.assert_array_equal(found.count, [1, 2])  # 0.9 and 1 are of the last bin
    assert calibration([0.5, 0.5], [True, False]).error == pytest.approx(0.0)
    for confidence, is_true in (([], []), ([0.5], [True, False]), ([[0.5]], [[True]])):
        with pytest.raises(ValueError, match="must be of one shape"):
            calibration(confidence, is_true)


# --------------------------------------------------------------------------------------- summary


def test_errors_are_in_pixels_of_the_square_drawn_256_wide():
    found = squares()
    found.uv_px[:, :, 0] += 6.5  # 1 / 20 of the side
    numbers = summary(found)
    assert numbers["mean_error_px"] == pytest.approx(12.8)
    assert numbers["median_error_px"] == pytest.approx(12.8)
    assert numbers["pck_2d"] == 1.0
    assert numbers["hands_above_15px"] == 0.0
    assert "mean_error_mm" not in numbers


def test_a_hand_above_15_px_is_lost():
    """15 px of 256 are 7.617 of 130; a hand is judged by its mean, whatever its square."""
    found = squares(side_px=np.array([130.0, 130.0, 130.0, 260.0]))
    found.uv_px[0, :, 0] += 7.60
    found.uv_px[1, :, 0] += 7.63
    found.uv_px[2, 0, 0] += 100.0  # one joint far off: 4.8 in the mean
    found.uv_px[3, :, 0] += 7.63  # in a square of twice the size the hand is as large as it is
    assert summary(found)["hands_above_15px"] == 0.5
    assert summary(found.only(np.array([0, 2])))["hands_above_15px"] == 0.0


def test_unlabelled_points_do_not_count():
    weight = np.ones((4, 21))
    weight[:, 2] = 0.0
    found = squares(uv_weight=weight)
    found.uv_px[:, 2] = 1e6
    assert summary(found)["mean_error_px"] == 0.0
    assert "mean_error_px" not in summary(squares(uv_weight=np.zeros((4, 21))))


def test_calibration_is_of_joints_within_a_twentieth_of_the_side():
    found = squares(confidence=np.full((4, 21), 0.75))
    found.uv_px[0, :, 0] += 6.6  # of 130: 5.08 %
    assert summary(found)["calibration_error"] == pytest.approx(0.0, abs=1e-12)
    found.uv_px[0, :, 0] -= 0.2
    assert summary(found)["calibration_error"] == pytest.approx(0.25)
    # In other units the same.
    wider = squares(confidence=np.full((4, 21), 0.75), shown_px=32.0)
    wider.uv_px[0, :, 0] += 6.6
    assert summary(wider)["calibration_error"] == pytest.approx(0.0, abs=1e-12)


def test_handedness_of_each_side_and_of_mirror_images():
    found = squares(
        is_right=np.array([True, True, True, False]),
        p_right=np.array([0.9, 0.5, 0.2, 0.1]),
        p_right_mirrored=np.array([0.1, 0.7, 0.6, 0.8]),
    )
    numbers = {k: v for k, v in summary(found).items() if "handedness" in k}
    assert numbers == {
        "handedness": 5 / 8,
        "handedness_right": pytest.approx(2 / 3),
        "handedness_left": 1.0,
        "handedness_right_mirrored": pytest.approx(1 / 3),
        "handedness_left_mirrored": 1.0,
        "handedness_worst": pytest.approx(1 / 3),
    }


def test_squares_without_a_hand_have_no_error():
    found = squares(
        is_hand=np.array([True, True, False, False]),
        uv_weight=np.array([1.0, 1.0, 0.0, 0.0])[:, None].repeat(21, 1),
        p_hand=np.array([0.9, 0.4, 0.5, 0.1]),
        p_right=np.full(4, 0.9),
        confidence=np.full((4, 21), 1.0),
        z_weight=np.array([1.0, 1.0, 0.0, 0.0]),
        xyz_mm=np.zeros((4, 21, 3)),
        xyz_true_mm=np.zeros((4, 21, 3)),
    )
    found.uv_px[2:] += 50.0
    found.xyz_mm[2:] = np.nan
    numbers = summary(found, "cai2018")
    assert numbers["samples"] == 2
    assert numbers["mean_error_px"] == numbers["mean_error_mm"] == 0.0
    assert numbers["calibration_error"] == 0.0
    assert numbers["handedness"] == 1.0
    assert (numbers["hands_seen"], numbers["empty_seen"]) == (0.5, 0.5)
    assert numbers["empty_squares"] == 2
    none = summary(found.only(~found.is_hand), "cai2018")
    assert none == {"samples": 0, "empty_squares": 2, "empty_seen": 0.5}


def test_procrustes_and_how_deep_hands_are_seen(rng):
    true = hands(rng)
    turned = (true - true[:, :1]) @ turns(rng, 1)[0].T * 1.1 + true[:, :1]
    numbers = summary(Predictions(xyz_mm=turned, xyz_true_mm=true), "cai2018")
    assert numbers["procrustes_mm"] == pytest.approx(0.0, abs=1e-6)
    assert numbers["mean_error_mm"] > 10.0
    flat = true.copy()
    flat[..., 2] = 0.5 * (true[..., 2] + true[:, :1, 2])
    assert depth_slope(flat, true) == pytest.approx(0.5)
    assert depth_slope(true, true) == pytest.approx(1.0)


def test_the_depth_that_is_solved_for(rng):
    true = hands(rng)
    solved = true + np.array([0.0, 0.0, 10.0])
    numbers = summary(Predictions(xyz_mm=true, xyz_true_mm=true, xyz_solved_mm=solved), "cai2018")
    assert numbers["root_mean_mm"] == pytest.approx(10.0)
    assert numbers["root_median_mm"] == pytest.approx(10.0)
    assert numbers["camera_mean_mm"] == pytest.approx(10.0)
    assert numbers["root_share"] == pytest.approx((10.0 / true[:, 0, 2]).mean())
