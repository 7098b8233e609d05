"""Run the paper's settings over several seeds on the embedded benchmark and write the table.

    python tools/ablation.py --seeds 0 1 2 --out runs/ablation

Of each seed `weak.yaml` runs whole; the other settings start from its weights after stage 2, so
that all share stages 1 and 2 and differ in stage 3 alone. Stopped, it goes on where it was: each
run resumes by itself. Writes table.md, results.json and pck.png.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from kerashand import visualize
from kerashand.evaluation import COLUMNS

SETTINGS = {
    "source_only": "source only",
    "labels_2d": "+ 2D labels",
    "weak": "+ 2D labels + depth regularizer (weak)",
    "full": "+ 3D labels + depth regularizer (full)",
    "full_no_regularizer": "+ 3D labels, no regularizer",
}
DEFAULT_SETTINGS = ("source_only", "labels_2d", "weak", "full")


def main(argv: list[str] | None = None) -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--settings", nargs="+", default=DEFAULT_SETTINGS, choices=SETTINGS)
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(argv)
    settings = [name for name in SETTINGS if name in args.settings]
    results: dict[str, list[dict]] = {name: [] for name in settings}
    for seed in args.seeds:
        folder = args.out / f"seed{seed}"
        weak = train("weak", folder, [f"seed={seed}", *args.overrides])
        shared = [
            f"seed={seed}",
            "stages.pretrain.epochs=0",
            "stages.regularizer.epochs=0",
            f"model.initial_weights={folder / 'weak' / 'weights_regularizer.npz'}",
        ]
        for name in settings:
            run = weak if name == "weak" else train(name, folder, [*shared, *args.overrides])
            results[name].append(run["test"]["target"])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(results, indent=2))
    text = table(results, args.seeds)
    (args.out / "table.md").write_text(text)
    visualize.figure_pck(
        {
            SETTINGS[name]: (
                np.array(runs[0]["thresholds_mm"]),
                np.mean([run["pck"] for run in runs], axis=0),
                float(np.mean([run["auc"] for run in runs])),
            )
            for name, runs in results.items()
        },
        args.out / "pck.png",
        title=f"Target test split, mean of {len(args.seeds)} seeds",
    )
    print(text)


def train(name: str, folder: Path, overrides: list[str]) -> dict:
    """One run; a finished one answers at once."""
    command = [
        sys.executable, "-m", "kerashand.cli.train", "--config", f"{name}.yaml",
        "--run-dir", str(folder / name), "--set", *overrides,
    ]  # fmt: skip
    print("$", " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    return json.loads((folder / name / "results.json").read_text())


def table(results: dict[str, list[dict]], seeds: list[int]) -> str:
    """Mean and standard deviation over seeds, then the gaps between the settings."""
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
    lines += ["", f"Seeds {', '.join(map(str, seeds))}; mean ± standard deviation."]
    names = list(results)
    for first, second in itertools.pairwise(names):
        gaps = auc[second] - auc[first]
        each = ", ".join(f"{gap:+.3f}" for gap in gaps)
        lines.append(f"- {SETTINGS[second]} over {SETTINGS[first]}: {gaps.mean():+.3f} ({each})")
    if {"labels_2d", "weak", "full"} <= results.keys():
        share = (auc["weak"] - auc["labels_2d"]) / (auc["full"] - auc["labels_2d"])
        each = ", ".join(f"{s:.0%}" for s in share)
        lines.append(
            f"- of the way from 2D labels to full, weak closes {share.mean():.0%} ({each})"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
