"""Skin, sleeves, lights and what stands behind the hand."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from kerashand.errors import UserError
from kerashand.picture_files import read as read_picture
from kerashand.synthetic.render import unit

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
MOST_LIGHT = 1.35


@dataclass(frozen=True)
class Light:
    """A far light: unit direction [3] towards it (camera frame) and linear RGB strength [3]."""

    direction: np.ndarray
    colour: np.ndarray


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


def sample_lights(rng: np.random.Generator, count: int) -> tuple[np.ndarray, list[Light]]:
    """An ambient colour [3] and far lights, mostly from above and from the camera's side."""
    ambient = rng.uniform(0.15, 0.5) * (1.0 + rng.normal(0.0, 0.08, 3))
    lights = []
    for k in range(count):
        direction = rng.normal(size=3) * [1.0, 0.8, 0.8] + [0.0, -0.6, -0.9]
        strength = rng.uniform(0.35, 1.0) * (1.0 if k == 0 else 0.5)
        warmth = rng.normal(0.0, 0.09)
        colour = strength * np.array([1.0 + warmth, 1.0, 1.0 - warmth])
        lights.append(Light(direction / np.linalg.norm(direction), colour))
    # A camera's exposure follows the light: the sum stays below what would burn out skin.
    total = ambient.mean() + sum(light.colour.mean() for light in lights)
    dim = min(1.0, MOST_LIGHT / total)
    return ambient * dim, [Light(light.direction, light.colour * dim) for light in lights]


def shade(
    colours: np.ndarray,
    normals: np.ndarray,
    view: np.ndarray,
    *,
    ambient: np.ndarray,
    lights: list[Light],
    softness: float,
    gloss: float,
    lit: np.ndarray | None = None,
) -> np.ndarray:
    """Display colours [P, 3] 0..1: wrapped diffuse light, a sky from above, a dull highlight.

    Args:
        colours: [P, 3] linear albedo.
        normals: [P, 3] unit, camera frame.
        view: [P, 3] unit, towards the camera.
        ambient: [3].
        lights: far lights.
        softness: 0 hard shadows' edge, 0.5 light wraps around as in skin.
        gloss: strength of the highlight.
        lit: [P] share of the first light that reaches each point; None: all of it.
    """
    sky = 0.75 - 0.25 * normals[:, 1]
    facing = np.clip(np.einsum("ni,ni->n", normals, view), 0.0, 1.0)
    linear = (sky * (0.7 + 0.3 * facing))[:, None] * ambient.astype(np.float32)
    highlight = np.zeros_like(linear)
    for number, light in enumerate(lights):
        direction, colour = light.direction.astype(np.float32), light.colour.astype(np.float32)
        facing = np.maximum((normals @ direction + softness) / (1.0 + softness), 0.0)
        shine = np.maximum(np.einsum("ni,ni->n", normals, unit(view + direction)), 0.0)
        for _ in range(4):  # to the power of 16
            shine *= shine
        if number == 0 and lit is not None:
            facing, shine = facing * lit.astype(np.float32), shine * lit.astype(np.float32)
        linear += facing[:, None] * colour
        highlight += (gloss * shine)[:, None] * colour
    linear *= colours
    linear += highlight
    return np.sqrt(np.clip(linear, 0.0, 1.0))  # gamma 2: near enough to sRGB and much faster


AGAINST_THE_LIGHT = 0.6
"""Of the pictures in uneven light; in the others the hand is burnt out."""
DIM, BRIGHT = (0.06, 0.5), (1.4, 4.0)
"""Factors on the light of a hand against the light, and of one that is burnt out."""
VEIL = 0.15
"""Most of the display's range that light in the lens adds to a picture against the light."""


