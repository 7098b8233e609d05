"""The assessment of a report: errors by hand, hidden joints, galleries, and kinds of hands."""

import dataclasses

import numpy as np
import pytest
from report_rows import COUNT, assessed, batch, many, predictor_of

from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.evaluation.predictions import Predictor
from kerashand.metrics import PROTOCOLS
from kerashand.reports import breakdown, findings, page, subjects
from kerashand.reports.assessment import assess, chosen_samples, hidden_joints, palm_angle_deg
from kerashand.skeleton import JOINT_NAMES
from kerashand.synthetic.scene import render_sample

rows = pytest.fixture(batch)


def test_the_truth_has_no_error(rows):
    result = assessed(rows)
    assert result.numbers["auc"] == 1.0
    assert result.numbers["mean_error_mm"] < 1e-3
    assert result.numbers["mean_error_px"] < 1e-4
    assert result.numbers["pck_2d"] == 1.0
    np.testing.assert_allclose(result.arrays["auc"], 1.0)


def test_errors_by_hand(rows):
    """2 px of 64 are 8 of 256; half a scale of 80 mm is 40 mm of depth, along the ray."""
    result = assessed(rows, off_px=2.0)
    np.testing.assert_allclose(result.arrays["error_px"], 8.0, rtol=1e-4)
    sideways = 2.0 / 300.0 * rows["xyz_mm"][..., 2]
    np.testing.assert_allclose(result.arrays["error_mm"], sideways, rtol=1e-3)
    deeper = assessed(rows, off_scales=0.5)
    np.testing.assert_allclose(deeper.arrays["depth_error_mm"], 40.0, rtol=1e-4)
    assert (deeper.arrays["error_mm"] > 40.0 - 1e-3).all()
    # All joints at e mm: the curve is 0 up to e and 1 from there on.
    error = deeper.arrays["error_mm"]
    thresholds = np.array(PROTOCOLS["cai2018"].thresholds_mm)
    shares = (error[..., None] <= thresholds).mean(axis=1)
    expected = np.trapezoid(shares, thresholds, axis=1) / np.ptp(thresholds)
    np.testing.assert_allclose(deeper.arrays["auc"], expected, atol=1e-9)
    assert deeper.arrays["auc"].mean() == pytest.approx(deeper.numbers["auc"], abs=1e-6)


def test_depth_maps_by_hand(rows):
    """Drawn 0.25 of 400 mm everywhere; measured 0 on the left half, and nothing of sample 0."""
    rows["own_depth_weight"][1:, :, :16] = 1.0
    drawn = {
        "generate_depth": lambda uv_px, z_relative: np.full(
            (len(uv_px), 32, 32, 1), 0.25, np.float32
        )
    }
    result = assessed(rows, **drawn)
    assert np.isnan(result.arrays["depth_map_mm"][0])
    np.testing.assert_allclose(result.arrays["depth_map_mm"][1:], 100.0)
    assert result.numbers["depth_map_mm"] == pytest.approx(100.0)
    table = page.table([result], ["model"])
    assert (table[0][-1], table[1][-1]) == ("depth map mm", "100.0")
    assert "depth_map_mm" not in assessed(rows).numbers


def test_samples_to_show_can_be_named(rows):
    predictor = predictor_of(rows)
    result = assess(predictor, [rows], data="", protocol="cai2018", shown=[7, 2, 99])
    assert [(s["number"], s["group"]) for s in result.shown] == [(7, "chosen"), (2, "chosen")]
    np.testing.assert_array_equal(result.shown[1]["uv_true_px"], rows["uv_px"][2])


def test_convention_palm_angle():
    """A right hand, fingers up, whose palm is seen: index right of little in the picture."""
    hand = np.zeros((21, 3))
    hand[:, 2] = 500.0
    hand[5, :2], hand[17, :2] = (30.0, -80.0), (-30.0, -80.0)
    back = hand * [-1.0, 1.0, 1.0]
    edge = hand.copy()
    edge[5], edge[17] = (0.0, -80.0, 470.0), (0.0, -80.0, 530.0)
    np.testing.assert_allclose(palm_angle_deg(np.stack([hand, back, edge])), (0.0, 180.0, 90.0),
                               atol=1e-5)  # fmt: skip


