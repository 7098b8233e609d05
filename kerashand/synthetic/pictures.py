"""Whole pictures with no, one or several hands, left and right: what a detector is trained on.

Hands of the style `varied` with long arms stand anywhere in a picture, the nearer ones before the
farther. A picture is a pure function of (split, seed, index).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from kerashand.geometry.camera import flip_uv
from kerashand.skeleton import MIDDLE_MCP, NUM_JOINTS, PALM, ROOT
from kerashand.synthetic import SCENES, SPLITS, clutter, light, sensor
from kerashand.synthetic.rooms import build_room
from kerashand.synthetic.scene import render_background, render_hand
from kerashand.synthetic.styles import GENERATOR_VERSIONS, STYLES

PICTURES_VERSION = 4
RENDERED_VERSION = f"{PICTURES_VERSION}.{GENERATOR_VERSIONS['varied']}"
"""Of drawn pictures, whose hands are of the style `varied` and change with it."""
FIRST_SEED = 1000  # apart from the numbers of the domains of `scene.render_sample`
SHARE_OF_COUNT = (0.2, 0.45, 0.28, 0.07)
"""How often a picture holds 0, 1, 2, 3 hands."""
SIDE_OF_HAND = (0.09, 0.85)
"""Longer side of the box around the joints, as a share of the picture's; its logarithm is even."""
ARM_MM = (150.0, 900.0)
MOST_HIDDEN = 0.5
"""Share of its joints behind other hands above which a hand counts neither as one nor as none."""
SKIN_BEHIND = 0.4
IN_A_ROOM = 0.25
"""Share of pictures behind whose hands a table, a wall or a body stands."""
ROOM_FOCAL, ROOM_FARTHEST_MM = (0.9, 1.6), 620.0
"""Focal length of the camera of a room in sides of the picture, and how far its hands stand."""
CAMOUFLAGED = 0.25
"""Share of pictures whose background takes the colours of a hand."""


@dataclass(frozen=True)
class Picture:
    """A picture and the hands in it.

    Attributes:
        image: [S, S, 3] uint8 RGB.
        boxes: [N, 4] float32 left, top, right, bottom of the joints in pixels.
        palms: [N, 2] float32 middles of the palms in pixels.
        ups: [N, 2] float32 points as far from these as the middle finger's knuckle is from the
            wrist, in the same direction.
        is_right: [N] bool, anatomical side.
        weight: [N] float32, 0 = hardly to be seen.
    """

    image: np.ndarray
    boxes: np.ndarray
    palms: np.ndarray
    ups: np.ndarray
    is_right: np.ndarray
    weight: np.ndarray


def render_picture(
    split: str, seed: int, index: int, *, size_px: int = 224, backgrounds: str | None = None
) -> Picture:
    """Draw picture `index` of a split.

    Args:
        split: one of `SPLITS`.
        seed: of the generator.
        index: of the picture.
        size_px: its side.
        backgrounds: folder of photographs without hands; None for those in the package.

    Raises:
        ValueError: for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    key = [FIRST_SEED, SPLITS.index(split), seed, index]
    rng = np.random.default_rng(key)
    style = STYLES["varied"]
    assert style.clutter is not None
    image = np.clip(_background(size_px, rng, backgrounds), 0.0, 1.0)
    if rng.random() < SKIN_BEHIND:
        image = clutter.add_skin_patches(image, rng)
    least, most = np.log(SIDE_OF_HAND)
    sides = np.exp(rng.uniform(least, most, rng.choice(4, p=SHARE_OF_COUNT)))
    hands: list[tuple[np.ndarray, bool]] = []
    covers: list[np.ndarray] = []
    uneven = light.uneven_light(key, style.clutter.uneven_light if len(sides) == 1 else 0.0)
    camouflaged = rng.random() < CAMOUFLAGED
    for number, side in enumerate(np.sort(sides)):  # larger is nearer
        uv, is_right, rgb, cover = _one_hand(side * size_px, size_px, rng)
        if camouflaged and number == 0:
            image = clutter.in_colours_of(rgb, cover, image, rng=rng)
        if uneven:
            rgb, image = light.light_unevenly(rgb, cover[..., None], image, rng=uneven)
        image = rgb + (1.0 - cover[..., None]) * image
        hands.append((uv, is_right))
        covers.append(cover)
    if rng.random() < style.clutter.occluder / 2:
        colour, cover = clutter.occluder(size_px, rng, image)
        image = image + cover[..., None] * (colour - image)
        covers.append(cover)
    image = np.clip(image, 0.0, 1.0).astype(np.float32)
    image = sensor.photograph(image, rng, strength=style.camera)
    if rng.random() < style.clutter.cheap_camera:
        image = sensor.cheap_camera(image, rng)
    boxes, palms, ups = places_of(np.array([uv for uv, _ in hands]).reshape(-1, NUM_JOINTS, 2))
    return Picture(
        image=np.clip(np.round(image * 255.0), 0, 255).astype(np.uint8),
        boxes=boxes,
        palms=palms,
        ups=ups,
        is_right=np.array([is_right for _, is_right in hands], bool),
        weight=np.array(
            [_seen(uv, covers[k + 1 :]) for k, (uv, _) in enumerate(hands)], np.float32
        ),
    )


def places_of(uv: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`boxes`, `palms` and `ups` of a `Picture`, of joints [N, 21, 2]."""
    boxes = np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1).astype(np.float32)
    palms = uv[:, list(PALM)].mean(axis=1).astype(np.float32)
    return boxes, palms, palms + (uv[:, MIDDLE_MCP] - uv[:, ROOT]).astype(np.float32)


