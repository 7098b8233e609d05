"""Camera: projection, crops, rotations, flips, on NumPy arrays and tensors."""

import numpy as np
import pytest
import tensorflow as tf

from kerashand.geometry import camera

RNG_SEED = 3


def _intrinsics():
    return np.array([[100.0, 0, 64], [0, 100, 64], [0, 0, 1]])


def _full_intrinsics(batch=2):
    one = np.array([[110.0, 7, 60], [-5, 95, 66], [0, 0, 1]])
    return np.stack([one + np.diag([i, 2 * i, 0]) for i in range(batch)])


def _joints(batch=2):
    rng = np.random.default_rng(RNG_SEED)
    return rng.uniform(-80, 80, (batch, 21, 3)) + np.array([0, 0, 500])


def test_convention_projection():
    uv_px = camera.px_from_cam(np.array([[20.0, -10.0, 200.0]]), _intrinsics())
    np.testing.assert_allclose(uv_px, [[74, 59]])


def test_projection_equals_homogeneous_product():
    xyz_mm, k = _joints(), _full_intrinsics()
    p = np.einsum("bij,bkj->bki", k, xyz_mm)
    np.testing.assert_allclose(camera.px_from_cam(xyz_mm, k), p[..., :2] / p[..., 2:])


def test_round_trip_with_full_block():
    xyz_mm, k = _joints(), _full_intrinsics()
    uv_px = camera.px_from_cam(xyz_mm, k)
    np.testing.assert_allclose(camera.cam_from_px(uv_px, xyz_mm[..., 2], k), xyz_mm)


def test_leading_axes_broadcast():
    xyz_mm = _joints(6).reshape(2, 3, 21, 3)
    uv_px = camera.px_from_cam(xyz_mm, _intrinsics())
    assert uv_px.shape == (2, 3, 21, 2)
    back = camera.cam_from_px(uv_px, xyz_mm[..., 2], _intrinsics())
    np.testing.assert_allclose(back, xyz_mm)


def test_dtype_is_kept():
    xyz_mm, k = _joints().astype(np.float32), _full_intrinsics().astype(np.float32)
    uv_px = camera.px_from_cam(xyz_mm, k)
    assert uv_px.dtype == np.float32
    assert camera.cam_from_px(uv_px, xyz_mm[..., 2], k).dtype == np.float32
    assert camera.flip_uv(uv_px, 10).dtype == np.float32
    assert camera.rotate_joints(xyz_mm, 0.3).dtype == np.float32


def test_tensors_eager_graph_and_data_agree_with_numpy():
    xyz_mm, k = _joints().astype(np.float32), _full_intrinsics().astype(np.float32)

    def both_ways(xyz, intrinsics):
        uv_px = camera.flip_uv(camera.px_from_cam(xyz, intrinsics), 128)
        flipped = camera.flip_intrinsics(intrinsics, 128)
        back = camera.cam_from_px(uv_px, xyz[..., 2], flipped)
        return uv_px, camera.rotate_joints(camera.flip_xyz(back), 0.4)

    expected = both_ways(xyz_mm, k)
    eager = both_ways(tf.constant(xyz_mm), tf.constant(k))
    graph = tf.function(both_ways)(tf.constant(xyz_mm), tf.constant(k))
    data = next(iter(tf.data.Dataset.from_tensors((xyz_mm, k)).map(both_ways)))
    for result in (eager, graph, data):
        for ours, theirs in zip(result, expected, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-3)


def test_gradient_is_finite():
    xyz_mm = tf.constant(_joints(), tf.float32)
    k = tf.constant(_full_intrinsics(), tf.float32)
    uv_px = camera.px_from_cam(xyz_mm, k)
    with tf.GradientTape() as tape:
        tape.watch([uv_px, xyz_mm])
        loss = tf.reduce_sum(camera.cam_from_px(uv_px, xyz_mm[..., 2], k) ** 2)
        loss += tf.reduce_sum(camera.px_from_cam(xyz_mm, k))
    assert all(np.isfinite(g).all() for g in tape.gradient(loss, [uv_px, xyz_mm]))


def test_convention_crop_spans_half_pixels():
    affine = camera.crop_affine((31.5, 31.5), 64, 128)
    corners = np.array([[-0.5, -0.5], [63.5, 63.5], [0.0, 0.0], [31.5, 31.5]])
    expected = [[-0.5, -0.5], [127.5, 127.5], [0.5, 0.5], [63.5, 63.5]]
    np.testing.assert_allclose(camera.apply_affine(corners, affine), expected)


