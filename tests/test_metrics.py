"""Metrics: errors, curves, areas, protocols, Procrustes, published curves."""

import dataclasses

import keras
import numpy as np
import pytest

from kerashand import metrics
from kerashand.metrics_keras import MeanJointErrorMM
from kerashand.reference_curves import STB_AUC, STB_CURVES, STB_THRESHOLDS_MM


def _hands(samples=8):
    rng = np.random.default_rng(7)
    target = rng.uniform(-80, 80, (samples, 21, 3)) + np.array([0, 0, 500])
    return target + rng.normal(scale=15, size=target.shape), target


def _rotation():
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_errors_by_hand():
    target = np.zeros((1, 2, 3))
    prediction = np.array([[[3.0, 4, 0], [0, 0, -2]]])
    np.testing.assert_allclose(metrics.joint_errors_mm(prediction, target), [[5, 2]])
    np.testing.assert_allclose(metrics.errors_2d(prediction[..., :2], target[..., :2]), [[5, 0]])


def test_pck_counts_errors_up_to_the_threshold():
    errors = np.array([[10.0, 20], [30, 40]])
    np.testing.assert_allclose(metrics.pck_curve(errors, [5, 10, 25, 40]), [0, 0.25, 0.5, 1])


def test_pck_per_joint_differs_from_flattened_when_joints_are_missing():
    errors = np.array([[0.0, 100], [0, 0], [0, 0]])
    weight = np.array([[1, 1], [1, 0], [1, 0]])
    assert metrics.pck_curve(errors, [50], weight=weight)[0] == pytest.approx(0.5)
    flat = metrics.pck_curve(errors, [50], per_joint=False, weight=weight)
    assert flat[0] == pytest.approx(0.75)


def test_pck_leaves_out_joints_that_are_never_labelled():
    weight = np.array([[1, 0], [1, 0]])
    assert metrics.pck_curve(np.array([[0.0, 99], [9, 99]]), [5], weight=weight)[0] == 0.5


def test_pck_refuses_bad_input():
    with pytest.raises(ValueError, match=r"`errors` must have shape \[N, K\]. Received: .*\(3,\)"):
        metrics.pck_curve(np.zeros(3), [1.0])
    with pytest.raises(ValueError, match=r"at least one labelled joint. Received: .*\(2, 3\)"):
        metrics.pck_curve(np.zeros((2, 3)), [1.0], weight=np.zeros((2, 3)))


def test_convention_auc():
    assert metrics.auc([20, 30, 50], [1, 1, 1]) == pytest.approx(1)
    assert metrics.auc([0, 50], [0, 1]) == pytest.approx(0.5)
    assert metrics.auc([0, 10, 20], [0, 1, 1]) == pytest.approx(0.75)
    with pytest.raises(ValueError, match=r"must be of one shape .* Received: shapes=\(1,\)"):
        metrics.auc([1], [1])


@pytest.mark.parametrize("method", STB_CURVES)
def test_golden_published_curves(method):
    area = metrics.auc(STB_THRESHOLDS_MM, STB_CURVES[method])
    assert round(area, 3) == STB_AUC[method]


def test_protocol_thresholds():
    hand3d = metrics.PROTOCOLS["hand3d"].thresholds_mm
    assert len(hand3d) == 12
    assert hand3d[0] == pytest.approx(21.0526, abs=1e-4)
    assert hand3d[-1] == 50
    cai = metrics.PROTOCOLS["cai2018"].thresholds_mm
    assert (len(cai), cai[0], cai[1], cai[-1]) == (31, 20, 21, 50)
    freihand = metrics.PROTOCOLS["freihand-pa"].thresholds_mm
    assert (len(freihand), freihand[0], freihand[-1]) == (100, 0, 50)
    assert all(p.conditions and name == p.name for name, p in metrics.PROTOCOLS.items())


def test_protocol_refuses_bad_values():
    cai = metrics.PROTOCOLS["cai2018"]
    with pytest.raises(ValueError, match=r"`alignment` must be one of .*alignment='icp'"):
        dataclasses.replace(cai, alignment="icp")
    with pytest.raises(ValueError, match=r"`thresholds_mm` must hold .*thresholds_mm=\(2.0, 1.0\)"):
        dataclasses.replace(cai, thresholds_mm=(2.0, 1.0))


