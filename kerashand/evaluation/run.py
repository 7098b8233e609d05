"""The end of a training: its models on the test splits, as a table and pictures."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerashand.evaluation.label_free import label_free
from kerashand.evaluation.predictions import Predictor, predict
from kerashand.evaluation.samples import samples_shown, spread
from kerashand.evaluation.summary import summary
from kerashand.evaluation.tables import COLUMNS, aligned_lines, cells, held_columns
from kerashand.geometry.pose import OPTICAL_AXIS
from kerashand.metrics import PROTOCOLS
from kerashand.models.hand_pose import HandPoseParts, generate_depth_map
from kerashand.progress import progress
from kerashand.visualize import pages

LOGGER = logging.getLogger(__name__)
SPLIT = "test"
"""Of which a run says what it reached."""
LABEL_FREE = {
    "points_mm": "predicted joints are {:.1f} mm off the labelled points at their depth",
    "surface_mm": "visible joints are {:.1f} mm off their places behind the measured skin",
    "bone_spread_mm": "lengths of bones vary by {:.1f} mm over the frames",
}
"""Numbers of a split with depth and without joints in 3D, in words."""
OUTPUTS = ("uv_px", "z_relative", "confidence", "p_right", "p_hand")


def of_model(
    model: keras.Model,
    *,
    name: str,
    image_size_px: int,
    scale_bone: str,
    half_width_scales: float,
    regularizer: keras.Model | None,
    depth_map_px: int = 64,
    depth_along: str = OPTICAL_AXIS,
) -> Predictor:
    """An inference model of Keras, with the depth regularizer that was trained with it, if any."""

    def generate_depth(uv_px: Any, z_relative: Any) -> Any:
        return generate_depth_map(
            regularizer, tf.cast(uv_px, tf.float32), tf.cast(z_relative, tf.float32),
            image_size_px=image_size_px, half_width_scales=half_width_scales,
        ).numpy()  # fmt: skip

    # A partial: TensorFlow counts retracings of functions by their code, of all models together.
    forward = tf.function(functools.partial(model, training=False), autograph=False)

    def run(images: Any) -> dict[str, Any]:
        outputs = forward(images)
        return {key: outputs[key].numpy() for key in OUTPUTS if key in outputs}

    return Predictor(
        name=name, run=run, image_size_px=image_size_px, scale_bone=scale_bone,
        depth_along=depth_along, half_width_scales=half_width_scales, depth_map_px=depth_map_px,
        generate_depth=None if regularizer is None else generate_depth,
    )  # fmt: skip


def trained_predictor(
    parts: HandPoseParts,
    *,
    scale_bone: str,
    half_width_scales: float,
    has_regularizer: bool = False,
) -> Predictor:
    """The parts as they are, whatever is trained of them later; arguments as of `evaluate_run`."""
    return of_model(
        parts.build_inference_model(), name="trained", image_size_px=parts.image_size_px,
        scale_bone=scale_bone, half_width_scales=half_width_scales, depth_along=parts.depth_along,
        regularizer=parts.regularizer if has_regularizer else None,
    )  # fmt: skip


def evaluate_run(
    parts: HandPoseParts,
    sets: Mapping[str, tf.data.Dataset],
    *,
    protocol: str,
    scale_bone: str,
    half_width_scales: float,
    has_regularizer: bool,
    pictures: int,
    folder: Path,
) -> dict[str, Any]:
    """Evaluate trained parts on every test set and draw the pictures of the target's (or the last).

    Args:
        parts: the trained models.
        sets: test batches by domain.
        protocol: name in `kerashand.metrics.PROTOCOLS`.
        scale_bone: bone whose true length gave the scale.
        half_width_scales: window of the depth maps in scale bones.
        has_regularizer: whether the regularizer was trained.
        pictures: samples in each gallery; 0 draws none but the curves.
        folder: where pictures go.

    Returns:
        `conditions` in words, `split`, `image_size_px`, and `test` by domain: see
        `kerashand.evaluation.summary.summary`; 2D errors are in pixels of the model's input. Of
        splits with depth and without joints in 3D also the numbers of `LABEL_FREE`.
    """
    predictor = trained_predictor(
        parts, scale_bone=scale_bone, half_width_scales=half_width_scales,
        has_regularizer=has_regularizer,
    )  # fmt: skip
    results: dict[str, Any] = {
        "protocol": protocol,
        "image_size_px": parts.image_size_px,
        "conditions": PROTOCOLS[protocol].conditions_with(scale_bone),
        "split": SPLIT,
        "test": {},
    }
    for domain, batches in sets.items():
        count = int(batches.cardinality())
        LOGGER.info("evaluating the test split of the %s", domain)
        with progress(f"evaluating {domain}", count, "batches") as advance:
            predictions = predict(
                predictor, _told(batches, advance), shown_px=parts.image_size_px, more=_measured
            )
        results["test"][domain] = summary(predictions, protocol)
        if not predictions.in_3d and predictions.more["measured"].any():
            told = label_free(predictor, batches)
            results["test"][domain] |= {key: told[key] for key in LABEL_FREE if key in told}
    LOGGER.info("drawing curves and pictures into %s", folder)
    folder.mkdir(parents=True, exist_ok=True)
    _draw_curves(results, folder)
    if pictures:
        _draw_samples(
            predictor, batches, results["test"][domain]["samples"], pictures=pictures, folder=folder
        )
    return results


def _measured(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """[B] whether depth was measured at a hand."""
    return {"measured": np.any(batch["depth_weight"] > 0, axis=(1, 2, 3))}


def _told(batches: tf.data.Dataset, advance) -> Iterator[Any]:
    """The batches; `advance` hears of each that was worked on."""
    for batch in batches:
        yield batch
        advance(1)


def _draw_curves(results: Mapping[str, Any], folder: Path) -> None:
    """Write the PCK of the test splits."""
    curves = {
        domain: (np.array(r["thresholds_mm"]), np.array(r["pck"]), r["auc"])
        for domain, r in results["test"].items()
        if "pck" in r
    }
    if curves:  # else there is no test split in 3D
        title = f"3D PCK on the test splits ({results['protocol']})"
        pages.figure_pck(curves, folder / "pck.png", title=title)


def _draw_samples(
    predictor: Predictor, batches: tf.data.Dataset, hands: int, *, pictures: int, folder: Path
) -> None:
    """Write the pages of skeletons and of depth maps."""
    chosen = dict.fromkeys(spread(hands, pictures), "chosen")
    shown = samples_shown(predictor, batches, chosen)
    if not shown:
        return

    def stacked(name: str, missing: np.ndarray | None = None) -> np.ndarray:
        return np.stack(
            [one[name] if missing is None or one[name] is not None else missing for one in shown]
        )

    unknown = np.full_like(shown[0]["xyz_mm"], np.nan)
    pages.figure_skeletons(
        stacked("image"), uv_pred_px=stacked("uv_px"), xyz_pred_mm=stacked("xyz_mm"),
        xyz_true_mm=stacked("xyz_true_mm", unknown), path=folder / "skeletons.png",
    )  # fmt: skip
    if shown[0]["generated"] is None:
        return
    none = np.zeros_like(shown[0]["generated"])
    pages.figure_depth_maps(
        stacked("image"), measured=stacked("measured", none),
        weight=stacked("measured_weight", none), generated=stacked("generated"),
        path=folder / "depth_maps.png", window_mm=stacked("window_mm"),
    )  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """The results as text, with the protocol's conditions below."""
    rows_of = results["test"]
    columns = [*COLUMNS, *held_columns(rows_of.values())]
    titles = [title for title, _, _ in columns]
    if "image_size_px" in results:
        titles[titles.index("2D px")] += f" of {results['image_size_px']}"
    rows = [["test split", "samples", *titles]]
    for domain, numbers in rows_of.items():
        rows.append([domain, str(numbers["samples"]), *cells(numbers, columns)])
    lines = aligned_lines(rows)
    lines += [""] + [
        f"{domain}: depth maps drawn from predicted joints are {numbers['depth_map_mm']:.1f} mm "
        f"off the measured ones in the mean, {numbers['depth_map_l1']:.4f} of the depth window "
        "(depth_map_l1; needs no 3D labels)."
        for domain, numbers in rows_of.items()
        if "depth_map_mm" in numbers
    ]
    lines += [
        f"{domain}: {text.format(numbers[key])} ({key}; needs no 3D labels)."
        for domain, numbers in rows_of.items()
        for key, text in LABEL_FREE.items()
        if key in numbers
    ]
    before, after = results.get("chosen", {}).get("test_scores", (None, None))
    if before is not None and after is not None:
        lines.append(
            f"target: the score without 3D labels on the test split is {after:.2f}; before stage 3 "
            f"it was {before:.2f}."
        )
    lines += [f"{domain}: {text}" for domain, text in results.get("data", {}).items()]
    return "\n".join(["", *lines, f"{results['protocol']}: {results['conditions']}", ""])
