"""Plots of a report as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kerashand.evaluation.errors import hits
from kerashand.geometry.camera import PRECISE_SHARE
from kerashand.reference_curves import STB_AUC, STB_CURVES, STB_THRESHOLDS_MM
from kerashand.reports import breakdown
from kerashand.reports.assessment import Assessment, sample_error
from kerashand.skeleton import JOINT_NAMES
from kerashand.visualize.images import GRID
from kerashand.visualize.pages import curve_colour

DPI = 200


def png(figure: Figure) -> bytes:
    """The figure as a file."""
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()


def _axes(width: float = 5.6, height: float = 4.4):
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color=np.asarray(GRID) / 255.0)
    axes.set_axisbelow(True)
    return figure, axes


def pck(assessments: Sequence[Assessment], names: Sequence[str], *, published: bool) -> Figure:
    """3D PCK of all models, with the published curves of STB where they belong."""
    figure, axes = _axes()
    for number, (name, assessment) in enumerate(zip(names, assessments, strict=True)):
        numbers = assessment.numbers
        axes.plot(
            numbers["thresholds_mm"], numbers["pck"], color=curve_colour(number), lw=2,
            label=f"{name} ({numbers['auc']:.3f})",
        )  # fmt: skip
    if published:
        published_curves(axes)
    axes.set_xlabel("error threshold (mm)")
    axes.set_ylabel("share of joints within the threshold (3D PCK)")
    axes.set_ylim(0.0, 1.02)
    axes.legend(title="model (AUC)", loc="lower right")
    return figure


def published_curves(axes) -> None:
    """The curves of STB, grey and broken."""
    for style, (name, shares) in zip(("--", "-.", ":"), STB_CURVES.items(), strict=True):
        axes.plot(
            STB_THRESHOLDS_MM, shares, style, color="0.45", lw=1.3,
            label=f"{name}, published for STB ({STB_AUC[name]:.3f})",
        )  # fmt: skip


def pck_2d(assessments: Sequence[Assessment], names: Sequence[str]) -> Figure:
    """Share of joints within a share of the hand's box."""
    figure, axes = _axes()
    shares = np.linspace(0.0, 0.3, 61)
    for number, (name, assessment) in enumerate(zip(names, assessments, strict=True)):
        found = [hits(assessment.arrays, share).mean() for share in shares]
        axes.plot(shares, found, color=curve_colour(number), lw=2, label=name)
    axes.set_xlabel("error threshold (share of the longer side of the hand's box)")
    axes.set_ylabel("share of joints within the threshold (2D PCK)")
    axes.set_ylim(0.0, 1.02)
    axes.legend(loc="lower right")
    return figure


def joints(assessments: Sequence[Assessment], names: Sequence[str]) -> Figure:
    """Mean error of each joint, from the wrist down to the little finger."""
    figure, axes = _axes(height=6.4)
    width = 0.8 / len(assessments)
    for number, (name, assessment) in enumerate(zip(names, assessments, strict=True)):
        means = breakdown.joint_means(assessment)
        places = np.arange(len(means)) + (number - (len(assessments) - 1) / 2) * width
        axes.barh(places, np.nan_to_num(means), width, color=curve_colour(number), label=name)
    axes.set_yticks(range(len(JOINT_NAMES)), JOINT_NAMES)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel(f"mean error ({breakdown.unit_of(assessments[0])})")
    _legend_above(figure, axes)
    return figure


def factors(assessments: Sequence[Assessment], names: Sequence[str]) -> dict[str, Figure]:
    """Error against what it may depend on, by what that is; only what is known of some model."""
    figures = {}
    for factor, words in breakdown.FACTORS.items():
        found = [breakdown.by_factor(assessment, factor) for assessment in assessments]
        if not any(found):
            continue
        figure, axes = _axes(height=3.4)
        for number, (name, bins) in enumerate(zip(names, found, strict=True)):
            if bins is None:
                continue
            colour = curve_colour(number)
            axes.plot(bins.centre, bins.mean, "o-", color=colour, ms=4, label=name)
            axes.fill_between(bins.centre, bins.low, bins.high, color=colour, alpha=0.18, lw=0)
            axes.set_ylabel(f"mean error ({bins.unit})")
        axes.set_xlabel(words)
        axes.set_ylim(bottom=0.0)
        _legend_above(figure, axes)
        figures[words] = figure
    return figures


def _legend_above(figure: Figure, axes) -> None:
    """The legend where it hides nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def calibration(assessments: Sequence[Assessment], names: Sequence[str]) -> Figure:
    """Confidence against what it is worth."""
    figure, axes = _axes()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="confidence = share")
    for number, (name, assessment) in enumerate(zip(names, assessments, strict=True)):
        found = breakdown.calibration(assessment)
        axes.plot(
            found.stated, found.true, "o-", color=curve_colour(number), ms=4,
            label=f"{name} ({found.error:.3f})",
        )  # fmt: skip
    axes.set_xlabel("confidence that the model states (means of ten ranges)")
    axes.set_ylabel(f"share of these joints within {PRECISE_SHARE:g} of the crop's side")
    axes.set_xlim(0.0, 1.02)
    axes.set_ylim(0.0, 1.02)
    axes.legend(title="model (calibration error)", loc="best")
    return figure


def pairs(first: Assessment, second: Assessment, names: Sequence[str]) -> Figure:
    """Sample by sample: the error of the second model over that of the first."""
    figure, axes = _axes(5.6, 5.0)
    one, two = sample_error(first.arrays), sample_error(second.arrays)
    top = float(np.nanquantile(np.concatenate([one, two]), 0.995)) * 1.05
    axes.plot([0, top], [0, top], color="0.6", lw=1, ls="--")
    axes.scatter(one, two, s=9, alpha=0.4, color=curve_colour(0), lw=0)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    unit = breakdown.unit_of(first)
    axes.set_xlabel(f"error of {names[0]} on a hand ({unit})")
    axes.set_ylabel(f"error of {names[1]} on the same hand ({unit})")
    return figure
