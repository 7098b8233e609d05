"""Where the time of a training step goes, and what size, width and batch do to it.

    python tools/benchmark.py step --config weak.yaml
    python tools/benchmark.py step --config weak.yaml --sizes 96 128 --widths 0.5 1 --batches 16 64

The first table splits a step of a configuration: input (reading, decoding and augmenting a batch,
when nothing else runs), forward (networks and losses), backward (gradients, less forward) and
optimizer (the whole step, less both). The parts are timed in turns, block by block, on the same
batch. While a step trains, tf.data makes the next batches: where input is shorter than the rest, it
costs what it takes of the processor. With `--sizes`, `--widths` or `--batches` a row for each
combination follows, on drawn batches, each in a process of its own: images/s of the whole step, and
the most memory that the process held (of the device, where that is a GPU).
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.measuring import (
    add_stage_options,
    apart,
    in_turns,
    one_stage,
    seconds,
    show,
)
from kerashand.cli.startup import tensorflow_start
from kerashand.config import Config
from kerashand.machine import memory_mb

with tensorflow_start():  # with the settings of the commands
    import keras
    import tensorflow as tf

    from kerashand.training.run import Run
    from kerashand.training.single_steps import compiled_step, stage_step

WARM_UP = 3
PREFETCHED = 16
"""Batches that tf.data may hold ready: they were made while other parts ran."""
PART_COLUMNS = {"part": "part text", "ms": "ms 1", "share of the step": "share %0"}
ROW_COLUMNS = {
    "px": "size_px text", "width": "width text", "batch": "batch text", "images/s": "images_s 0",
    "ms a step": "step_ms 1", "MB": "memory_mb 0",
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a stage, and of the rows."""
    add_stage_options(parser, steps=10, samples=1000)
    parser.add_argument("--sizes", type=int, nargs="+", help="sides of the pictures")
    parser.add_argument("--widths", type=float, nargs="+", help="of `lite`")
    parser.add_argument("--batches", type=int, nargs="+")


def measure(args: argparse.Namespace) -> dict:
    """The split of a step, and the rows."""
    config = one_stage(args)
    run = Run(config, dry_run=False)
    run.prepare()
    batches, step = stage_step(run, args.stage)
    pipeline = iter(batches)
    calls = split_of(run, next(pipeline), step)

    def read(steps: int) -> float:
        seconds(lambda: next(pipeline)["uv_px"], PREFETCHED)
        return seconds(lambda: next(pipeline)["uv_px"], steps)

    runs = {"input": read, **{name: partial(seconds, call) for name, call in calls.items()}}
    times = medians(runs, args)
    spent = {
        "input": times["input"],
        "forward": times["forward"],
        "backward": times["gradients"] - times["forward"],
        "optimizer": times["step"] - times["gradients"],
        "step": times["step"],
    }
    parts = [{"part": name, "ms": 1e3 * s, "share": s / times["step"]} for name, s in spent.items()]
    stage = config.stages[args.stage]
    print(
        f"{args.config}, {args.stage}: {stage.batch_size} samples of {config.data.image_size_px} "
        f"px, {config.runtime.precision}, {len(tf.config.list_physical_devices('GPU'))} GPUs"
    )
    show(PART_COLUMNS, parts)
    print(f"{stage.batch_size / times['step']:.0f} images/s, {memory_mb():.0f} MB at most")
    found = {"parts_ms": {part["part"]: part["ms"] for part in parts}}
    return {**found, "rows": rows(args)} if args.sizes or args.widths or args.batches else found


def split_of(run: Run, batch: dict, step: Callable) -> dict[str, Callable]:
    """Compiled functions of one batch: forward, gradients, step."""
    trainer = run.trainer
    variables = [
        v.value
        for name in trainer.part_optimizers
        for v in getattr(trainer, name).trainable_variables
    ]

    @tf.function(autograph=False)
    def forward() -> tf.Tensor:
        counts = trainer._label_counts(batch)
        return trainer._total(trainer._shares(batch, counts, training=True))

    @tf.function(autograph=False)
    def gradients() -> tf.Tensor:
        counts = trainer._label_counts(batch)
        found, _ = trainer._gradients(batch, variables, counts)
        # All of them are needed, so that none is left out of the graph.
        return tf.add_n([tf.reduce_sum(tf.cast(g, tf.float32)) for g in found if g is not None])

    return {"forward": forward, "gradients": gradients, "step": lambda: step(batch)["loss"]}


