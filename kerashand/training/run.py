"""One training run: data, stages, checkpoints, evaluation, pictures, all in one folder.

run folder
config.yaml  versions.json      what was run, with what
checkpoint.npz                  where it stands; running the same command again goes on here
log.csv  tensorboard/           losses and errors by epoch
weights_STAGE.npz               the parts after each stage
best_STAGE.npz                  and at its lowest validation loss
results.json  pictures/         what it reached
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kerashand
from kerashand.config import (
    LABELS_OF_KIND,
    STAGES,
    Config,
    check_config,
    config_hash,
    differences,
    dump_yaml,
    find_initial_weights,
    load_config,
)
from kerashand.data.augment import AugmentParameters
from kerashand.data.cache import CachedSplit
from kerashand.data.pipeline import (
    BatchGeometry,
    DomainSource,
    evaluation_batches,
    training_batches,
)
from kerashand.data.readers import cached
from kerashand.data.readers.decode import damaged_pictures
from kerashand.data.readers.table import MEND
from kerashand.data.sources import domain_source, prepared
from kerashand.data.splits import counted, open_split
from kerashand.data.tables import TableSplit
from kerashand.errors import TryAgainError, UserError, number_of
from kerashand.evaluation import run as evaluation
from kerashand.files import held, write_text
from kerashand.models.hand3d import FORMAT_SUFFIXES as HAND3D_SUFFIXES
from kerashand.models.hand3d import load_hand3d
from kerashand.models.hand_pose import (
    build_parts,
    load_parts_npz,
    parts_in_npz,
    save_parts_npz,
)
from kerashand.training.callbacks import EpochLog, SaveEverySteps, StageProgress, StopOnNaN
from kerashand.training.checkpoint import (
    NotFiniteError,
    check_finite,
    load_state,
    restore_variables,
    save_checkpoint,
)
from kerashand.training.distribution import (
    MULTI_WORKER,
    NONE,
    build_strategy,
    check_agreement,
    is_chief,
    wait_for_all,
)
from kerashand.training.optimizers import build_optimizers
from kerashand.training.trainer import LOSS_NAMES, PARTS, HandPoseTrainer, StageSettings

LOGGER = logging.getLogger(__name__)
STAGE_NUMBERS = {name: number for number, name in enumerate(STAGES, start=1)}
DRY_RUN_SAMPLES = 32
MOST_DIFFERENCES = 5
"""Keys of another configuration that a message names."""


def run(
    config: Config,
    *,
    dry_run: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train what a configuration says, or go on where its run folder stands.

    Args:
        config: a checked configuration.
        dry_run: build everything, run one step of each stage on a few samples, write nothing but
            these samples.
        callbacks: for every epoch of every stage, beside the run's own; their `model` is the
            trainer, whose `parts` are the models. Each epoch is a `fit` of its own.

    Returns:
        What results.json holds; in a dry run the losses of each stage's one step.

    Raises:
        UserError: for what the user can mend.
    """
    return Run(config, dry_run=dry_run, callbacks=callbacks).start()


