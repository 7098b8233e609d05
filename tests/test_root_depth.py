import numpy as np
import pytest

from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.root_depth import PALM_BONES, PALM_RATIOS, solve_root_depth

K = np.array([[500.0, 0.0, 160.0], [0.0, 500.0, 120.0], [0.0, 0.0, 1.0]])


def flat_hand(scale_mm=90.0, depth_mm=400.0):
    """A palm whose bones have exactly the mean ratios, facing the camera."""
    ratio = dict(zip(PALM_BONES, PALM_RATIOS["wrist_middle_mcp"], strict=True))
    xyz = np.zeros((21, 3))
    xyz[:, 2] = depth_mm
    xyz[9, :2] = (0.0, -ratio[0, 9] * scale_mm)
    # Index and little knuckles as far apart as the fifth bone is long.
    spread = np.arccos(
        (ratio[0, 5] ** 2 + ratio[0, 17] ** 2 - ratio[5, 17] ** 2)
        / (2 * ratio[0, 5] * ratio[0, 17])
    )
    for joint, angle in ((5, -0.4 * spread), (17, 0.6 * spread), (13, 0.3 * spread)):
        reach = ratio[0, joint] * scale_mm
        xyz[joint, :2] = (reach * np.sin(angle), -reach * np.cos(angle))
    return xyz


def turned(xyz, angle_rad):
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    rotation = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return (xyz - xyz[0]) @ rotation.T + xyz[0]


def solved(xyz, scale_mm=90.0, noise_px=None):
    uv = px_from_cam(xyz, K)
    if noise_px is not None:
        uv = uv + noise_px
    return solve_root_depth(uv, (xyz[:, 2] - xyz[0, 2]) / scale_mm, K, scale_mm)


def test_worked_by_hand():
    """A bone of 90 mm that spans 100 px at f = 500, parallel to the picture, is 450 mm away."""
    uv = np.tile(np.array([[160.0, 120.0]]), (21, 1))
    uv[9] = (160.0, 20.0)
    # The other bones are seen end on: no length in the image, no weight.
    depth = np.zeros(21)
    for (a, b), ratio in zip(PALM_BONES[1:], PALM_RATIOS["wrist_middle_mcp"][1:], strict=True):
        depth[b] = depth[a] + ratio
    alone = solve_root_depth(uv, depth, K, 90.0)
    assert alone == pytest.approx(450.0, rel=1e-6)


@pytest.mark.parametrize("angle", [-1.2, -0.6, 0.0, 0.6, 1.2])
@pytest.mark.parametrize("depth_mm", [250.0, 400.0, 900.0])
def test_exact_hands(angle, depth_mm):
    assert solved(turned(flat_hand(depth_mm=depth_mm), angle)) == pytest.approx(depth_mm, rel=1e-6)


def test_noise_of_a_pixel_moves_it_little(rng):
    errors = [
        solved(turned(flat_hand(), angle), noise_px=rng.normal(0.0, 1.0, (21, 2))) - 400.0
        for angle in np.linspace(-1.0, 1.0, 41)
    ]
    assert np.abs(errors).mean() < 8.0


def test_batches_and_impossible_input():
    hands = np.stack([flat_hand(depth_mm=300.0), flat_hand(depth_mm=600.0)])
    uv = px_from_cam(hands, K)
    depth = solve_root_depth(uv, np.zeros((2, 21)), K, np.full(2, 90.0))
    np.testing.assert_allclose(depth, [300.0, 600.0], rtol=1e-6)
    assert np.isfinite(solve_root_depth(np.zeros((21, 2)), np.zeros(21), K, 90.0))
    with pytest.raises(ValueError, match=r"`scale_bone` must be one of .* Received: .*'palm'"):
        solve_root_depth(uv[0], np.zeros(21), K, 90.0, scale_bone="palm")
