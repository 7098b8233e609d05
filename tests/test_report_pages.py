"""Reports of two models: what is compared, records that come back, the page, and the command."""

import csv
import dataclasses
import html.parser
import json
import re
import sys

import numpy as np
import pytest
from report_rows import COUNT, assessed, batch, many

from kerashand.cli import eval as command
from kerashand.config import dump_yaml, load_config
from kerashand.errors import UserError
from kerashand.reports import breakdown, gallery, page, records, subjects
from kerashand.skeleton import JOINT_NAMES

rows = pytest.fixture(batch)


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
        {"numbers": {name: v for name, v in held["numbers"].items() if name != "mean_error_px"}},
        {"numbers": {name: v for name, v in held["numbers"].items() if name != "mean_error_mm"}},
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
        (["lite", "--backgrounds", "none"], "--backgrounds: the folder none does not exist"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--csv", "--json", "--out"])
def test_no_file_of_the_data_is_replaced(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    held = tmp_path / "data" / "labels.npz"
    held.write_bytes(b"points")
    arguments = ["lite", "--data", "photos=data", option, str(held)]
    assert command.main(arguments) == 2
    assert f"{held} exists in the folder of the data" in capsys.readouterr().err
    assert held.read_bytes() == b"points"


def test_backgrounds_that_no_hand_is_shown_before(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(dump_yaml(load_config("weak.yaml")))
    (tmp_path / "data" / "wall.png").touch()
    named = ["--backgrounds", "data"]
    assert command.main(["lite", "--data", "photos=data", *named]) == 2
    assert "--backgrounds is for rendered hands, and not for photos=data." in (
        capsys.readouterr().err
    )
    assert command.main(["run", *named, "--data", "target"]) == 2
    assert "--backgrounds: the hands are those of the data of run." in capsys.readouterr().err


def test_other_pictures_are_not_compared(rows):
    first = assessed(rows)
    rows["image"] = np.clip(rows["image"] * 0.8, 0, 255)
    with pytest.raises(UserError, match="the pictures differ in brightness, as with other backg"):
        breakdown.check_same(first, assessed(rows))


@pytest.mark.parametrize(
    ("name", "factor", "message"),
    [
        ("error_mm", 1e-3, "its mean_error_mm is .*, that of its samples 0.0"),
        ("error_mm", -1.0, "an error is negative"),
        ("error_px", -1.0, "an error is negative"),
    ],
)
def test_errors_that_are_not_those_of_the_summary(rows, tmp_path, name, factor, message):
    path = tmp_path / "a.json"
    held = json.loads(records.as_json(assessed(rows, off_px=1.5, off_scales=0.1), {}))
    held["samples"][name] = [
        [None if value is None else factor * value for value in row]
        for row in held["samples"][name]
    ]
    path.write_text(json.dumps(held))
    with pytest.raises(UserError, match=message):
        records.from_json(path)


@pytest.mark.parametrize(
    "option",
    [
        ["--protocol", "hand3d"], ["--data", "source"], ["--split", "val"], ["--samples", "3"],
        ["--json", "b.json"],
    ],
)  # fmt: skip
def test_options_that_a_report_cannot_follow(rows, tmp_path, monkeypatch, capsys, option):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(records.as_json(assessed(rows, off_px=1.5), {}))
    assert command.main(["a.json", *option]) == 2
    assert f"{option[0]}: nothing is measured, a.json holds what was" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
