"""What is assessed: models of run folders and files, on the test split of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerashand.config import Config
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data.kinds import KINDS
from kerashand.data.pipeline import BatchGeometry, evaluation_batches
from kerashand.data.records import as_written
from kerashand.data.shards import CachedSplit
from kerashand.data.sources import domain_source, prepared
from kerashand.data.splits import counted, open_split
from kerashand.evaluation.predictions import (
    JUDGED_MAP_PX,
    JUDGED_SCALES,
    OWN_MAP,
    OWN_WEIGHT,
    Predictor,
)
from kerashand.evaluation.run import of_model
from kerashand.exporting import load_run
from kerashand.exporting.models import PACKAGED, run_regularizer
from kerashand.runtime.backends import depth_along, load_backend
from kerashand.runtime.hand_pose import POSE_FILE, packaged_model

PACKAGED_NAME = "packaged model"


def of_file(name: str) -> Predictor:
    """An exported model, or the packaged one by the name `lite`."""
    path = packaged_model(POSE_FILE) if name == PACKAGED else Path(name)
    backend = load_backend(path, task="hand_pose")

    def run(images: Any) -> dict[str, Any]:
        pictures = np.rint(images).astype(np.uint8)
        rows = [backend.run(picture[None]) for picture in pictures]
        return {key: np.stack([row[key] for row in rows]) for key in rows[0]}

    return Predictor(
        name=PACKAGED_NAME if name == PACKAGED else name, run=run,
        image_size_px=int(backend.metadata["image_size_px"]),
        scale_bone=str(backend.metadata["scale_bone"]), depth_along=depth_along(backend.metadata),
    )  # fmt: skip


def of_run(folder: Path) -> tuple[Predictor, Config]:
    """The model of a run folder after its last stage, and its configuration."""
    model, config = load_run(folder)
    predictor = of_model(
        model, name=str(folder), image_size_px=config.data.image_size_px,
        scale_bone=config.model.scale_bone, depth_along=config.model.depth_along,
        half_width_scales=config.model.half_width_scales,
        depth_map_px=config.model.regularizer.output_size_px,
        regularizer=run_regularizer(folder, config),
    )  # fmt: skip
    return predictor, config


def labelled_batches(
    data: DataConfig, domain: str, predictor: Predictor, *, samples: int, split: str = "test"
) -> tuple[Iterable[Mapping[str, Any]], str]:
    """Batches of a split of a domain as a model takes them, and what they are in words.

    Args:
        data: where samples come from.
        domain: "source" or "target".
        predictor: gives size and scale bone, and the window of the depth maps that it draws.
        samples: at most so many.
        split: "test", or "val", by which choices are made.
    """
    data = counted(data)
    opened = open_split(data, domain, split, samples=samples)
    written = prepared([opened], cache_dir=data.cache_dir, workers=data.workers)
    shards = written[opened] if isinstance(opened, CachedSplit) else ()
    labels = KINDS[data[domain].kind].labels

    def batches(half_width_scales: float, depth_map_px: int, *, images: bool) -> tf.data.Dataset:
        return evaluation_batches(
            domain_source(domain, opened, labels, shards=shards, images=images),
            batch_size=32, samples=opened.samples,
            geometry=BatchGeometry(
                image_size_px=predictor.image_size_px, depth_map_px=depth_map_px,
                scale_bone=predictor.scale_bone, half_width_scales=half_width_scales,
                zoom=data.zoom, depth_along=predictor.depth_along,
            ),
        )  # fmt: skip

    found = batches(JUDGED_SCALES, JUDGED_MAP_PX, images=True)
    if predictor.generate_depth is not None and "depth" in labels:
        own = batches(predictor.half_width_scales, predictor.depth_map_px, images=False)
        found = tf.data.Dataset.zip((found, own)).map(as_written(_with_own_maps))
    return found, _words(data[domain], domain, opened.samples, split=split)


def _with_own_maps(judged: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {**judged, OWN_MAP: own["depth_map"], OWN_WEIGHT: own["depth_weight"]}


def in_words(data: DataConfig, domain: str, samples: int, *, split: str = "test") -> str:
    """What `labelled_batches` says of these data; nothing is rendered."""
    data = counted(data)
    opened = open_split(data, domain, split, samples=samples)
    return _words(data[domain], domain, opened.samples, split=split)


def _words(chosen: DomainConfig, domain: str, count: int, *, split: str) -> str:
    kind = KINDS[chosen.kind]
    if not kind.on_disk:
        return f"{count} {kind.unit} (style {chosen.style or domain}, {split} split)"
    return f"{count} {kind.unit} of {kind.name} ({split} split)"
