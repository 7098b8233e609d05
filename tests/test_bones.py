"""Lengths of bones from pixels and depth."""

import numpy as np
import pytest
import tensorflow as tf

from kerashand.geometry.bones import BONE_RANGES, bone_lengths, bone_range
from kerashand.geometry.pose import scale_from_joints
from kerashand.geometry.root_depth import relative_joints
from kerashand.skeleton import BONES, SCALE_BONES
from kerashand.synthetic.scene import render_sample

START, END = np.array(BONES).T


def true_lengths(xyz):
    return np.linalg.norm(xyz[..., END, :] - xyz[..., START, :], axis=-1)


@pytest.fixture(scope="module")
def hands_mm():
    return np.stack(
        [
            render_sample("varied", "test", seed=0, index=index, size_px=32).xyz_mm
            for index in range(12)
        ]
    )


# How far the palms are from those of the table that the pixels of a bone come from.
@pytest.mark.parametrize(
    ("bone", "tolerance"), [("wrist_middle_mcp", 0.08), ("middle_mcp_pip", 0.18)]
)
def test_far_hands_have_their_true_lengths(hands_mm, bone, tolerance):
    xyz = hands_mm / scale_from_joints(hands_mm, bone)[:, None, None]
    seen = bone_lengths(xyz[..., :2] * 31.0 + 7.0, xyz[..., 2], scale_bone=bone)
    np.testing.assert_allclose(seen, true_lengths(xyz), rtol=tolerance)


@pytest.mark.parametrize("bone", SCALE_BONES)
def test_the_pixels_of_a_bone_are_those_of_the_runtime(rng, bone):
    uv, z = rng.uniform(0, 128, (5, 21, 2)), rng.normal(size=(5, 21))
    expected = true_lengths(relative_joints(uv, z, scale_bone=bone))
    np.testing.assert_allclose(bone_lengths(uv, z, scale_bone=bone), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("bone", SCALE_BONES)
def test_rendered_hands_lie_within_the_range(hands_mm, bone):
    lengths = true_lengths(hands_mm) / scale_from_joints(hands_mm, bone)[:, None]
    shortest, longest = bone_range(bone)
    assert ((lengths >= shortest) & (lengths <= longest)).mean() > 0.95
    scale = BONES.index(SCALE_BONES[bone])
    assert BONE_RANGES[bone][0][scale] == BONE_RANGES[bone][1][scale] == 1.0


def test_only_the_depth_of_its_own_joints_changes_a_bone(rng):
    uv = tf.constant(rng.uniform(0, 128, (1, 21, 2)), tf.float32)
    z = tf.Variable(rng.normal(size=(1, 21)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        tip = bone_lengths(uv, z, scale_bone="wrist_middle_mcp")[0, 7]  # index_dip, index_tip
    slope = np.array(tape.gradient(tip, z))[0]
    assert set(np.flatnonzero(slope)) == {7, 8}
    assert slope[8] == pytest.approx(float((z[0, 8] - z[0, 7]) / tip), rel=1e-4)


def test_joints_in_one_point_give_finite_slopes():
    uv, z = tf.zeros((1, 21, 2)), tf.Variable(tf.zeros((1, 21)))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(bone_lengths(uv, z, scale_bone="wrist_middle_mcp"))
    assert np.isfinite(float(total))
    assert np.isfinite(tape.gradient(total, z)).all()
