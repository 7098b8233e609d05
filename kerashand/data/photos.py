"""Labelled photographs: a folder of pictures with 2D points, cropped into the sample cache.

The folder holds `labels.npz`, read without pickle, with N hands:

    name [N] text        picture file, relative to the folder; one picture may hold several hands
    uv_px [N, 21, 2]     points in pixels of the picture (centres of pixels are integers)
    uv_weight [N, 21]    how much each point counts, 0..1
    is_right [N] bool    anatomical side; left hands are mirrored
    split [N] text       train, val or test

A square without a hand is a row whose points all have weight 0: their box is the square.

The kind `photos-xyz` reads two more, known or estimated:

    xyz_mm [N, 21, 3]    joints in the camera's frame
    intrinsics [N, 3, 3] of the picture
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kerashand import picture_files
from kerashand.data.cache import CachedSplit, encode_jpeg
from kerashand.data.readers.checks import HAND_MM
from kerashand.data.readers.table import LEAST_HAND_PX
from kerashand.errors import UserError
from kerashand.files import check_folder, user_path
from kerashand.geometry.camera import apply_affine, crop_affine, px_from_cam
from kerashand.geometry.pose import mirror
from kerashand.untrusted import read_arrays

POSED = "photos-xyz"
KINDS = ("photos", POSED)
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
FIELDS_3D = {"xyz_mm": ("f", (21, 3)), "intrinsics": ("f", (3, 3))}
MOST_OFF_SPANS = 0.5
"""How far joints may project beside their points, in spans of these: estimates are off by less."""
# Where there is no 3D label: any finite hand before any finite camera.
FILLER_DEPTH_MM = 500.0
FILLER_BONE_MM = 30.0


@dataclass(frozen=True)
class PhotoSplit(CachedSplit):
    """The hands of one split of a folder, in the order of its label file.

    `posed` ones have joints in 3D.
    """

    path: str
    split: str
    size_px: int
    samples: int
    digest: str
    posed: bool = False

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        kind = f"{POSED if self.posed else KINDS[0]}-v2"
        return f"{kind}/{Path(self.path).name}-{self.split}-{self.size_px}px-{self.digest}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Crop and compress hands first .. first + count - 1."""
        labels = load_labels(self.path, posed=self.posed)
        rows = np.flatnonzero(labels["split"] == self.split)[first : first + count]
        return [self._encode(labels, row) for row in rows]

    def _encode(self, labels: dict[str, np.ndarray], row: int) -> dict[str, bytes]:
        picture = picture_files.read(Path(self.path) / str(labels["name"][row]))
        uv, weight = labels["uv_px"][row], labels["uv_weight"][row]
        is_hand = bool((weight > 0).any())
        posed = self.posed and is_hand
        if posed:
            xyz, intrinsics = labels["xyz_mm"][row], labels["intrinsics"][row]
        else:
            xyz, intrinsics = filler_pose(self.size_px)
        if not labels["is_right"][row]:
            width = picture.shape[1]
            picture = picture[:, ::-1]
            uv, xyz, intrinsics = mirror(uv, xyz, intrinsics, width_px=width)
        seen = weight if is_hand else np.ones(21)
        image, affine = crop_hand(picture, uv, seen, size_px=self.size_px)
        uv = apply_affine(uv, affine)
        if posed:
            intrinsics = affine @ intrinsics
        depth = np.zeros((self.size_px, self.size_px), np.uint16)
        return {
            "image": encode_jpeg(image),
            "depth_mm": cv2.imencode(".png", depth)[1].tobytes(),
            "uv_px": uv.astype("<f4").tobytes(),
            "uv_weight": weight.astype("<f4").tobytes(),
            "is_hand": np.float32(is_hand).tobytes(),
            "xyz_mm": xyz.astype("<f4").tobytes(),
            "intrinsics": intrinsics.astype("<f4").tobytes(),
        }


