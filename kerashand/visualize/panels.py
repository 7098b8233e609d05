"""Hands in space beside a picture: from the sides, or turning; fast enough for each video frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, MIDDLE_MCP
from kerashand.visualize.images import GRID, PAPER, Image
from kerashand.visualize.space import draw_disc, draw_lines, draw_ordered, view_rotation

Cell = tuple[int, int, int, int]
"""Left, top, width, height of a part of a picture, in pixels."""

ELEVATION_DEG = 20.0
TURN_DEG_S = 30.0
"""How fast a film's view turns: once round in 12 seconds."""
STILL_VIEWS = (
    ("three-quarter view", (35.0, ELEVATION_DEG)),
    ("from above", (0.0, 90.0)),
    ("from the right", (90.0, 0.0)),
)
"""Of a picture: what each view is called, its turn and its elevation. The first one is large."""
REACH_PALMS = 1.2
"""No joint is farther from the middle knuckle, in lengths from the wrist to that knuckle."""
HALF_SIDE_REACHES = 1.3
"""Half the shorter side of a view, so that the floor and the camera on it are seen too."""
FLOOR_REACHES = 0.9
"""How far the floor is below the middle knuckle."""
CAMERA_REACHES = (-1.2, -1.0, -0.5)
"""z of the camera on the floor: of its eye, of its picture, and of the end of its line of sight."""
SHADOW, CAMERA_INK, TEXT_INK = (205, 205, 210), (120, 120, 135), (40, 40, 40)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def turn_at(time_s: float) -> float:
    """The turn in degrees of a film's view: 0 at first, then round to the camera's right."""
    return TURN_DEG_S * time_s % 360.0


