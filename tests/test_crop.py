"""Crops of the runtime: the warp of OpenCV, averages of large pictures, and mirrored edges."""

import cv2
import numpy as np
import pytest
from runtime_models import SIZE

from kerashand.geometry.camera import apply_affine
from kerashand.runtime.crop import crop_from_image, cut, square_around


def smooth_picture(rng, height=90, width=140):
    small = rng.integers(0, 256, (9, 14, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("angle", "mirrored"), [(0.0, False), (0.7, False), (-2.0, True)])
def test_cut_is_the_warp_of_opencv(rng, angle, mirrored):
    picture = smooth_picture(rng)
    affine = crop_from_image(np.array([70.0, 40.0]), 55.0, SIZE, angle_rad=angle, mirrored=mirrored)
    expected = cv2.warpAffine(
        picture, affine[:2], (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    difference = np.abs(cut(picture, affine, SIZE).astype(int) - expected)
    assert difference.mean() < 0.7  # OpenCV rounds positions to 1/32 px
    assert difference.max() < 12


def test_cut_of_the_whole_picture_is_the_picture(rng):
    picture = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    centre, side = square_around((-0.5, -0.5, SIZE - 0.5, SIZE - 0.5))
    np.testing.assert_array_equal(cut(picture, crop_from_image(centre, side, SIZE), SIZE), picture)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_cut_of_the_whole_picture_by_quarter_turns(rng, quarters):
    picture = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    centre, side = square_around((-0.5, -0.5, SIZE - 0.5, SIZE - 0.5))
    affine = crop_from_image(centre, side, SIZE, angle_rad=quarters * np.pi / 2)
    clockwise = np.rot90(picture, -quarters)
    np.testing.assert_array_equal(cut(picture, affine, SIZE), clockwise)


@pytest.mark.parametrize("centre", [(70.0, 45.0), (5.0, 40.0), (136.0, 86.0), (-20.0, 100.0)])
def test_cut_at_an_edge_is_that_of_a_picture_with_mirrored_borders(rng, centre):
    picture = rng.integers(0, 256, (90, 140, 3)).astype(np.uint8)
    wider = np.pad(picture, ((80, 80), (80, 80), (0, 0)), mode="reflect")
    crops = []
    for shown, border in ((picture, 0.0), (wider, 80.0)):
        affine = crop_from_image(np.add(centre, border), 55.0, SIZE, angle_rad=0.5)
        crops.append(cut(shown, affine, SIZE).astype(int))
    assert np.abs(crops[0] - crops[1]).max() <= 1  # where 0.5 is rounded


def test_a_large_picture_is_averaged(rng):
    fine = rng.integers(0, 2, (1300, 1300, 1)).astype(np.uint8).repeat(3, axis=2) * 255
    affine = crop_from_image(np.array([640.0, 660.0]), 1280.0, SIZE)
    assert cut(fine, affine, SIZE).std() < 12.0  # of 127 before; blocks of 20 x 20


def test_averaging_keeps_the_place():
    picture = np.zeros((800, 800, 3), np.uint8)
    picture[396:416, 196:216] = 255  # middle at (205.5, 405.5)
    affine = crop_from_image(np.array([300.0, 400.0]), 640.0, SIZE)
    crop = cut(picture, affine, SIZE).astype(float)[..., 0]
    rows, columns = np.indices(crop.shape)
    middle = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    np.testing.assert_allclose(
        middle, apply_affine(np.array([[205.5, 405.5]]), affine)[0], atol=0.1
    )


def test_beyond_the_edge_is_the_mirror_image():
    picture = np.arange(8, dtype=np.uint8)[None, :, None].repeat(8, 0).repeat(3, 2) * 10
    centre, side = square_around((-4.5, -0.5, 3.5, 7.5))
    crop = cut(picture, crop_from_image(centre, side, 8), 8)
    np.testing.assert_array_equal(crop[0, :, 0], [40, 30, 20, 10, 0, 10, 20, 30])


@pytest.mark.parametrize("block", [15, 16, 17, 20])
def test_a_white_picture_stays_white_however_far_it_shrinks(block):
    side = 8 * block
    affine = crop_from_image(np.array([side / 2 - 0.5, side / 2 - 0.5]), side, 8)
    white = np.full((side, side, 3), 255, np.uint8)
    assert cut(white, affine, 8).min() == 255
