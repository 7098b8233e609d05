import numpy as np
import pytest

from kerashand.geometry import bone_lengths
from kerashand.geometry.bone_lengths import BONE_RATIOS, fit_bones
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.pose import DEPTH_ALONG, relative_depth, scale_from_joints
from kerashand.skeleton import BONES, SCALE_BONES
from kerashand.synthetic.scene import draw_sample

CAMERA = np.array([[400.0, 0, 64], [0, 400.0, 64], [0, 0, 1]])
BEFORE, AFTER = np.array(BONES).T


@pytest.fixture(scope="module")
def hands():
    """[N, 21, 3] mm, 20 degrees beside the axis."""
    xyz = [draw_sample("varied", "test", 7, i, size_px=32).xyz_mm for i in range(12)]
    xyz = np.array(xyz, np.float64)
    xyz[..., 0] += np.tan(np.radians(20.0)) * xyz[:, :1, 2]
    return xyz


def ratios(xyz_mm, scale_bone="wrist_middle_mcp"):
    lengths = np.linalg.norm(xyz_mm[..., AFTER, :] - xyz_mm[..., BEFORE, :], axis=-1)
    return lengths / scale_from_joints(xyz_mm, scale_bone)[..., None]


def fitted(xyz_mm, *, noise=0.0, rng=None, along="line_of_sight", scale_bone="wrist_middle_mcp"):
    """The fit of what a network would see of joints, with so many typical errors of depth."""
    scale = scale_from_joints(xyz_mm, scale_bone)
    z = relative_depth(xyz_mm, scale, depth_along=along)
    if noise:
        drawn = rng.multivariate_normal(np.zeros(21), bone_lengths._DEPTH_COVARIANCE, z.shape[:-1])
        z = z + noise * drawn
    uv = px_from_cam(xyz_mm, CAMERA)
    return z, fit_bones(
        uv, z, np.ones(z.shape), CAMERA, xyz_mm[..., 0, 2], scale, depth_along=along,
        scale_bone=scale_bone,
    )  # fmt: skip


@pytest.mark.parametrize("along", DEPTH_ALONG)
@pytest.mark.parametrize("scale_bone", sorted(SCALE_BONES))
def test_a_hand_with_usual_lengths_stays(hands, along, scale_bone, monkeypatch):
    hand = hands[0]
    monkeypatch.setitem(BONE_RATIOS, scale_bone, tuple(ratios(hand, scale_bone)))
    _, found = fitted(hand, along=along, scale_bone=scale_bone)
    np.testing.assert_allclose(found, hand, atol=1e-6)


def test_worked_by_hand(monkeypatch):
    """A tip whose bone stands along the line of sight and is too long by a bone's error."""
    monkeypatch.setattr(bone_lengths, "STEPS", 1)
    monkeypatch.setattr(bone_lengths, "SURE_ERROR", 1e-9)
    monkeypatch.setattr(bone_lengths, "LENGTH_ERROR", 0.19)
    monkeypatch.setattr(bone_lengths, "_DEPTH_COVARIANCE", np.diag([0.0] * 20 + [0.19**2]))
    xyz = np.zeros((21, 3))
    xyz[:, 2] = 500.0
    xyz[:, 0] = 10.0 * np.arange(21)
    xyz[20] = xyz[19]
    uv, z = px_from_cam(xyz, CAMERA), np.zeros(21)
    z[20] = 0.4  # 40 mm behind, of 100 a scale bone
    uv[20] = px_from_cam(xyz[19:20] * 540.0 / 500.0, CAMERA)[0]
    lengths = np.full(20, 0.1)
    lengths[BONES.index((0, 9))] = 1.0
    lengths[BONES.index((19, 20))] = 0.2
    monkeypatch.setitem(BONE_RATIOS, "wrist_middle_mcp", tuple(lengths))
    found = fit_bones(uv, z, np.ones(21), CAMERA, 500.0, 100.0)
    # Twice as long as it should be, both errors alike: the middle, but for the slant of the ray.
    ray = np.linalg.norm(xyz[19] / 500.0)
    assert np.linalg.norm(found[20] - found[19]) == pytest.approx((0.4 * ray + 0.2) * 50, rel=0.05)
    np.testing.assert_allclose(found[:20, 2], 500.0, atol=1e-6)


def test_noise_of_depth_becomes_less(hands, rng):
    z, found = fitted(hands, noise=1.0, rng=rng)
    scale = scale_from_joints(hands, "wrist_middle_mcp")
    true = relative_depth(hands, scale, depth_along="line_of_sight")
    before = np.abs(z - true).mean()
    sight = hands[:, 9] / np.linalg.norm(hands[:, 9], axis=-1, keepdims=True)
    offset = (found - found[:, :1]) @ sight[..., None]
    after = np.abs(offset[..., 0] / scale[:, None] - true).mean()
    assert after < 0.8 * before
    assert np.abs(ratios(found) - ratios(hands)).mean() < 0.1


def test_batches_are_hands_one_by_one(hands, rng):
    seed = rng.integers(1 << 30)
    z, together = fitted(hands, noise=0.5, rng=np.random.default_rng(seed))
    scale = scale_from_joints(hands, "wrist_middle_mcp")
    uv = px_from_cam(hands, CAMERA)
    for n in (0, 5):
        alone = fit_bones(
            uv[n], z[n], np.ones(21), CAMERA, hands[n, 0, 2], scale[n], depth_along="line_of_sight"
        )
        np.testing.assert_allclose(alone, together[n], atol=1e-8)


def test_hands_of_no_size_and_unknown_bones():
    nowhere = fit_bones(np.zeros((21, 2)), np.zeros(21), np.zeros(21), CAMERA, 400.0, 90.0)
    assert np.isfinite(nowhere).all()
    with pytest.raises(ValueError, match="scale_bone='thumb'"):
        fit_bones(
            np.zeros((21, 2)), np.zeros(21), np.zeros(21), CAMERA, 400.0, 90.0, scale_bone="thumb"
        )
