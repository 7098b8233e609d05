"""Where joints lie behind the skin that a depth camera measures.

A visible joint is known in depth up to the flesh before it. A hidden one lies behind what hides it.
So measured depth tells about the depth of joints directly, wherever a point and the hand's surface
meet. Operators of Keras; nothing here is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from kerashand.geometry.flesh import flesh
from kerashand.skeleton import BONES, NUM_JOINTS

HIDDEN_BY = 0.25
"""How far before a joint a bone passes that hides it, in the same lengths."""
BONE_RADIUS = 0.11
SURE_SPREAD = 0.05
"""Spread of the flesh of which a joint counts half, in the same lengths."""
MEASURED_HAND = 1e-3
"""Normalised depth above which a pixel is no background."""


def joints_by_skin(
    batch: Mapping[str, Any],
    z_relative: Any,
    *,
    palm_scales: float,
    half_width_scales: float,
    image_size_px: int,
) -> tuple[Any, Any, Any, Any]:
    """Where joints lie by the depth that was measured at their points.

    Args:
        batch: with `uv_px`, `depth_map`, `depth_weight`, `is_right`, `intrinsics`, `scale_mm` and
            `root_depth_mm`, see `kerashand.data.sample.BATCH_SPEC`.
        z_relative: [B, 21] predicted depth in scale bones; it says which joints are hidden.
        palm_scales: length of wrist - middle MCP in scale bones.
        half_width_scales: of the depth window.
        image_size_px: side of the pictures.

    Returns:
        Expected depth behind the wrist, of joints that are visible; 1 where the hand was measured
        at a point; 1 where a joint is hidden; how sure the expected depth is, 0 to 1. All [B, 21],
        the depth in lengths of wrist - middle MCP.
    """
    uv = ops.stop_gradient(ops.cast(batch["uv_px"], "float32"))
    depth, measured = surface_at(
        batch["depth_map"], batch["depth_weight"], uv, image_size_px=image_size_px
    )
    skin = (0.5 - depth) * (2.0 * half_width_scales / palm_scales)
    palm_mm = batch["scale_mm"] * palm_scales
    palm_px = batch["intrinsics"][:, 0, 0] * palm_mm / batch["root_depth_mm"]
    palm_px = ops.cast(palm_px, "float32")
    behind = hidden(uv, ops.stop_gradient(z_relative / palm_scales), palm_px)
    thick, spread = flesh(uv, batch["is_right"], palm_px)
    sure = 1.0 / (1.0 + ops.square(spread / SURE_SPREAD))
    return skin + thick, measured, behind, sure


def surface_at(depth_map: Any, depth_weight: Any, uv_px: Any, *, image_size_px: int) -> Any:
    """Look up what was measured at joints.

    Args:
        depth_map: [B, D, D, 1] normalised depth (Eq. 4), 0 = background.
        depth_weight: [B, D, D, 1], 0 = not measured.
        uv_px: [B, 21, 2] pixels of the picture of side `image_size_px`.
        image_size_px: side S.

    Returns:
        Normalised depth [B, 21], and 1 where the hand was measured there, else 0.
    """
    side = depth_map.shape[1]
    place = ops.cast(ops.floor((uv_px + 0.5) * (side / image_size_px)), "int32")
    inside = ops.all((place >= 0) & (place < side), axis=-1)
    place = ops.clip(place, 0, side - 1)
    index = place[..., 1] * side + place[..., 0]

    def at(picture: Any) -> Any:
        return ops.take_along_axis(ops.reshape(picture, (-1, side * side)), index, axis=1)

    depth = at(depth_map)
    measured = inside & (at(depth_weight) > 0) & (depth > MEASURED_HAND)
    return depth, ops.cast(measured, "float32")


def hidden(uv_px: Any, z_palms: Any, palm_px: Any) -> Any:
    """Which joints lie behind another bone, by the joints themselves.

    Args:
        uv_px: [B, 21, 2].
        z_palms: [B, 21] relative depth in lengths of wrist - middle MCP.
        palm_px: [B] pixels of that length.

    Returns:
        [B, 21] of 0 and 1.
    """
    places = uv_px / palm_px[:, None, None]
    start, end = np.array(BONES).T
    a, along = ops.take(places, start, axis=1), None
    along = ops.take(places, end, axis=1) - a
    from_a = places[:, :, None, :] - a[:, None]  # [B, 21, 20, 2]
    length = ops.maximum(ops.sum(ops.square(along), axis=-1), 1e-6)
    part = ops.clip(ops.sum(from_a * along[:, None], axis=-1) / length[:, None], 0.0, 1.0)
    aside = ops.norm(from_a - part[..., None] * along[:, None], axis=-1)
    depth_a, depth_b = ops.take(z_palms, start, axis=1), ops.take(z_palms, end, axis=1)
    depth = depth_a[:, None] + part * (depth_b - depth_a)[:, None]
    others = np.ones((NUM_JOINTS, len(BONES)), bool)
    others[start, np.arange(len(BONES))] = others[end, np.arange(len(BONES))] = False
    before = (aside < BONE_RADIUS) & (depth < z_palms[:, :, None] - HIDDEN_BY) & others
    return ops.cast(ops.any(before, axis=-1), "float32")
