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

from kerashand.evaluation.errors import LOST_PX, PCK_2D_SHARE
from kerashand.evaluation.tables import COLUMNS as COLUMNS_OF_A_RUN
from kerashand.evaluation.tables import cells, held_columns
from kerashand.geometry.camera import HAND_MARGIN, PRECISE_SHARE
from kerashand.metrics import PROTOCOLS
from kerashand.reports import breakdown, charts, findings
from kerashand.reports.assessment import Assessment
from kerashand.skeleton import BONES, JOINT_COLOURS
from kerashand.visualize.images import (
    WIDEST_MM,
    as_uint8,
    colour_depth,
    colour_difference,
    plot_skeleton,
)

SHOWN_SIDE = 320
CANVAS_SIDE = 640
TITLES = {"mean_error_px": "2D px of 256", "pck_2d": f"PCK 2D, {PCK_2D_SHARE:g} box"}
"""Where a report says more than a run's own table, which is about one input size."""
COLUMNS = tuple((TITLES.get(key, title), key, form) for title, key, form in COLUMNS_OF_A_RUN)

DEPTH_MAP = ("depth map mm", "depth_map_mm", "{:.1f}")
"""Generated against measured depth maps."""
MEANINGS = (
    ("AUC", "area under the curve of 3D PCK, 1 at best; only within one protocol"),
    ("mean mm, median mm", "distance of predicted and true joints in 3D"),
    ("depth mm", "the part of it along the camera's axis"),
    ("2D px of 256", "distance in the picture, as if the crop were drawn 256 px wide"),
    ("PCK 2D, 0.1 box", "share of joints that are off by at most a tenth of the hand's box"),
    ("depth map mm", "difference of the depth map that the regularizer draws of the labelled 2D "
     "points with the predicted depth, and the measured one; mean over measured pixels"),
    ("PA mm", "mean distance after Procrustes: each hand moved, turned and scaled onto the truth"),
    ("hands > 15 px", f"share of hands whose joints are more than {LOST_PX:g} px off in the mean, "
     f"where the square of {HAND_MARGIN:g} boxes around them is drawn 256 px wide"),
    ("ECE, calibration error", "expected calibration error: mean distance of the confidence that "
     "a model states for its joints, and the share of them that are precise, within "
     f"{PRECISE_SHARE:g} of the crop's side; ten ranges of confidence. 0 at best"),
    ("handedness, worst", "share of pictures whose handedness is right, of hands as they "
     "are or of their mirror images: the lower of both"),
    ("hands seen; no hand, seen", "share of hands, and of squares without a hand, of which the "
     "model says that they are hands"),
    ("95 % interval", f"of the mean over hands, by {breakdown.RESAMPLES} bootstrap resamples"),
)  # fmt: skip
"""What a report's words say."""


