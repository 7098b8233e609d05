"""How deep joints lie behind the skin that a camera sees, by which side of the hand it sees.

    python tools/measure_flesh.py

Hands of simulated recordings are turned freely. They have the mesh of the embedded benchmark's
source, since the figures must know nothing of its target. Of each joint that nothing hides, the
depth behind the skin at its point is measured. Writes kerashand/assets/flesh.json: medians and
spreads (1.48 median absolute deviations) in lengths of wrist - middle MCP.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from kerashand.cli.startup import tensorflow_start
from kerashand.files import write_text
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.flesh import ASSET, side_seen
from kerashand.geometry.pose import scale_from_joints
from kerashand.skeleton import JOINT_NAMES, ROOT
from kerashand.synthetic.hand import turned
from kerashand.synthetic.motion import Motion, sample_person
from kerashand.synthetic.placing import labelled_joints
from kerashand.synthetic.render import rasterise
from kerashand.synthetic.styles import STYLES

with tensorflow_start():
    from kerashand.geometry.surface import hidden

MESHES = STYLES["source"].meshes
SEEN = np.linspace(-1.0, 1.0, 9)
FRAMES = 400
SIZE_PX, FOCAL_PX, DISTANCE_MM = 224, 500.0, 500.0


def main(argv: list[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=150, help="(default: 150)")
    parser.add_argument("--views", type=int, default=40, help="of each (default: 40)")
    parser.add_argument("--out", type=Path, default=ASSET)
    args = parser.parse_args(argv)
    seen, behind = measured(args.persons, args.views)
    depth, spread = by_side(seen, behind)
    named = [
        {name: np.round(values[:, joint], 3).tolist() for joint, name in enumerate(JOINT_NAMES)}
        for values in (depth, spread)
    ]
    result = {
        "written_by": "python tools/measure_flesh.py",
        "unit": "lengths of wrist - middle MCP",
        "seen": SEEN.tolist(),
        "depth": named[0],
        "spread": named[1],
    }
    write_text(args.out, json.dumps(result, indent=1) + "\n")


def measured(persons: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """The side seen [N], and depth behind the skin [N, 21], NaN where a joint is hidden."""
    camera = np.array([[FOCAL_PX, 0, SIZE_PX / 2], [0, FOCAL_PX, SIZE_PX / 2], [0, 0, 1.0]])
    seen, behind = [], []
    for number in range(persons):
        rng = np.random.default_rng([20261130, 9, number])
        person = sample_person(rng, MESHES)
        motion = Motion(person, rng, FRAMES)
        palm_mm = float(scale_from_joints(person.joints_mm, "wrist_middle_mcp"))
        for frame in rng.integers(FRAMES, size=views):
            hand = motion.hand(int(frame))
            turn = turned(np.array([0.0, rng.uniform(0.0, 2 * np.pi), 0.0]))
            place = np.array([0.0, 0.0, DISTANCE_MM])
            vertices, joints = hand.vertices_mm @ turn.T + place, hand.joints_mm @ turn.T + place
            vertices[:, 2] = np.maximum(vertices[:, 2], 60.0)
            joints = labelled_joints(joints)
            fragments = rasterise(vertices, person.mesh.faces, camera, SIZE_PX)
            skin = fragments.image(fragments.interpolate(vertices[:, 2:], person.mesh.faces)[:, 0])
            uv = px_from_cam(joints, camera)
            columns, rows = np.clip(np.rint(uv).astype(int), 0, SIZE_PX - 1).T
            depth = skin[rows, columns]
            palm_px = np.array([FOCAL_PX * palm_mm / joints[ROOT, 2]], np.float32)
            relative = (joints[:, 2] - joints[ROOT, 2]) / palm_mm
            covered = hidden(uv[None].astype("f4"), relative[None].astype("f4"), palm_px)
            clear = (depth > 0) & (np.asarray(covered)[0] == 0)
            behind.append(np.where(clear, (joints[:, 2] - depth) / palm_mm, np.nan))
            seen.append(side_seen(uv[None], np.ones(1), palm_px)[0])
    return np.array(seen), np.array(behind)


def by_side(seen: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians and spreads [9, 21] of joints around each value of `SEEN`."""
    half = (SEEN[1] - SEEN[0]) / 2
    clipped = np.clip(seen, -1.0, 1.0)
    rows = [behind[np.abs(clipped - value) <= half] for value in SEEN]
    depth = np.array([np.nanmedian(row, axis=0) for row in rows])
    spread = np.array(
        [1.48 * np.nanmedian(np.abs(row - middle), axis=0)
         for row, middle in zip(rows, depth, strict=True)]
    )  # fmt: skip
    return depth, spread


if __name__ == "__main__":
    main()
