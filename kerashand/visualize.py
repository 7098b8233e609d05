"""Pictures of samples and results: skeletons, depth maps, contact sheets, curves.

Everything is drawn off screen, with OpenCV (images) or a Matplotlib `Figure` of its own (pages with
text), so that no global state of pyplot is touched and threads may draw at the same time.

Convention: images are RGB; pixel centres lie at integers, so enlarging an image by `scale` moves a
point p to (p + 0.5) * scale - 0.5.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from kerashand.geometry.depth import normalise_depth
from kerashand.geometry.pose import scale_from_joints
from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, NUM_JOINTS, ROOT

Image = NDArray[np.uint8]

NEW_VIEW_DEG = (65.0, 20.0)
"""(turn, elevation) of `draw_skeleton_3d`: far enough round to show depth, not edge-on."""

MISSING_COLOUR = (128, 128, 128)
"""Flat grey of pixels without a depth measurement."""

PAPER = (250, 250, 250)
INK = (40, 40, 40)
GRID = (222, 222, 226)
TRUTH_COLOUR = (150, 150, 150)
_SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 px
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DPI = 110


# --------------------------------------------------------------------------- single images


def as_uint8(image: ArrayLike) -> Image:
    """Round an image [H, W, 3] or [H, W] of 0..255 to uint8, contiguous and writable."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.clip(np.round(np.asarray(image, np.float64)), 0, 255).astype(np.uint8)
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    return np.array(image, order="C")


def enlarge(image: ArrayLike, scale: int, *, smooth: bool = True) -> Image:
    """Enlarge an image [H, W, 3] of 0..255 to uint8 [scale * H, scale * W, 3]."""
    image = as_uint8(image)
    size = (image.shape[1] * scale, image.shape[0] * scale)
    interpolation = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    return cv2.resize(image, size, interpolation=interpolation)


def draw_skeleton(image_rgb: ArrayLike, uv_px: ArrayLike, *, scale: int = 3) -> Image:
    """Draw coloured bones and joints over an enlarged picture.

    Args:
        image_rgb: [H, W, 3] RGB of 0..255.
        uv_px: [K, 2] joints in pixels of `image_rgb`; joints outside are cut off.
        scale: Enlargement.

    Returns:
        [scale * H, scale * W, 3] uint8 RGB.
    """
    canvas = enlarge(image_rgb, scale)
    points = (np.asarray(uv_px, np.float64) + 0.5) * scale - 0.5
    width = max(canvas.shape[0] / 110.0, 1.0)
    # From the finger tips back to the palm, so that the knuckles end on top.
    for bone in reversed(range(len(BONES))):
        start, end = (points[joint] for joint in BONES[bone])
        _line(canvas, start, end, (0, 0, 0), width + 2.0)
        _line(canvas, start, end, BONE_COLOURS[bone], width)
    for joint in reversed(range(NUM_JOINTS)):
        _disc(canvas, points[joint], 1.1 * width + 1.0, (0, 0, 0))
        _disc(canvas, points[joint], 1.1 * width, JOINT_COLOURS[joint])
    return canvas


def draw_skeleton_3d(
    xyz_mm: ArrayLike,
    *,
    size_px: int = 384,
    view_deg: tuple[float, float] = NEW_VIEW_DEG,
    truth_mm: ArrayLike | None = None,
    grid: bool = True,
) -> Image:
    """Draw a skeleton from another view point, a second one in grey underneath.

    The view is a parallel projection about the middle of the hand (of the truth, if given). Far
    bones are drawn first, thinner and paler than near ones.

    Convention: `view_deg` = (0, 0) looks along the camera's axis. A positive turn walks round the
    hand to the camera's right, a positive elevation rises above it.

    Args:
        xyz_mm: [K, 3] joints, root-relative or in the camera's frame.
        size_px: Side of the picture.
        view_deg: Turn about the vertical axis and elevation.
        truth_mm: [K, 3] joints in the same frame, or None.
        grid: Draw a floor of 50 mm squares below the hand.

    Returns:
        [size_px, size_px, 3] uint8 RGB.
    """
    hand = np.asarray(xyz_mm, np.float64)
    truth = None if truth_mm is None else np.asarray(truth_mm, np.float64)
    framed = hand if truth is None else truth
    centre = (framed.min(axis=0) + framed.max(axis=0)) / 2.0
    reach = np.linalg.norm(framed - centre, axis=1).max()
    # The frame follows the truth, wider where the prediction lies beside it, but not without end.
    reach = max(reach, min(np.linalg.norm(hand - centre, axis=1).max(), 1.6 * reach), 1.0)
    rotation = _view_rotation(*view_deg)
    fine = 2 * size_px  # halved at the end: smoother than OpenCV's anti-aliasing alone
    zoom = 0.44 * fine / reach

    def view(points: np.ndarray) -> np.ndarray:
        """Pixels and depth of -1 (near) .. 1 (far): [N, 3]."""
        turned = (points - centre) @ rotation.T
        pixels = turned[:, :2] * zoom + (fine - 1) / 2.0
        return np.concatenate([pixels, turned[:, 2:] / reach], axis=1)

    canvas = np.full((fine, fine, 3), PAPER, np.uint8)
    if grid:
        _draw_floor(canvas, view, framed, centre, reach)
    if truth is not None:
        colours = np.full((NUM_JOINTS, 3), TRUTH_COLOUR)
        _draw_ordered(canvas, view(truth), colours[1:], colours, width=fine / 64.0)
    _draw_ordered(canvas, view(hand), BONE_COLOURS, JOINT_COLOURS, width=fine / 80.0)
    return cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)


