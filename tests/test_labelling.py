"""A hand is followed through a recording, forwards and backwards, and compared with depth."""

import dataclasses

import numpy as np
import pytest
from stick_hand import SHAPE

from kerashand.geometry.flesh import flesh
from kerashand.labelling import Camera, Finder, Labeller
from kerashand.runtime.hand import Hand

FRAMES = [f"{number:04d}" for number in range(6)]
CAMERA = Camera(
    np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 90.0, "wrist_middle_mcp", 90.0,
    "line_of_sight",
)  # fmt: skip


def hand_at(u, *, handedness="right", score=0.95, confidence=0.9):
    """90 px from wrist to middle knuckle: a palm of 90 mm at 600 mm before a camera of 600 px."""
    return Hand(
        handedness=handedness, score=score, uv_px=np.array([u, 300.0]) + 90.0 * SHAPE,
        z_relative=np.zeros(21), confidence=np.full(21, confidence),
        xyz_relative=np.zeros((21, 3)), p_right=0.99 if handedness == "right" else 0.01,
    )  # fmt: skip


class Film:
    """A hand that moves by 5 px a frame; the number of a frame stands in its picture."""

    def __init__(self, sure=(), distance_mm=590.0, **options):
        self.sure, self.options, self.distance_mm = sure, options, distance_mm

    def read(self, frame):
        depth = np.full((480, 640), self.distance_mm, np.float32)
        return np.full((2, 2, 3), int(frame), np.uint8), depth

    def find(self, rgb):
        number = int(rgb[0, 0, 0])
        return [hand_at(300 + 5 * number, **self.options)] if number in self.sure else []

    def follow(self, rgb, last):
        return dataclasses.replace(
            hand_at(300 + 5 * int(rgb[0, 0, 0]), confidence=0.8), handedness=last.handedness
        )

    def labeller(self, **options):
        return Labeller(Finder(self.find, self.follow), CAMERA, **options)


def labelled(film, **options):
    labeller = film.labeller(**options)
    assert list(labeller.forwards(FRAMES, film.read)) == FRAMES
    assert list(labeller.backwards(FRAMES, film.read)) == FRAMES[::-1]
    return labeller, labeller.points()


def test_one_sure_frame_labels_its_neighbours():
    labeller, points = labelled(Film(sure={3}))
    assert list(labeller.sure) == ["0003"]
    assert sorted(points) == FRAMES
    for number, frame in enumerate(FRAMES):
        assert points[frame].uv_px[0] == pytest.approx([300 + 5 * number, 300])
    # Once found: confidence 0.9, supported by nothing else: 0.8 of it.
    np.testing.assert_allclose(points["0003"].weight, 0.72)
    np.testing.assert_allclose(points["0001"].weight, 0.8 * 0.8)
    assert not labeller.left_out(FRAMES)


def test_estimates_that_agree_weigh_more_than_one():
    _, points = labelled(Film(sure={2, 3}))
    # Found and followed from frame 2 and from nothing behind: the mean of 0.9 and 0.8 by squares.
    share = 0.81 / (0.81 + 0.64)
    np.testing.assert_allclose(points["0003"].weight, share * 0.9 + (1 - share) * 0.8)


def test_a_hand_of_the_wrong_size_is_none():
    """The same hand before a depth picture that says 1,200 mm."""
    labeller, points = labelled(Film(sure={0, 1, 2, 3, 4, 5}, distance_mm=1200.0))
    assert points == {}
    assert labeller.left_out(FRAMES) == {"its size does not fit its distance": 6}
    labeller, points = labelled(Film(sure={0}, distance_mm=0.0))
    assert labeller.left_out(FRAMES)["no depth was measured at the hand"] == 1


def test_the_handedness_of_most_frames_wins():
    film = Film(sure={0, 1, 2, 3})
    find = film.find

    def sometimes_left(rgb):
        found = find(rgb)
        if int(rgb[0, 0, 0]) == 1:
            found = [hand_at(305, handedness="left")]
        return found

    film.find = sometimes_left
    labeller, points = labelled(film)
    assert labeller.handedness == "right"
    assert {one.handedness for one in points.values()} == {"right"}
    assert sorted(points) == FRAMES
    labeller, points = labelled(Film(sure={0}), handedness="left")
    assert points == {}
    assert labeller.other_side == {"0000"}


