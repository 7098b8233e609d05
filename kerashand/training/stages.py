"""What a configuration says of a stage: its settings, optimisers and batches."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import keras
import tensorflow as tf

from kerashand.config import STAGES, Config
from kerashand.data.augment import AugmentParameters
from kerashand.data.kinds import KINDS
from kerashand.data.pipeline import (
    BatchGeometry,
    DomainSource,
    evaluation_batches,
    training_batches,
)
from kerashand.data.shards import CachedSplit
from kerashand.data.sources import domain_source, prepared
from kerashand.data.splits import open_split
from kerashand.data.tables import TableSplit
from kerashand.errors import UserError
from kerashand.terms import PARTS, TERMS
from kerashand.training.distribution import NONE
from kerashand.training.loop import naming_damage
from kerashand.training.optimizers import build_optimizers, learning_rate
from kerashand.training.trainer import StageSettings

DRY_RUN_SAMPLES = 32


def check_batches(config: Config, devices: int) -> None:
    """Check that each device and each reader takes equal parts of a batch.

    Raises:
        UserError: with the key to change.
    """
    readers = config.data.readers
    if devices > 1 and readers not in (1, devices):
        raise UserError(
            f"data.readers must be 1 or the number of devices. Received: {readers} for "
            f"{devices} devices"
        )
    for name in STAGES:
        stage = config.stages[name]
        if stage.epochs and stage.batch_size % (devices * stage.micro_batches):
            raise UserError(
                f"stages.{name}.batch_size must be a multiple of devices x micro_batches. "
                f"Received: {stage.batch_size} for {devices} x {stage.micro_batches}"
            )
        if stage.epochs and any(share % readers for share in stage.shares.values()):
            raise UserError(
                f"data.readers must divide what stages.{name} takes of each domain. Received: "
                f"{readers} for {stage.shares}"
            )


def stage_settings(config: Config, name: str) -> StageSettings:
    """What the steps of a stage train, and with which losses."""
    stage, losses = config.stages[name], config.losses
    return StageSettings(
        loss_weights={term.name: stage.loss_weights[term.name] for term in TERMS},
        rates={part: stage.rates[part] for part in PARTS},
        micro_batches=stage.micro_batches,
        regularizer_input=stage.regularizer_input,
        heatmap_loss=losses.heatmap,
        sigma_cells=losses.sigma_cells,
        coordinate_beta_px=losses.coordinate_beta_px,
        half_width_scales=config.model.half_width_scales,
        scale_bone=config.model.scale_bone,
        fixed_shapes=config.runtime.jit_compile,
    )


def stage_optimizers(config: Config, name: str) -> dict[str, keras.optimizers.Optimizer]:
    """One optimiser for each part that a stage trains; to be called in the strategy's scope."""
    stage = config.stages[name]
    optimizer = stage.optimizer
    return build_optimizers(
        {part: stage.rates[part] for part in PARTS},
        name=optimizer.name,
        learning_rate_peak=optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        clip_norm=optimizer.clip_norm,
        **_schedule(config, name),
    )


def rate_at(config: Config, name: str, step: int) -> float:
    """The learning rate at a step of a stage, of a part whose rate is 1."""
    peak = config.stages[name].optimizer.learning_rate
    rates = learning_rate(peak=peak, **_schedule(config, name))
    return float(rates(step) if callable(rates) else rates)


def _schedule(config: Config, name: str) -> dict[str, Any]:
    """The arguments of `learning_rate` but the peak."""
    optimizer = config.stages[name].optimizer
    return {
        "schedule": optimizer.schedule,
        "steps": config.stages[name].epochs * config.steps_per_epoch(name),
        "warmup_steps": config.warmup_steps(name),
        "final_fraction": optimizer.final_fraction,
    }


def batch_geometry(config: Config) -> BatchGeometry:
    """What turns raw samples into batches."""
    return BatchGeometry(
        image_size_px=config.data.image_size_px,
        depth_map_px=config.model.regularizer.output_size_px,
        scale_bone=config.model.scale_bone,
        half_width_scales=config.model.half_width_scales,
        zoom=config.data.zoom,
        depth_along=config.model.depth_along,
    )


