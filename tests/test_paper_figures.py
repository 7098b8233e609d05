"""The figures of the paper, from runs of a few pictures: each is drawn, and says what it lacks."""

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


def test_curves_are_means_over_seeds(script, runs):
    """The legend: 0.7 and 0.72 of `weak` are 0.71 in the mean, and 0.014 is their deviation."""
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    script.curves(axes, script.Runs(runs, [0, 1]), ["weak"], "target")
    (line,) = axes.get_lines()
    assert line.get_label().endswith("(weak): 0.710 ± 0.014")
    numbers = json.loads((runs / "seed0" / "weak" / "results.json").read_text())["test"]["target"]
    np.testing.assert_allclose(line.get_ydata(), numbers["pck"])
    assert axes.get_title() == "target (rendered)"


def test_what_is_missing_is_named(script, runs, tmp_path, capsys):
    assert script.main(["5", "--runs", str(tmp_path)]) == 2
    assert "no seed0, seed1" in capsys.readouterr().err
    partial = tmp_path / "partial"
    shutil.copytree(runs / "seed0" / "weak", partial / "seed0" / "weak")
    assert script.main(["5", "--runs", str(partial)]) == 2
    error = capsys.readouterr().err
    assert "--settings source_only" in error
    assert not list(partial.glob("*.png"))
    assert script.main(["9", "--runs", str(runs), "--samples", "999"]) == 2
    assert "Received: [999]" in capsys.readouterr().err
