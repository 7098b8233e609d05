"""Kill a job at random moments, start it again, and compare its end with that of an unbroken one.

    python tests/kill_runs.py --job train --kills 50 --seed 0

Each start is killed (SIGKILL) at a moment drawn from the time that a whole run takes, until so many
kills are done; then the job runs to its end. After every kill the files that are there must be
whole: checkpoints, weights and reports are read. Jobs: train (three stages with checkpoints every
two steps), cache (rendered hands), export (a .tflite file and a SavedModel), report (HTML, JSON).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerashand.config import STAGES
from kerashand.files import PART_SUFFIX
from kerashand.training.checkpoint import load_state

SMALL = [
    "data.image_size_px=32", "data.workers=1",
    *(f"stages.{s}.batch_size=8" for s in STAGES),
    *(f"stages.{s}.optimizer.warmup_steps=0" for s in STAGES),
]  # fmt: skip
TRAIN = [
    *SMALL, "model.initial_weights=null",
    "data.source={train: 64, val: 8, test: 8}", "data.target={train: 64, val: 8, test: 8}",
    "model.lite={width: 0.25, stages: 1}", "evaluation.pictures=2",
    "model.regressor={conv_channels: [8, 8], hidden_units: [16, 16]}",
    "model.regularizer={output_size_px: 32, channels: [16, 16, 8, 8, 8]}",
    "runtime.checkpoint_every_steps=2",
    *(f"stages.{s}.epochs=3" for s in STAGES), *(f"stages.{s}.steps_per_epoch=10" for s in STAGES),
]  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run one job with its kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=tuple(JOBS), default="train")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        return survive(args.job, args.kills, np.random.default_rng(args.seed), Path(folder))


def survive(job: str, kills: int, rng: np.random.Generator, root: Path) -> int:
    """Kill, check, start again, compare; 1 if anything was lost."""
    command, check, compare = JOBS[job]
    started = time.monotonic()
    if start(command(root / "unbroken")).wait():
        print(f"{job}: the unbroken one failed")
        return 1
    whole_s = time.monotonic() - started
    print(f"unbroken: {whole_s:.0f} s", flush=True)
    done = finished = 0
    problems: list[str] = []
    while done < kills:
        process = start(command(root / "killed"))
        moment = rng.uniform(0.0, whole_s)
        try:
            process.wait(moment)
            if process.returncode:
                problems.append(f"a start ended with code {process.returncode}")
                break
            finished += 1  # a new one, so that there is something to kill
            problems += compare(root / "unbroken", root / "killed")
            shutil.rmtree(root / "killed")
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        done += 1
        problems += [f"after {moment:.1f} s: {text}" for text in check(root / "killed")]
        print(f"kill {done} after {moment:.1f} s: {len(problems)} problems so far", flush=True)
    last = start(command(root / "killed"))
    last.wait()
    if last.returncode:
        problems.append(f"the last start ended with code {last.returncode}")
    problems += compare(root / "unbroken", root / "killed")
    print(f"{job}: {done} kills, {finished + 1} finished, {len(problems)} problems")
    print("\n".join(problems))
    return int(bool(problems))


def start(command: list[str]) -> subprocess.Popen:
    """A job in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


# ------------------------------------------------------------------------------------ train


def train(folder: Path) -> list[str]:
    """The command of a small training."""
    cache = f"data.cache_dir={folder.parent / 'cache'}"
    return [
        "kerashand.cli.train", "--config", "weak.yaml", "--run-dir", str(folder / "run"), "--set",
        *TRAIN, cache,
    ]  # fmt: skip


def check_train(folder: Path) -> list[str]:
    """Files of a killed run that cannot be read."""
    run = folder / "run"
    problems = []
    if (run / "checkpoint.npz").exists():
        try:
            load_state(run / "checkpoint.npz")
        except Exception as error:
            problems.append(str(error))
    for path in run.glob("*.npz"):
        if PART_SUFFIX not in path.name:
            problems += unreadable(path)
    return problems


def unreadable(path: Path) -> list[str]:
    """Whether every array of an archive can be read."""
    try:
        with np.load(path) as data:
            for name in data.files:
                _ = data[name]
    except Exception as error:
        return [f"{path.name}: {error}"]
    return []