def filler_pose(size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints [21, 3] and intrinsics [3, 3] of a crop whose hand has no 3D label."""
    xyz = np.zeros((21, 3))
    xyz[:, 0] = FILLER_BONE_MM * np.arange(21)
    xyz[:, 2] = FILLER_DEPTH_MM
    return xyz, np.diag([size_px, size_px, 1.0])


def crop_hand(
    picture: np.ndarray, uv_px: np.ndarray, uv_weight: np.ndarray, *, size_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """The square of `MARGIN` times the points' box [S, S, 3] and the map [3, 3] to its pixels.

    Beyond the picture's edge it is mirrored. A square that holds many more pixels than the crop is
    averaged first, so that nothing is skipped.
    """
    known = uv_px[uv_weight > 0]
    low, high = known.min(axis=0), known.max(axis=0)
    side = float((high - low).max()) * MARGIN
    shrink = max(side / size_px, 1.0)
    to_small = np.eye(3)
    if shrink > 1.0:
        size = np.maximum(np.round(np.array(picture.shape[1::-1]) / shrink), 1).astype(int)
        factor = size / picture.shape[1::-1]
        picture = cv2.resize(picture, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
        to_small = np.diag([*factor, 1.0])
        to_small[:2, 2] = 0.5 * factor - 0.5
        low, high, side = (low + 0.5) * factor - 0.5, (high + 0.5) * factor - 0.5, side / shrink
    affine = crop_affine((low + high) / 2, side, size_px)
    image = cv2.warpAffine(
        np.ascontiguousarray(picture), affine[:2], (size_px, size_px), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return image, affine @ to_small


def open_split(
    path: str, split: str, *, size_px: int, samples: int, posed: bool = False
) -> PhotoSplit:
    """The first `samples` hands of a split; `posed` with their joints in 3D.

    Raises:
        UserError: when the folder or its label file is missing or wrong, or holds fewer hands.
    """
    labels = load_labels(path, posed=posed)
    held = int((labels["split"] == split).sum())
    if held < samples:
        raise UserError(
            f"{Path(path) / LABELS_FILE} holds {held} hands of the split `{split}`, but "
            f"{samples} are asked for."
        )
    digest = labels_digest(path)
    return PhotoSplit(str(Path(path).resolve()), split, size_px, samples, digest, posed)


def boxed_pictures(path: str, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Each picture of a split: RGB [H, W, 3], boxes [n, 4] of its hands, is_right [n]."""
    labels = load_labels(path)
    for name in sorted(set(labels["name"][labels["split"] == split].tolist())):
        picture = picture_files.read(Path(path) / name)
        rows = np.flatnonzero(labels["name"] == name)
        uv = labels["uv_px"][rows]
        boxes = np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1)
        yield picture, boxes, labels["is_right"][rows]


def count(path: str, split: str) -> int:
    """How many hands a split of a folder holds."""
    return int((load_labels(path)["split"] == split).sum())


def labels_digest(path: str | Path) -> str:
    """Twelve hexadecimal digits that stand for the label file of a folder."""
    return hashlib.sha256((Path(path) / LABELS_FILE).read_bytes()).hexdigest()[:12]


def load_labels(path: str, *, posed: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a folder's label file, checked; `posed` with joints in 3D.

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
    count = labels["name"].size if "name" in labels else 0
    for name, (kind, shape_of_one) in (FIELDS | (FIELDS_3D if posed else {})).items():
        if name not in labels:
            raise UserError(f"{file} lacks `{name}`. It holds: {', '.join(sorted(labels))}")
        array, shape = labels[name], (count, *shape_of_one)
        if array.dtype.kind != kind or array.shape != shape:
            raise UserError(
                f"{file}: `{name}` must be of kind {kind!r} and shape {shape}. "
                f"Received: {array.dtype}, {array.shape}"
            )
    for bad, what in _wrong_hands(labels, posed):
        if bad.any():
            row = int(np.argmax(bad))
            raise UserError(
                f"{file}: {int(bad.sum())} hands have {what}; the first is row {row}, "
                f"{labels['name'][row]}."
            )
    return labels


def _wrong_hands(labels: dict[str, np.ndarray], posed: bool) -> Iterator[tuple[np.ndarray, str]]:
    """[N] which hands cannot be used, and why."""
    uv, weight = labels["uv_px"], labels["uv_weight"]
    yield ~np.isfinite(uv).all(axis=(1, 2)), "points that are not finite"
    yield ~((weight >= 0) & (weight <= 1)).all(axis=1), "weights outside 0..1"
    yield (weight > 0).sum(axis=1) == 1, "a single weighted point (none is a square without a hand)"
    span = np.ptp(uv, axis=1).max(axis=1)
    yield span < LEAST_HAND_PX, "points that span less than 4 pixels (they are counted in pixels)"
    if not posed:
        return
    # Joints of a square without a hand are never read.
    is_hand = (weight > 0).any(axis=1)[:, None, None]
    xyz, intrinsics = (
        np.where(is_hand, labels[name], filler)
        for name, filler in zip(FIELDS_3D, filler_pose(1), strict=True)
    )
    finite = np.isfinite(xyz).all(axis=(1, 2)) & np.isfinite(intrinsics).all(axis=(1, 2))
    yield ~finite, "joints or cameras that are not finite"
    yield ~(xyz[..., 2] > 0).all(axis=1), "joints behind the camera"
    extent = np.ptp(xyz, axis=1).max(axis=1)
    wrong = is_hand[:, 0, 0] & ((extent < HAND_MM[0]) | (extent > HAND_MM[1]))
    size = f"{extent[np.argmax(wrong)]:.3g} mm"
    yield wrong, f"a size that no hand has, such as {size} (are the units right?)"
    off = np.linalg.norm(px_from_cam(xyz, intrinsics) - uv, axis=2)
    off = np.nanmedian(np.where((weight > 0) | ~is_hand[:, 0], off, np.nan), axis=1)
    beside = is_hand[:, 0, 0] & (off > MOST_OFF_SPANS * span)
    yield beside, "joints that project beside their points (whose camera?)"
