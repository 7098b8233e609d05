"""Gestures of hands that the generator's skeleton poses, seen from several directions."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerashand.gestures import (
    GESTURES,
    GestureFilter,
    extended_fingers,
    gesture_of,
    in_words,
)
from kerashand.synthetic.hand import bone_rotations, load_hand, pose_joints

STRAIGHT, CURLED = (0, 4, 4, 3), (0, 75, 95, 45)
# Abduction and three flexions in degrees, from the thumb on. The thumb's are of the rig.
ASIDE, FOLDED = (0, -14, 5, -5), (-5, 25, 35, 50)
MEETING = (0, 14, 20, 30)
POSES = {
    "fist": (FOLDED, CURLED, CURLED, CURLED, CURLED),
    "pointing": (FOLDED, STRAIGHT, CURLED, CURLED, CURLED),
    "victory": (FOLDED, STRAIGHT, STRAIGHT, CURLED, CURLED),
    "open_palm": (ASIDE, STRAIGHT, STRAIGHT, STRAIGHT, STRAIGHT),
    "thumbs_up": (ASIDE, CURLED, CURLED, CURLED, CURLED),
    None: (ASIDE, CURLED, CURLED, CURLED, STRAIGHT),
}
FINGERS = {
    "fist": 0, "pointing": 1, "victory": 2, "open_palm": 5, "thumbs_up": 1, None: 2,
}  # fmt: skip


def spin(axis, degrees):
    x, y, z = np.eye(3)[axis]
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


VIEWS = {
    "palm": np.eye(3), "back": spin(1, 180), "aslant": spin(1, 50) @ spin(0, -30),
    "on its side": spin(2, 75), "down": spin(2, 180) @ spin(1, 20),
}  # fmt: skip


def posed(angles_deg, mesh="webxr"):
    """Joints [21, 3] of a right hand, fingers up, palm to the camera."""
    mesh = load_hand(mesh)
    rotations = bone_rotations(mesh, np.deg2rad([angles_deg]), np.zeros((1, 2)))
    joints = pose_joints(mesh.joints_mm, rotations)[0] * [-1, -1, 1]
    return joints / np.linalg.norm(joints[9])


def hand_of(joints, view=VIEWS["palm"], handedness="right"):
    seen = joints @ np.asarray(view).T
    mirror = [-1, 1, 1] if handedness == "left" else [1, 1, 1]
    return SimpleNamespace(handedness=handedness, xyz_relative=seen * mirror)


def meeting(others):
    """A hand whose index is bent so that its tip meets the thumb's, which is moved there."""
    joints = posed((MEETING, (0, 45, 60, 25), *[others] * 3))
    reach = (joints[8] - joints[4]) / 3.0
    joints[2:5] += np.outer([1, 2, 2.9], reach)
    return joints


