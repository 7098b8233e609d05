"""Augmentation of batches that moves picture, joints, depth and intrinsics together.

Geometry is one affine map p' = A p per sample: turn about the image centre, zoom, shift. Joints
turn about the optical axis with the picture, the intrinsics become A K R^T, and depth values stay
as they are, so that projecting the new joints with the new intrinsics lands on the moved pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import tensorflow as tf

from kerashand.data.streams import stream
from kerashand.geometry.camera import HAND_MARGIN, apply_affine, rotated_intrinsics
from kerashand.skeleton import MIDDLE_MCP, ROOT

MIRRORED_WEIGHT = 0.25
"""What labels of mirrored hands count for joints. The runtime mirrors left hands, so that a network
sees one only in the first pass over a crop. Its joints then tell no more than where to look next.
"""
SMALLEST_BOX = 0.2
"""Of the picture's side: hands seen along their fingers are not enlarged more than this asks."""


@dataclass(frozen=True)
class AugmentParameters:
    """Ranges of the augmentation; 0 switches one off.

    Attributes:
        mirrored: share of hands that are shown as left hands.
        rotation_deg: rotation, uniform in +- this.
        scale: zoom factor, uniform in 1 +- this, times that of the data set.
        shift: shift of the picture, uniform in +- this share of its side.
        brightness, contrast, saturation: factors, uniform in 1 +- this.
        noise: standard deviation of grey noise, 0..255.
        depth_stretch: factor on depth relative to the wrist, exp of uniform +- this (stage 2 only).
        depth_tilt: slope added to the depth of a hand, uniform +- this a picture (stage 2 only).
        upright: share of hands that are shown as the runtime's second pass shows them: fingers up
            and in the middle, instead of turned by `rotation_deg`.
        upright_deg: rotation of these hands from upright, uniform in +- this.
        colour_cast: factor on each colour of a picture, uniform in 1 +- this.
        cover: share of pictures of which a rectangle from the next picture hides a part.
        faded: share of pictures that lose 0 to 75 % of their contrast, after `contrast`.
        blur_px: Gaussian blur of half of the pictures, standard deviation uniform in 0 to this.
        spectrum: share of the source's pictures that get the low-frequency amplitudes of a picture
            of the target.
    """

    mirrored: float = 0.0
    rotation_deg: float = 30.0
    scale: float = 0.15
    shift: float = 0.06
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    noise: float = 4.0
    depth_stretch: float = 0.6
    depth_tilt: float = 0.5
    upright: float = 0.0
    upright_deg: float = 25.0
    colour_cast: float = 0.0
    cover: float = 0.0
    faded: float = 0.0
    blur_px: float = 0.0
    spectrum: float = 0.0


NO_CHANGE = AugmentParameters(**{field.name: 0.0 for field in fields(AugmentParameters)})


def random_affine(
    uv_px: tf.Tensor,
    size_px: int,
    parameters: AugmentParameters,
    *,
    seed: tf.Tensor,
    zoom: float = 1.0,
):
    """Affine maps [B, 3, 3] new-from-old pixels and what they do to joints, [B, 3, 3].

    That is a rotation about the optical axis, after a reflection where the hand is mirrored.

    Args:
        uv_px: [B, 21, 2] joints, for those that are shown upright; unlabelled ones are finite.
        size_px: side of the picture.
        parameters: ranges.
        seed: stateless seed [2].
        zoom: factor about which the zoom is drawn.
    """
    count = uv_px.shape[0]
    draws = tf.random.stateless_uniform((4, count), seed, -1.0, 1.0)
    angle = draws[0] * _radians(parameters.rotation_deg)
    zoom = tf.fill([count], tf.constant(zoom, tf.float32))
    middle = tf.zeros([2, count])
    if parameters.upright > 0:
        chosen = tf.random.stateless_uniform([count], stream(seed, "upright")) < parameters.upright
        turned = upright_angle(uv_px) + draws[0] * _radians(parameters.upright_deg)
        to_middle, fitting = hand_view(uv_px, turned, size_px)
        angle = tf.where(chosen, turned, angle)
        zoom = tf.where(chosen, fitting, zoom)
        middle = tf.where(chosen, to_middle, middle)
    zoom = zoom * (1.0 + draws[1] * parameters.scale)
    shift = zoom * middle + draws[2:] * (parameters.shift * size_px)
    affine, rotation = _affine(angle, zoom, shift, size_px=size_px)
    if parameters.mirrored > 0:
        chosen = (
            tf.random.stateless_uniform([count], stream(seed, "mirrored")) < parameters.mirrored
        )
        sign = tf.where(chosen, -1.0, 1.0)
        one, zero = tf.ones_like(sign), tf.zeros_like(sign)
        edge = tf.where(chosen, size_px - 1.0, 0.0)
        # The last step: a right hand that stands upright is a left one that stands upright.
        affine = _matrix([[sign, zero, edge], [zero, one, zero], [zero, zero, one]]) @ affine
        rotation = _matrix([[sign, zero, zero], [zero, one, zero], [zero, zero, one]]) @ rotation
    return affine, rotation


