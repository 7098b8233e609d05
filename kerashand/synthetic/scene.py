"""Whole samples of a domain: a pure function of (domain, split, seed, index).

Source stands for RHD: the MakeHuman hand in wide poses, turned freely, exact depth. Target stands
for STB: the WebXR hand in gestures towards a camera, photographs behind it, a consumer camera's
depth. Varied is for models that meet real photographs: both hands, all poses, shadows, creases,
things in front of the hand and beside it, good and bad cameras. Depth shows the hands of varied as
a depth camera measures them, for the pose model by depth. Every hand is a right hand; a left one is
its mirror image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from kerashand.geometry.camera import px_from_cam
from kerashand.skeleton import ROOT
from kerashand.synthetic import SPLITS, appearance, backgrounds, clutter, held_object, light, sensor
from kerashand.synthetic.depth_view import measure, shown
from kerashand.synthetic.placing import PlacedHand, labelled_joints, place_hand
from kerashand.synthetic.render import lit_share, rasterise, unit, vertex_normals
from kerashand.synthetic.styles import DOMAINS, STYLES, Style

SUPERSAMPLING = 2
ARM_MM = (50.0, 400.0)
"""By how much forearms before a depth camera are longer than the mesh's."""
MOST_HELD = 0.6
"""Share of the hand's surface that a thing in it may hide."""


@dataclass(frozen=True)
class HandSample:
    """One rendered crop with all that is known about it.

    Attributes:
        image: [S, S, 3] uint8 RGB; that of depth is drawn by `kerashand.geometry.depth_picture`.
        depth_mm: [S, S] uint16, 0 = no measurement; the target's is that of a consumer camera.
        mask: [S, S] uint8, 255 = hand or forearm.
        uv_px: [21, 2] float32 joints in the crop.
        xyz_mm: [21, 3] float32 joints in the camera's frame.
        intrinsics: [3, 3] float32 of the crop.
    """

    image: np.ndarray
    depth_mm: np.ndarray
    mask: np.ndarray
    uv_px: np.ndarray
    xyz_mm: np.ndarray
    intrinsics: np.ndarray


def render_sample(
    domain: str,
    split: str,
    *,
    seed: int,
    index: int,
    size_px: int = 128,
    backgrounds: str | None = None,
) -> HandSample:
    """Draw sample `index` of a split.

    Args:
        domain: one of `DOMAINS`.
        split: one of `SPLITS`.
        seed: of the generator.
        index: of the sample.
        size_px: side of its pictures.
        backgrounds: folder of photographs; None for those in the package.

    Raises:
        ValueError: for an unknown domain or split.
    """
    if domain not in DOMAINS or split not in SPLITS:
        raise ValueError(
            f"`domain` must be one of {DOMAINS} and `split` one of {SPLITS}. "
            f"Received: domain={domain!r}, split={split!r}"
        )
    style = STYLES[domain]
    key = [DOMAINS.index(domain), SPLITS.index(split), seed, index]
    rng = np.random.default_rng(key)
    if domain == "depth":
        return _depth_sample(style, rng, size_px)
    hand = render_hand(style, rng, size_px)
    background = np.clip(render_background(style, rng, size_px, folder=backgrounds), 0.0, 1.0)
    rgb = hand.rgb
    uneven = light.uneven_light(key, style.clutter.uneven_light) if style.clutter else None
    if uneven:
        rgb, background = light.light_unevenly(rgb, hand.cover, background, rng=uneven)
    image = rgb + (1.0 - hand.cover) * background
    mask = hand.cover[:, :, 0] - hand.object_cover >= 0.5
    unseen = hand.object_cover >= 0.5
    if style.clutter and rng.random() < style.clutter.occluder:
        colour, cover = clutter.occluder(size_px, rng, background)
        image += cover[..., None] * (colour - image)
        unseen |= cover >= 0.5
    # Coverages exceed 1 by rounding, and a negative colour has no power.
    image = sensor.photograph(np.maximum(image, 0.0), rng, strength=style.camera)
    if style.clutter and rng.random() < style.clutter.cheap_camera:
        image = sensor.cheap_camera(image, rng)
    behind = _background_depth(hand.joints_mm[ROOT, 2], style, size_px=size_px, rng=rng)
    depth = np.where(mask, hand.depth_mm, behind)
    depth = np.where(unseen, 0.0, depth)
    if style.measured_depth:
        depth = sensor.measure_depth(depth, rng)
    return _sample(
        np.clip(np.round(image * 255.0), 0, 255).astype(np.uint8),
        np.round(depth).astype(np.uint16),
        mask,
        joints_mm=labelled_joints(hand.joints_mm, style),
        intrinsics=hand.intrinsics,
    )