def project(
    points_mm: ArrayLike, *, size_px: tuple[int, int], view_deg: tuple[float, float],
    reach_mm: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Parallel projection of points about a hand's middle knuckle.

    Convention: as of `draw_skeleton_3d`. With `view_deg` = (0, 0), reach_mm = 100 and a view of
    261 x 261 px, a millimetre is a pixel, and the point (10, -20, 30) is at (140, 110).

    Args:
        points_mm: [N, 3] x right, y down, z away from the camera.
        size_px: Width, height of the view; the middle knuckle is in its middle.
        view_deg: Turn and elevation.
        reach_mm: Half the shorter side is `HALF_SIDE_REACHES` of it.

    Returns:
        [N, 3] pixels u, v, and depth in reaches, larger is farther.
    """
    turned = np.asarray(points_mm, np.float64) @ view_rotation(*view_deg).T
    zoom = (min(size_px) - 1) / 2.0 / (HALF_SIDE_REACHES * reach_mm)
    middle = (np.array(size_px) - 1) / 2.0
    return np.concatenate([turned[:, :2] * zoom + middle, turned[:, 2:] / reach_mm], axis=1)


def turning_panel(
    hands_mm: Sequence[ArrayLike],
    *,
    size_px: tuple[int, int],
    palm_mm: float,
    turn_deg: float,
    captions: Sequence[str],
) -> Image:
    """Hands side by side, each about its middle knuckle, seen from `turn_deg`.

    Args:
        hands_mm: [K, 3] joints of each hand, axes as of the camera, any origin.
        size_px: Width, height of the panel, whatever the number of hands.
        palm_mm: From the wrist to the middle knuckle; hands of this length fill their place.
        turn_deg: Of the view; its elevation is `ELEVATION_DEG`.
        captions: A text for each hand.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    return _panel(
        hands_mm, size_px, palm_mm, views=[("", (turn_deg, ELEVATION_DEG))], captions=captions
    )


def still_panel(
    hands_mm: Sequence[ArrayLike],
    *,
    size_px: tuple[int, int],
    palm_mm: float,
    captions: Sequence[str],
) -> Image:
    """Hands side by side, each in `STILL_VIEWS`; arguments as of `turning_panel`."""
    return _panel(hands_mm, size_px, palm_mm, views=STILL_VIEWS, captions=captions)


def panel_size(width: int, height: int) -> tuple[int, int]:
    """Width, height of the panel beside a picture: as high, and a square where that fits."""
    return max(min(width, height), min(240, height)), height


def _panel(hands_mm, size_px, palm_mm, *, views, captions) -> Image:
    panel = np.empty((size_px[1], size_px[0], 3), np.uint8)
    panel[:] = PAPER
    reach_mm = REACH_PALMS * palm_mm
    hands = [np.asarray(hand, np.float64) for hand in hands_mm]
    places = split((0, 0, *size_px), max(len(hands), 1))
    for number, place in enumerate(places):
        caption = captions[number] if number < len(hands) else "no hand"
        hand = hands[number] - hands[number][MIDDLE_MCP] if number < len(hands) else None
        cells = [place] if len(views) == 1 else _large_and_two(place)
        for (name, view_deg), (left, top, wide, high) in zip(views, cells, strict=True):
            canvas = panel[top : top + high, left : left + wide]
            _draw_view(canvas, hand, view_deg=view_deg, reach_mm=reach_mm)
            if (left, top) == place[:2]:
                _text(canvas, caption, line=0)
            _text(canvas, name or f"squares of {grid_step(reach_mm):g} mm", line=-1)
            cv2.rectangle(panel, (left, top), (left + wide - 1, top + high - 1), GRID, 1)
    return panel


def split(place: Cell, count: int) -> list[Cell]:
    """Cut a place into `count` cells, side by side, in several rows where that leaves more room."""
    left, top, width, height = place

    def shorter_side(columns: int) -> float:
        return min(width / columns, height / -(-count // columns))

    columns = max(range(count, 0, -1), key=shorter_side)
    rows = -(-count // columns)
    xs = [left + width * c // columns for c in range(columns + 1)]
    ys = [top + height * r // rows for r in range(rows + 1)]
    cells = [
        (xs[c], ys[r], xs[c + 1] - xs[c], ys[r + 1] - ys[r])
        for r in range(rows)
        for c in range(columns)
    ]
    return cells[:count]


def _large_and_two(place: Cell) -> list[Cell]:
    """A large cell, and two small ones beside it in a wide place, else below it."""
    left, top, width, height = place
    if width > 1.2 * height:
        large = 2 * width // 3
        small = split((left + large, top, width - large, height), 2)
        return [(left, top, large, height), *small]
    large = 2 * height // 3
    return [
        (left, top, width, large),
        (left, top + large, width // 2, height - large),
        (left + width // 2, top + large, width - width // 2, height - large),
    ]


def grid_step(reach_mm: float) -> float:
    """Side of the floor's squares in mm: 1, 2 or 5 times a power of ten, at most half a reach."""
    power = 10.0 ** np.floor(np.log10(reach_mm / 2.0))
    return float(max(m * power for m in (1.0, 2.0, 5.0) if m * power <= reach_mm / 2.0))


def _draw_view(canvas: Image, hand: NDArray | None, *, view_deg, reach_mm: float) -> None:
    """The floor, the camera on it, and the hand with its shadow."""
    height, width = canvas.shape[:2]

    def seen(points_mm: ArrayLike) -> NDArray:
        return project(points_mm, size_px=(width, height), view_deg=view_deg, reach_mm=reach_mm)

    floor_mm, side = FLOOR_REACHES * reach_mm, min(width, height)
    thin = max(side / 400.0, 1.0)
    step = grid_step(reach_mm)
    edge = step * (reach_mm // step)
    ticks = np.arange(-edge, edge + step / 2.0, step)
    grid = [ends for t in ticks for ends in ((t, -edge), (t, edge), (-edge, t), (edge, t))]
    draw_lines(
        canvas, seen(np.array([(x, floor_mm, z) for x, z in grid]))[:, :2], colour=GRID, width=thin
    )
    eye, *corners, tip = seen(_camera_corners(floor_mm, reach_mm))[:, :2]
    lines = [end for k in range(4) for end in (corners[k], corners[k - 1], corners[k], eye)]
    foot = (corners[2] + corners[3]) / 2.0
    draw_lines(canvas, [*lines, foot, tip], colour=CAMERA_INK, width=1.5 * thin)
    draw_disc(canvas, tip, 3.0 * thin, colour=CAMERA_INK)
    size = _text_size(canvas)
    place = max(u for u, _ in corners) + 8 * size, np.mean(corners, axis=0)[1] + 8 * size
    corner = (int(place[0]), int(place[1]))
    cv2.putText(canvas, "camera", corner, _FONT, 0.8 * size, CAMERA_INK, 1, cv2.LINE_AA)
    if hand is not None:
        shadow = np.stack([hand[:, 0], np.full(len(hand), floor_mm), hand[:, 2]], axis=1)
        bones = seen(shadow)[np.array(BONES).ravel(), :2]
        draw_lines(canvas, bones, colour=SHADOW, width=side / 110.0)
        draw_ordered(
            canvas,
            seen(hand),
            bone_colours=BONE_COLOURS,
            joint_colours=JOINT_COLOURS,
            width=side / 75.0,
        )


def _camera_corners(floor_mm: float, reach_mm: float) -> list[tuple[float, float, float]]:
    """A pyramid on the floor: the camera's eye, the corners of its picture, and where it looks."""
    eye, picture, tip = (z * reach_mm for z in CAMERA_REACHES)
    half = 0.12 * reach_mm
    top, middle = floor_mm - 2 * half, floor_mm - half
    corners = [(-half, top), (half, top), (half, floor_mm), (-half, floor_mm)]
    return [(0.0, middle, eye), *((x, y, picture) for x, y in corners), (0.0, floor_mm, tip)]


def _text_size(canvas: Image) -> float:
    return max(min(canvas.shape[:2]) / 800.0, 0.38)


def _text(canvas: Image, text: str, *, line: int) -> None:
    """A text in the first line (0) or the last one (-1) of a view."""
    size = _text_size(canvas)
    baseline = round(26 * size) if line == 0 else canvas.shape[0] - round(10 * size)
    corner = (round(10 * size), baseline)
    thick = max(round(1.5 * size), 1)
    cv2.putText(canvas, text, corner, _FONT, size, TEXT_INK, thick, cv2.LINE_AA)
