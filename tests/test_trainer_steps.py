"""Steps of the trainer: graphs, mixed precision, XLA, micro-batches and learning rates."""

import keras
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

from kerashand.training.optimizers import LossScale, build_optimizers, learning_rate
from kerashand.training.trainer import HandPoseTrainer


def test_graph_equals_eager(rng):
    batch = make_batch(rng)
    trainer = started(make_settings())
    eager = {k: float(v) for k, v in trainer.test_step(batch).items()}
    trainer.reset_metrics()
    graph = {k: float(v) for k, v in tf.function(trainer.test_step, autograph=False)(batch).items()}
    for name, value in eager.items():
        assert graph[name] == pytest.approx(value, rel=1e-4)


def test_loss_scale_leaves_out_infinite_gradients_and_halves():
    scale = LossScale(enabled=True)
    variable = tf.Variable(1.0)
    optimizer = tf.keras.optimizers.SGD(1.0)
    bad = [tf.constant(np.inf)]
    keep = scale.update(bad)
    optimizer.build([variable])
    scale.apply(optimizer, bad, [variable], keep=keep)
    assert float(variable) == 1.0
    assert float(scale.factor) == LossScale.INITIAL / 2
    good = scale.unscale([tf.constant(0.5 * LossScale.INITIAL / 2)])
    scale.apply(optimizer, good, [variable], keep=scale.update(good))
    assert float(variable) == pytest.approx(0.5)


def test_mixed_precision_trains(rng):
    tf.keras.config.set_dtype_policy("mixed_float16")
    try:
        trainer = started(make_settings(), loss_scaling=True)
        before = snapshot(trainer.network)
        batch, step = make_batch(rng), tf.function(trainer.train_step, autograph=False)
        for _ in range(12):
            logs = step(batch)
        assert np.isfinite(float(logs["loss"]))
        assert changed(before, trainer.network)
    finally:
        tf.keras.config.set_dtype_policy("float32")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_xla_takes_the_same_step(rng, precision):
    batch, results = make_batch(rng), []
    tf.keras.config.set_dtype_policy(precision)
    try:
        for jit_compile in (False, True):
            keras.utils.set_random_seed(0)
            trainer = started(make_settings(fixed_shapes=jit_compile), stages=1)
            step = tf.function(trainer.train_step, jit_compile=jit_compile, autograph=False)
            losses = [float(step(batch)["loss"]) for _ in range(2)]
            results.append((losses, snapshot(trainer.regressor)))
    finally:
        tf.keras.config.set_dtype_policy("float32")
    (plain, plain_weights), (compiled, compiled_weights) = results
    loose = precision != "float32"
    assert compiled == pytest.approx(plain, rel=3e-2 if loose else 1e-4)
    if not loose:
        for a, b in zip(plain_weights, compiled_weights, strict=True):
            np.testing.assert_allclose(b, a, atol=2e-3)


def test_schedules_by_hand():
    common = {"peak": 1.0, "steps": 100, "warmup_steps": 0, "final_fraction": 0.1}
    cosine = learning_rate(schedule="cosine", **common)
    assert float(cosine(0)) == pytest.approx(1.0)
    assert float(cosine(50)) == pytest.approx(0.55)
    assert float(cosine(100)) == pytest.approx(0.1)
    step = learning_rate(schedule="step", **common)
    assert [float(step(s)) for s in (10, 60, 90)] == pytest.approx([1.0, 0.1, 0.01])
    warm = learning_rate(schedule="cosine", **(common | {"warmup_steps": 10}))
    assert float(warm(5)) == pytest.approx(0.5)
    warm = learning_rate(schedule="constant", **(common | {"warmup_steps": 10}))
    assert [float(warm(s)) for s in (0, 5, 10, 99)] == pytest.approx([0.0, 0.5, 1.0, 1.0])
    warm = learning_rate(schedule="step", **(common | {"warmup_steps": 20}))
    assert [float(warm(s)) for s in (5, 20, 60)] == pytest.approx([0.25, 1.0, 0.1])
    with pytest.raises(ValueError, match="Received: schedule='linear'"):
        learning_rate(schedule="linear", **common)


def test_a_batch_without_labels_does_not_dilute_the_mean(rng):
    trainer = started(make_settings())
    labelled = make_batch(rng)
    alone = float(trainer.test_step(labelled)["joint_depth"])
    trainer.test_step(labelled | {"z_weight": tf.zeros(4)})
    logs = trainer.test_step(labelled | {"z_weight": tf.zeros(4)})
    assert float(logs["joint_depth"]) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("heads", [False, True])
def test_micro_batches_add_up_to_the_batch(rng, heads):
    """Gradients of the regressor, which has no batch statistics; labels are unevenly spread."""
    batch = make_batch(rng, count=8)
    weight = np.ones((8, 21), np.float32)
    weight[::2] = 0.0
    batch |= {"uv_weight": tf.constant(weight), "z_weight": tf.constant([1.0] * 5 + [0.0] * 3)}
    batch["is_hand"] = tf.constant([0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    found = []
    keras.utils.set_random_seed(0)
    parts = make_parts(heads=heads, stages=1)
    for count in (1, 4):
        settings = make_settings(
            rates={"network": 0.0, "regularizer": 0.0},
            micro_batches=count,
            loss_weights={"joint_surface": 1.0, "point_depth": 1.0} | (HEADS if heads else {}),
        )
        trainer = HandPoseTrainer(parts)
        trainer.start_stage(settings, build_optimizers(settings.rates, **OPTIMIZER))
        variables = [variable.value for variable in trainer.regressor.trainable_variables]
        counts = trainer._label_counts(batch)
        gradients, values = tf.function(
            lambda t=trainer, v=variables, c=counts: t._gradients(batch, v, c), autograph=False
        )()
        found.append((gradients, values))
    (whole, losses), (summed, shares) = found
    for a, b in zip(whole, summed, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=1e-6)
    for name, value in losses.items():
        np.testing.assert_allclose(shares[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_in_micro_batches_trains_every_part(rng, count):
    trainer = started(make_settings(micro_batches=count))
    before = {name: snapshot(getattr(trainer, name)) for name in trainer.part_optimizers}
    logs = tf.function(trainer.train_step, autograph=False)(make_batch(rng))
    assert np.isfinite(float(logs["loss"]))
    assert all(changed(held, getattr(trainer, name)) for name, held in before.items())
