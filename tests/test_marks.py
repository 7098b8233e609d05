"""Lines, discs, rings and words of drawings, pixel by pixel."""

import numpy as np
import pytest

from kerashand.visualize import marks

RED = (200, 0, 0)


@pytest.fixture
def canvas():
    return np.zeros((20, 30, 3), np.uint8)


def test_convention_a_line_of_one_pixel_lies_on_its_row(canvas):
    marks.line(canvas, (5, 10), (15, 10), layers=[(0.5, RED)])
    assert canvas[10, 5:16, 0].tolist() == [200] * 11
    canvas[10, 5:16] = 0
    assert not canvas.any()


def test_convention_an_edge_between_pixels_is_mixed(canvas):
    """Half a pixel lower, both rows are covered by half."""
    marks.line(canvas, (5, 10.5), (15, 10.5), layers=[(0.5, RED)])
    assert canvas[10, 8:12, 0].tolist() == canvas[11, 8:12, 0].tolist() == [100] * 4
    assert not canvas[[9, 12]].any()


def test_layers_lie_above_each_other(canvas):
    marks.disc(canvas, (15, 10), [(4.0, (10, 20, 30)), (2.0, RED)])
    assert canvas[10, 15].tolist() == list(RED)
    assert canvas[10, 18].tolist() == [10, 20, 30]
    assert canvas[10, 19].tolist() == [5, 10, 15]  # at a distance of 4.0: half of it
    assert not canvas[10, 20].any()


def test_the_area_of_a_disc(canvas):
    marks.disc(canvas, (14.3, 9.6), [(6.0, (200, 200, 200))])
    assert canvas[..., 0].sum() / 200 == pytest.approx(np.pi * 36, rel=0.01)


def test_a_ring_is_hollow(canvas):
    marks.ring(canvas, (15, 10), 6.0, width=2.0, colour=RED)
    assert canvas[10, 21].tolist() == list(RED)
    assert canvas[16, 15].tolist() == list(RED)
    assert not canvas[7:14, 12:19].any()


@pytest.mark.parametrize("centre", [(-100, 5), (15, 1e9), (-1e9, -1e9)])
def test_what_lies_beyond_the_picture_is_cut_off(canvas, centre):
    marks.disc(canvas, centre, [(5.0, RED)])
    marks.ring(canvas, centre, 5.0, width=1.0, colour=RED)
    assert not canvas.any()
    marks.line(canvas, centre, (15, 10), layers=[(1.0, RED)])
    assert canvas[10, 15].tolist() == list(RED)


def test_words_stand_on_their_baseline(canvas):
    wide, above, below = marks.text_size("HE", 12.0)
    marks.write(canvas, "HE", (3, 15), size_px=12.0, colour=RED)
    inked = np.argwhere(canvas[..., 0] > 100)
    assert inked[:, 0].max() in (14, 15)  # no letter of these reaches below it
    assert 5 < np.ptp(inked[:, 0]) < above + below
    assert inked[:, 1].min() >= 3
    assert inked[:, 1].max() <= 3 + wide


def test_words_are_cut_off_at_every_edge(canvas):
    for origin in ((-8, 8), (25, 8), (3, 2), (3, 24), (-99, 8), (99, 99)):
        marks.write(canvas, "hand", origin, size_px=12.0, colour=RED)
    assert canvas.any()
