"""The depth regularizer: a decoder that draws the depth image of a hand from its 21 joints."""

import keras

from kerashand.models.blocks import check_fraction, check_multiple

NUM_HIDDEN = 5
"""Transposed convolutions before the last one (Cai et al. 2018, section 3.4: six layers)."""

FINAL_KERNEL_STDDEV = 0.02
FINAL_BIAS = 0.2
"""Start of the last layer: about 0.2 +- 0.1 everywhere, so that its ReLU starts alive.

With the usual start (zero bias) half of the image is negative and gets no gradient, and most pixels
are background of depth 0, towards which the L1 loss pulls the rest. The whole image can then die;
from here 95 % of it starts positive.
"""


def build_depth_decoder(
    *,
    output_size_px=64,
    channels=(256, 128, 64, 32, 16),
    dropout=0.05,
    num_joints=21,
    name="depth_regularizer",
):
    """Build the depth regularizer of Cai et al. 2018, section 3.4.

    Six transposed convolutions, the first five each followed by batch normalisation, dropout and
    ReLU, the last by ReLU. Widths, dropout rate and output size stand only in the paper's figure
    and are choices here.

    Args:
        output_size_px: side D of the depth image, a multiple of 32.
        channels: channels of the first five layers.
        dropout: rate in the first five layers.
        num_joints: K.
        name: name of the model.

    Returns:
        A functional model, [B, K, 3] of (u / S, v / S, X_z), each in 0..1 (X_z from Eq. 5), ->
        normalised depth image [B, D, D, 1] float32 >= 0 (Eq. 4: 1 is near, 0 is background).

    Raises:
        ValueError: If an argument is out of range.
    """
    check_multiple("output_size_px", output_size_px, 2**NUM_HIDDEN)
    check_multiple("num_joints", num_joints, 1)
    check_fraction("dropout", dropout)
    if isinstance(channels, str) or len(tuple(channels)) != NUM_HIDDEN:
        raise ValueError(f"`channels` must hold 5 sizes. Received: channels={channels!r}")
    for index, size in enumerate(channels):
        check_multiple(f"channels[{index}]", size, 1)

    # Inputs.
    joints = keras.Input((num_joints, 3), name="joints_unit")

    # Network.
    x = keras.layers.Rescaling(2.0, offset=-1.0, name="centre")(joints)
    x = keras.layers.Reshape((1, 1, num_joints * 3), name="reshape")(x)
    for index, size in enumerate(channels, start=1):
        if index == 1:  # [B, 1, 1, 3K] -> [B, D/32, D/32, channels[0]]
            kernel = output_size_px // 2**NUM_HIDDEN
            x = _transposed(x, size, kernel, 1, "valid", f"deconv{index}", use_bias=False)
        else:
            x = _transposed(x, size, 4, 2, "same", f"deconv{index}", use_bias=False)
        x = keras.layers.BatchNormalization(name=f"bn{index}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)

    # Outputs.
    depth_unit = _transposed(
        *(x, 1, 4, 2, "same", f"deconv{NUM_HIDDEN + 1}"),
        dtype="float32",
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=FINAL_KERNEL_STDDEV),
        bias_initializer=keras.initializers.Constant(FINAL_BIAS),
    )
    return keras.Model(joints, depth_unit, name=name)


def _transposed(x, channels, kernel, stride, padding, name, **options):
    layer = keras.layers.Conv2DTranspose(
        channels, kernel, strides=stride, padding=padding, name=name, **options
    )
    return layer(x)
