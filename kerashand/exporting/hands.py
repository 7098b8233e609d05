"""Rendered hands, cut as the runtime cuts them: for calibration and for the check of an export."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.camera import HAND_MARGIN
from kerashand.geometry.pose import OPTICAL_AXIS, scale_from_joints
from kerashand.progress import progress
from kerashand.runtime.backends import XYZ_SIGNATURE
from kerashand.runtime.crop import crop_from_image, cut, square_around
from kerashand.skeleton import ROOT
from kerashand.synthetic.scene import render_sample

LOGGER = logging.getLogger(__name__)
RENDERED_PX = 256


@dataclasses.dataclass(frozen=True)
class Hands:
    """N right hands with all that is known about them.

    Attributes:
        images: [N, S, S, 3] uint8 RGB crops.
        intrinsics: [N, 3, 3] float64 of the crops.
        xyz_mm: [N, 21, 3] float64 joints in the camera's frame.
        scale_bone: the bone whose length is the unit of relative depth.
        conditions: where they come from, in words.
        depth_along: what a model's relative depth is measured along.
    """

    images: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    xyz_mm: NDArray[np.float64]
    scale_bone: str
    conditions: str
    depth_along: str = OPTICAL_AXIS

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Hands:
        """At most so many of them."""
        return dataclasses.replace(
            self, images=self.images[:count], intrinsics=self.intrinsics[:count],
            xyz_mm=self.xyz_mm[:count],
        )  # fmt: skip

    def inputs(self, signature: str) -> Iterator[dict[str, Any]]:
        """What a signature of a pose model takes, for each hand."""
        for image, camera, xyz_mm in zip(self.images, self.intrinsics, self.xyz_mm, strict=True):
            inputs = {"image": image[None]}
            if signature == XYZ_SIGNATURE:
                inputs |= {
                    "intrinsics": camera.astype(np.float32),
                    "root_depth_mm": np.array(xyz_mm[ROOT, 2], np.float32),
                    "scale_mm": np.array(scale_from_joints(xyz_mm, self.scale_bone), np.float32),
                }
            yield inputs


def rendered_hands(
    style: str, split: str, count: int, *, size_px: int, scale_bone: str, seed: int = 0,
    backgrounds: str | None = None, depth_along: str = OPTICAL_AXIS,
) -> Hands:  # fmt: skip
    """The first hands of a split of rendered ones.

    Args:
        style: a domain of `kerashand.synthetic.scene`.
        split: train, val or test.
        count: how many.
        size_px: side S of the crops.
        scale_bone: of the model.
        seed: of the generator.
        backgrounds: folder of photographs behind them; None for those in the package.
        depth_along: of the model.
    """
    images, intrinsics, joints = [], [], []
    LOGGER.info("rendering %d hands of the %s split", count, split)
    with progress("rendering hands", count, "hands") as advance:
        for index in range(count):
            sample = render_sample(
                style,
                split,
                seed=seed,
                index=index,
                size_px=max(RENDERED_PX, size_px),
                backgrounds=backgrounds,
            )
            box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
            affine = crop_from_image(*square_around(box, margin=HAND_MARGIN), size_px)
            images.append(cut(sample.image, affine, size_px))
            intrinsics.append(affine @ sample.intrinsics)
            joints.append(sample.xyz_mm)
            advance(1)
    return Hands(
        np.array(images), np.array(intrinsics, np.float64), np.array(joints, np.float64),
        scale_bone, f"{count} rendered hands, style {style}, {split} split, seed {seed}",
        depth_along,
    )  # fmt: skip
