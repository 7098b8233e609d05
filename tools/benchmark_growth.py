"""What 1,000 to 1,000,000 hands cost: start, reading, going on in the middle, memory.

    python tools/benchmark_growth.py --config weak.yaml

The target's hands of a configuration are rendered once (`--stored`, kept in the cache) and their
files are listed as often as a data set of each size would have files: the pipeline reads, shuffles
and decodes as many records from as many files as it would of different hands, but the disk's cache
holds more of them than of a real data set. Each row has a process of its own. Columns: seconds to
the first batch; images/s of reading, decoding and augmenting, when nothing else runs; seconds to
the first batch of a run that goes on in the middle of a pass; most memory.
"""

from __future__ import annotations

import argparse
import json
import time

from own_process import measured_apart, memory_mb

from kerashand.cli.arguments import exit_code
from kerashand.config import load_config
from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import DomainSource, training_batches
from kerashand.data.sources import domain_source, prepared
from kerashand.data.splits import open_split
from kerashand.errors import UserError
from kerashand.training.stages import batch_geometry

BATCH = 32


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="weak.yaml")
    parser.add_argument("--stored", type=int, default=1000, help="hands to render")
    parser.add_argument(
        "--hands", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000]
    )  # fmt: skip
    parser.add_argument("--batches", type=int, default=200, help=f"of {BATCH}, to time")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    return exit_code("benchmark_growth", lambda: _row(args) if args.row else table(args))


def table(args: argparse.Namespace) -> None:
    """A row for each size."""
    source_of(args, args.stored)
    print("| hands | first batch, s | images/s | going on, s | MB |\n|---|---|---|---|---|")
    for count in args.hands:
        arguments = [
            "--row", count, "--config", args.config, "--stored", args.stored, "--batches",
            args.batches, *(["--set", *args.overrides] if args.overrides else []),
        ]  # fmt: skip
        row = measured_apart(__file__, arguments, what=f"{count} hands")
        print(
            f"| {count:,} | {row['first']:.2f} | {row['speed']:.0f} | {row['resumed']:.2f} | "
            f"{row['mb']:.0f} |", flush=True,
        )  # fmt: skip


def source_of(args: argparse.Namespace, count: int) -> DomainSource:
    """The target's training hands, their files as often as makes so many hands."""
    data = load_config(args.config, [f"data.target.train={args.stored}", *args.overrides]).data
    split = open_split(data, "target", "train")
    paths = prepared([split], cache_dir=data.cache_dir, workers=data.workers)[split]
    if count % args.stored:
        raise UserError(f"--hands must be multiples of --stored {args.stored}. Received: {count}")
    labels = ("uv", "depth")
    one = domain_source("target", split, labels, shards=paths)
    times = count // args.stored
    return DomainSource("target", list(one.records) * times, one.parse, labels, one.counts * times)


def _row(args: argparse.Namespace) -> None:
    config = load_config(args.config, args.overrides)
    source = source_of(args, args.row)

    def batches(first_step: int):
        return training_batches(
            [source], shares=[BATCH], geometry=batch_geometry(config),
            parameters=AugmentParameters(**config.augment), seed=0, first_step=first_step,
        )  # fmt: skip

    started = time.perf_counter()
    stream = iter(batches(0))
    next(stream)
    first = time.perf_counter() - started
    for _ in range(16):
        next(stream)
    started = time.perf_counter()
    for _ in range(args.batches):
        next(stream)
    speed = args.batches * BATCH / (time.perf_counter() - started)
    del stream
    started = time.perf_counter()
    next(iter(batches(args.row // 2 // BATCH)))
    resumed = time.perf_counter() - started
    print(json.dumps({"first": first, "speed": speed, "resumed": resumed, "mb": memory_mb()}))


if __name__ == "__main__":
    raise SystemExit(main())
