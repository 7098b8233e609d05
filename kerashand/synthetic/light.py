"""The light on a hand: lamps, shading, and exposures that burn it out or leave it dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerashand.synthetic.render import unit

MOST_LIGHT = 1.35


@dataclass(frozen=True)
class Light:
    """A far light: unit direction [3] towards it (camera frame) and linear RGB strength [3]."""

    direction: np.ndarray
    colour: np.ndarray


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


STREAM = 1
"""Stream of chance of its own for how hand and room are lit, beside the sample's."""


def uneven_light(key: Sequence[int], share: float) -> np.random.Generator | None:
    """What a sample in uneven light draws from; None for one in even light.

    Args:
        key: of the sample's own stream of chance.
        share: of the samples in uneven light.
    """
    rng = np.random.default_rng([*key, STREAM])
    return rng if rng.random() < share else None


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
