"""One evaluation: the palm's frame, offsets, calibration, summaries and groups, by hand."""

import subprocess
import sys

import numpy as np
import pytest

from kerashand.evaluation.groups import by_group, groups_of, worst_group, worst_in_words
from kerashand.evaluation.photographs import mirrored_boxes
from kerashand.evaluation.predictions import Predictions, Predictor, predict
from kerashand.evaluation.samples import samples_shown, spread
from kerashand.evaluation.summary import OFFSET_HANDS, detection_summary, summary
from kerashand.evaluation.tables import COLUMNS, held_columns
from kerashand.geometry.palm import palm_frames
from kerashand.metrics import depth_slope
from kerashand.metrics_calibration import calibration
from kerashand.metrics_detection import match_boxes
from kerashand.metrics_offsets import joint_offsets, with_offsets, without_offsets
from kerashand.synthetic.scene import render_sample


def turns(rng, count):
    """Rotations [N, 3, 3]."""
    matrices = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    return matrices * np.linalg.det(matrices)[:, None, None]


def hands(rng, count=2 * OFFSET_HANDS):
    """Hands of other sizes, poses and turns, 500 mm away."""
    flat = np.zeros((count, 21, 3))
    flat[:, 5], flat[:, 9], flat[:, 17] = (25.0, -85.0, 0.0), (5.0, -90.0, 0.0), (-35.0, -75.0, 0.0)
    others = [joint for joint in range(1, 21) if joint not in (5, 9, 17)]
    flat[:, others] = rng.normal((0.0, -100.0, 0.0), 40.0, (count, len(others), 3))
    sizes = rng.uniform(0.8, 1.2, (count, 1, 1))
    turned = np.einsum("nij,nkj->nki", turns(rng, count), sizes * flat)
    return turned + rng.normal((0.0, 0.0, 500.0), 30.0, (count, 1, 3))


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


def squares(count=4, **more):
    """Hands whose box is 100 px of a square of 130, with no error."""
    uv = np.zeros((count, 21, 2))
    uv[:, 1] = 100.0
    return Predictions(
        **{"uv_px": uv.copy(), "uv_true_px": uv, "side_px": np.full(count, 130.0), **more}
    )


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


# -------------------------------------------------------------------------------- a model's batches


class Halves:
    """Knows the truth by the brightness of the pictures; heads say what pictures are marked with.

    The left half of a picture of a right hand is bright, and a square without a hand is dark.
    """

    def __init__(self, rows):
        self.rows = rows

    def run(self, images):
        left, right = images[:, :, :8].mean(axis=(1, 2, 3)), images[:, :, 8:].mean(axis=(1, 2, 3))
        marks = [float(mark) for mark in self.rows["mark"]]
        places = [marks.index(mark) for mark in images.max(axis=(1, 2, 3)).tolist()]
        return {
            "uv_px": self.rows["uv_px"][places],
            "z_relative": self.rows["z_relative"][places],
            "confidence": np.ones((len(images), 21)),
            "p_right": (left > right).astype(float),
            "p_hand": (np.maximum(left, right) > 20.0).astype(float),
        }


def marked_batch(rng):
    """Six squares; numbers 1 and 4 hold no hand."""
    mark = np.array([100.0, 5.0, 101.0, 102.0, 6.0, 103.0], np.float32)
    image = np.zeros((6, 16, 16, 3), np.float32)
    image[:, :, :8] = mark[:, None, None, None]
    is_hand = (mark > 50).astype(np.float32)
    xyz = hands(rng, 6)
    return {
        "mark": mark, "image": image, "is_hand": is_hand, "is_right": np.ones(6, np.float32),
        "uv_px": rng.uniform(0, 15, (6, 21, 2)).astype(np.float32),
        "uv_weight": is_hand[:, None].repeat(21, 1), "z_weight": np.zeros(6, np.float32),
        "z_relative": rng.normal(size=(6, 21)).astype(np.float32),
        "xyz_mm": xyz.astype(np.float32), "intrinsics": np.tile(np.eye(3, dtype="f4"), (6, 1, 1)),
        "root_depth_mm": xyz[:, 0, 2].astype(np.float32), "scale_mm": np.full(6, 80.0, np.float32),
        "depth_map": np.zeros((6, 8, 8, 1), np.float32),
        "depth_weight": np.zeros((6, 8, 8, 1), np.float32),
    }  # fmt: skip


def test_heads_are_asked_of_pictures_and_of_their_mirror_images(rng):
    rows = marked_batch(rng)
    predictor = Predictor("heads", Halves(rows).run, 16, "wrist_middle_mcp")
    batches = [{k: v[:4] for k, v in rows.items()}, {k: v[4:] for k, v in rows.items()}]
    found = predict(predictor, batches)
    np.testing.assert_array_equal(found.is_hand, rows["mark"] > 50)
    numbers = summary(found)
    assert numbers["samples"] == 4
    assert numbers["handedness_right"] == numbers["handedness_right_mirrored"] == 1.0
    assert (numbers["hands_seen"], numbers["empty_seen"]) == (1.0, 0.0)
    assert [title for title, _, _ in held_columns([numbers])] == [
        "hands > 15 px", "ECE", "handedness, worst", "hands seen", "no hand, seen",
    ]  # fmt: skip


