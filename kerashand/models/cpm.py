"""The faithful 2D network: the Convolutional Pose Machine of hand3d's PoseNet2D."""

import keras

from kerashand.models.blocks import check_multiple

CPM_HEATMAP_STRIDE = 8
"""Pixels per heat-map cell: three max-poolings by 2."""

CPM_FEATURE_CHANNELS = 128
"""Channels of the encoding conv4_7."""

LEAKY_SLOPE = 0.01
"""Negative slope of every ReLU in PoseNet2D."""

BACKBONE = (
    (("conv1_1", 64), ("conv1_2", 64)),
    (("conv2_1", 128), ("conv2_2", 128)),
    (("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256), ("conv3_4", 256)),
    (
        *(("conv4_1", 512), ("conv4_2", 512), ("conv4_3", 256), ("conv4_4", 256)),
        *(("conv4_5", 256), ("conv4_6", 256), ("conv4_7", 128)),
    ),
)
"""(layer, channels) of the 3x3 convolutions; a max-pooling stands between the groups."""


def build_cpm(*, image_size_px=256, num_joints=21, name="cpm"):
    """Build the three-stage CPM, 17,518,847 parameters and 30.2 GMAC at 256 px.

    The layer names and shapes are those of PoseNet2D (Zimmermann and Brox, ICCV 2017), so that its
    weights can be converted name by name. All convolutions are SAME with bias; the score maps are
    linear and all others leaky ReLU.

    Args:
        image_size_px: side S of the square input, a multiple of 8.
        num_joints: K, channels of a score map; there is no background channel.
        name: name of the model.

    Returns:
        A functional model, image [B, S, S, 3] float32 0..255 RGB -> dict of float32 tensors
        ``heatmaps_0``, ``heatmaps_1``, ``heatmaps_2`` [B, S/8, S/8, K] in the order of refinement
        and ``features`` [B, S/8, S/8, 128], the encoding conv4_7. Float32 under every precision
        policy.

    Raises:
        ValueError: If a size is out of range.
    """
    check_multiple("image_size_px", image_size_px, CPM_HEATMAP_STRIDE)
    check_multiple("num_joints", num_joints, 1)

    # Inputs.
    image = keras.Input((image_size_px, image_size_px, 3), name="image")

    # Network.
    x = keras.layers.Rescaling(1.0 / 255.0, offset=-0.5, name="rescale")(image)
    for index, group in enumerate(BACKBONE, start=1):
        for layer, channels in group:
            x = _conv(x, channels, 3, name=layer)
        if index < len(BACKBONE):
            x = keras.layers.MaxPooling2D(2, name=f"pool{index}")(x)
    features = keras.layers.Identity(dtype="float32", name="features")(x)

    hidden = _conv(x, 512, 1, name="conv5_1")
    scores = [_score(hidden, num_joints, "conv5_2")]
    for stage in (6, 7):
        y = keras.layers.Concatenate(name=f"concat{stage}")([scores[-1], x])
        for layer in range(1, 6):
            y = _conv(y, 128, 7, name=f"conv{stage}_{layer}")
        y = _conv(y, 128, 1, name=f"conv{stage}_6")
        scores.append(_score(y, num_joints, f"conv{stage}_7"))

    # Outputs.
    outputs = {f"heatmaps_{stage}": score for stage, score in enumerate(scores)}
    return keras.Model(image, {**outputs, "features": features}, name=name)


def _conv(x, channels, kernel, *, name):
    x = keras.layers.Conv2D(channels, kernel, padding="same", name=name)(x)
    return keras.layers.LeakyReLU(LEAKY_SLOPE, name=f"{name}_relu")(x)


def _score(x, num_joints, name):
    return keras.layers.Conv2D(num_joints, 1, padding="same", dtype="float32", name=name)(x)
