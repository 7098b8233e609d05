import keras
import numpy as np
import pytest
import tensorflow as tf

from kerashand.models.hand_pose import build_parts, generate_depth_map
from kerashand.terms import TERMS
from kerashand.training.optimizers import LossScale, build_optimizers, learning_rate
from kerashand.training.trainer import HandPoseTrainer, StageSettings

SIZE_PX = 32
HEADS = {"handedness": 1.0, "presence": 1.0, "confidence": 1.0}
OPTIMIZER = {
    "name": "adamw", "learning_rate_peak": 2e-3, "weight_decay": 0.0, "schedule": "constant",
    "warmup_steps": 0, "final_fraction": 0.0, "clip_norm": None, "steps": 100,
}  # fmt: skip


def make_parts(*, heads=False, stages=2):
    return build_parts(
        lite={"width": 0.25, "stages": stages, "heatmap_stride": 8},
        regressor={"conv_channels": (8, 8), "hidden_units": (16, 16), "heads": heads},
        regularizer={"output_size_px": 32, "channels": (16, 16, 8, 8, 8), "dropout": 0.0},
        image_size_px=SIZE_PX,
    )


def make_settings(**changes):
    weights = dict.fromkeys((term.name for term in TERMS), 0.0)
    weights |= {"heatmap": 1.0, "joint_depth": 0.1, "depth_map": 1.0}
    rates = {"network": 1.0, "regressor": 1.0, "regularizer": 1.0}
    settings = {
        "loss_weights": weights | changes.pop("loss_weights", {}),
        "rates": rates | changes.pop("rates", {}),
        "regularizer_input": "predicted",
        "heatmap_loss": "cross_entropy",
        "sigma_cells": 1.0,
        "coordinate_beta_px": 2.0,
        "half_width_scales": 5.0,
        "scale_bone": "middle_mcp_pip",
    }
    return StageSettings(**(settings | changes))


def make_batch(rng, count=4):
    batch = {
        "image": rng.uniform(0, 255, (count, SIZE_PX, SIZE_PX, 3)),
        "uv_px": rng.uniform(4, SIZE_PX - 4, (count, 21, 2)),
        "uv_weight": np.ones((count, 21)),
        "is_right": np.ones(count),
        "is_hand": np.ones(count),
        "z_relative": rng.normal(size=(count, 21)) * (np.arange(21) > 0),
        "z_weight": np.ones(count),
        "depth_map": rng.uniform(0, 1, (count, 32, 32, 1)),
        "depth_weight": np.ones((count, 32, 32, 1)),
        "xyz_mm": rng.normal(0.0, 1.0, (count, 21, 3)) + np.array([0.0, 0.0, 500.0]),
        "intrinsics": np.tile([[100.0, 0, 15.5], [0, 100.0, 15.5], [0, 0, 1]], (count, 1, 1)),
        "root_depth_mm": np.full(count, 500.0),
        "scale_mm": np.full(count, 40.0),
        "point_depth": rng.normal(size=(count, 21)) * (np.arange(21) > 0),
        "point_depth_weight": np.ones((count, 21)),
    }
    return {name: tf.constant(value, tf.float32) for name, value in batch.items()}


def started(settings, *, heads=False, stages=2, **options):
    trainer = HandPoseTrainer(make_parts(heads=heads, stages=stages), **options)
    trainer.start_stage(settings, build_optimizers(settings.rates, **OPTIMIZER))
    return trainer


def snapshot(model):
    return [np.array(variable) for variable in model.trainable_variables]


def changed(before, model):
    return any(
        not np.array_equal(old, np.array(new))
        for old, new in zip(before, model.trainable_variables, strict=True)
    )


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
    step = tf.function(trainer.train_step)
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
    assert np.isfinite(float(tf.function(trainer.train_step)(batch)["loss"]))


def test_graph_equals_eager(rng):
    batch = make_batch(rng)
    trainer = started(make_settings())
    eager = {k: float(v) for k, v in trainer.test_step(batch).items()}
    trainer.reset_metrics()
    graph = {k: float(v) for k, v in tf.function(trainer.test_step)(batch).items()}
    for name, value in eager.items():
        assert graph[name] == pytest.approx(value, rel=1e-4)


def test_overfits_a_few_pictures(rng):
    tf.keras.utils.set_random_seed(1)
    batch = make_batch(rng)
    trainer = started(make_settings(loss_weights={"coordinate": 1.0}))
    step = tf.function(trainer.train_step)
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
        batch, step = make_batch(rng), tf.function(trainer.train_step)
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
            step = tf.function(trainer.train_step, jit_compile=jit_compile)
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
    parts = make_parts(heads=heads)
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
            lambda t=trainer, v=variables, c=counts: t._gradients(batch, v, c)
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
    logs = tf.function(trainer.train_step)(make_batch(rng))
    assert np.isfinite(float(logs["loss"]))
    assert all(changed(held, getattr(trainer, name)) for name, held in before.items())
