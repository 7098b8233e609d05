"""Heat maps: Gaussians, normalisers, expectation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerashand.geometry import heatmaps


def _maps(dtype="float32"):
    return np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype(dtype)


def test_convention_cell_centers():
    np.testing.assert_allclose(heatmaps.cell_centers_px(3, 8), [3.5, 11.5, 19.5])
    np.testing.assert_allclose(heatmaps.cell_centers_px(3, 1), [0, 1, 2])


def test_gaussian_values_by_hand():
    maps = np.array(
        heatmaps.encode_gaussian(np.array([[[11.5, 19.5]]]), size=(5, 4), stride=8, sigma_cells=1.0)
    )
    assert maps.shape == (1, 5, 4, 1)
    assert maps.dtype == np.float32
    assert maps[0, 2, 1, 0] == 1.0
    assert maps[0, 2, 2, 0] == pytest.approx(np.exp(-0.5))
    assert maps[0, 3, 2, 0] == pytest.approx(np.exp(-1.0))
    assert maps[0, 2, 3, 0] == pytest.approx(np.exp(-2.0))


def test_joint_far_outside_gives_an_empty_map():
    maps = heatmaps.encode_gaussian(np.array([[[-1e6, 5.0]]]), size=4, stride=8, sigma_cells=1.0)
    np.testing.assert_array_equal(maps, np.zeros((1, 4, 4, 1)))


def test_encode_rejects_bad_arguments():
    uv_px = np.zeros((1, 21, 2))
    with pytest.raises(ValueError, match=r"`sigma_cells` must be positive. Received: .*=0"):
        heatmaps.encode_gaussian(uv_px, size=4, stride=8, sigma_cells=0)
    with pytest.raises(ValueError, match=r"`stride` must be positive. Received: stride=0"):
        heatmaps.encode_gaussian(uv_px, size=4, stride=0, sigma_cells=1)


@pytest.mark.parametrize("method", heatmaps.NORMALISERS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_normalised_maps_sum_to_one(method, dtype):
    p = np.array(heatmaps.normalise_maps(_maps(dtype), method))
    assert p.dtype == np.float32
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=(1, 2)), 1.0, rtol=1e-5)


def test_softmax_agrees_with_keras():
    flat = keras.ops.softmax(_maps().reshape(2, 30, 3), axis=1)
    p = heatmaps.normalise_maps(_maps(), "softmax")
    np.testing.assert_allclose(np.array(p).reshape(2, 30, 3), flat, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_relu_falls_back_to_uniform(value):
    p = heatmaps.normalise_maps(np.full((1, 4, 5, 2), value), "relu")
    np.testing.assert_allclose(p, np.full((1, 4, 5, 2), 1 / 20), rtol=1e-5)


def test_relu_of_half_precision_extremes_is_finite():
    p = heatmaps.normalise_maps(np.full((1, 32, 32, 1), 6e4, np.float16), "relu")
    np.testing.assert_allclose(np.sum(p), 1.0, rtol=1e-4)


def test_unknown_normaliser_is_refused():
    with pytest.raises(ValueError, match=r"`method` must be one of .* Received: method='max'"):
        heatmaps.normalise_maps(_maps(), "max")


def test_convention_expectation_of_one_cell():
    p = np.zeros((1, 5, 4, 1), np.float32)
    p[0, 2, 1, 0] = 1
    np.testing.assert_allclose(heatmaps.decode_expectation(p, stride=8), [[[11.5, 19.5]]])


def test_uniform_map_decodes_to_the_image_centre():
    p = np.full((1, 16, 16, 1), 1 / 256, np.float16)
    uv_px = heatmaps.decode_expectation(p, stride=8)
    np.testing.assert_allclose(uv_px, [[[63.5, 63.5]]], rtol=1e-6)


@pytest.mark.parametrize("stride", [4, 8])
def test_encode_decode_round_trip(stride):
    uv_px = np.random.default_rng(1).uniform(50, 78, (2, 21, 2)).astype(np.float32)
    maps = heatmaps.encode_gaussian(uv_px, size=128 // stride, stride=stride, sigma_cells=1.0)
    decoded = heatmaps.decode_expectation(heatmaps.normalise_maps(maps, "relu"), stride=stride)
    np.testing.assert_allclose(decoded, uv_px, atol=5e-3)


def test_eager_graph_and_data_agree():
    uv_px = np.random.default_rng(2).uniform(10, 50, (2, 21, 2)).astype(np.float32)

    def chain(uv):
        maps = heatmaps.encode_gaussian(uv, size=8, stride=8, sigma_cells=1.0)
        return heatmaps.decode_expectation(heatmaps.normalise_maps(maps, "softmax"), stride=8)

    eager = chain(uv_px)
    open_batch = tf.TensorSpec([None, 21, 2], tf.float32)
    graph = tf.function(chain, input_signature=[open_batch])(uv_px)
    data = next(iter(tf.data.Dataset.from_tensors(uv_px).map(chain)))
    np.testing.assert_allclose(graph, eager, rtol=1e-5)
    np.testing.assert_allclose(data, eager, rtol=1e-5)


@pytest.mark.parametrize("method", heatmaps.NORMALISERS)
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_gradients_are_finite_for_flat_maps(method, value):
    maps = tf.fill([1, 8, 8, 2], value)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        p = heatmaps.normalise_maps(maps, method)
        loss = tf.reduce_sum(heatmaps.decode_expectation(p, stride=8) ** 2)
    assert np.isfinite(tape.gradient(loss, maps)).all()


def test_unknown_map_size_inside_a_graph():
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    decode = tf.function(
        lambda m: heatmaps.decode_expectation(heatmaps.normalise_maps(m, "softmax"), stride=4),
        input_signature=[spec],
    )
    eager = heatmaps.decode_expectation(heatmaps.normalise_maps(_maps(), "softmax"), stride=4)
    np.testing.assert_allclose(decode(_maps()), eager, rtol=1e-5)
