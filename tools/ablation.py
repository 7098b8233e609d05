"""Run the paper's settings over several seeds on the embedded benchmark and write the table.

    python tools/ablation.py --seeds 0 1 2 --jobs 2 --out runs/ablation

Of each seed `weak.yaml` runs whole; the other settings start from its weights after stage 2, so
that all share stages 1 and 2 and differ in stage 3 alone. With several jobs each has its share of
the cores, which small networks use better than one job uses them all. Stopped, it goes on where it
was: each run resumes by itself. What a run prints goes to RUN.log beside its folder. Writes
table.md, results.json and pck.png.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from kerashand.evaluation.tables import COLUMNS
from kerashand.files import write_text
from kerashand.visualize import pages

SETTINGS = {
    "source_only": "source only",
    "labels_2d": "+ 2D labels",
    "depth_maps": "+ 2D labels + depth regularizer (the paper)",
    "weak": "+ joints behind the skin (weak)",
    "full": "+ 3D labels + depth regularizer (full)",
    "full_no_regularizer": "+ 3D labels, no regularizer",
}
DEFAULT_SETTINGS = ("source_only", "labels_2d", "depth_maps", "weak", "full")
CHANGES = {
    "depth_maps": (
        "weak", "stages.finetune.labels.source=[uv, xyz, depth]",
        "stages.finetune.loss_weights.joint_surface=0",
    ),
}  # fmt: skip
"""Settings without a file of their own: the file, and what is changed in it."""


def main(argv: list[str] | None = None) -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2],
        help="each runs all settings anew, some 10 minutes a setting (default: 0 1 2)",
    )  # fmt: skip
    parser.add_argument(
        "--settings", nargs="+", default=DEFAULT_SETTINGS, choices=SETTINGS, metavar="NAME",
        help=f"of {', '.join(SETTINGS)} (default: {' '.join(DEFAULT_SETTINGS)}); the others start "
        "from weak, which runs in any case",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablation"),
        help="folder of the runs and of the table (default: runs/ablation)",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument(
        "--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE",
        help="changes of the configuration of all runs, as of kerashand-train --set",
    )  # fmt: skip
    args = parser.parse_args(argv)
    settings = [name for name in SETTINGS if name in args.settings]
    measured = run_all(settings, args.seeds, args.overrides, folder=args.out, jobs=args.jobs)
    args.out.mkdir(parents=True, exist_ok=True)
    write_text(args.out / "results.json", json.dumps(measured, indent=2))
    results = {name: [run["target"] for run in runs] for name, runs in measured.items()}
    text = table(results, args.seeds)
    write_text(args.out / "table.md", text)
    pages.figure_pck(
        {
            SETTINGS[name]: (
                np.array(runs[0]["thresholds_mm"]),
                np.mean([run["pck"] for run in runs], axis=0),
                float(np.mean([run["auc"] for run in runs])),
            )
            for name, runs in results.items()
        },
        args.out / "pck.png",
        title=f"Target test split, {seeds_in_words(args.seeds)}",
    )
    print(text)


def run_all(
    settings: list[str], seeds: list[int], overrides: list[str], *, folder: Path, jobs: int
) -> dict[str, list[dict[str, dict]]]:
    """Test results of both domains by setting, in the order of the seeds."""
    threads = max((os.cpu_count() or 1) // jobs, 1)

    def run(name: str, seed: int, changes: list[str]) -> dict:
        run_dir = folder / f"seed{seed}" / name
        config, *own = CHANGES.get(name, (name,))
        return train(config, run_dir, [f"seed={seed}", *own, *overrides, *changes], threads=threads)

    def run_from_stage_2(name: str, seed: int) -> dict:
        weak[seed].result()
        weights = folder / f"seed{seed}" / "weak" / "weights_regularizer.npz"
        shared = ["stages.pretrain.epochs=0", "stages.regularizer.epochs=0"]
        return run(name, seed, [*shared, f"model.initial_weights={weights}"])

    with ThreadPoolExecutor(jobs) as pool:
        # Those that others wait for are first in the queue, so that no worker waits for ever.
        weak = {seed: pool.submit(run, "weak", seed, []) for seed in seeds}
        jobs_of = {
            name: [
                weak[seed] if name == "weak" else pool.submit(run_from_stage_2, name, seed)
                for seed in seeds
            ]
            for name in settings
        }
        try:
            return {name: [job.result()["test"] for job in jobs_of[name]] for name in settings}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def train(name: str, run_dir: Path, overrides: list[str], *, threads: int) -> dict:
    """One run, its output in RUN_DIR.log; a finished one answers at once."""
    command = [
        sys.executable, "-m", "kerashand.cli.train", "--config", f"{name}.yaml",
        "--run-dir", str(run_dir), "--set", *overrides,
    ]  # fmt: skip
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)}
    log = run_dir.with_suffix(".log")
    print(f"{command_line(command)} >> {shlex.quote(str(log))} 2>&1", flush=True)
    with log.open("a", encoding="utf-8") as file:
        done = subprocess.run(command, env=environment, stdout=file, stderr=file, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed with code {done.returncode}: see {log}")
    results = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))
    target = results["test"]["target"]
    print(f"{run_dir}: AUC {target['auc']:.3f} in {results['training_seconds']:.0f} s", flush=True)
    return results


def command_line(command: list[str]) -> str:
    """A command as it can be pasted into a shell."""
    return shlex.join(["python", *command[1:]])


def seeds_in_words(seeds: list[int]) -> str:
    """Which seeds numbers are of."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean over seeds {', '.join(map(str, seeds))}"


def table(results: dict[str, list[dict]], seeds: list[int]) -> str:
    """Mean and standard deviation of test results over seeds, then the gaps between settings."""
    lines = [
        "| setting | " + " | ".join(title for title, _, _ in COLUMNS) + " |",
        "|---|" + "---|" * len(COLUMNS),
    ]
    for name, runs in results.items():
        cells = []
        for _, key, form in COLUMNS:
            values = np.array([run[key] for run in runs])
            spread = f" ± {form.format(values.std(ddof=1))}" if len(values) > 1 else ""
            cells.append(form.format(values.mean()) + spread)
        lines.append(f"| {SETTINGS[name]} | " + " | ".join(cells) + " |")
    auc = {name: np.array([run["auc"] for run in runs]) for name, runs in results.items()}
    hands = next(iter(results.values()))[0]["samples"]
    spread = " ± standard deviation" if len(seeds) > 1 else ", no deviation between seeds"
    lines += ["", f"On {hands} hands, {seeds_in_words(seeds)}{spread}."]
    names = list(results)
    for first, second in itertools.pairwise(names):
        gaps = of_seeds(auc[second] - auc[first], "{:+.3f}")
        lines.append(f"- AUC of {SETTINGS[second]} over {SETTINGS[first]}: {gaps}")
    if {"labels_2d", "weak", "full"} <= results.keys():
        share = (auc["weak"] - auc["labels_2d"]) / (auc["full"] - auc["labels_2d"])
        lines.append(
            f"- of the way from 2D labels to full, weak closes {of_seeds(share, '{:.0%}')}"
        )
    return "\n".join(lines) + "\n"


def of_seeds(values: np.ndarray, form: str) -> str:
    """The mean, and what each seed gives where there are several."""
    each = f" ({', '.join(map(form.format, values))})" if len(values) > 1 else ""
    return form.format(values.mean()) + each


if __name__ == "__main__":
    main()
