"""What stands behind the hand: photographs without hands, and drawn shapes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from kerashand.errors import UserError
from kerashand.files import check_folder, user_path
from kerashand.picture_files import read as read_picture

PICTURES = (".jpg", ".jpeg", ".png")
LOADED_SIDE_PX = 400


@functools.cache
def photographs(folder: str | None = None) -> list[np.ndarray]:
    """Photographs as uint8 RGB: all in a folder and below, in order of their names, or the packed.

    Raises:
        UserError: when there is no picture in the folder, or one cannot be read.
    """
    if folder is None:
        path = resources.files("kerashand") / "assets" / "backgrounds.npz"
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return [_unpacked(data[k]) for k in sorted(data.files)]
    return [_load_picture(path) for path in picture_files(folder)]


def picture_files(folder: str) -> list[Path]:
    """The picture files in a folder and below, in order of their names.

    Raises:
        UserError: when there is no such folder, or none in it.
    """
    check_folder(folder)
    files = sorted(
        p
        for p in user_path(folder).rglob("*")
        if p.suffix.lower() in PICTURES and not p.name.startswith(".")  # as macOS adds them
    )
    if not files:
        raise UserError(f"{folder} holds no pictures ({', '.join(PICTURES)}).")
    return files


def _unpacked(encoded: np.ndarray) -> np.ndarray:
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert picture is not None  # the file is the package's own
    return picture[:, :, ::-1]


def _load_picture(path: Path) -> np.ndarray:
    picture: np.ndarray = read_picture(path)
    factor = LOADED_SIDE_PX / min(picture.shape[:2])
    if factor < 1.0:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return picture


def empty_pictures(
    seed: Sequence[int], count: int, *, folder: str | None = None
) -> Iterator[np.ndarray]:
    """Cut-outs of photographs without hands, uint8 RGB [256, 256, 3], for measuring a detector."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        picture = photograph_background(rng, 256, folder=folder, tint=0.1)
        yield np.clip(np.rint(picture * 255.0), 0, 255).astype(np.uint8)


def photograph_background(
    rng: np.random.Generator, size_px: int, *, folder: str | None = None, tint: float = 0.25
) -> np.ndarray:
    """A random, tinted, mirrored, turned cut-out of a photograph: float32 [S, S, 3] 0..1.

    Args:
        rng: generator.
        size_px: side S.
        folder: of photographs; None for the packed ones.
        tint: standard deviation of the logarithm of the factor on each colour.
    """
    pictures = photographs(folder)
    picture = pictures[rng.integers(len(pictures))]
    height, width = picture.shape[:2]
    side = rng.uniform(0.3, 0.95) * min(height, width)
    centre = rng.uniform(side / 2, [width - side / 2 + 1e-6, height - side / 2 + 1e-6])
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0
    c, s = np.cos(angle) * side / size_px, np.sin(angle) * side / size_px
    if rng.random() < 0.5:
        matrix = np.array([[-c, -s, 0.0], [-s, c, 0.0]])
    else:
        matrix = np.array([[c, -s, 0.0], [s, c, 0.0]])
    matrix[:, 2] = centre - matrix[:, :2] @ np.full(2, (size_px - 1) / 2)
    cut: np.ndarray = cv2.warpAffine(
        picture, matrix, (size_px, size_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    ).astype(np.float32) / 255.0  # fmt: skip
    if rng.random() < 0.5:
        cut = cv2.GaussianBlur(cut, (0, 0), rng.uniform(0.5, 3.0) * size_px / 128)
    colour = np.exp(rng.normal(0.0, tint, 3)) * np.exp(rng.normal(-0.1, 0.3))
    return cut * colour.astype(np.float32)


def procedural_background(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """Gradients, blobs and shapes, as a renderer would put there: float32 [S, S, 3] 0..1."""
    corners = rng.uniform(0.0, 1.0, (2, 2, 3)) if rng.random() < 0.7 else rng.random((3, 4, 3))
    image = cv2.resize(
        corners.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(rng.integers(0, 9)):
        colour = rng.uniform(0.0, 1.0, 3).tolist()
        centre = rng.integers(0, size_px, 2).tolist()
        axes = (rng.uniform(0.03, 0.5, 2) * size_px).astype(int).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1)
        else:
            box = cv2.boxPoints((centre, [2 * a for a in axes], rng.uniform(0, 180)))
            cv2.fillPoly(image, [box.astype(np.int32)], colour)
    if rng.random() < 0.5:
        side = int(rng.choice([8, 16, 32, size_px]))
        speckle = rng.normal(0.0, rng.uniform(0.02, 0.15), (side, side, 3)).astype(np.float32)
        image = image + cv2.resize(speckle, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return image