def test_evaluate_by_hand():
    target = np.zeros((2, 21, 3))
    prediction = target.copy()
    prediction[0, :, 2] = 35  # 35 mm everywhere, in depth
    prediction[1, :, 0] = -10  # 10 mm everywhere, across
    result = metrics.evaluate_pose(prediction, target, metrics.PROTOCOLS["cai2018"])
    assert result["mean_error_mm"] == pytest.approx(22.5)
    assert result["median_error_mm"] == pytest.approx(22.5)
    assert result["mean_depth_error_mm"] == pytest.approx(17.5)
    # 0.5 below 35 mm, 1 from 35 mm on; the trapezoid before 35 counts half a step.
    assert result["auc"] == pytest.approx((14 * 0.5 + 0.75 + 15) / 30)
    assert result["pck"].shape == result["thresholds_mm"].shape == (31,)
    assert (result["protocol"], result["samples"]) == ("cai2018", 2)


def test_perfect_prediction_has_area_one():
    _, target = _hands()
    for protocol in metrics.PROTOCOLS.values():
        result = metrics.evaluate_pose(target, target, protocol)
        assert result["mean_error_mm"] == pytest.approx(0, abs=1e-9)
        # At threshold 0 the aligned error is rounding, not 0.
        assert result["auc"] > 0.99


def test_alignments_remove_what_they_claim():
    _, target = _hands()
    similar = 1.3 * (target @ _rotation().T) + np.array([5, -60, 20])
    moved = target + np.array([5, -60, 20])
    error = {
        name: metrics.evaluate_pose(moved, target, p)["mean_error_mm"]
        for name, p in metrics.PROTOCOLS.items()
    }
    assert error["cai2018"] == pytest.approx(np.sqrt(25 + 3600 + 400))
    assert error["hand3d"] == pytest.approx(0, abs=1e-9)
    result = metrics.evaluate_pose(similar, target, metrics.PROTOCOLS["freihand-pa"])
    assert result["mean_error_mm"] == pytest.approx(0, abs=1e-8)


def test_root_can_be_left_out():
    prediction, target = _hands()
    hand3d = metrics.PROTOCOLS["hand3d"]
    without = dataclasses.replace(hand3d, includes_root=False)
    with_root = metrics.evaluate_pose(prediction, target, hand3d)["mean_error_mm"]
    expected = with_root * 21 / 20  # the aligned root adds an error of 0
    result = metrics.evaluate_pose(prediction, target, without)
    assert result["mean_error_mm"] == pytest.approx(expected)


@pytest.mark.parametrize("per_joint", [True, False])
def test_weight_per_sample_equals_leaving_samples_out(per_joint):
    prediction, target = _hands()
    protocol = dataclasses.replace(metrics.PROTOCOLS["cai2018"], per_joint_mean=per_joint)
    weight = np.array([1, 0, 1, 1, 0, 0, 1, 1])
    masked = metrics.evaluate_pose(prediction, target, protocol, weight=weight)
    keep = weight > 0
    subset = metrics.evaluate_pose(prediction[keep], target[keep], protocol)
    for key in ("samples", "auc", "mean_error_mm", "median_error_mm", "mean_depth_error_mm"):
        assert masked[key] == pytest.approx(subset[key])


def test_protocols_order_the_same_errors_as_expected():
    # Errors of a mean near 20 mm, Maxwell distributed: stricter ranges give smaller areas.
    rng = np.random.default_rng(0)
    target = np.zeros((500, 21, 3))
    prediction = rng.normal(scale=12.5, size=target.shape)
    errors = metrics.joint_errors_mm(prediction, target)
    area = {
        name: metrics.auc(p.thresholds_mm, metrics.pck_curve(errors, p.thresholds_mm))
        for name, p in metrics.PROTOCOLS.items()
    }
    assert area["hand3d"] > area["cai2018"] > area["freihand-pa"]


