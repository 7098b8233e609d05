"""Trains the finder: score, box and side of every cell against the hands of whole pictures."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kerashand import losses
from kerashand.data.cache import CachedSplit, ensure_splits
from kerashand.data.pictures import picture_batches, plain_batches
from kerashand.geometry.heatmaps import cell_centers_px
from kerashand.models.finder import FINDER_STRIDE, build_finder
from kerashand.training.callbacks import StopOnNaN
from kerashand.training.checkpoint import load_state, restore_variables, save_checkpoint
from kerashand.training.optimizers import build_optimizers

LOGGER = logging.getLogger(__name__)

SPREAD = 0.1
"""Standard deviation of the Gaussian about a middle, as a share of the box's sides."""
LEAST_SPREAD_CELLS = 0.6
NEAR_MIDDLE = 0.4
"""Cells above this target learn box and side."""
WARMUP_PART = 50
"""One in so many steps warms up."""
LOSS_WEIGHTS = {"score": 1.0, "box": 1.0, "side": 0.5}


def cell_targets(hands: tf.Tensor, cells: int) -> dict[str, tf.Tensor]:
    """What each cell should say of the hands of a picture.

    Args:
        hands: [B, N, 6] left, top, right, bottom, right-hand, weight (see
            `kerashand.data.pictures`), pixels of the finder's input.
        cells: h = w of the maps.

    Returns:
        score [B, h, w]: 1 at middles, falling off as a Gaussian; score_weight [B, h, w]: 0 in
        boxes that do not count; box [B, h, w, 4], side [B, h, w] of the hand whose Gaussian is
        highest, and their weight [B, h, w].
    """
    box, side, weight = hands[..., :4], hands[..., 4], hands[..., 5]
    size = tf.maximum(box[..., 2:] - box[..., :2], 1.0)
    centre = cell_centers_px(cells, FINDER_STRIDE)
    middle = (box[..., :2] + box[..., 2:]) / 2
    # The peak stands at the centre of its cell, so that one cell reaches 1.
    cell = tf.clip_by_value(tf.floor((middle + 0.5) / FINDER_STRIDE), 0.0, cells - 1.0)
    peak = (cell + 0.5) * FINDER_STRIDE - 0.5
    sigma = tf.maximum(SPREAD * size, LEAST_SPREAD_CELLS * FINDER_STRIDE)

    def profile(axis: int) -> tf.Tensor:
        offset = (centre[None, None, :] - peak[..., axis : axis + 1]) / sigma[..., axis : axis + 1]
        return tf.exp(-0.5 * offset * offset)  # [B, N, cells]

    along_u, along_v = profile(0), profile(1)
    height = along_v[:, :, :, None] * along_u[:, :, None, :]  # [B, N, h, w]
    height *= tf.cast(weight > 0, tf.float32)[:, :, None, None]
    score = tf.reduce_max(height, axis=1)
    owner = tf.argmax(height, axis=1)  # [B, h, w]
    chosen = tf.gather(tf.concat([box, side[..., None]], axis=-1), owner, axis=1, batch_dims=1)

    inside_u = (centre >= box[..., 0:1]) & (centre <= box[..., 2:3])
    inside_v = (centre >= box[..., 1:2]) & (centre <= box[..., 3:4])
    unclear = inside_v[:, :, :, None] & inside_u[:, :, None, :] & (weight == 0)[:, :, None, None]
    return {
        "score": score,
        "score_weight": tf.where(
            tf.reduce_any(unclear, axis=1) & (score < NEAR_MIDDLE), 0.0, tf.ones_like(score)
        ),
        "box": chosen[..., :4],
        "side": chosen[..., 4],
        "weight": tf.where(score >= NEAR_MIDDLE, score, 0.0),
    }


