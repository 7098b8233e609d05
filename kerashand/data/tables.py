"""Splits of data sets on disk: read picture by picture, or cut once and kept in shards.

A kind whose folder is a table (`kerashand.data.kinds.kind.table_kind`) is opened and counted here.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerashand.data.kinds.kind import Kind, Request
from kerashand.data.readers.checks import without_bad_rows
from kerashand.data.readers.table import FILE_THREADS, MEND, HandTable
from kerashand.data.shards import CachedSplit, cache_root
from kerashand.errors import UserError
from kerashand.files import check_folder, file_stamp, user_path
from kerashand.geometry.camera import HAND_MARGIN

if TYPE_CHECKING:  # TensorFlow takes seconds to import
    import tensorflow as tf

LOGGER = logging.getLogger(__name__)
SHARD_JPEG_QUALITY = 95
PNG_LEVEL = 2
READ_AHEAD = 16
"""Cut hands that wait for being written."""


@dataclass(frozen=True, eq=False)
class TableSplit:
    """Rows of a data set on disk, cut into squares when they are read.

    Attributes:
        table: the rows.
        size_px: side of the crops.
        margin: side of the squares in boxes around the points.
    """

    table: HandTable
    size_px: int
    margin: float

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.table)


@dataclass(frozen=True, eq=False)
class ConvertedSplit(TableSplit, CachedSplit):
    """The same rows, cut once: pictures as JPEG, depth in whole millimetres.

    The name of a shard stands for its labels and for the names, sizes and times of its files: where
    one of them changes, this shard is written anew, and no other.

    Attributes:
        name: kind of the data set and split, for the name of the folder.
        workers: pictures that are worked on at a time; None: one a core.
    """

    name: str
    workers: int | None = None
    in_workers = False

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        from kerashand.data.readers.decode import CROPS_VERSION

        return f"cut-v{CROPS_VERSION}/{self.name}-{self.size_px}px-{self.margin:.4g}boxes"

    def file_name(self, first: int, count: int) -> str:
        """Name of the shard that holds hands first .. first + count - 1."""
        table, rows = self.table, slice(first, first + count)
        digest = hashlib.sha256(self._common.encode())
        digest.update("\n".join(self._stamps[rows]).encode())
        arrays = [table.uv_px, table.uv_weight, table.xyz_mm, table.intrinsics, table.is_right]
        if table.joint_depth_mm is not None:
            arrays.append(table.joint_depth_mm)
        for array in arrays:
            digest.update(np.ascontiguousarray(array[rows]).tobytes())
        return f"{first:07d}-{count:04d}-{digest.hexdigest()[:12]}.tfrecord"

    @functools.cached_property
    def _common(self) -> str:
        """What the content of every shard depends on."""
        from kerashand.data.readers.decode import crops_of, splat_px

        table, covered, camera = self.table, None, None
        if table.registration:
            crops = crops_of(table, size_px=self.size_px, margin=self.margin)
            covered = splat_px(table, crops)
            camera = table.registration.numbers()
        held = (self.margin, table.size_px, table.depth_coding, table.depth_unit_mm, camera)
        return repr((*held, covered, SHARD_JPEG_QUALITY))

    @functools.cached_property
    def _stamps(self) -> list[str]:
        """Name, size and time of the files of each row."""
        paths = [self.table.images, *([self.table.depths] if self.table.depths else [])]
        with ThreadPoolExecutor(FILE_THREADS) as pool:
            marks = [pool.map(file_stamp, of_kind) for of_kind in paths]
            return ["\n".join(of_row) for of_row in zip(*marks, strict=True)]

    def encode(self, first: int, count: int) -> Iterator[dict[str, bytes]]:
        """Cut and compress hands first .. first + count - 1 while they are asked for.

        Raises:
            UserError: for a picture that cannot be decoded, with its name.
        """
        import tensorflow as tf

        rows = tf.data.Dataset.range(first, first + count)
        records = rows.map(self._record, self.workers or os.cpu_count()).prefetch(READ_AHEAD)
        row = first
        try:
            for record in records.as_numpy_iterator():
                yield {
                    name: value if isinstance(value, bytes) else value.astype("<f4").tobytes()
                    for name, value in record.items()
                }
                row += 1
        except tf.errors.OpError as error:
            raise UserError(
                f"{self._blamed(row)} cannot be decoded: it is damaged inside. {MEND} Shards that "
                "are whole are kept: the same command goes on after them."
            ) from error

    @functools.cached_property
    def _record(self) -> Callable[[tf.Tensor], dict[str, Any]]:
        """From a row's number to compressed pictures and labels."""
        import tensorflow as tf

        from kerashand.data.readers.decode import row_parser

        parse = row_parser(self.table, size_px=self.size_px, margin=self.margin)

        def record(row: tf.Tensor) -> dict[str, tf.Tensor]:
            sample = parse(row)
            sample["image"] = tf.io.encode_jpeg(
                sample["image"], quality=SHARD_JPEG_QUALITY, chroma_downsampling=False
            )
            if "depth_mm" in sample:
                whole = tf.clip_by_value(tf.round(sample["depth_mm"]), 0.0, 65535.0)
                sample["depth_mm"] = tf.io.encode_png(
                    tf.cast(whole, tf.uint16)[..., None], compression=PNG_LEVEL
                )
            return sample

        # Traced once, not once a shard.
        return tf.function(record, input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)

    def _blamed(self, row: int) -> str:
        """Path of the picture that could not be decoded."""
        from kerashand.data.readers.decode import damaged_pictures

        table = self.table.select([row])
        return next(iter(damaged_pictures(table)), table.images[0])


