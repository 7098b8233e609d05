"""Training on data sets in their published layouts."""

import numpy as np
import pytest
from published_runs import SMALL, of_paper, own_cache, published_data_sets

from kerashand.cli.train import main
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.reports.subjects import of_run
from kerashand.training.run import run

originals = pytest.fixture(scope="module")(published_data_sets)
_own_cache = pytest.fixture(autouse=True)(own_cache)


@pytest.mark.slow
def test_the_papers_experiment(originals, tmp_path):
    """RHD as the source, STB as the target, as `paper/weak.yaml` has them."""
    config = load_config("paper/weak", of_paper(originals)).with_run_dir(str(tmp_path / "run"))
    results = run(config)
    assert results["test"]["source"]["samples"] == 4
    assert results["test"]["target"]["samples"] == 4
    assert np.isfinite(results["test"]["target"]["mean_error_mm"])
    assert np.isfinite(results["test"]["target"]["depth_map_l1"])
    assert "more pixels in the mask" in results["data"]["source"]
    assert "wrist from palm as hand3d" in results["data"]["target"]
    assert "1.3 boxes" in results["data"]["target"]


@pytest.mark.slow
def test_a_recording_is_adapted_to_without_3d_labels(originals, tmp_path, capsys):
    """Beside the embedded source; measured by its depth maps alone."""
    overrides = [
        *SMALL,
        "data.source={train: 16, val: 4, test: 4}",
        "data.target={kind: rgbd, train: null, val: 2, test: null}",
        f"data.target.path={originals / 'rgbd'}",
        f"data.cache_dir={tmp_path / 'cache'}",
        "data.workers=1",
        "model.initial_weights=null",
    ]
    results = run(load_config("weak", overrides).with_run_dir(str(tmp_path / "run")))
    numbers = results["test"]["target"]
    assert "auc" not in numbers
    assert np.isfinite(numbers["depth_map_l1"])
    assert numbers["samples"] == 2
    score = f"target: depth maps drawn from predicted joints are {numbers['depth_map_mm']:.1f} mm"
    printed = capsys.readouterr().out
    assert score in printed
    assert f"target: lengths of bones vary by {numbers['bone_spread_mm']:.1f} mm" in printed
    # What it was before: the same data, no stage. No split has 3D labels then, and no curve.
    untrained = [f"stages.{stage}.epochs=0" for stage in ("pretrain", "regularizer", "finetune")]
    start = f"model.initial_weights={tmp_path / 'run' / 'weights_finetune.npz'}"
    config = load_config("weak", [*overrides, *untrained, start, "evaluation.pictures=2"])
    again = run(config.with_run_dir(str(tmp_path / "again")))
    assert again["test"]["target"] == numbers
    assert not (tmp_path / "again" / "pictures" / "pck.png").exists()
    assert (tmp_path / "again" / "pictures" / "skeletons.png").exists()
    predictor, _ = of_run(tmp_path / "again")
    assert predictor.generate_depth is not None


def test_batches_that_the_counted_hands_cannot_fill(originals, tmp_path):
    """Said before the work, not by the next command that reads the folder."""
    overrides = [
        *SMALL, "data.source={train: 64, val: 4, test: 4}",
        "data.target={kind: rgbd, train: null, val: 2, test: null}",
        f"data.target.path={originals / 'rgbd'}", "stages.finetune.batch_size=64",
    ]  # fmt: skip
    config = load_config("weak", [*overrides, f"data.cache_dir={tmp_path}"])
    with pytest.raises(UserError, match="takes 32 target samples for a batch"):
        run(config.with_run_dir(str(tmp_path / "run")))


def test_the_command_says_what_to_name(capsys):
    assert main(["--config", "paper/weak.yaml", "--print-config"]) == 2
    assert "--set data.source.path=FOLDER" in capsys.readouterr().err
