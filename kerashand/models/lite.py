"""The light 2D network: the staged structure of the CPM on a small feature pyramid.

Dense blocks are for training on a CPU (depth-wise convolutions are slow there), separable blocks
for phones. Both halve the image five times, so that the coarsest cells see the whole hand, and then
merge the levels upwards to the stride of the heat maps.
"""

import math

import keras

from kerashand.models import blocks
from kerashand.models.blocks import (
    check_choice,
    check_multiple,
    conv_unit,
    merge_levels,
    scaled_channels,
)

LEVEL_CHANNELS = (16, 32, 64, 96, 128)
"""Channels at strides 2, 4, 8, 16, 32 for width 1."""

FEATURE_CHANNELS = {8: 64, 4: 48}
"""Channels of the merged features by stride; fewer where the map has four times the cells."""

UNITS = {
    "dense": (blocks.dense_unit, blocks.dense_residual, (0, 0, 1, 1, 1)),
    "separable": (blocks.separable_unit, blocks.separable_residual, (0, 1, 2, 2, 1)),
}
"""Block -> 3x3 unit, residual block, number of residual blocks per level."""


def build_lite(
    *,
    image_size_px=128,
    width=1.0,
    block="dense",
    stages=3,
    heatmap_stride=8,
    residuals=None,
    num_joints=21,
    name="lite",
):
    """Build the light staged network.

    At 128 px, width 1 and stride 8: dense 0.88 M parameters and 85.5 MMAC,
    separable 0.47 M and 53.3 MMAC.

    Args:
        image_size_px: side S of the square input, a multiple of 8.
        width: factor on all channel counts, which are rounded to multiples of 16.
        block: "dense" (3x3 convolutions, ReLU) or "separable" (MobileNet blocks, ReLU6).
        stages: number of stages, each with score maps; a later stage sees the maps before it.
        heatmap_stride: pixels per heat-map cell s, 4 or 8.
        residuals: residual blocks at strides 2, 4, 8, 16 and 32; None for the defaults in `UNITS`.
        num_joints: K, channels of a score map.
        name: name of the model.

    Returns:
        A functional model, image [B, S, S, 3] float32 0..255 RGB -> dict of float32 tensors
        ``heatmaps_0`` .. ``heatmaps_{stages-1}`` [B, S/s, S/s, K] in the order of refinement and
        ``features`` [B, S/s, S/s, C]: the encoding, which the score maps are made from (64 channels
        at stride 8, 48 at stride 4, for width 1), and the levels of stride 16 and 32 brought up
        to it (96 and 128 channels).

    Raises:
        ValueError: If an argument is out of range.
    """
    check_multiple("image_size_px", image_size_px, 8)
    check_multiple("stages", stages, 1)
    check_multiple("num_joints", num_joints, 1)
    check_choice("block", block, tuple(UNITS))
    check_choice("heatmap_stride", heatmap_stride, tuple(FEATURE_CHANNELS))
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"`width` must be a positive number. Received: width={width!r}")
    unit, residual, depths = UNITS[block]
    if residuals is not None:
        depths = _checked_residuals(residuals)
    feature_channels = scaled_channels(FEATURE_CHANNELS[heatmap_stride], width)

    # Inputs.
    image = keras.Input((image_size_px, image_size_px, 3), name="image")

    # Network.
    x = keras.layers.Rescaling(1.0 / 255.0, offset=-0.5, name="rescale")(image)
    levels = {}
    for index, (channels, depth) in enumerate(zip(LEVEL_CHANNELS, depths, strict=True)):
        stride = 2 ** (index + 1)
        # A depth-wise stem would see three channels only: the first level is always dense.
        down = blocks.dense_unit if index == 0 else unit
        x = down(x, scaled_channels(channels, width), name=f"down{stride}", stride=2)
        for repeat in range(depth):
            x = residual(x, name=f"res{stride}_{repeat}")
        levels[stride] = x
    x = merge_levels(levels, feature_channels, heatmap_stride)
    x = unit(x, feature_channels, name="encode")
    features = _features(x, levels, heatmap_stride)

    hidden = conv_unit(x, feature_channels, name="stage0_fuse", kernel=1)
    scores = [_score(hidden, num_joints, 0)]
    for stage in range(1, stages):
        y = keras.layers.Concatenate(name=f"stage{stage}_concat")([scores[-1], x])
        y = conv_unit(y, feature_channels, name=f"stage{stage}_fuse", kernel=1)
        y = unit(y, feature_channels, name=f"stage{stage}_refine")
        scores.append(_score(y, num_joints, stage))

    # Outputs.
    outputs = {f"heatmaps_{stage}": score for stage, score in enumerate(scores)}
    return keras.Model(image, {**outputs, "features": features}, name=name)


def _checked_residuals(residuals):
    counts = tuple(residuals)
    if len(counts) != len(LEVEL_CHANNELS) or any(
        isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counts
    ):
        raise ValueError(
            f"`residuals` must hold {len(LEVEL_CHANNELS)} counts of 0 or more. "
            f"Received: residuals={residuals!r}"
        )
    return counts


def _features(encoded, levels, target_stride):
    """What the depth regressor sees: the encoding, and the coarse levels behind it.

    The encoding alone serves the score maps. No gradient of the depth-map loss may change it, so
    that what the regressor can learn from depth maps is bounded by what it is shown: the coarse
    levels hold the shape of the whole hand.
    """
    shown = [encoded]
    for stride in (16, 32):
        factor = stride // target_stride
        up = keras.layers.UpSampling2D(factor, name=f"features_up{stride}")(levels[stride])
        excess = up.shape[1] - encoded.shape[1]
        if excess:  # a level of odd side was rounded up on the way down
            crop = ((0, excess), (0, excess))
            up = keras.layers.Cropping2D(crop, name=f"features_crop{stride}")(up)
        shown.append(up)
    return keras.layers.Concatenate(dtype="float32", name="features")(shown)


def _score(x, num_joints, stage):
    return keras.layers.Conv2D(num_joints, 1, dtype="float32", name=f"heatmaps_{stage}")(x)
