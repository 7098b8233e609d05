"""Losses: reductions by hand, zero weights, precision."""

import numpy as np
import pytest
import tensorflow as tf

from kerashand import losses
from kerashand.geometry.heatmaps import encode_gaussian, normalise_maps

B, CELLS, K, D = 3, 6, 21, 8


def _coordinate(target, prediction, weight):
    return losses.coordinate_smooth_l1(target, prediction, weight, beta_px=2.0)


def _bone_length(target, prediction, weight):
    """As if the lengths of the target were the only right ones."""
    return losses.bone_length_hinge(prediction, weight, shortest=target, longest=target)


CASES = {
    "heatmap_l2": (losses.heatmap_l2, (B, CELLS, CELLS, K), (B, K)),
    "heatmap_cross_entropy": (losses.heatmap_cross_entropy, (B, CELLS, CELLS, K), (B, K)),
    "coordinate_smooth_l1": (_coordinate, (B, K, 2), (B, K)),
    "joint_depth_smooth_l1": (losses.joint_depth_smooth_l1, (B, K), (B,)),
    "bone_length_hinge": (_bone_length, (B, K - 1), (B, K - 1)),
    "depth_map_l1": (losses.depth_map_l1, (B, D, D, 1), (B, D, D, 1)),
}
every_loss = pytest.mark.parametrize(("loss", "shape", "weight_shape"), CASES.values(), ids=CASES)


def _inputs(shape):
    rng = np.random.default_rng(0)
    return rng.uniform(size=shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)


def test_convention_smooth_l1():
    np.testing.assert_allclose(
        losses.smooth_l1(np.array([0.0, 0.5, -0.5, 1.0, 2.0, -3.0])),
        [0, 0.125, 0.125, 0.5, 1.5, 2.5],
    )
    np.testing.assert_allclose(losses.smooth_l1(np.array([1.0, 4.0]), 2.0), [0.25, 3.0])


def test_beta_must_be_positive():
    with pytest.raises(ValueError, match=r"`beta` must be positive. Received: beta=0"):
        losses.smooth_l1(np.zeros(2), 0)
    with pytest.raises(ValueError, match=r"`beta_px` must be positive. Received: beta_px=-1"):
        losses.coordinate_smooth_l1(*_inputs((B, K, 2)), np.ones((B, K)), beta_px=-1)


def test_heatmap_l2_sums_cells_and_averages_labelled_joints():
    target = np.zeros((2, 2, 3, 2))
    prediction = np.zeros((2, 2, 3, 2))
    prediction[0, :, :, 0] = 1  # 6 cells, squared 1
    prediction[1, :, :, 1] = 2  # 6 cells, squared 4
    assert float(losses.heatmap_l2(target, prediction, np.ones((2, 2)))) == pytest.approx(30 / 4)
    weight = np.array([[1.0, 0], [0, 0]])
    assert float(losses.heatmap_l2(target, prediction, weight)) == pytest.approx(6)


def test_cross_entropy_of_flat_logits_is_log_of_cells():
    target = encode_gaussian(np.full((1, 1, 2), 20.0), size=6, stride=8, sigma_cells=1.0)
    value = losses.heatmap_cross_entropy(target, np.full((1, 6, 6, 1), 7.0), np.ones((1, 1)))
    assert float(value) == pytest.approx(np.log(36), rel=1e-5)


def test_cross_entropy_is_least_at_the_target():
    target = encode_gaussian(np.full((1, 1, 2), 20.0), size=6, stride=8, sigma_cells=1.0)
    p = np.array(normalise_maps(target, "relu"))
    entropy = -np.sum(p * np.log(p))
    logits, weight = np.log(p), np.ones((1, 1))
    best = float(losses.heatmap_cross_entropy(target, logits, weight))
    assert best == pytest.approx(entropy, rel=1e-4)
    shifted = np.roll(logits, 1, axis=1)
    assert float(losses.heatmap_cross_entropy(target, shifted, weight)) > best


def test_cross_entropy_of_an_empty_target_is_zero():
    zero = np.zeros((1, 6, 6, 1))
    assert float(losses.heatmap_cross_entropy(zero, zero, np.ones((1, 1)))) == 0


def test_coordinate_loss_by_hand():
    target, prediction = np.zeros((1, 2, 2)), np.array([[[1.0, 4.0], [100, 100]]])
    weight = np.array([[1.0, 0.0]])
    value = losses.coordinate_smooth_l1(target, prediction, weight, beta_px=2.0)
    assert float(value) == pytest.approx((0.25 + 3.0) / 2)


def test_joint_depth_loss_by_hand():
    target, prediction = np.zeros((2, 2)), np.array([[0.5, 2.0], [9, 9]])
    value = losses.joint_depth_smooth_l1(target, prediction, np.array([1.0, 0.0]))
    assert float(value) == pytest.approx((0.125 + 1.5) / 2)


