"""Samples of a report: pictures with joints, a hand that turns with the mouse, depth maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from kerashand.reports import breakdown
from kerashand.reports.assessment import Assessment
from kerashand.reports.markup import escaped, img
from kerashand.visualize.images import (
    WIDEST_MM,
    as_uint8,
    colour_depth,
    colour_difference,
    plot_skeleton,
)

SHOWN_SIDE = 320
CANVAS_SIDE = 640


def gallery(name: str, assessment: Assessment) -> list[str]:
    """The samples that are shown of a model."""
    parts, group = [f"<h2>{escaped(name)}: samples</h2>"], None
    for shown in assessment.shown:
        if shown["group"] != group:
            group = shown["group"]
            parts.append(f"<h3>{group}</h3>")
        # The hand that turns is half as wide again as the pictures.
        cells = [
            (1.0, _picture(_enlarged(shown["image"]), "picture"), "picture"),
            (1.0, _overlay(shown), "predicted: colours; true: grey"),
            (1.5, _turnable(shown), "in 3D, floor of 50 mm squares: drag to turn"),
            *((1.0, *cell) for cell in _depth_cells(shown)),
        ]
        widths = " ".join(f"minmax(0, {width}fr)" for width, _, _ in cells)
        widest = round(260 * sum(width for width, _, _ in cells))
        figures = "".join(
            f"<figure>{content}<figcaption>{caption}</figcaption></figure>"
            for _, content, caption in cells
        )
        parts.append(
            f"<h4>{escaped(sample_line(assessment, shown['number']))}</h4>"
            f'<div class=row style="grid-template-columns: {widths}; max-width: {widest}px">'
            f"{figures}</div>"
        )
    return parts


def sample_line(assessment: Assessment, number: int) -> str:
    """What is known of a sample: its errors, where the palm looks."""
    arrays = {name: values[number] for name, values in assessment.arrays.items()}
    known = [
        (np.nanmean(arrays["error_px"]), "{:.1f} px of 256 off in 2D"),
        (arrays["yaw_deg"], "palm turned {:.0f}° from the camera"),
    ]
    if breakdown.unit_of(assessment) == "mm":
        known.insert(0, (arrays["error_mm"].mean(), "{:.1f} mm off in 3D"))
    texts = [form.format(value) for value, form in known if np.isfinite(value)]
    return f"sample {number}: {', '.join(texts)}"


def _depth_cells(shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pictures of depth with their captions and scales."""
    if shown["measured"] is None:
        return []
    measured, weight, drawn = (shown[n] for n in ("measured", "measured_weight", "generated"))
    half_mm = shown["window_mm"] / 2.0
    depth_bar = _bar("depth", f"-{half_mm:.0f} mm", "0", f"+{half_mm:.0f} mm")
    maps = [
        (colour_depth(measured, weight), "measured depth", " from the wrist; grey: none", depth_bar)
    ]
    if drawn is not None:
        apart_mm = np.abs(drawn - measured) * shown["window_mm"]
        bar = _bar("difference", "0 mm", f"{WIDEST_MM:.0f} mm and more")
        maps.append((colour_depth(drawn), "generated depth", " from the wrist", depth_bar))
        maps.append((colour_difference(apart_mm / WIDEST_MM, weight), "difference", "", bar))
    return [
        (_picture(_enlarged(image, smooth=False), what), f"{what}{more}{bar}")
        for image, what, more, bar in maps
    ]


def _bar(kind: str, *ends: str) -> str:
    """A bar of colours with texts below, from its left to its right end."""
    return (
        f"<span class={kind}></span><span class=ends>{''.join(f'<i>{e}</i>' for e in ends)}</span>"
    )


def _turnable(shown: Mapping[str, Any]) -> str:
    """A canvas whose hand the page's script draws."""
    hands = {
        name: None if shown[key] is None else np.round(shown[key], 1).tolist()
        for name, key in (("hand", "xyz_mm"), ("truth", "xyz_true_mm"))
    }
    return (
        f"<canvas width={CANVAS_SIDE} height={CANVAS_SIDE} "
        f'data-hands="{escaped(json.dumps(hands))}"></canvas>'
    )


def _overlay(shown: Mapping[str, Any]) -> str:
    image = shown["image"]
    scale = max(round(SHOWN_SIDE / image.shape[0]), 1)
    drawn = plot_skeleton(
        image, np.nan_to_num(shown["uv_px"]), scale=scale, truth_px=shown["uv_true_px"]
    )
    return _picture(_enlarged(drawn), "predicted and true joints")


def _enlarged(image: np.ndarray, *, smooth: bool = True) -> np.ndarray:
    how = cv2.INTER_AREA if smooth and image.shape[0] > SHOWN_SIDE else cv2.INTER_CUBIC
    how = how if smooth else cv2.INTER_NEAREST
    return cv2.resize(as_uint8(image), (SHOWN_SIDE, SHOWN_SIDE), interpolation=how)


def _picture(image: np.ndarray, what: str) -> str:
    encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return img(encoded.tobytes(), "jpeg", what)
