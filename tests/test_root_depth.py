import numpy as np
import pytest

from kerashand.geometry import root_depth
from kerashand.geometry.camera import px_from_cam
from kerashand.geometry.root_depth import PALM_BONES, PALM_RATIOS, scale_bone_px, solve_root_depth

K = np.array([[500.0, 0.0, 160.0], [0.0, 500.0, 120.0], [0.0, 0.0, 1.0]])


PALM = np.array(
    [[0, 0], [-24, -27], [-23, -87], [0, -90], [17, -80], [33, -70]], np.float64
)  # wrist, thumb's root, knuckles; x to the little finger, fingers up
PLACES = (0, 1, 5, 9, 13, 17)


def flat_hand(depth_mm=400.0):
    """A palm of 90 mm before the camera."""
    xyz = np.zeros((21, 3))
    xyz[:, 2] = depth_mm
    xyz[list(PLACES), :2] = PALM
    return xyz


@pytest.fixture
def own_ratios(monkeypatch):
    """The mean palm is this one, so that solutions are exact."""
    xyz = flat_hand()
    lengths = [np.linalg.norm(xyz[a] - xyz[b]) / 90.0 for a, b in PALM_BONES]
    monkeypatch.setitem(PALM_RATIOS, "wrist_middle_mcp", tuple(lengths))


def turned(xyz, angle_rad):
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    rotation = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return (xyz - xyz[0]) @ rotation.T + xyz[0]


def solved(xyz, scale_mm=90.0, noise_px=None):
    uv = px_from_cam(xyz, K)
    if noise_px is not None:
        uv = uv + noise_px
    return solve_root_depth(uv, (xyz[:, 2] - xyz[0, 2]) / scale_mm, K, scale_mm=scale_mm)


@pytest.mark.parametrize(("rise", "expected"), [(0.0, 450.0), (0.6, 450.0 * 0.8)])
def test_worked_by_hand(rise, expected, monkeypatch):
    """A bone of 90 mm that spans 100 px at f = 500, parallel to the picture, is 450 mm away.

    If its far end lies 54 mm behind the wrist on the optical axis, 72 mm are left: 360 mm.
    """
    monkeypatch.setattr(root_depth, "PALM_BONES", ((9, 0),))
    monkeypatch.setitem(PALM_RATIOS, "wrist_middle_mcp", (1.0,))
    uv = np.tile(np.array([[160.0, 120.0]]), (21, 1))
    uv[0] = (160.0, 20.0)
    depth = np.where(np.arange(21) == 9, rise, 0.0)
    assert solve_root_depth(uv, depth, K, scale_mm=90.0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("angle", [-1.2, -0.6, 0.0, 0.6, 1.2])
@pytest.mark.parametrize("depth_mm", [250.0, 400.0, 900.0])
def test_exact_hands(angle, depth_mm, own_ratios):
    assert solved(turned(flat_hand(depth_mm=depth_mm), angle)) == pytest.approx(depth_mm, rel=1e-6)


def test_a_mean_palm_is_near_a_palm():
    assert solved(turned(flat_hand(), 0.4)) == pytest.approx(400.0, rel=0.05)


def test_one_wrong_joint_does_not_matter(own_ratios):
    """Its bones are outvoted."""
    xyz = flat_hand()
    uv = px_from_cam(xyz, K)
    uv[17] += (40.0, -30.0)
    assert solve_root_depth(uv, np.zeros(21), K, scale_mm=90.0) == pytest.approx(400.0, rel=0.02)


def test_noise_of_a_pixel_moves_it_little(rng, own_ratios):
    errors = [
        solved(turned(flat_hand(), angle), noise_px=rng.normal(0.0, 1.0, (21, 2))) - 400.0
        for angle in np.linspace(-1.0, 1.0, 41)
    ]
    assert np.abs(errors).mean() < 8.0


def test_batches_and_impossible_input():
    hands = np.stack([flat_hand(depth_mm=300.0), flat_hand(depth_mm=600.0)])
    uv = px_from_cam(hands, K)
    depth = solve_root_depth(uv, np.zeros((2, 21)), K, scale_mm=np.full(2, 90.0))
    assert depth[1] == pytest.approx(2 * depth[0])
    assert np.isfinite(solve_root_depth(np.zeros((21, 2)), np.zeros(21), K, scale_mm=90.0))
    with pytest.raises(ValueError, match=r"`scale_bone` must be one of .* Received: .*'palm'"):
        solve_root_depth(uv[0], np.zeros(21), K, scale_mm=90.0, scale_bone="palm")


def test_convention_a_scale_bone_across_the_view_spans_what_joints_say():
    """A joint a scale bone to the right of the wrist lies 37 pixels to the right of it."""
    xyz = np.zeros((21, 3))
    xyz[9] = (1.0, 0.0, 0.5)
    uv = np.tile([10.0, 20.0], (21, 1))
    uv[9, 0] += 37.0
    assert scale_bone_px(uv, xyz) == pytest.approx(37.0)


@pytest.mark.parametrize("scale_mm", [0.09, 1e-6, -90.0, np.nan])
def test_lengths_in_metres_are_refused(scale_mm):
    with pytest.raises(ValueError, match="`scale_mm` must be in mm"):
        solved(flat_hand(), scale_mm=scale_mm)
