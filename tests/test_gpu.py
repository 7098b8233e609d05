"""On a GPU: `CUDA_VISIBLE_DEVICES=0 pytest -m gpu -n 0`. Elsewhere these tests are skipped."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_docs import ROOT
from tiny_runs import TINY
from trainer_batches import OPTIMIZER, changed, make_batch, make_parts, make_settings, snapshot

from kerashand import machine, picture_files
from kerashand.config import load_config
from kerashand.exporting.models import load_exportable
from kerashand.runtime.backends import LiteRTBackend
from kerashand.runtime.hand_pose import packaged_model
from kerashand.training.optimizers import build_optimizers
from kerashand.training.run import run
from kerashand.training.trainer import HandPoseTrainer

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device():
    """The first GPU, which calculates float32 in full precision here."""
    found = tf.config.list_logical_devices("GPU")
    assert found, "TensorFlow sees no GPU: compare `nvidia-smi` with docs/install.md#gpu"
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield found[0].name
    tf.config.experimental.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def policy(precision):
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def trained(rng, place, *, precision="float32", jit_compile=False, steps=12):
    """Losses of some steps on one batch, the regressor's weights, and whether they changed."""
    with policy(precision), tf.device(place):
        keras.utils.set_random_seed(0)
        scaling = precision == "mixed_float16"
        trainer = HandPoseTrainer(make_parts(stages=1), loss_scaling=scaling)
        settings = make_settings(fixed_shapes=jit_compile)
        trainer.start_stage(
            settings, build_optimizers(settings.rates, **OPTIMIZER), jit_compile=jit_compile
        )
        before, batch = snapshot(trainer.network), make_batch(rng)
        step = tf.function(trainer.train_step, autograph=False)
        losses = [float(step(batch)["loss"]) for _ in range(steps)]
        return losses, snapshot(trainer.regressor), changed(before, trainer.network)


def test_a_step_is_that_of_the_cpu(device):
    (ours, weights, _), (theirs, expected, _) = (
        trained(np.random.default_rng(0), place, steps=2) for place in (device, "CPU:0")
    )
    assert ours == pytest.approx(theirs, rel=1e-3)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_every_precision_trains(device, precision, jit_compile):
    plain, _, _ = trained(np.random.default_rng(0), device)
    options = {"precision": precision, "jit_compile": jit_compile}
    losses, _, moved = trained(np.random.default_rng(0), device, **options)
    assert moved
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(plain[0], rel=3e-2)
    # The metric is the mean of all steps so far.
    assert losses[-1] < losses[0]


def test_the_packaged_model_is_that_of_litert(device):
    model, metadata = load_exportable("lite")
    litert = LiteRTBackend(packaged_model("hand_pose.tflite"), threads=1)
    rgb, size = picture_files.read(ROOT / "docs/images/hand.jpg"), metadata["image_size_px"]
    crops = np.stack([rgb[top : top + size, top : top + size] for top in (0, 40, 80)])
    with tf.device(device):
        found = np.array(model(tf.constant(crops, tf.float32), training=False)["uv_px"])
    for crop, joints in zip(crops, found, strict=True):
        np.testing.assert_allclose(joints, litert.run(crop[None])["uv_px"], atol=0.2)


def test_a_whole_run_on_all_gpus(device, tmp_path):
    settings = [*TINY, f"data.cache_dir={tmp_path / 'cache'}", "distribute=mirrored"]
    results = run(load_config("weak.yaml", settings).with_run_dir(str(tmp_path / "run")))
    assert 0 <= results["test"]["target"]["auc"] <= 1
    assert np.isfinite(results["test"]["target"]["mean_error_mm"])
    assert (tmp_path / "run" / "weights_finetune.npz").is_file()


def test_memory_and_names_are_those_of_the_gpu(device):
    with tf.device(device):
        held = tf.ones((1024, 1024))
    assert machine.memory_mb() >= held.shape.num_elements() * 4 / 1e6
    assert machine.gpus()
    assert machine.gpus()[0] in machine.machine()
