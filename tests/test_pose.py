"""Pose: relative depth, scale and mirroring."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from kerashand.geometry import camera, pose
from kerashand.skeleton import ROOT

INTRINSICS = np.array([[150.0, 0, 64], [0, 152, 62], [0, 0, 1]], np.float32)


def _joints(batch=3):
    rng = np.random.default_rng(5)
    xyz_mm = rng.uniform(-80, 80, (batch, 21, 3)) + np.array([0, 0, 500])
    return xyz_mm.astype(np.float32)


def test_scale_by_hand():
    xyz_mm = np.zeros((2, 21, 3))
    xyz_mm[0, 10] = [3, 4, 12]
    xyz_mm[0, 9] = [0, 0, 0]
    xyz_mm[1, 9] = [0, 0, 90]
    np.testing.assert_allclose(pose.scale_from_joints(xyz_mm), [13, 90])
    np.testing.assert_allclose(pose.scale_from_joints(xyz_mm, "wrist_middle_mcp"), [0, 90])


def test_unknown_scale_bone_is_refused():
    with pytest.raises(ValueError, match=r"`scale_bone` must be one of .*scale_bone='thumb'"):
        pose.scale_from_joints(_joints(), "thumb")


def test_convention_behind_the_wrist_is_positive():
    xyz_mm = np.zeros((21, 3))
    xyz_mm[:, 2] = 500.0
    xyz_mm[1, 2] = 540.0
    z = pose.relative_depth(xyz_mm, np.float64(40))
    np.testing.assert_allclose(z[:3], [0, 1, 0])


def test_convention_depth_along_the_line_of_sight():
    # The knuckle 45 degrees to the right; a joint one bone farther out on its ray, one beside it.
    xyz_mm = np.zeros((21, 3))
    xyz_mm[:] = [300.0, 0.0, 300.0]
    xyz_mm[1] += [40.0 / np.sqrt(2.0), 0.0, 40.0 / np.sqrt(2.0)]
    xyz_mm[2] += [30.0, 0.0, -30.0]
    z = pose.relative_depth(xyz_mm, np.float64(40), depth_along="line_of_sight")
    np.testing.assert_allclose(z[:4], [0, 1, 0, 0], atol=1e-12)


def test_unknown_direction_of_depth_is_refused():
    message = r"`depth_along` must be one of .*depth_along='ray'"
    with pytest.raises(ValueError, match=message):
        pose.relative_depth(_joints(), np.ones(2), depth_along="ray")


def _lift(xyz_mm, depth_along="optical_axis"):
    root_mm, scale_mm = xyz_mm[..., ROOT, 2], pose.scale_from_joints(xyz_mm)
    uv_px = camera.px_from_cam(xyz_mm, INTRINSICS)
    z = pose.relative_depth(xyz_mm, scale_mm, depth_along=depth_along)
    return pose.xyz_from_uv_z(
        uv_px, z, INTRINSICS, root_depth_mm=root_mm, scale_mm=scale_mm, depth_along=depth_along
    )  # fmt: skip


@pytest.mark.parametrize("along", pose.DEPTH_ALONG)
def test_pose_round_trip_on_every_kind_of_array(along):
    xyz_mm = _joints()
    lift = functools.partial(_lift, depth_along=along)
    data = next(iter(tf.data.Dataset.from_tensors(xyz_mm).map(lift)))
    for result in (
        lift(xyz_mm),
        lift(tf.constant(xyz_mm)),
        tf.function(lift)(tf.constant(xyz_mm)),
        data,
    ):
        np.testing.assert_allclose(result, xyz_mm, rtol=1e-4, atol=1e-3)


def test_gradient_of_lifting_is_finite():
    uv_px = tf.random.stateless_uniform([2, 21, 2], [1, 2], 0, 128)
    z = tf.zeros([2, 21])
    k = tf.constant(INTRINSICS)
    with tf.GradientTape() as tape:
        tape.watch([uv_px, z])
        xyz_mm = pose.xyz_from_uv_z(
            uv_px, z, k, root_depth_mm=tf.constant([0.0, 500]), scale_mm=tf.constant([0.0, 40])
        )
        loss = tf.reduce_sum(xyz_mm**2)
    assert all(np.isfinite(g).all() for g in tape.gradient(loss, [uv_px, z]))


def test_mirror_keeps_projection_scale_and_depth():
    xyz_mm = _joints()
    uv_px = camera.px_from_cam(xyz_mm, INTRINSICS)
    uv_m, xyz_m, k_m = pose.mirror(uv_px, xyz_mm, INTRINSICS, width_px=128)
    np.testing.assert_allclose(camera.px_from_cam(xyz_m, k_m), uv_m, rtol=1e-4)
    np.testing.assert_allclose(pose.scale_from_joints(xyz_m), pose.scale_from_joints(xyz_mm))
    np.testing.assert_array_equal(xyz_m[..., 2], xyz_mm[..., 2])
    again = pose.mirror(uv_m, xyz_m, k_m, width_px=128)
    np.testing.assert_allclose(again[0], uv_px, rtol=1e-5)
