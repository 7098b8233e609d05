"""Rendered Hand Pose Dataset (Zimmermann and Brox, ICCV 2017; for research only), as published.

    {training,evaluation}/{color,mask,depth}/00000.png, 320 x 320
    {training,evaluation}/anno_{training,evaluation}.pickle: number -> uv_vis [42, 3],
    xyz [42, 3] in metres, K [3, 3]

Joints 0-20 are the left hand's, 21-41 the right hand's: the wrist, then each finger from its tip to
the palm. Of the two hands the one that covers more pixels of the mask counts, the right one in a
tie; masks hold 2-17 on left hands and 18-33 on right ones. Depth pictures hold
5 m (256 R + G) / 65535.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerashand.data.kinds.kind import table_kind
from kerashand.data.sample import LABELS
from kerashand.data.shards import cache_root
from kerashand.errors import UserError, shown
from kerashand.files import user_path, write_text
from kerashand.pickles import is_numeric, load_pickle
from kerashand.skeleton import FROM_RHD

if TYPE_CHECKING:
    from kerashand.data.readers.table import HandTable

SIZE_PX = (320, 320)
FOLDERS = {"train": "training", "test": "evaluation"}
SHAPES = {"uv_vis": (42, 3), "xyz": (42, 3), "K": (3, 3)}
MOST_PICTURES = 100_000
"""Their names have five digits."""
LEFT_MASK, RIGHT_MASK = (2, 17), (18, 33)


def read(root: str | Path, split: str) -> HandTable:
    """The hands of a split, one a picture.

    Args:
        root: the unpacked data set, with `training` and `evaluation`.
        split: "train" or "test".

    Raises:
        UserError: if something is missing or of another kind.
    """
    from kerashand.data.readers.table import HandTable

    folder = user_path(root) / FOLDERS[split]
    path = folder / f"anno_{FOLDERS[split]}.pickle"
    if not path.is_file():
        raise UserError(
            f"{path} does not exist. RHD's folder holds training/ and evaluation/; name the folder "
            "above them."
        )
    annotations = load_pickle(path)
    uv_vis, xyz, intrinsics, numbers = _arrays(path, annotations)
    names = [f"{number:05d}.png" for number in numbers]
    is_right = sides(folder / "mask", names)
    first = np.where(is_right, 21, 0)
    joints = first[:, None] + np.array(FROM_RHD)  # [N, 21]
    rows = np.arange(len(names))[:, None]
    uv_vis, xyz = uv_vis[rows, joints], xyz[rows, joints]
    return HandTable(
        dataset=f"RHD, {FOLDERS[split]}",
        conditions=(
            f"RHD {FOLDERS[split]}, one hand a picture: the one with more pixels in the mask; no "
            "filter on the number of visible joints."
        ),
        images=tuple(str(folder / "color" / name) for name in names),
        size_px=SIZE_PX,
        uv_px=uv_vis[..., :2],
        uv_weight=(uv_vis[..., 2] > 0.5).astype(np.float32),
        xyz_mm=xyz * np.float32(1000.0),
        intrinsics=intrinsics,
        is_right=is_right,
        depths=tuple(str(folder / "depth" / name) for name in names),
        depth_coding="rhd",
    )


def _arrays(path: Path, annotations):
    """Stacked arrays of the annotation file, in the order of its numbers."""
    wrong = f"{path} is not RHD's annotation file"
    if not isinstance(annotations, dict) or not annotations:
        raise UserError(
            f"{wrong}: it holds {type(annotations).__name__}, not a mapping of pictures."
        )
    try:
        numbers = sorted(annotations)
        columns = {key: [annotations[n][key] for n in numbers] for key in SHAPES}
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{wrong}: {type(error).__name__} {error}. Each picture needs uv_vis, xyz and K."
        ) from None
    if not all(type(number) is int and 0 <= number < MOST_PICTURES for number in numbers):
        raise UserError(
            f"{wrong}: pictures must be numbered 0 to {MOST_PICTURES - 1}. Received: "
            f"{shown(numbers[0])} to {shown(numbers[-1])}"
        )
    for key, arrays in columns.items():
        # Lists that hold each other could stand for more numbers than fit into memory.
        for array in arrays:
            shape = np.shape(array) if is_numeric(array) else type(array).__name__
            if shape != SHAPES[key]:
                raise UserError(
                    f"{wrong}: `{key}` must be {SHAPES[key]} a picture. Received: {shape}"
                )
    return *(np.array(arrays, np.float32) for arrays in columns.values()), numbers


def sides(folder: Path, names: list[str]) -> np.ndarray:
    """[N] whether the right hand covers at least as many pixels of the mask as the left one.

    Reads every mask once and keeps the answer in the sample cache.

    Raises:
        UserError: if a mask is missing or no picture.
    """
    from kerashand import picture_files

    stamp = f"{folder.resolve()} {names[0]} {names[-1]} {len(names)}"
    if folder.is_dir():
        stamp += f" {folder.stat().st_mtime_ns}"
    kept = cache_root(None) / "rhd-sides" / f"{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.txt"
    if kept.is_file() and len(marks := kept.read_text(encoding="ascii")) == len(names):
        return np.array([mark == "R" for mark in marks])

    def is_right(name: str) -> bool | None:
        try:
            mask = picture_files.read_values(folder / name)
        except picture_files.PictureError:
            return None
        mask = mask if mask.ndim == 2 else mask[..., 0]
        return covers(mask, RIGHT_MASK) >= covers(mask, LEFT_MASK)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(is_right, names))
    missing = [name for name, side in zip(names, found, strict=True) if side is None]
    if missing:
        raise UserError(
            f"{folder / missing[0]} is missing or no picture ({len(missing)} of {len(names)} "
            "masks are). The masks say which hand counts; download the data set again."
        )
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, "".join("R" if side else "L" for side in found))
    except OSError:
        pass  # it is asked for again
    return np.array(found, bool)


def covers(mask: np.ndarray, numbers: tuple[int, int]) -> int:
    """How many pixels of a mask lie in a range of its numbers."""
    return int(((mask >= numbers[0]) & (mask <= numbers[1])).sum())


KIND = table_kind(
    "rhd",
    what="RHD, 320 x 320; of two hands the one with more pixels in the mask",
    labels=LABELS,
    splits=("training", "evaluation"),
    read=read,
)
