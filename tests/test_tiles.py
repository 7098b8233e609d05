"""Tiles: where they lie, which boxes are one hand, and hands that are found by them alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from kerashand.metrics_detection import box_overlap
from kerashand.runtime import HandPose
from kerashand.runtime.detector import Detection, Detector
from kerashand.runtime.tiles import MOST_TILES, Seen, distinct, is_cut, is_part, merged, squares
from kerashand.runtime.tracker import HandTracker
from kerashand.synthetic.scene import render_background, render_sample
from kerashand.synthetic.styles import STYLES

# ------------------------------------------------------------------------------- where they lie


def test_convention_tiles_along_the_longer_side():
    """Three tiles that share a quarter with their neighbours: 1000 = (1 + 2 x 0.75) x 400."""
    found = squares((1000, 400), 3, input_px=192)
    assert [side for _, side in found] == [400.0] * 3
    middles = [(199.5, 199.5), (499.5, 199.5), (799.5, 199.5)]
    np.testing.assert_allclose([middle for middle, _ in found], middles)
    upright = squares((400, 1000), 3, input_px=192)
    np.testing.assert_allclose([middle[::-1] for middle, _ in upright], middles)


@pytest.mark.parametrize("size_px", [(4000, 3000), (1000, 999), (3000, 50), (777, 1900)])
@pytest.mark.parametrize("tiles", [2, 5, MOST_TILES, "auto"])
def test_every_hand_smaller_than_what_tiles_share_is_whole_in_one(size_px, tiles, rng):
    found = squares(size_px, tiles, input_px=192)
    half, size = 0.1 * found[0][1], np.array(size_px)
    for _ in range(200):
        middle = rng.uniform(0, size - 1)
        box = (*np.maximum(middle - half, 0), *np.minimum(middle + half, size - 1))
        assert any(not is_cut(box, square, size_px) for square in found)


@pytest.mark.parametrize(
    ("longer", "columns"), [(640, 0), (768, 0), (769, 2), (1344, 2), (1345, 3), (100_000, 16)]
)
def test_auto_takes_as_many_tiles_as_the_size_needs(longer, columns):
    """Tiles of 768 px at most, four times the 192 of the detector: 1344 = 768 + 0.75 x 768."""
    assert len(squares((longer, 100), "auto", input_px=192)) == columns
    assert len(squares((longer, 100), "auto", input_px=192, least=3)) == max(columns, 3)


def test_convention_cut_by_a_border():
    size_px, tile = (1000, 1000), (np.array([199.5, 499.5]), 400.0)  # -0.5..399.5, 299.5..699.5
    assert not is_cut((0, 400, 100, 500), tile, size_px)  # at the picture's own border
    assert not is_cut((100, 400, 390, 500), tile, size_px)
    assert is_cut((100, 400, 392, 500), tile, size_px)  # within 2 % of 400 px
    assert is_cut((100, 300, 200, 500), tile, size_px)
    assert is_cut((100, 400, 200, 750), tile, size_px)


# ------------------------------------------------------------------------- which are one hand


def test_convention_a_part_of_a_hand():
    """60 % of the smaller box."""
    assert is_part((0, 0, 100, 100), (40, 40, 50, 50))
    assert is_part((94, 0, 104, 10), (0, 0, 100, 100))
    assert not is_part((0, 0, 100, 100), (95, 0, 105, 10))
    assert not is_part((0, 0, 10, 10), (20, 20, 30, 30))


def seen(box, score, square=1, cut=False):
    return Seen(Detection(box, "right", score), square, cut)


def test_a_whole_hand_is_preferred_to_a_surer_part():
    whole, other = seen((0, 0, 100, 100), 0.5, 1), seen((200, 0, 300, 100), 0.7, 2)
    part = seen((0, 0, 55, 100), 0.9, 2, cut=True)
    assert merged([part, whole, other], 0.35) == [other.one, whole.one]
    assert merged([replace(whole, cut=True), part], 0.35) == [part.one]  # both are cut
    assert merged([part], 0.35) == [part.one]


def test_one_hand_in_two_squares_and_two_hands_in_one():
    first, second = seen((0, 0, 10, 10), 0.6), seen((5, 0, 15, 10), 0.8)  # IoU 1/3
    assert merged([first, second], 0.33) == [second.one]
    assert merged([first, second], 0.34) == [second.one, first.one]
    large, small = seen((0, 0, 100, 100), 0.6), seen((10, 10, 50, 50), 0.8)  # one before the other
    assert merged([large, small], 0.35) == [small.one, large.one]
    assert merged([large, replace(small, square=2)], 0.35) == [small.one]


def test_hands_that_have_been_read_are_told_apart():
    large, copy = (Detection((0, 0, 100, 100), "right", score) for score in (0.9, 0.8))
    finger = Detection((10, 10, 64, 64), "right", 0.7)  # 0.29 of the area, inside
    near = Detection((10, 10, 66, 66), "right", 0.7)  # 0.31
    assert distinct([finger, copy, large], 0.6, parts=True) == [large]
    assert distinct([near, copy, large], 0.6, parts=True) == [large, near]
    assert distinct([finger, copy, large], 0.6, parts=False) == [large, finger]
    sure = replace(finger, score=1.0)
    assert distinct([large, sure], 0.6, parts=True) == [sure]


class Bright:
    """A detector that takes what is bright for a hand, where it covers 40 pixels of the input."""

    def __init__(self, size_px=64):
        self.metadata = {"image_size_px": size_px, "threshold": 0.5}
        self.runs = 0

    def run(self, images):
        self.runs += 1
        score, box = np.zeros((8, 8)), np.zeros((8, 8, 4))
        grey = images[0].mean(axis=-1)
        rows, columns = np.nonzero(grey > 200)
        if len(rows) >= 40:
            left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
            score[0, 0], box[0, 0] = 0.9, (left - 0.5, top - 0.5, right + 0.5, bottom + 0.5)
        return {"score": score, "box": box, "p_right": np.ones((8, 8))}


def test_a_hand_that_only_tiles_show_large_enough_comes_back_once_and_in_place():
    picture = np.zeros((512, 640, 3), np.uint8)
    picture[300:340, 400:440] = 255
    backend = Bright()
    detector = Detector(backend)
    assert detector.detect(picture, max_hands=9) == []
    (found,) = detector.detect(picture, max_hands=9, tiles=4)
    np.testing.assert_allclose(found.box, (399.5, 299.5, 439.5, 339.5), atol=4)
    assert backend.runs == 1 + 1 + 4 * 4  # 512 px hold four tiles of 197 px


# ----------------------------------------------------------------------------- composed pictures


@pytest.fixture(scope="module")
def pose():
    return HandPose.load()


def eight_hands(size_px, hand_px):
    """Eight rendered hands in a grid of 4 x 2 on a larger picture, and their boxes."""
    wall = render_background(STYLES["varied"], np.random.default_rng(0), 256, folder=None)
    wall = np.clip(np.round(255 * wall), 0, 255).astype(np.uint8)
    picture, boxes = cv2.resize(wall, size_px, interpolation=cv2.INTER_CUBIC), []
    for number in range(8):
        sample = render_sample("varied", "test", seed=5, index=number, size_px=192)
        small = cv2.resize(sample.image, (hand_px, hand_px), interpolation=cv2.INTER_AREA)
        row, column = divmod(number, 4)
        left, top = (
            round((place + 0.5) * size / count - hand_px / 2)
            for place, size, count in ((column, size_px[0], 4), (row, size_px[1], 2))
        )
        picture[top : top + hand_px, left : left + hand_px] = small
        uv = (sample.uv_px + 0.5) * hand_px / 192 - 0.5 + [left, top]
        boxes.append((*uv.min(axis=0), *uv.max(axis=0)))
    return picture, boxes


def found_of(hands, boxes, overlap=0.5):
    return sum(any(box_overlap(box, hand.box) > overlap for hand in hands) for box in boxes)


def test_eight_hands_are_found_if_eight_are_asked_for(pose):
    """The detector alone finds few of them, since each lowers the scores of the others."""
    picture, boxes = eight_hands((1200, 600), hand_px=200)
    hands = pose.predict(picture, max_hands=8)
    assert len(hands) == 8
    assert found_of(hands, boxes) == 8
    assert [hand.score for hand in hands] == sorted((hand.score for hand in hands), reverse=True)
    assert found_of(pose.predict(picture, max_hands=8, tiles="auto"), boxes) == 8
    assert found_of(pose.predict(picture, max_hands=8, tiles=1), boxes) < 6
    tracker = HandTracker(pose, max_hands=8)
    numbers = [[number for number, _ in tracker.update(picture, 0.04)] for _ in range(7)]
    assert numbers == [list(range(8))] * 7


def test_small_hands_in_a_large_picture_need_tiles(pose):
    picture, boxes = eight_hands((4000, 3000), hand_px=200)
    assert found_of(pose.predict(picture, max_hands=8, tiles=1), boxes) <= 2
    hands = pose.predict(picture, max_hands=8, tiles="auto")
    assert found_of(hands, boxes) >= 7
    # The thumb of the eighth, a fist, is not seen as such: its box overlaps by 0.49.
    assert (len(hands), found_of(hands, boxes, overlap=0.45)) == (8, 8)


def test_a_large_hand_is_one_hand_in_tiles_too(pose):
    sample = render_sample("varied", "test", seed=5, index=0, size_px=192)
    picture = cv2.resize(sample.image, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    (plain,) = pose.predict(picture, max_hands=8, tiles=1)
    (tiled,) = pose.predict(picture, max_hands=8, tiles=4)
    assert box_overlap(plain.box, tiled.box) > 0.8


@pytest.mark.parametrize("tiles", [0, 17, -1, 1.5, "3", "all", True, []])
def test_a_number_of_tiles_that_is_none(pose, tiles):
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=r"`tiles` must be 'auto' or an integer of 1 to 16"):
        pose.predict(picture, tiles=tiles)
    with pytest.raises(ValueError, match=r"`tiles` must be 'auto' or an integer of 1 to 16"):
        HandTracker(pose, tiles=tiles)
