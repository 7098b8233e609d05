"""Samples on disk: TFRecord shards, written once, in parallel, resumable.

A shard appears under its final name only when it is whole (written beside, then renamed), so a
killed run leaves nothing to repair: the next one writes the shards that are missing. The names of
its folder and file stand for what its samples depend on. Pictures and data sets on disk stand there
by digests of names, sizes, times or labels, not of every byte.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from kerashand.errors import UserError
from kerashand.files import remove_stale, user_path, written_beside
from kerashand.progress import progress
from kerashand.synthetic.appearance import picture_files
from kerashand.synthetic.scene import render_sample
from kerashand.synthetic.styles import GENERATOR_VERSIONS

LOGGER = logging.getLogger(__name__)
RECORD_LENGTH_BYTES, RECORD_FRAME_BYTES = 8, 16
"""Of a TFRecord: its length, and this with the checksums of length and content."""
SHARD_SAMPLES = 250
JPEG_QUALITY = 92
CACHE_VARIABLE = "KERASHAND_CACHE"


class CachedSplit(ABC):
    """Samples that are made once: how many, where they go, and how they are made.

    Attributes:
        samples: how many.
        size_px: side of their pictures.
        in_workers: whether `encode` runs in worker processes, which have no TensorFlow; otherwise
            it runs in this one and is parallel in itself.
    """

    samples: int
    size_px: int
    in_workers: ClassVar[bool] = True

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


@dataclass(frozen=True)
class Split(CachedSplit):
    """Rendered samples: all that their content depends on, and how many.

    Attributes:
        domain: the style of the hands: source, target or varied.
        split: train, val or test.
        seed: of the generator.
        backgrounds: folder of photographs to stand behind the hands; None for the packed ones.
    """

    domain: str
    split: str
    seed: int
    size_px: int
    samples: int
    backgrounds: str | None = None

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        name = f"{self.domain}-{self.split}-{self.size_px}px-seed{self.seed}"
        name += backgrounds_suffix(self.backgrounds)
        return f"synthetic-v{GENERATOR_VERSIONS[self.domain]}/{name}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Draw and compress samples."""
        encoded = []
        for index in range(first, first + count):
            sample = render_sample(
                self.domain, self.split, self.seed, index, size_px=self.size_px,
                backgrounds=self.backgrounds,
            )  # fmt: skip
            encoded.append(
                {
                    "image": encode_jpeg(sample.image),
                    "depth_mm": cv2.imencode(".png", sample.depth_mm)[1].tobytes(),
                    "mask": cv2.imencode(".png", sample.mask)[1].tobytes(),
                    "uv_px": sample.uv_px.astype("<f4").tobytes(),
                    "xyz_mm": sample.xyz_mm.astype("<f4").tobytes(),
                    "intrinsics": sample.intrinsics.astype("<f4").tobytes(),
                }
            )
        return encoded


def backgrounds_suffix(folder: str | None) -> str:
    """What the name of a cache folder says of the folder of backgrounds; None: the packed ones."""
    return "" if folder is None else f"-{_digest_of_pictures(folder)}"


