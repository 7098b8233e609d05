"""Reports: values by hand, what is compared, what the page holds, and the command."""

import csv
import dataclasses
import html.parser
import json
import re
import sys

import numpy as np
import pytest

from kerashand.cli import eval as command
from kerashand.config import dump_yaml, load_config
from kerashand.errors import UserError
from kerashand.evaluation.predictions import Predictor
from kerashand.metrics import PROTOCOLS
from kerashand.reports import breakdown, findings, gallery, page, records, subjects
from kerashand.reports.assessment import (
    assess,
    chosen_samples,
    hidden_joints,
    palm_angle_deg,
)
from kerashand.skeleton import JOINT_NAMES
from kerashand.synthetic.scene import render_sample

SIZE, COUNT, SCALE_MM, HALF_WIDTH = 64, 12, 80.0, 2.5  # the last one of what models draw
CAMERA = np.array([[300.0, 0.0, 31.5], [0.0, 300.0, 31.5], [0.0, 0.0, 1.0]])


def batch(rng, *, count=COUNT, in_3d=True):
    """Hands of noise about 500 mm away, projected exactly; depth is measured at their joints."""
    xyz = rng.normal((0.0, 0.0, 500.0), 25.0, (count, 21, 3))
    projected = xyz @ CAMERA.T
    uv = projected[..., :2] / projected[..., 2:]
    return {
        "image": rng.uniform(0, 255, (count, SIZE, SIZE, 3)).astype(np.float32),
        "uv_px": uv.astype(np.float32),
        "uv_weight": np.ones((count, 21), np.float32),
        "z_relative": ((xyz[..., 2] - xyz[:, :1, 2]) / SCALE_MM).astype(np.float32),
        "z_weight": np.full(count, float(in_3d), np.float32),
        "xyz_mm": xyz.astype(np.float32) * in_3d,
        "intrinsics": np.tile(CAMERA, (count, 1, 1)).astype(np.float32),
        "root_depth_mm": xyz[:, 0, 2].astype(np.float32),
        "scale_mm": np.full(count, SCALE_MM, np.float32),
        "depth_map": np.zeros((count, 64, 64, 1), np.float32),
        "depth_weight": np.zeros((count, 64, 64, 1), np.float32),
        "own_depth_map": np.zeros((count, 32, 32, 1), np.float32),
        "own_depth_weight": np.zeros((count, 32, 32, 1), np.float32),
    }


def predictor_of(rows, name="model", *, off_px=0.0, off_scales=0.0, confidence=1.0, **options):
    """Gives the truth, moved; it finds the batch by its pictures."""

    def run(images):
        same = (rows["image"][None] == np.asarray(images)[:, None]).all(axis=(2, 3, 4))
        places = same.argmax(axis=1)
        return {
            "uv_px": rows["uv_px"][places] + np.float32([off_px, 0.0]),
            "z_relative": rows["z_relative"][places] + np.float32(off_scales),
            "confidence": np.full((len(images), 21), confidence),
        }

    return Predictor(name, run, SIZE, "wrist_middle_mcp", HALF_WIDTH, 32, **options)


def assessed(rows, **options):
    split = [{k: v[:5] for k, v in rows.items()}, {k: v[5:] for k, v in rows.items()}]
    predictor = predictor_of(rows, **options)
    return assess(predictor, split, data="hands of noise", protocol="cai2018", gallery=2)


@pytest.fixture
def rows(rng):
    return batch(rng)


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


def many(rng, count=45):
    """Enough hands for groups and offsets: the same one before other noise, all points labelled."""
    rows = batch(rng, count=count)
    flat = np.array([[0.0, 0.0], *rng.uniform(-30, 30, (20, 2))])
    flat[[5, 9, 17]] = (25.0, -60.0), (0.0, -70.0), (-25.0, -60.0)
    rows["xyz_mm"][:] = np.pad(flat, [(0, 0), (0, 1)], constant_values=500.0)
    projected = rows["xyz_mm"] @ CAMERA.T
    rows["uv_px"][:] = projected[..., :2] / projected[..., 2:]
    rows["z_relative"][:] = 0.0
    rows["root_depth_mm"][:] = 500.0
    return rows


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


