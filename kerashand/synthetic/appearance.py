"""Skin, nails, creases, sleeves and what is worn on a hand."""

from __future__ import annotations

import functools
import itertools

import numpy as np

# Linear-light skin colours from light to dark; a random point between neighbours is drawn.
SKIN_TONES = np.array(
    [
        [0.80, 0.58, 0.47],
        [0.70, 0.45, 0.33],
        [0.55, 0.33, 0.22],
        [0.40, 0.22, 0.13],
        [0.24, 0.125, 0.075],
        [0.12, 0.065, 0.042],
    ]
)
PALM_TONE = np.array([0.72, 0.43, 0.34], np.float32)
NOISE_SIDE = 64


@functools.cache
def noise_volume() -> np.ndarray:
    """Tileable noise [64 * 64 * 64, 3]: fine, middle and coarse grain, mean 0, deviation 1."""
    rng = np.random.default_rng(20181008)
    frequency = np.fft.fftfreq(NOISE_SIDE)
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*3 * [frequency], indexing="ij")))
    volumes = []
    for cut in (0.25, 0.09, 0.04):
        spectrum = np.fft.fftn(rng.normal(size=3 * [NOISE_SIDE])) * np.exp(-((radius / cut) ** 2))
        volume = np.fft.ifftn(spectrum).real
        volumes.append((volume - volume.mean()) / volume.std())
    return np.stack(volumes, axis=-1).reshape(-1, 3).astype(np.float32)


def grain(rest_mm: np.ndarray, offset: np.ndarray, scale_mm: float) -> np.ndarray:
    """Noise values [P, 3] at rest-pose positions [P, 3]; one cell is `scale_mm`."""
    # Positions are offset to be positive, so truncation rounds down; the side is a power of two.
    cell = ((rest_mm + (offset + 1000.0).astype(np.float32)) * np.float32(1.0 / scale_mm)).astype(
        np.int32
    ) & (NOISE_SIDE - 1)
    index = (cell[:, 0] * NOISE_SIDE + cell[:, 1]) * NOISE_SIDE + cell[:, 2]
    return noise_volume()[index]


def skin_tone(rng: np.random.Generator) -> np.ndarray:
    """A linear RGB skin colour [3]; all tones equally often."""
    position = rng.uniform(0, len(SKIN_TONES) - 1)
    low = int(position)
    part = position - low
    tone = SKIN_TONES[low] * (1 - part) + SKIN_TONES[min(low + 1, len(SKIN_TONES) - 1)] * part
    return tone * np.exp(rng.normal(0.0, 0.06, 3))


def albedo(
    rest_mm: np.ndarray,
    rest_normals: np.ndarray,
    nails: np.ndarray,
    *,
    rng: np.random.Generator,
    detail: float,
    cuff_mm: float | None = None,
) -> np.ndarray:
    """Linear skin colours [P, 3] over the rest-pose surface, with palm, nails, grain and sleeve.

    The sleeve ends at y = `cuff_mm`, drawn if None.
    """
    tone = skin_tone(rng).astype(np.float32)
    darkness = max(float(1.0 - tone.mean() / 0.62), 0.1)
    palm = np.clip(-rest_normals[:, 2] * 1.5, 0.0, 1.0)[:, None]
    palm_tone = tone + 0.55 * darkness * (PALM_TONE - tone)
    colour = tone + palm * (palm_tone - tone)
    texture = grain(rest_mm, rng.uniform(0, 200, 3), rng.uniform(0.25, 0.5))
    # Brightness varies with all grains; the coarse one also shifts the colour, as blood does.
    mixing = detail * np.array(
        [[0.05, 0.05, 0.05], [0.06, 0.06, 0.06], [0.09, 0.02, 0.02]], np.float32
    )
    colour *= 1.0 + np.clip(texture @ mixing, -0.4, 0.4)
    nail_tone = tone * 0.5 + np.array([0.75, 0.52, 0.48]) * rng.uniform(0.3, 0.6)
    if rng.random() < 0.1:
        nail_tone = rng.uniform(0.0, 0.8, 3)
    colour += nails[:, None] * (nail_tone.astype(np.float32) - colour)
    if cuff_mm is None:
        cuff_mm = sample_cuff(rng)
    if np.isfinite(cuff_mm):
        sleeve = (rest_mm[:, 1] < cuff_mm + 3.0 * texture[:, 2] * rng.uniform(0, 1))[:, None]
        cloth = rng.uniform(0.02, 0.8, 3).astype(np.float32) * (1.0 + 0.1 * texture[:, :1])
        colour = np.where(sleeve, cloth, colour)
    return colour


def sample_cuff(rng: np.random.Generator) -> float:
    """Where a sleeve ends, y in mm of the rest pose; minus infinity for a bare arm."""
    return rng.uniform(-70.0, -12.0) if rng.random() < 0.5 else -np.inf


def thicken_sleeve(
    vertices_mm: np.ndarray,
    mesh_y_mm: np.ndarray,
    normals: np.ndarray,
    *,
    cuff_mm: float,
    by_mm: float,
) -> np.ndarray:
    """Vertices [V, 3] with the cloth below the cuff moved away from the arm.

    Args:
        vertices_mm: [V, 3] of a hand in rest pose.
        mesh_y_mm: [V] where the unscaled mesh has them along the arm.
        normals: [V, 3] unit.
        cuff_mm: from `sample_cuff`.
        by_mm: thickness of the cloth.
    """
    sideways = normals * [1.0, 0.0, 1.0]
    length = np.linalg.norm(sideways, axis=1, keepdims=True)
    worn = np.clip((cuff_mm - mesh_y_mm) / 3.0, 0.0, 1.0)[:, None] * (length > 0.3)
    return vertices_mm + by_mm * worn * sideways / np.maximum(length, 0.3)


