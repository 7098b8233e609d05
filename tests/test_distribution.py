"""Several devices and several processes train what one would; a lost worker is told of."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_runs import TINY

from kerashand.cli.arguments import EXIT_TRY_AGAIN
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.training.checkpoint import load_state
from kerashand.training.distribution import build_strategy, read_cluster
from kerashand.training.run import run

# Logical devices are configured before TensorFlow starts.
ON_DEVICES = """
import sys
import tensorflow as tf
count, arguments = int(sys.argv[1]), sys.argv[2:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
from kerashand.cli.train import main
raise SystemExit(main(arguments))
"""

STEPS = [
    "stages.pretrain.epochs=0", "stages.regularizer.epochs=0", "stages.finetune.epochs=1",
    "stages.finetune.steps_per_epoch=2", "data.target.val=6",
    "stages.finetune.optimizer.clip_norm=1.0",
]  # fmt: skip


def settings(shared_run, *more):
    start = f"model.initial_weights={shared_run.folder / 'weights_regularizer.npz'}"
    return [*TINY, shared_run.cache, *STEPS, start, *more]


@pytest.fixture(scope="module")
def alone(shared_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run(load_config("weak.yaml", settings(shared_run)).with_run_dir(str(folder)))
    return folder


def assert_same_training(folder, expected):
    """Same losses, same weights but for float noise.

    Adam turns noise into steps where the gradient is 0: score maps have biases that nothing
    depends on.
    """
    rows = [(f / "log.csv").read_text().splitlines() for f in (folder, expected)]
    assert rows[0][0] == rows[1][0]
    values = [[float(v) for v in text[1].split(",")[1:]] for text in rows]
    np.testing.assert_allclose(values[0], values[1], rtol=2e-4, atol=1e-5)
    with (
        np.load(folder / "weights_finetune.npz") as ours,
        np.load(expected / "weights_finetune.npz") as theirs,
    ):
        assert set(ours.files) == set(theirs.files)
        changed = 0
        for key in ours.files:
            if not (key.startswith("network/heatmaps_") and key.endswith("/bias")):
                np.testing.assert_allclose(ours[key], theirs[key], atol=3e-4, err_msg=key)
            changed += bool(np.any(ours[key]))
    assert changed > 50


@pytest.mark.slow
def test_two_devices_train_like_one(shared_run, alone, tmp_path):
    folder = tmp_path / "mirrored"
    command = [
        sys.executable, "-c", ON_DEVICES, "2", "--config", "weak.yaml", "--run-dir", str(folder),
        "--set", *settings(shared_run, "distribute=mirrored"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_training(folder, alone)
    state = load_state(folder / "checkpoint.npz")
    assert (state["finished"], state["epoch"]) == (True, 1)


LEFT_OUT = """
import json
import keras
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from kerashand.training.optimizers import LossScale

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    scale, weight = LossScale(enabled=True), keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.1)
    optimizer.build([weight])

@tf.function(autograph=False)
def step(gradient):
    def on_one(gradient):
        gradients = scale.unscale([gradient])
        scale.apply(optimizer, gradients, [weight], keep=scale.update(gradients))
    strategy.run(on_one, args=(gradient,))

for values in (1.0, 1.0), (float("inf"), 1.0), (1.0, float("nan")), (1.0, 1.0):
    step(strategy.experimental_distribute_values_from_function(
        lambda context: tf.fill([2], values[context.replica_id_in_sync_group])))
    copies = [copy.numpy().tolist() for copy in strategy.experimental_local_results(weight.value)]
    print(json.dumps([copies, int(optimizer.iterations.value.numpy()),
                      float(scale.factor.numpy())]))
"""


def test_a_step_that_overflows_on_one_device_is_left_out_on_all():
    done = subprocess.run(
        [sys.executable, "-c", LEFT_OUT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, inf, nan, last = (json.loads(line) for line in done.stdout.splitlines())
    weights, steps, factor = zip(first, inf, nan, last, strict=True)
    assert all(one == two for one, two in weights)
    assert weights[0] == weights[1] == weights[2] != weights[3]
    assert steps == (1, 1, 1, 2)
    assert factor == (2.0**15, 2.0**14, 2.0**13, 2.0**13)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def started(command, **environment):
    return subprocess.Popen(
        command, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def started_in_cluster(command):
    """Two workers on loopback that run the same command."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in (0, 1)]
    return [started(command, TF_CONFIG=json.dumps(task)) for task in tasks]


def start_workers(folder, overrides):
    return started_in_cluster([
        sys.executable, "-m", "kerashand.cli.train", "--config", "weak.yaml", "--run-dir",
        str(folder), "--set", *overrides, "distribute=multi_worker",
    ])  # fmt: skip