def test_the_difference_of_two_models(rows):
    first, second = assessed(rows, off_px=2.0), assessed(rows, off_px=1.0, name="other")
    in_mm, _area, in_px = breakdown.compared(first, second)
    assert in_px.mean == pytest.approx(-4.0, rel=1e-3)
    assert in_px.low == pytest.approx(-4.0, rel=1e-3)
    assert in_px.better_share == 1.0
    gain = second.arrays["error_mm"].mean(axis=1) - first.arrays["error_mm"].mean(axis=1)
    assert in_mm.mean == pytest.approx(gain.mean())
    assert gain.min() <= in_mm.low < in_mm.mean < in_mm.high <= gain.max()
    assert breakdown.compared(first, second) == breakdown.compared(first, second)
    assert in_px.text(["a", "b"]) == (
        "2D error of b minus that of a: -4 px of 256 (95 % interval -4 to -4); "
        "b is better on 100 % of the hands"
    )


def test_only_the_same_samples_are_compared(rows, rng):
    first = assessed(rows)
    with pytest.raises(UserError, match="on hands of noise by cai2018, model on others by cai2018"):
        breakdown.compared(first, dataclasses.replace(first, data="others"))
    with pytest.raises(UserError, match="the hands differ in size"):
        breakdown.compared(first, assessed(batch(rng)))


def test_conditions_name_the_bone_of_each_model(rows):
    first = assessed(rows)
    other = dataclasses.replace(first, scale_bone="middle_mcp_pip")
    alike, apart = (page.conditions([first, second], ["a", "b"]) for second in (first, other))
    assert alike.endswith("no Procrustes. Scale bone: wrist_middle_mcp.")
    assert apart.endswith("Scale bone: wrist_middle_mcp (a), middle_mcp_pip (b).")
    assert "scale given;" in alike
    aligned = dataclasses.replace(first, protocol="freihand-pa")
    assert "Scale bone" not in page.conditions([aligned], ["a"])


def test_records_come_back(rows, tmp_path):
    result = assessed(rows, off_px=1.5, off_scales=0.1)
    path = tmp_path / "a.json"
    path.write_text(records.as_json(result, {"numpy": "2"}))
    again = records.from_json(path)
    assert (again.name, again.data, len(again)) == ("model", "hands of noise", COUNT)
    for name in records.PER_JOINT + records.PER_SAMPLE:
        np.testing.assert_allclose(again.arrays[name], result.arrays[name], rtol=1e-4)
    assert again.groups == result.groups
    table = list(csv.DictReader(records.as_csv(result).splitlines()))
    assert len(table) == COUNT
    assert set(table[0]) >= {"error_mm", "yaw_deg", *(f"{joint}_mm" for joint in JOINT_NAMES)}
    assert float(table[3]["error_px256"]) == pytest.approx(6.0, rel=1e-3)
    assert table[0]["joints_hidden"] == ""  # nothing was measured


