"""Stereo Hand Pose Benchmark (Zhang et al. 2016; MIT), as published: one person's left hand.

    images/B1Counting/{BB_left,BB_right,SK_color,SK_depth}_0.png, 640 x 480
    labels/B1Counting_{BB,SK}.mat: handPara [3, 21, 1500] mm

Twelve sequences; B1Counting and B1Random are the test. The first joint is the middle of the palm,
then little, ring, middle, index finger and thumb follow, each from the palm to its tip. The wrist
is worked out from the palm. Labels of SK stand in the frame of its depth camera, and its depth
pictures, R + 256 G mm, are not registered to the colour camera.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerashand.data.kinds.kind import table_kind
from kerashand.data.sample import LABELS
from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import user_path
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.registration import Registration
from kerashand.skeleton import FROM_STB

if TYPE_CHECKING:
    from kerashand.data.readers.table import HandTable

SIZE_PX = (640, 480)
FRAMES = 1500
PACKED, MOST_UNPACKED = 15, 64 << 20
"""MATLAB's number for what zlib packed; the labels of a sequence have less than 1 MB."""
SEQUENCES = {
    "train": tuple(f"B{n}{kind}" for n in range(2, 7) for kind in ("Counting", "Random")),
    "test": ("B1Counting", "B1Random"),
}

BB_INTRINSICS = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]])
BB_BASELINE_MM = 120.054
COLOUR_INTRINSICS = np.array([[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1]])
DEPTH_INTRINSICS = np.array([[475.62768, 0, 336.41179], [0, 474.77709, 238.77962], [0, 0, 1]])
# X_colour = R^T (X_depth - t), with the rotation vector of R.
DEPTH_ROTATION_RAD = np.array([0.00531, -0.01196, 0.00301])
DEPTH_TRANSLATION_MM = np.array([-24.0381, -0.4563, -1.2326])

WRISTS = ("hand3d", "bihand")
MCPS, RING_MCP = (5, 9, 13, 17), 13


def registration() -> Registration:
    """The depth camera of SK beside its colour camera."""
    import cv2

    rotation = np.asarray(cv2.Rodrigues(DEPTH_ROTATION_RAD)[0], np.float64).T
    return Registration(SIZE_PX, DEPTH_INTRINSICS, rotation, -rotation @ DEPTH_TRANSLATION_MM)


def with_wrist(joints_mm: np.ndarray, formula: str) -> np.ndarray:
    """Joints in our order whose first is the palm [N, 21, 3], with the wrist in its place.

    Args:
        joints_mm: [N, 21, 3].
        formula: "hand3d" goes on from the ring finger's knuckle through the palm, twice as far
            (Zimmermann & Brox, Ge et al. 2019); "bihand" takes the mean over four knuckles of 2.25
            times as far (Yang et al. 2020).

    Raises:
        ValueError: for another name.
    """
    palm = joints_mm[:, 0]
    if formula == "hand3d":
        knuckle = joints_mm[:, RING_MCP]
        wrist = knuckle + 2.0 * (palm - knuckle)
    elif formula == "bihand":
        knuckles = joints_mm[:, MCPS]
        wrist = (knuckles + 2.25 * (palm[:, None] - knuckles)).mean(axis=1)
    else:
        raise ValueError(f"`formula` must be one of {WRISTS}. Received: {formula!r}")
    return np.concatenate([wrist[:, None], joints_mm[:, 1:]], axis=1)


