"""From trained parts and a data set to numbers and pictures."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerashand import visualize
from kerashand.geometry.depth import window_width_mm
from kerashand.geometry.pose import xyz_from_uv_z
from kerashand.metrics import PROTOCOLS, depth_map_errors, errors_2d, evaluate_pose
from kerashand.models.hand_pose import HandPoseParts, draw_depth
from kerashand.progress import progress

LOGGER = logging.getLogger(__name__)


def predict(
    parts: HandPoseParts,
    batches: Iterable[Mapping[str, tf.Tensor]],
    *,
    keep_images: int = 0,
    half_width_scales: float | None = None,
) -> dict[str, np.ndarray]:
    """Run the inference model over a data set.

    Args:
        parts: the trained models.
        batches: batches labelled in 2D at least.
        keep_images: of how many samples, spread over the set, pictures and depth maps are kept.
        half_width_scales: window of the depth maps; None draws none.

    Returns:
        Arrays over N samples: `uv_px`, `uv_true_px`, `uv_weight`, `xyz_mm`, `xyz_true_mm`,
        `z_weight` (0 where there are no true joints in 3D), `scale_mm`; over the kept samples:
        `kept` (their numbers), `image`, `depth_map`, `depth_weight` and, with a window,
        `generated`. `xyz_mm` uses the given root depth and scale (section 4.2); over all N samples
        with a window, `depth_l1`: mean absolute difference of drawn and measured maps, NaN where
        nothing was measured, and `window_mm`, the width of the depth window.
    """
    model = parts.build_inference_model()
    # A partial: TensorFlow counts retracings of functions by their code, of all models together.
    forward = tf.function(functools.partial(model, training=False), autograph=False)
    collected: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        output = forward(batch["image"])
        xyz_mm = xyz_from_uv_z(
            output["uv_px"], output["z_relative"], batch["intrinsics"],
            batch["root_depth_mm"], batch["scale_mm"], depth_along=parts.depth_along,
        )  # fmt: skip
        row = {
            "uv_px": output["uv_px"],
            "uv_true_px": batch["uv_px"],
            "uv_weight": batch["uv_weight"],
            "z_weight": batch["z_weight"],
            "xyz_mm": xyz_mm,
            "xyz_true_mm": batch["xyz_mm"],
            "scale_mm": batch["scale_mm"],
            "image": tf.cast(tf.round(batch["image"]), tf.uint8),
            "depth_map": batch["depth_map"],
            "depth_weight": batch["depth_weight"],
        }
        if half_width_scales is not None:
            row["generated"] = draw_depth(
                parts.regularizer,
                batch["uv_px"],
                output["z_relative"],
                image_size_px=parts.image_size_px,
                half_width_scales=half_width_scales,
            )
            row["depth_l1"] = depth_map_errors(
                row["generated"], batch["depth_map"], batch["depth_weight"]
            )
            row["window_mm"] = window_width_mm(
                batch["scale_mm"], half_width_scales=half_width_scales
            )
        for name, value in row.items():
            collected.setdefault(name, []).append(np.asarray(value))
    arrays = {name: np.concatenate(values) for name, values in collected.items()}
    count = len(arrays["uv_px"])
    arrays["kept"] = np.unique(np.linspace(0, count - 1, keep_images).astype(int))
    for name in {"image", "depth_map", "depth_weight", "generated"} & arrays.keys():
        arrays[name] = arrays[name][arrays["kept"]]
    return arrays


def _told(batches: tf.data.Dataset, advance: Callable[[int], None]) -> Iterator[Any]:
    """The batches; `advance` hears of each that was worked on."""
    for batch in batches:
        yield batch
        advance(1)


PCK_2D_SHARE = 0.1


def evaluate_predictions(arrays: Mapping[str, np.ndarray], protocol: str) -> dict[str, Any]:
    """Numbers of one data set: 2D in px and as a share of the hand's box; 3D, where labelled.

    3D follows the named protocol. `pck_2d` is the share of points within `PCK_2D_SHARE` of the
    longer side of the box around the true points.
    """
    result: dict[str, Any] = {"samples": len(arrays["uv_px"])}
    if np.all(arrays["z_weight"] > 0):
        numbers = evaluate_pose(arrays["xyz_mm"], arrays["xyz_true_mm"], PROTOCOLS[protocol])
        result |= {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in numbers.items()
        }
    pixels = errors_2d(arrays["uv_px"], arrays["uv_true_px"])
    known = arrays["uv_weight"] > 0
    true = np.where(known[..., None], arrays["uv_true_px"], np.nan)
    box_px = (np.nanmax(true, axis=1) - np.nanmin(true, axis=1)).max(axis=1)
    result |= {
        "mean_error_px": float(pixels[known].mean()),
        "median_error_px": float(np.median(pixels[known])),
        "pck_2d": float((pixels <= PCK_2D_SHARE * box_px[:, None])[known].mean()),
    }
    if "depth_l1" in arrays and np.isfinite(arrays["depth_l1"]).any():
        result["depth_map_l1"] = float(np.nanmean(arrays["depth_l1"]))
        result["depth_map_mm"] = float(np.nanmean(arrays["depth_l1"] * arrays["window_mm"]))
    return result


def evaluate_run(
    parts: HandPoseParts,
    sets: Mapping[str, tf.data.Dataset],
    *,
    protocol: str,
    scale_bone: str,
    half_width_scales: float,
    draws_depth: bool,
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
        draws_depth: whether the regularizer was trained.
        pictures: samples in each gallery; 0 draws none but the curves.
        folder: where pictures go.

    Returns:
        `conditions` in words, `image_size_px`, and `test` by domain: see `evaluate_predictions`.
    """
    window = half_width_scales if draws_depth else None
    results: dict[str, Any] = {
        "protocol": protocol,
        "image_size_px": parts.image_size_px,
        "conditions": PROTOCOLS[protocol].conditions_with(scale_bone),
        "test": {},
    }
    arrays: dict[str, np.ndarray] = {}
    for domain, batches in sets.items():
        count = int(batches.cardinality())
        LOGGER.info("evaluating the test split of the %s", domain)
        with progress(f"evaluating {domain}", count, "batches") as advance:
            batches = _told(batches, advance)
            arrays = predict(parts, batches, keep_images=pictures, half_width_scales=window)
        results["test"][domain] = evaluate_predictions(arrays, protocol)
    LOGGER.info("drawing curves and pictures into %s", folder)
    folder.mkdir(parents=True, exist_ok=True)
    curves = {
        domain: (np.array(r["thresholds_mm"]), np.array(r["pck"]), r["auc"])
        for domain, r in results["test"].items()
        if "pck" in r
    }
    if curves:  # else there is no test split in 3D
        visualize.figure_pck(
            curves, folder / "pck.png", title=f"3D PCK on the test splits ({protocol})"
        )
    if pictures:
        kept = arrays["kept"]
        visualize.figure_skeletons(
            arrays["image"], arrays["uv_px"][kept], arrays["xyz_mm"][kept],
            np.where(arrays["z_weight"][kept, None, None] > 0, arrays["xyz_true_mm"][kept], np.nan),
            folder / "skeletons.png",
        )  # fmt: skip
    if pictures and "generated" in arrays:
        visualize.figure_depth_maps(
            arrays["image"], arrays["depth_map"][..., 0], arrays["depth_weight"][..., 0],
            arrays["generated"][..., 0], folder / "depth_maps.png",
            window_mm=arrays["window_mm"][kept],
        )  # fmt: skip
    return results