def test_groups_and_offsets_come_back(rng, tmp_path):
    result = assessed(many(rng), off_px=3.0)
    path = tmp_path / "a.json"
    path.write_text(records.as_json(result, {}))
    again = records.from_json(path)
    assert again.numbers == result.numbers
    assert again.groups == result.groups
    # A report of an earlier version has neither.
    held = json.loads(path.read_text())
    del held["groups"], held["numbers"]["joint_offsets"]
    path.write_text(json.dumps(held))
    assert records.from_json(path).groups == {}
    for wrong in (
        {"groups": []}, {"groups": {"a": 1}}, {"groups": {"a": {}}},
        {"numbers": {"samples": 3, "joint_offsets": [[0.0] * 3] * 20}},
        {"numbers": {"samples": 3, "joint_offsets": [["0"] * 3] * 21}},
        {"numbers": {"samples": 3, "joint_offsets": 1.0}},
    ):  # fmt: skip
        path.write_text(json.dumps({**held, **wrong}))
        with pytest.raises(UserError, match="is no report"):
            records.from_json(path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "nothing", '{"format": "kerashand-eval 99"}', '{"format": "kerashand-eval 3"}',
     "[" * 5000],
)  # fmt: skip
def test_damaged_records(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a\.json is (no report|of another version)"):
        records.from_json(tmp_path / "a.json")


class Page(html.parser.HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.hands = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.sources += [attrs[name] for name in ("src", "href") if name in attrs]
        if "data-hands" in attrs:
            self.hands.append(json.loads(attrs["data-hands"]))


def test_the_page_needs_no_other_file(rows):
    rows["own_depth_weight"][:] = 1.0
    drawn = {"generate_depth": lambda uv, z: np.full((len(uv), 32, 32, 1), 0.5)}
    first = assessed(rows, name="<b>one", **drawn)
    second = assessed(rows, name="<b>one", off_px=1.0)
    text = page.report(
        [first, second], made="Made with numpy 2.1.", command="kerashand-eval <x>",
        differences=breakdown.compared(first, second), published=True,
    )  # fmt: skip
    parsed = Page(text)
    assert parsed.sources
    assert all(source.startswith("data:image/") for source in parsed.sources)
    assert "<b>" not in text
    assert "&lt;b&gt;one (2)" in text
    assert "kerashand-eval &lt;x&gt;" in text
    assert len(parsed.hands) == 2 * 6  # two each of best, median and worst
    assert all(len(hands["hand"]) == len(hands["truth"]) == 21 for hands in parsed.hands)
    assert "@" not in text.split("<script>")[1]
    assert text.count('alt="generated depth"') == 6
    assert "<p class=small>Made with numpy 2.1.</p>" in text
    # Verdict, machine and the data stand before the first table.
    top = text[text.index("<body>") : text.index("<table>")]
    assert re.search("<h1>.*<p class=verdict>.*On hands of noise.*Made with numpy", top, re.S)
    named = page.report([first], made="", command="", names=["A & B"])
    assert "<h1>A &amp; B</h1>" in named
    assert "<td>A &amp; B</td><td>&lt;b&gt;one</td>" in named


def test_pictures_of_a_sample_say_what_they_show(rows):
    """The window is 400 mm wide; 2 px of 64 are 8 of 256."""
    rows["own_depth_weight"][:] = 1.0
    drawn = {"generate_depth": lambda uv, z: np.full((len(uv), 32, 32, 1), 0.5)}
    result = assessed(rows, off_px=2.0, **drawn)
    text = page.report([result], made="", command="c", origin=", the data of a run")
    assert "<p>On hands of noise, the data of a run.</p>" in text
    captions = [
        re.sub("<[^>]+>", "|", c) for c in re.findall("<figcaption>(.*?)</figcaption>", text)
    ]
    assert [re.sub(r"\|+", "|", caption).strip("|") for caption in captions[:6]] == [
        "picture", "predicted: colours; true: grey", "in 3D, floor of 50 mm squares: drag to turn",
        "measured depth from the wrist; grey: none|-200 mm|0|+200 mm",
        "generated depth from the wrist|-200 mm|0|+200 mm",
        "difference|0 mm|40 mm and more",
    ]  # fmt: skip
    worst = result.shown[0]["number"]
    line = gallery.sample_line(result, worst)
    assert line.startswith(f"sample {worst}: {result.arrays['error_mm'][worst].mean():.1f} mm off")
    assert ", 8.0 px of 256 off in 2D, palm turned " in line
    assert gallery.sample_line(assessed(batch(np.random.default_rng(0), in_3d=False)), 3) == (
        "sample 3: 0.0 px of 256 off in 2D"
    )


def test_a_run_and_what_stands_beside_it_are_measured_on_its_data(tmp_path):
    config = load_config("weak", ["data.target={test: 7, style: varied}", "data.cache_dir=kept"])
    (tmp_path / "config.yaml").write_text(dump_yaml(config))
    run = str(tmp_path)
    for models in ([run], ["lite", run], [run, "runs/other"]):
        arguments = command.build_parser().parse_args(models)
        data, domain, origin = command._data(arguments, [m for m in models if m != "lite"], 1000)
        assert (data, domain, origin) == (config.data, "target", f", the data of {run}")
        assert subjects.in_words(data, domain, 1000) == (
            "7 rendered hands (style varied, test split)"
        )
    data, domain, origin = command._data(command.build_parser().parse_args(["lite"]), [], 50)
    assert subjects.in_words(data, domain, 50, split="val") == (
        "50 rendered hands (style target, val split)"
    )
    assert origin == ""
    assert subjects.in_words(data, domain, 50) == "50 rendered hands (style target, test split)"


@pytest.mark.slow
def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "cache"))
    arguments = ["--data", "varied", "--samples", "9", "--gallery", "1"]
    assert command.main(["lite", *arguments, "--json", "a.json", "--csv", "a.csv"]) == 0
    assert "On 9 rendered hands (style varied, test split)." in capsys.readouterr().out
    assert len(Page((tmp_path / "report.html").read_text()).hands) == 3
    assert command.main(["a.json", "lite", *arguments, "--out", "b.html"]) == 0
    printed = capsys.readouterr().out
    assert "3D error of packaged model (2) minus that of packaged model (1): " in printed
    # The count of an earlier report is taken; another one is refused before anything is rendered.
    assert command.main(["a.json", "lite", *arguments[:2], "--gallery", "0"]) == 0
    assert "On 9 rendered hands" in capsys.readouterr().out
    assert command.main(["a.json", "lite", *arguments[:2], "--samples", "5"]) == 2
    error = capsys.readouterr().err
    assert "a.json on 9 rendered hands (style varied, test split) by cai2018" in error
    assert "lite on 5 rendered hands" in error
    assert not list(tmp_path.glob("*.part*"))