def table(assessments: Sequence[Assessment], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, the titles first."""
    columns = COLUMNS
    numbers = [assessment.numbers for assessment in assessments]
    columns = (*columns, *held_columns(numbers))
    if any("depth_map_mm" in row for row in numbers):
        columns = (*columns, DEPTH_MAP)
    rows = [["model", "samples", *(title for title, _, _ in columns)]]
    for name, assessment in zip(names, assessments, strict=True):
        rows.append([name, str(len(assessment)), *cells(assessment.numbers, columns)])
    return rows


def conditions(assessments: Sequence[Assessment], names: Sequence[str]) -> str:
    """The protocol with its conditions, the bone of each model where they differ."""
    protocol = assessments[0].protocol
    bones = [assessment.scale_bone for assessment in assessments]
    bone = bones[0]
    if len(set(bones)) > 1:
        bone = ", ".join(f"{b} ({name})" for b, name in zip(bones, names, strict=True))
    return f"{protocol}: {PROTOCOLS[protocol].conditions_with(bone)}"


def report(
    assessments: Sequence[Assessment],
    *,
    versions: Mapping[str, Any],
    command: str,
    differences: Sequence[breakdown.Difference] = (),
    published: bool = False,
    origin: str = "",
) -> str:
    """The page.

    Args:
        assessments: of one or more models.
        versions: of packages.
        command: that made the report.
        differences: of the second to the first, where there are two.
        published: draw the published curves of STB.
        origin: whose data these are, to be read after the name of the data.
    """
    names = breakdown.names_apart(assessments)
    first = assessments[0]
    parts = [f"<h1>{_e(' and '.join(names))}</h1>", f"<p>On {_e(first.data + origin)}.</p>"]
    parts.append(_table(table(assessments, names)))
    parts.append(f"<p class=small>{_e(conditions(assessments, names))}</p>")
    meanings = "".join(f"<dt>{_e(word)}<dd>{_e(text)}" for word, text in MEANINGS)
    parts.append(
        f"<details><summary>What the numbers mean</summary><dl>{meanings}</dl>"
        "<p>docs/protocols.md of the package says more.</p></details>"
    )
    if differences:
        parts.append(f"<h2>{_e(names[1])} against {_e(names[0])}, sample by sample</h2>")
        parts += [f"<p>{_e(difference.text(names))}.</p>" for difference in differences]
        parts.append(_plot(charts.pairs(assessments[0], assessments[1], names), "pairs of errors"))
    parts.append("<h2>Curves and confidence</h2><div class=plots>")
    if all("pck" in assessment.numbers for assessment in assessments):
        parts.append(_plot(charts.pck(assessments, names, published=published), "3D PCK"))
    parts.append(_plot(charts.pck_2d(assessments, names), "2D PCK"))
    parts.append(_plot(charts.calibration(assessments, names), "confidence against hits"))
    parts.append("</div>")
    parts += _errors(assessments, names)
    parts += _findings(assessments, names)
    for name, assessment in zip(names, assessments, strict=True):
        if assessment.shown:
            parts += _gallery(name, assessment)
    parts.append("<h2>Made with</h2>")
    parts.append(f"<pre>{_e(command)}</pre>")
    listed = ", ".join(f"{name} {value}" for name, value in versions.items())
    parts.append(f"<p class=small>{_e(listed)}</p>")
    template = (resources.files("kerashand.reports") / "page.html").read_text(encoding="utf-8")
    shares = np.linspace(0.0, 1.0, 17)[None]
    replaced = {
        "DEPTH": _gradient(colour_depth(1.0 - shares)),
        "DIFFERENCE": _gradient(colour_difference(shares)),
        "BONES": json.dumps(np.asarray(BONES).tolist()),
        "COLOURS": json.dumps(np.asarray(JOINT_COLOURS).tolist()),
        "TITLE": _e(" and ".join(names)),
        "BODY": "\n".join(parts),
    }
    # The body last: what a model is called is not replaced.
    for word, value in replaced.items():
        template = template.replace(f"@{word}@", value)
    return template


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
            "<p class=small>Each point is the mean of an equal share of the hands, with its 95 % "
            "interval. A joint is hidden where the measured depth lies before it.</p>"
        )
        parts.append(_plot(figure, "error against view, distance, occlusion and brightness"))
    return parts


def _findings(assessments: Sequence[Assessment], names: Sequence[str]) -> list[str]:
    """Kinds of hands, and where joints lie."""
    parts = ["<h2>Kinds of hands, and offsets of joints</h2>"]
    parts += [f"<p>{_e(text)}</p>" for text in findings.sentences(assessments, names)]
    for name, assessment in zip(names, assessments, strict=True):
        if rows := findings.group_rows(assessment):
            parts += [f"<h3>{_e(name)}: kinds of hands</h3>", _table(rows)]
        if rows := findings.offset_rows(assessment):
            parts += [f"<h3>{_e(name)}: mean offsets of joints</h3>", _table(rows)]
            parts.append(
                "<p class=small>Of predicted joints from labelled ones, in the labelled hand's own "
                "frame, in percent of wrist - middle MCP; mean over all hands. Data sets put "
                "joints at different places of the hand.</p>"
            )
    return parts if len(parts) > 1 else []


def _gallery(name: str, assessment: Assessment) -> list[str]:
    parts, group = [f"<h2>{_e(name)}: samples</h2>"], None
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
            f"<h4>{_e(sample_line(assessment, shown['number']))}</h4>"
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


def _gradient(colours: np.ndarray) -> str:
    """Colours [1, N, 3] as a background, from left to right."""
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in colours[0])
    return f"linear-gradient(90deg, {stops})"


def _turnable(shown: Mapping[str, Any]) -> str:
    """A canvas whose hand the page's script draws."""
    hands = {
        name: None if shown[key] is None else np.round(shown[key], 1).tolist()
        for name, key in (("hand", "xyz_mm"), ("truth", "xyz_true_mm"))
    }
    return (
        f"<canvas width={CANVAS_SIDE} height={CANVAS_SIDE} "
        f'data-hands="{html.escape(json.dumps(hands))}"></canvas>'
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
    return _img(encoded.tobytes(), "jpeg", what)


def _plot(figure, what: str) -> str:
    width = 96 * figure.get_figwidth()  # no narrower than what leaves its text readable
    style = f"width: {width:.0f}px; min-width: {0.72 * width:.0f}px"
    return f"<p class=plot>{_img(charts.png(figure), 'png', what, style)}</p>"


def _img(content: bytes, kind: str, what: str, style: str = "") -> str:
    data = base64.b64encode(content).decode("ascii")
    styled = f' style="{style}"' if style else ""
    return (
        f'<img alt="{_e(what)}" title="{_e(what)}"{styled} src="data:image/{kind};base64,{data}">'
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (
        "".join(f"<{tag}>{_e(cell)}</{tag}>" for cell in row)
        for tag, row in [("th", rows[0]), *(("td", row) for row in rows[1:])]
    )
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _e(text: object) -> str:
    return html.escape(str(text))
