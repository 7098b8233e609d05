"""What a run says, without training."""

import logging
import logging.handlers

import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import TINY

from kerashand.config import dump_yaml, load_config
from kerashand.errors import UserError
from kerashand.training import callbacks
from kerashand.training.callbacks import StageProgress
from kerashand.training.checkpoint import save_checkpoint
from kerashand.training.run import Run


@pytest.fixture
def run(tmp_path):
    config = load_config("weak.yaml", TINY).with_run_dir(str(tmp_path / "tiny"))
    return Run(config, dry_run=False)


def kept(run, **state):
    """Write a checkpoint as if the run stood there."""
    run.folder.mkdir()
    (run.folder / "config.yaml").write_text(dump_yaml(run.config))
    save_checkpoint(run.checkpoint, {"network/000": np.zeros(1)}, {**run.state, **state})


def test_where_a_run_goes_on(run, caplog):
    kept(run, stage="regularizer", epoch=1, step=3)
    with caplog.at_level(logging.INFO):
        run._open_folder()
        run._say_start(run.folder / "lite_source.npz", "network")
        run._run_stage("pretrain")
    assert caplog.messages == [
        f"going on from {run.checkpoint}: stage 2 of 3, regularizer, after epoch 1 of 2 and 3 "
        "steps of the next",
        "stage 1 of 3, pretrain: done",
    ]


def test_a_new_run_says_what_it_starts_from(run, caplog):
    run.folder.mkdir()
    with caplog.at_level(logging.INFO):
        run._open_folder()
        run._say_start(run.folder / "lite_source.npz", "network")
    assert caplog.messages == ["starting from lite_source.npz: network"]


def test_ctrl_c_says_what_is_kept(run):
    anew = pytest.raises(KeyboardInterrupt, match="the same command begins anew")
    with anew, run._saying_where_it_stopped():
        raise KeyboardInterrupt
    kept(run, epoch=1)
    goes_on = pytest.raises(KeyboardInterrupt, match="stage 1 of 3, pretrain, after epoch 1 of 2")
    with goes_on, run._saying_where_it_stopped():
        raise KeyboardInterrupt


def test_another_configuration_is_named_by_its_keys(run):
    kept(run)
    changes = ["seed=9", "data.source.train=16", "data.workers=2"]
    config = load_config("weak.yaml", [*TINY, *changes]).with_run_dir(str(run.folder))
    with pytest.raises(UserError, match="another configuration") as raised:
        Run(config, dry_run=False)._load_state()
    assert str(raised.value).splitlines()[1:3] == [
        "  seed: 0, not 9",
        "  data.source.train: 32, not 16",
    ]
    assert "workers" not in str(raised.value)
    (run.folder / "config.yaml").unlink()
    with pytest.raises(UserError, match="another configuration"):
        Run(config, dry_run=False)._load_state()


def test_steps_of_many_stages_are_no_retracing(run):
    said = logging.handlers.BufferingHandler(100)
    logging.getLogger("tensorflow").addHandler(said)
    try:
        for number in range(8):
            step = run._on_devices(lambda batch, n=number: {"loss": batch["x"] + n})
            assert step({"x": tf.constant(1.0)})["loss"] == 1 + number
    finally:
        logging.getLogger("tensorflow").removeHandler(said)
    assert [record.getMessage() for record in said.buffer] == []


def test_an_epoch_says_where_it_is_without_a_terminal(monkeypatch, caplog):
    monkeypatch.setattr(callbacks, "LINE_SECONDS", 0.0)
    bar = StageProgress(2)
    bar.set_params({"verbose": 2, "epochs": 1, "steps": 20})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    with caplog.at_level(logging.INFO):
        bar.on_train_batch_end(4, {"loss": 0.5})
    assert caplog.messages == ["step 5 of 20, loss 0.5"]
