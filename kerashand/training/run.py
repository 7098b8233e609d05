"""One training run: data, stages, evaluation, pictures, all in one folder.

`kerashand.training.run_folder` says what lies there while it trains; at its end come
results.json  pictures/         what it reached
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from kerashand.config import (
    STAGES,
    Config,
    check_config,
    config_hash,
    differences,
    dump_yaml,
    find_notes,
    load_config,
)
from kerashand.data.splits import counted, labels_of
from kerashand.evaluation import run as evaluation
from kerashand.evaluation.label_free import label_free
from kerashand.evaluation.predictions import Predictor
from kerashand.files import write_text
from kerashand.models.hand_pose import build_parts
from kerashand.terms import history_panels
from kerashand.training.distribution import (
    MULTI_WORKER,
    build_strategy,
    check_agreement,
    is_chief,
    wait_for_all,
)
from kerashand.training.initial_weights import load_initial_weights
from kerashand.training.loop import train_stage
from kerashand.training.run_folder import Plan, RunFolder, conditions
from kerashand.training.single_steps import try_stages
from kerashand.training.stages import RunData, check_batches, stage_optimizers, stage_settings
from kerashand.training.trainer import HandPoseTrainer
from kerashand.visualize import pages

LOGGER = logging.getLogger(__name__)


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


def plan_of(config: Config) -> Plan:
    """What the folder of a run has to know of its configuration, whose hands are counted."""
    active = [name for name in STAGES if config.stages[name].epochs > 0]
    return Plan(
        key=config_hash(config),
        config=dump_yaml(config),
        epochs={name: config.stages[name].epochs for name in STAGES},
        steps={name: config.steps_per_epoch(name) if name in active else 0 for name in STAGES},
        samples={name: config.stages[name].batch_size for name in STAGES},
        against_nan="Lower `stages.{stage}.optimizer.learning_rate` or set "
        "`stages.{stage}.optimizer.clip_norm`",
        differences=lambda path: differences(load_config(path), config),
        labels=labels_of(config.data),
    )


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
        check_batches(config, self.strategy.num_replicas_in_sync)
        self.dry_run = dry_run
        self.callbacks = tuple(callbacks)
        path = Path(config.run_dir or Path("runs") / config.name)
        self.folder = RunFolder(path, plan_of(config), writes=is_chief(config.distribute))
        self.active = [name for name in STAGES if config.stages[name].epochs > 0]
        self.has_regularizer = config.stages.regularizer.epochs > 0

    def start(self) -> dict[str, Any]:
        """Everything, in order."""
        if self.dry_run:
            self.folder.check_writable()
            self._say_what_comes()
            self.prepare()
            losses = try_stages(self)
            LOGGER.info("dry run: all is fine. %s was not touched", self.folder.path)
            return losses
        if self.folder.load() and self.folder.state["finished"]:
            path = self.folder.path / "results.json"
            if path.exists():
                LOGGER.info("%s is finished; its results again:", self.folder.path)
                results = json.loads(path.read_text(encoding="utf-8"))
                print(evaluation.table(results))
                return results
        with self.folder.kept():
            self.folder.open()
            self._say_what_comes()
            self._check_workers()
            with self.folder.saying_where_it_stopped():
                self.prepare()
                for name in self.active:
                    self._train(name)
                return self._finish()

    def _say_what_comes(self) -> None:
        """Steps of the run, and what its configuration may not mean."""
        if self.folder.writes:
            LOGGER.info("%s", self.folder.forecast.in_steps())
            for text in find_notes(self.config):
                LOGGER.info("note: %s", text)

    def _check_workers(self) -> None:
        """All workers must go on from one place."""
        if self.config.distribute != MULTI_WORKER:
            return
        plan, state = self.folder.plan, self.folder.state
        check_agreement(
            self.strategy,
            [plan.number(state["stage"]), state["epoch"], state["step"], int(plan.key[:3], 16)],
            f"{self.folder.path} does not stand where it stands on the other workers. All of them "
            "must see one run folder (a shared disk) and start with one configuration.",
        )

    # --------------------------------------------------------------------------- data, models

    def prepare(self) -> None:
        """Fill in what the cache lacks, build the models, load the initial weights."""
        self.data = RunData(self.config, self.strategy, few=self.dry_run)
        self.build()

    def build(self, *, initial_weights: bool = True) -> None:
        """Build the models, load the initial weights unless only time is measured."""
        config = self.config
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy(config.runtime.precision)
        with self.strategy.scope():
            self.parts = build_parts(**config.parts_arguments())
            if initial_weights and config.model.initial_weights is not None:
                held, what = load_initial_weights(config, self.parts)
                self.folder.say_start(what)
                self.has_regularizer |= "regularizer" in held
            scaling = config.runtime.precision == "mixed_float16"
            self.trainer = HandPoseTrainer(self.parts, loss_scaling=scaling)

    # --------------------------------------------------------------------------------- stages

    def start_trainer(self, name: str) -> None:
        """Set what a stage trains, with new optimisers."""
        with self.strategy.scope():
            self.trainer.start_stage(
                stage_settings(self.config, name),
                stage_optimizers(self.config, name),
                jit_compile=self.config.runtime.jit_compile,
            )

    def _train(self, name: str) -> None:
        """Train a stage, or what is left of it."""
        if self.folder.is_behind(name):
            LOGGER.info("%s: done", self.folder.plan.title(name))
            return
        self.start_trainer(name)
        self.folder.enter(name, self.trainer.state_variables())
        stage, settings = self.config.stages[name], self.trainer.settings
        with self.data.naming_damage():
            train_stage(
                self.trainer,
                self.folder,
                samples=f"{stage.batch_size} samples ({' + '.join(stage.domains)})",
                batches=functools.partial(self.data.training, name, settings),
                validation=self.data.validation(name, settings),
                checkpoint_every=self.config.runtime.checkpoint_every_steps,
                callbacks=self.callbacks,
                score=self._score(name),
                start_share=stage.start_share,
            )

    def _score(self, name: str) -> Callable[[], float] | None:
        """Gives the score by which the weights of a stage are chosen; None where it is none."""
        if name != "finetune" or self.config.evaluation.choose != "label_free":
            return None
        held_out = self.data.recorded()
        if name not in self.folder.state["best"]:  # nothing of the stage was trained yet
            self.folder.state["test_score_before"] = self._test_score()
        return lambda: label_free(self._predictor, held_out)["score"]

    def _test_score(self) -> float | None:
        """The score on the test split of the target; None where it has none."""
        if "target" not in self.data.tested:
            return None
        told = label_free(self._predictor, self.data.test("target"))
        return round(float(told["score"]), 3)

    @functools.cached_property
    def _predictor(self) -> Predictor:
        """The models as they are when it is asked; one, since each is traced anew."""
        return evaluation.trained_predictor(
            self.parts, scale_bone=self.config.model.scale_bone,
            half_width_scales=self.config.model.half_width_scales,
        )  # fmt: skip

    # -------------------------------------------------------------------------------- results

    def _finish(self) -> dict[str, Any]:
        """Results and pictures, of the weights after the last stage; one process makes them."""
        results = self._results() if self.folder.writes else {}
        wait_for_all(self.strategy)
        return results

    def _results(self) -> dict[str, Any]:
        with self.data.naming_damage():
            measured = self._evaluate()
        self.folder.save(self.trainer.state_variables(), finished=True)
        state = self.folder.state
        results = {
            "name": self.config.name,
            "seed": self.config.seed,
            "config_hash": state["config_hash"],
            "training_seconds": round(state["seconds"], 1),
            "versions": conditions(),
            "data": {domain: self.data.conditions(domain) for domain in self.data.tested},
            **measured,
        }
        if self.config.evaluation.choose == "label_free":
            stage = "finetune"
            results["chosen"] = {
                "epoch": state["best_epoch"][stage], "label_free_score": state["best"][stage],
                "scores": state.get("scores", {}).get(stage, []),
                "test_scores": [state.get("test_score_before"), self._test_score()],
            }  # fmt: skip
        write_text(self.folder.path / "results.json", json.dumps(results, indent=2))
        print(evaluation.table(results))
        print(f"Everything is in {self.folder.path}: results.json, pictures/, weights, log.csv")
        return results

    def _evaluate(self) -> dict[str, Any]:
        """Numbers and pictures of the test splits, and the curves of the training."""
        pictures, history = self.folder.path / "pictures", self.folder.state["history"]
        measured = evaluation.evaluate_run(
            self.parts,
            {domain: self.data.test(domain) for domain in self.data.tested},
            protocol=self.config.evaluation.protocol,
            scale_bone=self.config.model.scale_bone,
            half_width_scales=self.config.model.half_width_scales,
            has_regularizer=self.has_regularizer,
            pictures=self.config.evaluation.pictures,
            folder=pictures,
        )
        if history:
            pages.figure_history(history, pictures / "history.png", panels=history_panels())
        return measured
