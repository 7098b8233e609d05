"""Augmentation that moves pictures: joints and the camera move with them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from pipeline_batches import (
    ALL,
    GEOMETRIC,
    GEOMETRY,
    IDENTITY,
    KEY,
    SIZE,
    domain_batches,
    domain_source,
    first,
    moved_batch,
    raw_samples,
)

from kerashand.data import augment
from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import DomainSource, make_batch
from kerashand.geometry.camera import HAND_MARGIN, apply_affine, px_from_cam
from kerashand.geometry.depth import normalise_depth
from kerashand.runtime.crop import crop_from_image
from kerashand.runtime.views import view_of_joints

source_of = pytest.fixture(domain_source)
raw = pytest.fixture(raw_samples)
batches_of = pytest.fixture(domain_batches)


def test_moved_joints_project_to_moved_pixels(raw):
    batch, affine = moved_batch(raw)
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    assert np.abs(batch["uv_px"] - raw["uv_px"]).max() > 3
    # Depth and bone lengths stay as they are.
    np.testing.assert_allclose(batch["xyz_mm"][..., 2], raw["xyz_mm"][..., 2], rtol=1e-6)
    norms = [np.linalg.norm(b["xyz_mm"], axis=-1) for b in (batch, raw)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert not np.allclose(affine[0], affine[1])  # each sample moves in its own way


def test_mirrored_hands_are_reflected_with_their_joints(raw):
    plain, _ = moved_batch(raw)
    batch, _ = moved_batch(raw, dataclasses.replace(GEOMETRIC, mirrored=1.0))
    assert (plain["is_right"] == 1).numpy().all()
    assert (batch["is_right"] == 0).numpy().all()
    assert (batch["is_hand"] == 1).numpy().all()
    # The last step is a reflection about the middle of the picture: column u becomes S - 1 - u.
    uv, image = plain["uv_px"].numpy(), plain["image"].numpy()
    uv[..., 0] = SIZE - 1 - uv[..., 0]
    np.testing.assert_allclose(batch["uv_px"], uv, atol=1e-3)
    np.testing.assert_allclose(batch["image"], image[:, :, ::-1], atol=0.05)
    weights = batch["depth_weight"].numpy(), plain["depth_weight"].numpy()[:, :, ::-1]
    assert (weights[0] == weights[1]).mean() > 0.99  # the nearest of two pixels is another one
    # Joints in 3D are a left hand's: x turns its sign, and the moved camera sees them at these
    # pixels.
    np.testing.assert_allclose(batch["xyz_mm"], plain["xyz_mm"] * [-1.0, 1.0, 1.0], atol=1e-3)
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    np.testing.assert_allclose(batch["z_relative"], plain["z_relative"], atol=1e-5)


def test_so_many_hands_are_mirrored_as_the_share_says():
    parameters = dataclasses.replace(GEOMETRIC, mirrored=0.25)
    uv = tf.zeros((2000, 21, 2))
    _, rotation = augment.random_affine(uv, SIZE, parameters, seed=KEY)
    signs = np.linalg.det(rotation)
    np.testing.assert_allclose(np.abs(signs), 1.0, rtol=1e-5)
    assert 0.22 < (signs < 0).mean() < 0.28


def test_batches_of_the_pipeline_project_too(batches_of):
    batch = first(batches_of({"source": ALL}))
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    z_mm = batch["z_relative"] * batch["scale_mm"][:, None] + batch["root_depth_mm"][:, None]
    np.testing.assert_allclose(z_mm, batch["xyz_mm"][..., 2], rtol=1e-5)


@pytest.mark.parametrize("joint", [0, 4, 9, 20])
def test_a_bright_dot_stays_at_its_joint(raw, joint):
    rows, columns = np.indices((SIZE, SIZE))
    uv = raw["uv_px"].numpy()[:, joint]
    near = (columns - uv[:, 0, None, None]) ** 2 + (rows - uv[:, 1, None, None]) ** 2
    dot = 255.0 * np.exp(-near / (2 * 2.0**2))
    picture = {**raw, "image": tf.constant(np.repeat(dot[..., None], 3, axis=-1), tf.uint8)}
    batch, _ = moved_batch(picture)
    image = batch["image"].numpy()[..., 0]
    checked = 0
    for n, (u, v) in enumerate(batch["uv_px"].numpy()[:, joint]):
        if min(u, v, SIZE - 1 - u, SIZE - 1 - v) < 8:
            continue  # a dot near the edge is cut off or mirrored
        weight = np.where(np.hypot(columns - u, rows - v) < 8, image[n], 0.0)
        centre = [(weight * axis).sum() / weight.sum() for axis in (columns, rows)]
        np.testing.assert_allclose(centre, [u, v], atol=0.15)
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("output_px", [SIZE, 48])
def test_pictures_are_warped_as_tensorflow_warps_them(raw, output_px):
    parameters = dataclasses.replace(GEOMETRIC, rotation_deg=180.0, scale=0.4, shift=0.2)
    affine, _ = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=KEY)
    moved = augment.warp(raw["image"], affine, output_px=output_px)
    inverse = tf.linalg.inv(affine) @ augment.resized(SIZE / output_px)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(raw["image"], tf.float32),
        transforms=tf.reshape(inverse, (-1, 9))[:, :8],
        output_shape=(output_px, output_px),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    np.testing.assert_allclose(moved, expected, atol=0.02)


def test_joints_outside_the_image_have_no_weight(raw):
    shift = tf.constant([[[1.0, 0.0, 30.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]] * 8)
    source = DomainSource("source", [], None, ALL)
    eye = tf.eye(3, batch_shape=[8])
    batch = make_batch(
        raw, source, GEOMETRY, parameters=GEOMETRIC, affine=shift, rotation=eye, key=KEY
    )
    uv = batch["uv_px"].numpy()
    inside = ((uv >= -0.5) & (uv <= SIZE - 0.5)).all(axis=-1)
    np.testing.assert_array_equal(batch["uv_weight"], inside)
    assert 0 < inside.mean() < 1


def test_identity_augmentation_changes_nothing(raw):
    batch, affine = moved_batch(raw, IDENTITY)
    np.testing.assert_allclose(affine, np.tile(np.eye(3), (8, 1, 1)), atol=1e-6)
    for name in ("uv_px", "xyz_mm", "intrinsics"):
        np.testing.assert_allclose(batch[name], raw[name], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(batch["image"], tf.cast(raw["image"], tf.float32), atol=0.05)
    depth = raw["depth_mm"].numpy()[:, 1::2, 1::2]  # one of the four pixels of a cell
    expected, _ = normalise_depth(
        depth, raw["xyz_mm"].numpy()[:, 0, 2], batch["scale_mm"].numpy(), half_width_scales=5.0
    )
    np.testing.assert_allclose(batch["depth_map"][..., 0], expected, atol=1e-5)


def test_random_affine_stays_in_range():
    parameters = AugmentParameters(rotation_deg=30.0, scale=0.15, shift=0.06)
    affine, rotation = augment.random_affine(tf.zeros((500, 21, 2)), SIZE, parameters, seed=KEY)
    affine, rotation = affine.numpy(), rotation.numpy()
    zoom = np.sqrt(np.linalg.det(affine[:, :2, :2]))
    assert 0.85 - 1e-4 <= zoom.min() < 0.88
    assert 1.12 < zoom.max() <= 1.15 + 1e-4
    angle = np.rad2deg(np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    assert 28 < np.abs(angle).max() <= 30 + 1e-3
    centre = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 1.0])
    moved = affine @ centre - centre
    assert 0.05 * SIZE < np.abs(moved).max() <= 0.06 * SIZE + 1e-3


def test_upright_hands_are_shown_as_the_second_look_of_the_runtime_shows_them(raw):
    parameters = dataclasses.replace(augment.NO_CHANGE, upright=1.0)
    affine, _ = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=KEY)
    for uv, matrix in zip(raw["uv_px"].numpy().astype(float), affine.numpy(), strict=True):
        centre, side_px, angle = view_of_joints(uv, margin=HAND_MARGIN)
        expected = crop_from_image(centre, side_px, SIZE, angle_rad=angle)
        if side_px / HAND_MARGIN > augment.SMALLEST_BOX * SIZE:
            np.testing.assert_allclose(
                apply_affine(uv, matrix), apply_affine(uv, expected), atol=2e-3
            )


def test_a_share_of_hands_is_upright():
    uv = tf.random.stateless_uniform((400, 21, 2), KEY, 10.0, SIZE - 10.0)
    parameters = dataclasses.replace(
        augment.NO_CHANGE, rotation_deg=180.0, upright=0.75, upright_deg=20.0
    )
    affine, _ = augment.random_affine(uv, SIZE, parameters, seed=KEY)
    moved = apply_affine(uv, affine).numpy()
    up = moved[:, 9] - moved[:, 0]
    angle = np.abs(np.rad2deg(np.arctan2(up[:, 0], -up[:, 1])))
    # A quarter is turned at random, 20 of 180 degrees of which are upright too.
    assert (angle < 20.01).mean() == pytest.approx(0.75 + 0.25 / 9, abs=0.06)
    assert angle.max() > 120.0


def test_mirrored_hands_are_left_ones_and_count_a_quarter_for_joints(raw):
    parameters = dataclasses.replace(GEOMETRIC, mirrored=0.5)
    plain, _ = moved_batch(raw)
    batch, affine = moved_batch(raw, parameters)
    left = np.linalg.det(affine[:, :2, :2]) < 0
    assert 0 < left.sum() < len(left)
    np.testing.assert_array_equal(batch["is_right"], np.where(left, 0.0, 1.0))
    np.testing.assert_array_equal(batch["is_hand"], 1.0)
    # What was drawn without mirroring, and then turned over.
    u, v = np.moveaxis(plain["uv_px"].numpy(), -1, 0)
    expected = np.stack([np.where(left[:, None], SIZE - 1 - u, u), v], axis=-1)
    np.testing.assert_allclose(batch["uv_px"], expected, atol=1e-3)
    image = np.where(left[:, None, None, None], plain["image"][:, :, ::-1], plain["image"])
    assert np.abs(image - batch["image"]).mean() < 0.1
    np.testing.assert_allclose(
        px_from_cam(batch["xyz_mm"], batch["intrinsics"]), batch["uv_px"], atol=2e-3
    )
    np.testing.assert_allclose(batch["z_relative"], plain["z_relative"], atol=1e-5)
    share = np.where(left, 0.25, 1.0)
    np.testing.assert_array_equal(batch["z_weight"], share)
    np.testing.assert_array_equal(batch["uv_weight"], plain["uv_weight"] * share[:, None])


def test_squares_without_a_hand_have_no_label_and_no_neighbours_hand(raw):
    is_hand = np.array([1, 0] * 4, np.float32)
    empty = {**raw, "is_hand": tf.constant(is_hand)}
    parameters = dataclasses.replace(IDENTITY, cover=1.0)
    batch, _ = moved_batch(empty, parameters)
    np.testing.assert_array_equal(batch["is_hand"], is_hand)
    np.testing.assert_array_equal(batch["z_weight"], is_hand)
    changed = np.abs(batch["image"] - raw["image"].numpy()).max(axis=(1, 2, 3)) > 1
    np.testing.assert_array_equal(changed, is_hand > 0)
