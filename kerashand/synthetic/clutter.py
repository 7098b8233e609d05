"""What else is in a picture of a hand: things in front of it, other hands and skin beside it."""

from __future__ import annotations

import cv2
import numpy as np

from kerashand.synthetic import appearance


def add_skin_patches(background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blobs of skin colour, as faces and arms make behind a hand: float32 [S, S, 3] 0..1."""
    size_px = len(background)
    for _ in range(rng.integers(1, 4)):
        tone = np.sqrt(np.clip(appearance.skin_tone(rng), 0.0, 1.0)) * rng.uniform(0.5, 1.1)
        layer: np.ndarray = np.zeros((size_px, size_px), np.float32)
        centre = rng.integers(0, size_px, 2).tolist()
        axes = (rng.uniform(0.05, 0.5, 2) * size_px).astype(int).tolist()
        cv2.ellipse(layer, centre, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
        layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 4.0) * size_px / 128)
        light = _gradient(size_px, rng, reach=0.4)
        background = background + layer[..., None] * (light[..., None] * tone - background)
    return background.astype(np.float32)


MOST_SPREAD = 3.0
"""Factor by which a picture's contrast grows at most in `in_colours_of`."""


def in_colours_of(
    hand: np.ndarray, cover: np.ndarray, background: np.ndarray, *, rng: np.random.Generator
) -> np.ndarray:
    """A background with the mean colour of a hand and about its contrast, as in camouflage.

    Args:
        hand: [S, S, 3] float32 display colours 0..1, premultiplied by coverage.
        cover: [S, S] coverage 0..1.
        background: [S, S, 3] float32 display colours 0..1.
        rng: generator.

    Returns:
        [S, S, 3] float32 0..1, or the background as it is where no hand is to be seen.
    """
    colours = hand[cover > 0.9]
    if not len(colours):
        return background
    own, spread = background.mean(axis=(0, 1)), background.std()
    gain = min(colours.std() * rng.uniform(0.5, 2.0) / max(spread, 1e-3), MOST_SPREAD)
    light = colours.mean(axis=0) * rng.uniform(0.75, 1.3)
    changed = light + gain * (background - own)
    share = rng.uniform(0.5, 1.0)
    return np.clip(background + share * (changed - background), 0.0, 1.0).astype(np.float32)


def occluder(
    size_px: int, rng: np.random.Generator, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A thing before the hand: colour float32 [S, S, 3] 0..1 and coverage [S, S] 0..1.

    A bar (pen, cup handle, edge of a table), a box or a round thing, plain, striped or with the
    texture of another picture.

    Args:
        size_px: side S of the picture.
        rng: generator.
        background: [S, S, 3] picture whose texture it may carry.
    """
    cover: np.ndarray = np.zeros((size_px, size_px), np.float32)
    centre = rng.uniform(0.15, 0.85, 2) * size_px
    angle = rng.uniform(0.0, 180.0)
    kind = rng.random()
    if kind < 0.4:
        length, width = rng.uniform(0.5, 1.6), rng.uniform(0.02, 0.12)
        _fill_box(cover, centre, (length * size_px, width * size_px), angle_deg=angle)
    elif kind < 0.75:
        sides = rng.uniform(0.12, 0.4, 2) * size_px
        _fill_box(cover, centre, sides, angle_deg=angle)
    else:
        axes = (rng.uniform(0.06, 0.22, 2) * size_px).astype(int).tolist()
        cv2.ellipse(cover, centre.astype(int).tolist(), axes, angle, 0, 360, 1.0, -1)
    cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 1.2) * size_px / 128)
    if rng.random() < 0.5:
        texture = cv2.flip(background, int(rng.integers(-1, 2))) * rng.uniform(0.5, 1.2)
    else:
        texture = np.broadcast_to(rng.uniform(0.0, 1.0, 3), (size_px, size_px, 3))
    if rng.random() < 0.3:
        rows, columns = np.indices((size_px, size_px))
        turn, step = rng.uniform(0, np.pi), rng.uniform(0.02, 0.12) * size_px
        wave = np.sin((rows * np.sin(turn) + columns * np.cos(turn)) * np.pi / step) > 0
        texture = np.where(wave[..., None], texture, rng.uniform(0.0, 1.0, 3))
    shading = _gradient(size_px, rng, reach=0.35)[..., None]
    return np.clip(texture * shading, 0.0, 1.0).astype(np.float32), cover


def paste_beside(
    image: np.ndarray, cover: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move a picture of another hand towards an edge, mirrored, turned and scaled at random.

    Args:
        image: [S, S, 3] float premultiplied by coverage.
        cover: [S, S] 0..1.
        rng: generator.

    Returns:
        Both, moved.
    """
    size_px = len(image)
    scale = rng.uniform(0.7, 1.3)
    angle = rng.uniform(0.0, 360.0)
    middle = ((size_px - 1) / 2, (size_px - 1) / 2)
    matrix: np.ndarray = cv2.getRotationMatrix2D(middle, angle, scale)
    if rng.random() < 0.5:
        matrix = matrix @ np.array([[-1.0, 0.0, size_px - 1], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    way = rng.uniform(0.0, 2 * np.pi)
    reach = rng.uniform(0.5, 0.8) * size_px
    matrix[:, 2] += reach * np.array([np.cos(way), np.sin(way)])
    layers: np.ndarray = np.concatenate([image, cover[..., None]], axis=2).astype(np.float32)
    layers = cv2.warpAffine(layers, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR)
    return layers[..., :3], layers[..., 3]


def _fill_box(cover: np.ndarray, centre, sides, *, angle_deg: float) -> None:
    corners = cv2.boxPoints((tuple(centre), tuple(sides), angle_deg))
    cv2.fillPoly(cover, [corners.astype(np.int32)], 1.0)


def _gradient(size_px: int, rng: np.random.Generator, *, reach: float) -> np.ndarray:
    """Smooth light [S, S] about 1."""
    coarse = 1.0 + rng.uniform(-reach, reach, (3, 3)).astype(np.float32)
    return cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
