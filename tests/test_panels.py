"""Hands in space beside a picture: where joints are drawn, and `kerashand-predict --view 3d`."""

import av
import cv2
import numpy as np
import pytest
from film_files import write_film

from kerashand.cli import predict
from kerashand.cli.drawing import Drawer
from kerashand.runtime.hand import Hand
from kerashand.skeleton import JOINT_COLOURS
from kerashand.visualize import panels

REACH_MM = 100.0
PALM_MM = REACH_MM / panels.REACH_PALMS
SIDE_PX = 261  # then a millimetre is a pixel, and the middle is at 130


def seen(point_mm, turn_deg, elevation_deg):
    (row,) = panels.project(
        [point_mm],
        size_px=(SIDE_PX, SIDE_PX),
        view_deg=(turn_deg, elevation_deg),
        reach_mm=REACH_MM,
    )
    return row.tolist()


def test_convention_projection():
    assert seen((10, -20, 30), 0, 0) == pytest.approx([140, 110, 0.3])
    # From above, what is near is low in the picture, and what is high is near.
    assert seen((10, -20, -30), 0, 90) == pytest.approx([140, 160, -0.2])
    # From the camera's right, what is near lies left, and what lies right is near.
    assert seen((10, -20, -30), 90, 0) == pytest.approx([100, 110, -0.1])
    # A view that is not square: the shorter side counts, the middle stays the middle.
    wide = panels.project([(10, 0, 0)], size_px=(401, 261), view_deg=(0, 0), reach_mm=REACH_MM)
    assert wide[0].tolist() == pytest.approx([210, 130, 0])


def test_the_view_turns_once_round_in_twelve_seconds():
    assert [panels.turn_at(time_s) for time_s in (0, 1, 3, 12, 13)] == [0, 30, 90, 0, 30]
    # It walks round to the camera's right: what is near the camera moves left.
    places = [seen((0, 0, -50), panels.turn_at(time_s), 0)[0] for time_s in (0, 1, 2, 3)]
    assert places == pytest.approx([130, 105, 130 - 25 * 3**0.5, 80])


@pytest.mark.parametrize("view", [(0, 0), (35, 20), (0, 90), (200, 20), (90, 0)])
def test_no_view_is_a_mirror_image(view):
    """Right, down and away stay a right-handed frame."""
    axes = np.array([seen(axis, *view) for axis in 10.0 * np.eye(3)]) - [130, 130, 0]
    assert np.linalg.det(axes * [1, 1, REACH_MM]) == pytest.approx(1000.0)


def right_hand():
    """A right hand with its fingers up and its back to the camera: the thumb is on the left."""
    hand = np.zeros((21, 3))
    for finger, x in enumerate((-45.0, -25.0, 0.0, 15.0, 30.0)):
        for joint in range(4):
            height = (20, 40, 60, 75) if finger == 0 else (80, 110, 135, 150)
            hand[1 + 4 * finger + joint] = (x, -height[joint], 0.0)
    return hand


def middle_of(picture, joint):
    """Mean u of pixels of about a joint's colour; what is far is drawn paler."""
    near = np.abs(picture.astype(int) - JOINT_COLOURS[joint]).max(axis=-1) < 45
    assert near.any()
    return np.nonzero(near)[1].mean()


def turning(hands, turn_deg, size_px=(SIDE_PX, SIDE_PX), palm_mm=PALM_MM):
    return panels.turning_panel(
        hands,
        size_px=size_px,
        palm_mm=palm_mm,
        turn_deg=turn_deg,
        captions=[f"{number} right" for number in range(len(hands))],
    )