def light_unevenly(
    rgb: np.ndarray, cover: np.ndarray, background: np.ndarray, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give a hand much less or much more light than what is behind it.

    Args:
        rgb: [S, S, 3] display colours 0..1 of the hand, premultiplied by coverage.
        cover: [S, S, 1] coverage 0..1.
        background: [S, S, 3] display colours 0..1.
        rng: generator.

    Returns:
        Colours of the hand and of the background.
    """
    against = rng.random() < AGAINST_THE_LIGHT
    hand = np.exp(rng.uniform(*np.log(DIM if against else BRIGHT)))
    behind = np.exp(rng.uniform(0.0, np.log(3.0)) if against else rng.normal(0.0, 0.4))
    veil = np.float32(rng.uniform(0.0, VEIL) if against else 0.0)
    # Display colours are roots of light, see `shade`.
    rgb = np.minimum(rgb * np.float32(np.sqrt(hand)), cover)
    background = np.minimum(background * np.float32(np.sqrt(behind)), 1.0)
    return rgb + veil * (cover - rgb), background + veil * (1.0 - background)


# --------------------------------------------------------------------------- backgrounds


PICTURES = (".jpg", ".jpeg", ".png")
LOADED_SIDE_PX = 400


@functools.cache
def photographs(folder: str | None = None) -> list[np.ndarray]:
    """Photographs as uint8 RGB: all in a folder and below, in order of their names, or the packed.

    Raises:
        UserError: when there is no picture in the folder, or one cannot be read.
    """
    if folder is None:
        path = resources.files("kerashand") / "assets" / "backgrounds.npz"
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return [cv2.imdecode(data[k], cv2.IMREAD_COLOR)[:, :, ::-1] for k in sorted(data.files)]
    return [_load_picture(path) for path in picture_files(folder)]


def picture_files(folder: str) -> list[Path]:
    """The picture files in a folder and below, in order of their names.

    Raises:
        UserError: when there is none.
    """
    files = sorted(
        p
        for p in Path(folder).rglob("*")
        if p.suffix.lower() in PICTURES and not p.name.startswith(".")  # as macOS adds them
    )
    if not files:
        raise UserError(f"{folder} holds no pictures ({', '.join(PICTURES)}).")
    return files


def _load_picture(path: Path) -> np.ndarray:
    picture = read_picture(path)
    factor = LOADED_SIDE_PX / min(picture.shape[:2])
    if factor < 1.0:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return picture


def empty_pictures(
    seed: Sequence[int], count: int, *, folder: str | None = None
) -> Iterator[np.ndarray]:
    """Cut-outs of photographs without hands, uint8 RGB [256, 256, 3], for measuring a detector."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        picture = photograph_background(rng, 256, folder=folder, tint=0.1)
        yield np.clip(np.rint(picture * 255.0), 0, 255).astype(np.uint8)


def photograph_background(
    rng: np.random.Generator, size_px: int, *, folder: str | None = None, tint: float = 0.25
) -> np.ndarray:
    """A random, tinted, mirrored, turned cut-out of a photograph: float32 [S, S, 3] 0..1.

    Args:
        rng: generator.
        size_px: side S.
        folder: of photographs; None for the packed ones.
        tint: standard deviation of the logarithm of the factor on each colour.
    """
    pictures = photographs(folder)
    picture = pictures[rng.integers(len(pictures))]
    height, width = picture.shape[:2]
    side = rng.uniform(0.3, 0.95) * min(height, width)
    centre = rng.uniform(side / 2, [width - side / 2 + 1e-6, height - side / 2 + 1e-6])
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    c, s = np.cos(angle) * side / size_px, np.sin(angle) * side / size_px
    if rng.random() < 0.5:
        matrix = np.array([[-c, -s, 0.0], [-s, c, 0.0]])
    else:
        matrix = np.array([[c, -s, 0.0], [s, c, 0.0]])
    matrix[:, 2] = centre - matrix[:, :2] @ np.full(2, (size_px - 1) / 2)
    cut = cv2.warpAffine(
        picture, matrix, (size_px, size_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    ).astype(np.float32) / 255.0  # fmt: skip
    if rng.random() < 0.5:
        cut = cv2.GaussianBlur(cut, (0, 0), rng.uniform(0.5, 3.0) * size_px / 128)
    colour = np.exp(rng.normal(0.0, tint, 3)) * np.exp(rng.normal(-0.1, 0.3))
    return cut * colour.astype(np.float32)


def procedural_background(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """Gradients, blobs and shapes, as a renderer would put there: float32 [S, S, 3] 0..1."""
    corners = rng.uniform(0.0, 1.0, (2, 2, 3)) if rng.random() < 0.7 else rng.random((3, 4, 3))
    image = cv2.resize(
        corners.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(rng.integers(0, 9)):
        colour = rng.uniform(0.0, 1.0, 3).tolist()
        centre = rng.integers(0, size_px, 2).tolist()
        axes = (rng.uniform(0.03, 0.5, 2) * size_px).astype(int).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1)
        else:
            box = cv2.boxPoints((centre, [2 * a for a in axes], rng.uniform(0, 180)))
            cv2.fillPoly(image, [box.astype(np.int32)], colour)
    if rng.random() < 0.5:
        side = int(rng.choice([8, 16, 32, size_px]))
        speckle = rng.normal(0.0, rng.uniform(0.02, 0.15), (side, side, 3)).astype(np.float32)
        image = image + cv2.resize(speckle, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return image