def _background(size_px: int, rng: np.random.Generator, folder: str | None) -> np.ndarray:
    """What stands behind the hands: float32 [S, S, 3]."""
    if rng.random() >= IN_A_ROOM:
        return render_background(STYLES["varied"], rng, size_px, folder=folder)
    focal, middle = rng.uniform(*ROOM_FOCAL) * size_px, (size_px - 1) / 2
    room = build_room(
        SCENES[rng.integers(len(SCENES))],
        rng,
        np.array([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]]),
        size_px=(size_px, size_px),
        farthest_mm=ROOM_FARTHEST_MM,
        backgrounds=folder,
    )
    return room.image


def _one_hand(side_px: float, size_px: int, rng: np.random.Generator):
    """Joints [21, 2], whether it is a right hand, premultiplied RGB and coverage [S, S]."""
    reach = side_px / 4  # a hand may leave the picture by a quarter
    centre = rng.uniform(reach, size_px - 1 - reach, 2)
    aim = functools.partial(_aim_at, centre_px=centre, side_px=side_px)
    hand = render_hand(STYLES["varied"], rng, size_px, aim=aim, arm_mm=rng.uniform(*ARM_MM))
    uv = hand.joints_mm @ hand.intrinsics.T
    uv, rgb, cover = uv[:, :2] / uv[:, 2:], hand.rgb, hand.cover[..., 0]
    is_right = bool(rng.random() < 0.5)
    if not is_right:
        uv, rgb, cover = flip_uv(uv, size_px), rgb[:, ::-1], cover[:, ::-1]
    if side_px > 0.15 * size_px and rng.random() < 0.3:  # out of focus
        sigma = rng.uniform(0.3, 1.5) * size_px / 224
        rgb, cover = (cv2.GaussianBlur(layer, (0, 0), sigma) for layer in (rgb, cover))
    return uv, is_right, rgb, cover


def _aim_at(joints_mm: np.ndarray, *, centre_px: np.ndarray, side_px: float) -> np.ndarray:
    """Intrinsics that put the box of the joints where it is wanted."""
    plane = joints_mm[:, :2] / joints_mm[:, 2:]
    low, high = plane.min(axis=0), plane.max(axis=0)
    focal = side_px / (high - low).max()
    offset = centre_px - focal * (low + high) / 2
    return np.array([[focal, 0.0, offset[0]], [0.0, focal, offset[1]], [0.0, 0.0, 1.0]])


def _seen(uv_px: np.ndarray, covers_before: list[np.ndarray]) -> float:
    """1 if enough joints are seen before which nothing of `covers_before` stands, else 0."""
    if not covers_before:
        return 1.0
    size_px = len(covers_before[0])
    place = np.clip(np.rint(uv_px).astype(int), 0, size_px - 1)
    hidden = np.max([cover[place[:, 1], place[:, 0]] for cover in covers_before], axis=0)
    return float((hidden >= 0.5).mean() <= MOST_HIDDEN)
