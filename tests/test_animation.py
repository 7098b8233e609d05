"""Followed hands as BVH and glTF: what a reader of the format sees is where the joints were."""

from types import SimpleNamespace

import numpy as np
import pytest
from animation_readers import numbers, read_bvh, read_gltf

from kerashand.animation.bvh import bvh_text
from kerashand.animation.gltf import gltf_text
from kerashand.animation.motion import MotionRecorder
from kerashand.skeleton import JOINT_NAMES
from kerashand.synthetic.hand import bone_rotations, load_hand, pose_joints

SCALE_MM = 90.0
LEAST_MM = 1.0
FLIP = np.array([1, -1, -1])  # from x right, y down, z away to x right, y up, z to the camera


def spin(axis, angle):
    x, y, z = axis / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


def hand_of(xyz_mm, handedness, place_px):
    """As the runtime gives one: joints about the wrist, and pixels as seen from far away."""
    relative = (xyz_mm - xyz_mm[0]) / SCALE_MM
    return SimpleNamespace(
        handedness=handedness, xyz_relative=relative, xyz_mm=None,
        uv_px=np.array(place_px) + 150.0 * relative[:, :2],
    )  # fmt: skip


def film(frames=12, *, second_from=4, second_to=9, without=()):
    """A right hand that closes while it turns all the way round, and a left one in between.

    It is not seen in the frames `without`.
    """
    mesh, recorder = load_hand("webxr"), MotionRecorder(SCALE_MM)
    scale = SCALE_MM / np.linalg.norm(mesh.joints_mm[9])
    seen = []
    for frame in range(frames):
        angles = np.zeros((1, 5, 4))
        angles[0, :, 1:] = np.deg2rad([70.0, 90.0, 50.0]) * frame / frames
        angles[0, 0, 1:] *= 0.3
        joints = pose_joints(mesh.joints_mm * scale, bone_rotations(mesh, angles, np.zeros((1, 2))))
        turn = spin(np.array([0.3, 1.0, 0.5]), 2 * np.pi * frame / frames)
        right = joints[0] * [-1, -1, 1] @ turn.T
        hands = [(0, hand_of(right, "right", (300 + 10 * frame, 200)))]
        if second_from <= frame < second_to and frame not in without:
            hands.append((3, hand_of(right * [-1, 1, 1], "left", (50, 80))))
        recorder.add(0.04 * frame + 1.0, hands, size_px=(641, 481))
        seen.append(dict(hands))
    return recorder.film(), seen


def expected(seen, number):
    """[T, 21, 3] metres about the wrist, y up."""
    xyz = np.stack([hands[number].xyz_relative for hands in seen if number in hands])
    return xyz * SCALE_MM / 1000 * FLIP


def test_bvh_gives_the_joints_back():
    recorded, seen = film()
    places, frame_s = read_bvh(bvh_text(recorded))
    assert frame_s == pytest.approx(0.04)
    for number, name, rows in ((0, "hand0_right", range(12)), (3, "hand3_left", range(4, 9))):
        found = []
        for joint in JOINT_NAMES:
            before = JOINT_NAMES[JOINT_NAMES.index(joint) - 1]
            node = f"{name}_{before} end" if joint.endswith("_tip") else f"{name}_{joint}"
            found.append(places[node])
        found = np.stack(found, axis=1)[list(rows)]
        off_mm = 1000 * np.abs(found - found[:, :1] - expected(seen, number)).max()
        assert off_mm < 0.01 * LEAST_MM
    # Before and after it is there a hand keeps its pose.
    wrist = places["hand3_left_little_pip"]
    np.testing.assert_array_equal(wrist[:4], wrist[4:5].repeat(4, axis=0))
    np.testing.assert_array_equal(wrist[9:], wrist[8:9].repeat(3, axis=0))


