"""A full disk, a cache that vanishes, a clock that jumps: a clear outcome, and nothing lost."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_runs import TINY

from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.files import PART_SUFFIX, remove_stale
from kerashand.training.checkpoint import load_state
from kerashand.training.run import run

resource = pytest.importorskip("resource")

# The first of the three stages of the run that tests share.
FIRST_STAGE = [*TINY, "stages.regularizer.epochs=0", "stages.finetune.epochs=0"]

# The system refuses to let a file grow beyond the limit, as a full disk does.
WITH_LITTLE_ROOM = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
module, limit, *arguments = sys.argv[1:]
import importlib
main = importlib.import_module(module).main
import tensorflow  # what it writes when it starts is not meant
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
raise SystemExit(main(arguments))
"""


def with_little_room(module, limit, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_ROOM, module, str(limit), *map(str, arguments)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def assert_same_weights(folder, expected):
    with (
        np.load(folder / "weights_pretrain.npz") as ours,
        np.load(expected / "weights_pretrain.npz") as theirs,
    ):
        for key in theirs.files:
            np.testing.assert_allclose(ours[key], theirs[key], atol=2e-3, err_msg=key)
    assert not list(folder.rglob(f"*{PART_SUFFIX}*"))


@pytest.mark.slow
def test_a_full_disk_ends_a_run_and_loses_nothing(shared_run, tmp_path):
    folder = tmp_path / "run"
    # Begun and half done, the run meets a disk that takes no whole checkpoint any more.
    settings = [*FIRST_STAGE, shared_run.cache]
    stopped = load_config("weak.yaml", settings).with_run_dir(str(folder))
    with pytest.raises(KeyboardInterrupt):
        run(stopped, callbacks=[_AfterEpochs(1, _interrupt)])
    before = (folder / "checkpoint.npz").read_bytes()
    limit = len(before) // 2
    done = with_little_room(
        "kerashand.cli.train", limit, "--config", "weak.yaml", "--run-dir", folder, "--set",
        *settings,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-2000:]
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (folder / "checkpoint.npz").read_bytes() == before
    assert not list(folder.rglob(f"*{PART_SUFFIX}*"))


def test_a_full_disk_leaves_no_part_of_an_export(tmp_path):
    path = tmp_path / "hand.tflite"
    done = with_little_room("kerashand.cli.export", 1_000_000, "--hands", "2", "--out", path)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_cache_that_vanishes_while_a_run_trains(shared_run, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(Path(shared_run.cache.partition("=")[2]), cache)
    overrides = [*FIRST_STAGE, f"data.cache_dir={cache}"]
    config = load_config("weak.yaml", overrides).with_run_dir(str(tmp_path / "run"))
    with pytest.raises(UserError, match=r"is damaged or gone .*the same command writes it again"):
        run(config, callbacks=[_AfterEpochs(1, lambda: shutil.rmtree(cache))])
    assert load_state(config_checkpoint(config))["epoch"] >= 1
    run(config)
    assert_same_weights(tmp_path / "run", shared_run.folder)


@pytest.mark.slow
def test_a_clock_that_jumps(shared_run, tmp_path, monkeypatch):
    overrides = [*FIRST_STAGE, shared_run.cache]
    config = load_config("weak.yaml", overrides).with_run_dir(str(tmp_path))
    real = time.time
    jumps = iter([0.0, 1e9, -1e9] * 10_000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    results = run(config)
    state = load_state(config_checkpoint(config))
    assert state["finished"]
    assert 0 < state["seconds"] < 600
    assert np.isfinite(results["test"]["target"]["mean_error_px"])


def test_parts_of_other_processes_stay_when_the_clock_goes_back(tmp_path, monkeypatch):
    other = tmp_path / f"shard.1{PART_SUFFIX}"
    other.write_bytes(b"being written")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 1e9)
    remove_stale(tmp_path)
    assert other.exists()


def config_checkpoint(config):
    return Path(config.run_dir) / "checkpoint.npz"


def _interrupt():
    raise KeyboardInterrupt


class _AfterEpochs(keras.callbacks.Callback):
    """Does something when so many epochs, of all stages, have begun."""

    def __init__(self, count, action):
        super().__init__()
        self.left, self.action = count, action

    def on_epoch_begin(self, epoch, logs=None):
        if self.left == 0:
            self.action()
        self.left -= 1