def test_all_models_are_opened_before_one_is_assessed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subjects, "labelled_batches", None)
    assert command.main(["lite", "none.tflite"]) == 2
    assert "none.tflite does not exist" in capsys.readouterr().err
    (tmp_path / "hand.onnx").touch()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert command.main(["lite", "hand.onnx"]) == 2
    assert "hand.onnx needs ONNX Runtime, which the base install" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["lite", "--data", "rhd"],
            "--data is one of source, target, varied, depth, or KIND=FOLDER",
        ),
        (["lite", "--data", "rhd=none"], "the folder none does not exist"),
        (["lite", "--data", "rhd="], "--data is one of"),
        (["lite", "--samples", "0"], "--samples must be at least 1. Received: 0"),
        (["lite", "--names", "a", "b"], "a name of its own. Received: 2 names, 1 models"),
        (["lite", "x", "--names", "a", "a"], "a name of its own. Received: 2 names, 2 models"),
        (["lite", "lite", "--json", "a.json"], "--json and --csv are for one model"),
        (["lite", "--out", "a", "--csv", "a"], "name one file"),
        (["lite", "--csv", "a.rrd", "--rerun", "a.rrd"], "name one file: "),
        (["lite", "--out", "none/a.html"], "cannot be written"),
        (["none.tflite"], "none.tflite does not exist"),
        (["none.json"], "is no report"),
        (["none"], "none does not exist"),
        (["a.json", "--json", "a.json"], "a.json is read and written"),
        (["a.json", "--out", "./a.json"], "a.json is read and written"),
        (["lite", "--out", "b.html", "--csv", "./b.html"], "name one file"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
