"""A recording of your own: pictures, depth pictures, one camera file, and 2D points.

recording.yaml     cameras and one measure of the hand, see `Recording`
colour/NAME.jpg    or .png
depth/NAME.png     16 bit, 0 = no measurement
points.jsonl       a line a hand: {"frame": "NAME", "handedness": "right",
                   "uv_px": [[u, v], ... 21], "weight": [21 numbers 0..1],
                   "score": 0..1, "z_mm": [21 numbers]}; the last three may be left out

`color` does as well as `colour`. There are no 3D labels. The depth of the wrist is what the depth
picture says about it, and the scale is the measured bone. `z_mm` is the predicted depth of each
joint: no label, but what finds the hand in the depth picture. The last fifth of the frames, in the
order of their names (2 before 10), is the test.

Colour pictures are turned upright as their EXIF orientation says: points, sizes and the colour
camera are those of upright pictures. Depth pictures are as the sensor gave them, never turned.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerashand.data.kinds.kind import table_kind
from kerashand.data.readers.recording import (
    POINTS_FILE,
    RECORDING_FILE,
    Pictures,
    Recording,
    load_points,
    load_recording,
)
from kerashand.errors import UserError
from kerashand.files import content_digest, natural_order, user_path
from kerashand.geometry.flesh import flesh
from kerashand.skeleton import MIDDLE_MCP, NUM_JOINTS, ROOT

if TYPE_CHECKING:
    from kerashand.data.readers.table import HandTable

TEST_SHARE = 0.2
ROOT_WINDOW = 0.12
"""Half side of the window about the wrist in which depth is looked for, in lengths of wrist -
middle MCP as they are seen."""
FARTHEST_PX = 1e5
"""How far from the corner of a picture a wrist may lie that is looked for."""


def read(root: str | Path, split: str) -> HandTable:
    """The hands of a split.

    Args:
        root: the folder of the recording.
        split: "train" or "test".

    Raises:
        UserError: if something is missing or wrong.
    """
    root = user_path(root)
    recording = load_recording(root)
    rows = sorted(load_points(root), key=lambda row: natural_order(row["frame"]))
    names = sorted({row["frame"] for row in rows}, key=natural_order)
    test = set(names[len(names) - round(TEST_SHARE * len(names)) :])
    rows = [row for row in rows if (row["frame"] in test) == (split == "test")]
    if not rows:
        raise UserError(f"{root}: too few frames with points for a split `{split}`.")
    pictures = Pictures.of(root)
    return table_of(root, recording, rows, pictures=pictures, split=split)


def table_of(
    root: Path, recording: Recording, rows: list[dict], *, pictures: Pictures, split: str
) -> HandTable:
    """Rows of `load_points` as a table, with the depth of each wrist."""
    palm, phalanx = recording.wrist_middle_mcp_mm, recording.middle_mcp_pip_mm
    # Joints that no label claims: the right depth of the wrist and lengths of the scale bones.
    xyz_mm = np.zeros((len(rows), NUM_JOINTS, 3), np.float32)
    xyz_mm[:, :, 0] = 1.0
    xyz_mm[:, ROOT, 0], xyz_mm[:, MIDDLE_MCP, 0] = 0.0, palm
    xyz_mm[:, MIDDLE_MCP + 1, 0] = palm + phalanx
    names = sorted({row["frame"] for row in rows}, key=natural_order)
    frame_numbers = {name: n for n, name in enumerate(names)}
    unknown = np.full(NUM_JOINTS, np.nan)
    table = dataclasses.replace(
        frames_table(root, recording, [row["frame"] for row in rows], pictures=pictures),
        dataset=f"{root.name}, {split}",
        conditions=(
            f"recording {root.name}, {split}: {len(rows)} hands; depth of the wrist from the depth "
            f"pictures, wrist - middle MCP {palm:.0f} mm."
        ),
        uv_px=np.array([row["uv_px"] for row in rows]),
        uv_weight=np.array([row["weight"] for row in rows]),
        xyz_mm=xyz_mm,
        is_right=np.array([row["handedness"] == "right" for row in rows]),
        joint_depth_mm=np.array([row.get("z_mm", unknown) for row in rows], np.float32),
        groups=np.array([frame_numbers[row["frame"]] for row in rows]),
    )
    with ThreadPoolExecutor() as pool:
        depth_mm = list(pool.map(lambda row: root_depth_mm(table, row, palm), range(len(table))))
    xyz_mm[:, :, 2] = np.array(depth_mm)[:, None]
    return dataclasses.replace(table, xyz_mm=xyz_mm)


def frames_table(
    root: Path, recording: Recording, frames: list[str], *, pictures: Pictures
) -> HandTable:
    """Frames as a table whose points and joints are not known yet."""
    from kerashand.data.readers.table import HandTable

    count = len(frames)
    return HandTable(
        dataset=root.name,
        conditions=f"recording {root.name}.",
        images=tuple(str(pictures.colour_path(frame)) for frame in frames),
        size_px=recording.size_px,
        uv_px=np.zeros((count, NUM_JOINTS, 2), np.float32),
        uv_weight=np.zeros((count, NUM_JOINTS), np.float32),
        xyz_mm=np.ones((count, NUM_JOINTS, 3), np.float32),
        has_xyz=False,
        intrinsics=np.tile(recording.intrinsics.astype(np.float32), (count, 1, 1)),
        is_right=np.ones(count, bool),
        depths=tuple(str(pictures.depth_path(frame)) for frame in frames),
        depth_coding="mm",
        depth_unit_mm=recording.unit_mm,
        registration=recording.registration,
    )


def root_depth_mm(table: HandTable, row: int, palm_mm: float) -> float:
    """Depth of the wrist joint in mm: NaN if nothing was measured near it.

    It is the predicted one, moved to the skin that was measured at the hand. Where no depth of
    joints is predicted, it is what was measured at the wrist, and the flesh before the joint.
    """
    from kerashand.data.readers.table import depth_seen, given
    from kerashand.geometry.joint_depth import depth_behind_skin

    try:
        depth = depth_seen(table, row)
    except UserError:
        return float("nan")
    uv = table.uv_px[row]
    if not (np.abs(uv[[ROOT, MIDDLE_MCP]]) <= FARTHEST_PX).all():
        return float("nan")
    is_right, focal_px = bool(table.is_right[row]), float(table.intrinsics[row, 0, 0])
    predicted = given(table.joint_depth_mm)[row].astype(np.float64)
    if np.isfinite(predicted[ROOT]):
        moved = depth_behind_skin(
            depth, uv, predicted, is_right=is_right, focal_px=focal_px, palm_mm=palm_mm
        )
        return float("nan") if moved is None else float(moved[ROOT])
    shown_px = np.linalg.norm(uv[MIDDLE_MCP] - uv[ROOT])
    reach = max(round(ROOT_WINDOW * float(shown_px)), 2)
    u, v = np.rint(uv[ROOT]).astype(int)
    window = depth[max(v - reach, 0) : v + reach + 1, max(u - reach, 0) : u + reach + 1]
    measured = window[window > 0]
    if not measured.size:
        return float("nan")
    skin_mm = float(np.median(measured))
    palm_px = np.array([focal_px * palm_mm / skin_mm])
    behind, _ = flesh(uv[None], np.array([is_right]), palm_px)
    return skin_mm + float(behind[0, ROOT]) * palm_mm


def segment(table: HandTable, cache: Path) -> HandTable:
    """The table with depth pictures that show the hands alone."""
    from kerashand.data.hand_depth import with_hand_depth

    return with_hand_depth(table, cache)


def labels_digest(path: str) -> str:
    """Twelve hexadecimal digits that stand for the points, cameras and measures of a recording."""
    return content_digest(*(user_path(path) / name for name in (RECORDING_FILE, POINTS_FILE)))


KIND = table_kind(
    "rgbd",
    what="your own recording: pictures with depth and 2D points",
    labels=("uv", "depth"),
    splits=("first four fifths", "last fifth"),
    read=read,
    labels_key=labels_digest,
    segment=segment,
    # They choose the epoch, see `kerashand.evaluation.label_free`. Few long blocks show few poses,
    # and the score then tells about these and not about the recording.
    validation_share=0.2,
    validation_blocks=20,
)
