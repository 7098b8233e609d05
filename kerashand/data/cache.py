"""Samples on disk: TFRecord shards, written once, in parallel, resumable.

A shard appears under its final name only when it is whole (written beside, then renamed), so a
killed run leaves nothing to repair: the next one writes the shards that are missing.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np

from kerashand.data.shards import CachedSplit, Shard, cache_root, shard_path, writing_cache
from kerashand.errors import UserError
from kerashand.files import remove_stale, written_beside
from kerashand.progress import progress

LOGGER = logging.getLogger(__name__)
RECORD_LENGTH_BYTES, RECORD_FRAME_BYTES = 8, 16
"""Of a TFRecord: its length, and this with the checksums of length and content."""
JPEG_QUALITY = 92


def encode_jpeg(image: np.ndarray) -> bytes:
    """JPEG bytes of an RGB picture [S, S, 3] uint8."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", image[:, :, ::-1], quality)[1].tobytes()


def encode_png(image: np.ndarray) -> bytes:
    """PNG bytes of an RGB picture [S, S, 3] uint8."""
    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()


def ensure_splits(
    splits: Sequence[CachedSplit], *, cache_dir: str | None = None, workers: int | None = None
) -> dict[CachedSplit, list[Path]]:
    """Write whatever shards are missing, with one progress bar, and return all paths in order.

    Raises:
        UserError: when the cache folder cannot be written, or a shard is damaged.
    """
    root = cache_root(cache_dir)
    paths = {
        s: [shard_path(root, s, first=first, count=count) for first, count in s.shards()]
        for s in splits
    }
    missing = [
        (split, first, count)
        for split in splits
        for first, count in split.shards()
        if not shard_path(root, split, first=first, count=count).exists()
    ]
    check_shards([path for shards in paths.values() for path in shards if path.exists()])
    if missing:
        try:
            with writing_cache(root):
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
            write_shard(shard_path(root, split, first=first, count=count), samples)
            advance(count)


def _made(
    missing: list[Shard], workers: int
) -> Generator[tuple[Shard, Iterable[dict[str, bytes]]], None, None]:
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
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in workers alone
    multiprocessing.connection.wait([parent.sentinel])
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