def colour_depth(depth_normalised: ArrayLike, weight: ArrayLike | None = None) -> Image:
    """Colour a normalised depth map: warm is near, dark is background, grey is no measurement.

    Args:
        depth_normalised: [D, D] or [D, D, 1] of 0 (far end of the window) .. 1 (near end).
        weight: As `depth_normalised`, 0 where nothing was measured; None means all was.

    Returns:
        [D, D, 3] uint8 RGB.
    """
    depth = np.clip(_plane(depth_normalised), 0.0, 1.0)
    levels = np.round(depth * 255.0).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[:, :, ::-1].astype(np.float64)
    # Turbo starts in a dark violet; fade it to nearly black so that the background stays back.
    colours *= np.clip(0.35 + 4.0 * depth, 0.0, 1.0)[:, :, None]
    if weight is not None:
        colours[_plane(weight) <= 0] = MISSING_COLOUR
    return as_uint8(colours)


def colour_mask(mask: ArrayLike) -> Image:
    """Colour a mask [H, W] (positive = hand): uint8 RGB [H, W, 3]."""
    return np.where(_plane(mask)[:, :, None] > 0, np.uint8([[[240, 240, 235]]]), np.uint8(28))


# --------------------------------------------------------------------------- sheets


def contact_sheet(
    rows: Sequence[Sequence[ArrayLike]],
    *,
    column_titles: Sequence[str] = (),
    captions: Sequence[Sequence[str]] | None = None,
    padding_px: int = 8,
) -> Image:
    """Arrange images in rows and columns.

    Args:
        rows: Lists of RGB images [h, w, 3] of 0..255; sizes and lengths of rows may differ.
        column_titles: One text a column, or none.
        captions: One text under each image, in the nesting of `rows`, or None.
        padding_px: Space between images.

    Returns:
        [H, W, 3] uint8 RGB.

    Raises:
        ValueError: If there is no image.
    """
    grid = [[as_uint8(image) for image in row] for row in rows]
    columns = max((len(row) for row in grid), default=0)
    if columns == 0:
        raise ValueError(f"`rows` must hold at least one image. Received: {len(grid)} empty rows")
    widths = [max(row[c].shape[1] for row in grid if c < len(row)) for c in range(columns)]
    heights = [max((image.shape[0] for image in row), default=0) for row in grid]
    text_px = 22 if captions is not None else 0
    top = padding_px + (26 if column_titles else 0)
    lefts = padding_px + np.cumsum([0, *(w + padding_px for w in widths)])
    tops = top + np.cumsum([0, *(h + text_px + padding_px for h in heights)])
    sheet = np.full((int(tops[-1]), int(lefts[-1]), 3), PAPER, np.uint8)
    for title, left, width in zip(column_titles, lefts, widths, strict=False):
        _text(sheet, title, (left, top - 10), width)
    for r, row in enumerate(grid):
        for c, image in enumerate(row):
            y, x = int(tops[r]), int(lefts[c])
            sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
            if captions is not None and c < len(captions[r]):
                _text(sheet, captions[r][c], (x, y + heights[r] + 15), widths[c])
    return sheet