def _depth_sample(style: Style, rng: np.random.Generator, size_px: int) -> HandSample:
    """A hand that was measured and not photographed."""
    placed = place_hand(style, rng, size_px, arm_mm=rng.uniform(*ARM_MM))
    depth_mm, is_hand = measure(placed, rng, size_px)
    joints = labelled_joints(placed.joints_mm, style)
    uv = px_from_cam(joints, placed.intrinsics)
    image = shown(depth_mm, joints, uv, intrinsics=placed.intrinsics, rng=rng)
    return _sample(image, depth_mm, is_hand, joints_mm=joints, intrinsics=placed.intrinsics)


def _sample(
    image: np.ndarray, depth_mm: np.ndarray, mask: np.ndarray, *, joints_mm, intrinsics
) -> HandSample:
    """A picture with its labels."""
    return HandSample(
        image=image,
        depth_mm=depth_mm,
        mask=mask.astype(np.uint8) * 255,
        uv_px=px_from_cam(joints_mm, intrinsics).astype(np.float32),
        xyz_mm=joints_mm.astype(np.float32),
        intrinsics=intrinsics.astype(np.float32),
    )


@dataclass(frozen=True)
class RenderedHand:
    """A hand before nothing, with what it holds.

    Attributes:
        joints_mm: [21, 3] in the camera's frame.
        intrinsics: [3, 3].
        rgb: [S, S, 3] premultiplied by coverage.
        cover: [S, S, 1] coverage 0..1 of hand and thing.
        object_cover: [S, S] coverage of the thing alone.
        depth_mm: [S, S] of the hand, infinite elsewhere.
        object_depth_mm: [S, S] of the thing where it is before the hand, infinite elsewhere.
    """

    joints_mm: np.ndarray
    intrinsics: np.ndarray
    rgb: np.ndarray
    cover: np.ndarray
    object_cover: np.ndarray
    depth_mm: np.ndarray
    object_depth_mm: np.ndarray


def render_hand(
    style: Style,
    rng: np.random.Generator,
    size_px: int,
    *,
    aim: Callable[[np.ndarray], np.ndarray] | None = None,
    arm_mm: float = 0.0,
) -> RenderedHand:
    """A random hand before nothing; arguments as of `place_hand`."""
    placed = place_hand(style, rng, size_px, aim=aim, arm_mm=arm_mm)
    return draw_hand(placed, style, rng, size_px=size_px)


def draw_hand(
    placed: PlacedHand, style: Style, rng: np.random.Generator, *, size_px: int
) -> RenderedHand:
    """Colours and depth of a hand, with what it holds; the same `rng` gives the same skin."""
    mesh, joints, intrinsics = placed.mesh, placed.joints_mm, placed.intrinsics
    fine = intrinsics.copy()
    fine[:2] *= SUPERSAMPLING
    fine[:2, 2] += (SUPERSAMPLING - 1) / 2  # pixel centres are at integers
    fragments = rasterise(placed.vertices_mm, mesh.faces, fine, size_px=size_px * SUPERSAMPLING)
    colours, ambient, lights = _colour(
        fragments,
        mesh,
        placed.vertices_mm,
        style=style,
        intrinsics=fine,
        rng=rng,
        cuff_mm=placed.cuff_mm,
    )
    rgba = np.concatenate([colours, np.ones((len(colours), 1), np.float32)], axis=1)
    rgba, depth = fragments.image(rgba), fragments.image(fragments.depth_mm, background=np.inf)
    before, held_depth = np.zeros(depth.shape, bool), np.full(depth.shape, np.inf)
    if style.clutter and rng.random() < style.clutter.held_object:
        thing = held_object.render_held_object(
            joints, fine, len(depth), ambient=ambient, lights=lights, rng=rng
        )
        if thing is not None:
            before, surface = thing.depth_mm < depth, np.isfinite(depth)
            # A thing that hides most of the hand is put away.
            before &= before[surface].sum() <= MOST_HELD * surface.sum()
            held_depth[before] = thing.depth_mm[before]
            rgba[before], depth[before] = thing.rgba[before], np.inf
    rgb, cover, object_cover = _downsample(rgba, before, size_px)
    return RenderedHand(
        joints,
        intrinsics,
        rgb,
        cover,
        object_cover,
        _nearest_of_four(depth),
        _nearest_of_four(held_depth),
    )


