"""Random streams: a seed, and for each thing that is drawn with it a stream of its own."""

from __future__ import annotations

import zlib

import tensorflow as tf


def stream(seed: tf.Tensor, *names: str | int | tf.Tensor) -> tf.Tensor:
    """The stateless seed [2] of what bears a name.

    Sums such as `seed + 3` would do only until a second place adds 3 as well, or a function that
    got `seed + 1` adds 2: then two things that should be independent are drawn alike.

    Args:
        seed: stateless seed [2], int32 or int64.
        names: what is drawn, and the number of it where there are several.
    """
    for name in names:
        # Of the name's letters: adding or moving a name leaves the other streams as they are.
        number = zlib.crc32(name.encode()) & 0x7FFFFFFF if isinstance(name, str) else name
        seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, seed.dtype))
    return seed
