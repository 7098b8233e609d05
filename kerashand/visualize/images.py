"""Single pictures: skeletons over an image and in space, depth maps, masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as Pictures

from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, NUM_JOINTS
from kerashand.visualize.marks import disc, line

Image = NDArray[np.uint8]

WIDEST_MM = 40.0
"""The difference in depth that the brightest colour stands for."""

NEW_VIEW_DEG = (65.0, 20.0)
"""(turn, elevation) of `draw_skeleton_3d`: far enough round to show depth, not edge-on."""

MISSING_COLOUR = (128, 128, 128)
"""Flat grey of pixels without a depth measurement."""

PAPER = (250, 250, 250)
GRID = (222, 222, 226)
TRUTH_COLOUR = (150, 150, 150)
TRUTH_ON_PICTURE = (200, 200, 200)


def as_uint8(image: ArrayLike) -> Image:
    """Round an image [H, W, 3] or [H, W] of 0..255 to uint8, contiguous and writable."""
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.clip(np.round(np.asarray(image, np.float64)), 0, 255).astype(np.uint8)
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    return np.array(image, order="C")


def plane(values: ArrayLike) -> np.ndarray:
    """Drop the channel axis of a map [D, D, 1]."""
    values = np.asarray(values)
    return values[:, :, 0] if values.ndim == 3 else values


def enlarge(image: ArrayLike, scale: int, *, smooth: bool = True) -> Image:
    """Enlarge an image [H, W, 3] of 0..255 to uint8 [scale * H, scale * W, 3]."""
    image = as_uint8(image)
    size = (image.shape[1] * scale, image.shape[0] * scale)
    how = Pictures.Resampling.BICUBIC if smooth else Pictures.Resampling.NEAREST
    return np.array(Pictures.fromarray(image).resize(size, how))


def plot_skeleton(
    image_rgb: ArrayLike, uv_px: ArrayLike, *, scale: int = 3, truth_px: ArrayLike | None = None
) -> Image:
    """Draw coloured bones and joints over an enlarged picture, a second skeleton in grey below.

    Args:
        image_rgb: [H, W, 3] RGB of 0..255.
        uv_px: [K, 2] joints in pixels of `image_rgb`; joints outside are cut off.
        scale: Enlargement.
        truth_px: [K, 2] joints in the same pixels, or None.

    Returns:
        [scale * H, scale * W, 3] uint8 RGB.
    """
    canvas = enlarge(image_rgb, scale)
    if truth_px is not None:
        grey = np.full((NUM_JOINTS, 3), TRUTH_ON_PICTURE)
        _draw_flat(canvas, truth_px, grey[1:], grey, scale)
    _draw_flat(canvas, uv_px, BONE_COLOURS, JOINT_COLOURS, scale)
    return canvas


def _draw_flat(canvas: Image, uv_px: ArrayLike, bone_colours, joint_colours, scale: int) -> None:
    points = (np.asarray(uv_px, np.float64) + 0.5) * scale - 0.5
    reach = float(np.ptp(points, axis=0).max())
    width = max(min(canvas.shape[0] / 110.0, reach / 20.0), 1.0)
    outline = max(0.25 * width, 0.75)
    # From the finger tips back to the palm, so that the knuckles end on top.
    for bone in reversed(range(len(BONES))):
        start, end = (points[joint] for joint in BONES[bone])
        layers = (width / 2.0 + outline, (0, 0, 0)), (width / 2.0, bone_colours[bone])
        line(canvas, start, end, layers)
    for joint in reversed(range(NUM_JOINTS)):
        layers = (1.1 * width + outline, (0, 0, 0)), (1.1 * width, joint_colours[joint])
        disc(canvas, points[joint], layers)


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
    zoom = 0.44 * size_px / reach

    def view(points: np.ndarray) -> np.ndarray:
        """Pixels and depth of -1 (near) .. 1 (far): [N, 3]."""
        turned = (points - centre) @ rotation.T
        pixels = turned[:, :2] * zoom + (size_px - 1) / 2.0
        return np.concatenate([pixels, turned[:, 2:] / reach], axis=1)

    canvas = np.full((size_px, size_px, 3), PAPER, np.uint8)
    if grid:
        _draw_floor(canvas, view, framed, centre, reach)
    if truth is not None:
        colours = np.full((NUM_JOINTS, 3), TRUTH_COLOUR)
        _draw_ordered(canvas, view(truth), colours[1:], colours, width=size_px / 64.0)
    _draw_ordered(canvas, view(hand), BONE_COLOURS, JOINT_COLOURS, width=size_px / 80.0)
    return canvas


def colour_depth(depth_normalised: ArrayLike, weight: ArrayLike | None = None) -> Image:
    """Colour a normalised depth map: warm is near, dark is background, grey is no measurement.

    Args:
        depth_normalised: [D, D] or [D, D, 1] of 0 (far end of the window) .. 1 (near end).
        weight: As `depth_normalised`, 0 where nothing was measured; None means all was.

    Returns:
        [D, D, 3] uint8 RGB.
    """
    import cv2

    depth = np.clip(plane(depth_normalised), 0.0, 1.0)
    levels = np.round(depth * 255.0).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[:, :, ::-1].astype(np.float64)
    # Turbo starts in a dark violet; fade it to nearly black so that the background stays back.
    colours *= np.clip(0.35 + 4.0 * depth, 0.0, 1.0)[:, :, None]
    if weight is not None:
        colours[plane(weight) <= 0] = MISSING_COLOUR
    return as_uint8(colours)


def colour_difference(share: ArrayLike, weight: ArrayLike | None = None) -> Image:
    """Colour differences [D, D] (1 and above is brightest): uint8 RGB [D, D, 3]."""
    import cv2

    levels = np.round(np.clip(plane(share), 0.0, 1.0) * 255.0).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1].copy()
    if weight is not None:
        colours[plane(weight) <= 0] = MISSING_COLOUR
    return colours


def colour_mask(mask: ArrayLike) -> Image:
    """Colour a mask [H, W] (positive = hand): uint8 RGB [H, W, 3]."""
    return np.where(plane(mask)[:, :, None] > 0, np.uint8([[[240, 240, 235]]]), np.uint8(28))


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
            points = view(np.array(ends) + np.array([centre[0], floor, centre[2]]))
            line(canvas, points[0, :2], points[1, :2], [(0.5, GRID)])


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
            layers = (size * 1.35 / 2.0, colour * 0.55), (size / 2.0, colour)
            line(canvas, points[joints[0], :2], points[joints[1], :2], layers)
        else:
            disc(canvas, points[joints[0], :2], [(size, colour * 0.55), (size * 0.8, colour)])
