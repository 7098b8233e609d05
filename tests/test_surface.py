"""Joints behind the measured skin: values by hand."""

import numpy as np
import pytest
import stick_hand
import tensorflow as tf
from keras import ops

from kerashand.geometry import surface
from kerashand.losses import joint_surface_cauchy

PALM_SEEN = stick_hand.PALM_SEEN[None].astype(np.float32)


def test_convention_joint_surface():
    expected, weight, hidden = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
    joints = np.array([[0.3, 0.0, -0.3]])
    loss = joint_surface_cauchy(expected, joints, weight, hidden=hidden, root_weight=1.0)
    assert float(loss) == pytest.approx(0.0072 * 2 * np.log(7.25) / 3, rel=1e-4)


def test_one_joint_far_off_hardly_moves_the_others():
    """The shift is that of the twenty; the slope at the one far off is an eighth of the most."""
    joints = np.zeros((1, 21), np.float32)
    joints[0, 20] = 2.0
    shown = tf.Variable(joints)
    ones, none = np.ones((1, 21)), np.zeros((1, 21))
    with tf.GradientTape() as tape:
        loss = joint_surface_cauchy(none, shown, ones, hidden=none, root_weight=1.0)
    slopes = tape.gradient(loss, shown).numpy()[0]
    assert np.abs(slopes[:20]).max() < 0.001
    assert 0 < slopes[20] < 0.06 / 21 / 8


def test_hidden_joints_cost_only_before_what_hides_them():
    expected, weight = np.zeros((2, 3)), np.ones((2, 3))
    joints = np.array([[0.0, 0.0, 0.6], [0.0, 0.0, -0.6]])
    hidden = np.array([[0.0, 0.0, 1.0]] * 2)
    each = [
        float(
            joint_surface_cauchy(
                expected[k : k + 1], joints[k : k + 1], weight[:1], hidden=hidden[:1]
            )
        )
        for k in (0, 1)
    ]
    assert each[0] == 0.0
    # The root counts four times: 0.0072 ln 26 over six.
    assert each[1] == pytest.approx(0.0072 * np.log(26) / 6, rel=1e-4)


def test_a_shift_of_the_whole_hand_costs_nothing(rng):
    expected = rng.normal(size=(2, 21))
    ones, none = np.ones((2, 21)), np.zeros((2, 21))
    assert float(joint_surface_cauchy(expected, expected + 0.7, ones, hidden=none)) < 1e-6


def test_convention_flesh():
    palm_px = np.full(1, 100.0, np.float32)
    uv = 100.0 * PALM_SEEN
    right, left = np.ones(1, np.float32), np.zeros(1, np.float32)
    seen = ops.convert_to_numpy(surface.flesh(uv, right, palm_px))
    back = ops.convert_to_numpy(surface.flesh(uv * [-1.0, 1.0], right, palm_px))
    # The index and the little knuckle span 0.63 of a palm's square: a little more than flat.
    np.testing.assert_allclose(seen[0], surface.FLESH_OF_PALM, atol=1e-6)
    np.testing.assert_allclose(back[0], surface.FLESH_OF_BACK, atol=1e-6)
    mirrored = surface.flesh(uv * [-1.0, 1.0], left, palm_px)
    np.testing.assert_allclose(ops.convert_to_numpy(mirrored)[0], surface.FLESH_OF_PALM, atol=1e-6)


def test_joints_behind_the_palm_are_hidden():
    z = np.zeros((1, 21), np.float32)
    places = 100.0 * PALM_SEEN
    palm_px = np.full(1, 100.0, np.float32)
    assert ops.convert_to_numpy(surface.hidden(places, z, palm_px)).sum() == 0
    # The tip of the middle finger folds onto the bone between wrist and knuckle, before or behind.
    folded = places.copy()
    folded[0, 12] = 100.0 * np.array([0.0, -0.5])
    z[0, 12] = 0.4
    assert ops.convert_to_numpy(surface.hidden(folded, z, palm_px))[0, 12] == 1
    z[0, 12] = -0.4
    assert ops.convert_to_numpy(surface.hidden(folded, z, palm_px))[0, 12] == 0


def test_convention_surface_at():
    """A map of 4 x 4 for a picture of 8 px: pixel (5, 2) lies in cell (2, 1)."""
    depth = np.zeros((1, 4, 4, 1), np.float32)
    depth[0, 1, 2] = 0.6
    weight = np.ones_like(depth)
    uv = np.full((1, 21, 2), -5.0, np.float32)
    uv[0, 0], uv[0, 1] = (5.0, 2.0), (0.0, 0.0)
    found, measured = surface.surface_at(depth, weight, uv, image_size_px=8)
    assert ops.convert_to_numpy(found)[0, 0] == pytest.approx(0.6)
    # Beside the picture, and background, nothing of the hand was measured.
    assert ops.convert_to_numpy(measured)[0].tolist() == [1.0] + [0.0] * 20
    weight[0, 1, 2] = 0.0
    _, measured = surface.surface_at(depth, weight, uv, image_size_px=8)
    assert ops.convert_to_numpy(measured).sum() == 0
    graph = tf.function(lambda d, w, p: surface.surface_at(d, w, p, image_size_px=8))
    assert float(graph(depth, np.ones_like(depth), uv)[0][0, 0]) == pytest.approx(0.6)