class Run:
    """State of one run: its folder, data, models, and how far it has come."""

    def __init__(
        self,
        config: Config,
        *,
        dry_run: bool,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        config = dataclasses.replace(config, data=counted(config.data))
        check_config(config, f"{config.name}, with the hands of its data counted")
        self.config = config
        self.strategy = build_strategy(config.distribute)
        self.is_chief = is_chief(config.distribute)
        self._check_batches()
        self.dry_run = dry_run
        self.callbacks = tuple(callbacks)
        self.folder = Path(config.run_dir or Path("runs") / config.name)
        self.state: dict[str, Any] = {
            "config_hash": config_hash(config), "stage": STAGES[0], "epoch": 0, "step": 0,
            "history": [], "best": {}, "seconds": 0.0, "finished": False,
        }  # fmt: skip
        self.geometry = BatchGeometry(
            image_size_px=config.data.image_size_px,
            depth_map_px=config.model.decoder.output_size_px,
            scale_bone=config.model.scale_bone,
            half_width_scales=config.model.half_width_scales,
            zoom=config.data.zoom,
            depth_along=config.model.depth_along,
        )
        self.has_regularizer = config.stages.regularizer.epochs > 0
        self.started = time.monotonic()
        self.resumed = False

    @property
    def checkpoint(self) -> Path:
        """The file that says where the run stands."""
        return self.folder / "checkpoint.npz"

    def start(self) -> dict[str, Any]:
        """Everything, in order."""
        config = self.config
        active = [name for name in STAGES if config.stages[name].epochs > 0]
        if self.dry_run:
            self.prepare()
            losses = {name: self._dry_stage(name) for name in active}
            LOGGER.info("dry run: all is fine. %s was not touched", self.folder)
            return losses
        if self._load_state() and self.state["finished"]:
            path = self.folder / "results.json"
            if path.exists():
                LOGGER.info("%s is finished; its results again:", self.folder)
                results = json.loads(path.read_text(encoding="utf-8"))
                print(evaluation.table(results))
                return results
        with self._folder_held():
            self._open_folder()
            if config.distribute == MULTI_WORKER:
                self._check_workers()
            with self._saying_where_it_stopped():
                self.prepare()
                for name in active:
                    self._run_stage(name)
                return self._finish()

    def prepare(self) -> None:
        """Fill in what the cache lacks, build the models, load the initial weights."""
        self._prepare_data()
        self.build()

    def build(self, *, initial_weights: bool = True) -> None:
        """Build the models, load the initial weights unless only time is measured."""
        config = self.config
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy(config.runtime.precision)
        with self.strategy.scope():
            self.parts = build_parts(**config.parts_arguments())
            if initial_weights:
                self._load_initial_weights()
            scaling = config.runtime.precision == "mixed_float16"
            self.trainer = HandPoseTrainer(self.parts, loss_scaling=scaling)

    def _check_batches(self) -> None:
        """Each device and each reader takes equal parts of a batch."""
        devices, readers = self.strategy.num_replicas_in_sync, self.config.data.readers
        if devices > 1 and readers not in (1, devices):
            raise UserError(
                f"data.readers must be 1 or the number of devices. Received: {readers} for "
                f"{devices} devices"
            )
        for name in STAGES:
            stage = self.config.stages[name]
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

    # ------------------------------------------------------------------------ folder and data

    def _check_workers(self) -> None:
        """All workers must go on from one place."""
        state = self.state
        check_agreement(
            self.strategy,
            [STAGE_NUMBERS[state["stage"]], state["epoch"], state["step"],
             int(config_hash(self.config)[:3], 16)],
            f"{self.folder} does not stand where it stands on the other workers. All of them must "
            "see one run folder (a shared disk) and start with one configuration.",
        )  # fmt: skip

    @contextlib.contextmanager
    def _folder_held(self) -> Iterator[None]:
        """The run folder, made and kept from other runs by the process that writes it."""
        with contextlib.ExitStack() as kept:
            if self.is_chief:
                with self._writing_folder():
                    self.folder.mkdir(parents=True, exist_ok=True)
                    kept.enter_context(held(self.folder))
            yield

    @contextlib.contextmanager
    def _writing_folder(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"The run folder {self.folder} cannot be written: {error.strerror or error}. "
                "Choose another with `--run-dir`."
            ) from error

    def _load_state(self) -> bool:
        """Load where the run stands; False if it has not begun."""
        if not self.checkpoint.exists():
            return False
        state = load_state(self.checkpoint, like=self.state)
        if state["config_hash"] != self.state["config_hash"]:
            raise UserError(
                f"{self.folder} holds a run of another configuration{self._differing()}\n"
                "Choose another folder with `--run-dir`, or delete this one."
            )
        self.state = state
        return True

    def _differing(self) -> str:
        """What the configuration of the folder says otherwise, as the end of a sentence."""
        with contextlib.suppress(UserError):
            found = differences(load_config(self.folder / "config.yaml"), self.config)
            shown, more = found[:MOST_DIFFERENCES], len(found) - MOST_DIFFERENCES
            shown += [f"and {more} more"] if more > 0 else []
            return ". There:" + "".join(f"\n  {line}" for line in shown) if shown else "."
        return "."

    def _open_folder(self) -> None:
        """Say where the run goes on, or write what it is."""
        self.resumed = self._load_state()
        if self.resumed:
            LOGGER.info("going on from %s: %s", self.checkpoint, self._place(self.state))
        elif self.is_chief:
            with self._writing_folder():
                write_text(self.folder / "config.yaml", dump_yaml(self.config))
                write_text(self.folder / "versions.json", json.dumps(versions(), indent=2))

    def _place(self, state: dict[str, Any]) -> str:
        """Where a run stands, in words."""
        name, step = state["stage"], state["step"]
        epochs = self.config.stages[name].epochs
        return f"{_title(name)}, after epoch {state['epoch']} of {epochs}" + (
            f" and {number_of(step, 'step')} of the next" if step else ""
        )

    @contextlib.contextmanager
    def _saying_where_it_stopped(self) -> Iterator[None]:
        """Let Ctrl-C in the block say what the same command will do, and a NaN what is kept."""
        try:
            yield
        except KeyboardInterrupt as stop:
            if self.checkpoint.exists():
                place = self._place(load_state(self.checkpoint))
                stop.args = (f"Stopped: run the same command again to go on from {place}.",)
            else:
                stop.args = ("Stopped before the first checkpoint: the same command begins anew.",)
            raise
        except NotFiniteError as error:
            kept = "There is no checkpoint yet"
            if self.checkpoint.exists():
                kept = f"The last checkpoint is whole ({self._place(load_state(self.checkpoint))})"
            optimizer = f"stages.{self.state['stage']}.optimizer"
            raise UserError(
                f"Training stopped in stage {self.state['stage']}: {error}. {kept}. Lower "
                f"`{optimizer}.learning_rate` or set `{optimizer}.clip_norm`, and run with another "
                "`--run-dir`."
            ) from error

    def _prepare_data(self) -> None:
        """Fill in what the cache lacks: the splits that the stages and the test use."""
        data, stages = self.config.data, self.config.stages
        used = {d for name in STAGES if stages[name].epochs > 0 for d in stages[name].domains}
        wanted = {(domain, split) for domain in used for split in ("train", "val")}
        wanted |= {(domain, "test") for domain in used | {"target"}}
        self.splits = {
            (domain, split): open_split(
                data, domain, split, samples=DRY_RUN_SAMPLES if self.dry_run else None
            )
            for domain, split in sorted(wanted)
        }
        self.paths = prepared(self.splits.values(), cache_dir=data.cache_dir, workers=data.workers)
        for domain in sorted(used):
            split = self.splits[domain, "train"]
            files = len(self.paths[split]) if split in self.paths else split.samples
            if files < data.readers:
                raise UserError(
                    f"data.readers must be at most the files of each training set. Received: "
                    f"{data.readers} for {split.samples} hands in {files} files"
                )

    def _source(self, domain: str, split: str, labels, *, images: bool = True) -> DomainSource:
        chosen = self.splits[domain, split]
        shards = self.paths.get(chosen, ())
        return domain_source(domain, chosen, labels, shards=shards, images=images)

    # --------------------------------------------------------------------------------- stages

    def _load_initial_weights(self) -> None:
        name = self.config.model.initial_weights
        if name is None:
            return
        path = find_initial_weights(name)
        if path.suffix in HAND3D_SUFFIXES:
            layers = load_hand3d(path, self.parts.network)
            self._say_start(path, f"{len(layers)} layers of the 2D network")
            return
        try:
            held = parts_in_npz(path)
            load_parts_npz(path, self.parts.models, only=held)
        except ValueError as error:
            raise UserError(f"model.initial_weights: {error}") from error
        self._say_start(path, ", ".join(held))
        self.has_regularizer |= "regularizer" in held

    def _say_start(self, path: Path, what: str) -> None:
        if not self.resumed:  # else the checkpoint takes their place
            LOGGER.info("starting from %s: %s", path.name, what)

    def _settings(self, name: str) -> StageSettings:
        stage, losses = self.config.stages[name], self.config.losses
        return StageSettings(
            loss_weights={loss: stage.loss_weights[loss] for loss in LOSS_NAMES},
            rates={part: stage.rates[part] for part in PARTS},
            regularizer_input=stage.regularizer_input,
            heatmap_loss=losses.heatmap,
            sigma_cells=losses.sigma_cells,
            coordinate_beta_px=losses.coordinate_beta_px,
            half_width_scales=self.config.model.half_width_scales,
            scale_bone=self.config.model.scale_bone,
            # Stage 2 learns the outline too.
            depth_pixels=losses.depth_pixels if name == "finetune" else "all",
            micro_batches=stage.micro_batches,
        )

    def _start_trainer(self, name: str) -> StageSettings:
        stage, settings = self.config.stages[name], self._settings(name)
        optimizer = stage.optimizer
        with self.strategy.scope():
            optimizers = build_optimizers(
                settings.rates,
                name=optimizer.name,
                learning_rate_peak=optimizer.learning_rate,
                weight_decay=optimizer.weight_decay,
                schedule=optimizer.schedule,
                warmup_steps=optimizer.warmup_steps,
                final_fraction=optimizer.final_fraction,
                clip_norm=optimizer.clip_norm,
                steps=stage.epochs * self.config.steps_per_epoch(name),
            )
            self.trainer.start_stage(
                settings, optimizers, jit_compile=self.config.runtime.jit_compile
            )
        return settings

    def _batches(self, name: str, settings: StageSettings, first_step: int) -> Any:
        """Endless batches: a dataset, or what the devices read of it, each its own part."""
        stage = self.config.stages[name]
        batches = functools.partial(
            training_batches,
            [
                self._source(domain, "train", stage.labels[domain], images=settings.needs_images)
                for domain in stage.domains
            ],
            shares=tuple(stage.shares.values()),
            geometry=self.geometry,
            parameters=AugmentParameters(**self.config.augment),
            seed=self.config.seed * len(STAGES) + STAGE_NUMBERS[name],
            first_step=first_step,
            relief=stage.regularizer_input == "ground_truth",
            readers=self.config.data.readers,
        )
        if 1 in (self.config.data.readers, self.strategy.num_replicas_in_sync):
            return batches()

        def of_worker(worker: tf.distribute.InputContext) -> tf.data.Dataset:
            devices = worker.num_replicas_in_sync // worker.num_input_pipelines
            first = worker.input_pipeline_id * devices
            parts = [batches(reader=first + number) for number in range(devices)]
            turns = tf.data.Dataset.range(devices).repeat()
            return tf.data.Dataset.choose_from_datasets(parts, turns)

        return self.strategy.distribute_datasets_from_function(of_worker)

    def _validation(self, name: str, settings: StageSettings) -> tf.data.Dataset:
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

    def _run_stage(self, name: str) -> None:
        """Train a stage, or what is left of it."""
        if STAGE_NUMBERS[name] < STAGE_NUMBERS[self.state["stage"]]:
            LOGGER.info("%s: done", _title(name))
            return
        stage, steps = self.config.stages[name], self.config.steps_per_epoch(name)
        settings = self._start_trainer(name)
        if self.state["stage"] != name:
            self.state |= {"stage": name, "epoch": 0, "step": 0}
        elif self.resumed:
            # A finished stage passes here too: its weights are what the next one starts from.
            restore_variables(self.checkpoint, self._variables())
        validation = self._validation(name, settings)
        if self.state["epoch"] < stage.epochs:
            LOGGER.info(
                "%s: %s of %s of %d samples (%s). Its step is compiled first, which takes a while",
                _title(name), number_of(stage.epochs, "epoch"), number_of(steps, "step"),
                stage.batch_size, " + ".join(stage.domains),
            )  # fmt: skip
        else:
            LOGGER.info("%s: done", _title(name))
        while self.state["epoch"] < stage.epochs:
            epoch, step = self.state["epoch"], self.state["step"]
            with self._naming_damage():
                self.trainer.fit(
                    self._batches(name, settings, epoch * steps + step),
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    steps_per_epoch=steps - step,
                    validation_data=validation,
                    callbacks=self._callbacks(name, step),
                    shuffle=False,
                    verbose=(1 if sys.stdout.isatty() else 2) if self.is_chief else 0,
                )
            self._after_epoch(name, epoch)
        self._save_weights(f"weights_{name}.npz")

    @contextlib.contextmanager
    def _naming_damage(self) -> Iterator[None]:
        """Turn what TensorFlow says of a file that it cannot read into the file's name."""
        try:
            yield
        except tf.errors.OpError as error:
            if isinstance(error, tf.errors.UnavailableError) and self.config.distribute != NONE:
                raise TryAgainError(
                    f"A worker was lost ({error.message.splitlines()[-1][:200]}). Start this "
                    "command again on every worker: it goes on from the last checkpoint."
                ) from error
            LOGGER.info("a batch could not be made; looking for the file")
            shards = [str(path) for paths in self.paths.values() for path in paths]
            if damaged := cached.damaged_shards(shards):
                raise UserError(
                    f"{damaged[0]} is damaged or gone ({len(damaged)} such shards of the cache). "
                    "Delete what is left of it: the same command writes it again and goes on."
                ) from error
            tables = [s.table for s in self.splits.values() if not isinstance(s, CachedSplit)]
            damaged = [path for table in tables for path in damaged_pictures(table)]
            if not damaged:
                raise
            raise UserError(
                f"{damaged[0]} is damaged inside ({len(damaged)} such pictures). {MEND}"
            ) from error

    def _callbacks(self, name: str, first_step: int) -> list[keras.callbacks.Callback]:
        callbacks: list[keras.callbacks.Callback] = [
            StopOnNaN(),
            EpochLog(name, self.state["history"], self.folder if self.is_chief else None),
            *self.callbacks,
        ]
        if self.is_chief:
            callbacks.insert(0, StageProgress(self.config.stages[name].epochs))
        every = self.config.runtime.checkpoint_every_steps
        if every is not None:
            left = self.config.steps_per_epoch(name) - first_step
            callbacks.append(
                SaveEverySteps(every, lambda step: self._save(step=first_step + step), last=left)
            )
        return callbacks

    def _after_epoch(self, name: str, epoch: int) -> None:
        row = self.state["history"][-1]
        best = self.state["best"].get(name)
        if best is None or row["val_loss"] < best:
            self.state["best"][name] = row["val_loss"]
            self._save_weights(f"best_{name}.npz")
        self.state |= {"epoch": epoch + 1, "step": 0}
        self._save(step=0)

    def _save_weights(self, name: str) -> None:
        check_finite(self._weights())
        if self.is_chief:
            save_parts_npz(self.folder / name, self.parts.models)

    def _weights(self) -> dict[str, Any]:
        """The variables of all parts, by a stable name."""
        return {
            f"{part}/{i:03d}": variable
            for part, model in self.parts.models.items()
            for i, variable in enumerate(model.variables)
        }

    def _variables(self) -> dict[str, Any]:
        """Everything that training changes, by a stable name."""
        variables = self._weights()
        for part, optimizer in self.trainer.part_optimizers.items():
            variables |= {f"optimizer/{part}/{i:03d}": v for i, v in enumerate(optimizer.variables)}
        variables |= {f"scale/{i}": v for i, v in enumerate(self.trainer.loss_scale.variables)}
        return variables

    def _save(self, *, step: int) -> None:
        now = time.monotonic()
        self.state["seconds"] += now - self.started
        self.started = now
        self.state["step"] = step
        if self.is_chief:
            save_checkpoint(self.checkpoint, self._variables(), self.state)
        else:  # the same values, on which the chief stops too
            check_finite(self._variables())

    def stage_step(self, name: str) -> tuple[tf.data.Dataset, Callable]:
        """The batches of a stage and its compiled training step, to run by hand."""
        step = self.compiled_step(name)
        batches = self._batches(name, self.trainer.settings, 0)
        if isinstance(batches, tf.data.Dataset):
            batches = self.strategy.experimental_distribute_dataset(batches)
        return batches, step

    def compiled_step(self, name: str) -> Callable:
        """The compiled training step of a stage, on batches of any source."""
        self._start_trainer(name)
        self.trainer.reset_metrics()
        return self._on_devices(self.trainer.train_step)

    def _on_devices(self, function: Callable) -> Callable:
        """A compiled step on every device, which gives the results of one: they are equal."""

        def everywhere(batch: dict) -> dict[str, tf.Tensor]:
            results = self.strategy.run(function, (batch,))
            first = self.strategy.experimental_local_results
            return {name: tf.squeeze(first(value)[0]) for name, value in results.items()}

        # A partial: TensorFlow counts retracings of functions by their code, of all steps together.
        return tf.function(functools.partial(everywhere), autograph=False)

    def _dry_stage(self, name: str) -> dict[str, float]:
        """One training step and one validation batch of a stage."""
        LOGGER.info("%s: one step, which is compiled first", _title(name))
        batches, step = self.stage_step(name)
        losses = {key: float(value) for key, value in step(next(iter(batches))).items()}
        validation = self.strategy.experimental_distribute_dataset(
            self._validation(name, self.trainer.settings)
        )
        self._on_devices(self.trainer.test_step)(next(iter(validation)))
        LOGGER.info("%s: %s", _title(name), _in_words(losses))
        return losses

    # -------------------------------------------------------------------------------- results

    def _finish(self) -> dict[str, Any]:
        """Results and pictures, of the weights after the last stage; the chief's work."""
        if self.is_chief:
            results = self._results()
        wait_for_all(self.strategy)
        return results if self.is_chief else {}

    def _results(self) -> dict[str, Any]:
        with self._naming_damage():
            results = self._evaluate()
        self.state["finished"] = True
        self._save(step=self.state["step"])
        results = {
            "name": self.config.name,
            "seed": self.config.seed,
            "config_hash": self.state["config_hash"],
            "training_seconds": round(self.state["seconds"], 1),
            "versions": versions(),
            "data": {
                domain: self._conditions(domain)
                for domain in ("source", "target")
                if (domain, "test") in self.splits
            },
            **results,
        }
        write_text(self.folder / "results.json", json.dumps(results, indent=2))
        print(evaluation.table(results))
        print(f"Everything is in {self.folder}: results.json, pictures/, weights, log.csv")
        return results

    def _evaluate(self) -> dict[str, Any]:
        return evaluation.evaluate_run(
            self.parts,
            {
                domain: evaluation_batches(
                    self._source(domain, "test", LABELS_OF_KIND[self.config.data[domain].kind]),
                    batch_size=self.config.evaluation.batch_size,
                    geometry=self.geometry,
                    samples=self.splits[domain, "test"].samples,
                )
                for domain in ("source", "target")
                if (domain, "test") in self.splits
            },
            protocol=self.config.evaluation.protocol,
            scale_bone=self.config.model.scale_bone,
            half_width_scales=self.config.model.half_width_scales,
            draws_depth=self.has_regularizer,
            pictures=self.config.evaluation.pictures,
            folder=self.folder / "pictures",
            history=self.state["history"],
        )

    def _conditions(self, domain: str) -> str:
        """What the test split of a domain is."""
        split = self.splits[domain, "test"]
        if isinstance(split, TableSplit):
            return (
                f"{split.table.conditions} {split.samples} hands, cut by their true points: "
                f"squares of {split.margin / self.geometry.zoom:.2g} boxes."
            )
        return f"{split.folder}, {split.samples} hands."


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {
        "kerashand": kerashand.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _title(stage: str) -> str:
    return f"stage {STAGE_NUMBERS[stage]} of {len(STAGES)}, {stage}"


def _in_words(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