def upright_angle(uv_px: tf.Tensor) -> tf.Tensor:
    """Turn [B] in radians that brings the middle knuckle above the wrist."""
    up = uv_px[:, MIDDLE_MCP] - uv_px[:, ROOT]
    return -math.pi / 2 - tf.atan2(up[:, 1], up[:, 0])


def hand_view(uv_px: tf.Tensor, angle: tf.Tensor, size_px: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the box of the joints lies once the picture is turned about its centre.

    Args:
        uv_px: [B, 21, 2] joints.
        angle: [B] turn in radians.
        size_px: side of the picture.

    Returns:
        Offset [2, B] in pixels from the middle of the box to the centre of the picture, and the
        zoom [B] at which `HAND_MARGIN` boxes fill the picture.
    """
    u, v = tf.unstack(uv_px - (size_px - 1) / 2.0, axis=-1)
    cosine, sine = tf.cos(angle)[:, None], tf.sin(angle)[:, None]
    turned = tf.stack([cosine * u - sine * v, sine * u + cosine * v])  # [2, B, 21]
    low, high = tf.reduce_min(turned, axis=-1), tf.reduce_max(turned, axis=-1)
    side = tf.maximum(tf.reduce_max(high - low, axis=0), SMALLEST_BOX * size_px)
    return -(low + high) / 2.0, size_px / (HAND_MARGIN * side)


def centred_affine(count: tf.Tensor, size_px: int, zoom: float):
    """As `random_affine` without chance: the middle of the picture, `zoom` times as large."""
    zero = tf.zeros([count])
    return _affine(zero, zero + zoom, tf.stack([zero, zero]), size_px=size_px)


def _affine(angle: tf.Tensor, zoom: tf.Tensor, shift: tf.Tensor, *, size_px: int):
    cosine, sine = tf.cos(angle), tf.sin(angle)
    zero, one = tf.zeros_like(angle), tf.ones_like(angle)
    rotation = _matrix([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]])
    centre = (size_px - 1) / 2.0
    # p' = zoom R (p - c) + c + shift
    offset_u = centre + shift[0] - zoom * centre * (cosine - sine)
    offset_v = centre + shift[1] - zoom * centre * (sine + cosine)
    affine = _matrix(
        [
            [zoom * cosine, -zoom * sine, offset_u],
            [zoom * sine, zoom * cosine, offset_v],
            [zero, zero, one],
        ]
    )
    return affine, rotation


def _radians(degrees: float) -> float:
    return degrees * (math.pi / 180.0)


def _matrix(rows) -> tf.Tensor:
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def warp(images: tf.Tensor, new_from_old: tf.Tensor, *, output_px: int) -> tf.Tensor:
    """Move the pixels of uint8 pictures [B, S, S, 3] by p' = A p.

    The result is float32 [B, output, output, 3]. Bilinear; outside, the picture is mirrored about
    its edge, once. With an output of another side, A maps into an image of the old side, which is
    then sampled at the centres of the output's larger or smaller pixels.
    """
    old_from_new = tf.linalg.inv(new_from_old) @ resized(images.shape[1] / output_px)
    return _sample_bilinear(images, old_from_new, output_px)


@tf.function(jit_compile=True, autograph=False)
def _sample_bilinear(images: tf.Tensor, old_from_new: tf.Tensor, output_px: int) -> tf.Tensor:
    """`warp` by the inverse map; compiled, in a quarter of ImageProjectiveTransformV3's time."""
    size_px = images.shape[1]
    axis = tf.range(output_px, dtype=tf.float32)

    def positions(row: int) -> tuple[tf.Tensor, tf.Tensor]:
        a, b, c = (old_from_new[:, row, column, None, None] for column in range(3))
        position = a * axis[None, None, :] + b * axis[None, :, None] + c
        position = tf.where(position < 0.0, -1.0 - position, position)
        beyond = position > size_px - 1.0
        position = tf.where(beyond, 2.0 * size_px - 1.0 - position, position)
        # Between the edge of the first or last pixel and its centre there is nothing to mix with.
        position = tf.clip_by_value(position, 0.0, size_px - 1.0)
        first = tf.minimum(tf.floor(position), size_px - 2.0)
        return tf.cast(first, tf.int32), (position - first)[..., None]

    (column, part_u), (row, part_v) = positions(0), positions(1)
    count = tf.shape(images)[0]
    # One 32-bit word a pixel: a fourth of the reads.
    words = tf.bitcast(tf.pad(images, ((0, 0), (0, 0), (0, 0), (0, 1))), tf.int32)
    words = tf.reshape(words, (-1,))
    index = (tf.range(count)[:, None, None] * size_px + row) * size_px + column

    def pixels(offset: int) -> tf.Tensor:
        word = tf.gather(words, index + offset)
        return tf.cast(tf.bitcast(word, tf.uint8)[..., :3], tf.float32)

    upper = pixels(0) + part_u * (pixels(1) - pixels(0))
    lower = pixels(size_px) + part_u * (pixels(size_px + 1) - pixels(size_px))
    return upper + part_v * (lower - upper)


def warp_map(maps: tf.Tensor, new_from_old: tf.Tensor, *, output_px: int) -> tf.Tensor:
    """As `warp` for float maps [B, S, S, C]: the nearest pixel, and 0 outside."""
    old_from_new = tf.linalg.inv(new_from_old) @ resized(maps.shape[1] / output_px)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=maps,
        transforms=tf.reshape(old_from_new, (-1, 9))[:, :8],
        output_shape=(output_px, output_px),
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )


def resized(factor: float) -> tf.Tensor:
    """Affine map [3, 3] of pixel centres when a picture's side grows by a factor.

    Centre of pixel j of the smaller or larger picture: (j + 0.5) factor - 0.5.
    """
    offset = 0.5 * factor - 0.5
    return tf.constant([[factor, 0.0, offset], [0.0, factor, offset], [0.0, 0.0, 1.0]])


def move_joints(uv_px, xyz_mm, intrinsics, *, affine, rotation):
    """Joints, camera-frame joints and intrinsics after the picture moved by `affine`."""
    return (
        apply_affine(uv_px, affine),
        moved(xyz_mm, rotation),
        rotated_intrinsics(intrinsics, affine, rotation),
    )


def moved(xyz_mm, rotation):
    """Joints [B, 21, 3] in the camera's frame after what `random_affine` does to them."""
    return xyz_mm @ tf.linalg.matrix_transpose(rotation)


def change_relief(
    joints_unit: tf.Tensor, depth_map: tf.Tensor, parameters: AugmentParameters, *, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Stretch and tilt a hand in depth alone, as in a relief: joints and depth map together.

    For the depth regularizer, which otherwise guesses depth from 2D and hardly looks at the joint
    depth that it is given; its gradient could then not correct a wrong one. The result is no hand
    that a camera could see, but the relation of joint depth to depth map stays true.

    Args:
        joints_unit: [B, 21, 3] u / S, v / S and X_z (Eq. 5).
        depth_map: [B, D, D, 1] normalised depth (Eq. 4), 0 = nothing in the window.
        parameters: ranges.
        seed: stateless seed [2].

    Returns:
        Both, changed by X' = 0.5 + stretch (X - 0.5) + tilt . (position - wrist).
    """
    draws = tf.random.stateless_uniform((3, tf.shape(joints_unit)[0], 1), seed, -1.0, 1.0)
    stretch = tf.exp(draws[0] * parameters.depth_stretch)  # [B, 1]
    tilt_u, tilt_v = draws[1] * parameters.depth_tilt, draws[2] * parameters.depth_tilt
    wrist_u, wrist_v = joints_unit[:, :1, 0], joints_unit[:, :1, 1]
    slope = tilt_u * (joints_unit[..., 0] - wrist_u) + tilt_v * (joints_unit[..., 1] - wrist_v)
    moved = 0.5 + stretch * (joints_unit[..., 2] - 0.5) + slope
    side = depth_map.shape[1]
    centres = (tf.range(side, dtype=tf.float32) + 0.5)[None] / side
    plane = (tilt_u * (centres - wrist_u))[:, None, :] + (tilt_v * (centres - wrist_v))[:, :, None]
    changed = 0.5 + stretch[:, :, None, None] * (depth_map - 0.5) + plane[..., None]
    changed = tf.where(depth_map > 0.0, tf.clip_by_value(changed, 0.0, 1.0), depth_map)
    return tf.concat([joints_unit[..., :2], moved[..., None]], axis=-1), changed
