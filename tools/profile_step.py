"""Where the time of a training step goes, and what size, width and batch do to it.

    python tools/profile_step.py --config weak.yaml
    python tools/profile_step.py --config weak.yaml --sizes 96 128 --widths 0.5 1 --batches 16 64

The first table splits a step of a configuration: input (reading, decoding and augmenting a batch,
when nothing else runs), forward (networks and losses), backward (gradients, less forward) and
optimiser (the whole step, less both). The parts are timed in turns, block by block, on the same
batch. While a step trains, tf.data makes the next batches: where input is shorter than the rest, it
costs what it takes of the processor. With `--sizes`, `--widths` or `--batches` a row for each
combination follows, on drawn batches, each in a process of its own: images/s of the whole step, and
the most memory that the process held (of the device, where that is a GPU).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.cli.startup import tensorflow_start
from kerashand.config import STAGES, Config, load_config

with tensorflow_start():  # with the settings of the commands
    import tensorflow as tf
    from own_process import measured_apart, memory_mb

    from kerashand.training.run import Run
    from kerashand.training.single_steps import compiled_step, stage_step

WARM_UP = 3
PREFETCHED = 16
"""Batches that tf.data may hold ready: they were made while other parts ran."""
SMALLEST_SPLIT = {"val": 8, "test": 8}


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="weak.yaml")
    parser.add_argument("--stage", default="finetune", choices=STAGES)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10, help="steps of a block")
    parser.add_argument("--samples", type=int, default=1000, help="training samples a domain")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--sizes", type=int, nargs="+", help="sides of the pictures")
    parser.add_argument("--widths", type=float, nargs="+", help="of `lite`")
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    return exit_code("profile_step", lambda: _row(args) if args.row else profile(args))


def profile(args: argparse.Namespace) -> None:
    """The split of a step, and the rows."""
    config = configured(args)
    run = Run(config, dry_run=False)
    run.prepare()
    batches, step = stage_step(run, args.stage)
    pipeline = iter(batches)
    parts = split_of(run, next(pipeline), step)
    parts = {"input": lambda: next(pipeline)["uv_px"], **parts}
    times = {name: np.median(values) for name, values in in_turns(parts, args).items()}
    spent = {
        "input": times["input"],
        "forward": times["forward"],
        "backward": times["gradients"] - times["forward"],
        "optimiser": times["step"] - times["gradients"],
        "step": times["step"],
    }
    stage = config.stages[args.stage]
    print(
        f"{args.config}, {args.stage}: {stage.batch_size} samples of {config.data.image_size_px} "
        f"px, {config.runtime.precision}, {len(tf.config.list_physical_devices('GPU'))} GPUs"
    )
    print("| part | ms | share of the step |\n|---|---|---|")
    for name, seconds in spent.items():
        print(f"| {name} | {1000 * seconds:.1f} | {seconds / times['step']:.0%} |")
    print(f"{stage.batch_size / times['step']:.0f} images/s, {memory_mb():.0f} MB at most")
    axes = {"data.image_size_px": args.sizes, "model.lite.width": args.widths}
    axes |= {f"stages.{args.stage}.batch_size": args.batches}
    axes = {key: values for key, values in axes.items() if values}
    if axes:
        rows(args, axes)


def configured(args: argparse.Namespace) -> Config:
    """The configuration with one stage and few samples."""
    changes = [f"data.{domain}.train={args.samples}" for domain in ("source", "target")]
    changes += [
        f"data.{domain}.{split}={count}"
        for domain, (split, count) in itertools.product(
            ("source", "target"), SMALLEST_SPLIT.items()
        )
    ]
    changes += [f"stages.{stage}.epochs=0" for stage in STAGES if stage != args.stage]
    return load_config(args.config, [*changes, *args.overrides])


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


def in_turns(parts: dict[str, Callable], args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of a call, for each block."""
    times: dict[str, list[float]] = {name: [] for name in parts}
    for call in parts.values():
        for _ in range(WARM_UP):
            call()
    for _ in range(args.blocks):
        for name, call in parts.items():
            for _ in range(PREFETCHED if name == "input" else 0):
                call()
            started = time.perf_counter()
            for _ in range(args.steps):
                result = call()
            np.asarray(result)  # waits for the device
            times[name].append((time.perf_counter() - started) / args.steps)
    return times


# ------------------------------------------------------------------------------------- rows


def rows(args: argparse.Namespace, axes: dict[str, list]) -> None:
    """A row for each combination, each in a process of its own."""
    print(f"| {' | '.join(key.split('.')[-1] for key in axes)} | images/s | ms a step | MB |")
    print("|---" * (len(axes) + 3) + "|")
    for values in itertools.product(*axes.values()):
        changed = [f"{key}={value}" for key, value in zip(axes, values, strict=True)]
        arguments = [
            "--row", "--config", args.config, "--stage", args.stage, "--blocks", args.blocks,
            "--steps", args.steps, "--set", *args.overrides, *changed,
        ]  # fmt: skip
        row = measured_apart(__file__, arguments, what=" ".join(changed))
        print(
            f"| {' | '.join(map(str, values))} | {row['images']:.0f} | {row['ms']:.1f} | "
            f"{row['mb']:.0f} |", flush=True,
        )  # fmt: skip


def _row(args: argparse.Namespace) -> None:
    """Time the whole step on a drawn batch, and print it as JSON."""
    config = configured(args)
    run = Run(config, dry_run=True)
    run.build(initial_weights=False)  # of another width there are none
    step = compiled_step(run, args.stage)
    batch = drawn_batch(config, args.stage)
    seconds = np.median(in_turns({"step": lambda: step(batch)["loss"]}, args)["step"])
    count = config.stages[args.stage].batch_size
    print(json.dumps({"images": count / seconds, "ms": 1000 * seconds, "mb": memory_mb()}))


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


if __name__ == "__main__":
    raise SystemExit(main())
