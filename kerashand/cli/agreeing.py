"""Whether depth belongs to colour, for `kerashand-data label` and `check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kerashand import agreement, picture_files
from kerashand.agreement import Agreement, Change
from kerashand.data.kinds import rgbd
from kerashand.data.readers.recording import Pictures, Recording
from kerashand.data.readers.table import depth_seen, depth_values
from kerashand.errors import UserError
from kerashand.geometry.depth_picture import depth_picture
from kerashand.labelling import BY_DEPTH
from kerashand.runtime import HandPose
from kerashand.runtime.hand import Hand
from kerashand.sequences import evenly
from kerashand.skeleton import NUM_JOINTS

SAMPLES = 24
"""Hands of points.jsonl whose depth is read by `check`, evenly spread."""

DepthModel = Callable[[np.ndarray, Hand], Hand]
"""(picture of `kerashand.geometry.depth_picture`, hand in colour) -> hand in depth."""


def depth_reader() -> DepthModel | None:
    """What reads the hand of a depth picture, beside every predictor."""
    model = HandPose.load_by_depth()
    assert (model.scale_bone, model.depth_along) == BY_DEPTH
    return model.follow


def compare_recording(
    hands: Mapping[str, Hand],
    *,
    recording: Recording,
    pictures: Pictures,
    model: DepthModel,
    depth_px: Mapping[str, NDArray] | None = None,
    again: bool = True,
) -> Agreement | None:
    """Compare colour with depth, as `kerashand.agreement.compare` does.

    Args:
        hands: frame -> its hand by colour.
        recording: its cameras.
        pictures: of its frames.
        model: reads depth.
        depth_px: frame -> points [21, 2] of the hand by depth, in pixels of colour; None reads
            those of some frames.
        again: whether depth pictures are read again where the two are far apart.
    """
    frames = list(pictures.colour)
    numbers = {frame: number for number, frame in enumerate(frames)}

    def read(number: int, hand: Hand, change: Change) -> NDArray[np.float64] | None:
        if not 0 <= number < len(frames):
            return None
        table = rgbd.frames_table(pictures.root, recording, [frames[number]], pictures=pictures)
        try:
            # A depth camera beside the colour camera is turned or mirrored before it is moved.
            values = np.ascontiguousarray(change(depth_values(table, 0)))
            depth = depth_seen(table, 0, values)
        except picture_files.PictureError:
            return None
        palm_mm = recording.wrist_middle_mcp_mm
        shown = depth_picture(depth, hand.uv_px, intrinsics=recording.intrinsics, palm_mm=palm_mm)
        return None if shown is None else model(shown, hand).uv_px

    counted = {numbers[frame]: hand for frame, hand in hands.items() if frame in numbers}
    if depth_px is None:
        some = evenly(sorted(counted), SAMPLES)
        read_px = {number: read(number, counted[number], lambda depth: depth) for number in some}
        seen = {number: uv for number, uv in read_px.items() if uv is not None}
    else:
        seen = {numbers[frame]: uv for frame, uv in depth_px.items() if frame in numbers}
    return agreement.compare(
        counted, seen, centre_px=recording.intrinsics[:2, 2], read=read if again else None
    )


def hands_of(rows: Sequence[dict]) -> dict[str, Hand]:
    """Frame -> hand, of rows of `load_points`; of several hands of a frame the first."""
    found: dict[str, Hand] = {}
    for row in rows:
        if np.isfinite(row["uv_px"]).all():
            hand = Hand(
                handedness=row["handedness"],
                score=1.0,
                uv_px=np.asarray(row["uv_px"], np.float64),
                z_relative=np.zeros(NUM_JOINTS),
                confidence=np.ones(NUM_JOINTS),
                xyz_relative=np.zeros((NUM_JOINTS, 3)),
            )
            found.setdefault(row["frame"], hand)
    return found


def raise_if_wrong(found: Agreement | None) -> None:
    """Raise UserError where depth does not belong to colour for certain."""
    if found is not None and found.is_wrong:
        raise UserError(str(found.text))
