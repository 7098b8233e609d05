"""BVH: skeletons as text with Euler angles, for Blender, motion-capture tools and game engines.

A file holds one hierarchy (ROOT) for each hand. The format knows neither units nor gaps: lengths
are metres, all hands have a pose in every frame of the film. One that is not there yet has its
first pose; one that is lost keeps its last pose until it is there again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kerashand.animation.armature import Armature, armature_of
from kerashand.animation.motion import Film

Floats = NDArray[np.float64]
ORDER = "Zrotation Xrotation Yrotation"
"""R = Rz Rx Ry of column vectors."""
POSITION = "Xposition Yposition Zposition"
DEFAULT_FRAME_S = 1.0 / 30.0
"""Of a film of one frame."""


def bvh_text(film: Film) -> str:
    """The hands of a film as the text of a .bvh file."""
    armatures = [armature_of(motion) for motion in film.hands]
    lines = ["HIERARCHY"]
    for armature in armatures:
        lines += _hierarchy(armature, 0, depth=0)
    count = len(film.times_s)
    # One rate for all frames, as the format has it: the mean.
    span = float(film.times_s[-1] - film.times_s[0]) if count > 1 else 0.0
    lines += ["MOTION", f"Frames: {count}"]
    lines += [f"Frame Time: {span / (count - 1) if span > 0 else DEFAULT_FRAME_S:.8f}"]
    columns = [
        _columns(armature)[motion.latest(count)]
        for armature, motion in zip(armatures, film.hands, strict=True)
    ]
    rows = np.concatenate(columns, axis=1) if columns else np.zeros((count, 0))
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _hierarchy(armature: Armature, node: int, *, depth: int) -> list[str]:
    """The lines of a node and of what hangs from it, in the order of the columns."""
    children = [child for child, parent in enumerate(armature.parents) if parent == node]
    offset = " ".join(f"{value:.6f}" for value in armature.offsets_m[node])
    if not children:
        lines = ["End Site", "{", f"\tOFFSET {offset}", "}"]
        return ["\t" * depth + line for line in lines]
    kind, channels = ("JOINT", f"3 {ORDER}") if depth else ("ROOT", f"6 {POSITION} {ORDER}")
    head = [f"{kind} {armature.names[node]}", "{", f"\tOFFSET {offset}", f"\tCHANNELS {channels}"]
    lines = ["\t" * depth + line for line in head]
    for child in children:
        lines += _hierarchy(armature, child, depth=depth + 1)
    return [*lines, "\t" * depth + "}"]


def _columns(armature: Armature) -> Floats:
    """The numbers [T, C] of a hand: the wrist, then degrees of every node that has children."""
    turning = sorted(set(armature.parents) - {-1})
    angles = np.rad2deg(_euler_rad(armature.rotations[:, turning]))
    return np.concatenate([armature.wrist_m, angles.reshape(len(angles), -1)], axis=1)


def _euler_rad(rotations: Floats) -> Floats:
    """Angles [T, N, 3] about z, x and y, without jumps from frame to frame."""
    m = rotations
    x = np.arcsin(np.clip(m[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-m[..., 0, 1], m[..., 1, 1])
    y = np.arctan2(-m[..., 2, 0], m[..., 2, 2])
    return np.unwrap(np.stack([z, x, y], axis=-1), axis=0)
