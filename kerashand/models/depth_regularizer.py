"""The depth regularizer: a decoder that draws the depth image of a hand from its 21 joints."""

import keras
import numpy as np

from kerashand.models.blocks import (
    FusedBatchNormalization,
    check_choice,
    check_fraction,
    check_multiple,
)
from kerashand.skeleton import BONES

NUM_HIDDEN = 5
"""Transposed convolutions before the last one (Cai et al. 2018, section 3.4: six layers)."""

ENCODINGS = ("vector", "heatmaps")

FINAL_KERNEL_STDDEV = 0.02
FINAL_BIAS = 0.2
"""Start of the last layer: about 0.2 +- 0.1 everywhere, so that its ReLU starts alive.

With the usual start (zero bias) half of the image is negative and gets no gradient, and most pixels
are background of depth 0, towards which the L1 loss pulls the rest. The whole image can then die;
from here 95 % of it starts positive.
"""

SPOT_CELLS = 0.8
"""Standard deviation of a joint's spot on the grid of the "heatmaps" encoding."""
DEPTH_GAIN = 4.0
"""X_z of a hand lies within about 0.5 +- 0.25: this brings it to -1..1."""


def build_depth_regularizer(
    *,
    output_size_px=64,
    encoding="heatmaps",
    grid_cells=16,
    points_per_bone=2,
    channels=(64, 64, 64, 32, 16),
    dropout=0.0,
    num_joints=21,
    name="depth_regularizer",
):
    """Build the depth regularizer of Cai et al. 2018, section 3.4.

    Six transposed convolutions, the first five each followed by batch normalisation, dropout and
    ReLU, the last by ReLU. Widths, dropout rate and output size stand only in the paper's figure
    and are choices here, and so is how the 63 numbers enter:

    - "vector": as one pixel of 63 channels, which the first layer expands and each other doubles.
      It is the paper's reading. It needs very long training before the image follows joint depth
      at all: until then it draws the outline from 2D, and its gradient moves no joint.
    - "heatmaps": as spots on a grid, one of height 1 and one of height X_z for each joint and for
      points between the joints of a bone. No weights are involved. Which depth belongs where is
      then known from the start, and the layers only have to put flesh on it.

    Args:
        output_size_px: side D of the depth image; a multiple of 32 for "vector", of `grid_cells`
            by a power of 2 (at most 32) for "heatmaps".
        encoding: "vector" or "heatmaps".
        grid_cells: side of the grid; unused for "vector".
        points_per_bone: points between the two joints of a bone; unused for "vector".
        channels: channels of the first five layers.
        dropout: rate in the first five layers.
        num_joints: K, 21 for "heatmaps" with points between joints.
        name: name of the model.

    Returns:
        A functional model, [B, K, 3] of (u / S, v / S, X_z), each in 0..1 (X_z from Eq. 5), ->
        normalised depth image [B, D, D, 1] float32 >= 0 (Eq. 4: 1 is near, 0 is background).

    Raises:
        ValueError: If an argument is out of range.
    """
    strides = _checked_strides(
        output_size_px, encoding, grid_cells, channels=channels, dropout=dropout,
        num_joints=num_joints,
    )  # fmt: skip

    # Inputs.
    joints = keras.Input((num_joints, 3), name="joints_unit")

    # Network.
    if encoding == "vector":
        x = keras.layers.Rescaling(2.0, offset=-1.0, name="centre")(joints)
        x = keras.layers.Reshape((1, 1, num_joints * 3), name="reshape")(x)
    else:
        x = _spots(joints, grid_cells, points_per_bone)
    for index, (size, stride) in enumerate(zip(channels, strides, strict=False), start=1):
        kernel, padding = _kernel(stride), "same"
        if index == 1 and encoding == "vector":  # [B, 1, 1, 3K] -> [B, D/32, D/32, channels[0]]
            kernel, padding = output_size_px // 2**NUM_HIDDEN, "valid"
        x = _transposed(
            x, size, kernel, stride=stride, padding=padding, name=f"deconv{index}", use_bias=False
        )
        x = FusedBatchNormalization(momentum=0.95, name=f"bn{index}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)

    # Outputs.
    depth_unit = _transposed(
        x, 1, _kernel(strides[-1]), stride=strides[-1], padding="same",
        name=f"deconv{NUM_HIDDEN + 1}", dtype="float32", activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=FINAL_KERNEL_STDDEV),
        bias_initializer=keras.initializers.Constant(FINAL_BIAS),
    )  # fmt: skip
    return keras.Model(joints, depth_unit, name=name)