@pytest.mark.parametrize("handedness", ["left", "right"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", [name for name in POSES if name != "thumbs_up"])
def test_gestures_from_all_around(name, view, handedness):
    for mesh in ("webxr", "makehuman"):
        gesture = gesture_of(hand_of(posed(POSES[name], mesh), VIEWS[view], handedness))
        assert gesture.name == name
        assert gesture.count == FINGERS[name]
        assert 0.5 <= gesture.score <= 1
        assert set(gesture.scores) == set(GESTURES)


@pytest.mark.parametrize("handedness", ["left", "right"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("others", "name"), [(STRAIGHT, "ok"), ((0, 30, 60, 25), "pinch")])
def test_tips_that_meet(others, name, view, handedness):
    assert gesture_of(hand_of(meeting(others), VIEWS[view], handedness)).name == name


@pytest.mark.parametrize("handedness", ["left", "right"])
def test_thumbs_up_needs_the_thumb_up_in_the_picture(handedness):
    joints = posed(POSES["thumbs_up"])
    thumb = joints[4] - joints[2]
    tilt = np.rad2deg(np.arctan2(thumb[0], -thumb[1]))  # it leans to the right, by so much
    for off, name in ((0, "thumbs_up"), (25, "thumbs_up"), (-25, "thumbs_up"), (100, None),
                      (180, None), (-100, None)):  # fmt: skip
        gesture = gesture_of(hand_of(joints, spin(2, off - tilt), handedness))
        assert gesture.name == name
        assert gesture.extended == (True, False, False, False, False)


def test_extended_fingers_from_the_thumb_to_the_little_finger():
    hand = hand_of(posed((FOLDED, STRAIGHT, CURLED, CURLED, STRAIGHT)))
    assert extended_fingers(hand) == (False, True, False, False, True)
    assert in_words(gesture_of(hand)) == "2 fingers"
    assert in_words(gesture_of(hand_of(posed(POSES["pointing"])))) == "pointing, 1 finger"
    assert in_words(gesture_of(hand_of(posed(POSES["open_palm"])))) == "open palm, 5 fingers"


def test_joints_in_one_place_give_an_answer():
    for joints in (np.zeros((22, 3)), np.full((21, 3), np.nan)):
        with pytest.raises(ValueError, match=r"must be \[21, 3\] finite numbers"):
            gesture_of(SimpleNamespace(handedness="left", xyz_relative=joints))
    gesture = gesture_of(SimpleNamespace(handedness="left", xyz_relative=np.zeros((21, 3))))
    assert np.isfinite(list(gesture.scores.values())).all()


def bent(share):
    """Between an open palm and a hand whose ring and little finger are curled."""
    curled = share * np.array(CURLED) + (1 - share) * np.array(STRAIGHT)
    return hand_of(posed((ASIDE, STRAIGHT, STRAIGHT, curled, curled)))


def names(filtered, hands):
    return [filtered.update([(7, hand)])[7].name for hand in hands]


def test_a_gesture_has_to_hold():
    palm, fist = (hand_of(posed(POSES[name])) for name in ("open_palm", "fist"))
    assert names(GestureFilter(hold_frames=3), [palm, palm, palm, palm]) == [
        None, None, "open_palm", "open_palm",
    ]  # fmt: skip
    # One frame of something else changes nothing, and counting starts anew.
    seen = [palm] * 3 + [fist, palm, fist, fist, palm, fist, fist, fist]
    assert names(GestureFilter(hold_frames=3), seen)[3:] == ["open_palm"] * 7 + ["fist"]


def test_thresholds_of_entering_and_leaving_differ():
    shares = np.linspace(0, 1, 400)
    score = np.array([gesture_of(bent(share)).scores["open_palm"] for share in shares])
    assert (np.diff(score) <= 1e-9).all()  # the more they bend, the less open is the palm
    between = bent(shares[np.argmin(np.abs(score - 0.5))])
    closed, palm = bent(0.7), bent(0.0)
    filtered = GestureFilter(hold_frames=1, enter=0.6, leave=0.4)
    assert names(filtered, [between]) == [None]  # at 0.5 it does not begin
    assert names(filtered, [palm, between, between]) == ["open_palm"] * 3  # and does not end
    assert names(filtered, [closed, between]) == [None, None]


def test_fingers_have_thresholds_too():
    shares = np.linspace(0, 1, 400)
    sure = np.array([gesture_of(bent(share)).fingers[4] for share in shares])
    between = bent(shares[np.argmin(np.abs(sure - 0.5))])
    filtered = GestureFilter()
    little = [
        filtered.update([(0, hand)])[0].extended[4]
        for hand in (bent(0.0), between, bent(0.9), between, bent(0.0))
    ]
    assert little == [True, True, False, False, True]


def test_hands_have_their_own_history_and_are_forgotten():
    palm, fist = (hand_of(posed(POSES[name])) for name in ("open_palm", "fist"))
    filtered = GestureFilter(hold_frames=2)
    filtered.update([(0, palm), (1, fist)])
    found = filtered.update([(0, palm), (1, fist)])
    assert {number: gesture.name for number, gesture in found.items()} == {
        0: "open_palm", 1: "fist",
    }  # fmt: skip
    assert list(filtered.update([(1, fist)])) == [1]
    assert filtered.update([(0, palm)])[0].name is None


@pytest.mark.parametrize(
    "wrong", [{"hold_frames": 0}, {"hold_frames": 1.5}, {"enter": 0.3}, {"leave": 0.0}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GestureFilter(**wrong)


def test_two_hands_of_one_number_are_refused():
    hand = hand_of(posed(POSES["fist"]))
    with pytest.raises(ValueError, match=r"its own number. Received: \[3, 3\]"):
        GestureFilter().update([(3, hand), (3, hand)])
