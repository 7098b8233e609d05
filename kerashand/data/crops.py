"""Cuts hands out of pictures in memory: for labelled photographs and for sheets.

One rule holds for every crop: beyond its edge a picture is mirrored. What cuts inside tf.data
(`kerashand.data.readers.decode`), what augments (`kerashand.data.augment.warp`) and the runtime
(`kerashand.runtime.crop`) keep to it. Depth is 0 there: nothing was measured.
"""

from __future__ import annotations

import cv2
import numpy as np

from kerashand.geometry.camera import crop_affine
from kerashand.geometry.squares import square_around_points


def cut_hand(
    picture: np.ndarray, uv_px: np.ndarray, uv_weight: np.ndarray, *, margin: float, size_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """The square of `margin` boxes around the weighted points [S, S, 3], and the map to it [3, 3].

    Where none is weighted, all points count: the box of a square without a hand. A square that
    holds many more pixels than the crop is averaged first, so that nothing is skipped.
    """
    known = uv_weight > 0
    centre, side = square_around_points(uv_px, known | ~known.any(), margin=margin)
    shrink = max(float(side) / size_px, 1.0)
    to_small = np.eye(3)
    if shrink > 1.0:
        size = np.maximum(np.round(np.array(picture.shape[1::-1]) / shrink), 1).astype(int)
        factor = size / picture.shape[1::-1]
        picture = cv2.resize(picture, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
        to_small = np.diag([*factor, 1.0])
        to_small[:2, 2] = 0.5 * factor - 0.5
        centre = (centre + 0.5) * factor - 0.5
    affine = crop_affine(centre, side / shrink, size_px)
    image = cv2.warpAffine(
        np.ascontiguousarray(picture), affine[:2], (size_px, size_px), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    return image, affine @ to_small


def cut_depth(depth: np.ndarray, affine: np.ndarray, *, size_px: int) -> np.ndarray:
    """The same square of a depth picture [S, S]: whole pixels, 0 beyond its edge.

    Args:
        depth: [H, W].
        affine: [3, 3] of `cut_hand`.
        size_px: side of the crop.
    """
    return cv2.warpAffine(depth, affine[:2], (size_px, size_px), flags=cv2.INTER_NEAREST)
