"""Rows of a `HandTable` to raw samples, inside tf.data: read, decode, cut a square, mirror.

The square is `margin` times the box around a hand's points. The affine map that cuts it also turns
the picture upright, as its EXIF orientation says, and mirrors left hands. Heads of the pictures
are read when the table is opened; of their pixels nothing is touched before a row is asked for, and
no Python runs on the way. The pixels are those of `kerashand.picture_files.read`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerashand.data.readers.table import RHD_MM, HandTable, given
from kerashand.geometry.camera import (
    apply_affine,
    cam_from_px,
    crop_affine,
    crop_intrinsics,
    flip_intrinsics,
    flip_uv,
    flip_xyz,
)
from kerashand.geometry.registration import Registration, covered_px
from kerashand.geometry.squares import square_around_points
from kerashand.orientation import upright_from_stored
from kerashand.picture_files import Head

CROPS_VERSION = 2
"""Of what is cut from the same picture; in the names of cached shards."""
SHRINK = 1.5
"""Squares that hold more than so many pixels a pixel of the crop are averaged first."""


@dataclass(frozen=True)
class Crops:
    """Where the hands of a table lie in their crops.

    Attributes:
        affine: [N, 3, 3] pixels of the crop from pixels of the picture, mirrored for left hands.
        uv_px, xyz_mm, intrinsics: labels of right hands in crops.
        points_mm: [N, 21, 3] points at the depth that is predicted of them, NaN where none is.
        side_px: [N] side of the square in the picture.
    """

    affine: np.ndarray
    uv_px: np.ndarray
    xyz_mm: np.ndarray
    intrinsics: np.ndarray
    points_mm: np.ndarray
    side_px: np.ndarray


def crops_of(table: HandTable, *, size_px: int, margin: float) -> Crops:
    """Squares about the weighted points that lie in the pictures, `size_px` wide.

    Where fewer than two are weighted, all points in the picture count.
    """
    uv = table.uv_px.astype(np.float64)
    inside = ((uv >= -0.5) & (uv <= np.array(table.size_px) - 0.5)).all(axis=-1)
    known = inside & (table.uv_weight > 0)
    known = np.where(known.sum(axis=1, keepdims=True) >= 2, known, inside)
    centre, side = square_around_points(uv, known, margin=margin)
    affine = crop_affine(centre, side, size_px)
    intrinsics = crop_intrinsics(table.intrinsics.astype(np.float64), affine)
    depth_mm = table.joint_depth_mm
    depth_mm = np.full(uv.shape[:2], np.nan) if depth_mm is None else depth_mm.astype(np.float64)
    points = cam_from_px(uv, depth_mm, table.intrinsics.astype(np.float64))
    uv, xyz = apply_affine(uv, affine), table.xyz_mm
    left = ~table.is_right[:, None, None]

    def of_right(own: NDArray, flipped: NDArray) -> NDArray[np.float32]:
        return np.where(left, flipped, own).astype(np.float32)

    flip = np.diag([-1.0, 1.0, 1.0])
    flip[0, 2] = size_px - 1
    return Crops(
        affine=np.where(left, flip @ affine, affine),
        uv_px=of_right(uv, flip_uv(uv, size_px)),
        xyz_mm=of_right(xyz, flip_xyz(xyz)),
        intrinsics=of_right(intrinsics, flip_intrinsics(intrinsics, size_px)),
        points_mm=of_right(points, flip_xyz(points)),
        side_px=side,
    )


def row_parser(
    table: HandTable,
    *,
    size_px: int,
    margin: float,
    with_image: bool = True,
    with_depth: bool = True,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A function from a row's number to a raw sample (`kerashand.data.sample.RAW_SPEC`).

    Args:
        table: the hands.
        size_px: side of the crops.
        margin: side of the square in boxes around the points.
        with_image: False leaves the picture out, for stages that do not look at it.
        with_depth: False leaves the depth out; a table without depth has none.
    """
    crops = crops_of(table, size_px=size_px, margin=margin)
    constants = {
        "uv_px": tf.constant(crops.uv_px),
        "xyz_mm": tf.constant(crops.xyz_mm),
        "intrinsics": tf.constant(crops.intrinsics),
        "uv_weight": tf.constant(table.uv_weight, tf.float32),
        "points_mm": tf.constant(crops.points_mm),
        "is_hand": tf.ones(len(table)),
    }
    picture_of = _picture_reader(table)
    affine = tf.constant(crops.affine @ _turns(table), tf.float32)
    shrink = np.maximum(crops.side_px / size_px, 1.0)
    averaged = tf.constant(shrink, tf.float32) if (shrink > SHRINK).any() else None
    depth_of = None
    if with_depth and table.depths is not None:
        depth_of = _depth_reader(table, crops, size_px)

    def parse(row: tf.Tensor) -> dict[str, tf.Tensor]:
        sample = {name: value[row] for name, value in constants.items()}
        if with_image:
            sample["image"] = _cut(picture_of(row), affine[row], size_px, shrinks=averaged, row=row)
        if depth_of is not None:
            sample["depth_mm"] = depth_of(row)
        return sample

    return parse