class FinderTrainer(keras.Model):
    """Trains a network of `kerashand.models.finder` on batches (image, hands)."""

    def __init__(self, network: keras.Model):
        super().__init__(name="finder_trainer")
        self.network = network
        self.means = {name: keras.metrics.Mean(name=name) for name in ("loss", *LOSS_WEIGHTS)}
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The losses."""
        return list(self.means.values())

    def _picture_losses(
        self, image: tf.Tensor, hands: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        output = self.network(image, training=training)
        target = cell_targets(hands, output["score_logit"].shape[1])
        return {
            "score": losses.focal_score(
                target["score"], output["score_logit"], target["score_weight"]
            ),
            "box": losses.box_giou(target["box"], output["box"], target["weight"]),
            "side": losses.binary_cross_entropy(
                target["side"], output["right_logit"], target["weight"]
            ),
        }

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One step."""
        image, hands = data
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            values = self._picture_losses(image, hands, training=True)
            total = sum(LOSS_WEIGHTS[name] * value for name, value in values.items())
        self.optimizer.apply(tape.gradient(total, variables), variables)
        return self._report(total, values)

    def test_step(self, data) -> dict[str, tf.Tensor]:
        """The same losses without training."""
        image, hands = data
        values = self._picture_losses(image, hands, training=False)
        return self._report(
            sum(LOSS_WEIGHTS[name] * value for name, value in values.items()), values
        )

    def _report(self, total: tf.Tensor, values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name, value in {"loss": total, **values}.items():
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}


def train_finder(
    sets: Sequence[CachedSplit],
    shares: Sequence[int],
    validation: CachedSplit,
    folder: Path,
    *,
    image_size_px: int = 192,
    width: float = 1.0,
    epochs: int = 20,
    steps_per_epoch: int = 500,
    learning_rate: float = 3e-3,
    precision: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """Train a finder, or go on where the folder's checkpoint stands.

    Args:
        sets: cached pictures, see `kerashand.data.pictures`.
        shares: pictures of each in a batch.
        validation: pictures whose loss is printed after each epoch.
        folder: of the checkpoint.
        image_size_px: side of the network's input.
        width: of the network.
        epochs: how often the checkpoint is written.
        steps_per_epoch: batches of an epoch.
        learning_rate: highest rate of AdamW, with a cosine schedule.
        precision: Keras dtype policy of the training.
        seed: of weights, order and augmentation.

    Returns:
        The network, in float32.

    Raises:
        UserError: for pictures or a folder that cannot be read or written.
    """
    keras.utils.set_random_seed(seed)
    paths = ensure_splits([*sets, validation])
    plain = build_finder(image_size_px=image_size_px, width=width)
    network = plain
    if precision != "float32":
        with _dtype_policy(precision):
            network = build_finder(image_size_px=image_size_px, width=width)
    trainer = FinderTrainer(network)
    optimizer = build_optimizers(
        {"finder": 1.0},
        name="adamw",
        learning_rate_peak=learning_rate,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_steps=epochs * steps_per_epoch // WARMUP_PART,
        final_fraction=0.01,
        clip_norm=None,
        steps=epochs * steps_per_epoch,
    )["finder"]
    optimizer.build(network.trainable_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    variables = {f"network/{i:03d}": v for i, v in enumerate(network.variables)}
    variables |= {f"optimizer/{i:03d}": v for i, v in enumerate(optimizer.variables)}
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, first = folder / "checkpoint.npz", 0
    if checkpoint.exists():
        restore_variables(checkpoint, variables)
        first = load_state(checkpoint, like={"epoch": 0})["epoch"]
        LOGGER.info("going on after epoch %d of %d", first, epochs)
    if first == epochs:
        plain.set_weights(network.get_weights())
        return plain
    batches = picture_batches(
        [[str(path) for path in paths[one]] for one in sets],
        shares,
        size_px=image_size_px,
        seed=seed,
        first_step=first * steps_per_epoch,
    )
    held_out = plain_batches(
        [str(path) for path in paths[validation]],
        size_px=image_size_px,
        batch_size=32,
        samples=validation.samples,
    )
    save = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: save_checkpoint(
            checkpoint, variables, {"epoch": epoch + 1}
        )
    )
    trainer.fit(
        batches,
        initial_epoch=first,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=held_out,
        callbacks=[StopOnNaN(), save],
        shuffle=False,
        verbose=2,
    )
    plain.set_weights(network.get_weights())
    return plain


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
