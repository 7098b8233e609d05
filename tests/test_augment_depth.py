"""Augmentation that moves pictures: depth maps, depth of points and relief move with them."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from pipeline_batches import (
    ALL,
    CELLS,
    GEOMETRIC,
    GEOMETRY,
    KEY,
    SIZE,
    domain_source,
    moved_batch,
    raw_samples,
)

from kerashand.data import augment
from kerashand.data.pipeline import DomainSource, make_batch
from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.depth import normalised_joint_depth
from kerashand.geometry.pose import xyz_from_uv_z

source_of = pytest.fixture(domain_source)
raw = pytest.fixture(raw_samples)


@pytest.mark.parametrize("along", ["optical_axis", "line_of_sight"])
@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_the_depth_of_points_moves_as_labels_do(raw, along, mirrored):
    """Points that are the true joints have the depth that is labelled, and weigh as points do."""
    points = raw["xyz_mm"].numpy()
    points[0, 3] = points[1, 0] = np.nan
    given = {**raw, "points_mm": tf.constant(points)}
    parameters = dataclasses.replace(GEOMETRIC, mirrored=mirrored)
    geometry = dataclasses.replace(GEOMETRY, depth_along=along)
    batch, _ = moved_batch(given, parameters, geometry=geometry)
    depth, weight = batch["point_depth"].numpy(), batch["point_depth_weight"].numpy()
    known = np.ones((8, 21))
    known[0, 3] = known[1] = 0.0  # a joint; and all of a hand whose wrist is not known
    np.testing.assert_allclose(depth, known * batch["z_relative"], atol=1e-5)
    counts = augment.MIRRORED_WEIGHT if mirrored else 1.0
    np.testing.assert_allclose(weight, counts * known * raw["uv_weight"])
    without, _ = moved_batch(raw, parameters, geometry=geometry)
    assert not without["point_depth_weight"].numpy().any()


def test_depth_map_moves_with_the_picture(raw):
    rows, columns = np.indices((SIZE, SIZE))
    uv = raw["uv_px"].numpy()[:, 9]
    disc = np.hypot(columns - uv[:, 0, None, None], rows - uv[:, 1, None, None]) < 6
    root = raw["xyz_mm"].numpy()[:, 0, 2]
    depth = np.where(disc, root[:, None, None], 0).astype(np.uint16)
    batch, _ = moved_batch({**raw, "depth_mm": tf.constant(depth)})
    weight = batch["depth_weight"].numpy()[..., 0]
    stride = SIZE / CELLS
    centres_px = (np.arange(CELLS) + 0.5) * stride - 0.5
    checked = 0
    for n, (u, v) in enumerate(batch["uv_px"].numpy()[:, 9]):
        if min(u, v, SIZE - 1 - u, SIZE - 1 - v) < 9:
            continue
        total = weight[n].sum()
        assert total > 10
        centre = [(weight[n].sum(axis=axis) * centres_px).sum() / total for axis in (0, 1)]
        np.testing.assert_allclose(centre, [u, v], atol=1.0)
        inside = batch["depth_map"].numpy()[n, ..., 0][weight[n] > 0]
        np.testing.assert_allclose(inside, 0.5, atol=0.01)  # the depth of the wrist
        checked += 1
    assert checked >= 3


def test_depth_of_joints_and_maps_runs_along_the_line_of_sight(raw):
    # A wall that the camera sees at an angle, and every joint on it.
    uv, side = raw["uv_px"].numpy(), SIZE
    camera = np.tile(
        np.array([[80.0, 0, -40.0], [0, 80.0, 90.0], [0, 0, 1]], np.float32), (8, 1, 1)
    )
    wall_mm = 500.0
    xyz = cam_from_px(uv, np.full(uv.shape[:2], wall_mm, np.float32), camera)
    wall = np.full((8, side, side), wall_mm, np.uint16)
    batch, _ = moved_batch(
        {
            **raw, "xyz_mm": tf.constant(xyz), "intrinsics": tf.constant(camera),
            "depth_mm": tf.constant(wall),
        },
        geometry=dataclasses.replace(GEOMETRY, depth_along="line_of_sight"),
    )  # fmt: skip
    found = {name: value.numpy() for name, value in batch.items()}
    assert np.abs(found["z_relative"]).max() > 0.5  # along the optical axis all are 0
    back = xyz_from_uv_z(
        found["uv_px"], found["z_relative"], found["intrinsics"],
        root_depth_mm=found["root_depth_mm"], scale_mm=found["scale_mm"],
        depth_along="line_of_sight",
    )  # fmt: skip
    np.testing.assert_allclose(back, found["xyz_mm"], atol=0.05)
    joint_depth = normalised_joint_depth(found["z_relative"], half_width_scales=5.0)
    checked = 0
    for n, joint in itertools.product(range(8), range(21)):
        column, row = (found["uv_px"][n, joint] + 0.5) * CELLS / SIZE - 0.5
        if not (1 < column < CELLS - 2 and 1 < row < CELLS - 2):
            continue
        c, r = int(column), int(row)
        cells = found["depth_map"][n, r : r + 2, c : c + 2, 0]
        across = np.array([1 - (column - c), column - c])
        down = np.array([1 - (row - r), row - r])
        np.testing.assert_allclose(down @ cells @ across, joint_depth[n, joint], atol=2e-3)
        checked += 1
    assert checked > 60


def test_convention_depth_cell_centres():
    """Cell i samples pixel (i + 0.5) s - 0.5; between two pixels the nearest decides."""
    columns = np.broadcast_to(np.arange(SIZE, dtype=np.float32), (1, SIZE, SIZE))
    eye = tf.eye(3, batch_shape=[1])
    for cells in (64, 32, 16, 128):
        maps = tf.constant(columns[..., None])
        out = augment.warp_map(maps, eye, output_px=cells)[0, 0, :, 0].numpy()
        centres = (np.arange(cells) + 0.5) * SIZE / cells - 0.5
        assert np.abs(out - np.clip(centres, 0, SIZE - 1)).max() <= 0.5 + 1e-5
        image = tf.repeat(tf.cast(maps, tf.uint8), 3, axis=-1)
        smooth = augment.warp(image, eye, output_px=cells)[0, 0, :, 0].numpy()
        np.testing.assert_allclose(smooth, np.clip(centres, 0, SIZE - 1), atol=1e-4)


def test_outside_the_picture_depth_has_no_weight(raw):
    shift = tf.constant([[[1.0, 0.0, 20.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]] * 8)
    eye = tf.eye(3, batch_shape=[8])
    source = DomainSource("source", [], None, ALL)
    batch = make_batch(
        raw, source, GEOMETRY, parameters=GEOMETRIC, affine=shift, rotation=eye, key=KEY
    )
    assert not batch["depth_weight"].numpy()[:, :, :9].any()
    assert batch["depth_weight"].numpy()[:, :, 11:].all()
    # The picture is mirrored there instead: no black border to learn from.
    assert (batch["image"].numpy()[:, :, :18].mean(axis=(1, 2, 3)) > 1).all()


def test_relief_moves_joints_and_depth_together():
    """A joint on the surface stays on it, the wrist and the background stay where they are."""
    side = 16
    surface = np.full((2, side, side, 1), 0.6, np.float32)
    surface[:, :, 8:] = 0.0
    joints = np.zeros((2, 21, 3), np.float32)
    joints[:, 0] = [0.25 + 0.5 / side, 0.5 + 0.5 / side, 0.5]
    cell = (3, 12)  # column, row
    joints[:, 5] = [(cell[0] + 0.5) / side, (cell[1] + 0.5) / side, 0.6]
    parameters = augment.AugmentParameters(depth_stretch=0.6, depth_tilt=0.5)
    moved, changed = augment.change_relief(
        tf.constant(joints), tf.constant(surface), parameters, seed=tf.constant([1, 2])
    )
    moved, changed = moved.numpy(), changed.numpy()
    np.testing.assert_allclose(moved[:, 0], joints[:, 0], rtol=1e-6)
    np.testing.assert_allclose(moved[:, 5, 2], changed[:, cell[1], cell[0], 0], rtol=1e-5)
    assert np.abs(moved[:, 5, 2] - 0.6).min() > 1e-3
    assert (changed[:, :, 8:] == 0.0).all()