def mixed(table: HandTable) -> HandTable:
    """The table in an order that says nothing, so that no shard holds one scene alone.

    A row that is taken out leaves the order of the others as it is.
    """
    marks = [hashlib.sha256(path.encode()).digest() for path in table.images]
    return table.select(sorted(range(len(table)), key=marks.__getitem__))


# ------------------------------------------------------------------------------- from a folder


def open_rows(kind: Kind, request: Request) -> TableSplit:
    """A split of a kind that is read as a table.

    Raises:
        UserError: when the folder that the configuration names is wrong.
    """
    data = request.data
    table = _table_of(kind, request.chosen, request.split).spread(request.samples)
    if kind.segment is not None:
        table = kind.segment(table, cache_root(data["cache_dir"]))
    margin = HAND_MARGIN * data["zoom"]
    if not data["shards"]:
        return TableSplit(table, request.size_px, margin)
    # Shards are shuffled in blocks only.
    table = mixed(table) if request.split == "train" else table
    name = f"{kind.name}-{request.split}"
    return ConvertedSplit(table, request.size_px, margin, name, data["workers"])


def count_rows(kind: Kind, chosen: Mapping[str, Any], split: str) -> int:
    """How many hands a split of a folder holds; the training hands without the validation's."""
    if split == "val":
        return max(round(kind.validation_share * len(_checked(kind, chosen, "train"))), 1)
    return len(_table_of(kind, chosen, split))


def _table_of(kind: Kind, chosen: Mapping[str, Any], split: str) -> HandTable:
    if split == "test":
        return _checked(kind, chosen, "test")
    table = _checked(kind, chosen, "train")
    train, val = table.held_out(chosen["val"], blocks=kind.validation_blocks)
    return train if split == "train" else val


def _checked(kind: Kind, chosen: Mapping[str, Any], split: str) -> HandTable:
    path = str(user_path(chosen["path"]).resolve())
    options = tuple((option, chosen[option]) for option in kind.options)
    return _read(kind, path, split, most_bad=chosen["max_bad_share"], options=options)


@functools.lru_cache(maxsize=4)
def _read(
    kind: Kind, path: str, split: str, *, most_bad: float, options: tuple[tuple[str, Any], ...]
) -> HandTable:
    check_folder(path)
    LOGGER.info("checking the labels and pictures of %s (%s, %s)", path, kind.name, split)
    assert kind.read is not None  # as of all kinds that are opened here
    table = kind.read(path, split, **dict(options))
    return without_bad_rows(table, most_bad=most_bad, report=LOGGER.warning)
