"""A run on a recording ends with the epoch that its score without 3D labels calls the best."""

import numpy as np
import pytest
from dataset_writers import write_rgbd
from tiny_runs import TINY

from kerashand.config import ConfigError, load_config
from kerashand.evaluation.label_free import SPREAD_WEIGHT
from kerashand.models.hand_pose import arrays_of, save_parts_npz
from kerashand.training import run as run_module
from kerashand.training.averaging import StartAverage
from kerashand.training.run import Run, run
from kerashand.untrusted import read_arrays


def changes(folder, root, *more):
    return [
        *TINY,
        f"data.cache_dir={root / 'cache'}",
        f"data.target={{kind: rgbd, path: {folder}, train: null, val: null, test: null}}",
        *("stages.pretrain.epochs=0", "stages.regularizer.epochs=0"),
        *("stages.finetune.epochs=3", "stages.finetune.steps_per_epoch=1"),
        *("stages.finetune.rates.regularizer=1", "stages.finetune.loss_weights.joint_surface=100"),
        *("evaluation.choose=label_free", *more),
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapt") / "recording"
    write_rgbd(folder, np.random.default_rng(3), frames=20)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("scores", "best"), [([5, 6, 7, 8], 0), ([5, 6, 3, 4], 2)])
def test_the_run_ends_with_its_best_epoch(recording, tmp_path, monkeypatch, caplog, scores, best):
    """Scores are given here: before training, then after each of three epochs."""
    given = iter([9, *scores, 8.25])  # the first and the last on the test split
    monkeypatch.setattr(run_module, "label_free", lambda *parts: {"score": next(given)})
    config = load_config("weak.yaml", changes(recording, tmp_path)).with_run_dir(
        str(tmp_path / "run")
    )
    untouched = Run(config, dry_run=False)
    untouched.prepare()
    save_parts_npz(tmp_path / "before.npz", untouched.parts.models)
    caplog.set_level("INFO")
    results = run(config)
    assert results["chosen"] == {
        "epoch": best, "label_free_score": min(scores), "scores": scores,
        "test_scores": [9, 8.25],
    }  # fmt: skip
    ended = read_arrays(tmp_path / "run" / "weights_finetune.npz")
    before = read_arrays(tmp_path / "before.npz")
    same = [np.array_equal(ended[key], before[key]) for key in before if "regressor" in key]
    assert all(same) == (best == 0)
    said = caplog.text
    assert f"score without 3D labels after epoch 0: {scores[0]:.2f}" in said
    if best == 0:
        assert "it has adapted nothing" in said
    else:
        assert f"ends with the weights after epoch {best}, score {scores[best]:.2f}" in said
        kept = read_arrays(tmp_path / "run" / "best_finetune.npz")
        assert all(np.array_equal(ended[key], kept[key]) for key in kept)


@pytest.mark.slow
def test_the_run_ends_with_a_share_of_the_weights_before(recording, tmp_path, monkeypatch):
    given, trained, apply = iter([5, 5, 4, 3, 3]), [], StartAverage.apply
    monkeypatch.setattr(run_module, "label_free", lambda *parts: {"score": next(given)})

    def watched(average):
        if average.share > 0:
            trained.append(arrays_of(average.models))
        return apply(average)

    monkeypatch.setattr(StartAverage, "apply", watched)
    more = (
        "stages.pretrain.epochs=1", "stages.finetune.epochs=2", "stages.finetune.start_share=0.75"
    )  # fmt: skip
    config = load_config("weak.yaml", changes(recording, tmp_path, *more))
    run(config.with_run_dir(str(tmp_path / "run")))
    first, last = trained
    before = read_arrays(tmp_path / "run" / "start_finetune.npz")
    ended = read_arrays(tmp_path / "run" / "weights_finetune.npz")
    for key in ended:
        expected = 0.75 * before[key] + 0.25 * last[key]
        np.testing.assert_allclose(ended[key], expected, atol=1e-5, err_msg=key)
    # Each epoch trains on from the weights that the one before trained.
    moved = [
        max(np.abs(one[key] - other[key]).max() for key in ended)
        for one, other in ((first, before), (last, first), (ended, last))
    ]
    assert min(moved) > 1e-4


@pytest.mark.slow
def test_the_score_is_measured_on_held_out_frames(recording, tmp_path, caplog, capsys):
    caplog.set_level("INFO")
    more = ("stages.finetune.epochs=1",)
    config = load_config("weak.yaml", changes(recording, tmp_path, *more)).with_run_dir(
        str(tmp_path / "run")
    )
    results = run(config)
    before, after = results["chosen"]["test_scores"]
    told = results["test"]["target"]
    expected = told["surface_mm"] + SPREAD_WEIGHT * told["bone_spread_mm"]
    assert after == pytest.approx(expected, abs=6e-4)
    assert before != after if results["chosen"]["epoch"] else before == after
    assert f"on the test split is {after:.2f}; before stage 3 it was {before:.2f}." in (
        capsys.readouterr().out
    )
    lines = [line for line in caplog.messages if line.startswith("score without 3D labels")]
    assert len(lines) == 2
    assert all(0 < float(line.split(": ")[1]) < 1000 for line in lines)


def test_a_choice_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(ConfigError, match="`label_free` scores held-out hands of a target on disk"):
        load_config("weak.yaml", ["evaluation.choose=label_free"])
