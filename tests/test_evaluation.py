"""The evaluation of a model's batches, groups of hands, detection, and the columns of tables."""

import subprocess
import sys

import numpy as np
import pytest
from evaluated_hands import hands, squares

from kerashand.evaluation.groups import by_group, groups_of, worst_group, worst_in_words
from kerashand.evaluation.photographs import mirrored_boxes
from kerashand.evaluation.predictions import Predictor, predict
from kerashand.evaluation.samples import samples_shown, spread
from kerashand.evaluation.summary import detection_summary, summary
from kerashand.evaluation.tables import COLUMNS, held_columns
from kerashand.metrics_detection import match_boxes
from kerashand.synthetic.scene import render_sample

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