def compare_train(expected: Path, found: Path) -> list[str]:
    """Weights and results beside those of the unbroken run."""
    problems = []
    with (
        np.load(expected / "run" / "weights_finetune.npz") as theirs,
        np.load(found / "run" / "weights_finetune.npz") as ours,
    ):
        apart = max(float(np.abs(theirs[name] - ours[name]).max()) for name in theirs.files)
    numbers = [
        json.loads((folder / "run" / "results.json").read_text())["test"]["target"]
        for folder in (expected, found)
    ]
    error = abs(numbers[0]["mean_error_mm"] - numbers[1]["mean_error_mm"])
    rows = [(folder / "run" / "log.csv").read_text().splitlines() for folder in (expected, found)]
    print(f"weights at most {apart:.2g} apart, mean error {error:.2g} mm", flush=True)
    if apart > 1e-3 or error > 0.05:
        problems.append(f"another result: weights {apart:.3g}, error {error:.3g} mm apart")
    if len(rows[0]) != len(rows[1]):
        problems.append(f"log.csv has {len(rows[1])} lines, not {len(rows[0])}")
    left = [path.name for path in (found / "run").rglob(f"*{PART_SUFFIX}*")]
    return problems + [f"left behind: {name}" for name in left]


# ------------------------------------------------------------------------------------ others


def cache(folder: Path) -> list[str]:
    """The command that renders hands."""
    return [
        "kerashand.cli.data", "render", "--config", "weak.yaml", "--set",
        *SMALL, "data.source={train: 1200, val: 8, test: 8}",
        "data.target={train: 16, val: 8, test: 8}", f"data.cache_dir={folder}",
    ]  # fmt: skip


def shards(folder: Path) -> dict[str, bytes]:
    """Contents of whole files by name."""
    files = [path for path in folder.rglob("*") if path.is_file() and PART_SUFFIX not in path.name]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def compare_cache(expected: Path, found: Path) -> list[str]:
    """The same shards, byte by byte."""
    theirs, ours = shards(expected), shards(found)
    return [f"{name} differs" for name in theirs if ours.get(name) != theirs[name]]


def export(folder: Path) -> list[str]:
    """The command that writes a .tflite file."""
    folder.mkdir(parents=True, exist_ok=True)
    return ["kerashand.cli.export", "--hands", "8", "--out", str(folder / "hand.tflite")]


def check_export(folder: Path) -> list[str]:
    """A file that is there can be run."""
    from kerashand.runtime.backends import load_backend

    path = folder / "hand.tflite"
    if not path.exists():
        return []
    try:
        load_backend(path, task="hand_pose")
    except Exception as error:
        return [f"{path.name}: {error}"]
    return []


def compare_export(expected: Path, found: Path) -> list[str]:
    """The same file."""
    same = (expected / "hand.tflite").read_bytes() == (found / "hand.tflite").read_bytes()
    return [] if same else ["hand.tflite differs"]


def report(folder: Path) -> list[str]:
    """The command that writes a report."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        "kerashand.cli.eval", "lite", "--data", "varied", "--samples", "24", "--cache-dir",
        str(folder.parent / "cache"), "--out", str(folder / "report.html"), "--json",
        str(folder / "report.json"),
    ]  # fmt: skip


def check_report(folder: Path) -> list[str]:
    """Files that are there are whole."""
    problems = []
    page, record = folder / "report.html", folder / "report.json"
    if page.exists() and not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        problems.append("report.html is cut short")
    if record.exists():
        try:
            json.loads(record.read_text(encoding="utf-8"))
        except ValueError as error:
            problems.append(f"report.json: {error}")
    return problems


def compare_report(expected: Path, found: Path) -> list[str]:
    """The same numbers."""
    ours, theirs = (
        json.loads((folder / "report.json").read_text(encoding="utf-8"))
        for folder in (found, expected)
    )
    return [] if ours["numbers"] == theirs["numbers"] else ["report.json has other numbers"]


Job = tuple[Callable, Callable, Callable]
JOBS: dict[str, Job] = {
    "train": (train, check_train, compare_train),
    "cache": (cache, lambda folder: [], compare_cache),
    "export": (export, check_export, compare_export),
    "report": (report, check_report, compare_report),
}


if __name__ == "__main__":
    raise SystemExit(main())
