"""Shards of the sample cache to raw samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

NO_WEIGHTS = np.ones(21, "<f4").tobytes()
NO_POINTS = np.full((21, 3), np.nan, "<f4").tobytes()
ONE = np.ones(1, "<f4").tobytes()


def parse(
    record: tf.Tensor, *, size_px: int, with_image: bool = True, with_depth: bool = True
) -> dict[str, tf.Tensor]:
    """One serialised record to a raw sample (see `kerashand.data.sample.RAW_SPEC`).

    Args:
        record: a serialised `tf.train.Example`.
        size_px: side of the stored pictures.
        with_image: False leaves the picture out, for stages that do not look at it.
        with_depth: False leaves the depth out, which takes as long to decode as the picture.
    """
    names = ["uv_px", "xyz_mm", "intrinsics"]
    names += [*(["image"] if with_image else []), *(["depth_mm"] if with_depth else [])]
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    spec["uv_weight"] = tf.io.FixedLenFeature([], tf.string, default_value=NO_WEIGHTS)
    spec["points_mm"] = tf.io.FixedLenFeature([], tf.string, default_value=NO_POINTS)
    spec["is_hand"] = tf.io.FixedLenFeature([], tf.string, default_value=ONE)
    fields = tf.io.parse_single_example(record, spec)
    sample = {
        "uv_px": _floats(fields["uv_px"], (21, 2)),
        "xyz_mm": _floats(fields["xyz_mm"], (21, 3)),
        "intrinsics": _floats(fields["intrinsics"], (3, 3)),
        "uv_weight": _floats(fields["uv_weight"], (21,)),
        "points_mm": _floats(fields["points_mm"], (21, 3)),
        "is_hand": _floats(fields["is_hand"], ()),
    }
    if with_depth:
        depth = tf.io.decode_png(fields["depth_mm"], channels=1, dtype=tf.uint16)
        sample["depth_mm"] = tf.ensure_shape(depth, (size_px, size_px, 1))[:, :, 0]
    if with_image:
        image = tf.io.decode_jpeg(fields["image"], channels=3)
        sample["image"] = tf.ensure_shape(image, (size_px, size_px, 3))
    return sample


def damaged_shards(paths: Sequence[str]) -> list[str]:
    """Paths of shards that are gone, cut short or changed; reads all of them."""
    damaged = []
    for path in paths:
        try:
            for _ in tf.data.TFRecordDataset(path):
                pass
        except tf.errors.OpError:
            damaged.append(path)
    return damaged


def _floats(data: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return tf.reshape(tf.io.decode_raw(data, tf.float32), shape)
