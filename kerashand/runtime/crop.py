"""Squares cut from pictures, in NumPy alone: turned, scaled, mirrored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.camera import crop_affine, rotation_affine

Picture = NDArray[np.uint8]

MOST_OF_16_BITS = 16
"""Blocks of this side and less have sums that 16 bits hold: 255 * 16 * 16."""
WHOLE = 1e-9
"""Added to the pixels that one of a crop covers, and kept from the edges of a picture: rounding
must not make 3.999 of 4, and not read beyond an edge."""


def square_around(
    box: tuple[float, float, float, float], *, margin: float = 1.0
) -> tuple[NDArray[np.float64], float]:
    """Centre [2] and side of the square around a box.

    Args:
        box: left, top, right, bottom in pixels; the edges of pixels, so that a picture W wide
            reaches from -0.5 to W - 0.5.
        margin: factor on the longer side.
    """
    left, top, right, bottom = box
    return np.array([(left + right) / 2, (top + bottom) / 2]), max(
        right - left, bottom - top
    ) * margin


def crop_from_image(
    centre_px: NDArray[np.float64],
    side_px: float,
    size_px: int,
    *,
    angle_rad: float = 0.0,
    mirrored: bool = False,
) -> NDArray[np.float64]:
    """Affine map A [3, 3] from pixels of a picture to those of a crop, p' = A p.

    Args:
        centre_px: [2] centre of the square.
        side_px: its side.
        size_px: side of the crop.
        angle_rad: turn of the picture about the centre before it is cut; positive is clockwise on
            the screen.
        mirrored: whether the crop shows the mirror image.
    """
    matrix = crop_affine(centre_px, side_px, size_px) @ rotation_affine(angle_rad, centre_px)
    if mirrored:
        matrix[0] *= -1.0
        matrix[0, 2] += size_px - 1
    return matrix


def cut(picture: Picture, affine: NDArray[np.float64], size_px: int) -> Picture:
    """Sample a crop.

    Bilinear; where a crop's pixel covers several of the picture, these are averaged in blocks
    first. Beyond the edge the picture is mirrored.

    Args:
        picture: [H, W, 3] uint8.
        affine: [3, 3] crop from picture.
        size_px: side S of the crop.

    Returns:
        [S, S, 3] uint8.
    """
    inverse = np.linalg.inv(affine)
    area = inverse[0, 0] * inverse[1, 1] - inverse[0, 1] * inverse[1, 0]
    shrink = float(np.sqrt(abs(area))) + WHOLE
    if shrink >= 2.0:
        picture, inverse = _averaged(picture, inverse, block=int(shrink), size_px=size_px)
    sample = _sampled_upright if inverse[0, 1] == inverse[1, 0] == 0.0 else _sampled
    return np.rint(sample(picture, inverse, size_px)).astype(np.uint8)


def _sampled(picture: Picture, inverse: NDArray[np.floating], size_px: int) -> NDArray[np.float32]:
    """[S, S, 3] bilinear, for any map."""
    height, width, channels = picture.shape
    axis = np.arange(size_px)
    u = inverse[0, 0] * axis[None, :] + inverse[0, 1] * axis[:, None] + inverse[0, 2]
    v = inverse[1, 0] * axis[None, :] + inverse[1, 1] * axis[:, None] + inverse[1, 2]
    left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    part_u, part_v = (u - left).astype(np.float32), (v - top).astype(np.float32)
    rest_u, rest_v = 1.0 - part_u, 1.0 - part_v
    least, most = _seen(inverse, size_px)
    last = width - 1 - WHOLE, height - 1 - WHOLE
    if min(least) >= WHOLE and most[0] < last[0] and most[1] < last[1]:  # no edge is near
        place = (top * width + left) * channels
        corners = [(place, step * channels) for step in (0, 1, width, width + 1)]
    else:
        columns = [_mirror_index(left + step, width) * channels for step in (0, 1)]
        rows = [_mirror_index(top + step, height) * (width * channels) for step in (0, 1)]
        corners = [(row + column, 0) for row in rows for column in columns]
    flat, crop = picture.reshape(-1), np.empty((size_px, size_px, channels), np.float32)
    # A channel at a time, in place: NumPy is slow where rows of three share a weight, and large
    # arrays that come and go cost more than what is computed in them.
    for channel in range(channels):
        a, b, c, d = (flat[channel + step :].take(place) for place, step in corners)
        upper, lower = a * rest_u, c * rest_u
        upper += b * part_u
        lower += d * part_u
        upper *= rest_v
        lower *= part_v
        np.add(upper, lower, out=crop[..., channel])
    return crop


def _sampled_upright(
    picture: Picture, inverse: NDArray[np.floating], size_px: int
) -> NDArray[np.float32]:
    """The same values for a map that does not turn, in half the time: first along the rows."""
    height, width, channels = picture.shape
    axis = np.arange(size_px)
    u, v = inverse[0, 0] * axis + inverse[0, 2], inverse[1, 1] * axis + inverse[1, 2]
    left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    part_u = (u - left).astype(np.float32).repeat(channels)
    part_v = (v - top).astype(np.float32)[:, None]
    rows = np.concatenate([_mirror_index(top + step, height) for step in (0, 1)])
    needed, place = np.unique(rows, return_inverse=True)
    lines = picture.take(needed, axis=0)
    before, after = (
        lines.take(_mirror_index(left + step, width), axis=1).reshape(len(needed), -1)
        for step in (0, 1)
    )
    along = before * (1.0 - part_u) + after * part_u
    upper, lower = along.take(place[:size_px], axis=0), along.take(place[size_px:], axis=0)
    blended = upper * (1.0 - part_v) + lower * part_v
    return blended.reshape(size_px, size_px, channels)


def _seen(inverse: NDArray[np.floating], size_px: int) -> tuple[list[float], list[float]]:
    """The least and the largest column and row of a picture that the pixels of a crop lie at."""
    least, most = [], []
    for along, down, first in inverse[:2].tolist():
        ends = [(size_px - 1) * step for step in (along, down)]
        least.append(first + sum(min(end, 0.0) for end in ends))
        most.append(first + sum(max(end, 0.0) for end in ends))
    return least, most


def _averaged(picture: Picture, inverse: NDArray[np.floating], *, block: int, size_px: int):
    """The part of a picture that a crop covers, averaged in blocks, and the map to it."""
    least, most = _seen(inverse, size_px)
    height, width = picture.shape[:2]
    low = np.clip(np.floor(least).astype(int) - block, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(most).astype(int) + block + 1, low + 1, [width, height])
    part = picture[low[1] : high[1], low[0] : high[0]]
    # Whole numbers, rows first, one after the other, and a channel at a time: as exact as floats,
    # and many times as fast. The last block is filled up with what it ends with.
    kind: Any = np.uint16 if block <= MOST_OF_16_BITS else np.uint32
    lines = part[::block].astype(kind)
    for step in range(1, block):
        more = part[step::block]
        lines[: len(more)] += more
        lines[len(more) :] += part[-1]
    columns = -(-lines.shape[1] // block)
    small = np.empty((len(lines), columns, lines.shape[2]), np.uint8)
    for channel in range(lines.shape[2]):
        of_channel = lines[..., channel]
        sums = of_channel[:, ::block].copy()
        for step in range(1, block):
            more = of_channel[:, step::block]
            sums[:, : more.shape[1]] += more
            sums[:, more.shape[1] :] += of_channel[:, -1:]
        small[..., channel] = np.rint(sums.astype(np.float32) / np.float32(block * block))
    # Pixel p of the picture lies at (p - low + 0.5) / block - 0.5.
    to_small = np.eye(3)
    to_small[[0, 1], [0, 1]] = 1.0 / block
    to_small[:2, 2] = (0.5 - low) / block - 0.5
    return small, to_small @ inverse


def _mirror_index(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Reflect indices into 0 .. size - 1 without repeating the edge."""
    if index.min() >= 0 and index.max() < size:
        return index
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    index = np.abs(index) % period
    return np.where(index >= size, period - index, index)
