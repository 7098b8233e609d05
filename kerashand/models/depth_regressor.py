"""The regression network: heat maps and image features to the relative depth of each joint."""

import keras

from kerashand.geometry.camera import PRECISE_SHARE as PRECISE_SHARE
from kerashand.geometry.heatmaps import decode_expectation, normalise_maps
from kerashand.models.blocks import check_fraction, check_multiple

NUM_CONVS = 2
NUM_HIDDEN = 2
HEADS = ("right", "hand", "precise")
"""Questions: is it a right hand, is there a hand, and is this joint within `PRECISE_SHARE` of the
picture's side of where the map puts it? Each is the logit of a probability."""
OVERVIEW_UNITS = 64
POSITION_GAIN = 4.0
"""Positions are brought to -2..2, where the other inputs of the first dense layer are too."""


def build_depth_regressor(
    *,
    map_size,
    feature_channels,
    conv_channels=(64, 128),
    hidden_units=(512, 256),
    dropout=0.0,
    positions=True,
    heads=False,
    num_joints=21,
    name="depth_regressor",
):
    """Build the regression network of Cai et al. 2018, section 3.3.

    Two 3x3 convolutions of stride 2 and three fully connected layers. Each hidden layer is
    normalised over its channels, which the paper does not do: without it nearly all units of the
    first convolution were found dead after pre-training, and fine-tuning could not wake them. Batch
    normalisation would not do, since a training step calls the network twice with other inputs.

    Args:
        map_size: side h = w of the maps in cells.
        feature_channels: C, channels of the image features.
        conv_channels: channels of the two convolutions.
        hidden_units: units of the first two fully connected layers.
        dropout: rate after each hidden layer, 0 for none.
        positions: whether the fully connected layers also get the decoded position of each joint.
            Two convolutions on a coarse map blur it. Not in the paper.
        heads: whether the regressor also predicts handedness, presence of a hand, and whether each
            joint is precise. Not in the paper.
        num_joints: K.
        name: name of the model.

    Returns:
        A functional model, dict of ``heatmaps`` [B, h, w, K] and ``features`` [B, h, w, C] -> dict
        of ``z_relative`` [B, K] float32, in lengths of the scale bone, and the logits of the heads.
        The root's value is subtracted from all of them, so that joint 0 is exactly 0.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_multiple("map_size", map_size, 1)
    check_multiple("feature_channels", feature_channels, 1)
    check_multiple("num_joints", num_joints, 1)
    check_fraction("dropout", dropout)
    _check_sizes("conv_channels", conv_channels, NUM_CONVS)
    _check_sizes("hidden_units", hidden_units, NUM_HIDDEN)

    # Inputs.
    heatmaps = keras.Input((map_size, map_size, num_joints), name="heatmaps")
    features = keras.Input((map_size, map_size, feature_channels), name="features")

    # Network.
    x = keras.layers.Concatenate(name="concat")([heatmaps, features])
    for index, channels in enumerate(conv_channels, start=1):
        x = keras.layers.Conv2D(
            channels, 3, strides=2, padding="same", use_bias=False, name=f"conv{index}"
        )(x)
        x = _normalised_relu(x, f"conv{index}")
    x = keras.layers.Flatten(name="flatten")(x)
    if positions:
        where = decode_expectation(normalise_maps(heatmaps, "relu"), stride=1)
        where = keras.layers.Flatten(name="positions")(where)
        where = POSITION_GAIN * ((where + 0.5) / map_size - 0.5)
        x = keras.layers.Concatenate(name="concat_positions")([x, where])
    for index, units in enumerate(hidden_units, start=1):
        x = keras.layers.Dense(units, use_bias=False, name=f"dense{index}")(x)
        x = _normalised_relu(x, f"dense{index}")
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout{index}")(x)
    z = keras.layers.Dense(num_joints, dtype="float32", name=f"dense{NUM_HIDDEN + 1}")(x)

    # Outputs.
    outputs = {"z_relative": z - z[:, :1]}
    if heads:
        x = keras.layers.Concatenate(name="heads_concat")([x, _overview(features)])
        for head, units in {"right": 1, "hand": 1, "precise": num_joints}.items():
            logit = keras.layers.Dense(units, dtype="float32", name=head)(x)
            outputs[f"{head}_logit"] = logit[:, 0] if units == 1 else logit
    return keras.Model({"heatmaps": heatmaps, "features": features}, outputs, name=name)


def is_head(layer_name: str) -> bool:
    """Whether a layer belongs to the heads alone."""
    return layer_name in HEADS or layer_name.startswith("heads_")


def _overview(features):
    """What the image features say in each sixteenth of the picture, in few numbers.

    What the layers for depth pass on hardly tells whether there is a hand, and its handedness only
    after long training.
    """
    x = keras.layers.AveragePooling2D(max(features.shape[1] // 4, 1), name="heads_pool")(features)
    x = keras.layers.Flatten(name="heads_flatten")(x)
    x = keras.layers.Dense(OVERVIEW_UNITS, use_bias=False, name="heads_dense")(x)
    return _normalised_relu(x, "heads_dense")


def _normalised_relu(x, name):
    x = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _check_sizes(name, sizes, count):
    if isinstance(sizes, str) or len(tuple(sizes)) != count:
        raise ValueError(f"`{name}` must hold {count} sizes. Received: {name}={sizes!r}")
    for index, size in enumerate(sizes):
        check_multiple(f"{name}[{index}]", size, 1)
