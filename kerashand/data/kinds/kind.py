"""What a kind of data declares, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerashand.data.readers.table import HandTable
    from kerashand.data.shards import CachedSplit
    from kerashand.data.tables import TableSplit


@dataclass(frozen=True)
class Request:
    """A split that is asked for.

    Attributes:
        data: the section `data` of a configuration.
        domain: source or target.
        split: train, val or test.
        samples: how many of it.
    """

    data: Mapping[str, Any]
    domain: str
    split: str
    samples: int

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The section of the domain."""
        return self.data[self.domain]

    @property
    def size_px(self) -> int:
        """Side of the pictures."""
        return self.data["stored_size_px"] or self.data["image_size_px"]


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes:
        name: `kind` in a configuration.
        what: what it holds, in words.
        labels: what of `kerashand.data.sample.LABELS` it can give.
        splits: where its training and its test split come from, in words.
        open: opens a split.
        count: (section of the domain, split) -> how many samples a folder holds. None: samples are
            made, so that there is no folder, and the configuration has to say how many.
        labels_key: folder -> text that stands for what people may correct in it. None: nothing.
        read: (folder, "train" or "test", its options by name) -> the hands of a data set that is
            read row by row. None for other kinds.
        options: keys of `data.source` and `data.target` that belong to this kind.
        segment: (table, root of the sample cache) -> the table with depth pictures that show the
            hand alone. None: its depth is used as it is.
        validation_share: of the training hands, where the configuration names no number.
        validation_blocks: parts of the training hands of which each ends with validation hands.
        unit: what its samples are called.
    """

    name: str
    what: str
    labels: tuple[str, ...]
    splits: tuple[str, str]
    open: Callable[[Request], CachedSplit | TableSplit]
    count: Callable[[Mapping[str, Any], str], int] | None = None
    labels_key: Callable[[str], str] | None = None
    read: Callable[..., HandTable] | None = None
    options: tuple[str, ...] = ()
    segment: Callable[[HandTable, Path], HandTable] | None = None
    validation_share: float = 0.05
    validation_blocks: int = 1
    unit: str = "hands"

    @property
    def on_disk(self) -> bool:
        """Whether it reads a folder, which knows how many samples it holds."""
        return self.count is not None


def table_kind(
    name: str,
    *,
    what: str,
    labels: tuple[str, ...],
    splits: tuple[str, str],
    read: Callable[..., HandTable],
    labels_key: Callable[[str], str] | None = None,
    options: tuple[str, ...] = (),
    segment: Callable[[HandTable, Path], HandTable] | None = None,
    validation_share: float = 0.05,
    validation_blocks: int = 1,
) -> Kind:
    """A kind whose folder is read as a table with one row a hand; arguments as of `Kind`.

    The validation split is held out of its training hands.
    """

    def open_rows(request: Request) -> TableSplit:
        from kerashand.data import tables

        return tables.open_rows(kind, request)

    def count_rows(chosen: Mapping[str, Any], split: str) -> int:
        from kerashand.data import tables

        return tables.count_rows(kind, chosen, split)

    kind = Kind(
        name=name, what=what, labels=labels, splits=splits, open=open_rows, count=count_rows,
        labels_key=labels_key, read=read, options=options, segment=segment,
        validation_share=validation_share, validation_blocks=validation_blocks,
    )  # fmt: skip
    return kind
