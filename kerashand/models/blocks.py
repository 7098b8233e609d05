"""Convolution units shared by the networks, and the checks of their builders' arguments."""

import keras
import tensorflow as tf

from kerashand.replicas import replicas, summed

DENSE_WIDTH_MULTIPLE = 16
"""Channel counts are rounded to this: oneDNN and mobile kernels waste lanes on anything else."""

EXPANSION = 4
"""Channels inside an inverted residual, relative to its outside (MobileNetV2 uses 6)."""


def check_multiple(name: str, value: int, base: int) -> None:
    """Check that an entry-point argument is a positive multiple of ``base``.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0 or value % base:
        what = "a positive integer" if base == 1 else f"a multiple of {base}"
        raise ValueError(f"`{name}` must be {what}. Received: {name}={value!r}")


def check_choice(name: str, value: object, choices: tuple) -> None:
    """Check that an entry-point argument is one of ``choices``.

    Raises:
        ValueError: If it is not.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {listed}. Received: {name}={value!r}")


def check_fraction(name: str, value: float) -> None:
    """Check that an entry-point argument lies in 0 <= value < 1.

    Raises:
        ValueError: If it does not.
    """
    if not 0.0 <= value < 1.0:
        raise ValueError(f"`{name}` must lie in [0, 1). Received: {name}={value!r}")


def scaled_channels(channels: int, width: float) -> int:
    """``channels * width``, rounded to a multiple of 16, at least 16."""
    steps = round(channels * width / DENSE_WIDTH_MULTIPLE)
    return max(1, steps) * DENSE_WIDTH_MULTIPLE


@keras.saving.register_keras_serializable(package="kerashand")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation of images by TensorFlow's one kernel for all of it.

    Keras 3 puts it together of means, differences and products, each a pass over memory, which is a
    large share of a training step of `lite`. Over the last axis, always with scale and offset; the
    moving variance is that of the kernel, N / (N - 1) times Keras's. In a strategy of several
    replicas, statistics are those of all replicas together.
    """

    def add_weight(self, *args, **kwargs):
        """Moving statistics are equal on all replicas: the first one's are as good as any."""
        if str(kwargs.get("name", "")).startswith("moving_"):
            kwargs["aggregation"] = "only_first_replica"
        return super().add_weight(*args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        """Normalise [B, h, w, C]; in training by the batch's own mean and variance."""
        if not (training and self.trainable):
            outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma, self.beta, mean=self.moving_mean, variance=self.moving_variance,
                epsilon=self.epsilon, is_training=False,
            )  # fmt: skip
            return outputs
        if replicas() > 1:
            outputs, mean, variance = self._over_replicas(inputs)
        else:
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
            )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1.0 - self.momentum) * value)
        return outputs

    def _over_replicas(self, inputs):
        """What the kernel gives, with mean and variance [C] over the cells of all replicas."""
        values = tf.cast(inputs, tf.float32)
        cells = tf.cast(tf.size(values) // tf.shape(values)[-1], tf.float32)
        first = summed(tf.concat([tf.reduce_sum(values, axis=(0, 1, 2)), cells[None]], axis=0))
        count = first[-1]
        mean = first[:-1] / count
        variance = summed(tf.reduce_sum(tf.square(values - mean), axis=(0, 1, 2))) / count
        outputs = tf.nn.batch_normalization(
            values, mean, variance, self.beta, self.gamma, self.epsilon
        )
        return tf.cast(outputs, inputs.dtype), mean, variance * count / (count - 1.0)


def conv_unit(x, channels, *, name, kernel=3, stride=1, relu_max=None, activate=True):
    """Convolution without bias, batch normalisation, ReLU.

    Args:
        x: [B, h, w, C] tensor.
        channels: output channels.
        name: prefix of the layer names.
        kernel: kernel side in cells.
        stride: 1 or 2.
        relu_max: ceiling of the ReLU (6 for ReLU6); None for none.
        activate: False leaves the ReLU out.

    Returns:
        [B, ceil(h / stride), ceil(w / stride), channels] tensor.
    """
    x = keras.layers.Conv2D(
        channels, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    x = FusedBatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(relu_max, name=f"{name}_relu")(x) if activate else x


def depthwise_unit(x, *, name, stride=1):
    """Depth-wise 3x3 convolution without bias, batch normalisation, ReLU6."""
    x = keras.layers.DepthwiseConv2D(
        3, strides=stride, padding="same", use_bias=False, name=f"{name}_dw"
    )(x)
    x = FusedBatchNormalization(name=f"{name}_dw_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_dw_relu")(x)


def dense_unit(x, channels, *, name, stride=1):
    """Plain 3x3 convolution unit."""
    return conv_unit(x, channels, name=name, stride=stride)


def dense_residual(x, *, name):
    """Two plain 3x3 convolutions around an identity (He et al. 2016, basic block)."""
    channels = x.shape[-1]
    y = conv_unit(x, channels, name=f"{name}_a")
    y = conv_unit(y, channels, name=f"{name}_b", activate=False)
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.ReLU(name=f"{name}_relu")(y)


def separable_unit(x, channels, *, name, stride=1):
    """Depth-wise 3x3, then point-wise convolution (Howard et al. 2017, MobileNet)."""
    x = depthwise_unit(x, name=name, stride=stride)
    return conv_unit(x, channels, name=f"{name}_pw", kernel=1, relu_max=6.0)


def separable_residual(x, *, name):
    """Inverted residual with a linear bottleneck (Sandler et al. 2018, MobileNetV2)."""
    channels = x.shape[-1]
    y = conv_unit(x, EXPANSION * channels, name=f"{name}_expand", kernel=1, relu_max=6.0)
    y = depthwise_unit(y, name=name)
    y = conv_unit(y, channels, name=f"{name}_project", kernel=1, activate=False)
    return keras.layers.Add(name=f"{name}_add")([x, y])


def merge_levels(levels, channels, target_stride):
    """Bring the coarsest level up to ``target_stride``, adding each level on the way.

    Args:
        levels: stride -> [B, h, w, C] tensor; each stride is twice the one before.
        channels: of the result.
        target_stride: a key of ``levels``.

    Returns:
        [B, h, w, channels] tensor of the target stride.
    """
    stride = max(levels)
    x = conv_unit(levels[stride], channels, name=f"lateral{stride}", kernel=1)
    while stride > target_stride:
        stride //= 2
        lateral = conv_unit(
            levels[stride], channels, name=f"lateral{stride}", kernel=1, activate=False
        )
        # TensorFlow's kernel gives float32 whatever it gets; XLA needs its gradient to know.
        x = keras.layers.UpSampling2D(
            2, interpolation="bilinear", dtype="float32", name=f"up{stride}"
        )(x)
        excess = x.shape[1] - lateral.shape[1]
        if excess:  # a level of odd side was rounded up on the way down
            x = keras.layers.Cropping2D(((0, excess), (0, excess)), name=f"crop{stride}")(x)
        x = keras.layers.Add(name=f"merge{stride}_add")([x, lateral])
        x = keras.layers.ReLU(name=f"merge{stride}_relu")(x)
    return x