COLUMNS = (
    ("AUC", "auc", "{:.3f}"),
    ("mean mm", "mean_error_mm", "{:.1f}"),
    ("median mm", "median_error_mm", "{:.1f}"),
    ("depth mm", "mean_depth_error_mm", "{:.1f}"),
    ("2D px", "mean_error_px", "{:.2f}"),
    ("PCK 2D", "pck_2d", "{:.3f}"),
)


def cells(numbers: Mapping[str, Any], columns=COLUMNS) -> list[str]:
    """The numbers of a row as text, "-" for what it lacks."""
    return [form.format(numbers[key]) if key in numbers else "-" for _, key, form in columns]


def aligned_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def table(results: Mapping[str, Any]) -> str:
    """The results as text, with the protocol's conditions below."""
    titles = [title for title, _, _ in COLUMNS]
    if "image_size_px" in results:
        titles[titles.index("2D px")] += f" of {results['image_size_px']}"
    rows = [["test split", "samples", *titles]]
    for domain, numbers in results["test"].items():
        rows.append([domain, str(numbers["samples"]), *cells(numbers)])
    lines = aligned_lines(rows)
    lines += [""] + [
        f"{domain}: depth maps drawn from predicted joints are {numbers['depth_map_mm']:.1f} mm "
        f"off the measured ones in the mean, {numbers['depth_map_l1']:.4f} of the depth window "
        "(depth_map_l1; needs no 3D labels)."
        for domain, numbers in results["test"].items()
        if "depth_map_mm" in numbers
    ]
    lines += [f"{domain}: {text}" for domain, text in results.get("data", {}).items()]
    return "\n".join(["", *lines, f"{results['protocol']}: {results['conditions']}", ""])
