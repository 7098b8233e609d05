"""What the benchmarks share: options, times, turns, processes of their own, rows of tables."""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import numpy as np
from figure_forms import table

from kerashand.config import DOMAINS, STAGES, Config, load_config
from kerashand.errors import UserError

Name = TypeVar("Name")


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--set`."""
    parser.add_argument("--config", default="weak.yaml")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")


def add_stage_options(parser: argparse.ArgumentParser, *, steps: int, samples: int) -> None:
    """Options for steps of one stage of a configuration; the numbers are defaults."""
    add_config_options(parser)
    parser.add_argument("--stage", default="finetune", choices=STAGES)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=steps, help="steps of a block")
    parser.add_argument("--samples", type=int, default=samples, help="training samples a domain")


def one_stage(args: argparse.Namespace, *changes: str) -> Config:
    """The configuration with one stage and few samples."""
    counts = {"train": args.samples, "val": 8, "test": 8}
    fewer = [
        f"data.{domain}.{split}={count}"
        for domain, (split, count) in itertools.product(DOMAINS, counts.items())
    ]
    fewer += [f"stages.{stage}.epochs=0" for stage in STAGES if stage != args.stage]
    return load_config(args.config, [*fewer, *args.overrides, *changes])


def seconds(call: Callable[[], Any], steps: int) -> float:
    """Of so many calls, until the device has the last result."""
    started = time.perf_counter()
    for _ in range(steps):
        result = call()
    np.asarray(result)  # waits for the device
    return time.perf_counter() - started


def in_turns(
    runs: Mapping[Name, Callable[[int], float]], args: argparse.Namespace, *, warm_up: int = 0,
    back_and_forth: bool = False,
) -> dict[Name, np.ndarray]:  # fmt: skip
    """Times of `args.blocks` blocks of each: a machine whose speed drifts treats all alike.

    Args:
        runs: name -> a function that takes a number of steps, runs them, and gives their time.
        args: options `blocks` and `steps`.
        warm_up: steps of each before.
        back_and_forth: in reversed order every second time.
    """
    for run in runs.values() if warm_up else ():
        run(warm_up)
    times: dict[Name, list[float]] = {name: [] for name in runs}
    for block in range(args.blocks):
        for name in reversed(runs) if back_and_forth and block % 2 else runs:
            times[name].append(runs[name](args.steps))
    return {name: np.array(values) for name, values in times.items()}


def spread(ratios: np.ndarray) -> dict[str, float]:
    """Median, least and most."""
    found = {"median": np.median(ratios), "least": ratios.min(), "most": ratios.max()}
    return {name: float(value) for name, value in found.items()}


def apart(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What a function gives in a process of its own: memory and caches of others do not count.

    Raises:
        UserError: if the process does not survive it.
    """
    context = multiprocessing.get_context("spawn")
    # Messages of the package would stand between the rows of the table.
    quiet = {"initializer": logging.disable, "initargs": (logging.INFO,)}
    try:
        with ProcessPoolExecutor(1, mp_context=context, **quiet) as pool:
            return pool.submit(function, *arguments).result()
    except BrokenProcessPool as error:
        raise UserError("The process of a row was ended, perhaps for want of memory.") from error


def show(columns: Mapping[str, str], rows: Iterable[dict]) -> list[dict]:
    """Print a table while its rows come; gives them. Columns are those of `figure_forms.table`."""
    print(table(columns, []), flush=True)
    held = []
    for row in rows:
        print(table(columns, [row]).splitlines()[-1], flush=True)
        held.append(row)
    return held
