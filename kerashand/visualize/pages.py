"""Pages of results with text: predictions, depth maps, PCK curves, the history of a training."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from kerashand.skeleton import JOINT_COLOURS
from kerashand.visualize.files import save_figure
from kerashand.visualize.images import (
    GRID,
    WIDEST_MM,
    Image,
    colour_depth,
    colour_difference,
    enlarge,
    plane,
    plot_skeleton,
)
from kerashand.visualize.space import NEW_VIEW_DEG, draw_skeleton_3d

_DPI = 110
_TRAINING, _VALIDATION = "o-", "s--"
DRAWN_LEVEL = 0.02
"""Normalised depth above which the regularizer draws a hand, not the far end of the window."""


def figure_skeletons(
    images: ArrayLike,
    *,
    uv_pred_px: ArrayLike,
    xyz_pred_mm: ArrayLike,
    xyz_true_mm: ArrayLike,
    path: str | os.PathLike[str],
    title: str = "",
    view_deg: tuple[float, float] = NEW_VIEW_DEG,
) -> None:
    """Write a page like Fig. 9 of the paper: one row a sample.

    Columns: picture; predicted skeleton over it; prediction seen along the camera and from a new
    view, the ground truth in grey where it is known. The caption gives the errors.

    Args:
        images: [N, S, S, 3] RGB of 0..255.
        uv_pred_px: [N, K, 2] predicted pixels.
        xyz_pred_mm: [N, K, 3] predicted joints in the camera's frame.
        xyz_true_mm: [N, K, 3] true joints in the same frame, NaN where they are not known.
        path: Of the PNG file.
        title: Text above the page.
        view_deg: Turn and elevation of the new view.

    Raises:
        ValueError: If there is no sample.
    """
    prediction, truth = np.asarray(xyz_pred_mm), np.asarray(xyz_true_mm)
    known = np.isfinite(truth).all(axis=(1, 2))
    errors_mm = np.linalg.norm(prediction - truth, axis=-1)
    depth_errors_mm = np.abs(prediction - truth)[..., 2]
    rows, captions = [], []
    for n, image in enumerate(np.asarray(images)):
        scale = max(round(384 / image.shape[0]), 1)
        side = scale * image.shape[0]
        views = [
            draw_skeleton_3d(
                prediction[n], size_px=side, view_deg=view, truth_mm=truth[n] if known[n] else None
            )
            for view in ((0.0, 0.0), view_deg)
        ]
        overlay = plot_skeleton(image, np.asarray(uv_pred_px)[n], scale=scale)
        rows.append([enlarge(image, scale), overlay, *views])
        texts = ["", ""]
        if known[n]:
            texts = [
                f"depth error {depth_errors_mm[n].mean():.1f} mm",
                f"error {errors_mm[n].mean():.1f} mm (worst joint {errors_mm[n].max():.0f} mm)",
            ]
        captions.append(["", "", *texts])
    grey = ", truth in grey" if known.any() else ""
    titles = ["picture", "prediction", f"same view{grey}", f"new view{grey}"]
    write_page(rows, path, column_titles=titles, captions=captions, title=title)


def figure_depth_maps(
    images: ArrayLike,
    *,
    measured: ArrayLike,
    weight: ArrayLike,
    generated: ArrayLike,
    path: str | os.PathLike[str],
    window_mm: ArrayLike,
    title: str = "",
) -> None:
    """Write a page like Fig. 8 of the paper: measured and generated depth maps, one row a sample.

    The caption gives the mean difference where a hand is drawn: other surfaces in the window, which
    no skeleton tells of, do not count.

    Args:
        images: [N, S, S, 3] RGB of 0..255.
        measured: [N, D, D] or [N, D, D, 1] normalised depth.
        weight: As `measured`, 0 where nothing was measured.
        generated: As `measured`.
        path: Of the PNG file.
        window_mm: [N] width of the depth window, 2 k times the scale bone.
        title: Text above the page.

    Raises:
        ValueError: If there is no sample.
    """
    rows, captions = [], []
    for n, image in enumerate(np.asarray(images)):
        truth, valid, drawn = (
            plane(np.asarray(a)[n]).astype(np.float64) for a in (measured, weight, generated)
        )
        difference_mm = np.abs(drawn - truth) * float(np.asarray(window_mm)[n])
        seen = valid > 0
        hand = seen & (drawn > DRAWN_LEVEL)
        cells = colour_difference(difference_mm / WIDEST_MM, valid)
        scale = max(round(384 / image.shape[0]), 1)
        maps = [colour_depth(truth, valid), colour_depth(drawn), cells]
        side = scale * image.shape[0]
        large = [cv2.resize(m, (side, side), interpolation=cv2.INTER_NEAREST) for m in maps]
        rows.append([enlarge(image, scale), *(np.asarray(m, np.uint8) for m in large)])
        text = f"{difference_mm[hand].mean():.1f} mm where a hand is drawn" if hand.any() else ""
        captions.append(["", f"{100 * (1 - seen.mean()):.0f} % not measured", "", text])
    titles = ["picture", "measured (grey: missing)", "generated", "absolute difference"]
    bars = [
        (
            "turbo",
            0.0,
            1.0,
            "depth in the window about the wrist (0: its far end, 1: its near end)",
        ),
        ("inferno", 0.0, WIDEST_MM, "absolute difference (mm, brightest from here on)"),
    ]
    write_page(rows, path, column_titles=titles, captions=captions, title=title, bars=bars)


def figure_pck(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
    path: str | os.PathLike[str],
    *,
    title: str = "",
    conditions: str = "",
) -> None:
    """Write a plot of PCK curves.

    Args:
        curves: Name -> (thresholds in mm [T], shares of 0..1 [T], AUC).
        path: Of the PNG file.
        title: Text above the plot.
        conditions: Of the protocol, printed below the plot.

    Raises:
        ValueError: If there is no curve.
    """
    if not curves:
        raise ValueError("`curves` must hold at least one curve. Received: curves={}")
    lines = textwrap.wrap(conditions, 105)
    figure = Figure(figsize=(7.2, 4.8 + 0.16 * len(lines)), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for number, (name, (thresholds_mm, shares, area)) in enumerate(curves.items()):
        axes.plot(
            thresholds_mm, shares, color=curve_colour(number), lw=2, label=f"{name} ({area:.3f})"
        )
    style_curves(axes, title=title, legend="setting (AUC)")
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=7.5, color="0.35")
    save_figure(figure, path)


def figure_history(
    rows: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    panels: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> None:
    """Write the curves of a training: one panel a quantity, stages one after the other.

    `loss` is drawn only where it stands alone: else its parts are, and its sum is over other parts
    in each stage.

    Args:
        rows: One an epoch and in order: `stage`, `epoch` (within the stage) and numbers. A
            `val_` name is drawn dashed beside the one without; what a row lacks is left out.
        path: Of the PNG file.
        panels: Name of a number -> title of its panel, and unit. They come first and in this order;
            other numbers follow under their names.

    Raises:
        ValueError: If there is no number to draw.
    """
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if name not in ("stage", "epoch") and any(_is_number(row.get(name)) for row in rows)
    ]
    found = dict.fromkeys(name.removeprefix("val_") for name in names)
    shown = [name for name in dict.fromkeys([*panels, *found]) if name in found]
    if len(shown) > 1 and "loss" in shown:
        shown.remove("loss")
    if not shown:
        raise ValueError(f"`rows` must hold numbers to draw. Received: {len(rows)} rows")
    columns = min(len(shown), 3)
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines), dpi=_DPI, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for name, place in zip(shown, axes.flat, strict=False):
        _draw_history_panel(place, rows, name)
        title, unit = panels.get(name, (name, ""))
        place.set_title(title, fontsize=10)
        place.set_ylabel(unit, fontsize=9)
    for place in axes.flat[len(shown) :]:
        place.set_axis_off()
    figure.supxlabel(
        "epoch, all stages; each stage has its own data, so that errors of two are not of the same "
        "hands",
        fontsize=9,
    )
    kinds = [
        Line2D([], [], color="0.3", ls=style[1:], marker=style[0], ms=3.5, label=label)
        for style, label in ((_TRAINING, "training"), (_VALIDATION, "validation"))
    ]
    figure.legend(handles=kinds, loc="outside upper center", ncols=2, frameon=False)
    save_figure(figure, path)


def style_curves(axes, *, title: str = "", legend: str = "") -> None:
    """Axes, grid and legend of a plot of PCK curves in mm."""
    axes.set_xlabel("error threshold (mm)")
    axes.set_ylabel("share of joints within the threshold (3D PCK)")
    axes.set_ylim(0.0, 1.02)
    axes.margins(x=0.01)
    axes.grid(color=np.asarray(GRID) / 255.0)
    axes.set_axisbelow(True)
    axes.legend(title=legend, loc="best", frameon=True)
    if title:
        axes.set_title(title)


def curve_colour(number: int) -> np.ndarray:
    """RGB of 0..1 of curves: the colours of the fingers in an order that contrasts, then grey."""
    order = (1, 13, 9, 5, 17, 0)
    return JOINT_COLOURS[order[number % len(order)]] / 255.0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _draw_history_panel(axes, rows: Sequence[Mapping[str, Any]], panel: str) -> None:
    stages = [str(row.get("stage", "")) for row in rows]
    for number, stage in enumerate(dict.fromkeys(stages)):
        places = [place + 1 for place in range(len(rows)) if stages[place] == stage]
        axes.axvspan(places[0] - 0.5, places[-1] + 0.5, color=curve_colour(number), alpha=0.06)
        axes.text(
            np.mean([places[0], places[-1]]), 0.98 - 0.08 * (number % 2), stage,
            color=curve_colour(number), fontsize=8, ha="center", va="top",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        for name, style in ((panel, _TRAINING), (f"val_{panel}", _VALIDATION)):
            points = [
                (place, rows[place - 1][name])
                for place in places
                if _is_number(rows[place - 1].get(name))
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=curve_colour(number), ms=3.5)
    values = [row[n] for row in rows for n in (panel, f"val_{panel}") if _is_number(row.get(n))]
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
    axes.margins(y=0.14)
    axes.set_xlim(0.5, len(rows) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color=np.asarray(GRID) / 255.0)


def write_page(
    rows: Sequence[Sequence[Image]],
    path: str | os.PathLike[str],
    *,
    column_titles: Sequence[str],
    captions: Sequence[Sequence[str]],
    title: str = "",
    bars: Sequence[tuple[str, float, float, str]] = (),
) -> None:
    """Write rows of square images with titles, captions, and colour bars (map, low, high, text)."""
    if not rows:
        raise ValueError("a page must show at least one sample. Received: 0 samples")
    cell, columns = 2.6, len(column_titles)
    below = 0.55 if bars else 0.1
    above = 0.75 if title else 0.4
    width, height = cell * columns, (cell + 0.25) * len(rows) + below + above
    figure = Figure(figsize=(width, height), dpi=_DPI + 40)
    figure.patch.set_facecolor("white")
    if title:
        figure.text(0.5, 1.0 - 0.2 / height, title, ha="center", va="center", fontsize=12)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            bottom = height - above - (r + 1) * (cell + 0.25) + 0.25
            place = (c / columns + 0.03 / width, bottom / height)
            axes = figure.add_axes((*place, (cell - 0.06) / width, (cell - 0.06) / height))
            axes.imshow(image, interpolation="antialiased")
            axes.set_axis_off()
            axes.text(
                0.5, -0.03, captions[r][c], transform=axes.transAxes, ha="center", va="top",
                fontsize=9,
            )  # fmt: skip
            if r == 0:
                axes.set_title(column_titles[c], fontsize=10)
    for number, (colours, low, high, text) in enumerate(bars):
        left = (number + 0.1) / len(bars)
        axes = figure.add_axes((left, 0.38 / height, 0.8 / len(bars), 0.1 / height))
        axes.imshow(np.linspace(low, high, 256)[None], aspect="auto", cmap=colours,
                    extent=(low, high, 0, 1))  # fmt: skip
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.set_xlabel(text, fontsize=8, labelpad=1)
    save_figure(figure, path)
