"""The networks one by one: CPM, lite network, depth regressor and depth regularizer."""

import keras
import numpy as np
import pytest
from small_models import random_inputs, small_regressor

from kerashand.models import depth_regularizer
from kerashand.models.blocks import FusedBatchNormalization
from kerashand.models.cpm import build_cpm
from kerashand.models.depth_regularizer import build_depth_regularizer
from kerashand.models.lite import build_lite

# (layer, kernel, channels in, channels out, resolution at 256 px, leaky ReLU follows)
CPM_TABLE = [
    ("conv1_1", 3, 3, 64, 256, True),
    ("conv1_2", 3, 64, 64, 256, True),
    ("conv2_1", 3, 64, 128, 128, True),
    ("conv2_2", 3, 128, 128, 128, True),
    ("conv3_1", 3, 128, 256, 64, True),
    ("conv3_2", 3, 256, 256, 64, True),
    ("conv3_3", 3, 256, 256, 64, True),
    ("conv3_4", 3, 256, 256, 64, True),
    ("conv4_1", 3, 256, 512, 32, True),
    ("conv4_2", 3, 512, 512, 32, True),
    ("conv4_3", 3, 512, 256, 32, True),
    ("conv4_4", 3, 256, 256, 32, True),
    ("conv4_5", 3, 256, 256, 32, True),
    ("conv4_6", 3, 256, 256, 32, True),
    ("conv4_7", 3, 256, 128, 32, True),
    ("conv5_1", 1, 128, 512, 32, True),
    ("conv5_2", 1, 512, 21, 32, False),
    ("conv6_1", 7, 149, 128, 32, True),
    ("conv6_2", 7, 128, 128, 32, True),
    ("conv6_3", 7, 128, 128, 32, True),
    ("conv6_4", 7, 128, 128, 32, True),
    ("conv6_5", 7, 128, 128, 32, True),
    ("conv6_6", 1, 128, 128, 32, True),
    ("conv6_7", 1, 128, 21, 32, False),
    ("conv7_1", 7, 149, 128, 32, True),
    ("conv7_2", 7, 128, 128, 32, True),
    ("conv7_3", 7, 128, 128, 32, True),
    ("conv7_4", 7, 128, 128, 32, True),
    ("conv7_5", 7, 128, 128, 32, True),
    ("conv7_6", 1, 128, 128, 32, True),
    ("conv7_7", 1, 128, 21, 32, False),
]


def test_cpm_layer_table():
    model = build_cpm()
    assert model.count_params() == 17_518_847
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.name for layer in convolutions} == {row[0] for row in CPM_TABLE}
    for name, kernel, channels_in, channels_out, size, leaky in CPM_TABLE:
        layer = model.get_layer(name)
        assert layer.kernel.shape == (kernel, kernel, channels_in, channels_out), name
        assert layer.output.shape == (None, size, size, channels_out), name
        assert layer.use_bias, name
        assert layer.padding == "same", name
        assert layer.activation is keras.activations.linear, name
        followers = [node.operation for node in layer._outbound_nodes]
        slopes = [f.negative_slope for f in followers if isinstance(f, keras.layers.LeakyReLU)]
        assert slopes == ([pytest.approx(0.01)] if leaky else []), name


def test_cpm_concatenates_score_map_before_encoding():
    model = build_cpm(image_size_px=64)
    for stage, score in ((6, "conv5_2"), (7, "conv6_7")):
        parents = [
            tensor._keras_history.operation.name
            for tensor in model.get_layer(f"concat{stage}").input
        ]
        assert parents == [score, "conv4_7_relu"]


def test_lite_defaults():
    model = build_lite()
    assert model.output["heatmaps_2"].shape == (None, 16, 16, 21)
    assert model.output["features"].shape == (None, 16, 16, 288)
    assert 0.5e6 < model.count_params() < 1.5e6
    assert all(
        layer.filters % 16 == 0
        for layer in build_lite(width=0.7).layers
        if isinstance(layer, keras.layers.Conv2D) and not layer.name.startswith("heatmaps_")
    )


@pytest.mark.parametrize("residuals", [(1, 1), (0, 0, 1, 1, -1), (0, 0, 1, 1, 1.5)])
def test_lite_refuses_residuals(residuals):
    with pytest.raises(ValueError, match="`residuals` must hold 5 counts"):
        build_lite(residuals=residuals)