def render_background(
    style: Style, rng: np.random.Generator, size_px: int, *, folder: str | None
) -> np.ndarray:
    """What stands behind the hand: float32 [S, S, 3]."""
    if style.clutter and rng.random() < style.clutter.plain_background:
        shade = np.linspace(1.0, rng.uniform(0.6, 1.0), size_px)[:, None, None]
        wall = rng.uniform(0.0, 1.0, 3) * np.rot90(shade * np.ones((1, size_px, 1)))
        background: np.ndarray = wall.astype(np.float32)
    elif rng.random() < style.photographs:
        background = backgrounds.photograph_background(rng, size_px, folder=folder, tint=style.tint)
    else:
        background = backgrounds.procedural_background(rng, size_px)
    if style.clutter and rng.random() < style.clutter.skin_behind:
        background = clutter.add_skin_patches(background, rng)
    if style.clutter and rng.random() < style.clutter.other_hand:
        hand = render_hand(style, rng, size_px)
        rgb, cover = clutter.paste_beside(hand.rgb, hand.cover[..., 0], rng)
        background = rgb + (1.0 - cover[..., None]) * np.clip(background, 0.0, 1.0)
    return background


def _colour(
    fragments, mesh, vertices, *, style: Style, intrinsics, rng, cuff_mm: float | None
) -> tuple[np.ndarray, np.ndarray, list[light.Light]]:
    """Display colours [P, 3] of the visible surface, ambient and far lights.

    A `cuff_mm` of None is drawn.
    """
    attributes = np.concatenate(
        [
            vertex_normals(vertices, mesh.faces),
            mesh.vertices_mm,
            mesh.rest_normals,
            mesh.nails[:, None],
        ],
        axis=1,
    ).astype(np.float32)
    values = fragments.interpolate(attributes, mesh.faces)
    normals = unit(values[:, :3])
    colours = appearance.albedo(
        values[:, 3:6], values[:, 6:9], values[:, 9], rng=rng, detail=style.detail, cuff_mm=cuff_mm
    )
    view_of_pixels = fragments.towards_camera(intrinsics)
    view = unit(view_of_pixels.astype(np.float32))
    if style.clutter:
        colours = appearance.bands(colours, values[:, 3:6], mesh.joints_mm, rng=rng)
    if style.clutter and rng.random() < style.clutter.creases:
        shade = appearance.creases(values[:, 3:6], values[:, 6:9], mesh.joints_mm, rng=rng)
        colours = colours * shade[:, None]
    ambient, lights = light.sample_lights(rng, int(rng.integers(*style.lights)))
    lit = None
    if style.clutter and rng.random() < style.clutter.shadow:
        points = -view_of_pixels * fragments.depth_mm[:, None]
        lit = lit_share(vertices, mesh.faces, points, direction=lights[0].direction)
    shaded = light.shade(
        colours, normals, view, ambient=ambient, lights=lights,
        softness=rng.uniform(0.1, 0.4), gloss=rng.uniform(0.0, style.gloss), lit=lit,
    )  # fmt: skip
    return shaded, ambient, lights


def _downsample(rgba: np.ndarray, before: np.ndarray, size_px: int):
    """Premultiplied colour [S, S, 3], coverage [S, S, 1], and that of `before` [S, S]."""
    rgba = cv2.resize(rgba, (size_px, size_px), interpolation=cv2.INTER_AREA)
    before = cv2.resize(before.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA)
    return rgba[:, :, :3], rgba[:, :, 3:], before


def _nearest_of_four(depth: np.ndarray) -> np.ndarray:
    """The nearest of 2 x 2 pixels: [2 S, 2 S] to [S, S]."""
    depth = np.minimum(depth[0::2], depth[1::2])
    return np.minimum(depth[:, 0::2], depth[:, 1::2])


def _background_depth(root_mm: float, style: Style, *, size_px: int, rng) -> np.ndarray:
    """A tilted wall behind the hand; before a camera now and then a body close behind it."""
    distance = root_mm + rng.uniform(250.0, 1500.0)
    slope = rng.uniform(-1.0, 1.0, 2)
    axis = np.linspace(-0.5, 0.5, size_px)
    wall = distance + 150.0 * (slope[0] * axis[None, :] + slope[1] * axis[:, None])
    if style.measured_depth and rng.random() < 0.15:
        body = root_mm + rng.uniform(130.0, 250.0)
        x, y, width = rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.6), rng.uniform(0.3, 0.8)
        bump = ((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2) / width**2
        wall = np.where(bump < 1.0, np.minimum(wall, body + 80.0 * bump), wall)
    return wall