def test_a_gap_shifts_nothing():
    """In a frame without the hand BVH holds the pose before, and glTF hides the hand."""
    whole, _ = read_bvh(bvh_text(film()[0]))
    recorded, _ = film(without=(6,))
    gap, _ = read_bvh(bvh_text(recorded))
    node = "hand3_left_little_pip"
    np.testing.assert_array_equal(gap[node][6], gap[node][5])
    for frame in (0, 4, 5, 7, 8, 11):
        np.testing.assert_allclose(gap[node][frame], whole[node][frame], atol=2e-3)
    document, _, times = read_gltf(gltf_text(recorded), 1)
    np.testing.assert_allclose(times, 0.04 * np.array([4, 5, 7, 8]), atol=1e-6)
    (channel,) = [
        c for c in document["animations"][0]["channels"] if c["target"]["path"] == "scale"
    ]
    sampler = document["animations"][0]["samplers"][channel["sampler"]]
    shown = numbers(document, sampler["input"])[:, 0]
    np.testing.assert_allclose(shown, [0, 0.16, 0.24, 0.28, 0.36], atol=1e-6)
    np.testing.assert_array_equal(numbers(document, sampler["output"])[:, 0], [0, 1, 0, 1, 0])


def test_euler_angles_do_not_jump():
    recorded, _ = film(frames=60)
    rows = bvh_text(recorded).partition("MOTION\n")[2].splitlines()[2:]
    columns = np.array([[float(v) for v in row.split()] for row in rows])
    wrist = columns[:, 3:6]
    assert np.abs(np.diff(wrist, axis=0)).max() < 60  # it turns 6 degrees a frame, past 180


def test_gltf_gives_the_joints_back():
    recorded, seen = film()
    for skin, (number, name) in enumerate(((0, "hand0_right"), (3, "hand3_left"))):
        document, world, times = read_gltf(gltf_text(recorded), skin)
        found = np.stack([world[f"{name}_{joint}"][:, :3, 3] for joint in JOINT_NAMES], axis=1)
        off_mm = 1000 * np.abs(found - found[:, :1] - expected(seen, number)).max()
        assert off_mm < 0.01 * LEAST_MM
        first = {0: 0, 3: 4}[number]
        np.testing.assert_allclose(times, 0.04 * (first + np.arange(len(times))), atol=1e-6)
    assert document["asset"]["version"] == "2.0"


def test_a_hand_is_shown_while_it_is_there():
    document, _, _ = read_gltf(gltf_text(film()[0]))
    (channel,) = [
        c for c in document["animations"][0]["channels"] if c["target"]["path"] == "scale"
    ]
    assert document["nodes"][channel["target"]["node"]]["name"] == "hand3_left"
    sampler = document["animations"][0]["samplers"][channel["sampler"]]
    assert sampler["interpolation"] == "STEP"
    np.testing.assert_allclose(numbers(document, sampler["input"])[:, 0], [0, 0.16, 0.36])
    np.testing.assert_array_equal(numbers(document, sampler["output"])[:, 0], [0, 1, 0])


def test_the_body_of_a_gltf_moves_with_its_bones():
    """The corners of the octahedra at their joints are where the joints are."""
    recorded, seen = film()
    document, world, _ = read_gltf(gltf_text(recorded))
    (primitive,) = document["meshes"][0]["primitives"]
    corners = numbers(document, primitive["attributes"]["POSITION"])
    owners = numbers(document, primitive["attributes"]["JOINTS_0"])[:, 0]
    weights = numbers(document, primitive["attributes"]["WEIGHTS_0"])
    faces = numbers(document, primitive["indices"]).reshape(-1, 3)
    assert len(corners) == 20 * 6
    np.testing.assert_array_equal(weights.sum(axis=1), 1)
    a, b, c = (corners[faces[:, k]].astype(float) for k in range(3))
    assert np.einsum("fi,fi->", a, np.cross(b, c)) > 0  # faces look outwards
    inverse = numbers(document, document["skins"][0]["inverseBindMatrices"])
    inverse = inverse.reshape(-1, 4, 4).swapaxes(1, 2)
    names = [document["nodes"][node]["name"] for node in document["skins"][0]["joints"]]
    moved = np.stack(
        [
            world[names[owner]] @ inverse[owner] @ [*corner, 1]
            for corner, owner in zip(corners, owners, strict=True)
        ]
    )[..., :3]  # [120, T, 3]
    tips = moved[5::6].swapaxes(0, 1)  # of every bone the joint in which it ends
    wrist = world["hand0_right_wrist"][:, None, :3, 3]
    np.testing.assert_allclose(tips - wrist, expected(seen, 0)[:, 1:], atol=1e-5)