def damaged_pictures(table: HandTable) -> list[str]:
    """Paths of pictures that cannot be decoded, as training would decode them; slow."""
    readers = [(table.images, _picture_reader(table))]
    if table.depths is not None:
        readers.append((table.depths, _depth_picture_reader(table)))
    damaged = []
    for paths, reader in readers:
        for path, row in {path: row for row, path in enumerate(paths)}.items():
            try:
                reader(row)
            except (tf.errors.OpError, ValueError):
                damaged.append(path)
    return damaged


def _turns(table: HandTable) -> np.ndarray:
    """[N, 3, 3] pixels of upright pictures from those of stored ones."""
    return np.array(
        [
            upright_from_stored(head.orientation, head.stored_px)
            if isinstance(head, Head)
            else np.eye(3)
            for head in table.heads
        ]
    )


def _picture_reader(table: HandTable) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from a row to its picture [h, w, 3] uint8 as it is stored, of the right size."""
    images = tf.constant(table.images)
    heads = [head if isinstance(head, Head) else None for head in table.heads]
    lying = [head is not None and head.size_px != head.stored_px for head in heads]
    width, height = table.size_px
    size = tf.constant([(width, height) if lies else (height, width) for lies in lying])
    transparent = [head is not None and head.transparent for head in heads]
    on_white = tf.constant(transparent) if any(transparent) else None

    def read(row: tf.Tensor) -> tf.Tensor:
        data = tf.io.read_file(images[row])

        def opaque() -> tf.Tensor:  # decode_jpeg takes PNG files too
            return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")

        if on_white is None:
            picture = opaque()
        else:
            picture = tf.cond(on_white[row], lambda: _on_white(data), opaque)
        same_size = tf.debugging.assert_equal(tf.shape(picture)[:2], size[row])
        with tf.control_dependencies([] if tf.executing_eagerly() else [same_size]):
            return tf.ensure_shape(picture, (None, None, 3))

    return read


def _on_white(data: tf.Tensor) -> tf.Tensor:
    """RGB of a PNG file with alpha on a white ground, as `picture_files.on_white` has it."""
    rgba = tf.cast(tf.io.decode_png(data, channels=4), tf.int32)
    alpha = rgba[..., 3:]
    return tf.cast((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255, tf.uint8)


def _cut(picture, affine, size_px: int, *, shrinks: tf.Tensor | None, row) -> tf.Tensor:
    """The crop [S, S, 3] uint8; beyond its edge the picture is mirrored."""
    picture = tf.cast(picture, tf.float32)
    if shrinks is not None:
        full = tf.cast(tf.shape(picture)[:2], tf.float32)
        size = tf.maximum(tf.round(full / shrinks[row]), 1.0)
        picture = tf.cond(
            shrinks[row] > SHRINK,
            lambda: tf.image.resize(picture, tf.cast(size, tf.int32), "area"),
            lambda: picture,
        )
        factor = tf.where(shrinks[row] > SHRINK, full / size, tf.ones_like(size))[::-1]
        # Pixels of the crop from those of the smaller picture.
        larger = tf.linalg.diag(tf.concat([factor, [1.0]], axis=0))
        offset = tf.concat([0.5 * factor - 0.5, [0.0]], axis=0)
        affine = affine @ (larger + tf.pad(offset[:, None], ((0, 0), (2, 0))))
    crop = _project(picture, affine, size_px, interpolation="BILINEAR", fill_mode="REFLECT")
    return tf.cast(tf.round(crop), tf.uint8)


def _project(picture, affine, size_px: int, *, interpolation: str, fill_mode: str) -> tf.Tensor:
    inverse = tf.reshape(tf.linalg.inv(affine), (1, 9))[:, :8]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=picture[None],
        transforms=inverse,
        output_shape=(size_px, size_px),
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode=fill_mode,
    )[0]


# ------------------------------------------------------------------------------------- depth


def _depth_picture_reader(table: HandTable) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from a row to its depth picture [H, W, 1] uint16 or [H, W, 3] uint8."""
    paths, (width, height) = tf.constant(table.depths), table.depth_size_px
    channels, dtype = (1, tf.uint16) if table.depth_coding == "mm" else (3, tf.uint8)

    def read(row: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_png(tf.io.read_file(paths[row]), channels=channels, dtype=dtype)
        return tf.ensure_shape(picture, (height, width, channels))

    return read


def _depth_reader(table: HandTable, crops: Crops, size_px: int):
    affine, picture_of = tf.constant(crops.affine, tf.float32), _depth_picture_reader(table)
    coding, unit, registration = given(table.depth_coding), table.depth_unit_mm, table.registration
    splat = None
    if registration:
        cameras = tf.constant(table.intrinsics)
        splat = _splatter(table, registration, crops, size_px=size_px)

    def read(row: tf.Tensor) -> tf.Tensor:
        picture = picture_of(row)
        if splat is not None:
            return splat(unit * depth_mm(picture, coding), affine[row] @ cameras[row])
        # Cut first, as whole pixels: fewer of them are worked out.
        cut = _project(
            tf.cast(picture, tf.int32),
            affine[row],
            size_px,
            interpolation="NEAREST",
            fill_mode="CONSTANT",
        )
        return unit * depth_mm(cut, coding)

    return read


def depth_mm(picture: tf.Tensor, coding: str) -> tf.Tensor:
    """Millimetres [H, W] float32 of the pixels of a depth picture; 0 = no measurement.

    Args:
        picture: [H, W, 3] for "rhd" (256 R + G in 5 m / 65535) and "stb" (R + 256 G in mm),
            [H, W, 1] for "mm".
        coding: one of these.
    """
    values = tf.cast(picture, tf.float32)
    if coding == "rhd":
        return (256.0 * values[..., 0] + values[..., 1]) * RHD_MM
    if coding == "stb":
        return values[..., 0] + 256.0 * values[..., 1]
    return values[..., 0]


def splat_px(table: HandTable, crops: Crops) -> int:
    """Side in pixels of the crop of what a measurement of depth covers, in the finest crop."""
    zoom = np.abs(crops.affine[:, 0, 0]) * table.intrinsics[:, 0, 0]
    return covered_px(zoom.max() / given(table.registration).intrinsics[0, 0])


def _splatter(table: HandTable, registration: Registration, crops: Crops, *, size_px: int):
    """A function (depth [H, W], camera of the crop [3, 3]) -> depth in the crop [S, S].

    Each measurement is moved to where the colour camera sees it and covers as many pixels as the
    finest crop asks for; where several fall on one pixel, the nearest stays.
    """
    rays = tf.constant(registration.rays().reshape(-1, 3), tf.float32)
    offset = tf.constant(registration.translation_mm, tf.float32)
    covered = splat_px(table, crops)
    shift = (covered - 1) / 2.0

    def splat(depth: tf.Tensor, camera: tf.Tensor) -> tf.Tensor:
        depth = tf.reshape(depth, (-1, 1))
        points = rays * depth + offset
        z = points[:, 2]
        projected = points @ tf.transpose(camera)
        uv = projected[:, :2] / tf.maximum(z, 1.0)[:, None] - shift
        place = tf.cast(tf.round(uv), tf.int32)  # of the first pixel that is covered
        near = (depth[:, 0] > 0) & tf.reduce_all((place > -covered) & (place < size_px), axis=1)
        chosen = tf.where(near)[:, 0]
        place, z = tf.gather(place, chosen), tf.gather(z, chosen)
        found = tf.fill([size_px * size_px], np.float32(np.inf))
        for down in range(covered):
            for right in range(covered):
                u, v = place[:, 0] + right, place[:, 1] + down
                seen = (u >= 0) & (u < size_px) & (v >= 0) & (v < size_px)
                index = tf.where(seen, v * size_px + u, 0)
                found = tf.tensor_scatter_nd_min(
                    found, index[:, None], tf.where(seen, z, np.float32(np.inf))
                )
        found = tf.where(tf.math.is_finite(found), found, 0.0)
        return tf.reshape(found, (size_px, size_px))

    return splat