def medians(runs: dict[str, Callable], args: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of each."""
    times = in_turns(runs, args, warm_up=WARM_UP)
    return {name: float(np.median(values)) / args.steps for name, values in times.items()}


def rows(args: argparse.Namespace) -> list[dict]:
    """A row for each combination, each in a process of its own."""
    axes = {
        "size_px": ("data.image_size_px", args.sizes),
        "width": ("model.lite.width", args.widths),
        "batch": (f"stages.{args.stage}.batch_size", args.batches),
    }
    keys = {name: key for name, (key, values) in axes.items() if values}

    def row(chosen: dict) -> dict[str, float]:
        return {**chosen, **apart(row_of, args, [f"{keys[n]}={v}" for n, v in chosen.items()])}

    values = itertools.product(*(axes[name][1] for name in keys))
    left_out = axes.keys() - keys.keys()
    columns = {t: c for t, c in ROW_COLUMNS.items() if c.split()[0] not in left_out}
    return show(columns, (row(dict(zip(keys, chosen, strict=True))) for chosen in values))


def row_of(args: argparse.Namespace, changes: list[str]) -> dict[str, float]:
    """Time the whole step on a drawn batch."""
    config = one_stage(args, *changes)
    run = Run(config, dry_run=True)
    run.build(initial_weights=False)  # of another width there are none
    step = compiled_step(run, args.stage)
    batch = drawn_batch(config, args.stage)
    run_steps = partial(seconds, lambda: step(batch)["loss"])
    step_s = medians({"step": run_steps}, args)["step"]
    return {
        "images_s": config.stages[args.stage].batch_size / step_s,
        "step_ms": 1000 * step_s,
        "memory_mb": memory_mb(),
        "multiply_adds": sum(map(multiply_adds, run.parts.models.values())),
    }


def multiply_adds(model: keras.Model) -> int:
    """Those of the convolutions and dense layers, for one sample, forward."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif hasattr(layer, "kernel"):
            # A transposed convolution applies its kernel at each place of its input.
            at = layer.input if "Transpose" in type(layer).__name__ else layer.output
            total += int(np.prod(layer.kernel.shape) * np.prod(at.shape[1:-1]))
    return total


def drawn_batch(config: Config, stage: str) -> dict[str, tf.Tensor]:
    """A batch of `kerashand.data.sample.BATCH_SPEC` of random numbers, fully labelled."""
    count, side = config.stages[stage].batch_size, config.data.image_size_px
    cells = config.model.regularizer.output_size_px
    rng = np.random.default_rng(0)
    uv = rng.uniform(0, side - 1, (count, 21, 2))
    camera = np.tile([[side, 0, side / 2], [0, side, side / 2], [0, 0, 1.0]], (count, 1, 1))
    batch = {
        "image": rng.uniform(0, 255, (count, side, side, 3)),
        "uv_px": uv,
        "uv_weight": np.ones((count, 21)),
        "is_right": np.ones(count),
        "is_hand": np.ones(count),
        "z_relative": rng.normal(0, 1, (count, 21)),
        "z_weight": np.ones(count),
        "depth_map": rng.uniform(0, 1, (count, cells, cells, 1)),
        "depth_weight": np.ones((count, cells, cells, 1)),
        "xyz_mm": rng.normal(0, 50, (count, 21, 3)) + np.array([0, 0, 500]),
        "intrinsics": camera,
        "root_depth_mm": np.full(count, 500.0),
        "scale_mm": np.full(count, 40.0),
    }
    tensors = {name: tf.constant(value, tf.float32) for name, value in batch.items()}
    return {**tensors, "domain": tf.zeros(count, tf.int32)}
