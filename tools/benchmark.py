"""Measure how fast something is.

    python tools/benchmark.py WHAT [options]
    python tools/benchmark.py speed --cpm --out results.json
    python tools/write_figures.py --take speed results.json

`python tools/benchmark.py WHAT --help` says what is measured, and how.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from kerashand.cli.arguments import exit_code
from kerashand.files import write_text
from kerashand.machine import machine

WHAT = {
    "adaptation": "3D error before and after adapting to rendered recordings",
    "beside_torch": "a network in TensorFlow beside the same one in PyTorch, in turns",
    "gpu": "what a GPU does: its tests, steps of paper/weak.yaml, weak.yaml as a whole",
    "growth": "what 1,000 to 1,000,000 hands cost to read",
    "install": "MB to load and MB on disk of the base install and of each extra",
    "pipeline": "a training step on the real pipeline against one constant batch",
    "reading": "how fast one core reads a data set on disk, and shards of it",
    "speed": "exported models beside MediaPipe's, in turns",
    "step": "where the time of a training step goes; images/s and memory by size, width and batch",
}
"""Modules of tools/benchmarks and what each measures. A module has `add_options(parser)` and
`measure(args)`, which prints a table and gives the results for a JSON file."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the results if asked."""
    plain = argparse.RawDescriptionHelpFormatter
    lines = "\n".join(f"  {name:<14}{text}" for name, text in WHAT.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__.splitlines()[0]} WHAT is one of:\n{lines}", formatter_class=plain
    )
    parser.add_argument("what", choices=WHAT, metavar="WHAT")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="see WHAT --help")
    chosen = parser.parse_args(argv)
    module = importlib.import_module(f"benchmarks.{chosen.what}")
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {chosen.what}", description=module.__doc__, formatter_class=plain
    )
    module.add_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results as JSON")
    args = parser.parse_args(chosen.options)

    def run() -> None:
        print(machine())
        results = module.measure(args)
        if args.out:
            write_text(args.out, json.dumps(results, indent=2))

    return exit_code(f"benchmark {chosen.what}", run)


if __name__ == "__main__":
    raise SystemExit(main())
