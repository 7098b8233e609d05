"""What a depth camera measured, as the pose model by depth sees it."""

import numpy as np
from stick_hand import SHAPE

from kerashand.geometry.camera import cam_from_px
from kerashand.geometry.depth_picture import depth_picture

SIZE, FOCAL, PALM_MM = 64, 600.0, 90.0
CAMERA = np.array([[FOCAL, 0, 32], [0, FOCAL, 32], [0, 0, 1.0]])
POINTS = np.array([32.0, 42.0]) + 10.0 * SHAPE
"""The middle knuckle lies on the optical axis, so that the line of sight is the axis."""


def picture(depth, camera=CAMERA, points=POINTS):
    return depth_picture(depth, points, intrinsics=camera, palm_mm=PALM_MM)


def test_conventions():
    depth = np.full((SIZE, SIZE), 600.0)
    depth[10, 32] = 600.0 - 0.5 * PALM_MM
    depth[10, 34] = 600.0 + 1.0 * PALM_MM
    depth[10, 36] = 0.0
    seen = picture(depth)
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen[32, 32], [128, 128, 255])
    np.testing.assert_array_equal(seen[10, 32], [170, 255, 255])
    # 255 (0.5 - 1 / 3) = 42.5, a little less since the ray runs aside.
    np.testing.assert_array_equal(seen[10, 34], [42, 0, 255])
    np.testing.assert_array_equal(seen[10, 36], [0, 0, 0])


def test_depth_is_counted_from_the_palm():
    """Fingers 60 mm nearer than the palm move no other pixel."""
    depth = np.full((SIZE, SIZE), 600.0)
    depth[:28] = 540.0
    np.testing.assert_array_equal(picture(depth)[40, 32], [128, 128, 255])


def test_a_plane_across_the_line_of_sight_looks_flat_wherever_it_stands():
    aside = np.array([[FOCAL, 0, -300], [0, FOCAL, 200], [0, 0, 1.0]])
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    pixels = np.stack([columns, rows], axis=-1).astype(float)
    rays = cam_from_px(pixels, np.ones((SIZE, SIZE)), aside)
    sight = rays[32, 32] / np.linalg.norm(rays[32, 32])
    depth = 700.0 / (rays @ sight)
    assert np.ptp(depth) > 30.0
    seen = picture(depth, aside)
    assert (np.abs(seen[..., :2].astype(int) - 128) <= 1).all()


def test_a_hand_that_is_twice_as_far_and_twice_as_large_looks_the_same():
    rng = np.random.default_rng(0)
    depth = 600.0 + rng.uniform(-60, 60, (SIZE, SIZE))
    near = depth_picture(depth, POINTS, intrinsics=CAMERA, palm_mm=PALM_MM)
    far = depth_picture(2.0 * depth, POINTS, intrinsics=CAMERA, palm_mm=2.0 * PALM_MM)
    np.testing.assert_array_equal(near, far)


def test_nothing_at_the_palm():
    depth = np.full((SIZE, SIZE), 600.0)
    assert picture(depth, points=POINTS + 500.0) is None
    assert picture(np.zeros((SIZE, SIZE))) is None