def test_rendered_palms_lie_on_their_side():
    """The convention on real renders: where the palm is seen, the angle is below 90 degrees."""
    angles = []
    for number in range(12):
        sample = render_sample("target", "test", seed=0, index=number, size_px=32)
        xyz, uv = sample.xyz_mm, sample.uv_px
        # Seen from the palm, a right hand's index lies clockwise of its little finger.
        a, b = uv[5] - uv[0], uv[17] - uv[0]
        angles.append((a[0] * b[1] - a[1] * b[0] < 0, palm_angle_deg(xyz[None])[0]))
    sure = [(seen, angle) for seen, angle in angles if abs(angle - 90.0) > 20.0]
    assert len(sure) > 4
    assert all(seen == (angle < 90.0) for seen, angle in sure)


def test_joints_behind_what_was_measured_are_hidden(rows):
    """The window is 2 x 5 x 80 = 800 mm wide: 25 mm are 0.03125 of it."""
    rows = {name: value[:1].copy() for name, value in rows.items()}
    rows["z_relative"][:] = 0.0
    rows["uv_px"][:] = 31.5
    rows["depth_weight"][:] = 1.0
    for ahead, hidden in ((0.025, 0.0), (0.035, 1.0), (-0.1, 0.0)):
        rows["depth_map"][:] = 0.5 + ahead
        np.testing.assert_array_equal(hidden_joints(rows), hidden)
    rows["depth_weight"][:] = 0.0
    assert np.isnan(hidden_joints(rows)).all()


def test_models_are_judged_alike_whatever_they_draw(tmp_path):
    """A file has no depth window, a run has one; to both the same joints are hidden."""
    overrides = ["data.target={style: varied, test: 6}", f"data.cache_dir={tmp_path}"]
    data = load_config("weak", [*overrides, "data.image_size_px=64"], trains=False).data
    zeros = {"z_relative": (21,), "confidence": (21,), "uv_px": (21, 2)}

    def run(images):
        return {name: np.zeros((len(images), *shape)) for name, shape in zeros.items()}

    def generate_depth(uv_px, z_relative):
        return np.full((len(uv_px), 32, 32, 1), 0.5)

    narrow = {"half_width_scales": 0.5, "depth_map_px": 32, "generate_depth": generate_depth}
    results = []
    for options in ({}, narrow):
        predictor = Predictor("model", run, 64, "wrist_middle_mcp", **options)
        batches, words = subjects.labelled_batches(data, "target", predictor, samples=6)
        results.append(assess(predictor, batches, data=words, protocol="cai2018", gallery=1))
    hidden, also = (result.arrays["occluded"] for result in results)
    assert 0.05 < np.nanmean(hidden) < 0.95
    np.testing.assert_array_equal(hidden, also)
    # Its own maps are in its own window, in the middle of which it draws.
    shown = results[1].shown[0]
    assert shown["window_mm"] == pytest.approx(shown["scale_mm"])
    assert shown["measured"].shape == (32, 32)
    assert 0 < results[1].numbers["depth_map_mm"] < 0.5 * 120


def test_best_median_and_worst():
    arrays = {"error_mm": np.arange(9.0)[::-1, None].repeat(21, 1)}
    assert chosen_samples(arrays, 2) == {
        0: "worst", 1: "worst", 5: "median", 4: "median", 8: "best", 7: "best",
    }  # fmt: skip
    assert len(chosen_samples({"error_mm": np.zeros((2, 21))}, 4)) <= 2


def test_a_gallery_shows_the_worst_first(rows):
    result = assessed(rows, off_px=1.0)
    order = list(chosen_samples(result.arrays, 2))
    assert [shown["number"] for shown in result.shown] == order
    errors = result.arrays["error_mm"].mean(axis=1)
    assert order[0] == errors.argmax()
    assert order[-2] == errors.argmin()


def test_photographs_have_no_millimetres(rng):
    result = assessed(batch(rng, in_3d=False), off_px=1.0)
    assert "auc" not in result.numbers
    assert np.isnan(result.arrays["error_mm"]).all()
    assert breakdown.unit_of(result) == "px of 256"
    np.testing.assert_allclose(breakdown.joint_means(result), 4.0, rtol=1e-3)
    assert 'alt="3D PCK"' not in page.report([result], made="", command="c")


