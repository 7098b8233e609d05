"""The detector: where in a whole picture hands are, and which side they are of.

One prediction a cell, as in CenterNet (Zhou, Wang and Krähenbühl 2019): the score says whether the
middle of a palm lies there, four distances reach from the cell's centre to the edges of the hand's
box, and a vector says which way the hand points.
"""

import keras

from kerashand.geometry.heatmaps import cell_centers_px
from kerashand.models import blocks
from kerashand.models.blocks import check_multiple, conv_unit, merge_levels, scaled_channels

DETECTOR_STRIDE = 8
LEVEL_CHANNELS = (16, 32, 48, 80, 128)
"""Channels at strides 2, 4, 8, 16, 32 for width 1."""
MERGED_CHANNELS = 48
RESIDUALS = (0, 0, 1, 1, 2)
"""Residual blocks of each level."""
REACH_CELLS = 4.0
"""Distance from a cell to the edges of its box where the network says 0."""
RARE_SCORE_BIAS = -4.6
"""Scores start at 0.01, so that the many empty cells do not swamp the first steps."""


def build_detector(*, image_size_px=192, width=1.0, up=True, name="detector"):
    """Build the detector's network.

    Args:
        image_size_px: side S of the square input, a multiple of 32.
        width: factor on all channel counts, which are rounded to multiples of 16.
        up: whether it says which way a hand points. Detectors of before do not.
        name: name of the model.

    Returns:
        A functional model, image [B, S, S, 3] float32 0..255 RGB -> dict of float32 tensors
        ``score_logit`` [B, h, w], ``box`` [B, h, w, 4] left, top, right, bottom in pixels,
        ``right_logit`` [B, h, w] and ``up`` [B, h, w, 2], a vector from the wrist to the middle
        finger's knuckle, which has length 1 where it is sure, with h = w = S / 8.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_multiple("image_size_px", image_size_px, 32)
    channels = scaled_channels(MERGED_CHANNELS, width)

    # Inputs.
    image = keras.Input((image_size_px, image_size_px, 3), name="image")

    # Network.
    x = keras.layers.Rescaling(1.0 / 255.0, offset=-0.5, name="rescale")(image)
    levels = {}
    for index, (size, depth) in enumerate(zip(LEVEL_CHANNELS, RESIDUALS, strict=True)):
        stride = 2 ** (index + 1)
        x = blocks.dense_unit(x, scaled_channels(size, width), name=f"down{stride}", stride=2)
        for repeat in range(depth):
            x = blocks.dense_residual(x, name=f"res{stride}_{repeat}")
        levels[stride] = x
    x = merge_levels(levels, channels, DETECTOR_STRIDE)
    x = blocks.dense_residual(x, name="encode")
    x = conv_unit(x, 2 * channels, name="head", kernel=3)
    score = keras.layers.Conv2D(
        1, 1, dtype="float32", name="score",
        bias_initializer=keras.initializers.Constant(RARE_SCORE_BIAS),
    )(x)  # fmt: skip
    side = keras.layers.Conv2D(1, 1, dtype="float32", name="handedness")(x)
    reach = keras.layers.Conv2D(4, 1, dtype="float32", name="reach")(x)

    # Outputs.
    outputs = {
        "score_logit": score[..., 0],
        "box": _boxes(reach, image_size_px // DETECTOR_STRIDE),
        "right_logit": side[..., 0],
    }
    if up:
        outputs["up"] = keras.layers.Conv2D(2, 1, dtype="float32", name="up")(x)
    return keras.Model(image, outputs, name=name)


def _boxes(reach, cells):
    """Distances [B, h, w, 4] in logarithms of cells to boxes in pixels."""
    distance = keras.ops.exp(keras.ops.clip(reach, -6.0, 4.0)) * (REACH_CELLS * DETECTOR_STRIDE)
    centre = cell_centers_px(cells, DETECTOR_STRIDE)
    columns, rows = centre[None, None, :], centre[None, :, None]
    return keras.ops.stack(
        [
            columns - distance[..., 0],
            rows - distance[..., 1],
            columns + distance[..., 2],
            rows + distance[..., 3],
        ],
        axis=-1,
    )
