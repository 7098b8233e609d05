"""Finished runs that go on: from the last weights and optimiser state, with one log."""

import csv
import json
import logging
import shutil

import keras
import numpy as np
import pytest
from tiny_runs import TINY

from kerashand.cli import train
from kerashand.config import dump_yaml, load_config
from kerashand.errors import UserError
from kerashand.training import extension
from kerashand.training.checkpoint import load_state, replace_state
from kerashand.training.run import run
from kerashand.training.stages import rate_at

KEY = "stages.finetune.epochs"


@pytest.fixture
def finished(shared_run, tmp_path):
    """A copy of a finished run with two epochs of eight steps in its last stage."""
    folder = tmp_path / "run"
    shutil.copytree(shared_run.folder, folder)
    return folder


def configs(folder, epochs):
    before = load_config(folder / "config.yaml").with_run_dir(str(folder))
    return before, load_config(folder / "config.yaml", [f"{KEY}={epochs}"]).with_run_dir(
        str(folder)
    )


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "state_json"}


class AtStart(keras.callbacks.Callback):
    """The variables and the rate with which each epoch starts; stops at the begin of one."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at, self.seen = stop_at, {}

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.stop_at:
            raise KeyboardInterrupt
        variables = self.model.state_variables()
        rate = float(self.model.part_optimizers["network"].learning_rate)
        self.seen[epoch] = ({name: np.array(v) for name, v in variables.items()}, rate)


def log_of(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_run_goes_on_from_its_last_weights_and_optimisers(finished, caplog):
    held, rows = arrays(finished / "checkpoint.npz"), log_of(finished)
    before, after = configs(finished, 3)
    with caplog.at_level(logging.INFO):
        extension.reopen(finished, before, after)
    assert "goes on after epoch 2, up to epoch 3" in caplog.messages[0]
    start = AtStart()
    results = run(after, callbacks=[start])
    variables, rate = start.seen.pop(2)
    assert not start.seen
    assert variables.keys() == held.keys()
    assert any(name.startswith("optimizer/") for name in held)
    for name, value in variables.items():
        np.testing.assert_array_equal(value, held[name], err_msg=name)
    # The next step is number 16 of 24: a quarter of the cosine from 1e-3 to 2 % of that.
    assert rate == pytest.approx((0.25 * 0.98 + 0.02) * 1e-3, rel=1e-4)
    lengthened = log_of(finished)
    assert lengthened[:-1] == rows
    assert (lengthened[-1]["stage"], lengthened[-1]["epoch"]) == ("finetune", "3")
    assert json.loads((finished / "results.json").read_text()) == results
    assert load_config(finished / "config.yaml").stages.finetune.epochs == 3


@pytest.mark.slow
def test_a_longer_run_that_was_stopped_goes_on_exactly(finished, tmp_path):
    before, after = configs(finished, 4)
    extension.reopen(finished, before, after)
    broken = tmp_path / "broken"
    shutil.copytree(finished, broken)
    run(after)
    after = after.with_run_dir(str(broken))
    with pytest.raises(KeyboardInterrupt):
        run(after, callbacks=[AtStart(stop_at=3)])
    extension.reopen(broken, *configs(broken, 4))  # the same command again
    again = AtStart()
    run(after, callbacks=[again])
    assert list(again.seen) == [3]
    ends = [arrays(folder / "checkpoint.npz") for folder in (finished, broken)]
    for name, value in ends[0].items():
        np.testing.assert_allclose(ends[1][name], value, rtol=1e-3, atol=2e-4, err_msg=name)


def test_rates_of_the_longer_schedule_by_hand(finished):
    before, after = configs(finished, 4)
    assert rate_at(before, "finetune", 16) == pytest.approx(0.02 * 1e-3)
    assert rate_at(after, "finetune", 16) == pytest.approx(0.51 * 1e-3)
    assert rate_at(after, "finetune", 32) == pytest.approx(0.02 * 1e-3)


def test_a_kill_between_both_files_is_mended(finished):
    before, after = configs(finished, 3)
    text = (finished / "config.yaml").read_text()
    extension.reopen(finished, before, after)
    (finished / "config.yaml").write_text(text)
    extension.reopen(finished, before, after)
    assert load_config(finished / "config.yaml").stages.finetune.epochs == 3
    with pytest.raises(UserError, match=r"another configuration than its config\.yaml says"):
        extension.reopen(finished, before, configs(finished, 5)[1])


def test_only_finished_runs_are_lengthened(finished):
    path = finished / "checkpoint.npz"
    with pytest.raises(UserError, match="is finished, with 2 epochs of finetune: give more"):
        extension.reopen(finished, *configs(finished, 2))
    replace_state(path, load_state(path) | {"finished": False, "epoch": 1})
    with pytest.raises(UserError, match=r"not finished: it stands at stage 3 of 3, finetune"):
        extension.reopen(finished, *configs(finished, 3))
    path.unlink()
    with pytest.raises(UserError, match="has no checkpoint"):
        extension.reopen(finished, *configs(finished, 3))


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ("stages.finetune.batch_size=4", [], "nothing else of it changed"),
        ("stages.finetune.epochs=-3", [], "nothing else of it changed"),
        ("stages.fintune.epochs=3", [], "no stage fintune. Did you mean `finetune`?"),
        ("stages.pretrain.epochs=3", [], "the last stage that a run trained, which is finetune"),
        (f"{KEY}=1", [], "the run has 2 epochs of finetune already. Received"),
        (f"{KEY}=3", ["--set", "seed=3"], "so no --set."),
        (f"{KEY}=3", ["--init-from", "packaged"], "so no --init-from."),
        (f"{KEY}=3", ["--dry-run"], "so no --dry-run."),
    ],
)
def test_what_cannot_be_lengthened(change, more, message, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(dump_yaml(load_config("weak", TINY)))
    assert train.main(["--run-dir", str(tmp_path), "--extend", change, *more]) == 2
    assert message in capsys.readouterr().err


def test_the_folder_must_be_that_of_a_run(tmp_path, capsys):
    for folder, message in (
        ([], "--extend needs --run-dir: the folder of the finished run."),
        (["--run-dir", ""], "--run-dir must name a folder. Received: an empty text"),
        (["--run-dir", str(tmp_path)], "--run-dir must be the folder of a finished run."),
    ):
        assert train.main([*folder, "--extend", f"{KEY}=3"]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main(["--config", "weak", "--run-dir", str(tmp_path), "--extend", f"{KEY}=3"])
