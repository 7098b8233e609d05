"""Write the measured figures into the pages, from docs/figures/*.json.

    python tools/write_figures.py
    python tools/write_figures.py --take evaluation results.json --model "the tenth round"

Each JSON file holds what one command measured (`results`), the `command`, the `model` and, where
it matters, the `machine`. A page marks where figures stand:

    <!-- figures:NAME -->
    ...
    <!-- end -->

The tool replaces what lies between the marks; tools/figure_blocks.py says what a NAME becomes.
`--take` puts new results into a JSON file first: those of tools/recipe/evaluate_model.py,
train_detector.py, benchmark.py, compare_mediapipe.py and measure_gestures.py (`evaluation*`,
`detector`, `speed`, `growth`, `adaptation`, `install`, `step`, `mediapipe*`, `scripts`, `tips`,
`gestures`),
results.json of tools/ablation.py (`ablation`), or the .parity.json files of kerashand-export
(`exports`). What several commands measured, or one that prints text alone, is put into its JSON
file by hand.
`tests/test_figures.py` fails when a page and the JSON files differ.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figure_blocks import block
from figure_forms import FIGURES, ROOT

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.files import write_text

PAGES = ("README.md", "docs/deployment.md", "docs/gestures.md", "docs/install.md",
         "docs/mediapipe.md", "docs/model_card.md", "docs/paper.md", "docs/recording.md",
         "docs/scale.md", "docs/training.md", "export/README.md",
         "kerashand/weights/README.md")  # fmt: skip
BLOCK = re.compile(r"<!-- figures:([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
DETAILS = ("command", "machine", "model")


def main(argv: list[str] | None = None) -> int:
    """Take new results if asked, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--take", nargs="+", default=[], metavar=("NAME", "FILE"),
        help="put the results in FILE into docs/figures/NAME.json first",
    )  # fmt: skip
    for name in DETAILS:
        parser.add_argument(f"--{name}", help=f"the {name} of these results (default: as before)")
    args = parser.parse_args(argv)
    return exit_code("write_figures", lambda: write(args))


def write(args: argparse.Namespace) -> None:
    """Change the JSON file that is named, then the pages."""
    if args.take:
        name, *paths = args.take
        details = {key: getattr(args, key) for key in DETAILS if getattr(args, key)}
        write_text(FIGURES / f"{name}.json", taken(name, [Path(path) for path in paths], details))
    for page in PAGES:
        write_text(ROOT / page, filled((ROOT / page).read_text(encoding="utf-8"), page))


def filled(text: str, page: str) -> str:
    """A page with its blocks as they have to be.

    Raises:
        UserError: for a block of unknown name.
    """

    def replacement(match: re.Match) -> str:
        content = block(match[1])
        if content is None:
            raise UserError(f"{page} has a block figures:{match[1]}, which nothing writes.")
        return f"<!-- figures:{match[1]} -->\n{content}\n<!-- end -->"

    return BLOCK.sub(replacement, text)


def taken(name: str, paths: Sequence[Path], details: Mapping[str, str]) -> str:
    """The text of docs/figures/NAME.json with the output of a command as its results.

    Raises:
        UserError: where there is no such file, or the outputs are not one, or unreadable.
    """
    path = FIGURES / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FIGURES.glob("*.json")))
        raise UserError(f"--take: there is no {name}.json. Known are: {known}.")
    if not paths or (len(paths) > 1 and name != "exports"):
        raise UserError(f"--take {name} needs one file of results. Received: {len(paths)}")
    try:
        outputs = [json.loads(file.read_text(encoding="utf-8")) for file in paths]
    except (OSError, ValueError) as error:
        raise UserError(f"--take: the results cannot be read: {error}") from error
    held = json.loads(path.read_text(encoding="utf-8")) | details
    if name == "exports":
        held["results"] = of_parity_reports(outputs)
    elif name == "ablation":
        held["results"] = of_runs(outputs[0])
    else:
        held["results"] = outputs[0]
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"


def of_parity_reports(reports: list[dict]) -> dict[str, Any]:
    """Rows of the table of exports, from NAME.parity.json of each file."""
    rows = []
    for report in reports:
        apart = [part["uv_px"] for part in report["difference"].values()]
        rows.append(
            {
                "format": report["format"],
                "precision": report["precision"],
                "mb": report["bytes"] / 1e6,
                "largest_px": max(one["max"] for one in apart),
                "mean_px": apart[0]["mean"],
                **report["after"],
            }
        )
    return {"model": reports[0]["before"], "files": rows}


def of_runs(runs_of: Mapping[str, list[dict]]) -> dict[str, Any]:
    """Means and deviations over the seeds, from results.json of tools/ablation.py.

    The keys of a setting are those of the target's test split; `source` holds the source's.
    """
    settings = {
        name: {
            **over_seeds([run["target"] for run in runs]),
            "source": over_seeds([run["source"] for run in runs]),
        }
        for name, runs in runs_of.items()
    }
    first = next(iter(runs_of.values()))
    return {"hands": first[0]["target"]["samples"], "seeds": len(first), "settings": settings}


def over_seeds(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, and deviation where there are several runs, of what pages show."""
    found = {}
    for key in ("auc", "mean_error_mm", "mean_depth_error_mm", "mean_error_px"):
        values = [run[key] for run in runs]
        found[key] = {"mean": float(np.mean(values))}
        if len(values) > 1:
            found[key]["deviation"] = float(np.std(values, ddof=1))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