def ended(worker):
    error = worker.communicate(timeout=240)[1]
    return worker.returncode, error


@pytest.mark.slow
def test_two_processes_train_like_one(shared_run, alone, tmp_path):
    folder = tmp_path / "workers"
    ends = [ended(worker) for worker in start_workers(folder, settings(shared_run))]
    assert [code for code, _ in ends] == [0, 0], "".join(error[-2000:] for _, error in ends)
    assert_same_training(folder, alone)
    assert json.loads((folder / "results.json").read_text())["test"]["target"]["samples"] == 8


ROWS = """
import json, sys
import numpy as np
from kerashand.config import load_config
from kerashand.training.run import Run
from kerashand.training.single_steps import stage_step

run = Run(load_config("weak.yaml", sys.argv[1:]), dry_run=False)
run.prepare()
batches, _ = stage_step(run, "finetune")
for batch, _ in zip(batches, range(3)):
    here = run.strategy.experimental_local_results(batch["uv_px"])
    print(json.dumps(np.concatenate(here).sum((1, 2)).tolist()))
"""


def rows_in(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("[")]


def rows_of(worker):
    """The sums of joints that a process saw of each batch."""
    output, error = worker.communicate(timeout=240)
    assert worker.returncode == 0, error[-3000:]
    return rows_in(output)


@pytest.mark.slow
def test_two_readers_see_what_one_process_sees(shared_run, tmp_path, monkeypatch, capsys):
    more = ["data.source.train=300", "data.target.train=300", "data.readers=2"]
    overrides = [*settings(shared_run, *more), f"run_dir={tmp_path / 'run'}"]
    # Here first: it writes the pictures into the cache, and this process has TensorFlow already.
    monkeypatch.setattr(sys, "argv", ["-c", *overrides])
    exec(ROWS, {})
    whole = rows_in(capsys.readouterr().out)
    command = [sys.executable, "-c", ROWS, *overrides, "distribute=multi_worker"]
    workers = started_in_cluster(command)
    parts = [rows_of(worker) for worker in workers]
    assert len(whole) == 3
    for batch, first, second in zip(whole, *parts, strict=True):
        assert (len(batch), len(first), len(second)) == (8, 4, 4)
        np.testing.assert_allclose(sorted([*first, *second]), sorted(batch), rtol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["data.readers=2"], r"2 for 32 hands in 1 files"),
        (["data.readers=3"], r"data.readers must divide what stages.finetune takes"),
    ],
)
def test_readers_that_cannot_be(shared_run, tmp_path, more, message):
    config = load_config("weak.yaml", settings(shared_run, *more)).with_run_dir(str(tmp_path))
    with pytest.raises(UserError, match=message):
        run(config)


@pytest.mark.slow
def test_a_lost_worker_is_told_of_and_the_job_goes_on(shared_run, tmp_path):
    folder = tmp_path / "lost"
    more = ["stages.finetune.epochs=2", "stages.finetune.steps_per_epoch=20"]
    overrides = settings(shared_run, *more, "runtime.checkpoint_every_steps=2")
    chief, other = start_workers(folder, overrides)
    deadline = time.monotonic() + 240
    while not (folder / "checkpoint.npz").exists() and time.monotonic() < deadline:
        assert chief.poll() is None, chief.communicate()[1][-3000:]
        time.sleep(0.05)
    other.kill()
    other.communicate()
    code, error = ended(chief)
    assert code == EXIT_TRY_AGAIN, error[-3000:]
    assert "A worker was lost" in error
    assert "Traceback" not in error
    stood = load_state(folder / "checkpoint.npz")
    assert not stood["finished"]
    shorter = [*overrides, "distribute=none"]
    results = run(load_config("weak.yaml", shorter).with_run_dir(str(folder)))
    assert np.isfinite(results["test"]["target"]["mean_error_mm"])
    state = load_state(folder / "checkpoint.npz")
    assert (state["finished"], state["epoch"]) == (True, 2)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "[]", '{"cluster": {}}', '{"cluster": {"worker": []}, "task": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}',
    ],
)  # fmt: skip
def test_a_cluster_that_is_not_described(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="distribute=multi_worker needs TF_CONFIG"):
        read_cluster()


def test_one_device_is_no_strategy():
    assert build_strategy("none").num_replicas_in_sync == 1


def test_a_batch_that_parts_do_not_divide(tmp_path, shared_run):
    overrides = settings(shared_run, "stages.finetune.micro_batches=3")
    with pytest.raises(UserError, match="must be a multiple of devices x micro_batches"):
        run(load_config("weak.yaml", overrides).with_run_dir(str(tmp_path / "run")))