def sample_sheet(
    samples: Sequence[Any], *, scale: int = 2, samples_per_row: int = 2, first: int = 0
) -> Image:
    """Draw samples of the generator: picture, skeleton over it, depth about the root, mask.

    Depth is shown in the window of Eq. 4 with k = 5 middle MCP-PIP bones.

    Args:
        samples: Objects with `image` [S, S, 3], `uv_px` [K, 2], `xyz_mm` [K, 3], `depth_mm` [S, S]
            and `mask` [S, S], such as `kerashand.synthetic.scene.HandSample`.
        scale: Enlargement.
        samples_per_row: Samples side by side.
        first: Number of the first sample, for the captions.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    panels, captions = [], []
    for number, sample in enumerate(samples, start=first):
        root_mm, scale_mm = sample.xyz_mm[ROOT, 2], scale_from_joints(sample.xyz_mm)
        depth, weight = normalise_depth(sample.depth_mm, root_mm, scale_mm, half_width_scales=5.0)
        panels.append(
            [
                enlarge(sample.image, scale),
                draw_skeleton(sample.image, sample.uv_px, scale=scale),
                enlarge(colour_depth(depth, weight), scale, smooth=False),
                enlarge(colour_mask(sample.mask), scale, smooth=False),
            ]
        )
        captions.append([f"{number}", "", f"root {root_mm:.0f} mm", f"bone {scale_mm:.1f} mm"])
    starts = range(0, len(panels), samples_per_row)
    titles = ["picture", "joints", "depth", "mask"] * min(samples_per_row, len(panels))
    return contact_sheet(
        [sum(panels[start : start + samples_per_row], []) for start in starts],
        column_titles=titles,
        captions=[sum(captions[start : start + samples_per_row], []) for start in starts],
    )


# --------------------------------------------------------------------------- pages of results


def figure_skeletons(
    images: ArrayLike,
    uv_pred_px: ArrayLike,
    xyz_pred_mm: ArrayLike,
    xyz_true_mm: ArrayLike,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    view_deg: tuple[float, float] = NEW_VIEW_DEG,
) -> None:
    """Write a page like Fig. 9 of the paper: one row a sample.

    Columns: picture; predicted skeleton over it; prediction seen along the camera and from a new
    view, the ground truth in grey. The caption gives the errors.

    Args:
        images: [N, S, S, 3] RGB of 0..255.
        uv_pred_px: [N, K, 2] predicted pixels.
        xyz_pred_mm: [N, K, 3] predicted joints in the camera's frame.
        xyz_true_mm: [N, K, 3] true joints in the same frame.
        path: Of the PNG file.
        title: Text above the page.
        view_deg: Turn and elevation of the new view.

    Raises:
        ValueError: If there is no sample.
    """
    prediction, truth = np.asarray(xyz_pred_mm), np.asarray(xyz_true_mm)
    errors_mm = np.linalg.norm(prediction - truth, axis=-1)
    depth_errors_mm = np.abs(prediction - truth)[..., 2]
    rows, captions = [], []
    for n, image in enumerate(np.asarray(images)):
        scale = max(round(384 / image.shape[0]), 1)
        side = scale * image.shape[0]
        views = [
            draw_skeleton_3d(prediction[n], size_px=side, view_deg=view, truth_mm=truth[n])
            for view in ((0.0, 0.0), view_deg)
        ]
        overlay = draw_skeleton(image, np.asarray(uv_pred_px)[n], scale=scale)
        rows.append([enlarge(image, scale), overlay, *views])
        captions.append(
            [
                "",
                "",
                f"depth error {depth_errors_mm[n].mean():.1f} mm",
                f"error {errors_mm[n].mean():.1f} mm (worst joint {errors_mm[n].max():.0f} mm)",
            ]
        )
    titles = ["picture", "prediction", "same view, truth in grey", "new view, truth in grey"]
    _write_page(rows, path, column_titles=titles, captions=captions, title=title)


def figure_depth_maps(
    images: ArrayLike,
    measured: ArrayLike,
    weight: ArrayLike,
    generated: ArrayLike,
    path: str | os.PathLike[str],
    *,
    window_mm: ArrayLike | None = None,
    title: str = "",
) -> None:
    """Write a page like Fig. 8 of the paper: measured and generated depth maps, one row a sample.

    Args:
        images: [N, S, S, 3] RGB of 0..255.
        measured: [N, D, D] or [N, D, D, 1] normalised depth.
        weight: As `measured`, 0 where nothing was measured.
        generated: As `measured`.
        path: Of the PNG file.
        window_mm: [N] width of the depth window, 2 k times the scale bone; turns the differences
            into mm. None leaves them in parts of the window.
        title: Text above the page.

    Raises:
        ValueError: If there is no sample.
    """
    rows, captions = [], []
    widest = 0.1  # of the window: what the brightest colour of a difference stands for
    for n, image in enumerate(np.asarray(images)):
        truth, valid, drawn = (
            _plane(np.asarray(a)[n]).astype(np.float64) for a in (measured, weight, generated)
        )
        difference = np.abs(drawn - truth)
        seen = valid > 0
        hand = seen & ((truth > 0) | (drawn > 0.02))
        cells = colour_difference(difference / widest, valid)
        scale = max(round(384 / image.shape[0]), 1)
        maps = [colour_depth(truth, valid), colour_depth(drawn), cells]
        side = scale * image.shape[0]
        maps = [cv2.resize(m, (side, side), interpolation=cv2.INTER_NEAREST) for m in maps]
        rows.append([enlarge(image, scale), *maps])
        mean = float(difference[hand].mean()) if hand.any() else 0.0
        if window_mm is None:
            text = f"mean {100 * mean:.1f} % of the window"
        else:
            text = f"mean {mean * float(np.asarray(window_mm)[n]):.1f} mm at the hand"
        captions.append(["", f"{100 * (1 - seen.mean()):.0f} % not measured", "", text])
    titles = ["picture", "measured (grey: missing)", "generated", "absolute difference"]
    bars = [
        ("turbo", 0.0, 1.0, "normalised depth (1 near, 0 far end of the window)"),
        ("inferno", 0.0, widest, "absolute difference (parts of the window, clipped)"),
    ]
    _write_page(rows, path, column_titles=titles, captions=captions, title=title, bars=bars)


def colour_difference(share: ArrayLike, weight: ArrayLike | None = None) -> Image:
    """Colour differences [D, D] (1 and above is brightest): uint8 RGB [D, D, 3]."""
    levels = np.round(np.clip(_plane(share), 0.0, 1.0) * 255.0).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1].copy()
    if weight is not None:
        colours[_plane(weight) <= 0] = MISSING_COLOUR
    return colours


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
        colour = np.asarray(_curve_colour(number)) / 255.0
        axes.plot(thresholds_mm, shares, color=colour, linewidth=2, label=f"{name} ({area:.3f})")
    axes.set_xlabel("error threshold (mm)")
    axes.set_ylabel("share of joints within the threshold (3D PCK)")
    axes.set_ylim(0.0, 1.02)
    axes.margins(x=0.01)
    axes.grid(color=np.asarray(GRID) / 255.0)
    axes.set_axisbelow(True)
    axes.legend(title="setting (AUC)", loc="best", frameon=True)
    if title:
        axes.set_title(title)
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=7.5, color="0.35")
    _write_figure(figure, path)


def figure_history(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write the curves of a training: one panel a quantity, stages one after the other.

    Args:
        rows: One an epoch and in order: `stage`, `epoch` (within the stage) and numbers. A
            `val_` name is drawn dashed beside the one without; what a row lacks is left out.
        path: Of the PNG file.

    Raises:
        ValueError: If there is no number to draw.
    """
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if name not in ("stage", "epoch") and any(_is_number(row.get(name)) for row in rows)
    ]
    panels = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    if not panels:
        raise ValueError(f"`rows` must hold numbers to draw. Received: {len(rows)} rows")
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines), dpi=_DPI, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for panel, place in zip(panels, axes.flat, strict=False):
        _draw_history_panel(place, rows, panel)
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place in axes[-1]:
        place.set_xlabel("epoch, all stages")
    _write_figure(figure, path)