def test_crop_affine_batches():
    affine = camera.crop_affine(np.array([[10.0, 20], [30, 40]]), np.array([8.0, 16]), 32)
    assert affine.shape == (2, 3, 3)
    np.testing.assert_allclose(affine[1], camera.crop_affine((30, 40), 16, 32))
    np.testing.assert_allclose(
        camera.crop_affine((30, 40), [16.0, 8.0], 32)[1], camera.crop_affine((30, 40), 8, 32)
    )


def test_crop_affine_rejects_bad_sides():
    with pytest.raises(ValueError, match=r"`side_px` must be positive. Received: side_px=0"):
        camera.crop_affine((1, 1), 0, 32)
    with pytest.raises(ValueError, match=r"`output_px` must be positive. Received: output_px=0"):
        camera.crop_affine((1, 1), 3, 0)


def test_inverse_affine_round_trip():
    affine = camera.crop_affine((12.0, 7.0), 50, 128) @ camera.rotation_affine(0.7, (3.0, 4.0))
    uv_px = np.random.default_rng(RNG_SEED).uniform(0, 100, (5, 21, 2))
    back = camera.apply_inverse_affine(camera.apply_affine(uv_px, affine), affine)
    np.testing.assert_allclose(back, uv_px)


def test_crop_intrinsics_projects_into_the_crop():
    xyz_mm, k = _joints(), _full_intrinsics()
    affine = camera.crop_affine((50.0, 60.0), 40, 128)
    expected = camera.apply_affine(camera.px_from_cam(xyz_mm, k), affine)
    uv_px = camera.px_from_cam(xyz_mm, camera.crop_intrinsics(k, affine))
    np.testing.assert_allclose(uv_px, expected)


def test_convention_rotation_turns_u_towards_v():
    affine = camera.rotation_affine(np.pi / 2, (10, 10))
    np.testing.assert_allclose(camera.apply_affine(np.array([[12.0, 10]]), affine), [[10, 12]])
    turned = camera.rotate_joints(np.array([[1.0, 0, 5]]), np.pi / 2)
    np.testing.assert_allclose(turned, [[0, 1, 5]], atol=1e-12)


@pytest.mark.parametrize("angle_rad", [0.0, 0.4, -2.0])
def test_rotated_intrinsics_keep_image_and_joints_consistent(angle_rad):
    xyz_mm, k = _joints(), _full_intrinsics()
    affine = camera.crop_affine((50, 60), 40, 128) @ camera.rotation_affine(angle_rad, (50, 60))
    rotated = camera.rotated_intrinsics(k, affine, camera.rotation_matrix(angle_rad))
    np.testing.assert_allclose(rotated[..., 2, :], [[0, 0, 1]] * 2, atol=1e-12)
    uv_px = camera.px_from_cam(camera.rotate_joints(xyz_mm, angle_rad), rotated)
    np.testing.assert_allclose(uv_px, camera.apply_affine(camera.px_from_cam(xyz_mm, k), affine))


def test_rotated_intrinsics_stay_diagonal_for_equal_focal_lengths():
    affine = camera.rotation_affine(0.5, (64, 64))
    rotated = camera.rotated_intrinsics(_intrinsics(), affine, camera.rotation_matrix(0.5))
    np.testing.assert_allclose(rotated, _intrinsics(), atol=1e-9)


def test_rotation_batches():
    angles = np.array([0.1, -0.2])
    affine = camera.rotation_affine(angles, (5.0, 6.0))
    np.testing.assert_allclose(affine[1], camera.rotation_affine(-0.2, (5.0, 6.0)))
    turned = camera.rotate_joints(_joints(), angles)
    np.testing.assert_allclose(turned[1], camera.rotate_joints(_joints()[1], -0.2))


def test_convention_flip():
    np.testing.assert_allclose(camera.flip_uv(np.array([[0.0, 5.0]]), 320), [[319, 5]])
    assert camera.flip_intrinsics(_intrinsics(), 100)[0, 2] == 35
    np.testing.assert_array_equal(camera.flip_xyz(np.array([[1.0, 2, 3]])), [[-1, 2, 3]])


def test_flip_is_consistent_and_an_involution():
    xyz_mm, k = _joints(), _full_intrinsics()
    uv_px = camera.px_from_cam(camera.flip_xyz(xyz_mm), camera.flip_intrinsics(k, 128))
    np.testing.assert_allclose(uv_px, camera.flip_uv(camera.px_from_cam(xyz_mm, k), 128))
    np.testing.assert_allclose(camera.flip_intrinsics(camera.flip_intrinsics(k, 128), 128), k)
