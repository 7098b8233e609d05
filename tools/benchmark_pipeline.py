"""Time a training step on the real pipeline beside the step on one constant batch, in one run.

    python tools/benchmark_pipeline.py --config weak.yaml

Both take turns, block by block, so that a machine whose speed drifts treats them alike. The bar is
a ratio of at most 1.15.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import tensorflow as tf

from kerashand.config import STAGES, load_config
from kerashand.training.run import Run
from kerashand.training.single_steps import stage_step


def main(argv: list[str] | None = None) -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="weak.yaml")
    parser.add_argument("--stage", default="finetune")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20, help="steps of a block")
    parser.add_argument("--samples", type=int, default=2000, help="training samples a domain")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(argv)
    changes = [f"data.{domain}.train={args.samples}" for domain in ("source", "target")]
    changes += [f"stages.{stage}.epochs=0" for stage in STAGES if stage != args.stage]
    run = Run(load_config(args.config, [*changes, *args.overrides]), dry_run=False)
    run.prepare()
    batches, step = stage_step(run, args.stage)
    iterator = iter(batches)
    constant = next(iterator)
    for _ in range(5):
        step(next(iterator))
    times: dict[str, list[float]] = {"constant": [], "pipeline": []}
    for _ in range(args.blocks):
        times["constant"].append(_block(args.steps, lambda: step(constant)))
        times["pipeline"].append(_block(args.steps, lambda: step(next(iterator))))
    ratios = np.array(times["pipeline"]) / np.array(times["constant"])
    size = int(tf.shape(constant["uv_px"])[0])
    for name, values in times.items():
        seconds = np.median(values) / args.steps
        print(f"{name}: {1000 * seconds:.1f} ms a step of {size}, {size / seconds:.0f} images/s")
    print(
        f"pipeline / constant: median {np.median(ratios):.3f}, "
        f"{ratios.min():.3f} to {ratios.max():.3f} over {args.blocks} blocks"
    )


def _block(steps: int, call) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        logs = call()
    float(logs["loss"])  # waits for the device
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
