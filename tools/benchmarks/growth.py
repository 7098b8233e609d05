"""What 1,000 to 1,000,000 hands cost: start, reading, going on in the middle, memory.

    python tools/benchmark.py growth --config weak.yaml

The target's hands of a configuration are rendered once (`--stored`, kept in the cache) and their
files are listed as often as a data set of each size would have files: the pipeline reads, shuffles
and decodes as many records from as many files as it would of different hands, but the disk's cache
holds more of them than of a real data set. Each row has a process of its own. Columns: seconds to
the first batch; images/s of reading, decoding and augmenting, when nothing else runs; seconds to
the first batch of a run that goes on in the middle of a pass; most memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks import measuring
from benchmarks.measuring import seconds
from kerashand.cli.startup import tensorflow_start
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.machine import memory_mb

with tensorflow_start():
    from kerashand.data.augment import AugmentParameters
    from kerashand.data.pipeline import DomainSource, training_batches
    from kerashand.data.sources import domain_source, prepared
    from kerashand.data.splits import open_split
    from kerashand.training.stages import batch_geometry

BATCH = 32
WARM_UP = 16
SIZES = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS = {
    "hands": "hands 0", "first batch, s": "first_batch_s 2", "images/s": "images_s 0",
    "going on, s": "resumed_s 2", "MB": "memory_mb 0",
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its own."""
    measuring.add_config_options(parser)
    parser.add_argument("--stored", type=int, default=1000, help="hands to render")
    parser.add_argument("--hands", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--batches", type=int, default=200, help=f"of {BATCH}, to time")


def measure(args: argparse.Namespace) -> list[dict]:
    """A row for each size."""
    source_of(args, args.stored)
    rows = ({"hands": n, **measuring.apart(row_of, args, n)} for n in args.hands)
    return measuring.show(COLUMNS, rows)


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


def row_of(args: argparse.Namespace, count: int) -> dict[str, float]:
    """What so many hands cost this process."""
    config = load_config(args.config, args.overrides)
    source = source_of(args, count)

    def started(first_step: int) -> tuple[float, Iterator]:
        start = time.perf_counter()
        batches = iter(training_batches(
            [source], shares=[BATCH], geometry=batch_geometry(config),
            parameters=AugmentParameters(**config.augment), seed=0, first_step=first_step,
        ))  # fmt: skip
        next(batches)
        return time.perf_counter() - start, batches

    first, batches = started(0)
    seconds(lambda: next(batches)["uv_px"], WARM_UP)
    speed = args.batches * BATCH / seconds(lambda: next(batches)["uv_px"], args.batches)
    batches = None  # what it read ahead would take time of the next
    resumed, _ = started(count // 2 // BATCH)
    found = {"first_batch_s": first, "images_s": speed, "resumed_s": resumed}
    return {**found, "memory_mb": memory_mb()}
