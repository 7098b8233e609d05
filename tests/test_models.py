"""One harness for every model: shapes, saving, mixed precision, gradients, and refusals."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_models import random_inputs, small_lite, small_parts, small_regressor, small_regularizer

from kerashand.models import hand_pose
from kerashand.models.cpm import build_cpm
from kerashand.models.depth_regularizer import build_depth_regularizer
from kerashand.models.lite import build_lite
from kerashand.networks import NETWORKS

# Keras hands TensorFlow variables to NumPy 2 in a way that NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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
