"""Labelled photographs: a folder of pictures with 2D points, cut into the sample cache.

The folder holds `labels.npz`, read without pickle, with N hands:

    name [N] text        picture file, relative to the folder; one picture may hold several hands
    uv_px [N, 21, 2]     points in pixels of the picture (centres of pixels are integers)
    uv_weight [N, 21]    how much each point counts, 0..1
    is_right [N] bool    anatomical side; left hands are mirrored
    split [N] text       train, val or test

A square without a hand is a row whose points all have weight 0: their box is the square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerashand.data.kinds.kind import Kind, Request
from kerashand.data.shards import CachedSplit
from kerashand.errors import UserError
from kerashand.files import check_folder, content_digest, user_path
from kerashand.geometry.camera import apply_affine
from kerashand.geometry.pose import mirror
from kerashand.geometry.squares import LEAST_HAND_PX
from kerashand.untrusted import read_arrays

LABELS_FILE = "labels.npz"
POINTS_3D_FILE = "points_3d.npz"
"""Beside it, for evaluation only: name [N], split [N], xyz_mm [N, 21, 3] and intrinsics [N, 3, 3]
of pictures that hold one right hand."""
MARGIN = 1.7  # of the stored square around the points; that of rendered `varied` hands
# Kind of the values, and the shape of one hand's.
FIELDS = {
    "name": ("U", ()),
    "uv_px": ("f", (21, 2)),
    "uv_weight": ("f", (21,)),
    "is_right": ("b", ()),
    "split": ("U", ()),
}
# There is no 3D label: any finite hand before any finite camera.
FILLER_DEPTH_MM = 500.0
FILLER_BONE_MM = 30.0


@dataclass(frozen=True)
class PhotoSplit(CachedSplit):
    """The hands of one split of a folder, in the order of its label file."""

    path: str
    split: str
    size_px: int
    samples: int
    digest: str

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        return f"photos-v2/{Path(self.path).name}-{self.split}-{self.size_px}px-{self.digest}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Crop and compress hands first .. first + count - 1."""
        labels = load_labels(self.path)
        rows = np.flatnonzero(labels["split"] == self.split)[first : first + count]
        return [self._encode(labels, row) for row in rows]

    def _encode(self, labels: dict[str, np.ndarray], row: int) -> dict[str, bytes]:
        import cv2

        from kerashand import picture_files
        from kerashand.data.cache import encode_jpeg
        from kerashand.data.crops import cut_hand

        path = Path(self.path) / str(labels["name"][row])
        picture = picture_files.read(path)
        uv, weight = labels["uv_px"][row], labels["uv_weight"][row]
        if is_outside(uv, weight, picture.shape[1::-1]):
            raise UserError(f"{path}: {OUTSIDE} (row {row} of {LABELS_FILE}).")
        xyz, intrinsics = filler_pose(self.size_px)
        if not labels["is_right"][row]:
            width = picture.shape[1]
            picture = picture[:, ::-1]
            uv, xyz, intrinsics = mirror(uv, xyz, intrinsics, width_px=width)
        image, affine = cut_hand(picture, uv, weight, margin=MARGIN, size_px=self.size_px)
        uv = apply_affine(uv, affine)
        depth = np.zeros((self.size_px, self.size_px), np.uint16)
        return {
            "image": encode_jpeg(image),
            "depth_mm": cv2.imencode(".png", depth)[1].tobytes(),
            "uv_px": uv.astype("<f4").tobytes(),
            "uv_weight": weight.astype("<f4").tobytes(),
            "is_hand": np.float32((weight > 0).any()).tobytes(),
            "xyz_mm": xyz.astype("<f4").tobytes(),
            "intrinsics": intrinsics.astype("<f4").tobytes(),
        }


