"""Published figures are those of docs/figures/*.json, and sizes those of the files."""

import json
import re
from types import SimpleNamespace

import pytest
from test_docs import PAGES, ROOT

from kerashand.errors import UserError

WEIGHTS = sorted(
    path for path in (ROOT / "kerashand" / "weights").iterdir() if path.suffix != ".md"
)


@pytest.fixture
def tool(load_script, monkeypatch):
    """tools/write_figures.py and what it imports from beside it."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return load_script("tools/write_figures.py")


@pytest.fixture
def forms(tool):
    """tools/figure_forms.py, as the tool has it."""
    import figure_forms

    read = figure_forms.figures
    figure_forms.figures.cache_clear()
    yield figure_forms
    read.cache_clear()


def named_sizes(text):
    """(name, MB) of files of kerashand/weights whose size a line says."""
    names = "|".join(re.escape(path.name) for path in WEIGHTS)
    return re.findall(rf"({names})[^\n]*?(\d+(?:\.\d+)?) MB", text)


def test_pages_show_the_figures_of_the_json_files(tool):
    for page in tool.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert "<!-- figures:" in text, page
        assert tool.filled(text, page) == text, f"{page}: run python tools/write_figures.py"


def test_blocks_stand_in_pages_that_the_tool_writes(tool):
    for path in PAGES:
        held = "<!-- figures:" in path.read_text(encoding="utf-8")
        assert held == (path.relative_to(ROOT).as_posix() in tool.PAGES), path


def test_another_figure_changes_the_pages(tool, forms, tmp_path, monkeypatch):
    for file in forms.FIGURES.glob("*.json"):
        (tmp_path / file.name).write_text(file.read_text())
    held = json.loads((tmp_path / "evaluation.json").read_text())
    held["results"]["photographs"]["all"]["mean_px"] = 6.61
    (tmp_path / "evaluation.json").write_text(json.dumps(held))
    monkeypatch.setattr(forms, "FIGURES", tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "photographs: 6.6 px" in tool.filled(text, "README.md")
    assert "photographs: 6.6 px" not in text


def test_every_file_of_figures_is_shown_and_says_its_command(tool, forms, monkeypatch):
    import figure_blocks

    shown = set()
    read = forms.figures
    for module in (forms, figure_blocks):
        monkeypatch.setattr(module, "figures", lambda name: shown.add(name) or read(name))
    for page in tool.PAGES:
        tool.filled((ROOT / page).read_text(encoding="utf-8"), page)
    files = sorted(forms.FIGURES.glob("*.json"))
    assert sorted(shown) == [file.stem for file in files]
    for file in files:
        held = json.loads(file.read_text(encoding="utf-8"))
        assert {"command", "model", "results"} <= held.keys() <= {
            "command", "machine", "model", "note", "results",
        }, file  # fmt: skip


def test_unknown_blocks_are_refused(tool):
    with pytest.raises(
        UserError, match=r"page\.md has a block figures:speeed, which nothing writes"
    ):
        tool.filled("<!-- figures:speeed -->\n<!-- end -->\n", "page.md")


def test_cells_are_written_as_their_columns_say(forms):
    columns = {"file": "name code", "hands": "n 0", "share": "s %1", "px": "a/b 2g"}
    rows = [{"name": "x", "n": 12345, "s": 0.0694, "a": {"b": 0.0000234}}, {"name": "y"}]
    assert forms.table(columns, rows).splitlines() == [
        "| file | hands | share | px |",
        "| --- | --- | --- | --- |",
        "| `x` | 12,345 | 6.9 % | 0.000023 |",
        "| `y` |  |  |  |",
    ]


def test_new_results_are_taken_from_a_command(tool, tmp_path):
    results = tmp_path / "results.json"
    results.write_text('{"threshold": 0.6}')
    held = json.loads(tool.taken("detector", [results], {"model": "another"}))
    before = json.loads((tool.FIGURES / "detector.json").read_text())
    assert held == {**before, "model": "another", "results": {"threshold": 0.6}}


def test_runs_become_mean_and_deviation(tool):
    keys = ("auc", "mean_error_mm", "mean_depth_error_mm", "mean_error_px")
    domains = [
        (dict.fromkeys(keys, v) | {"samples": 7}, dict.fromkeys(keys, 2 * v)) for v in (1, 3)
    ]
    runs = [{"target": target, "source": source} for target, source in domains]
    taken = tool.of_runs({"weak": runs, "full": runs[:1]})
    assert (taken["hands"], taken["seeds"]) == (7, 2)
    assert taken["settings"]["weak"]["auc"] == {"mean": 2.0, "deviation": pytest.approx(2**0.5)}
    assert taken["settings"]["weak"]["source"]["auc"]["mean"] == 4.0
    assert taken["settings"]["full"]["auc"] == {"mean": 1.0}


def test_how_far_weak_supervision_goes(tool, monkeypatch):
    import figure_paper

    means = {"labels_2d": 0.5, "depth_maps": 0.65, "weak": 0.68, "full": 0.7}
    rows = {name: {"auc": {"mean": mean}} for name, mean in means.items()}
    monkeypatch.setattr(figure_paper, "results", lambda name: {"settings": rows})
    assert figure_paper.gap().endswith("the paper's setting goes 75 %, and `weak.yaml` 90 %.")


def test_what_the_regularizer_adds(tool, monkeypatch):
    import figure_paper

    def row(auc, depth):
        return {"auc": {"mean": auc}, "mean_depth_error_mm": {"mean": depth}}

    rows = {
        "full": row(0.75, 17.0) | {"source": row(0.5, 20.0)},
        "full_no_regularizer": row(0.5, 18.0) | {"source": row(0.625, 19.0)},
    }
    monkeypatch.setattr(figure_paper, "results", lambda name: {"settings": rows})
    *paper, source, target = figure_paper.regularizer()
    assert [stated["gain"] for stated in paper] == [0.031, 0.001]
    assert (source["title"], source["gain"], source["depth_with"]) == ("source", -0.125, 20.0)
    assert (target["title"], target["gain"], target["depth_without"]) == ("target", 0.25, 18.0)


def test_parity_reports_become_rows(tool):
    report = {
        "format": "tflite", "precision": "fp16", "bytes": 4_345_584,
        "difference": {"serving_default": {"uv_px": {"max": 0.2, "mean": 0.1}},
                       "xyz_mm": {"uv_px": {"max": 0.3, "mean": 0.2}}},
        "before": {"auc": 0.9, "mean_error_mm": 15.0}, "after": {"auc": 0.8, "mean_error_mm": 16.0},
    }  # fmt: skip
    assert tool.of_parity_reports([report]) == {
        "model": {"auc": 0.9, "mean_error_mm": 15.0},
        "files": [
            {"format": "tflite", "precision": "fp16", "mb": 4.345584, "largest_px": 0.3,
             "mean_px": 0.1, "auc": 0.8, "mean_error_mm": 16.0}
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("nothing", 1, "there is no nothing.json. Known are: ablation,"),
        ("detector", 0, "needs one file of results. Received: 0"),
        ("detector", 2, "needs one file of results. Received: 2"),
        ("detector", 1, "the results cannot be read"),
    ],
)
def test_wrong_results_are_refused(tool, tmp_path, name, count, message):
    with pytest.raises(UserError, match=re.escape(message)):
        tool.taken(name, [tmp_path / f"{n}.json" for n in range(count)], {})


def test_sizes_are_those_of_the_files():
    assert named_sizes("`hand_pose.tflite` (about 9.9 MB; it\nlite_source.npz\n3 MB") == [
        ("hand_pose.tflite", "9.9")
    ]
    sizes = {path.name: path.stat().st_size for path in WEIGHTS}
    for path in PAGES:
        for name, said in named_sizes(path.read_text(encoding="utf-8")):
            digits = len(said.partition(".")[2])
            assert said == f"{sizes[name] / 1e6:.{digits}f}", (path, name)


def test_the_tool_writes_pages_and_figures(tool, forms, tmp_path, monkeypatch):
    page = "README.md"
    (tmp_path / page).write_text("a\n<!-- figures:detector -->\nold\n<!-- end -->\nb\n")
    figures = tmp_path / "figures"
    figures.mkdir()
    held = json.loads((forms.FIGURES / "detector.json").read_text())
    (figures / "detector.json").write_text(json.dumps(held))
    held["results"]["photographs"]["recall"] = 0.5
    (tmp_path / "results.json").write_text(json.dumps(held["results"]))
    for module in (tool, forms):
        monkeypatch.setattr(module, "FIGURES", figures)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "PAGES", (page,))
    new = SimpleNamespace(
        take=["detector", tmp_path / "results.json"], command=None, machine="a machine", model=None
    )
    tool.write(new)
    text = (tmp_path / page).read_text()
    assert text.startswith("a\n<!-- figures:detector -->\n| pictures | precision |")
    assert "| photographs | 0.986 | 0.500 | 0.907 |" in text
    assert text.endswith("<!-- end -->\nb\n")
    assert json.loads((figures / "detector.json").read_text())["machine"] == "a machine"
