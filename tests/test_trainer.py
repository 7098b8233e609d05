"""The trainer: parts that each loss reaches, frozen parts, missing labels, and overfitting."""

import numpy as np
import pytest
import tensorflow as tf
from trainer_batches import (
    HEADS,
    OPTIMIZER,
    changed,
    make_batch,
    make_parts,
    make_settings,
    snapshot,
    started,
)

from kerashand.models.hand_pose import generate_depth_map
from kerashand.terms import TERMS
from kerashand.training.optimizers import build_optimizers
from kerashand.training.trainer import HandPoseTrainer


def test_total_is_the_weighted_sum_of_the_losses(rng):
    settings = make_settings(loss_weights={"heatmap": 2.0, "joint_depth": 3.0, "depth_map": 5.0})
    logs = started(settings).test_step(make_batch(rng))
    expected = 2 * logs["heatmap"] + 3 * logs["joint_depth"] + 5 * logs["depth_map"]
    assert float(logs["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_depth_loss_sends_no_gradient_into_the_2d_network(rng):
    settings = make_settings(loss_weights={"heatmap": 0.0, "joint_depth": 0.0})
    trainer = started(settings)
    batch = make_batch(rng)
    with tf.GradientTape() as tape:
        loss = trainer._values(batch, training=True)["depth_map"]
    parts = (trainer.network, trainer.regressor, trainer.regularizer)
    gradients = tape.gradient(loss, [[v.value for v in p.trainable_variables] for p in parts])
    assert all(g is None for g in gradients[0])
    for part in gradients[1:]:
        assert any(g is not None and float(tf.reduce_max(tf.abs(g))) > 0 for g in part)


def test_joint_depth_loss_reaches_the_2d_network(rng):
    settings = make_settings(
        loss_weights={"heatmap": 0.0, "depth_map": 0.0}, rates={"regularizer": 0.0}
    )
    trainer = started(settings)
    before = snapshot(trainer.network)
    trainer.train_step(make_batch(rng))
    assert changed(before, trainer.network)


def weak_batch(rng):
    """Two of four samples without joint depth."""
    return make_batch(rng) | {"z_weight": tf.constant([1.0, 0.0, 1.0, 0.0])}


def test_bones_train_the_regressor(rng):
    trainer = started(make_settings(loss_weights={"joint_depth": 0.0, "bone_length": 1.0}))
    before = snapshot(trainer.regressor)
    logs = trainer.train_step(weak_batch(rng))
    assert float(logs["bone_length"]) > 0
    assert changed(before, trainer.regressor)


def test_heads_learn_of_hands_squares_and_labelled_joints(rng):
    """Heads that answer everything with logit 2: right, a hand, and a precise joint."""
    trainer = started(make_settings(loss_weights={"joint_depth": 0.0} | HEADS), heads=True)
    for head in ("right", "hand", "precise"):
        kernel, bias = trainer.regressor.get_layer(head).weights
        kernel.assign(tf.zeros_like(kernel))
        bias.assign(tf.fill(bias.shape, 2.0))
    # A right hand; a mirrored one; a square without a hand; a hand of which one joint is labelled.
    weight = np.ones((4, 21), np.float32)
    weight[2] = weight[3, 1:] = 0.0
    batch = make_batch(rng) | {
        "is_right": tf.constant([1.0, 0.0, 1.0, 1.0]),
        "is_hand": tf.constant([1.0, 1.0, 0.0, 1.0]),
        "uv_weight": tf.constant(weight),
        # Nowhere near: no joint is precise.
        "uv_px": tf.fill((4, 21, 2), 300.0),
    }
    counts = {name: float(count) for name, count in trainer._label_counts(batch).items()}
    assert {name: counts[name] for name in HEADS} == {
        "handedness": 3.0, "presence": 4.0, "confidence": 43.0
    }  # fmt: skip
    sure, wrong = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    logs = trainer.test_step(batch)
    assert float(logs["handedness"]) == pytest.approx((2 * sure + wrong) / 3, rel=1e-5)
    assert float(logs["presence"]) == pytest.approx((3 * sure + wrong) / 4, rel=1e-5)
    assert float(logs["confidence"]) == pytest.approx(wrong, rel=1e-5)

    before = snapshot(trainer.regressor)
    trainer.train_step(batch)
    assert changed(before, trainer.regressor)


def test_each_loss_reaches_the_parts_that_it_is_said_to_train(rng):
    trainer = started(make_settings(regularizer_input="predicted"), heads=True)
    batch = weak_batch(rng)
    parts = trainer.models
    variables = {name: [v.value for v in m.trainable_variables] for name, m in parts.items()}
    for term in TERMS:
        with tf.GradientTape() as tape:
            seen = trainer.forward(batch, training=True)
            loss = term.value(seen, term.weight(batch))
        gradients = tape.gradient(loss, variables)
        for name in term.trains:
            slopes = [float(tf.reduce_max(tf.abs(g))) for g in gradients[name] if g is not None]
            assert max(slopes, default=0.0) > 0, (term.name, name)
        if "network" not in term.trains and term.name != "confidence":
            assert all(g is None for g in gradients["network"]), term.name


@pytest.mark.parametrize("frozen", ["network", "regularizer"])
def test_rate_zero_freezes_a_part_with_its_statistics(rng, frozen):
    trainer = started(make_settings(rates={frozen: 0.0}))
    part = getattr(trainer, frozen)
    before = [np.array(v) for v in part.variables]
    trainer.train_step(make_batch(rng))
    for old, new in zip(before, part.variables, strict=True):
        np.testing.assert_array_equal(old, np.array(new))
    other = "regressor"
    assert changed(snapshot(make_parts().regressor), getattr(trainer, other))


def test_a_slow_rate_moves_less(rng):
    steps = {}
    batch = make_batch(rng)
    for rate in (1.0, 0.01):
        tf.keras.utils.set_random_seed(0)
        trainer = started(make_settings(rates={"regularizer": rate}))
        before = snapshot(trainer.regularizer)
        trainer.train_step(batch)
        moves = [
            np.abs(old - np.array(new)).max()
            for old, new in zip(before, trainer.regularizer.trainable_variables, strict=True)
        ]
        steps[rate] = max(moves)
    assert steps[0.01] == pytest.approx(0.01 * steps[1.0], rel=0.05)


def test_stage_2_runs_without_pictures(rng):
    settings = make_settings(
        loss_weights={"heatmap": 0.0, "joint_depth": 0.0},
        rates={"network": 0.0, "regressor": 0.0},
        regularizer_input="ground_truth",
    )
    batch = make_batch(rng)
    del batch["image"]
    trainer = started(settings)
    step = tf.function(trainer.train_step, autograph=False)
    first = float(step(batch)["depth_map"])
    for _ in range(30):
        step(batch)
    trainer.reset_metrics()
    assert float(trainer.test_step(batch)["depth_map"]) < first


def test_missing_labels_change_nothing(rng):
    """Samples whose weights are 0 give the same gradients whatever their fillers hold."""
    batch = make_batch(rng)
    weights = np.array([1.0, 1.0, 0.0, 0.0], np.float32)
    batch["z_weight"] = tf.constant(weights)
    batch["depth_weight"] *= weights[:, None, None, None]
    batch["uv_weight"] *= weights[:, None]
    other = dict(batch)
    keep = weights[:, None]
    other["z_relative"] = batch["z_relative"] * keep + 7.0 * (1 - keep)
    other["depth_map"] = batch["depth_map"] * keep[..., None, None] + 0.5 * (
        1 - keep[..., None, None]
    )
    trainer = started(make_settings())
    logs = [trainer.test_step(b) or trainer.reset_metrics() for b in (batch,)]
    trainer.reset_metrics()
    again = trainer.test_step(other)
    for name in ("heatmap", "joint_depth", "depth_map"):
        assert float(logs[0][name]) == pytest.approx(float(again[name]), rel=1e-5)


@pytest.mark.parametrize("labelled", [(1, 3), (2,), ()])
def test_only_samples_with_depth_are_drawn(rng, monkeypatch, labelled):
    """The loss is that of drawing all of them; a batch without depth costs nothing and works."""
    batch = make_batch(rng)
    weight = np.zeros((4, 32, 32, 1), np.float32)
    weight[list(labelled)] = 1.0
    batch["depth_weight"] = tf.constant(weight)
    rates = {"regularizer": 0.0}
    trainer, found, drawn = HandPoseTrainer(make_parts()), [], []
    monkeypatch.setattr(
        "kerashand.training.trainer.generate_depth_map",
        lambda *args, **options: drawn.append(generate_depth_map(*args, **options)) or drawn[-1],
    )
    for fixed_shapes in (True, False):
        settings = make_settings(rates=rates, fixed_shapes=fixed_shapes)
        trainer.start_stage(settings, build_optimizers(settings.rates, **OPTIMIZER))
        trainer.reset_metrics()
        found.append(float(trainer.test_step(batch)["depth_map"]))
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert (found[0] > 0) == bool(labelled)
    assert [len(maps) for maps in drawn] == [4, max(len(labelled), 1)]
    assert np.isfinite(float(tf.function(trainer.train_step, autograph=False)(batch)["loss"]))


def test_overfits_a_few_pictures(rng):
    tf.keras.utils.set_random_seed(1)
    batch = make_batch(rng)
    trainer = started(make_settings(loss_weights={"coordinate": 1.0}))
    step = tf.function(trainer.train_step, autograph=False)
    first = {k: float(v) for k, v in step(batch).items()}
    for _ in range(150):
        trainer.reset_metrics()
        last = {k: float(v) for k, v in step(batch).items()}
    assert last["loss"] < 0.7 * first["loss"]
    assert last["error_px"] < 0.5 * first["error_px"]


def test_drawn_depth_follows_eq_5():
    """The regularizer sees u / S, v / S and X_z."""
    seen = {}

    def spy(joints, training):
        seen["joints"] = np.array(joints)
        return joints

    uv = tf.fill([1, 21, 2], 15.5)
    z = tf.concat([tf.zeros((1, 1)), tf.fill((1, 20), -1.0)], axis=1)
    generate_depth_map(spy, uv, z, image_size_px=32, half_width_scales=5.0)
    np.testing.assert_allclose(seen["joints"][0, 0], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(seen["joints"][0, 1], [0.5, 0.5, 0.6], rtol=1e-6)
