"""Whole runs on a handful of tiny pictures: end to end, killed and resumed, refused."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from tiny_runs import TINY

from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.files import LOCK_FILE, held
from kerashand.training import loop, single_steps
from kerashand.training.callbacks import SaveEverySteps
from kerashand.training.checkpoint import load_state
from kerashand.training.run import run


@pytest.fixture(scope="module")
def cache(shared_run):
    return shared_run.cache


@pytest.fixture(scope="module")
def unbroken(shared_run):
    return shared_run.folder, shared_run.results


def test_callbacks_see_every_epoch(shared_run):
    assert shared_run.epochs == [(e, 32, depth) for depth in (False, True, True) for e in (0, 1)]


def test_end_to_end_leaves_everything(unbroken):
    folder, results = unbroken
    for name in (
        "config.yaml", "versions.json", "checkpoint.npz", "log.csv", "weights_pretrain.npz",
        "weights_finetune.npz", "best_finetune.npz", "results.json", "tensorboard",
        "pictures/pck.png", "pictures/history.png",
    ):  # fmt: skip
        assert (folder / name).exists(), name
    assert not list(folder.rglob("*.part*"))
    assert json.loads((folder / "results.json").read_text()) == results
    for domain in ("source", "target"):
        numbers = results["test"][domain]
        assert numbers["samples"] == 8
        assert 0 <= numbers["auc"] <= 1
        assert np.isfinite(numbers["mean_error_mm"])
        assert np.isfinite(numbers["depth_map_l1"])
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    stages = [(row["stage"], row["epoch"]) for row in rows]
    names = ("pretrain", "regularizer", "finetune")
    assert stages == [(stage, epoch) for stage in names for epoch in "12"]
    last = rows[-1]
    for name in ("heatmap", "joint_depth", "depth_map", "val_error_mm", "val_error_px"):
        assert float(last[name]) > 0


def test_a_finished_run_answers_at_once(unbroken, cache):
    folder, results = unbroken
    started = time.monotonic()
    config = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(folder))
    assert run(config) == results
    assert time.monotonic() - started < 2.0


def test_without_any_stage_weights_are_measured(unbroken, cache, tmp_path):
    folder, results = unbroken
    changes = [
        *(f"stages.{stage}.epochs=0" for stage in ("pretrain", "regularizer", "finetune")),
        f"model.initial_weights={folder / 'weights_finetune.npz'}",
        "evaluation.pictures=2",
    ]
    config = load_config("weak.yaml", [*TINY, cache, *changes]).with_run_dir(str(tmp_path / "run"))
    measured = run(config)
    assert measured["test"]["target"]["auc"] == results["test"]["target"]["auc"]
    drawn = {path.name for path in (tmp_path / "run" / "pictures").iterdir()}
    assert {"pck.png", "skeletons.png", "depth_maps.png"} <= drawn


def test_another_configuration_is_refused(unbroken, cache):
    folder, _ = unbroken
    config = load_config("weak.yaml", [*TINY, cache, "seed=9"]).with_run_dir(str(folder))
    with pytest.raises(UserError, match="holds a run of another configuration"):
        run(config)


def test_two_runs_in_one_folder_are_refused(cache, tmp_path):
    config = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(tmp_path))
    with held(tmp_path), pytest.raises(UserError, match=f"in use by process {os.getpid()} on"):
        run(config)
    assert sorted(os.listdir(tmp_path)) == [LOCK_FILE]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written(unbroken, cache, tmp_path):
    folder, results = unbroken
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    copy.chmod(0o500)
    finished = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(copy))
    assert run(finished) == results
    copy.chmod(0o700)
    (copy / "checkpoint.npz").unlink()
    copy.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        run(finished)


@pytest.mark.parametrize("place", ["notes", "notes/run"])
def test_a_dry_run_notices_a_folder_that_cannot_be_made(place, cache, tmp_path):
    (tmp_path / "notes").write_text("kept")
    config = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(tmp_path / place))
    with pytest.raises(UserError, match=r"cannot be written: .*notes is a file"):
        run(config, dry_run=True)
    assert (tmp_path / "notes").read_text() == "kept"


@pytest.mark.slow
def test_killed_run_goes_on_and_ends_like_the_unbroken_one(unbroken, cache, tmp_path):
    folder = tmp_path / "killed"
    for stage in ("pretrain", "finetune"):
        kill_in(stage, folder, cache)
    results = run(load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(folder)))
    expected = unbroken[1]["test"]["target"]
    for name in ("mean_error_mm", "mean_error_px", "depth_map_l1"):
        assert results["test"]["target"][name] == pytest.approx(expected[name], rel=0.02)
    with (folder / "log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def kill_in(stage, folder, cache):
    """Start a run, or go on with it, and kill it when a checkpoint of the stage is there."""
    command = [
        sys.executable, "-m", "kerashand.cli.train", "--config", "weak.yaml",
        "--run-dir", str(folder), "--set", *TINY, cache,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = folder / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if checkpoint.exists() and load_state(checkpoint)["stage"] == stage:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    state = load_state(checkpoint)
    assert (state["stage"], state["finished"]) == (stage, False)


def test_no_checkpoint_after_the_last_step_of_an_epoch():
    # A run killed between such a checkpoint and the end of the epoch had no step left to go on
    # with, and trained without end.
    saved = []
    callback = SaveEverySteps(2, saved.append, last=6)
    for batch in range(6):
        callback.on_train_batch_end(batch)
    assert saved == [2, 4]


@pytest.mark.slow
def test_nan_stops_with_a_message(cache, tmp_path):
    overrides = [
        *TINY, cache, "stages.pretrain.optimizer.learning_rate=1",
        "stages.pretrain.loss_weights={heatmap: 1e30, joint_depth: 1e30}",
    ]  # fmt: skip
    folder = tmp_path / "nan"
    with pytest.raises(UserError, match=r"stage pretrain: .* is not finite.*`--run-dir`"):
        run(load_config("weak.yaml", overrides).with_run_dir(str(folder)))


class Poison(keras.callbacks.Callback):
    """Makes a weight NaN after a step whose loss was a number."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.when, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.when:
            assert np.isfinite(float(logs["loss"]))
            weight = self.model.parts.network.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan))


