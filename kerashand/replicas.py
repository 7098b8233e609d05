"""What the replicas of a step share, so that their batches count as one; nothing on one replica.

A replica is a copy of the model on one device, see `tf.distribute`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf


def replicas() -> int:
    """Replicas that a step runs on; 1 outside of a strategy."""
    if tf.distribute.in_cross_replica_context():
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(tensor: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over the replicas, on each of them; gradients pass."""
    if replicas() == 1:
        return tensor
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def summed_values(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scalars summed over the replicas, in one go."""
    if replicas() == 1 or not values:
        return dict(values)
    total = summed(tf.stack([tf.cast(value, tf.float32) for value in values.values()]))
    return dict(zip(values, tf.unstack(total), strict=True))


def run_if(condition: tf.Tensor, update: Callable, values: list) -> None:
    """Call `update(values)` on every replica if `condition`, which is equal on all, is true.

    Where replicas must meet to update shared variables, none may branch alone: they meet first.
    """
    if replicas() == 1 or tf.__internal__.distribute.strategy_supports_no_merge_call():
        _branch(condition, lambda: update(values))
        return

    def together(strategy, conditions, values) -> None:
        first = strategy.experimental_local_results(conditions)[0]
        _branch(first, lambda: strategy.extended.call_for_each_replica(update, args=(values,)))

    tf.distribute.get_replica_context().merge_call(together, args=(condition, values))


def _branch(condition: tf.Tensor, run: Callable) -> None:
    def taken() -> bool:
        run()
        return True

    tf.cond(condition, taken, lambda: False)


def as_keras_reduces(result: tf.Tensor) -> tf.Tensor:
    """A step's scalar result, equal on all replicas, in the shape that `fit` takes the mean of.

    With several workers Keras 3 reduces over axis 0, which a scalar has not.
    """
    several = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
    return tf.reshape(result, (1,)) if several else result
