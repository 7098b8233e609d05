"""Keras metric shells around the pure functions of `kerashand.metrics`, for training logs."""

from typing import Any

import keras
from keras import ops

from kerashand.replicas import summed_values


@keras.saving.register_keras_serializable(package="kerashand")
class MeanJointErrorMM(keras.metrics.Metric):
    """Running mean distance between joints in mm.

    All joints count alike, the root included; nothing is aligned. The weight is one number a
    sample, so that samples without 3D labels (weight 0) drop out. Without any label the result is
    0. The samples of all replicas are counted.
    """

    def __init__(self, name: str = "mean_joint_error_mm", **kwargs: Any) -> None:
        """Make the two counters.

        Args:
            name: Name in the logs.
            **kwargs: Passed to `keras.metrics.Metric`.
        """
        super().__init__(name=name, **kwargs)
        self.total_mm = self.add_weight(shape=(), initializer="zeros", name="total_mm")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: [B, K, 3] joints in mm.
            y_pred: [B, K, 3] joints in mm.
            sample_weight: [B], or None for 1.
        """
        difference = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
        error_mm = ops.mean(ops.sqrt(ops.sum(ops.square(difference), axis=-1)), axis=-1)
        if sample_weight is None:
            weight = ops.ones_like(error_mm)
        else:
            weight = ops.cast(sample_weight, "float32")
        sums = summed_values({"mm": ops.sum(error_mm * weight), "count": ops.sum(weight)})
        self.total_mm.assign_add(ops.cast(sums["mm"], self.total_mm.dtype))
        self.count.assign_add(ops.cast(sums["count"], self.count.dtype))

    def result(self) -> Any:
        """Return the weighted mean error in mm."""
        return ops.divide_no_nan(self.total_mm, self.count)
