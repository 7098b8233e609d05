"""Time a training step on the real pipeline beside the step on one constant batch.

    python tools/benchmark.py pipeline --config weak.yaml

Both take turns, block by block, so that a machine whose speed drifts treats them alike. The bar is
a ratio of at most 1.15.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.measuring import add_stage_options, in_turns, one_stage, seconds, show, spread
from kerashand.cli.startup import tensorflow_start

with tensorflow_start():
    from kerashand.training.run import Run
    from kerashand.training.single_steps import stage_step

WARM_UP = 5
COLUMNS = {"batches": "batches text", "ms a step": "step_ms 1", "images/s": "images_s 0"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a stage."""
    add_stage_options(parser, steps=20, samples=2000)


def measure(args: argparse.Namespace) -> dict:
    """Both times and their ratio."""
    run = Run(one_stage(args), dry_run=False)
    run.prepare()
    batches, step = stage_step(run, args.stage)
    iterator = iter(batches)
    constant = next(iterator)
    runs = {
        "constant": lambda steps: seconds(lambda: step(constant)["loss"], steps),
        "pipeline": lambda steps: seconds(lambda: step(next(iterator))["loss"], steps),
    }
    times = in_turns(runs, args, warm_up=WARM_UP)
    size = len(constant["uv_px"])
    step_s = {name: float(np.median(values)) / args.steps for name, values in times.items()}
    rows = [{"batches": n, "step_ms": 1e3 * s, "images_s": size / s} for n, s in step_s.items()]
    show(COLUMNS, rows)
    ratio = spread(times["pipeline"] / times["constant"])
    print(
        f"pipeline / constant: median {ratio['median']:.3f}, {ratio['least']:.3f} to "
        f"{ratio['most']:.3f} over {args.blocks} blocks"
    )
    return {"rows": rows, "ratio": ratio}
