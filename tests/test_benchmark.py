"""tools/benchmark.py: options, what its modules share, commands of published figures."""

import argparse
import importlib
import json
import os
import shlex
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from test_docs import ROOT

from kerashand.errors import UserError


@pytest.fixture
def tool(load_script, monkeypatch):
    """tools/benchmark.py, which imports from beside it."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return load_script("tools/benchmark.py")


@pytest.fixture
def measuring(tool):
    from benchmarks import measuring

    return measuring


def commands():
    """Arguments of the commands of docs/figures/*.json that run this tool."""
    for path in sorted((ROOT / "docs" / "figures").glob("*.json")):
        for command in json.loads(path.read_text(encoding="utf-8"))["command"].split(";"):
            _, found, arguments = command.partition("tools/benchmark.py ")
            if found:
                yield shlex.split(arguments)


@pytest.mark.parametrize(
    "command", [*commands(), ["pipeline"], ["reading", "--kind=rhd", "--path=."]], ids=" ".join
)
def test_options_and_results(tool, monkeypatch, tmp_path, command):
    module = importlib.import_module(f"benchmarks.{command[0]}")
    seen = []
    monkeypatch.setattr(module, "measure", lambda args: seen.append(args) or [{"a": 1}])
    options = [option for option in command if not option.endswith(".json") and option != "--out"]
    assert tool.main([*options, "--out", str(tmp_path / "results.json")]) == 0
    assert json.loads((tmp_path / "results.json").read_text()) == [{"a": 1}]
    assert len(seen) == 1


def test_every_module_is_known(tool):
    files = {path.stem for path in (ROOT / "tools" / "benchmarks").glob("[a-z]*.py")}
    assert set(tool.WHAT) == files - {"measuring", "torch_side"}
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert all(f"| `benchmark.py {name}` |" in page for name in tool.WHAT)
    with pytest.raises(SystemExit):
        tool.main(["nothing"])


def test_blocks_take_turns(measuring):
    order = []
    runs = {n: lambda steps, n=n: order.append(f"{n}{steps}") or len(order) for n in "ab"}
    times = measuring.in_turns(runs, SimpleNamespace(blocks=2, steps=3))
    assert order == ["a3", "b3", "a3", "b3"]
    np.testing.assert_array_equal(times["b"], [2, 4])
    order.clear()
    measuring.in_turns(runs, SimpleNamespace(blocks=2, steps=3), warm_up=1, back_and_forth=True)
    assert order == ["a1", "b1", "a3", "b3", "b3", "a3"]
    assert measuring.spread(np.array([1.0, 4.0, 2.0])) == {"median": 2, "least": 1, "most": 4}


def test_rows_come_from_processes_of_their_own(measuring, capsys):
    rows = ({"n": n, "size": measuring.apart(len, "a" * n)} for n in (1000, 2))
    assert measuring.show({"number": "n 0", "size": "size 1"}, rows) == [
        {"n": 1000, "size": 1000}, {"n": 2, "size": 2},
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "| number | size |", "| --- | --- |", "| 1,000 | 1,000.0 |", "| 2 | 2.0 |",
    ]  # fmt: skip


def test_a_row_that_ends_its_process_is_named(measuring):
    with pytest.raises(UserError, match="The process of a row was ended"):
        measuring.apart(os._exit, 1)


def test_one_stage_with_few_samples(measuring, tool):
    parser = argparse.ArgumentParser()
    measuring.add_stage_options(parser, steps=1, samples=32)
    config = measuring.one_stage(parser.parse_args(["--set", "data.seed=5"]), "data.zoom=1.2")
    assert (config.data.source.train, config.data.target.val, config.data.seed) == (32, 8, 5)
    assert config.data.zoom == 1.2
    assert [n for n in ("pretrain", "finetune") if config.stages[n].epochs] == ["finetune"]


def test_multiply_adds_by_hand(tool):
    from benchmarks.step import multiply_adds

    image = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)  # 4 x 3 places
    x = keras.layers.Conv2DTranspose(2, 4, strides=2, padding="same")(x)  # of 4 x 3 places
    inner = keras.Model(image, x)
    outputs = keras.layers.Dense(5)(keras.layers.Flatten()(inner(image)))  # of 8 * 6 * 2 numbers
    expected = 3 * 3 * 3 * 4 * 12 + 4 * 4 * 4 * 2 * 12 + 96 * 5
    assert multiply_adds(keras.Model(image, outputs)) == expected


def test_without_a_gpu_nothing_is_measured(tool, capsys):
    assert tool.main(["gpu"]) == 2
    assert "TensorFlow sees no GPU" in capsys.readouterr().err


def test_parts_of_the_gpu(tool, measuring, monkeypatch, capsys):
    """Tests that failed are shown; XLA and the precision reach the configuration of a row."""
    from benchmarks import gpu

    said = "FAILED tests/test_gpu.py::test_a\n1 failed, 9 passed in 60.12s"
    done = SimpleNamespace(returncode=1, stdout=said)
    monkeypatch.setattr(gpu.subprocess, "run", lambda *args, **options: done)
    assert gpu.tests(None) == {"failed": 1, "passed": 9}
    assert "FAILED" in capsys.readouterr().out
    seen = []
    row = {"images_s": 10.0, "step_ms": 100.0, "memory_mb": 5.0, "multiply_adds": 3}
    monkeypatch.setattr(gpu, "row_of", lambda args, changes: seen.append(changes) or row)
    monkeypatch.setattr(gpu, "peak", lambda dtype, side: {"float16": 180.0}[dtype])
    parser = argparse.ArgumentParser()
    gpu.add_options(parser)
    args = parser.parse_args(["--peak-side", "2"])
    assert gpu.step_row(args, "mixed_float16", True)["of_peak"] == 0.5  # 3 * 3 * 10 of 180
    config = measuring.one_stage(args, *seen[0])
    assert config.model.network == "cpm"
    assert (config.runtime.precision, config.runtime.jit_compile) == ("mixed_float16", True)
