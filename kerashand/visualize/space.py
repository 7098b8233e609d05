"""Skeletons in space, seen from any side; drawn by OpenCV, fast enough for each video frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, NUM_JOINTS
from kerashand.visualize.images import GRID, PAPER, TRUTH_COLOUR, Image

SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 px

NEW_VIEW_DEG = (65.0, 20.0)
"""(turn, elevation) of `draw_skeleton_3d`: far enough round to show depth, not edge-on."""


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
    import cv2

    hand = np.asarray(xyz_mm, np.float64)
    truth = None if truth_mm is None else np.asarray(truth_mm, np.float64)
    framed = hand if truth is None else truth
    centre = (framed.min(axis=0) + framed.max(axis=0)) / 2.0
    reach = float(np.linalg.norm(framed - centre, axis=1).max())
    # The frame follows the truth, wider where the prediction lies beside it, but not without end.
    predicted = float(np.linalg.norm(hand - centre, axis=1).max())
    reach = max(reach, min(predicted, 1.6 * reach), 1.0)
    rotation = view_rotation(*view_deg)
    fine = 2 * size_px  # halved at the end: smoother than OpenCV's anti-aliasing alone
    zoom = 0.44 * fine / reach

    def view(points: np.ndarray) -> np.ndarray:
        """Pixels and depth of -1 (near) .. 1 (far): [N, 3]."""
        turned = (points - centre) @ rotation.T
        pixels = turned[:, :2] * zoom + (fine - 1) / 2.0
        return np.concatenate([pixels, turned[:, 2:] / reach], axis=1)

    canvas = np.full((fine, fine, 3), PAPER, np.uint8)
    if grid:
        _draw_floor(canvas, view, framed, centre=centre, reach=reach)
    if truth is not None:
        colours = np.full((NUM_JOINTS, 3), TRUTH_COLOUR)
        draw_ordered(
            canvas, view(truth), bone_colours=colours[1:], joint_colours=colours, width=fine / 64.0
        )
    draw_ordered(
        canvas,
        view(hand),
        bone_colours=BONE_COLOURS,
        joint_colours=JOINT_COLOURS,
        width=fine / 80.0,
    )
    small = cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def view_rotation(turn_deg: float, elevation_deg: float) -> np.ndarray:
    """Rotation [3, 3] from the camera's frame to that of a view, as `draw_skeleton_3d` has it."""
    turn, elevation = np.deg2rad([turn_deg, elevation_deg])
    cy, sy, cx, sx = np.cos(turn), np.sin(turn), np.cos(elevation), np.sin(elevation)
    # Walking to the right (+x) turns the scene the other way about the vertical axis.
    about_y = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    # Seen from above, what is near lies lower in the picture: -z goes to +y (down).
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
    return about_x @ about_y


def _draw_floor(canvas: Image, view, hand: np.ndarray, *, centre: np.ndarray, reach: float) -> None:
    """A grid of 50 mm squares under the hand."""
    floor = hand[:, 1].max() + 0.08 * reach
    ticks = np.arange(-3, 4) * 50.0
    for tick in ticks:
        for ends in (
            [[tick, 0.0, ticks[0]], [tick, 0.0, ticks[-1]]],
            [[ticks[0], 0.0, tick], [ticks[-1], 0.0, tick]],
        ):
            points = view(np.array(ends) + np.array([centre[0], floor, centre[2]]))
            draw_line(canvas, points[0, :2], points[1, :2], colour=GRID, width=2.0)


def draw_ordered(
    canvas: Image, points: np.ndarray, *, bone_colours, joint_colours, width: float
) -> None:
    """Bones and joints from far to near; `points` [K, 3] are pixels and depth of -1 .. 1."""
    import cv2

    ends = np.array([*BONES, *((joint, joint) for joint in range(NUM_JOINTS))])
    depths = points[ends, 2].mean(axis=1)
    # A joint is drawn right after the bones that it ends.
    depths[len(BONES) :] -= 0.03
    near = np.clip(0.5 - 0.5 * depths, 0.0, 1.0)
    pale = 0.45 * (1.0 - near)[:, None]
    colours = np.concatenate([np.asarray(bone_colours), np.asarray(joint_colours)])
    colours = (1.0 - pale) * colours + pale * np.asarray(PAPER)
    sizes = width * (0.7 + 0.6 * near)
    order = np.argsort(-depths, kind="stable").tolist()
    places, sizes = fixed_points(points[:, :2]), sizes.tolist()
    colours, rims, ends = colours.tolist(), (0.55 * colours).tolist(), ends.tolist()
    for item in order:
        start, end = (places[joint] for joint in ends[item])
        if item < len(BONES):
            for colour, share in ((rims[item], 1.35), (colours[item], 1.0)):
                thick = max(round(share * sizes[item]), 1)
                cv2.line(canvas, start, end, colour, thick, cv2.LINE_AA, SUBPIXEL_BITS)
        else:
            for colour, share in ((rims[item], 1.0), (colours[item], 0.8)):
                radius = max(round(share * sizes[item] * 2**SUBPIXEL_BITS), 1)
                cv2.circle(canvas, start, radius, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def fixed_points(points: ArrayLike) -> list[tuple[int, int]]:
    """Points [N, 2] in OpenCV's fixed-point pixels, kept within what its integers can hold."""
    scaled = np.clip(np.asarray(points, float), -30000, 30000) * 2**SUBPIXEL_BITS
    return [(u, v) for u, v in np.round(scaled).astype(int).tolist()]


def draw_line(canvas: Image, start, end, *, colour, width: float) -> None:
    """Draw a line between two points in pixels; `width` is rounded to whole pixels."""
    draw_lines(canvas, [start, end], colour=colour, width=width)


def draw_lines(canvas: Image, points: ArrayLike, *, colour, width: float) -> None:
    """Draw lines between the first two points, the next two and on, in one call of OpenCV."""
    import cv2

    width, colour = max(round(width), 1), [float(c) for c in colour]
    ends = np.array(fixed_points(points), np.int32).reshape(-1, 2, 2)
    cv2.polylines(canvas, list(ends), False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_disc(canvas: Image, centre, radius: float, *, colour) -> None:
    """Draw a filled circle about a point in pixels."""
    import cv2

    reach = max(round(radius * 2**SUBPIXEL_BITS), 1)
    (place,), colour = fixed_points([centre]), [float(c) for c in colour]
    cv2.circle(canvas, place, reach, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
