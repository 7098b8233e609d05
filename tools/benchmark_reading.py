"""Measure how fast one core reads a data set on disk: decode, crop, augment, targets.

    python tools/benchmark_reading.py --kind rhd --path /data/RHD

The process is kept on one core. Batches are those of training: pictures, 2D and 3D targets, without
and with depth maps. Files that were just written or read come from memory, not from the disk.
"""

from __future__ import annotations

import argparse
import os
import time

from kerashand.cli.arguments import exit_code
from kerashand.cli.startup import tensorflow_start
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.errors import UserError

BATCH = 32


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--kind", required=True, choices=("rhd", "stb-sk", "stb-bb", "freihand", "rgbd")
    )
    parser.add_argument("--path", required=True)
    parser.add_argument("--size", type=int, default=256, help="side of the network's input")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    args = parser.parse_args(argv)
    return exit_code("benchmark_reading", lambda: measure(args))


def measure(args: argparse.Namespace) -> None:
    """Time batches with and without depth."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    else:
        raise UserError("This system cannot keep a process on one core; the rates would be of all.")
    with tensorflow_start():
        from kerashand.data.augment import AugmentParameters
        from kerashand.data.pipeline import BatchGeometry, DomainSource, training_batches
        from kerashand.data.readers.decode import row_parser
        from kerashand.data.splits import counted, open_split
    zoom = 1.3
    source = DomainConfig(kind=args.kind, path=args.path, train=None, val=1, test=1)
    config = counted(
        DataConfig(
            source=source,
            image_size_px=args.size,
            stored_size_px=round(args.size * zoom),
            zoom=zoom,
        )
    )
    split = open_split(config, "source", "train")
    geometry = BatchGeometry(args.size, 64, "middle_mcp_pip", 5.0, zoom=zoom)
    table = split.table
    print(f"{table.dataset}: {len(table)} hands of {table.size_px[0]} x {table.size_px[1]} px")
    for labels in (("uv", "xyz"), ("uv", "xyz", "depth")):
        labels = tuple(label for label in labels if label in table.labels)
        parse = row_parser(
            table, size_px=split.size_px, margin=split.margin, with_depth="depth" in labels
        )
        domain = DomainSource("source", range(len(table)), parse, labels)
        batches = iter(
            training_batches(
                [domain], shares=(BATCH,), geometry=geometry, parameters=AugmentParameters(), seed=0
            )
        )
        for _ in range(5):
            next(batches)
        count, start = 0, time.monotonic()
        while time.monotonic() - start < args.seconds:
            next(batches)
            count += BATCH
        rate = count / (time.monotonic() - start)
        print(f"batches with {', '.join(labels)}: {rate:.0f} images/s on one core")


if __name__ == "__main__":
    raise SystemExit(main())
