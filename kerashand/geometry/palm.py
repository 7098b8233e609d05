"""The frame of a hand: directions and the unit of length that its palm gives. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerashand.skeleton import INDEX_MCP, LITTLE_MCP, MIDDLE_MCP, ROOT

LEAST_LENGTH_MM = 1e-6


def palm_frames(xyz_mm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the axes of right hands and the length of their palms.

    The origin is the wrist. `up` points between the knuckles of the index and the little finger,
    `out` out of the palm, at right angles to the plane of these three joints, and `across` to the
    thumb's side, at right angles to both. The unit of length is wrist - middle MCP.

    Convention: a right hand with its fingers up and its palm to the camera has across = (1, 0, 0),
    up = (0, -1, 0) and out = (0, 0, -1).

    Args:
        xyz_mm: [..., K, 3] joints of right hands; left ones are mirrored first.

    Returns:
        Axes [..., 3, 3], whose rows are across, up and out, so that `axes @ vector` is a vector of
        the camera's frame in that of the hand; and lengths [...] in mm. Where the wrist and the two
        knuckles lie on one line all axes are 0.
    """
    xyz = np.asarray(xyz_mm, np.float64)
    wrist = xyz[..., ROOT, :]
    to_index, to_little = xyz[..., INDEX_MCP, :] - wrist, xyz[..., LITTLE_MCP, :] - wrist
    up = _unit(to_index + to_little)
    out = _unit(np.cross(to_index, to_little).astype(np.float64))
    length = np.linalg.norm(xyz[..., MIDDLE_MCP, :] - wrist, axis=-1)
    axes = np.stack([np.cross(up, out), up, out], axis=-2)
    is_palm = np.linalg.norm(out, axis=-1) > 0
    return np.where(is_palm[..., None, None], axes, 0.0), length


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors [..., 3] of length 1; those of nearly no length become 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(lengths > LEAST_LENGTH_MM, vectors / np.maximum(lengths, LEAST_LENGTH_MM), 0.0)