def test_evaluate_refuses_bad_input():
    prediction, target = _hands()
    cai = metrics.PROTOCOLS["cai2018"]
    with pytest.raises(ValueError, match=r"one shape \[N, K, 3\]. Received: .*\(7, 21, 3\)"):
        metrics.evaluate_pose(prediction[1:], target, cai)
    with pytest.raises(ValueError, match="at least one labelled joint"):
        metrics.evaluate_pose(prediction[:0], target[:0], cai)
    prediction[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"`prediction_mm` must be finite. Received: 1 values"):
        metrics.evaluate_pose(prediction, target, cai)


def test_procrustes_undoes_a_similarity():
    _, target = _hands()
    prediction = 0.4 * ((target - [1.0, 2, 3]) @ _rotation().T)
    np.testing.assert_allclose(metrics.pa_align(prediction, target), target, atol=1e-8)


def test_procrustes_does_not_mirror():
    _, target = _hands()
    mirrored = target * [-1, 1, 1]
    aligned = metrics.pa_align(mirrored, target)
    assert metrics.joint_errors_mm(aligned, target).mean() > 10


def test_procrustes_never_makes_the_squared_error_worse():
    prediction, target = _hands()
    before = ((prediction - target) ** 2).sum(axis=(1, 2))
    after = ((metrics.pa_align(prediction, target) - target) ** 2).sum(axis=(1, 2))
    assert (after <= before).all()


def test_procrustes_of_a_collapsed_hand_is_finite():
    _, target = _hands(1)
    aligned = metrics.pa_align(np.ones_like(target), target)
    np.testing.assert_allclose(aligned, np.broadcast_to(target.mean(axis=1), (1, 21, 3)))


def test_keras_metric_weighs_samples():
    metric = MeanJointErrorMM()
    assert float(metric.result()) == 0
    target = np.zeros((2, 21, 3), np.float32)
    prediction = target.copy()
    prediction[0, :, 0] = 10
    prediction[1, :, 1] = 90
    metric.update_state(target, prediction, np.array([1.0, 0.0]))
    assert float(metric.result()) == pytest.approx(10)
    metric.update_state(target, prediction)
    assert float(metric.result()) == pytest.approx(110 / 3)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_keras_metric_agrees_with_numpy_and_can_be_rebuilt():
    prediction, target = _hands()
    metric = keras.metrics.deserialize(keras.metrics.serialize(MeanJointErrorMM()))
    metric.update_state(target, prediction)
    expected = metrics.joint_errors_mm(prediction, target).mean()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-4)


def test_depth_map_errors_by_hand():
    """Off by 0.5 on the measured half; of the second map nothing was measured."""
    generated, measured = np.full((2, 4, 4, 1), 0.75), np.full((2, 4, 4, 1), 0.25)
    measured[:, 2:] = 0.0
    weight = np.zeros((2, 4, 4, 1))
    weight[0, :2] = 1.0
    for maps in (
        (generated, measured, weight),
        tuple(a[..., 0] for a in (generated, measured, weight)),
    ):
        np.testing.assert_allclose(metrics.depth_map_errors(*maps), [0.5, np.nan])


HANDS = np.random.default_rng(0).normal((0.0, 0.0, 600.0), 40.0, (5, 21, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (HANDS / 1000, HANDS / 1000, metrics.PROTOCOLS["cai2018"]),
            r"must be in mm. Received: hands 0\.\d+",
        ),
        ((HANDS, HANDS, "cai2018"), "must be one of `PROTOCOLS`. Received: 'cai2018'"),
    ],
)
def test_units_and_protocols_that_are_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.evaluate_pose(*arguments)


@pytest.mark.parametrize("shape", [(21,), (5, 21, 1), (5, 20), (1, 21)])
def test_weights_have_the_shape_of_samples_or_joints(shape):
    with pytest.raises(
        ValueError, match=r"must have shape \[N\] or \[N, K\], of 5 samples with 21"
    ):
        metrics.evaluate_pose(HANDS, HANDS, metrics.PROTOCOLS["cai2018"], weight=np.ones(shape))


@pytest.mark.parametrize(
    ("thresholds", "values"),
    [
        ([20, 50, 30], [0.5, 1, 0.7]),
        ([20, 50], [50, 100]),
        ([20, 20], [0, 1]),
        ([0, 1], [0, np.nan]),
    ],
)
def test_curves_that_are_none(thresholds, values):
    with pytest.raises(ValueError, match="must ascend and `values` must be shares"):
        metrics.auc(thresholds, values)