# Creases of a finger joint: distance along the finger (mm), half width (mm), share of light lost.
PALM_CREASES = ((-1.3, 0.7, 0.22), (1.3, 0.7, 0.22))
BACK_WRINKLES = ((-3.6, 0.8, 0.12), (-1.2, 0.9, 0.16), (1.2, 0.9, 0.16), (3.6, 0.8, 0.12))
# Lines of the palm, in shares of wrist to middle knuckle (y) and index to little knuckle (x).
PALM_LINES = (
    ((1.05, 0.80), (0.75, 0.82), (0.45, 0.90), (0.25, 1.02)),
    ((-0.10, 0.72), (0.25, 0.66), (0.60, 0.56), (0.85, 0.46)),
    ((-0.10, 0.74), (0.15, 0.62), (0.28, 0.42), (0.30, 0.20), (0.24, 0.05)),
)


def creases(
    rest_mm: np.ndarray,
    rest_normals: np.ndarray,
    rest_joints_mm: np.ndarray,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of light [P] that creases and wrinkles leave to rest-pose points [P, 3] of a hand."""
    depth = rng.uniform(0.3, 1.3)
    shade_of = np.ones(len(rest_mm), np.float32)
    palm = rest_normals[:, 2] < 0.0
    # Rows of single precision: all points are gone through often.
    x, y, z = np.ascontiguousarray(rest_mm.T, np.float32)
    for finger in range(5):
        chain = rest_joints_mm[4 * finger + 1 : 4 * finger + 5]
        (left, low, _), (right, high, _) = chain.min(axis=0) - 30.0, chain.max(axis=0) + 30.0
        inside = np.flatnonzero((x > left) & (x < right) & (y > low) & (y < high))
        for k in range(3) if finger else (1, 2):
            joint, following = chain[k : k + 2].astype(np.float32)
            along = (following - joint) / np.linalg.norm(following - joint)
            offset = x[inside] - joint[0], y[inside] - joint[1], z[inside] - joint[2]
            # The crease of a knuckle lies where the finger leaves the palm.
            t = sum(part * step for part, step in zip(offset, along, strict=True))
            t -= 18.0 if k == 0 else 0.0
            near = np.flatnonzero((np.abs(t) < 7.0) & (sum(part * part for part in offset) < 900))
            t, near = t[near], inside[near]
            jitter = rng.uniform(-0.8, 0.8)
            for side, lines in ((True, PALM_CREASES), (False, BACK_WRINKLES if k else ())):
                here = palm[near] == side
                chosen, place = near[here], t[here]
                for position, width, loss in lines:
                    distance = (place - position - jitter) / width
                    shade_of[chosen] *= 1.0 - depth * loss * np.exp(-distance * distance)
    chosen = np.flatnonzero(rest_normals[:, 2] < -0.25)
    index, middle, little = rest_joints_mm[[5, 9, 17]]
    across = (x[chosen] - np.float32(index[0])) / np.float32(little[0] - index[0])
    up = y[chosen] / np.float32(middle[1])
    for line in PALM_LINES:
        bent = (np.array(line) + rng.normal(0.0, 0.02, (len(line), 2))).astype(np.float32)
        nearest = np.full(len(chosen), np.inf, np.float32)
        for a, b in itertools.pairwise(bent):
            way = (b - a) / np.dot(b - a, b - a)
            part = np.clip((across - a[0]) * way[0] + (up - a[1]) * way[1], 0.0, 1.0)
            gap_x, gap_y = across - a[0] - part * (b - a)[0], up - a[1] - part * (b - a)[1]
            nearest = np.minimum(nearest, gap_x * gap_x + gap_y * gap_y)
        shade_of[chosen] *= 1.0 - depth * 0.28 * np.exp(-nearest / np.float32(0.012**2))
    return shade_of


def bands(
    colours: np.ndarray,
    rest_mm: np.ndarray,
    rest_joints_mm: np.ndarray,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Colours [P, 3] with a watch or a bracelet, and rings, now and then."""
    if rng.random() < 0.12:
        low = rng.uniform(-45.0, -15.0)
        high = low + rng.uniform(3.0, 28.0)
        band = (rest_mm[:, 1] > low) & (rest_mm[:, 1] < high)
        colours = np.where(band[:, None], rng.uniform(0.01, 0.7, 3).astype(np.float32), colours)
    if rng.random() < 0.12:
        finger = int(rng.integers(1, 5))
        base, end = rest_joints_mm[4 * finger + 1], rest_joints_mm[4 * finger + 2]
        along = (end - base) / np.linalg.norm(end - base)
        offset = rest_mm - base
        t = offset @ along
        middle = rng.uniform(0.45, 0.65) * np.linalg.norm(end - base)
        ring = np.abs(t - middle) < rng.uniform(1.0, 2.5)
        ring &= np.einsum("pi,pi->p", offset, offset) - t * t < 150.0
        gold = np.array([0.8, 0.6, 0.25]) if rng.random() < 0.5 else np.array([0.6, 0.6, 0.62])
        colours = np.where(ring[:, None], gold.astype(np.float32), colours)
    return colours
