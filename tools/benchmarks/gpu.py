"""What a GPU does: its tests, steps of the paper's networks, and `weak.yaml` as a whole.

    CUDA_VISIBLE_DEVICES=0 python tools/benchmark.py gpu --out results.json

Three parts, of which `--parts` chooses:
tests   `pytest -m gpu`.
steps   Stage 3 of `paper/weak.yaml` on drawn batches (stand-in data, so that no data set is
        needed) in each precision, without and with XLA. Each row runs in a process of its own:
        ms a step, images/s, the most memory of the GPU, and the share of the peak. The peak is
        that of a large matrix product in the same precision. A training step counts as three
        times the multiply-adds of the networks.
whole   `kerashand-train --config weak.yaml`: rendering, three stages, results.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import add_stage_options, apart, seconds, show
from benchmarks.step import ROW_COLUMNS, row_of
from kerashand.errors import UserError
from kerashand.machine import gpus

PARTS = ("tests", "steps", "whole")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
COLUMNS = {
    "precision": "precision text", "XLA": "xla yes",
    **{title: ROW_COLUMNS[title] for title in ("images/s", "ms a step", "MB")},
    "of peak": "of_peak %0",
}  # fmt: skip
PEAK_SIDE = 8192
ROOT = Path(__file__).parents[2]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a stage, and the parts."""
    add_stage_options(parser, steps=10, samples=64)
    parser.set_defaults(config="paper/weak.yaml", blocks=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument(
        "--peak-side", type=int, default=PEAK_SIDE, help="side of the matrices of the peak"
    )
    parser.add_argument("--without-gpu", action="store_true", help="try the script on a CPU")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The parts, one after the other.

    Raises:
        UserError: without a GPU.
    """
    names = gpus()
    if not names and not args.without_gpu:
        raise UserError(
            "TensorFlow sees no GPU: compare `nvidia-smi` with docs/install.md#gpu. "
            "--without-gpu tries the script on a CPU."
        )
    run = {"tests": tests, "steps": steps, "whole": whole}
    return {"gpus": names, **{part: run[part](args) for part in args.parts}}


def tests(args: argparse.Namespace) -> dict[str, int]:
    """`pytest -m gpu`: how many passed, failed, and were skipped."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", "0", "-q", "tests/test_gpu.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = done.stdout.strip().splitlines()
    print("\n".join(lines[-1:] if done.returncode == 0 else lines[-60:]), flush=True)
    counts = re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1] if lines else "")
    return {word: int(count) for count, word in counts}


def steps(args: argparse.Namespace) -> list[dict]:
    """A row for each precision, without and with XLA."""
    return show(
        COLUMNS,
        (
            {"precision": precision, "xla": xla, **apart(step_row, args, precision, xla)}
            for precision, xla in itertools.product(args.precisions, (False, True))
        ),
    )


def step_row(args: argparse.Namespace, precision: str, xla: bool) -> dict[str, float]:
    """The row of `benchmark.py step`, and the share of the peak."""
    changes = [f"runtime.precision={precision}", f"runtime.jit_compile={str(xla).lower()}"]
    # The paper's data sets are not needed: batches are drawn.
    changes += [f"data.{domain}.kind=synthetic" for domain in ("source", "target")]
    row = row_of(args, changes)
    done = 3 * row["multiply_adds"] * row["images_s"]
    return {**row, "of_peak": done / peak(precision.removeprefix("mixed_"), args.peak_side)}


def peak(dtype: str, side: int) -> float:
    """Multiply-adds a second of a large matrix product."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal((side, side)), dtype)
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix), autograph=False)
    seconds(product, 2)
    return max(side**3 * 5 / seconds(product, 5) for _ in range(3))


def whole(args: argparse.Namespace) -> dict[str, float]:
    """`kerashand-train --config weak.yaml` from an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "kerashand.cli.train", "--config", "weak.yaml", "--run-dir",
            f"{folder}/run", "--set", f"data.cache_dir={folder}/cache", *args.overrides,
        ]  # fmt: skip
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"kerashand-train ended with {done.returncode}: {done.stderr[-2000:]}")
        minutes = (time.monotonic() - start) / 60
        results = json.loads(Path(folder, "run", "results.json").read_text(encoding="utf-8"))
    target = results["test"]["target"]
    found = {
        "minutes": minutes, "training_minutes": results["training_seconds"] / 60,
        "auc": target["auc"], "mean_error_mm": target["mean_error_mm"],
    }  # fmt: skip
    print(
        f"weak.yaml: {minutes:.1f} minutes, of which {found['training_minutes']:.1f} are training; "
        f"AUC {found['auc']:.3f}, {found['mean_error_mm']:.1f} mm"
    )
    return found