def test_lite_sees_the_whole_image():
    """The score of one corner depends on pixels in the opposite one: the context is global."""
    keras.utils.set_random_seed(0)
    model = build_lite(width=0.25, stages=1)
    image = np.full((1, 128, 128, 3), 100.0, np.float32)
    changed = image.copy()
    changed[:, -16:, -16:] = 250.0
    difference = model(image)["heatmaps_0"] - model(changed)["heatmaps_0"]
    assert np.any(np.abs(difference[0, 0, 0]) > 0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
def test_fused_batch_normalisation_is_that_of_keras(rng, training, trainable):
    import tensorflow as tf

    x = tf.constant(rng.normal(2.0, 3.0, (4, 5, 6, 7)), tf.float32)
    wanted = tf.constant(rng.normal(size=x.shape), tf.float32)
    results = []
    for layer in (FusedBatchNormalization(), keras.layers.BatchNormalization()):
        layer.build(x.shape)
        layer.trainable = trainable
        start = np.random.default_rng(1)
        layer.set_weights([start.uniform(0.5, 2.0, 7) for _ in range(4)])
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=training) * wanted)
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        results.append([loss, *gradients, *layer.get_weights()[:3], layer.get_weights()[3]])
    fused, plain = results
    for number, (a, b) in enumerate(zip(fused, plain, strict=True)):
        # The kernel's variance is N / (N - 1) times Keras's; N is 120 here.
        loose = number == 7 and training and trainable
        np.testing.assert_allclose(a, b, rtol=0.01 if loose else 1e-4, atol=1e-4, err_msg=number)


def test_regressor_root_is_exactly_zero():
    model = small_regressor()
    z_relative = np.asarray(model(random_inputs(model, batch=8))["z_relative"])
    assert np.all(z_relative[:, 0] == 0.0)
    assert np.any(z_relative[:, 1:] != 0.0)


def test_regressor_sees_positions_beside_its_convolutions():
    model = small_regressor()
    maps = np.zeros((1, 4, 4, 21), np.float32)
    maps[0, 3, 0] = 2.0  # row 3, column 0 of each map, whatever its height
    features = np.zeros((1, 4, 4, 16), np.float32)
    seen = keras.Model(model.inputs, model.get_layer("concat_positions").output)
    row = np.asarray(seen({"heatmaps": maps, "features": features}))[0, -42:].reshape(21, 2)
    # Centres of cells at -1.5, -0.5, 0.5, 1.5, of a map that reaches from -2 to 2.
    np.testing.assert_allclose(row, np.tile([-1.5, 1.5], (21, 1)), atol=1e-5)
    paper = small_regressor(positions=False)
    assert (
        paper.get_layer("dense1").kernel.shape[0] == model.get_layer("dense1").kernel.shape[0] - 42
    )


def test_regressor_units_do_not_die_together():
    """Kernels that are negative throughout leave plain ReLUs without output and gradient."""
    model = small_regressor()
    rng = np.random.default_rng(0)
    for layer in ("conv1", "conv2", "dense1", "dense2"):
        kernel = model.get_layer(layer).kernel
        kernel.assign(-rng.uniform(0.1, 1.0, kernel.shape))
    inputs = {name: np.abs(value) for name, value in random_inputs(model, batch=8).items()}
    for layer in ("conv1_relu", "conv2_relu", "dense1_relu", "dense2_relu"):
        hidden = np.asarray(keras.Model(model.inputs, model.get_layer(layer).output)(inputs))
        assert 0.2 < np.mean(hidden > 0) < 0.8, layer


def test_spots_stand_at_the_joints_and_carry_their_depth():
    joints = np.full((1, 21, 3), 0.5, np.float32)
    joints[0, 7] = [(2 + 0.5) / 8, (5 + 0.5) / 8, 0.75]  # the centre of column 2, row 5
    spots = np.asarray(depth_regularizer._spots(joints, 8, 0))
    assert spots.shape == (1, 8, 8, 42)
    assert np.unravel_index(spots[0, :, :, 7].argmax(), (8, 8)) == (5, 2)
    assert spots[0, 5, 2, 7] == pytest.approx(1.0)
    assert spots[0, 5, 2, 21 + 7] == pytest.approx(4.0 * 0.25)
    assert spots[0, 5, 3, 7] == pytest.approx(np.exp(-0.5 / 0.8**2), rel=1e-5)


def test_points_between_lie_evenly_on_the_bones():
    weights = depth_regularizer.points_between(2)
    assert weights.shape == (40, 21)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    line = np.arange(21, dtype=np.float32)
    start, end = depth_regularizer.BONES[3]
    np.testing.assert_allclose(
        (weights @ line)[6:8], [start + (end - start) / 3, start + 2 * (end - start) / 3], rtol=1e-6
    )


@pytest.mark.parametrize("encoding", ["vector", "heatmaps"])
def test_decoder_starts_alive_and_positive(encoding, seeds):
    model = build_depth_regularizer(encoding=encoding)
    depth_unit = np.asarray(model(random_inputs(model, batch=4), training=True))
    assert depth_unit.shape == (4, 64, 64, 1)
    assert depth_unit.min() >= 0.0
    assert np.mean(depth_unit > 0.0) > 0.8
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2DTranspose") == 6
    assert (
        kinds.count("FusedBatchNormalization") == kinds.count("Dropout") == kinds.count("ReLU") == 5
    )
