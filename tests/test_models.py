"""The models: the CPM's layer table, one harness for every model, the join, the weights file."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kerashand.models import depth_regularizer, hand_pose
from kerashand.models.blocks import FusedBatchNormalization
from kerashand.models.cpm import build_cpm
from kerashand.models.depth_regressor import build_depth_regressor
from kerashand.models.depth_regularizer import build_depth_regularizer
from kerashand.models.lite import build_lite
from kerashand.networks import NETWORKS

# Keras hands TensorFlow variables to NumPy 2 in a way that NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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


def small_lite(**options):
    return build_lite(**{"image_size_px": 32, "width": 0.25, "stages": 2, **options})


def small_regressor(**options):
    arguments = {"map_size": 4, "feature_channels": 16, "conv_channels": (8, 8)}
    return build_depth_regressor(**{**arguments, "hidden_units": (16, 8), **options})


def small_regularizer(**options):
    return build_depth_regularizer(
        **{"output_size_px": 32, "channels": (16, 16, 8, 8, 8), "dropout": 0.0, **options}
    )


def small_parts(**options):
    return hand_pose.build_parts(
        **{
            "lite": {"width": 0.25, "stages": 2},
            "regressor": {"conv_channels": (8, 8), "hidden_units": (16, 8)},
            "regularizer": {"output_size_px": 32, "channels": (16, 16, 8, 8, 8)},
            "image_size_px": 32,
            **options,
        }
    )


def small_inference():
    return small_parts().build_inference_model()


LITE_SHAPES = {"heatmaps_0": (4, 4, 21), "heatmaps_1": (4, 4, 21), "features": (4, 4, 80)}
CPM_SHAPES = {f"heatmaps_{stage}": (8, 8, 21) for stage in range(3)} | {"features": (8, 8, 128)}
JOINED_SHAPES = {
    "uv_px": (21, 2),
    "z_relative": (21,),
    "confidence": (21,),
    "heatmaps": (4, 4, 21),
}
HEADS_SHAPES = {
    "z_relative": (21,), "right_logit": (), "hand_logit": (), "precise_logit": (21,),
}  # fmt: skip
CASES = {
    "cpm": (lambda: build_cpm(image_size_px=64), CPM_SHAPES),
    "lite_dense": (small_lite, LITE_SHAPES),
    "lite_separable": (lambda: small_lite(block="separable"), LITE_SHAPES),
    "regressor": (small_regressor, {"z_relative": (21,)}),
    "regressor_heads": (lambda: small_regressor(heads=True), HEADS_SHAPES),
    "regularizer": (small_regularizer, (32, 32, 1)),
    "inference": (small_inference, JOINED_SHAPES),
}
OTHER_SIZES = {
    "lite_stride4": (
        lambda: small_lite(heatmap_stride=4, stages=1),
        {"heatmaps_0": (8, 8, 21), "features": (8, 8, 80)},
    ),
    "lite_odd_levels": (
        lambda: small_lite(image_size_px=72, stages=1),
        {"heatmaps_0": (9, 9, 21), "features": (9, 9, 80)},
    ),
    "decoder_64": (lambda: small_regularizer(output_size_px=64), (64, 64, 1)),
    "decoder_vector": (lambda: small_regularizer(encoding="vector"), (32, 32, 1)),
    "decoder_vector_64": (
        lambda: small_regularizer(encoding="vector", output_size_px=64),
        (64, 64, 1),
    ),
    "decoder_128": (lambda: small_regularizer(output_size_px=128), (128, 128, 1)),
}
each_model = pytest.mark.parametrize("case", CASES)


def random_inputs(model, batch=2):
    """Inputs of the model's own shapes: an image if they have three channels, else 0..1."""

    def draw(tensor):
        rng = np.random.default_rng(0)
        high = 255.0 if tensor.name == "image" else 1.0
        return rng.uniform(0, high, (batch, *tensor.shape[1:])).astype(np.float32)

    return keras.tree.map_structure(draw, model.input)


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("case", CASES | OTHER_SIZES)
def test_output_names_and_shapes(case):
    build, shapes = (CASES | OTHER_SIZES)[case]
    model = build()
    outputs = model(random_inputs(model))
    if isinstance(shapes, dict):
        assert {name: tuple(value.shape) for name, value in outputs.items()} == {
            name: (2, *shape) for name, shape in shapes.items()
        }
    else:
        assert tuple(outputs.shape) == (2, *shapes)


