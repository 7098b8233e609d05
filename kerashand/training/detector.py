"""Trains the detector, in the loop of `kerashand.training.loop`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf
import yaml

from kerashand.carried import load_carried
from kerashand.data.cache import ensure_splits
from kerashand.data.pictures import picture_batches, plain_batches
from kerashand.data.records import as_written
from kerashand.data.shards import CachedSplit
from kerashand.models.detector import DETECTOR_STRIDE, build_detector
from kerashand.terms import history_panels
from kerashand.training.detector_trainer import TERMS, DetectorTrainer, cell_targets
from kerashand.training.loop import naming_damage, train_stage
from kerashand.training.optimizers import build_optimizers
from kerashand.training.run_folder import Plan, RunFolder
from kerashand.training.steps import StepSettings
from kerashand.visualize import pages
from kerashand.yaml_files import read_yaml_file

STAGE = "detector"
WARMUP_PART = 50
"""One in so many steps warms up."""
LOSS_WEIGHTS = {"score": 1.0, "box": 1.0, "up": 1.0, "handedness": 0.5}
VALIDATION_BATCH = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """How a detector is trained.

    Attributes:
        image_size_px: side of the network's input.
        width: of the network.
        epochs: how often it is validated.
        steps_per_epoch: batches of an epoch.
        learning_rate: highest rate of AdamW, with a cosine schedule.
        precision: Keras dtype policy of the training.
        seed: of weights, order and augmentation.
        start: an exported detector whose weights it starts from; None starts from nothing.
        start_share: what these weights count in those that it ends with.
    """

    image_size_px: int = 192
    width: float = 1.0
    epochs: int = 20
    steps_per_epoch: int = 500
    learning_rate: float = 3e-3
    precision: str = "float32"
    seed: int = 0
    start: str | None = None
    start_share: float = 0.0


@dataclasses.dataclass(frozen=True)
class DetectorPictures:
    """What a detector is trained on.

    Attributes:
        sets: cached pictures, see `kerashand.data.pictures`.
        shares: pictures of each set in a batch.
        validation: pictures whose loss is printed after each epoch.
    """

    sets: Sequence[CachedSplit]
    shares: Sequence[int]
    validation: CachedSplit


def train_detector(
    pictures: DetectorPictures,
    folder: Path,
    *,
    settings: DetectorSettings,
    checkpoint_every: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Train a detector, or go on where its folder stands.

    Args:
        pictures: for training and validation.
        folder: of the run, see `kerashand.training.run_folder`.
        settings: of the network and its training.
        checkpoint_every: steps between checkpoints; None writes them after epochs alone.
        callbacks: for every epoch, beside the loop's own.

    Returns:
        The network, in float32.

    Raises:
        UserError: for pictures or a folder that cannot be read or written, or a folder of another
            training.
    """
    run = RunFolder(folder, _plan(pictures, settings))
    keras.utils.set_random_seed(settings.seed)
    with run.kept():
        run.open()
        with run.saying_where_it_stopped():
            paths = ensure_splits([*pictures.sets, pictures.validation])
            plain, trainer = _built(settings)
            run.enter(STAGE, trainer.state_variables())
            with naming_damage([path for shards in paths.values() for path in shards]):
                train_stage(
                    trainer,
                    run,
                    samples=f"{sum(pictures.shares)} pictures",
                    batches=functools.partial(_training, pictures, paths, settings=settings),
                    validation=_validation(pictures, paths, settings),
                    checkpoint_every=checkpoint_every,
                    callbacks=callbacks,
                    start_share=settings.start_share,
                )
            pages.figure_history(
                run.state["history"], folder / "history.png", panels=history_panels(TERMS)
            )
    plain.set_weights(trainer.detector.get_weights())
    return plain


def _training(
    pictures: DetectorPictures,
    paths: Mapping[CachedSplit, Sequence[Path]],
    first_step: int,
    *,
    settings: DetectorSettings,
) -> tf.data.Dataset:
    """Endless batches from a step on."""
    batches = picture_batches(
        [[str(path) for path in paths[one]] for one in pictures.sets],
        pictures.shares,
        samples=[one.samples for one in pictures.sets],
        size_px=settings.image_size_px,
        seed=settings.seed,
        first_step=first_step,
    )
    return _with_targets(batches, settings.image_size_px)


def _validation(
    pictures: DetectorPictures,
    paths: Mapping[CachedSplit, Sequence[Path]],
    settings: DetectorSettings,
) -> tf.data.Dataset:
    """One pass over the held-out pictures."""
    batches = plain_batches(
        [str(path) for path in paths[pictures.validation]],
        size_px=settings.image_size_px,
        batch_size=VALIDATION_BATCH,
        samples=pictures.validation.samples,
    )
    return _with_targets(batches, settings.image_size_px)


def _with_targets(batches: tf.data.Dataset, image_size_px: int) -> tf.data.Dataset:
    """Batches (image, hands) as dicts of the image and what each cell should say."""

    @as_written
    def of_cells(image: tf.Tensor, hands: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": image, **cell_targets(hands, image_size_px // DETECTOR_STRIDE)}

    return batches.map(of_cells, tf.data.AUTOTUNE)


def _built(settings: DetectorSettings) -> tuple[keras.Model, DetectorTrainer]:
    """The network in float32, and the trainer of the same one in the precision of the training."""
    sizes = {"image_size_px": settings.image_size_px, "width": settings.width}
    plain = network = build_detector(**sizes)
    if settings.precision != "float32":
        with _dtype_policy(settings.precision):
            network = build_detector(**sizes)
    if settings.start is not None:
        started, _ = load_carried(Path(settings.start), "hand_detector")
        for layer in started.layers:  # a detector of before lacks the direction
            network.get_layer(layer.name).set_weights(layer.get_weights())
    trainer = DetectorTrainer(network, loss_scaling=settings.precision == "mixed_float16")
    rates, steps = {"detector": 1.0}, settings.epochs * settings.steps_per_epoch
    optimizers = build_optimizers(
        rates,
        name="adamw",
        learning_rate_peak=settings.learning_rate,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_steps=steps // WARMUP_PART,
        final_fraction=0.01,
        clip_norm=None,
        steps=steps,
    )
    trainer.start_stage(StepSettings(loss_weights=LOSS_WEIGHTS, rates=rates), optimizers)
    return plain, trainer


def _plan(pictures: DetectorPictures, settings: DetectorSettings) -> Plan:
    """What the folder has to know: the settings, and what names the pictures in the cache."""

    def named(split: CachedSplit) -> str:
        return f"{split.samples} of {split.folder}"

    content = dataclasses.asdict(settings) | {
        "sets": [named(one) for one in pictures.sets],
        "shares": list(pictures.shares),
        "validation": named(pictures.validation),
    }
    text = json.dumps(content, sort_keys=True)

    def differences(path: Path) -> list[str]:
        there = read_yaml_file(path)
        if not isinstance(there, dict):
            return []
        return [
            f"{key}: {there.get(key)}, not {content.get(key)}"
            for key in {**there, **content}
            if there.get(key) != content.get(key)
        ]

    return Plan(
        key=hashlib.sha256(text.encode()).hexdigest()[:12],
        config=yaml.safe_dump(content, sort_keys=False),
        epochs={STAGE: settings.epochs},
        steps={STAGE: settings.steps_per_epoch},
        samples={STAGE: sum(pictures.shares)},
        against_nan="Lower `--learning-rate`",
        differences=differences,
    )


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
