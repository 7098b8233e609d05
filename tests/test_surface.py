"""Joints behind the measured skin: values by hand."""

import numpy as np
import pytest
import stick_hand
import tensorflow as tf
from keras import ops

from kerashand.geometry import surface
from kerashand.geometry.flesh import flesh, load_flesh, side_seen
from kerashand.losses import joint_surface_cauchy

PALM_SEEN = stick_hand.PALM_SEEN[None].astype(np.float32)


def test_convention_joint_surface():
    expected, weight, hidden = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
    joints = np.array([[0.3, 0.0, -0.3]])
    sure = np.ones((1, 3))
    loss = joint_surface_cauchy(expected, joints, weight, hidden=hidden, sure=sure, root_weight=1.0)
    assert float(loss) == pytest.approx(0.0072 * 2 * np.log(7.25) / 3, rel=1e-4)


def test_one_joint_far_off_hardly_moves_the_others():
    """The shift is that of the twenty; the slope at the one far off is an eighth of the most."""
    joints = np.zeros((1, 21), np.float32)
    joints[0, 20] = 2.0
    shown = tf.Variable(joints)
    ones, none = np.ones((1, 21)), np.zeros((1, 21))
    with tf.GradientTape() as tape:
        loss = joint_surface_cauchy(none, shown, ones, hidden=none, sure=ones, root_weight=1.0)
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
                expected[:1], joints[k : k + 1], weight[:1], hidden=hidden[:1], sure=weight[:1]
            )
        )
        for k in (0, 1)
    ]
    assert each[0] == 0.0
    assert each[1] == pytest.approx(0.0072 * np.log(26) / 3, rel=1e-4)


def test_an_unsure_joint_costs_less():
    expected, ones, none = np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3))
    joints, sure = np.array([[0.0, 0.0, 0.6]]), np.array([[1.0, 1.0, 0.25]])
    plain, less = (
        float(joint_surface_cauchy(expected, joints, ones, hidden=none, sure=each))
        for each in (ones, sure)
    )
    # Less sure, it also moves the hand less: 0.6 is then the distance from the others.
    assert less < 0.4 * plain


def test_a_shift_of_the_whole_hand_costs_nothing(rng):
    expected = rng.normal(size=(2, 21))
    ones, none = np.ones((2, 21)), np.zeros((2, 21))
    assert (
        float(joint_surface_cauchy(expected, expected + 0.7, ones, hidden=none, sure=ones)) < 1e-6
    )


def test_convention_side_seen():
    """Index and little knuckle at (0.3, -0.9) and (-0.3, -0.8) palms: 0.51 / 0.6 = 0.85."""
    uv = np.zeros((1, 21, 2), np.float32)
    uv[0, 5], uv[0, 17] = (30.0, -90.0), (-30.0, -80.0)
    right, left, palm_px = np.ones(1), np.zeros(1), np.full(1, 100.0)
    assert side_seen(uv, right, palm_px) == pytest.approx(0.85)
    assert side_seen(uv, left, palm_px) == pytest.approx(-0.85)
    assert side_seen(uv * [-1.0, 1.0], right, palm_px) == pytest.approx(-0.85)


def test_convention_flesh():
    """Half way between two figures: their mean. A palm shown full on: the last ones."""
    figures = load_flesh()
    palm_px = np.full(1, 100.0, np.float32)
    uv = np.zeros((1, 21, 2), np.float32)
    uv[0, 5, 1], uv[0, 17, 0] = 100.0, 60.0 * 0.375  # between the figures of 0.25 and 0.5
    right = np.ones(1, np.float32)
    depth, spread = flesh(uv, right, palm_px)
    np.testing.assert_allclose(depth[0], figures.depth[5:7].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(spread[0], figures.spread[5:7].mean(axis=0), atol=1e-6)
    shown, _ = flesh(4.0 * uv, right, palm_px)
    np.testing.assert_allclose(shown[0], figures.depth[-1], atol=1e-6)
    assert depth[0, 0] == pytest.approx(figures.depth[5:7, 0].mean(), abs=1e-6)
    graph, _ = tf.function(flesh)(tf.constant(uv), tf.constant(right), tf.constant(palm_px))
    np.testing.assert_allclose(graph, depth, atol=1e-6)
    backs, _ = flesh(4.0 * uv, 1.0 - right, palm_px)
    np.testing.assert_allclose(backs[0], figures.depth[0], atol=1e-6)


def test_flesh_is_that_of_hands():
    """A wrist is 15 to 40 mm thick to its middle, a finger tip 3 to 10; of a palm of 92 mm."""
    figures = load_flesh()
    assert figures.depth.shape == figures.spread.shape == (len(figures.seen), 21)
    wrist, tips = 92.0 * figures.depth[:, 0], 92.0 * figures.depth[:, [8, 12, 16, 20]]
    assert wrist.min() > 15.0
    assert wrist.max() < 40.0
    assert tips.min() > 3.0
    assert tips.max() < 10.0


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