@each_model
def test_save_load_and_config(case, tmp_path):
    model = CASES[case][0]()
    inputs = random_inputs(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    before, after = model(inputs, training=False), loaded(inputs, training=False)
    assert keras.tree.is_nested(before) == keras.tree.is_nested(after)
    if isinstance(before, dict):
        assert set(before) == set(after)
        before, after = (list(dict(sorted(d.items())).values()) for d in (before, after))
    for one, other in zip(keras.tree.flatten(before), keras.tree.flatten(after), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    again = type(model).from_config(model.get_config())
    assert again.count_params() == model.count_params()
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


@pytest.mark.usefixtures("mixed_precision")
@each_model
def test_mixed_precision_keeps_float32_outputs(case):
    model = CASES[case][0]()
    assert any(layer.compute_dtype == "bfloat16" for layer in model._flatten_layers())
    for value in keras.tree.flatten(model(random_inputs(model))):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


@each_model
def test_gradient_reaches_every_weight(case):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = CASES[case][0]()
    inputs = random_inputs(model, batch=4)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(inputs, training=True))
        rng = np.random.default_rng(1)
        loss = sum(
            keras.ops.sum(value * rng.normal(size=value.shape).astype(np.float32))
            for value in outputs
        )
    names = [variable.path for variable in model.trainable_variables]
    gradients = tape.gradient(loss, model.trainable_variables)
    dead = [
        name
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert dead == []
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


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


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: build_cpm(image_size_px=250),
            "`image_size_px` must be a multiple of 8. Received: image_size_px=250",
        ),
        (lambda: build_lite(image_size_px=0), "Received: image_size_px=0"),
        (lambda: build_lite(image_size_px=64.0), "Received: image_size_px=64.0"),
        (lambda: build_lite(width=0.0), "`width` must be a positive number. Received: width=0.0"),
        (
            lambda: build_lite(block="mobile"),
            "`block` must be one of 'dense', 'separable'. Received: block='mobile'",
        ),
        (
            lambda: build_lite(heatmap_stride=2),
            "`heatmap_stride` must be one of 8, 4. Received: heatmap_stride=2",
        ),
        (lambda: build_lite(stages=0), "`stages` must be a positive integer. Received: stages=0"),
        (
            lambda: small_regressor(conv_channels=(8,)),
            r"`conv_channels` must hold 2 sizes. Received: conv_channels=\(8,\)",
        ),
        (
            lambda: small_regressor(hidden_units=(8, 0)),
            r"`hidden_units\[1\]` must be a positive integer. Received: hidden_units\[1\]=0",
        ),
        (
            lambda: small_regressor(dropout=1.0),
            r"`dropout` must lie in \[0, 1\). Received: dropout=1.0",
        ),
        (
            lambda: build_depth_regularizer(output_size_px=48, encoding="vector"),
            "`output_size_px` must be a multiple of 32. Received: output_size_px=48",
        ),
        (
            lambda: build_depth_regularizer(output_size_px=48),
            "`output_size_px` must be `grid_cells` times .* output_size_px=48, grid_cells=16",
        ),
        (lambda: build_depth_regularizer(channels=(8, 8)), "`channels` must hold 5 sizes"),
        (
            lambda: hand_pose.build_parts(network="big"),
            "`network` must be one of 'lite', 'cpm'. Received: network='big'",
        ),
        (
            lambda: hand_pose.build_parts(decode="argmax"),
            "`decode` must be one of 'softmax', 'relu'. Received: decode='argmax'",
        ),
    ],
)
def test_builders_reject(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_what_their_entries_say(name):
    """Exports find weights by the name of the model, and layers that need more bits by theirs."""
    network = NETWORKS[name].build(image_size_px=64)
    maps = hand_pose.stage_maps(network.output)
    assert maps[-1].shape[1:3] == network.output["features"].shape[1:3]
    for change, message in (
        ({"first_layer": "stem"}, "builds no layer 'stem'"),
        ({"score_layers": ("belief_",)}, "builds no layer 'belief_'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(NETWORKS[name], **change).check(network, name)
    with pytest.raises(ValueError, match="must name its model 'other'"):
        NETWORKS[name].check(network, "other")


def test_parts_of_cpm_fit_together():
    parts = hand_pose.build_parts(network="cpm", image_size_px=64, decode="relu")
    assert parts.heatmap_stride == 8
    assert parts.regressor.input["heatmaps"].shape == (None, 8, 8, 21)
    assert parts.regressor.input["features"].shape == (None, 8, 8, 128)
    assert list(parts.models) == ["network", "regressor", "regularizer"]


@pytest.mark.parametrize("stride", [4, 8])
def test_parts_know_the_stride(stride):
    lite = {"width": 0.25, "stages": 1, "heatmap_stride": stride}
    assert small_parts(lite=lite).heatmap_stride == stride


@pytest.mark.parametrize("decode", hand_pose.DECODES)
def test_inference_matches_the_parts(decode):
    parts = small_parts(decode=decode)
    image = random_inputs(parts.network)
    outputs = parts.build_inference_model()(image, training=False)
    network = parts.network(image, training=False)
    maps = hand_pose.stage_maps(network)[-1]
    seen = hand_pose.regressor_inputs(maps, network["features"], decode)
    z_relative = parts.regressor(seen, training=False)["z_relative"]
    np.testing.assert_allclose(outputs["z_relative"], z_relative, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(outputs["heatmaps"], maps, rtol=1e-5, atol=1e-5)
    confidence = np.clip(np.max(seen["heatmaps"], axis=(1, 2)), 0, 1)
    np.testing.assert_allclose(outputs["confidence"], confidence, rtol=1e-5, atol=1e-5)
    uv_px = np.asarray(outputs["uv_px"])
    assert np.all((uv_px >= -0.5) & (uv_px <= 31.5))
    assert np.all(np.asarray(outputs["z_relative"])[:, 0] == 0.0)


def test_regressor_sees_a_target_map_with_peak_one():
    """A soft-max map equal to the Gaussian target of sigma = 1 cell peaks at 1."""
    cells = np.arange(16.0)
    logits = -0.5 * ((cells[:, None] - 8.0) ** 2 + (cells[None] - 8.0) ** 2)
    maps = logits[None, ..., None].astype(np.float32)
    seen = hand_pose.regressor_inputs(maps, None, "softmax")["heatmaps"]
    assert np.max(seen) == pytest.approx(1.0, abs=1e-3)
    assert hand_pose.regressor_inputs(maps, None, "relu")["heatmaps"] is maps


@pytest.mark.parametrize(("half", "tolerance"), [(False, 0.0), (True, 1e-3)])
def test_npz_round_trip(tmp_path, half, tolerance):
    saved, loaded = small_parts().models, small_parts().models
    hand_pose.save_parts_npz(tmp_path / "new" / "weights.npz", saved, half=half)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["weights.npz"]
    hand_pose.load_parts_npz(tmp_path / "new" / "weights.npz", loaded)
    for part, model in saved.items():
        for one, other in zip(model.weights, loaded[part].weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    with np.load(tmp_path / "new" / "weights.npz", allow_pickle=False) as file:
        assert "network/down2_conv/kernel" in file.files
        assert file["network/down2_conv/kernel"].dtype == (np.float16 if half else np.float32)
        assert file["network/down2_bn/moving_variance"].dtype == np.float32


def test_npz_loads_chosen_parts(tmp_path):
    parts = small_parts()
    hand_pose.save_parts_npz(tmp_path / "w.npz", {"network": parts.network})
    before = [np.asarray(weight) for weight in parts.regressor.weights]
    with pytest.raises(ValueError, match="do not fit: missing regressor/conv1/kernel"):
        hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models)
    hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models, only=["network"])
    for one, other in zip(before, parts.regressor.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="`only` must name parts of"):
        hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models, only=["decoder"])


def _write(path, arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_inference_tells_the_probabilities_of_the_heads():
    regressor = {"conv_channels": (8, 8), "hidden_units": (16, 8), "heads": True}
    parts = small_parts(regressor=regressor)
    image = random_inputs(parts.network)
    network = parts.network(image, training=False)
    maps = hand_pose.stage_maps(network)[-1]
    seen = hand_pose.regressor_inputs(maps, network["features"], parts.decode)
    answers = parts.regressor(seen, training=False)
    outputs = parts.build_inference_model()(image, training=False)
    for name, logit in (("p_right", "right"), ("p_hand", "hand"), ("confidence", "precise")):
        expected = 1.0 / (1.0 + np.exp(-np.asarray(answers[f"{logit}_logit"])))
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-5, atol=1e-5)


def test_npz_rejects_what_does_not_fit(tmp_path):
    parts = {"regressor": small_regressor()}
    path = tmp_path / "weights.npz"
    hand_pose.save_parts_npz(path, parts)
    with np.load(path) as file:
        good = dict(file)
    key = "regressor/dense1/kernel"
    before = [np.asarray(weight) for weight in parts["regressor"].weights]
    for arrays, message in [
        ({**good, key: good[key][:-1]}, rf"{key} is \(49, 16\), not \(50, 16\)"),
        ({**good, key: good[key] * np.nan}, f"{key} is not finite"),
        ({**good, key: np.array(["text"])}, f"{key} holds <U4"),
        ({**good, "regressor/dense9/bias": np.zeros(3)}, "unexpected regressor/dense9/bias"),
        ({k: v for k, v in good.items() if k != key}, f"missing {key}"),
        ({**good, key: np.array([None])}, "Not a readable weights file"),
    ]:
        _write(path, arrays)
        with pytest.raises(ValueError, match=message):
            hand_pose.load_parts_npz(path, parts)
    for one, other in zip(before, parts["regressor"].weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_npz_rejects_damage(tmp_path):
    parts = {"regressor": small_regressor()}
    path = tmp_path / "weights.npz"
    hand_pose.save_parts_npz(path, parts)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - b for b in whole[middle : middle + 64])
    for damaged in [whole[:middle], b"", b"text", flipped + whole[middle + 64 :]]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="Not a readable weights file"):
            hand_pose.load_parts_npz(path, parts)
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(ValueError, match="no zip archive"):
        hand_pose.load_parts_npz(tmp_path / "bare.npy", parts)
    with pytest.raises(FileNotFoundError):
        hand_pose.load_parts_npz(tmp_path / "none.npz", parts)


def test_options_are_of_a_network_that_has_some():
    for name in ("light", "cpm"):
        with pytest.raises(TypeError, match=f"build_parts takes no {name}"):
            small_parts(**{name: {"width": 0.5}})
