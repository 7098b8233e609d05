"""Depth window: Eq. 4 and 5."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kerashand.geometry import depth

ROOT_MM = np.array([500.0, 400.0], np.float32)
SCALE_MM = np.array([40.0, 30.0], np.float32)


def _depth():
    d = np.random.default_rng(0).uniform(200, 900, (2, 6, 6, 1)).astype(np.float32)
    d[0, 0, 0] = 0
    return d


def test_convention_window():
    assert depth.window(500.0, 40.0, 5.0) == (700.0, 400.0)


def test_convention_values_by_hand():
    depth_mm = np.array([[500, 300, 700, 600, 250, 900, 0]], np.uint16)[..., None]
    d_n, weight = depth.normalise_depth(depth_mm, 500.0, 40.0, half_width_scales=5)
    assert d_n.dtype == weight.dtype == np.float32
    np.testing.assert_allclose(d_n[0, :, 0], [0.5, 1, 0, 0.25, 1, 0, 0])
    np.testing.assert_array_equal(weight[0, :, 0], [1, 1, 1, 1, 1, 1, 0])


def test_missing_depth_in_every_form():
    depth_mm = np.array([np.nan, -1.0, 0.0, np.inf])
    d_n, weight = depth.normalise_depth(depth_mm, 500.0, 40.0, half_width_scales=5)
    np.testing.assert_array_equal(d_n, 0)
    np.testing.assert_array_equal(weight, [0, 0, 0, 1])


def test_missing_scale_stays_finite_without_weight():
    d_n, weight = depth.normalise_depth(
        np.full((2, 3, 3, 1), 500.0), ROOT_MM, np.array([0.0, 30.0]), half_width_scales=5
    )
    assert np.isfinite(d_n).all()
    assert weight[0].sum() == 0
    assert weight[1].sum() == 9


@pytest.mark.parametrize("shape", [(2, 6, 6, 1), (2, 6, 6)])
def test_round_trip_inside_the_window(shape):
    depth_mm = np.random.default_rng(1).uniform(380, 540, shape)
    window = {"half_width_scales": 5.0}
    d_n, weight = depth.normalise_depth(depth_mm, ROOT_MM, SCALE_MM, **window)
    np.testing.assert_array_equal(weight, 1)
    back = depth.denormalise_depth(d_n, ROOT_MM, SCALE_MM, **window)
    np.testing.assert_allclose(back, depth_mm, rtol=1e-5)


def test_tensors_eager_graph_and_data_agree_with_numpy():
    def chain(depth_mm, root_mm, scale_mm):
        d_n, weight = depth.normalise_depth(depth_mm, root_mm, scale_mm, half_width_scales=5.0)
        back = depth.denormalise_depth(d_n, root_mm, scale_mm, half_width_scales=5.0)
        return d_n, weight, back

    arguments = (_depth(), ROOT_MM, SCALE_MM)
    tensors = tuple(map(tf.constant, arguments))
    expected = chain(*arguments)
    data = next(iter(tf.data.Dataset.from_tensors(arguments).map(chain)))
    for result in (chain(*tensors), tf.function(chain)(*tensors), data):
        for ours, theirs in zip(result, expected, strict=True):
            assert ours.dtype == tf.float32
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_convention_joint_depth():
    z = np.array([0.0, -1.0, 5.0, -5.0])
    x_z = depth.normalised_joint_depth(z, half_width_scales=5)
    np.testing.assert_allclose(x_z, [0.5, 0.6, 0, 1])


@pytest.mark.parametrize("k", [2.0, 5.0])
def test_short_and_long_form_of_eq_5_agree(k):
    z = np.random.default_rng(2).normal(size=(2, 21)) * 4
    short = depth.normalised_joint_depth(z, half_width_scales=k)
    long = depth.normalised_joint_depth_long(z, ROOT_MM, SCALE_MM, half_width_scales=k)
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_joint_and_map_share_one_unit():
    z = np.random.default_rng(3).uniform(-4, 4, (2, 21))
    z_mm = z * SCALE_MM[:, None] + ROOT_MM[:, None]
    d_n, _ = depth.normalise_depth(z_mm, ROOT_MM, SCALE_MM, half_width_scales=5)
    np.testing.assert_allclose(d_n, depth.normalised_joint_depth(z, half_width_scales=5), atol=1e-6)


def test_half_width_must_be_positive():
    message = r"`half_width_scales` must be positive. Received: half_width_scales=0"
    with pytest.raises(ValueError, match=message):
        depth.window(500.0, 40.0, 0)
    with pytest.raises(ValueError, match=message):
        depth.normalised_joint_depth(np.zeros(21), half_width_scales=0)


def test_numpy_path_imports_no_tensorflow():
    code = (
        "import sys, numpy as np;"
        "from kerashand.geometry import camera, depth, pose;"
        "import kerashand.metrics, kerashand.reference_curves, kerashand.skeleton;"
        "depth.normalise_depth(np.ones((2, 3)), np.ones(2), np.ones(2), half_width_scales=5);"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
