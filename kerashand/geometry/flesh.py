"""Depth of joints behind the skin that a camera sees, by which side of the hand it sees.

Convention: the side seen is 1 where a flat hand shows its palm, -1 where it shows its back, and 0
where it is seen from its edge. Plain operators and NumPy; the figures are written by
tools/measure_flesh.py.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.skeleton import INDEX_MCP, JOINT_NAMES, LITTLE_MCP, ROOT

ASSET = Path(__file__).parents[1] / "assets" / "flesh.json"
FLAT_AREA = 0.6
"""Of the triangle of wrist, index and little knuckle of a flat hand: twice its area in squared
lengths of wrist - middle MCP."""


@dataclass(frozen=True)
class Flesh:
    """Depth of joints behind the skin, of joints that nothing hides.

    Attributes:
        seen: [N] sides seen, -1 to 1 in equal steps.
        depth: [N, 21] medians in lengths of wrist - middle MCP.
        spread: [N, 21] standard deviations without outliers, in the same unit.
    """

    seen: np.ndarray
    depth: np.ndarray
    spread: np.ndarray


@functools.cache
def load_flesh() -> Flesh:
    """The figures of the package."""
    held = json.loads(ASSET.read_text(encoding="utf-8"))
    depth, spread = (
        np.array([held[key][name] for name in JOINT_NAMES], np.float32).T
        for key in ("depth", "spread")
    )
    return Flesh(np.array(held["seen"], np.float32), depth, spread)


def side_seen(uv_px: Any, is_right: Any, palm_px: Any) -> Any:
    """Which side of hands is seen.

    Convention: fingers up and the palm to the camera, the index of a right hand is to the right
    (u).

    Args:
        uv_px: [B, 21, 2].
        is_right: [B], 1 = a right hand is shown.
        palm_px: [B] pixels of wrist - middle MCP across the view.

    Returns:
        [B]; up to 1.3 for broad hands.
    """
    index, little = (uv_px[:, joint] - uv_px[:, ROOT] for joint in (INDEX_MCP, LITTLE_MCP))
    area = little[:, 0] * index[:, 1] - little[:, 1] * index[:, 0]
    return area / (FLAT_AREA * palm_px * palm_px) * (2.0 * is_right - 1.0)


def flesh(uv_px: Any, is_right: Any, palm_px: Any) -> tuple[Any, Any]:
    """Depth of visible joints behind the skin, linear between the figures of the package.

    Args:
        uv_px: [B, 21, 2].
        is_right: [B], 1 = a right hand is shown.
        palm_px: [B] pixels of wrist - middle MCP across the view.

    Returns:
        The depth and its spread, both [B, 21], in lengths of wrist - middle MCP.
    """
    figures = load_flesh()
    seen = side_seen(uv_px, is_right, palm_px)[:, None]
    seen = (abs(seen + 1.0) - abs(seen - 1.0)) / 2.0  # to -1..1, by what tensors and arrays share
    off = 1.0 - abs(seen - figures.seen) / (figures.seen[1] - figures.seen[0])
    shares = (off + abs(off)) / 2.0
    return shares @ figures.depth, shares @ figures.spread
