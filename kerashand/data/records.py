"""Streams of stored records without an end, whose order a seed fixes."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from kerashand.data.streams import stream

SHUFFLE_RECORDS = 2048
PARALLEL_FILES = 4

# Functions of these pipelines have no branches on tensors, whose conversion would take seconds of
# every start.
as_written = tf.autograph.experimental.do_not_convert


def endless_records(
    records: Sequence[str] | range,
    *,
    seed: Sequence[int],
    skip: int = 0,
    samples: int | None = None,
) -> tf.data.Dataset:
    """Serialised records of shards, or the numbers of a range.

    Pass after pass, each in another order that `seed` fixes.

    Args:
        records: paths of shards, or a range.
        seed: two numbers or more, which tell runs, sets and readers apart.
        skip: records to leave out, for resuming.
        samples: N of the shards; with it passes that are left out whole are not read.
    """
    if isinstance(records, range):
        samples = len(records)
    passes, skip = divmod(skip, samples) if samples else (0, skip)

    @as_written
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # Stateless shuffles alone: Dataset.shuffle takes no tensor as its seed once a global seed
        # is set, and its state could not be resumed.
        key = stream(tf.constant(seed[:2], tf.int64), "order", *seed[2:], number)
        if isinstance(records, range):
            rows = tf.range(records.start, records.stop, records.step, dtype=tf.int64)
            return tf.data.Dataset.from_tensor_slices(
                tf.random.experimental.stateless_shuffle(rows, key)
            )
        order = tf.random.experimental.stateless_shuffle(tf.constant(list(records)), key)
        stored = tf.data.Dataset.from_tensor_slices(order).interleave(
            tf.data.TFRecordDataset, cycle_length=PARALLEL_FILES
        )
        blocks = stored.batch(SHUFFLE_RECORDS).enumerate(1)
        return blocks.map(
            lambda block, rows: tf.random.experimental.stateless_shuffle(
                rows, stream(key, "block", block)
            )
        ).unbatch()

    return tf.data.Dataset.counter(passes).flat_map(one_pass).skip(skip)
