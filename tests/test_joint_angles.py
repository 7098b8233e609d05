"""Rotation of the palm, angles of joints and OpenXR's joints, with values worked out by hand."""

import itertools

import numpy as np
import pytest

from kerashand.geometry.joint_angles import (
    CARPUS,
    OPENXR_JOINTS,
    bone_frames,
    hand_frame,
    joint_angles,
    openxr_joints,
    quaternion_of,
)
from kerashand.skeleton import BONES, FINGERS
from kerashand.synthetic.hand import bone_rotations, load_hand, pose_joints

UP = np.array([0.0, -1.0, 0.0])
RIGHT = np.array([1.0, 0.0, 0.0])
TO_CAMERA = np.array([0.0, 0.0, -1.0])
HALF = np.sqrt(0.5)


def flat_hand(**bones):
    """A right hand, fingers up, palm to the camera, 1 long; bones by the joint that they end in.

    The knuckles lie at x = 0.3, 0.1, -0.1, -0.3 and the thumb's base at (0.3, -0.3).
    """
    joints = np.zeros((21, 3))
    for finger, chain in enumerate(FINGERS.values()):
        x = 0.5 - 0.2 * finger
        joints[chain[0]] = (0.3, -0.3, 0.0) if finger == 0 else (x, -1.0, 0.0)
        for before, joint in itertools.pairwise(chain):
            joints[joint] = joints[before] + np.asarray(bones.get(f"to{joint}", 0.3 * UP))
    return joints


def turned(vector, about, degrees):
    """Rodrigues: right-handed in x right, y down, z away."""
    angle = np.deg2rad(degrees)
    along = about * (about @ vector)
    return along + (vector - along) * np.cos(angle) + np.cross(about, vector) * np.sin(angle)


def test_convention_hand_frame():
    rotation, quaternion = hand_frame(flat_hand())
    np.testing.assert_allclose(rotation.T, [RIGHT, UP, TO_CAMERA], atol=1e-12)
    np.testing.assert_allclose(quaternion, [0, 1, 0, 0], atol=1e-12)
    # The left hand beside it: up and out as they are, across again to the right.
    left, quaternion = hand_frame(flat_hand() * [-1, 1, 1], handedness="left")
    np.testing.assert_allclose(left.T, [RIGHT, UP, TO_CAMERA], atol=1e-12)
    np.testing.assert_allclose(quaternion, [0, 1, 0, 0], atol=1e-12)


def test_convention_hand_frame_of_a_back_of_a_hand_on_its_side():
    # Fingers to the right, the palm away from the camera: x -> up, and away is out.
    joints = flat_hand() @ np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    rotation, quaternion = hand_frame(joints * [1, 1, -1], handedness="left")
    np.testing.assert_allclose(rotation[:, 1], RIGHT, atol=1e-12)
    np.testing.assert_allclose(rotation[:, 2], -TO_CAMERA, atol=1e-12)
    np.testing.assert_allclose(rotation[:, 0], [0, -1, 0], atol=1e-12)  # x cross z is -y
    # A quarter turn about z, against the clock as the camera sees it: up's y becomes x.
    np.testing.assert_allclose(quaternion, [HALF, 0, 0, -HALF], atol=1e-12)


def test_quaternions_turn_as_matrices_do(rng):
    axes, _ = np.linalg.qr(rng.normal(size=(50, 3, 3)))
    axes *= np.linalg.det(axes)[:, None, None]
    q = quaternion_of(axes)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0)
    assert (q[:, 0] >= 0).all()
    vector = np.array([0.2, -0.5, 0.8])
    w, u = q[:, :1], q[:, 1:]
    by_q = vector + 2 * w * np.cross(u, vector) + 2 * np.cross(u, np.cross(u, vector))
    np.testing.assert_allclose(by_q, axes @ vector, atol=1e-12)
    halves = quaternion_of([np.diag([1, -1, -1]), np.diag([-1, 1, -1]), np.diag([-1, -1, 1])])
    np.testing.assert_allclose(halves, np.eye(4)[1:], atol=1e-12)


def test_convention_flexion_and_abduction():
    still = joint_angles(flat_hand())
    np.testing.assert_allclose(still.flexion[1:], 0.0, atol=1e-9)
    np.testing.assert_allclose(still.abduction[1:], 0.0, atol=1e-9)
    # The middle bone of the index points at the camera; the last goes on in that direction.
    bent = joint_angles(flat_hand(to7=0.3 * TO_CAMERA, to8=0.3 * TO_CAMERA))
    np.testing.assert_allclose(bent.flexion[1], [0, 90, 0], atol=1e-9)
    # A ring finger that leans 10 degrees to the right, to the thumb.
    lean = 0.3 * np.array([np.sin(np.deg2rad(10)), -np.cos(np.deg2rad(10)), 0.0])
    aside = joint_angles(flat_hand(to14=lean, to15=lean, to16=lean))
    np.testing.assert_allclose(aside.abduction[3], [10, 0, 0], atol=1e-9)
    np.testing.assert_allclose(aside.flexion[3], 0.0, atol=1e-9)