def save_png(path: str | os.PathLike[str], image_rgb: ArrayLike) -> None:
    """Write an RGB image [H, W, 3] of 0..255; the file appears under its name when it is whole.

    Raises:
        OSError: If the file cannot be written.
    """
    encoded = cv2.imencode(".png", as_uint8(image_rgb)[:, :, ::-1])[1]
    _write_beside(Path(path), encoded.tobytes())


# --------------------------------------------------------------------------- drawing


def _view_rotation(turn_deg: float, elevation_deg: float) -> np.ndarray:
    turn, elevation = np.deg2rad([turn_deg, elevation_deg])
    cy, sy, cx, sx = np.cos(turn), np.sin(turn), np.cos(elevation), np.sin(elevation)
    # Walking to the right (+x) turns the scene the other way about the vertical axis.
    about_y = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    # Seen from above, what is near lies lower in the picture: -z goes to +y (down).
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
    return about_x @ about_y


def _draw_floor(canvas: Image, view, hand: np.ndarray, centre: np.ndarray, reach: float) -> None:
    """A grid of 50 mm squares under the hand."""
    floor = hand[:, 1].max() + 0.08 * reach
    ticks = np.arange(-3, 4) * 50.0
    for tick in ticks:
        for ends in (
            [[tick, 0.0, ticks[0]], [tick, 0.0, ticks[-1]]],
            [[ticks[0], 0.0, tick], [ticks[-1], 0.0, tick]],
        ):
            points = view(np.array(ends) + [centre[0], floor, centre[2]])
            _line(canvas, points[0, :2], points[1, :2], GRID, 2.0)


