"""Strategies: one device, the GPUs of a machine, several machines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kerashand.errors import UserError

NONE, MIRRORED, MULTI_WORKER = "none", "mirrored", "multi_worker"


def build_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of a name; `multi_worker` has to be built before anything else of TensorFlow.

    Args:
        name: "none"; "mirrored", all GPUs of this machine (without any: its logical CPUs);
            "multi_worker", the machines that TF_CONFIG names.

    Raises:
        UserError: when TF_CONFIG is missing or wrong.
    """
    if name == MIRRORED:
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = tf.config.list_logical_devices(kind)
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == MULTI_WORKER:
        cluster, _ = read_cluster()
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            raise UserError(
                f"The {len(cluster)} workers of TF_CONFIG did not come together: {error}"
            ) from error
    return tf.distribute.get_strategy()


def read_cluster() -> tuple[list[str], int]:
    """Addresses of the workers and the number of this one, from TF_CONFIG.

    Raises:
        UserError: when it is missing or wrong.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        content = json.loads(text)
        workers = [str(address) for address in content["cluster"]["worker"]]
        task = content["task"]
        number = int(task["index"])
        if task["type"] != "worker" or not 0 <= number < len(workers):
            raise ValueError("`task` names none of the workers")
        return workers, number
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "distribute=multi_worker needs TF_CONFIG in the environment of every worker, such as "
            '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": '
            f'"worker", "index": 0}}}}. Received: {text or "nothing"} ({error})'
        ) from error


def is_chief(name: str) -> bool:
    """Whether this process writes the run folder: the first worker, or the only process."""
    return name != MULTI_WORKER or read_cluster()[1] == 0


def check_agreement(strategy: tf.distribute.Strategy, numbers: Sequence[int], message: str) -> None:
    """Check that every worker comes with the same numbers.

    Raises:
        UserError: with the message, on every worker.
    """
    own = tf.constant(numbers, tf.float32)

    @tf.function(autograph=False)
    def sums() -> tuple[tf.Tensor, tf.Tensor]:
        return own, tf.square(own)

    first, second = (strategy.reduce("SUM", part, axis=None) for part in strategy.run(sums))
    count = strategy.num_replicas_in_sync
    # All equal: the mean of the squares is the square of the mean, and the sum is n times one.
    if not (np.allclose(first, count * own) and np.allclose(second, count * own * own)):
        raise UserError(message)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Return when every worker has come here: a process that ends breaks those that still work."""
    if strategy.num_replicas_in_sync > 1:
        strategy.reduce("SUM", strategy.run(tf.function(lambda: tf.constant(1.0))), axis=None)