def test_convention_thumb():
    straight = {f"to{joint}": 0.3 * RIGHT for joint in (2, 3, 4)}
    angles = joint_angles(flat_hand(**straight))
    np.testing.assert_allclose(angles.flexion[0], [-90, 0, 0], atol=1e-9)
    np.testing.assert_allclose(angles.abduction[0], 0.0, atol=1e-9)
    # Its end bends 40 degrees across the palm, that is to the left by way of up.
    end = turned(0.3 * RIGHT, np.array([0.0, 0.0, 1.0]), -40)
    np.testing.assert_allclose(
        joint_angles(flat_hand(**{**straight, "to4": end})).flexion[0], [-90, 0, 40], atol=1e-9
    )
    out = {f"to{joint}": 0.3 * TO_CAMERA for joint in (2, 3, 4)}
    np.testing.assert_allclose(joint_angles(flat_hand(**out)).abduction[0], [90, 0, 0], atol=1e-9)


@pytest.mark.parametrize("name", ["makehuman", "webxr"])
def test_angles_of_posed_hands(name):
    """Those of the generator: PIP and DIP exactly, since its fingers are hinges."""
    mesh, angles = load_hand(name), np.zeros((1, 5, 4))
    angles[0, 1:, 1:] = [20.0, 60.0, 30.0]
    rotations = bone_rotations(mesh, np.deg2rad(angles), np.zeros((1, 2)))
    joints = pose_joints(mesh.joints_mm, rotations)[0]
    # The little finger is at x, the tips at y, the back at z: half a turn about z.
    found = joint_angles(joints * [-1, -1, 1])
    np.testing.assert_allclose(found.flexion[1:, 1], 60, atol=4)
    np.testing.assert_allclose(found.flexion[1:, 2], 30, atol=4)
    np.testing.assert_allclose(found.flexion[1:, 0], 20, atol=16)  # counted from another plane


def test_a_left_hand_has_the_angles_of_its_mirror_image(rng):
    joints = rng.normal(size=(6, 21, 3))
    right = joint_angles(joints)
    left = joint_angles(joints * [-1, 1, 1], handedness="left")
    np.testing.assert_allclose(left.flexion, right.flexion, atol=1e-9)
    np.testing.assert_allclose(left.abduction, right.abduction, atol=1e-9)


@pytest.mark.parametrize("handedness", ["left", "right"])
def test_frames_are_rotations_along_the_bones(rng, handedness):
    joints = rng.normal(size=(4, 21, 3))
    frames = bone_frames(joints, handedness=handedness)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0)
    parents, children = np.array(BONES).T
    bones = joints[:, children] - joints[:, parents]
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    np.testing.assert_allclose(frames[:, 1:, :, 1], bones, atol=1e-9)
    np.testing.assert_allclose(frames[:, 0], hand_frame(joints, handedness=handedness)[0])


def test_joints_in_one_place_have_no_turn():
    rotation, quaternion = hand_frame(np.zeros((21, 3)))
    np.testing.assert_array_equal(rotation, np.eye(3))
    np.testing.assert_array_equal(quaternion, [1, 0, 0, 0])
    assert np.isfinite(joint_angles(np.zeros((21, 3))).flexion).all()


@pytest.mark.parametrize("handedness", ["left", "right"])
def test_convention_openxr(handedness):
    joints = flat_hand() * ([-1, 1, 1] if handedness == "left" else [1, 1, 1])
    positions, quaternions = openxr_joints(joints, handedness=handedness)
    place = dict(zip(OPENXR_JOINTS, positions, strict=True))
    turn = dict(zip(OPENXR_JOINTS, quaternions, strict=True))
    assert len(place) == 26
    side = -1 if handedness == "left" else 1
    np.testing.assert_allclose(place["index_tip"], [0.3 * side, 1.9, 0], atol=1e-12)  # y is up
    np.testing.assert_allclose(place["thumb_metacarpal"], [0.3 * side, 0.3, 0], atol=1e-12)
    np.testing.assert_allclose(place["middle_metacarpal"], CARPUS * place["middle_proximal"])
    np.testing.assert_allclose(
        place["palm"], (place["middle_metacarpal"] + place["middle_proximal"]) / 2
    )
    # -z is up, y away from the camera, x to the left: the palm as seen from the camera.
    for name in ("palm", "wrist", "index_proximal", "little_tip"):
        assert abs(turn[name] @ [0, 0, HALF, -HALF]) == pytest.approx(1)  # q and -q are one turn


def test_unknown_handedness_is_refused():
    with pytest.raises(ValueError, match="handedness='both'"):
        joint_angles(np.zeros((21, 3)), handedness="both")


@pytest.mark.parametrize("shape", [(26, 3), (63,), (3, 21), (21, 2), (2, 20, 3)])
def test_other_numbers_of_joints_are_refused(shape):
    for function in (joint_angles, hand_frame):
        with pytest.raises(ValueError, match=r"must be \[\.\.\., 21, 3\]. Received: shape"):
            function(np.ones(shape), handedness="right")