def _checked_strides(output_size_px, encoding, grid_cells, *, channels, dropout, num_joints):
    """Strides of the six layers; ValueError for an argument that is out of range."""
    check_choice("encoding", encoding, ENCODINGS)
    check_multiple("output_size_px", output_size_px, 1)
    check_multiple("num_joints", num_joints, 1)
    check_fraction("dropout", dropout)
    if isinstance(channels, str) or len(tuple(channels)) != NUM_HIDDEN:
        raise ValueError(f"`channels` must hold 5 sizes. Received: channels={channels!r}")
    for index, size in enumerate(channels):
        check_multiple(f"channels[{index}]", size, 1)
    if encoding == "vector":
        check_multiple("output_size_px", output_size_px, 2**NUM_HIDDEN)
        return (1, 2, 2, 2, 2, 2)
    return _grid_strides(output_size_px, grid_cells)


def _grid_strides(output_size_px, grid_cells):
    """Strides of the six layers: 1, then the doublings from grid to image, then 1."""
    check_multiple("grid_cells", grid_cells, 1)
    doublings = (output_size_px // grid_cells).bit_length() - 1
    if grid_cells * 2**doublings != output_size_px or doublings > NUM_HIDDEN:
        raise ValueError(
            "`output_size_px` must be `grid_cells` times 1, 2, 4, 8, 16 or 32. "
            f"Received: output_size_px={output_size_px}, grid_cells={grid_cells}"
        )
    return (1,) * (NUM_HIDDEN - doublings) + (2,) * doublings + (1,)


def _kernel(stride):
    """3 keeps the size; 4 doubles it without a checkerboard."""
    return 4 if stride == 2 else 3


def _spots(joints, cells, points_per_bone):
    """[B, K, 3] -> [B, cells, cells, 2 (K + points)]: a spot for each point, and times its X_z."""
    if points_per_bone:
        between = keras.ops.matmul(points_between(points_per_bone), joints)
        joints = keras.ops.concatenate([joints, between], axis=1)
    centres = (np.arange(cells, dtype=np.float32)[None, :, None] + 0.5) / cells
    sharpness = cells / SPOT_CELLS

    def profile(positions):
        offset = keras.ops.subtract(centres, positions[:, None, :])
        return keras.ops.exp(-0.5 * keras.ops.square(offset * sharpness))  # [B, cells, points]

    along_u, along_v = profile(joints[:, :, 0]), profile(joints[:, :, 1])
    spots = along_v[:, :, None, :] * along_u[:, None, :, :]
    depth = DEPTH_GAIN * (joints[:, None, None, :, 2] - 0.5)
    return keras.ops.concatenate([spots, spots * depth], axis=-1)


def points_between(count):
    """Weights [20 count, 21] of evenly spaced points on the 20 bones, without the bones' ends."""
    weights = np.zeros((len(BONES) * count, len(BONES) + 1), np.float32)
    for bone, (start, end) in enumerate(BONES):
        for step in range(count):
            part = (step + 1) / (count + 1)
            weights[bone * count + step, end] = part
            weights[bone * count + step, start] = 1.0 - part
    return weights


def _transposed(x, channels, kernel, *, stride, padding, name, **options):
    layer = keras.layers.Conv2DTranspose(
        channels, kernel, strides=stride, padding=padding, name=name, **options
    )
    return layer(x)