def test_the_hand_beside_the_one_of_the_other_side_is_found():
    film = Film(sure={0})
    film.find = lambda rgb: [hand_at(100, handedness="left"), hand_at(300 + 5 * int(rgb[0, 0, 0]))]
    labeller, points = labelled(film, handedness="right")
    assert sorted(points) == FRAMES
    assert {one.handedness for one in points.values()} == {"right"}
    assert labeller.other_side == set()


def test_a_box_is_a_start():
    film = Film()
    boxes = []

    def read_box(rgb, box, handedness):
        boxes.append((box, handedness))
        return hand_at(300)

    labeller = Labeller(Finder(film.find, film.follow, read_box), CAMERA)
    list(labeller.forwards(FRAMES, film.read, box=(200, 50, 400, 320)))
    assert boxes == [((200, 50, 400, 320), "auto")]
    assert sorted(labeller.points()) == FRAMES


def test_a_lost_hand_is_not_followed():
    film = Film(sure={0})
    follow = film.follow

    def lost_at_three(rgb, last):
        hand = follow(rgb, last)
        return dataclasses.replace(hand, score=0.1) if int(rgb[0, 0, 0]) == 3 else hand

    film.follow = lost_at_three
    labeller, points = labelled(film)
    assert sorted(points) == FRAMES[:3]
    assert labeller.left_out(FRAMES) == {"no hand was found": 3}


def test_estimates_that_disagree_are_left_out():
    """Followed 60 px beside what is found: more than a tenth of the box of 220 px."""
    film = Film(sure={0, 1})
    film.follow = lambda rgb, last: hand_at(380)
    labeller, points = labelled(film)
    assert "0001" not in points
    assert labeller.left_out(["0001"]) == {"estimates of the points disagree": 1}


IN_PHALANGES = dataclasses.replace(
    CAMERA, scale_bone="middle_mcp_pip", scale_mm=45.0, depth_along="optical_axis"
)


@pytest.mark.parametrize("camera", [CAMERA, IN_PHALANGES])
def test_depth_is_read_where_a_hand_was_seen(camera):
    """30 px beside the hand in colour, and as sure; the depth of joints is what it says."""
    shown = []

    def by_depth(picture, hand):
        shown.append(picture)
        z_relative = np.zeros(21)
        z_relative[8] = -0.5
        moved = hand.uv_px + np.array([30.0, 0.0])
        return dataclasses.replace(hand, uv_px=moved, z_relative=z_relative)

    film = Film(sure={0})
    labeller = Labeller(Finder(film.find, film.follow, by_depth=by_depth), camera)
    list(labeller.forwards(FRAMES, film.read))
    points = labeller.points()["0000"]
    np.testing.assert_allclose(points.uv_px[0], [315, 300])
    # Each estimate is 15 of 171 px from the mean: the weight is exp(-(0.0877 / 0.05)^2) of 0.9.
    assert points.weight.max() == 0.0
    rest = np.delete(points.z_mm, 8)
    # Half a palm of 90 mm, whatever the unit of the model in colour is.
    assert points.z_mm[8] == pytest.approx(np.median(rest) - 45.0, abs=3.0)  # along the view
    # All skin is as near as the palm: half of both windows, and measured.
    assert shown[0].shape == (480, 640, 3)
    np.testing.assert_allclose(shown[0][210, 300], [128, 128, 255], atol=4)


def test_a_frame_without_depth_is_read_in_colour_alone():
    film = Film(sure={0}, distance_mm=590.0)
    read = film.read
    film.read = lambda frame: (read(frame)[0], None)
    labeller = Labeller(Finder(film.find, film.follow, by_depth=None), CAMERA)
    list(labeller.forwards(FRAMES, film.read))
    assert labeller.points()["0000"].z_mm is None


def test_depth_of_joints_follows_the_picture():
    """All skin at 590 mm: joints lie behind it by the flesh before them, by median."""
    _, points = labelled(Film(sure={0}))
    hand = points["0000"]
    palm_px = np.array([600.0 * 90.0 / 590.0])
    thick = 90.0 * flesh(hand.uv_px[None], np.array([True]), palm_px)[0][0]
    assert 590.0 + 5.0 < np.median(hand.z_mm) < 590.0 + 25.0
    assert np.median(hand.z_mm - thick) == pytest.approx(590.0, abs=1.0)