def test_the_thumb_is_on_its_side():
    for turn_deg, sign in ((0, -1), (180, 1)):
        picture = turning([right_hand()], turn_deg)
        thumb, little = middle_of(picture, 4), middle_of(picture, 20)
        assert np.sign(thumb - little) == sign
    still = panels.still_panel(
        [right_hand()], size_px=(SIDE_PX, SIDE_PX), palm_mm=PALM_MM, captions=["0 right"]
    )
    small = 2 * SIDE_PX // 3
    for view in (still[:small], still[small:, : SIDE_PX // 2]):  # three quarters, from above
        assert middle_of(view, 4) < middle_of(view, 20)


def test_a_joint_near_the_camera_is_drawn_low_and_over_the_others():
    """About the middle knuckle; z of -100 mm, seen 20 degrees from above, is 34.2 mm lower."""
    hand = np.zeros((21, 3))
    hand[4] = (0.0, 0.0, -100.0)
    for origin in (np.zeros(3), np.array([300.0, -200.0, 900.0])):
        picture = turning([hand + origin], 0.0)
        assert np.abs(picture[164, 130].astype(int) - JOINT_COLOURS[4]).max() < 15
    picture = turning([hand], 90.0)  # from the right: to the left by 100 mm, no lower
    assert np.abs(picture[130, 30].astype(int) - JOINT_COLOURS[4]).max() < 60


def test_panels_keep_their_size():
    hand = right_hand()
    for count in (0, 1, 2, 5, 16):
        assert turning([hand] * count, 40.0, size_px=(320, 240)).shape == (240, 320, 3)
        captions = [f"{number} left" for number in range(count)]
        still = panels.still_panel(
            [hand] * count, size_px=(320, 240), palm_mm=90.0, captions=captions
        )
        assert still.shape == (240, 320, 3)
    # Damaged joints go beyond every edge, and not into the place of another hand.
    wild = hand * 1e12
    both = turning([wild, hand], 40.0, size_px=(400, 200))
    alone = turning([hand * 0.5, hand], 40.0, size_px=(400, 200))
    np.testing.assert_array_equal(both[:, 200:], alone[:, 200:])


def test_hands_are_side_by_side():
    assert panels.split((0, 0, 100, 100), 2) == [(0, 0, 50, 100), (50, 0, 50, 100)]
    assert panels.split((10, 20, 100, 300), 2) == [(10, 20, 100, 150), (10, 170, 100, 150)]
    assert panels.split((0, 0, 90, 60), 5)[3:] == [(0, 30, 30, 30), (30, 30, 30, 30)]
    picture = turning([right_hand(), right_hand()], 0.0, size_px=(522, 261))
    np.testing.assert_array_equal(picture[40:230, 40:220], picture[40:230, 301:481])


@pytest.mark.parametrize(
    ("reach_mm", "step_mm"), [(110.4, 50), (96, 20), (13, 5), (2, 1), (40, 20)]
)
def test_squares_of_the_floor(reach_mm, step_mm):
    assert panels.grid_step(reach_mm) == pytest.approx(step_mm)


@pytest.mark.parametrize(
    ("picture", "panel"),
    [
        ((640, 480), (480, 480)), ((480, 640), (480, 640)), ((100, 900), (240, 900)),
        ((90, 60), (60, 60)),
    ],
)  # fmt: skip
def test_size_of_the_panel(picture, panel):
    assert panels.panel_size(*picture) == panel


def hand_of(xyz_relative, xyz_mm=None):
    uv_px = np.stack([np.linspace(20, 60, 21), np.linspace(70, 30, 21)], axis=1)
    return Hand(
        handedness="right", uv_px=uv_px, confidence=np.ones(21), z_relative=np.zeros(21),
        xyz_relative=xyz_relative, xyz_mm=xyz_mm, score=0.9,
    )  # fmt: skip


def test_millimetres_of_the_camera_where_they_are_known():
    picture, hand = np.full((100, 100, 3), 200, np.uint8), right_hand()
    drawer = Drawer("3d", scale_bone="wrist_middle_mcp", scale_mm=80.0)
    assumed = drawer.picture(picture, [(0, hand_of(hand / 80.0))])
    in_camera = hand + np.array([50.0, 0.0, 600.0])
    known = drawer.picture(picture, [(0, hand_of(np.zeros((21, 3)), in_camera))])
    assert assumed.shape == (600, 1200, 3)
    np.testing.assert_array_equal(assumed, known)
    # A finger's bone as the unit: the palm is about twice as long.
    finger = Drawer("3d", scale_bone="middle_mcp_pip", scale_mm=80.0 * 45 / 92)
    same = finger.picture(picture, [(0, hand_of(hand / (80.0 * 45 / 92)))])
    np.testing.assert_array_equal(same, assumed)
    flat = Drawer("2d", scale_bone="wrist_middle_mcp", scale_mm=80.0)
    np.testing.assert_array_equal(
        flat.frame(picture, [(0, hand_of(hand))], time_s=1.0),
        assumed[:, :600],
    )


def test_a_film_and_a_picture_by_the_packaged_models(tmp_path):
    """The panel of a film without hands turns too."""
    grey = np.full((96, 128, 3), 180, np.uint8)
    write_film(tmp_path / "a.avi", np.stack([grey] * 4), codec="mjpeg", pix_fmt="yuvj420p")
    assert predict.main([str(tmp_path / "a.avi"), "--view", "3d"]) == 0
    with av.open(str(tmp_path / "a_pose.mp4")) as opened:
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    assert {frame.shape for frame in frames} == {(480, 1120, 3)}  # 640 x 480 and 480 x 480
    assert np.abs(frames[0].astype(int) - frames[3])[:, 640:].max() > 60  # it turns
    cv2.imwrite(str(tmp_path / "b.png"), grey)
    assert predict.main([str(tmp_path / "b.png"), "--view", "3d"]) == 0
    assert cv2.imread(str(tmp_path / "b_pose.png")).shape == (480, 1120, 3)


def test_a_view_without_a_drawing_is_refused(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((90, 90, 3), np.uint8))
    assert predict.main([str(tmp_path / "b.png"), "--view", "3d", "--no-drawing"]) == 2
    assert "--view 3d is of drawings: leave out --no-drawing" in capsys.readouterr().err