@pytest.mark.parametrize(
    ("batch", "turn", "step"),
    [
        pytest.param(2, 1, 2, id="before it is saved"),
        pytest.param(2, -1, 3, id="after it was saved"),
        pytest.param(3, 1, 3, id="at the end of an epoch, where the best weights are saved too"),
    ],
)
def test_no_nan_reaches_a_checkpoint(batch, turn, step, cache, tmp_path, monkeypatch):
    """Whatever the order of the callbacks."""
    ordered = loop._ordered
    monkeypatch.setattr(loop, "_ordered", lambda *groups: ordered(*groups)[::turn])
    overrides = [*TINY, cache, "runtime.checkpoint_every_steps=1"]
    config = load_config("weak.yaml", overrides).with_run_dir(str(tmp_path))
    message = r"stage pretrain: .* is not finite.*The last checkpoint is whole \(stage 1 of 3"
    with pytest.raises(UserError, match=message):
        run(config, callbacks=[Poison(0, batch)])
    state = load_state(tmp_path / "checkpoint.npz")
    assert (state["epoch"], state["step"]) == (0, step)
    for file in tmp_path.glob("*.npz"):
        with np.load(file) as data:
            values = {k: v for k, v in data.items() if v.dtype.kind == "f"}
        assert len(values) > 10
        assert all(np.isfinite(value).all() for value in values.values())


def test_damaged_checkpoint_is_named(cache, tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match=r"checkpoint\.npz cannot be read"):
        run(load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(tmp_path)))


@pytest.mark.slow
def test_dry_run_writes_no_run_folder(cache, tmp_path):
    config = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(tmp_path / "dry"))
    losses = run(config, dry_run=True)
    assert set(losses) == {"pretrain", "regularizer", "finetune"}
    assert not (tmp_path / "dry").exists()


@pytest.mark.parametrize("name", ["source_only", "labels_2d", "full", "full_no_regularizer"])
def test_settings_differ_in_what_they_train_with(name, unbroken, cache, monkeypatch):
    monkeypatch.setattr(single_steps, "TIMED_STEPS", 1)
    start = f"model.initial_weights={unbroken[0] / 'weights_regularizer.npz'}"
    overrides = [*TINY, cache, start, "stages.pretrain.epochs=0", "stages.regularizer.epochs=0"]
    losses = run(load_config(name, overrides), dry_run=True)
    assert list(losses) == ["finetune"]
    assert ("depth_map" in losses["finetune"]) == (name == "full")


def test_export_gives_what_the_run_trained(unbroken, load_script, tmp_path):
    from kerashand.exporting import load_run
    from kerashand.runtime.backends import load_backend

    folder, _ = unbroken
    path = tmp_path / "hand.tflite"
    export_model = load_script("export/export_model.py").main
    assert export_model(["--model", str(folder), "--out", str(path), "--hands", "2"]) == 0
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    model, config = load_run(folder)
    expected, given = model(image.astype(np.float32)), load_backend(path, task="hand_pose")
    assert given.metadata["config"] == config.name
    for name, value in given.run(image).items():
        np.testing.assert_allclose(value, np.array(expected[name])[0], rtol=1e-4, atol=1e-3)


def test_a_report_on_a_run(unbroken, tmp_path, capsys):
    from kerashand.cli import eval as command

    folder, results = unbroken
    page = tmp_path / "report.html"
    arguments = [str(folder), "--data", "target", "--gallery", "1", "--out", str(page)]
    assert command.main(arguments) == 0
    # The same samples and crops as the run's own test.
    numbers = results["test"]["target"]
    printed = capsys.readouterr().out
    assert f"{numbers['auc']:.3f}" in printed
    assert f" {numbers['depth_map_mm']:.1f}\nOn {numbers['samples']} rendered hands" in printed
    assert f"(style target, test split), the data of {folder}." in printed
    assert page.read_text().count('alt="generated depth"') == 3