def test_a_keras_model_with_heads_answers_all_questions(rng):
    from kerashand.evaluation.run import of_model
    from kerashand.models.hand_pose import build_parts

    small = {"conv_channels": (8, 8), "hidden_units": (16, 16)}
    for heads in (True, False):
        parts = build_parts(
            lite={"width": 0.25, "stages": 1}, regressor={**small, "heads": heads},
            regularizer={"output_size_px": 32, "channels": (16, 16, 8, 8, 8)}, image_size_px=32,
        )  # fmt: skip
        predictor = of_model(
            parts.build_inference_model(), name="m", image_size_px=32, depth_map_px=8,
            scale_bone="wrist_middle_mcp", half_width_scales=2.5, regularizer=None,
        )  # fmt: skip
        rows = marked_batch(rng)
        rows["image"] = rng.uniform(0, 255, (6, 32, 32, 3)).astype(np.float32)
        found = predict(predictor, [rows])
        if not heads:
            assert found.p_right is found.p_hand is None
            continue
        mirrored = predictor.run(np.ascontiguousarray(rows["image"][:, :, ::-1]))["p_right"]
        np.testing.assert_allclose(found.p_right_mirrored, mirrored, rtol=1e-5)
        assert not np.allclose(found.p_right, mirrored, atol=1e-6)
        assert found.p_hand.shape == (6,)


def test_samples_are_numbered_by_hands_alone(rng):
    rows = marked_batch(rng)
    predictor = Predictor("heads", Halves(rows).run, 16, "wrist_middle_mcp")
    batches = [{k: v[:3] for k, v in rows.items()}, {k: v[3:] for k, v in rows.items()}]
    shown = samples_shown(predictor, batches, {3: "chosen", 1: "chosen"})
    assert [one["number"] for one in shown] == [3, 1]
    for one, place in zip(shown, (5, 2), strict=True):
        np.testing.assert_array_equal(one["uv_true_px"], rows["uv_px"][place])
    assert spread(9, 3) == [0, 4, 8]
    assert spread(2, 5) == [0, 1]
    assert spread(0, 5) == []


# ---------------------------------------------------------------------------------------- groups


def test_a_view_is_told_from_the_labels():
    seen = set()
    for index in range(20):
        sample = render_sample("target", "test", seed=0, index=index, size_px=64)
        wrist, index_mcp, little = sample.xyz_mm[[0, 5, 17]]
        palm = np.dot(np.cross(little - wrist, index_mcp - wrist), wrist) > 0
        groups = groups_of(sample.image, sample.uv_px, True)
        mirrored = sample.uv_px * [-1, 1] + [63, 0]
        assert groups[1] == groups_of(sample.image, mirrored, False)[1]
        view = groups[1].removeprefix("view: ")
        seen.add(view)
        assert view in ("edge", "palm" if palm else "back")
    assert seen >= {"palm", "back"}


def test_the_worst_group_is_named_and_small_ones_are_not():
    found = squares(40)
    found.uv_px[:16, :, 0] += 10.0
    found.uv_px[38:, :, 0] += 50.0
    kinds = ["fist"] * 16 + ["open"] * 22 + ["few"] * 2
    groups = [{"all", kind} for kind in kinds]
    rows = by_group(found, groups)
    assert list(rows) == ["all", "few", "fist", "open"]
    assert [rows[name]["samples"] for name in rows] == [40, 2, 16, 22]
    assert worst_group(rows, "mean_error_px") == "fist"
    assert worst_group(rows, "handedness") is None
    assert worst_in_words(rows) == [
        "Worst group of at least 15 hands: fist, 19.7 px.",
        "Worst group of at least 15 hands: fist, 100.0% of the hands above 15 px.",
    ]


# -------------------------------------------------------------------------------- whole pictures


def test_detection_of_pictures_and_of_some_hands():
    truth = [[0, 0, 10, 10], [20, 20, 30, 30]]
    two = match_boxes(
        [[0, 0, 10, 10], [40, 40, 50, 50]],
        [0.9, 0.4],
        ["right", "left"],
        true_boxes=truth,
        true_handedness=["right", "left"],
    )
    none = [
        match_boxes([[0, 0, 5, 5]], [0.3], ["left"], true_boxes=[], true_handedness=[]),
        match_boxes([], [], [], true_boxes=[], true_handedness=[]),
    ]
    numbers = detection_summary([two, *none])
    assert numbers == {
        "pictures": 3, "hands": 2, "precision": pytest.approx(1 / 3), "recall": 0.5,
        "average_precision": 0.5, "handedness": 1.0, "empty_pictures": 2, "empty_seen": 0.5,
    }  # fmt: skip
    assert detection_summary([two, *none], 0.5)["precision"] == 1.0
    assert detection_summary([two, *none], 0.5)["empty_seen"] == 0.0
    first, second = two.of_hands([True, False]), two.of_hands([False, True])
    assert detection_summary([first])["recall"] == 1.0
    missed = detection_summary([second])
    assert missed["recall"] == 0.0
    assert "handedness" not in missed
    assert detection_summary(none) == {
        "pictures": 2, "hands": 0, "empty_pictures": 2, "empty_seen": 0.5,
    }  # fmt: skip


def test_boxes_in_the_mirror_image():
    """Centres of pixels are integers: column 0 of 100 becomes 99."""
    np.testing.assert_array_equal(mirrored_boxes([[0, 1, 10, 5]], 100), [[89, 1, 99, 5]])
    assert mirrored_boxes(np.zeros((0, 4)), 100).shape == (0, 4)


# --------------------------------------------------------------------------------------- imports


def test_numbers_need_no_tensorflow():
    modules = "predictions, errors, summary, groups, tables, samples, photographs"
    code = f"import sys; from kerashand.evaluation import {modules}; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_columns_of_a_run_stay():
    assert [key for _, key, _ in COLUMNS] == [
        "auc", "mean_error_mm", "median_error_mm", "mean_depth_error_mm", "mean_error_px", "pck_2d",
    ]  # fmt: skip