def test_bone_length_loss_by_hand():
    lengths = np.array([[0.3, 0.5, 0.75, 1.0], [9, 9, 9, 9]])
    value = losses.bone_length_hinge(
        lengths, np.array([[1.0, 1, 1, 0], [0, 0, 0, 0]]), shortest=np.full(4, 0.5), longest=0.7
    )
    # 0.2 below and 0.05 above: 0.2 - 0.05 and 0.05^2 / 0.2.
    assert float(value) == pytest.approx((0.15 + 0.0 + 0.0125) / 3, rel=1e-5)


def test_convention_bone_spread():
    lengths, ones = np.array([[0.9], [1.1]]), np.ones((2, 1))
    value = losses.bone_spread_smooth_l1(lengths, ones, steepness=np.full((2, 1), 0.3))
    assert float(value) == pytest.approx(0.05, rel=1e-5)
    # Seen across and end on, 10 and 1 / 1.1 of weight: the usual length is 0.917.
    steep = np.array([[0.0], [1.0]])
    value = losses.bone_spread_smooth_l1(lengths, ones, steepness=steep)
    usual = (0.9 * 10 + 1.1 / 1.1) / (10 + 1 / 1.1)
    each = [0.5 * (usual - 0.9) ** 2 / 0.1, 1.1 - usual - 0.05]
    assert float(value) == pytest.approx(np.mean(each), rel=1e-5)
    # What is not labelled neither costs nor sets the length.
    weight = np.array([[1.0], [0.0]])
    assert float(losses.bone_spread_smooth_l1(lengths, weight, steepness=steep)) < 1e-9


def test_bone_spread_lengthens_the_bone_that_points_at_the_camera():
    """The one seen across stays: the usual length passes no gradient on."""
    z = tf.Variable([[0.0], [0.5]])
    flat = np.array([[1.0], [0.6]], np.float32)
    with tf.GradientTape() as tape:
        lengths = tf.sqrt(flat**2 + z**2)
        cost = losses.bone_spread_smooth_l1(lengths, np.ones((2, 1)), steepness=z / lengths)
    slope = tape.gradient(cost, z).numpy()
    assert slope[0] == 0
    assert slope[1] < 0


def test_depth_map_loss_is_a_mean_over_valid_pixels():
    target, prediction = np.zeros((2, 2, 2, 1)), np.full((2, 2, 2, 1), 0.5)
    prediction[1] = 9
    weight = np.ones((2, 2, 2, 1))
    weight[1] = 0
    weight[0, 0, 0] = 0
    assert float(losses.depth_map_l1(target, prediction, weight)) == pytest.approx(0.5)


@every_loss
def test_zero_weight_gives_zero_loss_and_gradient(loss, shape, weight_shape):
    target, prediction = map(tf.constant, _inputs(shape))
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(target, prediction, tf.zeros(weight_shape))
    assert float(value) == 0
    np.testing.assert_array_equal(tape.gradient(value, prediction), np.zeros(shape))


@every_loss
def test_gradient_is_finite_and_reaches_labelled_samples_only(loss, shape, weight_shape):
    target, prediction = map(tf.constant, _inputs(shape))
    weight = np.ones(weight_shape, np.float32)
    weight[0] = 0
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(target, prediction, weight)
    gradient = tape.gradient(value, prediction).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[0].any()
    assert gradient[1].any()


@every_loss
def test_gradient_is_finite_where_prediction_equals_target(loss, shape, weight_shape):
    target = tf.constant(_inputs(shape)[0])
    with tf.GradientTape() as tape:
        tape.watch(target)
        value = loss(tf.stop_gradient(target), target, tf.ones(weight_shape))
    assert np.isfinite(tape.gradient(value, target)).all()


@every_loss
def test_graph_agrees_with_eager(loss, shape, weight_shape):
    target, prediction = map(tf.constant, _inputs(shape))
    weight = tf.ones(weight_shape)
    eager = loss(target, prediction, weight)
    graph = tf.function(loss)(target, prediction, weight)
    data = tf.data.Dataset.from_tensors((target, prediction, weight)).map(loss)
    assert eager.shape == ()
    np.testing.assert_allclose(graph, eager, rtol=1e-5)
    np.testing.assert_allclose(next(iter(data)), eager, rtol=1e-5)


@every_loss
def test_half_precision_predictions_are_computed_in_float32(loss, shape, weight_shape):
    target, prediction = _inputs(shape)
    prediction = (prediction * 300).astype(np.float16)  # squares overflow float16
    value = loss(target, prediction, np.ones(weight_shape, np.float16))
    assert value.dtype == tf.float32
    assert np.isfinite(float(value))


def test_convention_point_depth():
    """0.3 off with beta = 0.15: 0.15 / 2 + 0.15 = 0.225; joints without a weight do not count."""
    target = np.zeros((2, 21), np.float32)
    prediction = target + 0.3
    weight = np.ones_like(target)
    assert float(losses.point_depth_smooth_l1(target, prediction, weight)) == pytest.approx(0.225)
    prediction[0, 5], weight[0, 5] = 9.0, 0.0
    assert float(losses.point_depth_smooth_l1(target, prediction, weight)) == pytest.approx(0.225)
    assert float(losses.point_depth_smooth_l1(target, prediction, 0.0 * weight)) == 0.0
