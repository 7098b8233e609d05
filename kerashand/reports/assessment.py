"""A model run over a labelled data set: everything about each sample that a report needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.evaluation import PCK_2D_SHARE
from kerashand.geometry.depth import normalised_joint_depth, window_width_mm
from kerashand.geometry.pose import OPTICAL_AXIS, xyz_from_uv_z
from kerashand.metrics import (
    PROTOCOLS,
    SHOWN_PX,
    aligned,
    auc,
    depth_map_errors,
    errors_2d,
    evaluate_pose,
    joint_errors_mm,
)
from kerashand.skeleton import ROOT

Arrays = dict[str, NDArray]
INDEX_MCP, LITTLE_MCP = 5, 17
OCCLUDED_MM = 25.0
"""A joint is hidden where the measured surface lies so much before its centre: a finger's half
width and the noise of a sensor do not reach that far."""
LUMA = np.array([0.299, 0.587, 0.114])
JUDGED_SCALES, JUDGED_MAP_PX = 5.0, 64
"""Half width of the window and side of the depth maps by which joints count as hidden: the same for
all models, so that these are of the same groups. The window holds a whole hand, by either bone."""
OWN_MAP, OWN_WEIGHT = "own_depth_map", "own_depth_weight"
"""Fields of a batch: the measured depth in the window and size of what a model draws."""


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that can be assessed.

    Attributes:
        name: stands in tables.
        run: pictures [B, S, S, 3] of 0..255 -> `uv_px` [B, K, 2], `z_relative` and `confidence`
            [B, K].
        image_size_px: side S of its input.
        scale_bone: the unit of relative depth.
        half_width_scales: of the window of the depth maps that it draws.
        depth_map_px: side D of these.
        draw: `uv_px`, `z_relative` -> depth maps [B, D, D, 1]; None where no regularizer is. It
            gets the labelled points with the predicted depth, as in training.
        depth_along: what relative depth is measured along.
    """

    name: str
    run: Callable[[NDArray], Mapping[str, NDArray]]
    image_size_px: int
    scale_bone: str
    half_width_scales: float = JUDGED_SCALES
    depth_map_px: int = JUDGED_MAP_PX
    draw: Callable[[NDArray, NDArray], NDArray] | None = None
    depth_along: str = OPTICAL_AXIS


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What a model gave on a data set.

    Attributes:
        name: of the model.
        data: what it ran on, in words; two assessments of one text are of the same samples.
        protocol: a name in `kerashand.metrics.PROTOCOLS`.
        scale_bone: whose true length gave the scale.
        numbers: the summary.
        arrays: over N samples; NaN where something is not known. `error_mm`, `depth_error_mm`,
            `error_px` (of the crop drawn 256 px wide), `confidence`, `occluded` (0 or 1), all
            [N, K]; `auc`, `yaw_deg` (0: palm to the camera, 180: back), `distance_mm`,
            `brightness` (0..1), `box_px` (longer side of the joints' box, of 256), `depth_map_mm`
            (mean difference of generated and measured depth maps), [N].
        shown: samples with pictures.
    """

    name: str
    data: str
    protocol: str
    scale_bone: str
    numbers: dict[str, Any]
    arrays: Arrays
    shown: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.arrays["error_px"])


def assess(
    predictor: Predictor,
    batches: Iterable[Mapping[str, Any]],
    *,
    data: str,
    protocol: str,
    gallery: int = 4,
    shown: Sequence[int] | None = None,
) -> Assessment:
    """Run a model over batches of `kerashand.data.pipeline.evaluation_batches`.

    Args:
        predictor: the model.
        batches: can be gone through twice; the second time pictures are taken for the gallery.
            Their depth maps are those of `JUDGED_SCALES` and `JUDGED_MAP_PX`; where the model draws
            some, `OWN_MAP` and `OWN_WEIGHT` hold the measured ones to compare them with.
        data: in words.
        protocol: a name in `PROTOCOLS`.
        gallery: how many of the best, the median and the worst samples are shown.
        shown: numbers of the samples to show instead, group "chosen"; those beyond the set are
            left out.
    """
    rows = [_of_batch(predictor, _as_numpy(batch), protocol) for batch in batches]
    arrays = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    chosen = chosen_samples(arrays, gallery)
    if shown is not None:
        chosen = {n: "chosen" for n in shown if n < len(arrays["auc"])}
    return Assessment(
        name=predictor.name, data=data, protocol=protocol,
        scale_bone=predictor.scale_bone,
        numbers=summary(arrays, protocol),
        arrays={name: value for name, value in arrays.items() if name not in ("xyz", "xyz_true")},
        shown=tuple(_shown(predictor, batches, chosen)),
    )  # fmt: skip


def _as_numpy(batch: Mapping[str, Any]) -> dict[str, NDArray]:
    return {name: np.asarray(value) for name, value in batch.items()}


def _predicted(predictor: Predictor, batch: Mapping[str, NDArray]) -> tuple[Arrays, NDArray]:
    """What a model gives, and its joints in 3D with the true root depth and scale."""
    output = {n: np.asarray(v, np.float64) for n, v in predictor.run(batch["image"]).items()}
    xyz = xyz_from_uv_z(
        output["uv_px"], output["z_relative"], batch["intrinsics"].astype(np.float64),
        batch["root_depth_mm"].astype(np.float64), batch["scale_mm"].astype(np.float64),
        depth_along=predictor.depth_along,
    )  # fmt: skip
    return output, xyz


def _of_batch(predictor: Predictor, batch: Mapping[str, NDArray], protocol: str) -> Arrays:
    output, xyz = _predicted(predictor, batch)
    shape = output["uv_px"].shape[:2]
    unknown = np.full(shape, np.nan)
    known = batch["uv_weight"] > 0
    to_256 = SHOWN_PX / predictor.image_size_px
    pixels = errors_2d(output["uv_px"], batch["uv_px"]) * to_256
    true = np.where(known[..., None], batch["uv_px"], np.nan) * to_256
    in_3d = (batch["z_weight"] > 0)[:, None]
    xyz_true = batch["xyz_mm"].astype(np.float64)
    compared = aligned(xyz, xyz_true, PROTOCOLS[protocol]) if in_3d.all() else xyz
    errors = np.where(in_3d, joint_errors_mm(compared, xyz_true), unknown)
    return {
        "error_mm": errors,
        "depth_error_mm": np.where(in_3d, np.abs(compared - xyz_true)[..., 2], unknown),
        "error_px": np.where(known, pixels, unknown),
        "confidence": output["confidence"],
        "occluded": hidden_joints(batch),
        "auc": _auc_of_each(errors, protocol),
        "yaw_deg": np.where(in_3d[:, 0], palm_angle_deg(xyz_true), np.nan),
        "distance_mm": batch["root_depth_mm"].astype(np.float64),
        "brightness": batch["image"].mean(axis=(1, 2)) @ LUMA / 255.0,
        "box_px": (np.nanmax(true, axis=1) - np.nanmin(true, axis=1)).max(axis=1),
        "depth_map_mm": _depth_map_mm(predictor, batch, output["z_relative"]),
        "xyz": xyz,
        "xyz_true": np.where(in_3d[..., None], xyz_true, np.nan),
    }


def _depth_map_mm(predictor: Predictor, batch: Mapping[str, NDArray], z_relative: NDArray):
    """[N] mean absolute difference of generated and measured maps, NaN where there is none."""
    measured, weight, window_mm = _measured(predictor, batch)
    if predictor.draw is None or not weight.any():
        return np.full(len(weight), np.nan)
    drawn = predictor.draw(batch["uv_px"], z_relative)
    return depth_map_errors(drawn, measured, weight) * window_mm


def _measured(
    predictor: Predictor, batch: Mapping[str, NDArray]
) -> tuple[NDArray, NDArray, NDArray]:
    """Measured depth maps as a model draws them or as all are judged, weights, [N] window in mm."""
    own = predictor.draw is not None and OWN_MAP in batch
    names = (OWN_MAP, OWN_WEIGHT) if own else ("depth_map", "depth_weight")
    half_width = predictor.half_width_scales if own else JUDGED_SCALES
    window_mm = window_width_mm(batch["scale_mm"], half_width_scales=half_width)
    return batch[names[0]], batch[names[1]], window_mm


def _auc_of_each(errors: NDArray, protocol: str) -> NDArray:
    """[N] area of the PCK curve of each sample; their mean is that of all where joints agree."""
    chosen = PROTOCOLS[protocol]
    counted = errors if chosen.includes_root else np.delete(errors, chosen.root, axis=1)
    thresholds = np.array(chosen.thresholds_mm)
    return np.array(
        [
            auc(thresholds, (row[:, None] <= thresholds).mean(axis=0))
            if np.isfinite(row).all()
            else np.nan
            for row in counted
        ]
    )


def palm_angle_deg(xyz_mm: NDArray) -> NDArray[np.float64]:
    """Angle [N] between the palm's normal and the way to the camera, of right hands.

    Convention: 0 where the palm faces the camera, 90 edge-on, 180 where its back does.

    Args:
        xyz_mm: [N, K, 3] in the camera's frame.
    """
    wrist = xyz_mm[:, ROOT]
    normal = np.cross(xyz_mm[:, INDEX_MCP] - wrist, xyz_mm[:, LITTLE_MCP] - wrist)
    lengths = np.linalg.norm(normal, axis=1) * np.linalg.norm(wrist, axis=1)
    cosine = -(normal * wrist).sum(axis=1) / np.maximum(lengths, 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def hidden_joints(batch: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """[N, K] 1 where the measured depth lies before a joint, 0 where not, NaN where unknown.

    Args:
        batch: whose depth maps are in the window of `JUDGED_SCALES`.
    """
    depth, weight = batch["depth_map"][..., 0], batch["depth_weight"][..., 0]
    count, side = depth.shape[:2]
    joints = normalised_joint_depth(batch["z_relative"], half_width_scales=JUDGED_SCALES)
    size_px = batch["image"].shape[1]
    cell = np.clip(((batch["uv_px"] + 0.5) * side / size_px).astype(int), 0, side - 1)
    rows = np.arange(count)[:, None]
    surface, seen = (
        depth[rows, cell[..., 1], cell[..., 0]],
        weight[rows, cell[..., 1], cell[..., 0]],
    )
    window_mm = window_width_mm(batch["scale_mm"], half_width_scales=JUDGED_SCALES)[:, None]
    known = (seen > 0) & (batch["z_weight"] > 0)[:, None]
    return np.where(known, ((surface - joints) * window_mm > OCCLUDED_MM).astype(float), np.nan)


def summary(arrays: Mapping[str, NDArray], protocol: str) -> dict[str, Any]:
    """The numbers of a table row."""
    pixels = arrays["error_px"]
    known = np.isfinite(pixels)
    numbers: dict[str, Any] = {
        "samples": len(pixels),
        "mean_error_px": float(pixels[known].mean()),
        "median_error_px": float(np.median(pixels[known])),
        "pck_2d": float(hits(arrays, PCK_2D_SHARE).mean()),
    }
    if np.isfinite(arrays["xyz_true"]).all():
        posed = evaluate_pose(arrays["xyz"], arrays["xyz_true"], PROTOCOLS[protocol])
        numbers |= {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in posed.items()}
    if np.isfinite(arrays["depth_map_mm"]).any():
        numbers["depth_map_mm"] = float(np.nanmean(arrays["depth_map_mm"]))
    return numbers


def error_name(arrays: Mapping[str, NDArray]) -> str:
    """The array of errors that samples are judged by: of mm where all are known, else of pixels."""
    return "error_mm" if np.isfinite(arrays["error_mm"]).all() else "error_px"


def sample_error(arrays: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """[N] the error by which samples are ordered."""
    return np.nanmean(arrays[error_name(arrays)], axis=1)


def hits(arrays: Mapping[str, NDArray], share: float) -> NDArray[np.bool_]:
    """[M] of all labelled joints, whether each is within a share of the hand's box."""
    pixels = arrays["error_px"]
    return (pixels <= share * arrays["box_px"][:, None])[np.isfinite(pixels)]


def chosen_samples(arrays: Mapping[str, NDArray], count: int) -> dict[int, str]:
    """Number of a sample -> "best", "median" or "worst"."""
    order = np.argsort(sample_error(arrays), kind="stable")
    count = min(count, len(order) // 3 or 1)
    middle = (len(order) - count) // 2
    groups = {
        "worst": order[::-1][:count], "median": order[middle : middle + count],
        "best": order[:count],
    }  # fmt: skip
    return {int(number): group for group, numbers in groups.items() for number in numbers}


def _shown(predictor: Predictor, batches, chosen: Mapping[int, str]) -> list[dict[str, Any]]:
    found, first = [], 0
    for batch in batches:
        rows = _as_numpy(batch)
        count = len(rows["image"])
        here = [n for n in chosen if first <= n < first + count]
        if here:
            part = {name: value[np.array(here) - first] for name, value in rows.items()}
            found += _pictures(predictor, part, [(n, chosen[n]) for n in here])
        first += count
    order = list(chosen)
    return sorted(found, key=lambda shown: order.index(shown["number"]))


def _pictures(predictor: Predictor, batch: Mapping[str, NDArray], named) -> list[dict[str, Any]]:
    output, xyz = _predicted(predictor, batch)
    drawn = None
    if predictor.draw is not None:
        drawn = predictor.draw(batch["uv_px"], output["z_relative"])[..., 0]
    results, (measured, weight, window_mm) = [], _measured(predictor, batch)
    for row, (number, group) in enumerate(named):
        has_xyz = batch["z_weight"][row] > 0
        has_depth = (weight[row] > 0).any()
        results.append(
            {
                "number": number,
                "group": group,
                "image": np.rint(batch["image"][row]).astype(np.uint8),
                "uv_px": output["uv_px"][row],
                "uv_true_px": batch["uv_px"][row],
                "xyz_mm": xyz[row],
                "scale_mm": float(batch["scale_mm"][row]),
                "window_mm": float(window_mm[row]),
                "xyz_true_mm": batch["xyz_mm"][row].astype(float) if has_xyz else None,
                "measured": measured[row, ..., 0] if has_depth else None,
                "measured_weight": weight[row, ..., 0] if has_depth else None,
                "generated": None if drawn is None else drawn[row],
            }
        )
    return results