def filler_pose(size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints [21, 3] and intrinsics [3, 3] of a crop: its hand has no 3D label."""
    xyz = np.zeros((21, 3))
    xyz[:, 0] = FILLER_BONE_MM * np.arange(21)
    xyz[:, 2] = FILLER_DEPTH_MM
    return xyz, np.diag([size_px, size_px, 1.0])


class BoxedPicture(NamedTuple):
    """A picture of a split with its hands; it may hold none.

    Attributes:
        rgb: [H, W, 3] uint8.
        boxes: [n, 4] left, top, right, bottom.
        is_right: [n].
        sets: names of the collections that it is of, where the labels name them.
    """

    rgb: np.ndarray
    boxes: np.ndarray
    is_right: np.ndarray
    sets: tuple[str, ...]


def boxed_pictures(path: str, split: str) -> Iterator[BoxedPicture]:
    """Each picture of a split with the boxes of its hands."""
    from kerashand import picture_files

    labels = load_labels(path)
    for name in sorted(set(labels["name"][labels["split"] == split].tolist())):
        picture = picture_files.read(Path(path) / name)
        hands = of_picture(labels, name)
        rows = np.flatnonzero(hands)
        uv = labels["uv_px"][rows]
        boxes = np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1)
        sets: tuple[str, ...] = ()
        if "set" in labels:
            own = hands if hands.any() else labels["name"] == name
            sets = tuple(sorted({str(one) for one in labels["set"][own]}))
        yield BoxedPicture(picture, boxes, labels["is_right"][rows], sets)


def of_picture(labels: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Which rows [N] are hands of a picture; squares without a hand are not."""
    return (labels["name"] == name) & (labels["uv_weight"] > 0).any(axis=1)


def count(path: str, split: str) -> int:
    """How many hands a split of a folder holds."""
    return int((load_labels(path)["split"] == split).sum())


def labels_digest(path: str | Path) -> str:
    """Twelve hexadecimal digits that stand for the label file of a folder."""
    return content_digest(user_path(path) / LABELS_FILE)


def load_labels(path: str) -> dict[str, np.ndarray]:
    """The arrays of a folder's label file, checked.

    Raises:
        UserError: when it is missing, damaged, or an array has a wrong type, shape or value.
    """
    check_folder(path)
    file = user_path(path) / LABELS_FILE
    try:
        labels = read_arrays(file)
    except FileNotFoundError:
        raise UserError(
            f"{file} does not exist. It holds the 2D points of photographs, see docs/data.md."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as an .npz file: {error}") from error
    hands = labels["name"].size if "name" in labels else 0
    for name, (kind, shape_of_one) in FIELDS.items():
        if name not in labels:
            raise UserError(f"{file} lacks `{name}`. It holds: {', '.join(sorted(labels))}")
        array, shape = labels[name], (hands, *shape_of_one)
        if array.dtype.kind != kind or array.shape != shape:
            raise UserError(
                f"{file}: `{name}` must be of kind {kind!r} and shape {shape}. "
                f"Received: {array.dtype}, {array.shape}"
            )
    for bad, what in _wrong_hands(labels):
        if bad.any():
            row = int(np.argmax(bad))
            raise UserError(
                f"{file}: {int(bad.sum())} hands have {what}; the first is row {row}, "
                f"{labels['name'][row]}."
            )
    return labels


def _wrong_hands(labels: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, str]]:
    """[N] which hands cannot be used, and why."""
    uv, weight = labels["uv_px"], labels["uv_weight"]
    yield ~np.isfinite(uv).all(axis=(1, 2)), "points that are not finite"
    yield ~np.all((weight >= 0) & (weight <= 1), axis=1), "weights outside 0..1"
    yield (weight > 0).sum(axis=1) == 1, "a single weighted point (none is a square without a hand)"
    span = np.ptp(uv, axis=1).max(axis=1)
    yield span < LEAST_HAND_PX, "points that span less than 4 pixels (they are counted in pixels)"


OUTSIDE = "no hand, its points lie outside of the picture"


def is_outside(uv_px: np.ndarray, weight: np.ndarray, size_px: tuple[int, int]) -> bool:
    """Whether a hand has fewer than two points in a picture of this width and height."""
    inside = ((uv_px >= -0.5) & (uv_px <= np.array(size_px) - 0.5)).all(axis=-1)
    return bool((weight > 0).any() and inside.sum() < 2)


def _open(request: Request) -> PhotoSplit:
    path, split = request.chosen["path"], request.split
    held = count(path, split)
    if held < request.samples:
        raise UserError(
            f"{Path(path) / LABELS_FILE} holds {held} hands of the split `{split}`, but "
            f"{request.samples} are asked for."
        )
    return PhotoSplit(
        str(Path(path).resolve()), split, request.size_px, request.samples, labels_digest(path)
    )


KIND = Kind(
    name="photos",
    what="photographs with 2D points",
    labels=("uv",),
    splits=("as labelled", "as labelled"),
    open=_open,
    count=lambda chosen, split: count(chosen["path"], split),
    labels_key=labels_digest,
    unit="squares",  # some may hold no hand
)
