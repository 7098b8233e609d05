"""One HTML file with all of a report in it: plots, galleries, hands that turn with the mouse."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import cv2
import numpy as np

from kerashand.evaluation import COLUMNS as COLUMNS_OF_A_RUN
from kerashand.evaluation import cells
from kerashand.reports import breakdown, charts
from kerashand.reports.assessment import Assessment
from kerashand.skeleton import BONE_COLOURS, BONES
from kerashand.visualize.images import as_uint8, colour_depth, colour_difference, draw_skeleton

SHOWN_SIDE = 288
WIDEST = 0.1
"""Of the depth window: the difference that the brightest colour stands for."""
TITLES = {"mean_error_px": "2D px of 256", "pck_2d": "PCK 2D, 0.1 box"}
"""Where a report says more than a run's own table, which is about one input size."""
COLUMNS = tuple((TITLES.get(key, title), key, form) for title, key, form in COLUMNS_OF_A_RUN)

DEPTH_MAP = ("depth map L1", "depth_map_l1", "{:.4f}")
"""Generated against measured depth maps, in windows of Eq. 4."""


def table(assessments: Sequence[Assessment], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, the titles first."""
    columns = COLUMNS
    if any("depth_map_l1" in assessment.numbers for assessment in assessments):
        columns = (*COLUMNS, DEPTH_MAP)
    rows = [["model", "samples", *(title for title, _, _ in columns)]]
    for name, assessment in zip(names, assessments, strict=True):
        rows.append([name, str(len(assessment)), *cells(assessment.numbers, columns)])
    return rows


def report(
    assessments: Sequence[Assessment],
    *,
    versions: Mapping[str, Any],
    command: str,
    differences: Sequence[breakdown.Difference] = (),
    published: bool = False,
) -> str:
    """The page.

    Args:
        assessments: of one or more models.
        versions: of packages.
        command: that made the report.
        differences: of the second to the first, where there are two.
        published: draw the published curves of STB.
    """
    names = breakdown.names_apart(assessments)
    first = assessments[0]
    parts = [f"<h1>{_e(' and '.join(names))}</h1>", f"<p>On {_e(first.data)}.</p>"]
    parts.append(_table(table(assessments, names)))
    parts.append(f"<p class=small>{_e(first.protocol)}: {_e(first.conditions)}</p>")
    if differences:
        parts.append(f"<h2>{_e(names[1])} against {_e(names[0])}, sample by sample</h2>")
        parts += [f"<p>{_e(difference.text())}.</p>" for difference in differences]
        parts.append(_plot(charts.pairs(assessments[0], assessments[1], names), "pairs of errors"))
    parts.append("<h2>Curves and confidence</h2><div class=plots>")
    if all("pck" in assessment.numbers for assessment in assessments):
        parts.append(_plot(charts.pck(assessments, names, published=published), "3D PCK"))
    parts.append(_plot(charts.pck_2d(assessments, names), "2D PCK"))
    parts.append(_plot(charts.calibration(assessments, names), "confidence against hits"))
    parts.append("</div>")
    parts += _errors(assessments, names)
    for name, assessment in zip(names, assessments, strict=True):
        if assessment.shown:
            parts += _gallery(name, assessment)
    parts.append("<h2>Made with</h2>")
    parts.append(f"<pre>{_e(command)}</pre>")
    listed = ", ".join(f"{name} {value}" for name, value in versions.items())
    parts.append(f"<p class=small>{_e(listed)}</p>")
    template = (resources.files("kerashand.reports") / "page.html").read_text(encoding="utf-8")
    return template.replace("@TITLE@", _e(" and ".join(names))).replace(
        "@BODY@", "\n".join(parts)
    ).replace("@BONES@", json.dumps([list(map(int, bone)) for bone in BONES])).replace(
        "@COLOURS@", json.dumps([[int(value) for value in colour] for colour in BONE_COLOURS])
    )  # fmt: skip


def _errors(assessments: Sequence[Assessment], names: Sequence[str]) -> list[str]:
    unit = breakdown.unit_of(assessments[0])
    fingers = [breakdown.finger_means(assessment) for assessment in assessments]
    rows = [[f"mean error, {unit}", *fingers[0]]]
    rows += [
        [name, *(f"{value:.1f}" for value in means.values())]
        for name, means in zip(names, fingers, strict=True)
    ]
    parts = ["<h2>Errors by joint and finger</h2>", _table(rows)]
    parts.append(_plot(charts.joints(assessments, names), "error of each joint"))
    figure = charts.factors(assessments, names)
    if figure is not None:
        parts.append("<h2>What errors depend on</h2>")
        parts.append(
            "<p class=small>Means of equal groups of samples, and their 95 % intervals. A joint is "
            "hidden where the measured depth lies before it.</p>"
        )
        parts.append(_plot(figure, "error against view, distance, occlusion and brightness"))
    return parts


def _gallery(name: str, assessment: Assessment) -> list[str]:
    errors = breakdown.sample_error(assessment.arrays)
    unit = breakdown.unit_of(assessment)
    parts, group = [f"<h2>{_e(name)}: samples</h2>"], None
    parts.append(
        "<p class=small>The picture, the joints predicted, the true ones, the hand to turn with "
        "the mouse (truth in grey); with a depth camera what it measured, what the regularizer "
        "draws of the labelled points with the predicted depth, and how far both are apart.</p>"
    )
    for shown in assessment.shown:
        if shown["group"] != group:
            group = shown["group"]
            parts.append(f"<h3>{group}</h3>")
        number = shown["number"]
        cells = [
            _picture(_enlarged(shown["image"]), "picture"),
            _picture(_overlay(shown["image"], shown["uv_px"]), "predicted"),
            _picture(_overlay(shown["image"], shown["uv_true_px"]), "true"),
            _turnable(shown),
            *_depth_cells(shown),
        ]
        parts.append(
            f"<figure><div class=row>{''.join(cells)}</div><figcaption>sample {number}: "
            f"{errors[number]:.1f} {unit}</figcaption></figure>"
        )
    return parts


def _depth_cells(shown: Mapping[str, Any]) -> list[str]:
    if shown["measured"] is None:
        return []
    measured, weight, drawn = (shown[n] for n in ("measured", "measured_weight", "generated"))
    cells = [_picture(_enlarged(colour_depth(measured, weight), smooth=False), "measured depth")]
    if drawn is not None:
        apart = colour_difference(np.abs(drawn - measured) / WIDEST, weight)
        cells.append(_picture(_enlarged(colour_depth(drawn), smooth=False), "generated depth"))
        cells.append(_picture(_enlarged(apart, smooth=False), "difference"))
    return cells


def _turnable(shown: Mapping[str, Any]) -> str:
    """A canvas whose hand the page's script draws."""
    hands = {
        name: None if shown[key] is None else np.round(shown[key], 1).tolist()
        for name, key in (("hand", "xyz_mm"), ("truth", "xyz_true_mm"))
    }
    return (
        f"<canvas width={SHOWN_SIDE} height={SHOWN_SIDE} "
        f'data-hands="{html.escape(json.dumps(hands))}"></canvas>'
    )


def _overlay(image: np.ndarray, uv_px: np.ndarray) -> np.ndarray:
    scale = max(round(SHOWN_SIDE / image.shape[0]), 1)
    return _enlarged(draw_skeleton(image, np.nan_to_num(uv_px), scale=scale))


def _enlarged(image: np.ndarray, *, smooth: bool = True) -> np.ndarray:
    how = cv2.INTER_AREA if smooth and image.shape[0] > SHOWN_SIDE else cv2.INTER_CUBIC
    how = how if smooth else cv2.INTER_NEAREST
    return cv2.resize(as_uint8(image), (SHOWN_SIDE, SHOWN_SIDE), interpolation=how)


def _picture(image: np.ndarray, what: str) -> str:
    encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return _img(encoded.tobytes(), "jpeg", what)


def _plot(figure, what: str) -> str:
    return f"<p>{_img(charts.png(figure), 'png', what)}</p>"


def _img(content: bytes, kind: str, what: str) -> str:
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{_e(what)}" title="{_e(what)}" src="data:image/{kind};base64,{data}">'


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (
        "".join(f"<{tag}>{_e(cell)}</{tag}>" for cell in row)
        for tag, row in [("th", rows[0]), *(("td", row) for row in rows[1:])]
    )
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _e(text: object) -> str:
    return html.escape(str(text))