@functools.cache  # asked for once a shard
def _digest_of_pictures(folder: str) -> str:
    """Twelve hexadecimal digits that stand for the names and sizes of a folder's pictures."""
    files = picture_files(folder)
    listing = "".join(f"{file.name} {file.stat().st_size}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()[:12]


def encode_jpeg(image: np.ndarray) -> bytes:
    """JPEG bytes of an RGB picture [S, S, 3] uint8."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", image[:, :, ::-1], quality)[1].tobytes()


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


def shard_path(root: Path, split: CachedSplit, first: int, count: int) -> Path:
    """Final name of the shard that holds samples first .. first + count - 1."""
    return root / split.folder / split.file_name(first, count)


def ensure_splits(
    splits: Sequence[CachedSplit], *, cache_dir: str | None = None, workers: int | None = None
) -> dict[CachedSplit, list[Path]]:
    """Write whatever shards are missing, with one progress bar, and return all paths in order.

    Raises:
        UserError: when the cache folder cannot be written, or a shard is damaged.
    """
    root = cache_root(cache_dir)
    paths = {s: [shard_path(root, s, *shard) for shard in s.shards()] for s in splits}
    missing = [
        (split, first, count)
        for split in splits
        for first, count in split.shards()
        if not shard_path(root, split, first, count).exists()
    ]
    check_shards([path for shards in paths.values() for path in shards if path.exists()])
    if missing:
        try:
            for split in splits:
                (root / split.folder).mkdir(parents=True, exist_ok=True)
                remove_stale(root / split.folder)
            _write_shards(root, missing, workers or os.cpu_count() or 1)
        except BrokenProcessPool as error:
            raise UserError(
                "A worker process was ended from outside, perhaps for want of memory. What was "
                "written is kept; run the command again, with fewer `data.workers` if it recurs. A "
                "script that renders needs `if __name__ == '__main__':` around its work."
            ) from error
        except OSError as error:
            raise UserError(
                f"The sample cache {root} cannot be written: {error.strerror or error}. Choose "
                f"another folder with `--set data.cache_dir=DIR` or ${CACHE_VARIABLE}."
            ) from error
    return paths


def check_shards(paths: Iterable[Path]) -> None:
    """Add up the lengths of the records of shards; their content is not read.

    TensorFlow allocates what a length says before it reads, and ends when it cannot.

    Raises:
        UserError: when one does not end with its last record.
    """
    for path in paths:
        size, place = path.stat().st_size, 0
        with path.open("rb", buffering=0) as file:
            while place < size:
                file.seek(place)
                head = file.read(RECORD_LENGTH_BYTES)
                place += RECORD_FRAME_BYTES + int.from_bytes(head, "little")
        if place != size:
            raise UserError(
                f"{path} is damaged: it does not end with a record. Delete it: the same command "
                "writes it again."
            )


def _write_shards(root: Path, missing: list[Shard], workers: int) -> None:
    total = sum(count for _, _, count in missing)
    LOGGER.info("preparing %d samples in %s", total, root)
    with (
        progress("preparing hands", total, "images") as advance,
        contextlib.closing(_made(missing, workers)) as made,
    ):
        for (split, first, count), samples in made:
            write_shard(shard_path(root, split, first, count), samples)
            advance(count)


def _made(missing: list[Shard], workers: int) -> Iterator[tuple[Shard, Iterable[dict[str, bytes]]]]:
    """Shards and their samples, as they get ready."""
    drawn = []
    for shard in missing:
        split, first, count = shard
        if split.in_workers:
            drawn.append(shard)
        else:
            yield shard, split.encode(first, count)
    if drawn:
        yield from _drawn(drawn, workers)


def _drawn(shards: list[Shard], workers: int) -> Iterator[tuple[Shard, list[dict[str, bytes]]]]:
    # Workers start afresh: forking a process that holds TensorFlow's threads can deadlock.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        jobs = {pool.submit(_encode, *shard): shard for shard in shards}
        try:
            for job in as_completed(jobs):
                yield jobs.pop(job), job.result()
        except BaseException:  # one of the writer too: this generator is closed then
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()  # a shard takes up to half a minute
            raise


def _start_worker() -> None:
    """One thread a worker, and no worker that outlives its parent (which may be killed)."""
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _encode(split: CachedSplit, first: int, count: int) -> list[dict[str, bytes]]:
    return list(split.encode(first, count))


def write_shard(path: Path, samples: Iterable[dict[str, bytes]]) -> None:
    """Write one shard; it appears under its name only when it is whole.

    Raises:
        OSError: when the file cannot be written.
    """
    import tensorflow as tf

    try:
        with written_beside(path) as beside, tf.io.TFRecordWriter(str(beside)) as writer:
            for sample in samples:
                features = {
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in sample.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:  # TensorFlow writes the file, and has errors of its own
        raise OSError(error.message) from error