class RunData:
    """The samples of a run: the splits that its stages and its test use, and their batches."""

    def __init__(self, config: Config, strategy: tf.distribute.Strategy, *, few: bool = False):
        """Open the splits, and write what the cache lacks.

        Args:
            config: with the hands of its data counted.
            strategy: of the devices that take the batches.
            few: whether `DRY_RUN_SAMPLES` of each split are enough.

        Raises:
            UserError: for data that cannot be read, or files too few for the readers.
        """
        self.config, self.strategy = config, strategy
        self.geometry = batch_geometry(config)
        data, stages = config.data, config.stages
        used = {d for name in STAGES if stages[name].epochs > 0 for d in stages[name].domains}
        wanted = {(domain, split) for domain in used for split in ("train", "val")}
        wanted |= {(domain, "test") for domain in used | {"target"}}
        samples = DRY_RUN_SAMPLES if few else None
        self.splits = {key: open_split(data, *key, samples=samples) for key in sorted(wanted)}
        self.paths = prepared(self.splits.values(), cache_dir=data.cache_dir, workers=data.workers)
        for domain in sorted(used):
            split = self.splits[domain, "train"]
            files = len(self.paths[split]) if split in self.paths else split.samples
            if files < data.readers:
                raise UserError(
                    f"data.readers must be at most the files of each training set. Received: "
                    f"{data.readers} for {split.samples} hands in {files} files"
                )

    def naming_damage(self) -> contextlib.AbstractContextManager[None]:
        """Name the file of these data that the block cannot read."""
        shards = [path for paths in self.paths.values() for path in paths]
        tables = [s.table for s in self.splits.values() if not isinstance(s, CachedSplit)]
        return naming_damage(shards, tables, alone=self.config.distribute == NONE)

    def _source(self, domain: str, split: str, labels, *, images: bool = True) -> DomainSource:
        chosen = self.splits[domain, split]
        shards = self.paths[chosen] if isinstance(chosen, CachedSplit) else ()
        return domain_source(domain, chosen, labels, shards=shards, images=images)

    def training(self, name: str, settings: StageSettings, first_step: int) -> Any:
        """Endless batches: a dataset, or what the devices read of it, each its own part."""
        stage, readers = self.config.stages[name], self.config.data.readers
        batches = functools.partial(
            training_batches,
            [
                self._source(domain, "train", stage.labels[domain], images=settings.needs_images)
                for domain in stage.domains
            ],
            shares=tuple(stage.shares.values()),
            geometry=self.geometry,
            parameters=AugmentParameters(**self.config.augment),
            seed=self.config.seed * len(STAGES) + STAGES.index(name) + 1,
            first_step=first_step,
            relief=stage.regularizer_input == "ground_truth",
            readers=readers,
        )
        if 1 in (readers, self.strategy.num_replicas_in_sync):
            return batches()

        def of_worker(worker: tf.distribute.InputContext) -> tf.data.Dataset:
            devices = worker.num_replicas_in_sync // worker.num_input_pipelines
            first = worker.input_pipeline_id * devices
            parts = [batches(reader=first + number) for number in range(devices)]
            turns = tf.data.Dataset.range(devices).repeat()
            return tf.data.Dataset.choose_from_datasets(parts, turns)

        return self.strategy.distribute_datasets_from_function(of_worker)

    def validation(self, name: str, settings: StageSettings) -> tf.data.Dataset:
        """Validation batches with the labels that the stage may use, so no target joints in 3D.

        Domains alternate batch by batch; the error in mm counts samples with 3D labels.
        """
        stage = self.config.stages[name]
        parts = [
            evaluation_batches(
                self._source(domain, "val", stage.labels[domain], images=settings.needs_images),
                batch_size=stage.batch_size,
                geometry=self.geometry,
                samples=self.splits[domain, "val"].samples,
            )
            for domain in stage.domains
        ]
        return parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])

    def recorded(self) -> tf.data.Dataset:
        """Held-out hands of the target with points and depth, if it has some, for `label_free`."""
        labels = [
            name for name in ("uv", "depth") if name in KINDS[self.config.data.target.kind].labels
        ]
        return evaluation_batches(
            self._source("target", "val", labels),
            batch_size=self.config.evaluation.batch_size,
            geometry=self.geometry,
            samples=self.splits["target", "val"].samples,
        )

    @property
    def tested(self) -> list[str]:
        """The domains whose test split is measured."""
        return [domain for domain in ("source", "target") if (domain, "test") in self.splits]

    def test(self, domain: str) -> tf.data.Dataset:
        """Batches of a test split with every label that it has."""
        return evaluation_batches(
            self._source(domain, "test", KINDS[self.config.data[domain].kind].labels),
            batch_size=self.config.evaluation.batch_size,
            geometry=self.geometry,
            samples=self.splits[domain, "test"].samples,
        )

    def conditions(self, domain: str) -> str:
        """What the test split of a domain is, in words."""
        split = self.splits[domain, "test"]
        if isinstance(split, TableSplit):
            return (
                f"{split.table.conditions} {split.samples} hands, cut by their true points: "
                f"squares of {split.margin / self.geometry.zoom:.2g} boxes."
            )
        return f"{split.folder}, {split.samples} hands."