def test_bones_that_vary_keep_their_directions_and_get_their_median_length(rng):
    recorder, bones = MotionRecorder(SCALE_MM), []
    joints = load_hand("webxr").joints_mm * [-1, -1, 1]
    for frame in range(5):
        xyz = joints * (0.8 + 0.1 * frame) + rng.normal(0, 0.5, (21, 3))
        recorder.add(0.1 * frame, [(0, hand_of(xyz, "right", (0, 0)))], size_px=(9, 9))
        bones.append((xyz[7] - xyz[6]) * FLIP)
    _, world, _ = read_gltf(gltf_text(recorder.film()))
    found = 1000 * (world["hand0_right_index_dip"] - world["hand0_right_index_pip"])[:, :3, 3]
    lengths = np.linalg.norm(bones, axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.median(lengths), rtol=1e-5)
    np.testing.assert_allclose(
        found / np.median(lengths), np.array(bones) / lengths[:, None], atol=1e-5
    )


def test_the_rest_pose_is_a_flat_hand():
    document, _, _ = read_gltf(gltf_text(film()[0]), 1)
    nodes = {node["name"]: node for node in document["nodes"]}
    assert not any("rotation" in node for node in nodes.values())
    for finger in ("index", "middle", "ring", "little"):
        x, y, z = nodes[f"hand3_left_{finger}_pip"]["translation"]
        assert (x, z) == (0, 0)
        assert y > 0.02
    assert nodes["hand3_left_thumb_cmc"]["translation"][0] < 0  # a left palm, seen from the camera
    assert nodes["hand3_left_index_mcp"]["translation"][0] < 0


def test_where_the_wrist_is():
    recorded, _ = film()
    # 10 px to the right in every frame from 300 on, of which 320 is the middle; 150 px are 90 mm.
    np.testing.assert_allclose(recorded.hands[0].wrist_m[:3, 0] * 1000, [-12, -6, 0], atol=1e-9)
    np.testing.assert_allclose(recorded.hands[0].wrist_m[:, 1:] * 1000, [[-24, 0]] * 12, atol=1e-9)
    with_camera = MotionRecorder(SCALE_MM)
    hand = hand_of(np.ones((21, 3)), "left", (0, 0))
    hand.xyz_mm = np.full((21, 3), 500.0) + np.arange(63).reshape(21, 3)
    with_camera.add(0.0, [(0, hand)], size_px=(9, 9))
    motion = with_camera.film().hands[0]
    np.testing.assert_allclose(motion.wrist_m, [[0.5, 0.501, 0.502]])
    np.testing.assert_allclose(motion.xyz_m[0, 1], 0.003)


def test_a_film_without_hands_is_an_empty_scene():
    recorder = MotionRecorder(SCALE_MM)
    recorder.add(0.0, [], size_px=(9, 9))
    assert '"scenes":[{"name":"hands"}]' in gltf_text(recorder.film())
    assert "Frames: 1" in bvh_text(recorder.film())


def test_joints_that_are_no_numbers_are_refused():
    recorder = MotionRecorder(SCALE_MM)
    hand = hand_of(np.ones((21, 3)), "right", (10, 10))
    hand.xyz_relative[4, 2] = np.nan
    recorder.add(0.0, [(7, hand)], size_px=(64, 64))
    with pytest.raises(ValueError, match="of hand 7 must be finite"):
        recorder.film()


@pytest.mark.parametrize("scale_mm", [0.09, -90.0, np.nan, np.inf])
def test_a_length_that_is_none_is_refused(scale_mm):
    with pytest.raises(ValueError, match="must be a length in mm"):
        MotionRecorder(scale_mm)


def test_frames_that_are_none_are_refused():
    recorder, hand = MotionRecorder(SCALE_MM), hand_of(np.ones((21, 3)), "right", (10, 10))
    with pytest.raises(ValueError, match="`time_s` must be a finite number"):
        recorder.add(np.nan, [(0, hand)], size_px=(64, 64))
    with pytest.raises(ValueError, match=r"its own number. Received: \[0, 0\]"):
        recorder.add(0.0, [(0, hand), (0, hand)], size_px=(64, 64))
