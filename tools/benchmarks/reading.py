"""Measure how fast one core reads a data set on disk, and shards of it: crop, augment, targets.

    python tools/benchmark.py reading --kind rhd --path /data/RHD

The process is kept on one core. Batches are those of training: pictures, 2D and 3D targets, without
and with depth maps, first from the files as they are published, then from shards (`data.shards`),
which are written to a temporary folder. Files that were just written or read come from memory, not
from the disk.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time

from benchmarks.measuring import show
from kerashand.cli.startup import tensorflow_start
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data.kinds import KINDS
from kerashand.errors import UserError

BATCH = 32
WARM_UP = 5
ZOOM = 1.3
COLUMNS = {
    "batches with": "labels text", "images/s from files": "files 0", "from shards": "shards 0",
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its own."""
    kinds = [name for name, kind in KINDS.items() if kind.read]
    parser.add_argument("--kind", required=True, choices=kinds)
    parser.add_argument("--path", required=True)
    parser.add_argument("--size", type=int, default=256, help="side of the network's input")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")


def samples_a_second(batches, seconds: float) -> float:
    """How fast endless batches come, after a few to warm up."""
    stream = iter(batches)
    for _ in range(WARM_UP):
        next(stream)
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        next(stream)
        count += BATCH
    return count / (time.monotonic() - start)


def measure(args: argparse.Namespace) -> dict:
    """Time batches with and without depth, of pictures and of shards."""
    if not hasattr(os, "sched_setaffinity"):
        raise UserError("This system cannot keep a process on one core; the rates would be of all.")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tensorflow_start():  # now, so that it counts one core
        from kerashand.data.augment import AugmentParameters
        from kerashand.data.cache import ensure_splits
        from kerashand.data.pipeline import BatchGeometry, DomainSource, training_batches
        from kerashand.data.readers import cached
        from kerashand.data.readers.decode import row_parser
        from kerashand.data.splits import counted, open_split
    config = counted(
        DataConfig(
            source=DomainConfig(kind=args.kind, path=args.path, train=None, val=1, test=1),
            image_size_px=args.size,
            stored_size_px=round(args.size * ZOOM),
            zoom=ZOOM,
            shards=True,
            workers=1,
        )
    )
    split = open_split(config, "source", "train")
    geometry = BatchGeometry(args.size, 64, "middle_mcp_pip", 5.0, zoom=ZOOM)
    table = split.table
    print(f"{table.dataset}: {len(table)} hands of {table.size_px[0]} x {table.size_px[1]} px")

    def rate(records, parse, labels) -> float:
        domain = DomainSource("source", records, parse, labels)
        batches = training_batches(
            [domain], shares=(BATCH,), geometry=geometry, parameters=AugmentParameters(), seed=0
        )
        return samples_a_second(batches, args.seconds)

    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        paths = [str(path) for path in ensure_splits([split], cache_dir=folder)[split]]
        written = len(table) / (time.monotonic() - start)
        kilobytes = sum(os.path.getsize(path) for path in paths) / 1000 / len(table)
        print(f"shards: written at {written:.0f} images/s, {kilobytes:.0f} kB an image")
        kinds = [("uv", "xyz"), ("uv", "xyz", "depth")]

        def row(labels: tuple[str, ...]) -> dict:
            wanted = {"size_px": split.size_px, "with_depth": "depth" in labels}
            parse = row_parser(table, margin=split.margin, **wanted)
            return {
                "labels": ", ".join(labels),
                "files": rate(range(len(table)), parse, labels),
                "shards": rate(paths, functools.partial(cached.parse, **wanted), labels),
            }

        kinds = dict.fromkeys(tuple(k for k in kind if k in table.labels) for kind in kinds)
        rows = show(COLUMNS, map(row, kinds))
    return {"written_images_s": written, "shard_kb": kilobytes, "read_images_s": rows}
