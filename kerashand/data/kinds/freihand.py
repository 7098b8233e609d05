"""FreiHAND (Zimmermann et al., ICCV 2019; for research only), as published.

    {training,evaluation}/rgb/00000000.jpg, 224 x 224
    {training,evaluation}_{K,xyz,scale}.json: [N] of [3, 3], [21, 3] in metres, and metres

Right hands in our joint order. The training pictures come four times, on four backgrounds: number
n + 32560 k is picture n on background k, and all have the labels of n. The labels of the evaluation
were published later; without them the last tenth of the training hands is the test.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerashand.data.kinds.kind import table_kind
from kerashand.errors import UserError
from kerashand.files import read_text, user_path
from kerashand.geometry.camera import px_from_cam
from kerashand.untrusted import parse_json

if TYPE_CHECKING:
    from kerashand.data.readers.table import HandTable

SIZE_PX = (224, 224)
HELD_OUT = 0.1
"""Share of the training hands that is the test where the evaluation's labels are missing."""


def read(root: str | Path, split: str) -> HandTable:
    """The hands of a split.

    Args:
        root: the unpacked data set.
        split: "train" or "test".

    Raises:
        UserError: if something is missing or of another kind.
    """
    from kerashand.data.readers.table import HandTable, check_joints, check_numbers

    root = user_path(root)
    published = (root / "evaluation_xyz.json").is_file()
    part = "evaluation" if split == "test" and published else "training"
    xyz_mm = check_joints(str(root / f"{part}_xyz.json"), _json(root, f"{part}_xyz"), 3) * 1000.0
    count = len(xyz_mm)
    cameras = root / f"{part}_K.json"
    intrinsics = check_numbers(str(cameras), _json(root, f"{part}_K"))
    if intrinsics.shape != (count, 3, 3):
        raise UserError(
            f"{cameras} must hold {count} cameras [3, 3], one for each hand of "
            f"{part}_xyz.json. Received: {intrinsics.shape}"
        )
    numbers = np.arange(count)
    conditions = f"FreiHAND {part}"
    if part == "training":
        first_held_out = count - round(HELD_OUT * count)
        if not published:
            numbers = numbers[first_held_out:] if split == "test" else numbers[:first_held_out]
            conditions += f", {'last' if split == 'test' else 'without the last'} {HELD_OUT:.0%}"
        if split == "train":
            numbers = np.concatenate(
                [numbers + count * k for k in range(_backgrounds(root, count))]
            )
    rows = numbers % count
    return HandTable(
        dataset=f"FreiHAND, {split}",
        conditions=f"{conditions}, {len(rows)} pictures.",
        images=tuple(str(root / part / "rgb" / f"{number:08d}.jpg") for number in numbers),
        size_px=SIZE_PX,
        uv_px=px_from_cam(xyz_mm, intrinsics)[rows],
        uv_weight=np.ones((len(rows), 21), np.float32),
        xyz_mm=xyz_mm[rows],
        intrinsics=intrinsics[rows],
        is_right=np.ones(len(rows), bool),
        groups=rows,
    )


def _backgrounds(root: Path, count: int) -> int:
    """How many versions of each training picture there are: 1 to 4."""
    folder = root / "training" / "rgb"
    return 1 + sum((folder / f"{count * k:08d}.jpg").is_file() for k in (1, 2, 3))


def _json(root: Path, name: str):
    path = root / f"{name}.json"
    try:
        return parse_json(read_text(path))
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist. FreiHAND's folder holds training/, evaluation/ and their "
            ".json files; name the folder above them."
        ) from None
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}). It may be cut short; get it again."
        ) from error


KIND = table_kind(
    "freihand",
    what="FreiHAND, 224 x 224",
    labels=("uv", "xyz"),
    splits=("training", "evaluation"),
    read=read,
)
