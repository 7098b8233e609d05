"""The terms of the loss: the list, and values and weights of each that are more than a function."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from kerashand.config import Config
from kerashand.config.schema import LABELS
from kerashand.terms import ERRORS, PARTS, TERMS, history_panels

SIZE_PX = 32
TERM = {term.name: term for term in TERMS}


def answered(batch, *, uv_px=None, **answers):
    """What the terms see of networks that gave these answers."""
    settings = SimpleNamespace(scale_bone="middle_mcp_pip")
    parts = SimpleNamespace(image_size_px=SIZE_PX)
    return SimpleNamespace(
        batch=batch, settings=settings, parts=parts, uv_px=uv_px, answers=answers
    )


def value_of(name, batch, **seen):
    return float(TERM[name].value(answered(batch, **seen), TERM[name].weight(batch)))


def floats(**arrays):
    return {name: tf.constant(value, tf.float32) for name, value in arrays.items()}


# ------------------------------------------------------------------------------------ the list


def test_the_configuration_has_a_factor_for_each_term_and_no_other():
    weights = Config().stages.finetune.loss_weights
    assert list(weights) == [term.name for term in TERMS]
    assert len(TERM) == len(TERMS)


def test_every_term_says_what_it_needs_and_trains():
    for term in TERMS:
        assert term.label in LABELS
        assert term.unless in (None, *LABELS)
        assert term.trains
        assert set(term.trains) <= set(PARTS)
        assert term.meaning
    assert {part for term in TERMS for part in term.trains} == set(PARTS)


def test_every_loss_has_a_title_in_the_curves_of_a_training():
    panels = history_panels()
    assert set(panels) == {*TERM, *ERRORS}
    assert len(set(panels.values())) == len(panels)
    assert all(title and unit for title, unit in panels.values())


def test_the_list_is_read_without_tensorflow():
    code = "import sys, kerashand.terms; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --------------------------------------------------------------------------------------- bones


@pytest.mark.parametrize("name", ["bone_length", "bone_spread"])
def test_bones_teach_depth_where_it_is_not_labelled(rng, name):
    labelled = np.ones((4, 21))
    labelled[1, 8] = 0.0  # index_tip
    batch = floats(
        uv_px=rng.uniform(4, 28, (4, 21, 2)), uv_weight=labelled, z_weight=[1.0, 0.0, 0.25, 0.0]
    )
    expected = np.zeros((4, 20))
    expected[[1, 3]] = 1.0
    expected[1, 7] = 0.0
    weight = TERM[name].weight(batch)
    np.testing.assert_array_equal(weight, expected)

    z = tf.Variable(rng.normal(size=(4, 21)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = TERM[name].value(answered(batch, z_relative=z), weight)
    slope = np.array(tape.gradient(loss, z))
    assert (slope[[0, 2]] == 0).all()
    assert (slope[[1, 3]] != 0).any(axis=1).all()
    assert slope[1, 8] == 0


# --------------------------------------------------------------------------------------- heads

# A right hand, a left one, and a square without a hand, whose side is a filler.
HANDS = floats(is_right=[1.0, 0.0, 1.0], is_hand=[1.0, 1.0, 0.0])
SURE, WRONG = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))  # 0.1269 and 2.1269 at logit 2


def test_handedness_counts_hands_alone():
    np.testing.assert_array_equal(TERM["handedness"].weight(HANDS), [1, 1, 0])
    for beside in (-9.0, 9.0):
        logit = tf.constant([2.0, 2.0, beside])
        value = value_of("handedness", HANDS, right_logit=logit)
        assert value == pytest.approx((SURE + WRONG) / 2, rel=1e-5)
    right = value_of("handedness", HANDS, right_logit=tf.constant([2.0, -2.0, 0.0]))
    assert right == pytest.approx(SURE, rel=1e-5)


def test_presence_counts_every_square():
    np.testing.assert_array_equal(TERM["presence"].weight(HANDS), [1, 1, 1])
    value = value_of("presence", HANDS, hand_logit=tf.constant([2.0, 2.0, 2.0]))
    assert value == pytest.approx((2 * SURE + WRONG) / 3, rel=1e-5)


def test_confidence_asks_labelled_joints_whether_they_are_where_the_map_puts_them():
    # 5 % of 32 px are 1.6 px. Joint 0 is 1.5 px off, joint 1 is 1.7 px off, the rest are not known.
    uv_px = tf.zeros((1, 21, 2))
    weight = np.zeros((1, 21))
    weight[0, :2] = 1.0
    moved = np.zeros((1, 21, 2))
    moved[0, 0, 0], moved[0, 1, 1], moved[0, 2:] = 1.5, -1.7, 9.0
    batch = floats(uv_px=uv_px, uv_weight=weight)
    found = tf.Variable(moved, dtype=tf.float32)
    logit = tf.Variable(np.full((1, 21), 2.0), dtype=tf.float32)
    with tf.GradientTape() as tape:
        seen = answered(batch, uv_px=found, precise_logit=logit)
        value = TERM["confidence"].value(seen, TERM["confidence"].weight(batch))
    assert float(value) == pytest.approx((SURE + WRONG) / 2, rel=1e-5)
    into_map, into_logit = tape.gradient(value, [found, logit])
    assert into_map is None
    # Slopes of the cross entropy at logit 2: sigmoid(2) - truth, halved by the mean over two.
    slope = 1.0 / (1.0 + np.exp(-2.0))
    np.testing.assert_allclose(into_logit[0, :2], [(slope - 1) / 2, slope / 2], rtol=1e-5)
    assert (into_logit.numpy()[0, 2:] == 0).all()
