"""From an opened split to the stream of its samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from kerashand.data.cache import ensure_splits
from kerashand.data.pipeline import DomainSource
from kerashand.data.readers import cached
from kerashand.data.readers.checks import check_depth
from kerashand.data.readers.decode import row_parser
from kerashand.data.shards import CachedSplit
from kerashand.data.tables import TableSplit


def check_depths(splits: Iterable[CachedSplit | TableSplit]) -> None:
    """Compare depth with joints in the data sets on disk among splits.

    Raises:
        UserError: where they do not fit.
    """
    for split in splits:
        if isinstance(split, TableSplit):
            check_depth(split.table)


def prepared(
    splits: Iterable[CachedSplit | TableSplit], *, cache_dir: str | None, workers: int | None
) -> dict[CachedSplit, list[Path]]:
    """The shards of the splits that have some, written where they are missing; all are checked.

    Args:
        splits: of `kerashand.data.splits.open_split`.
        cache_dir: see `kerashand.data.cache.ensure_splits`.
        workers: likewise.
    """
    splits = list(splits)
    check_depths(splits)
    cached_splits = [split for split in splits if isinstance(split, CachedSplit)]
    return ensure_splits(cached_splits, cache_dir=cache_dir, workers=workers)


def domain_source(
    domain: str,
    split: CachedSplit | TableSplit,
    labels: Sequence[str],
    *,
    shards: Sequence[Path] = (),
    images: bool = True,
) -> DomainSource:
    """The samples of a split, as `kerashand.data.pipeline` takes them.

    Args:
        domain: "source" or "target".
        split: of `kerashand.data.splits.open_split`.
        labels: of "uv", "xyz", "depth", what is read of them.
        shards: of a cached split, from `kerashand.data.cache.ensure_splits`.
        images: whether pictures are read.
    """
    wanted = {"with_image": images, "with_depth": "depth" in labels}
    if isinstance(split, CachedSplit):
        of_record = partial(cached.parse, size_px=split.size_px, **wanted)
        files = [str(path) for path in shards]
        counts = tuple(count for _, count in split.shards())
        return DomainSource(domain, files, of_record, tuple(labels), counts)
    parse = row_parser(split.table, size_px=split.size_px, margin=split.margin, **wanted)
    return DomainSource(domain, range(split.samples), parse, tuple(labels))
