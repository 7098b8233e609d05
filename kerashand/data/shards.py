"""What is kept in the sample cache, and where; `kerashand.data.cache` writes it.

The names of a folder and file stand for what the samples depend on. Pictures and data sets on disk
stand there by digests of names, sizes, times or labels, not of every byte.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kerashand.errors import UserError
from kerashand.files import user_path

SHARD_SAMPLES = 250
CACHE_VARIABLE = "KERASHAND_CACHE"


class CachedSplit(ABC):
    """Samples that are made once: how many, where they go, and how they are made.

    Attributes:
        samples: how many.
        size_px: side of their pictures.
        in_workers: whether `encode` runs in worker processes, which have no TensorFlow; otherwise
            it runs in this one and is parallel in itself.
    """

    size_px: int
    in_workers: ClassVar[bool] = True

    if TYPE_CHECKING:  # at run time it would be the default of a field of this name

        @property
        def samples(self) -> int:
            """How many."""

    @property
    @abstractmethod
    def folder(self) -> str:
        """Folder of its shards below the root of the cache.

        It and `file_name` say all that the content depends on.
        """

    def file_name(self, first: int, count: int) -> str:
        """Name of the shard that holds samples first .. first + count - 1."""
        return f"{first:07d}-{count:04d}.tfrecord"

    @abstractmethod
    def encode(self, first: int, count: int) -> Iterable[dict[str, bytes]]:
        """Make samples first .. first + count - 1."""

    def shards(self) -> list[tuple[int, int]]:
        """(first index, samples) of each shard."""
        return [
            (first, min(SHARD_SAMPLES, self.samples - first))
            for first in range(0, self.samples, SHARD_SAMPLES)
        ]


Shard = tuple[CachedSplit, int, int]
"""Split, number of its first sample, and samples."""


def cache_root(cache_dir: str | None) -> Path:
    """The folder of the cache: the argument, $KERASHAND_CACHE or ~/.cache/kerashand.

    Raises:
        UserError: if it would be in the home folder, and none is known.
    """
    chosen = cache_dir or os.environ.get(CACHE_VARIABLE)
    if chosen:
        return user_path(chosen)
    try:
        return user_path("~/.cache/kerashand")
    except UserError as error:
        raise UserError(
            "The sample cache has no place, since the home folder is not known. Set HOME or "
            f"${CACHE_VARIABLE}, or name a folder with `--set data.cache_dir=DIR`."
        ) from error


@contextlib.contextmanager
def writing_cache(root: Path) -> Iterator[None]:
    """Say which folder it is that the block cannot write, and what to do about it.

    Raises:
        UserError: for an OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The sample cache {root} cannot be written: {error.strerror or error}. Choose "
            f"another folder with `--set data.cache_dir=DIR` or ${CACHE_VARIABLE}."
        ) from error


def shard_path(root: Path, split: CachedSplit, *, first: int, count: int) -> Path:
    """Final name of the shard that holds samples first .. first + count - 1."""
    return root / split.folder / split.file_name(first, count)
