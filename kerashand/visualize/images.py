"""Single pictures: skeletons over an image, depth maps, masks."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as Pictures

from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, NUM_JOINTS
from kerashand.visualize.marks import disc, line

Image = NDArray[np.uint8]

WIDEST_MM = 40.0
"""The difference in depth that the brightest colour stands for."""

MISSING_COLOUR = (128, 128, 128)
"""Flat grey of pixels without a depth measurement."""

PAPER = (250, 250, 250)
GRID = (222, 222, 226)
TRUTH_COLOUR = (150, 150, 150)
TRUTH_ON_PICTURE = (200, 200, 200)


def as_uint8(image: ArrayLike) -> Image:
    """Round an image [H, W, 3] or [H, W] of 0..255 to uint8, contiguous and writable.

    A warning is given for floating-point values that seem to be of 0..1.

    Raises:
        ValueError: If whole numbers are greater than 255.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        most = image.max(initial=0)
        if image.dtype.kind in "iu" and most > 255:
            raise ValueError(
                f"an image must hold 0..255. Received: {image.dtype} with values up to {most:g}"
            )
        if image.dtype.kind == "f" and 0 < most <= 1:
            warnings.warn(
                f"an image must hold 0..255: with values up to {most:g} it is nearly black",
                stacklevel=2,
            )
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

    Raises:
        ValueError: If the image holds whole numbers above 255.
    """
    canvas = enlarge(image_rgb, scale)
    if truth_px is not None:
        grey = np.full((NUM_JOINTS, 3), TRUTH_ON_PICTURE)
        _draw_flat(canvas, truth_px, bone_colours=grey[1:], joint_colours=grey, scale=scale)
    _draw_flat(canvas, uv_px, bone_colours=BONE_COLOURS, joint_colours=JOINT_COLOURS, scale=scale)
    return canvas


def _draw_flat(canvas: Image, uv_px: ArrayLike, *, bone_colours, joint_colours, scale: int) -> None:
    points = (np.asarray(uv_px, np.float64) + 0.5) * scale - 0.5
    reach = float(np.ptp(points, axis=0).max())
    width = max(min(canvas.shape[0] / 110.0, reach / 20.0), 1.0)
    outline = max(0.25 * width, 0.75)
    # From the finger tips back to the palm, so that the knuckles end on top.
    for bone in reversed(range(len(BONES))):
        start, end = (points[joint] for joint in BONES[bone])
        layers = (width / 2.0 + outline, (0, 0, 0)), (width / 2.0, bone_colours[bone])
        line(canvas, start, end, layers=layers)
    for joint in reversed(range(NUM_JOINTS)):
        layers = (1.1 * width + outline, (0, 0, 0)), (1.1 * width, joint_colours[joint])
        disc(canvas, points[joint], layers)


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
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1].astype(np.uint8)
    if weight is not None:
        colours[plane(weight) <= 0] = MISSING_COLOUR
    return colours


def colour_mask(mask: ArrayLike) -> Image:
    """Colour a mask [H, W] (positive = hand): uint8 RGB [H, W, 3]."""
    hand, ground = np.array([[[240, 240, 235]]], np.uint8), np.uint8(28)
    return np.where(plane(mask)[:, :, None] > 0, hand, ground)
