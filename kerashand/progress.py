"""How far counted work is: a bar in a terminal, a line now and then anywhere else."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

LOGGER = logging.getLogger(__name__)
LINE_SECONDS = 30.0


@contextlib.contextmanager
def progress(what: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far the block is.

    Args:
        what: what is done, such as "preparing hands".
        total: how many there are, None if that is unknown.
        unit: what is counted, for the rate: "images".

    Yields:
        A function to call with the number that is done since the last call.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    has_bar = console.is_terminal or console.is_jupyter
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not has_bar) as bar:
        task = bar.add_task(what, total=total, rate="")
        done, start = 0, time.monotonic()
        said = start

        def advance(count: int) -> None:
            nonlocal done, said
            done, now = done + count, time.monotonic()
            rate = done / max(now - start, 1e-9)
            bar.update(task, completed=done, rate=f"{rate:.3g} {unit}/s")
            if not has_bar and now - said >= LINE_SECONDS:
                said = now
                of, left = "", ""
                if total is not None:
                    of, left = f" of {total}", f", {(total - done) / rate / 60:.1f} min left"
                LOGGER.info("%s: %d%s, %.3g %s/s%s", what, done, of, rate, unit, left)

        yield advance