def read(
    root: str | Path, split: str, *, camera: str, wrist_from_palm: str = WRISTS[0]
) -> HandTable:
    """The hands of a split.

    Args:
        root: the unpacked data set, with `images` and `labels`.
        split: "train" or "test".
        camera: "sk" (colour with depth) or "bb" (left and right eye, no depth).
        wrist_from_palm: formula of `with_wrist`.

    Raises:
        UserError: if something is missing or of another kind.
    """
    from kerashand.data.readers.table import HandTable

    root = user_path(root)
    joints, images, depths, moments = [], [], [], []
    eyes = ("left", "right") if camera == "bb" else ("color",)
    for number, sequence in enumerate(SEQUENCES[split]):
        xyz = _labels(root / "labels" / f"{sequence}_{camera.upper()}.mat")
        xyz = with_wrist(xyz[:, FROM_STB], wrist_from_palm)
        folder = root / "images" / sequence
        for eye in eyes:
            moved = xyz - np.array([BB_BASELINE_MM, 0.0, 0.0]) * (eye == "right")
            joints.append(moved)
            moments.append(number * FRAMES + np.arange(len(xyz)))
            images += [str(folder / f"{camera.upper()}_{eye}_{k}.png") for k in range(len(xyz))]
        depths += [str(folder / f"SK_depth_{k}.png") for k in range(len(xyz))]
    xyz_mm = np.concatenate(joints)
    if camera == "sk":
        xyz_mm = (xyz_mm - DEPTH_TRANSLATION_MM) @ registration().rotation.T  # rows: R^T (X - t)
    intrinsics = BB_INTRINSICS if camera == "bb" else COLOUR_INTRINSICS
    uv = px_from_cam(xyz_mm, intrinsics)
    shown = "both eyes" if camera == "bb" else "colour camera"
    return HandTable(
        dataset=f"STB {camera.upper()}, {split}",
        conditions=(
            f"STB {camera.upper()} {split} ({shown}, {len(uv)} pictures of one left hand); wrist "
            f"from palm as {wrist_from_palm}."
        ),
        images=tuple(images),
        size_px=SIZE_PX,
        uv_px=uv.astype(np.float32),
        uv_weight=np.ones(uv.shape[:2], np.float32),
        xyz_mm=xyz_mm.astype(np.float32),
        intrinsics=np.tile(intrinsics.astype(np.float32), (len(uv), 1, 1)),
        is_right=np.zeros(len(uv), bool),
        depths=tuple(depths) if camera == "sk" else None,
        depth_coding="stb" if camera == "sk" else None,
        registration=registration() if camera == "sk" else None,
        # What one eye saw is not held out while training sees it with the other.
        groups=np.concatenate(moments),
    )


def _check_unpacked(content: bytes) -> None:
    """Refuse a file whose packed variables are larger than labels are.

    A MATLAB 5 file holds variables one after the other: kind, number of bytes, bytes.
    """
    place, room = 128, MOST_UNPACKED
    while place + 8 <= len(content):
        kind, length = struct.unpack_from("<II", content, place)
        if kind == PACKED:
            unpacker = zlib.decompressobj()
            room -= len(unpacker.decompress(content[place + 8 : place + 8 + length], room + 1))
            if room < 0:
                raise ValueError(f"it unpacks to more than {MOST_UNPACKED:,} bytes")
        place += 8 + length


def _labels(path: Path) -> np.ndarray:
    """Joints [1500, 21, 3] of a label file, in the data set's order."""
    from kerashand.data.readers.table import check_joints

    check("STB")
    from scipy.io import loadmat

    if not path.is_file():
        raise UserError(
            f"{path} does not exist. STB's folder holds images/ and labels/; name the folder above "
            "them."
        )
    try:
        content = path.read_bytes()
        _check_unpacked(content)
        held = loadmat(io.BytesIO(content), variable_names=["handPara"])
    except Exception as error:
        raise UserError(f"{path} cannot be read as a MATLAB file: {str(error)[:200]}") from error
    if "handPara" not in held:
        raise UserError(f"{path} lacks `handPara`; it is not a label file of STB.")
    parameters = np.asarray(held["handPara"])
    if parameters.ndim != 3 or parameters.shape[:2] != (3, 21):
        raise UserError(f"{path}: `handPara` must be [3, 21, N]. Received: {parameters.shape}")
    return check_joints(str(path), parameters.transpose(2, 1, 0), 3).astype(np.float64)


KINDS = tuple(
    table_kind(
        f"stb-{camera}",
        what=what,
        labels=labels,
        splits=("B2 to B6", "B1"),
        read=functools.partial(read, camera=camera),
        options=("wrist_from_palm",),
    )
    for camera, what, labels in (
        ("sk", "STB, colour with depth", LABELS),
        ("bb", "STB, stereo pair, both eyes", ("uv", "xyz")),
    )
)
