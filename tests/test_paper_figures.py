"""The paper's figures and the table of an ablation, from runs of a few pictures."""

import json
import shutil

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(load_script):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("tools")
        return load_script("tools/paper_figures.py")


@pytest.fixture(scope="module")
def ablation(load_script):
    return load_script("tools/ablation.py")


@pytest.fixture(scope="module")
def runs(shared_run, tmp_path_factory):
    """All settings and two seeds, each the same run but for its AUC."""
    folder = tmp_path_factory.mktemp("ablation")
    settings = ("source_only", "labels_2d", "weak", "full", "full_no_regularizer")
    for seed in (0, 1):
        for number, setting in enumerate(settings):
            path = folder / f"seed{seed}" / setting
            shutil.copytree(shared_run.folder, path)
            results = json.loads((path / "results.json").read_text())
            results["test"]["target"]["auc"] = 0.5 + 0.1 * number + 0.02 * seed
            (path / "results.json").write_text(json.dumps(results))
    return folder


@pytest.mark.parametrize("figure", [5, 6, 7, 8, 9, 10])
def test_each_figure_is_drawn(script, runs, tmp_path, figure):
    out = tmp_path / "figure.png"
    samples = ["--samples", "0", "5"] if figure >= 8 else []
    arguments = [str(figure), "--runs", str(runs), "--out", str(out), *samples]
    assert script.main(arguments) == 0
    picture = cv2.imread(str(out))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 10


def test_figure_5_shows_the_regularizer_alone_where_it_ran(script, runs, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(script, "save_figure", lambda figure, path: figures.append(figure))
    both = tmp_path / "runs"
    shutil.copytree(runs, both)
    for seed in (0, 1):
        shutil.copytree(both / f"seed{seed}" / "weak", both / f"seed{seed}" / "depth_maps")
    for folder in (runs, both):
        assert script.main(["5", "--runs", str(folder), "--out", str(tmp_path / "5.png")]) == 0
    assert [len(figure.axes[0].get_lines()) for figure in figures] == [4, 5]


def test_a_figure_is_shrunk(script, runs, tmp_path):
    for name in ("5.png", "5.jpg"):
        arguments = ["5", "--runs", str(runs), "--out", str(tmp_path / name), "--width", "300"]
        assert script.main(arguments) == 0
        height, width = cv2.imread(str(tmp_path / name)).shape[:2]
        assert (width, round(width / height, 1)) == (300, 1.4)
    assert (tmp_path / "5.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert (tmp_path / "5.png").read_bytes()[1:4] == b"PNG"


def test_curves_are_means_over_seeds(script, runs):
    """The legend: 0.7 and 0.72 of `weak` are 0.71 in the mean, and 0.014 is their deviation."""
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    script.curves(axes, script.Runs(runs, [0, 1]), ["weak"], domain="target")
    (line,) = axes.get_lines()
    assert line.get_label().endswith("(weak): 0.710 ± 0.014")
    numbers = json.loads((runs / "seed0" / "weak" / "results.json").read_text())["test"]["target"]
    np.testing.assert_allclose(line.get_ydata(), numbers["pck"])
    assert axes.get_title() == "target (rendered)"


def test_published_curves_are_drawn_on_stb_alone(script, runs, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(script, "save_figure", lambda figure, path: figures.append(figure))
    for stb in (False, True):
        monkeypatch.setattr(script.Runs, "is_stb", lambda self, domain, stb=stb: stb)
        script.main(["7", "--runs", str(runs), "--out", str(tmp_path / "7.png")])
    lines = [[len(axes.get_lines()) for axes in figure.axes] for figure in figures]
    assert lines == [[2, 2], [5, 5]]


def test_what_is_missing_is_named(script, runs, tmp_path, capsys, monkeypatch):
    assert script.main(["5", "--runs", str(tmp_path)]) == 2
    assert "no seed0, seed1" in capsys.readouterr().err
    partial = tmp_path / "partial"
    shutil.copytree(runs / "seed0" / "weak", partial / "seed0" / "weak")
    assert script.main(["5", "--runs", str(partial)]) == 2
    error = capsys.readouterr().err
    assert "--settings source_only" in error
    assert not list(partial.glob("*.png"))
    # All runs are looked for before a hand is rendered or a model loaded.
    monkeypatch.setattr(script.Runs, "subject", lambda *_: pytest.fail("a model was loaded"))
    (partial / "seed0" / "source_only").mkdir()
    (partial / "seed0" / "source_only" / "results.json").write_text("{}")
    assert script.main(["9", "--runs", str(partial)]) == 2
    assert "--settings labels_2d` makes it, with the same --set" in capsys.readouterr().err
    monkeypatch.undo()
    assert script.main(["9", "--runs", str(runs), "--samples", "999"]) == 2
    assert "Received: [999]" in capsys.readouterr().err


def ablation_results(auc):
    """One setting over seeds of these AUCs."""
    columns = ("mean_error_mm", "median_error_mm", "mean_depth_error_mm", "mean_error_px", "pck_2d")
    return [{"samples": 64, "auc": value, **dict.fromkeys(columns, 1.0)} for value in auc]


def test_the_table_of_an_ablation(ablation):
    one = {"source_only": ablation_results([0.5]), "weak": ablation_results([0.625])}
    lines = ablation.table(one, [3]).splitlines()
    assert lines[2] == "| source only | 0.500 | 1.0 | 1.0 | 1.0 | 1.00 | 1.000 |"
    assert lines[5] == "On 64 hands, seed 3, no deviation between seeds."
    assert lines[6].endswith("(weak) over source only: +0.125")
    two = {"source_only": ablation_results([0.5, 0.6]), "weak": ablation_results([0.6, 0.8])}
    lines = ablation.table(two, [0, 1]).splitlines()
    assert lines[5] == "On 64 hands, mean over seeds 0, 1 ± standard deviation."
    assert lines[6].endswith("(weak) over source only: +0.150 (+0.100, +0.200)")


def test_commands_of_an_ablation_can_be_pasted(ablation):
    command = ["/bin/python3", "-m", "kerashand.cli.train", "--set", "data.source={train: 6}"]
    line = ablation.command_line(command)
    assert line == "python -m kerashand.cli.train --set 'data.source={train: 6}'"
