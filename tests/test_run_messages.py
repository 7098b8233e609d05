"""What a run says, without training."""

import dataclasses
import logging
import logging.handlers
import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from dataset_writers import write_rgbd
from tiny_runs import TINY

from kerashand.config import load_config
from kerashand.data.splits import labels_of
from kerashand.errors import UserError
from kerashand.training import callbacks
from kerashand.training.callbacks import StageProgress
from kerashand.training.checkpoint import load_state, replace_state, save_checkpoint
from kerashand.training.run import Run, plan_of
from kerashand.training.run_folder import Plan, RunFolder
from kerashand.training.single_steps import compiled_step, on_devices


@pytest.fixture
def config():
    return load_config("weak.yaml", TINY)


@pytest.fixture
def folder(config, tmp_path):
    return RunFolder(tmp_path / "tiny", plan_of(config))


def kept(folder, **state):
    """Write a checkpoint as if the run stood there."""
    folder.path.mkdir()
    (folder.path / "config.yaml").write_text(folder.plan.config)
    save_checkpoint(folder.checkpoint, {"network/000": np.zeros(1)}, {**folder.state, **state})


def test_where_a_run_goes_on(config, folder, caplog):
    kept(folder, stage="regularizer", epoch=1, step=3)
    run = Run(config.with_run_dir(str(folder.path)), dry_run=False)
    with caplog.at_level(logging.INFO):
        run.folder.open()
        run.folder.say_start("lite_source.npz: network")
        run._train("pretrain")
    assert caplog.messages == [
        f"going on from {folder.checkpoint}: stage 2 of 3, regularizer, after epoch 1 of 2 and 3 "
        "steps of the next",
        "stage 1 of 3, pretrain: done",
    ]


def test_a_new_run_says_what_it_starts_from(folder, caplog):
    folder.path.mkdir()
    with caplog.at_level(logging.INFO):
        folder.open()
        folder.say_start("lite_source.npz: network")
    assert caplog.messages == ["starting from lite_source.npz: network"]


def test_ctrl_c_says_what_is_kept(folder):
    anew = pytest.raises(KeyboardInterrupt, match="the same command begins anew")
    with anew, folder.saying_where_it_stopped():
        raise KeyboardInterrupt
    kept(folder, epoch=1)
    goes_on = pytest.raises(KeyboardInterrupt, match="stage 1 of 3, pretrain, after epoch 1 of 2")
    with goes_on, folder.saying_where_it_stopped():
        raise KeyboardInterrupt


def test_a_run_of_one_stage_does_not_count_stages():
    plan = Plan(
        key="x", config="", epochs={"detector": 4}, steps={"detector": 9},
        samples={"detector": 8}, against_nan="", differences=lambda path: [],
    )  # fmt: skip
    place = plan.place({"stage": "detector", "epoch": 1, "step": 1})
    assert place == "detector, after epoch 1 of 4 and 1 step of the next"


def test_another_configuration_is_named_by_its_keys(folder):
    kept(folder)
    changes = ["seed=9", "data.source.train=16", "data.workers=2"]
    other = RunFolder(folder.path, plan_of(load_config("weak.yaml", [*TINY, *changes])))
    with pytest.raises(UserError, match="another configuration") as raised:
        other.load()
    assert str(raised.value).splitlines()[1:3] == [
        "  seed: 0, not 9",
        "  data.source.train: 32, not 16",
    ]
    assert "workers" not in str(raised.value)
    (folder.path / "config.yaml").unlink()
    with pytest.raises(UserError, match="another configuration"):
        other.load()


def test_other_labels_are_refused(folder):
    """A run goes on with the labels with which it began; one of before says nothing of them."""
    plan = dataclasses.replace(folder.plan, labels={"recording": "0123456789ab"})
    began = RunFolder(folder.path, plan)
    kept(began)
    assert RunFolder(folder.path, plan).load()
    assert RunFolder(folder.path, folder.plan).load()
    other = dataclasses.replace(plan, labels={"recording": "ba9876543210"})
    changed = RunFolder(folder.path, other)
    with pytest.raises(UserError, match=r"The labels of recording have changed since the run in"):
        changed.load()
    state = load_state(folder.checkpoint)
    del state["labels"]
    replace_state(folder.checkpoint, state)
    assert changed.load()


def test_labels_are_known_by_their_content(tmp_path, rng):
    write_rgbd(tmp_path, rng, frames=10)
    data = load_config("adapt.yaml", [f"data.target.path={tmp_path}"]).data
    before = labels_of(data)
    assert list(before) == [str(tmp_path)]
    os.utime(tmp_path / "points.jsonl")
    assert labels_of(data) == before
    for name in ("points.jsonl", "recording.yaml"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")
        assert labels_of(data) != before
        before = labels_of(data)
    (tmp_path / "points.jsonl").unlink()
    assert labels_of(data) == {}
    assert labels_of(load_config("weak.yaml").data) == {}


def test_steps_of_many_stages_are_no_retracing():
    said = logging.handlers.BufferingHandler(100)
    logging.getLogger("tensorflow").addHandler(said)
    try:
        for number in range(8):
            step = on_devices(
                tf.distribute.get_strategy(), lambda batch, n=number: {"loss": batch["x"] + n}
            )
            assert step({"x": tf.constant(1.0)})["loss"] == 1 + number
    finally:
        logging.getLogger("tensorflow").removeHandler(said)
    assert [record.getMessage() for record in said.buffer] == []


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_that_is_tried_or_timed_is_compiled_as_in_training(jit_compile):
    """XLA cannot compile a Python function, so the step of a run with XLA fails."""

    def train_step(batch):
        return {"loss": tf.numpy_function(lambda x: x + 1, [batch["x"]], tf.float32)}

    run = SimpleNamespace(
        config=SimpleNamespace(runtime=SimpleNamespace(jit_compile=jit_compile)),
        strategy=tf.distribute.get_strategy(), start_trainer=lambda name: None,
        trainer=SimpleNamespace(train_step=train_step, reset_metrics=lambda: None),
    )  # fmt: skip
    step = compiled_step(run, "finetune")
    if jit_compile:
        with pytest.raises(tf.errors.InvalidArgumentError, match="unsupported operations"):
            step({"x": tf.constant(1.0)})
    else:
        assert step({"x": tf.constant(1.0)})["loss"] == 2.0


def test_an_epoch_says_where_it_is_without_a_terminal(monkeypatch, caplog):
    monkeypatch.setattr(callbacks, "LINE_SECONDS", 0.0)
    bar = StageProgress(2, lambda seconds, steps: None)
    bar.set_params({"verbose": 2, "epochs": 1, "steps": 20})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    with caplog.at_level(logging.INFO):
        bar.on_train_batch_end(4, {"loss": 0.5})
    assert caplog.messages == ["step 5 of 20, loss 0.5"]
