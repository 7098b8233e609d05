"""One HTML file with all of a report in it: plots, galleries, hands that turn with the mouse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources

import numpy as np

from kerashand.evaluation.errors import LOST_PX, PCK_2D_SHARE
from kerashand.evaluation.tables import COLUMNS as COLUMNS_OF_A_RUN
from kerashand.evaluation.tables import cells, held_columns
from kerashand.geometry.camera import HAND_MARGIN, PRECISE_SHARE
from kerashand.metrics import PROTOCOLS
from kerashand.reports import breakdown, charts, findings
from kerashand.reports.assessment import Assessment
from kerashand.reports.gallery import gallery
from kerashand.reports.markup import as_table, escaped, gradient, plot
from kerashand.reports.verdict import verdict
from kerashand.skeleton import BONES, JOINT_COLOURS
from kerashand.visualize.images import colour_depth, colour_difference

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
    ("surely, probably", "of the first line: the 99 % interval, or the 95 % interval, of the "
     "difference of two models excludes 0; both are measured on the same hands"),
    ("95 % interval, 99 % interval", "of the mean over hands, by "
     f"{breakdown.RESAMPLES} bootstrap resamples"),
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
    made: str,
    command: str,
    names: Sequence[str] | None = None,
    differences: Sequence[breakdown.Difference] = (),
    published: bool = False,
    origin: str = "",
) -> str:
    """The page.

    Args:
        assessments: of one or more models.
        made: when, on what machine and with what versions, in words.
        command: that made the report.
        names: of the models; None for the ends of their paths.
        differences: of the second to the first, where there are two.
        published: draw the published curves of STB.
        origin: whose data these are, to be read after the name of the data.
    """
    names = names or breakdown.names_apart([assessment.name for assessment in assessments])
    first, found = assessments[0], verdict(assessments, names)
    parts = [f"<h1>{escaped(' and '.join(names))}</h1>"]
    parts.append(f"<p class=verdict>{escaped(found.text)}</p>")
    parts.append(f"<p class=small>{escaped(found.reason)}</p>")
    parts.append(f"<p>On {escaped(first.data + origin)}.</p>")
    parts.append(f"<p class=small>{escaped(made)}</p>")
    parts.append(as_table(table(assessments, names)))
    parts.append(f"<p class=small>{escaped(conditions(assessments, names))}</p>")
    meanings = "".join(f"<dt>{escaped(word)}<dd>{escaped(text)}" for word, text in MEANINGS)
    parts.append(
        f"<details><summary>What the numbers mean</summary><dl>{meanings}</dl>"
        "<p>docs/protocols.md of the package says more.</p></details>"
    )
    if differences:
        parts.append(f"<h2>{escaped(names[1])} against {escaped(names[0])}, sample by sample</h2>")
        parts += [f"<p>{escaped(difference.text(names))}.</p>" for difference in differences]
        parts.append(plot(charts.pairs(assessments[0], assessments[1], names), "pairs of errors"))
    parts.append("<h2>Curves and confidence</h2><div class=plots>")
    if all("pck" in assessment.numbers for assessment in assessments):
        parts.append(plot(charts.pck(assessments, names, published=published), "3D PCK"))
    parts.append(plot(charts.pck_2d(assessments, names), "2D PCK"))
    parts.append(plot(charts.calibration(assessments, names), "confidence against hits"))
    parts.append("</div>")
    parts += _errors(assessments, names)
    parts += _findings(assessments, names)
    for name, assessment in zip(names, assessments, strict=True):
        if assessment.shown:
            parts += gallery(name, assessment)
    parts.append("<h2>Made with</h2>")
    parts.append(f"<pre>{escaped(command)}</pre>")
    parts.append(
        as_table([("model", "what"), *zip(names, [a.name for a in assessments], strict=True)])
    )
    template = (resources.files("kerashand.reports") / "page.html").read_text(encoding="utf-8")
    shares = np.linspace(0.0, 1.0, 17)[None]
    replaced = {
        "DEPTH": gradient(colour_depth(1.0 - shares)),
        "DIFFERENCE": gradient(colour_difference(shares)),
        "BONES": json.dumps(np.asarray(BONES).tolist()),
        "COLOURS": json.dumps(np.asarray(JOINT_COLOURS).tolist()),
        "TITLE": escaped(" and ".join(names)),
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
    parts = ["<h2>Errors by joint and finger</h2>", as_table(rows)]
    parts.append(plot(charts.joints(assessments, names), "error of each joint"))
    if figures := charts.factors(assessments, names):
        parts.append("<h2>What errors depend on</h2>")
        parts.append(
            "<p class=small>Each point is the mean of an equal share of the hands, with its 95 % "
            "interval. A joint is hidden where the measured depth lies before it.</p>"
        )
        plots = (plot(figure, f"error against {what}") for what, figure in figures.items())
        parts.append(f"<div class=plots>{''.join(plots)}</div>")
    return parts


def _findings(assessments: Sequence[Assessment], names: Sequence[str]) -> list[str]:
    """Kinds of hands, and where joints lie."""
    parts = ["<h2>Kinds of hands, and offsets of joints</h2>"]
    parts += [f"<p>{escaped(text)}</p>" for text in findings.sentences(assessments, names)]
    for name, assessment in zip(names, assessments, strict=True):
        if rows := findings.group_rows(assessment):
            parts += [f"<h3>{escaped(name)}: kinds of hands</h3>", as_table(rows)]
        if rows := findings.offset_rows(assessment):
            parts += [f"<h3>{escaped(name)}: mean offsets of joints</h3>", as_table(rows)]
            parts.append(
                "<p class=small>Of predicted joints from labelled ones, in the labelled hand's own "
                "frame, in percent of wrist - middle MCP; mean over all hands. Data sets put "
                "joints at different places of the hand.</p>"
            )
    return parts if len(parts) > 1 else []