def test_confidence_that_is_right_is_calibrated(rows):
    result = assessed(rows, confidence=0.7)
    hit = np.zeros((COUNT, 21))
    hit[:, :15] = 1000.0  # 15 of 21 joints miss
    arrays = {**result.arrays, "error_px": hit, "confidence": np.full((COUNT, 21), 6 / 21)}
    found = breakdown.calibration(dataclasses.replace(result, arrays=arrays), bins=1)
    assert found.stated == pytest.approx([6 / 21])
    assert found.true == pytest.approx([6 / 21])
    assert found.error == pytest.approx(0.0)


def test_offsets_of_joints_in_the_report(rng):
    """3 px of 64 to the right are 5 mm, 7.1 % of 70 mm, to the thumb's side of this palm."""
    rows = many(rng)
    result = assessed(rows, off_px=3.0)
    numbers = result.numbers
    assert numbers["mean_error_mm"] == pytest.approx(5.0, abs=1e-3)
    assert numbers["mean_without_offsets_mm"] == pytest.approx(0.0, abs=1e-3)
    assert findings.offset_rows(result)[1] == ["wrist", "+7.1", "+0.0", "+0.0", "7.1"]
    assert [row[0] for row in findings.offset_rows(result)[1:]] == list(JOINT_NAMES)
    (sentence,) = [text for text in findings.sentences([result], ["m"]) if "offset" in text]
    assert sentence == (
        "m: Without the mean offset of each joint, fitted on the other half of the hands: 0.0 mm "
        "instead of 5.0, AUC 1.000 instead of 1.000."
    )
    text = page.report([result], made="", command="c")
    assert "<h3>model: mean offsets of joints</h3>" in text
    assert "<td>wrist</td><td>+7.1</td>" in text
    assert not findings.offset_rows(assessed(batch(rng)))


def test_kinds_of_hands_in_the_report(rng):
    result = assessed(many(rng), off_px=3.0)
    assert "view: palm" in result.groups
    assert not any(name.startswith("handedness") for name in result.groups)
    assert sum(row["samples"] for name, row in result.groups.items() if "view" in name) == 45
    assert "m: Worst group of at least 15 hands: " in findings.sentences([result], ["m"])[0]
    text = page.report([result], made="", command="c")
    assert "<td>view: palm</td><td>45</td>" in text
    # Points that are not labelled tell no kind.
    rows = many(rng)
    rows["uv_weight"][:, 8] = 0.0
    assert assessed(rows).groups == {}


def test_squares_without_a_hand_are_no_samples(rng):
    rows = batch(rng)
    rows["is_hand"] = np.ones(COUNT, np.float32)
    rows["is_hand"][[0, 7]] = 0.0
    rows["uv_weight"][[0, 7]] = 0.0
    result = assessed(rows, off_px=1.0)
    assert len(result) == result.numbers["samples"] == COUNT - 2
    assert result.numbers["empty_squares"] == 2
    np.testing.assert_allclose(result.arrays["error_px"], 4.0, rtol=1e-3)
    worst = result.shown[0]
    errors = result.arrays["error_mm"].mean(axis=1)
    assert worst["number"] == errors.argmax()
    kept = np.delete(rows["uv_px"], [0, 7], axis=0)
    np.testing.assert_array_equal(worst["uv_true_px"], kept[worst["number"]])
    rows["is_hand"][:] = 0.0
    with pytest.raises(UserError, match="no hand to measure among hands of noise"):
        assessed(rows)


def test_more_columns_stand_where_a_model_tells_more(rows):
    result = assessed(rows)
    told = dataclasses.replace(result, numbers={**result.numbers, "handedness_worst": 0.75})
    titles, *lines = page.table([result, told], ["a", "b"])
    assert titles[2:8] == ["AUC", "mean mm", "median mm", "depth mm", "2D px of 256",
                           "PCK 2D, 0.1 box"]  # fmt: skip
    assert [line[titles.index("handedness, worst")] for line in lines] == ["-", "0.750"]
    assert lines[0][titles.index("hands > 15 px")] == "0.0%"