def _draw_ordered(canvas: Image, points: np.ndarray, bone_colours, joint_colours, width) -> None:
    """Bones and joints from far to near; `points` [K, 3] are pixels and depth of -1 .. 1."""
    items = [
        (points[[start, end], 2].mean(), bone_colours[bone], (start, end))
        for bone, (start, end) in enumerate(BONES)
    ]
    # A joint is drawn right after the bones that it ends.
    items += [(points[k, 2] - 0.03, joint_colours[k], (k,)) for k in range(NUM_JOINTS)]
    for depth, colour, joints in sorted(items, key=lambda item: -item[0]):
        near = float(np.clip(0.5 - 0.5 * depth, 0.0, 1.0))
        pale = 0.45 * (1.0 - near)
        colour = (1.0 - pale) * np.asarray(colour, float) + pale * np.asarray(PAPER)
        size = width * (0.7 + 0.6 * near)
        if len(joints) == 2:
            _line(canvas, points[joints[0], :2], points[joints[1], :2], colour * 0.55, size * 1.35)
            _line(canvas, points[joints[0], :2], points[joints[1], :2], colour, size)
        else:
            _disc(canvas, points[joints[0], :2], size * 1.0, colour * 0.55)
            _disc(canvas, points[joints[0], :2], size * 0.8, colour)


def _fixed(point: ArrayLike) -> tuple[int, int]:
    """A point in OpenCV's fixed-point pixels, kept within what its integers can hold."""
    scaled = np.clip(np.asarray(point, float), -30000, 30000) * 2**_SUBPIXEL_BITS
    return int(round(scaled[0])), int(round(scaled[1]))


def _line(canvas: Image, start, end, colour, width: float) -> None:
    width = max(round(width), 1)
    colour = [float(c) for c in colour]
    cv2.line(canvas, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _disc(canvas: Image, centre, radius: float, colour) -> None:
    radius = max(round(radius * 2**_SUBPIXEL_BITS), 1)
    colour = [float(c) for c in colour]
    cv2.circle(canvas, _fixed(centre), radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _text(canvas: Image, text: str, origin, width: float) -> None:
    """One line of text at a baseline, made smaller where it would not fit."""
    size = 0.5
    wide = cv2.getTextSize(text, _FONT, size, 1)[0][0]
    if wide > width:
        size = max(size * width / wide, 0.3)
    cv2.putText(
        canvas, text, (int(origin[0]), int(origin[1])), _FONT, size, INK, 1, cv2.LINE_AA
    )  # fmt: skip


def _plane(values: ArrayLike) -> np.ndarray:
    """Drop the channel axis of a map [D, D, 1]."""
    values = np.asarray(values)
    return values[:, :, 0] if values.ndim == 3 else values


def _curve_colour(number: int) -> tuple[int, int, int]:
    """Colours of curves: those of the fingers, then of the wrist, in an order that contrasts."""
    order = (1, 9, 13, 5, 17, 0)
    return tuple(JOINT_COLOURS[order[number % len(order)]].tolist())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _draw_history_panel(axes, rows: Sequence[Mapping[str, Any]], panel: str) -> None:
    stages = [row.get("stage", "") for row in rows]
    for number, stage in enumerate(dict.fromkeys(stages)):
        colour = np.asarray(_curve_colour(number)) / 255.0
        for name, style in ((panel, "o-"), (f"val_{panel}", "s--")):
            points = [
                (place + 1, row[name])
                for place, row in enumerate(rows)
                if stages[place] == stage and _is_number(row.get(name))
            ]
            if points:
                label = f"{stage}, validation" if name != panel else str(stage)
                axes.plot(*zip(*points, strict=True), style, color=colour, ms=3.5, label=label)
    values = [row[n] for row in rows for n in (panel, f"val_{panel}") if _is_number(row.get(n))]
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
    axes.set_title(panel, fontsize=10)
    axes.set_xlim(0.5, len(rows) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color=np.asarray(GRID) / 255.0)
    axes.legend(fontsize=7)


def _write_page(
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
    _write_figure(figure, path)


def _write_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG; the file appears under its name when it is whole."""
    from io import BytesIO

    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    _write_beside(Path(path), buffer.getvalue())


def _write_beside(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
