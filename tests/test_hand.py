import itertools

import numpy as np
import pytest

from kerashand.synthetic import hand
from kerashand.synthetic.hand import (
    bone_rotations,
    load_hand,
    pose_joints,
    sample_shape,
    skin,
    vary_fingers,
)
from kerashand.synthetic.poses import (
    FINGER_MAX_DEG,
    FINGER_MIN_DEG,
    THUMB_APART_MAX_DEG,
    THUMB_APART_MIN_DEG,
    THUMB_MAX_DEG,
    THUMB_MIN_DEG,
    PoseRange,
    collides,
    sample_angles,
    sample_pose,
)

MESHES = ["makehuman", "webxr"]
RANGES = [
    PoseRange(wide=True, noise_deg=8.0),
    PoseRange(wide=False, noise_deg=6.0),
    PoseRange(wide=True, noise_deg=8.0, apart=True),
    PoseRange(wide=False, noise_deg=7.0, apart=True),
]


@pytest.fixture(params=MESHES)
def mesh(request):
    return load_hand(request.param)


def inside(vertices, faces, points):
    """Whether points lie in a closed mesh: its winding number about them is 1."""
    corners = vertices[faces]
    numbers = []
    for point in points:
        a, b, c = (corners[:, k] - point for k in range(3))
        la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
        top = np.einsum("fi,fi->f", a, np.cross(b, c))
        dot = lambda x, y: np.einsum("fi,fi->f", x, y)  # noqa: E731
        bottom = la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb
        numbers.append(np.arctan2(top, bottom).sum() / (2 * np.pi))
    return np.array(numbers) > 0.5


def posed(mesh, finger_deg=0.0, wrist_deg=(0.0, 0.0)):
    angles = np.deg2rad(np.broadcast_to(finger_deg, (1, 5, 4)))
    rotations = bone_rotations(mesh, angles, np.deg2rad([wrist_deg]))
    return pose_joints(mesh.joints_mm, rotations)[0], rotations[0]


# --------------------------------------------------------------------------- assets


def test_mesh_is_closed_and_oriented(mesh):
    edges = np.concatenate([mesh.faces[:, [k, (k + 1) % 3]] for k in range(3)])
    directed = set(map(tuple, edges.tolist()))
    assert len(directed) == len(edges)
    assert all((b, a) in directed for a, b in directed)
    corners = mesh.vertices_mm[mesh.faces]
    volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 3e5 < volume < 1.2e6  # mm^3, positive: faces look outwards


def test_weights_sum_to_one(mesh):
    np.testing.assert_allclose(mesh.weight_matrix.sum(axis=1), 1.0, atol=1e-3)
    assert mesh.weight_matrix.min() >= 0
    assert mesh.weight_matrix.max(axis=0).min() > 0.5  # each bone moves something


def test_joints_lie_inside_the_mesh(mesh):
    assert inside(mesh.vertices_mm, mesh.faces, mesh.joints_mm).all()


def test_canonical_frame(mesh):
    joints = mesh.joints_mm
    np.testing.assert_allclose(joints[0], 0.0, atol=1e-4)
    np.testing.assert_allclose(joints[9] / np.linalg.norm(joints[9]), [0, 1, 0], atol=1e-4)
    # A right hand seen from its back, fingers up: the thumb lies to the left, -x.
    assert joints[1, 0] < joints[5, 0] < joints[9, 0] < joints[13, 0] < joints[17, 0]
    np.testing.assert_allclose(np.linalg.norm(mesh.flexion_axes, axis=1), 1.0, atol=1e-4)
    assert 150 < np.linalg.norm(np.diff(joints[[0, 9, 10, 11, 12]], axis=0), axis=1).sum() < 210


# --------------------------------------------------------------------------- kinematics


def test_rest_angles_reproduce_the_rest_pose(mesh):
    rotations = bone_rotations(mesh, mesh.rest_finger_rad[None], np.zeros((1, 2)))
    joints = pose_joints(mesh.joints_mm, rotations)[0]
    np.testing.assert_allclose(joints, mesh.joints_mm, atol=1e-6)
    vertices = skin(
        mesh, mesh.vertices_mm, mesh.joints_mm, posed_joints_mm=joints, rotations=rotations[0]
    )
    np.testing.assert_allclose(vertices, mesh.vertices_mm, atol=0.15)  # weights are float16


@pytest.mark.parametrize("finger", range(1, 5))
def test_flexion_angles_are_reached(mesh, finger):
    asked = np.zeros((5, 4))
    asked[finger, 1:] = [40.0, 60.0, 30.0]
    joints, _ = posed(mesh, asked)
    chain = joints[4 * finger + 1 : 4 * finger + 5]
    axis = mesh.flexion_axes[finger]
    segments = [(0.0, 1.0, 0.0), *np.diff(chain, axis=0)]
    angles = [
        np.rad2deg(hand._signed_angle(np.array(a), np.array(b), axis))
        for a, b in itertools.pairwise(segments)
    ]
    np.testing.assert_allclose(angles, asked[finger, 1:], atol=1e-4)  # axes are float32


def test_positive_flexion_bends_to_the_palm(mesh):
    straight, _ = posed(mesh, 0.0)
    bent, _ = posed(mesh, np.array([0.0, 60.0, 60.0, 30.0]))
    tips = [8, 12, 16, 20]
    assert np.all(bent[tips, 2] < straight[tips, 2] - 30.0)  # the palm looks along -z


def test_bones_keep_their_length(mesh, rng):
    angles, wrist = sample_angles(RANGES[0], rng, 20)
    joints = pose_joints(mesh.joints_mm, bone_rotations(mesh, angles, wrist))
    length = lambda j: np.linalg.norm(np.diff(j, axis=-2), axis=-1)  # noqa: E731
    for finger in range(5):
        chain = slice(4 * finger + 1, 4 * finger + 5)
        rest = length(mesh.joints_mm[chain])
        np.testing.assert_allclose(length(joints[:, chain]), np.tile(rest, (20, 1)), rtol=1e-6)


def test_a_vertex_of_one_bone_moves_rigidly_with_it(mesh, rng):
    angles, wrist = sample_angles(RANGES[0], rng, 1)
    rotations = bone_rotations(mesh, angles, wrist)[0]
    joints = pose_joints(mesh.joints_mm, rotations[None])[0]
    vertices = skin(
        mesh, mesh.vertices_mm, mesh.joints_mm, posed_joints_mm=joints, rotations=rotations
    )
    checked = 0
    for finger in range(5):
        for k in range(3):
            joint, bone = 4 * finger + 1 + k, 2 + 3 * finger + k
            whole = np.flatnonzero(mesh.weight_matrix[:, bone] == 1.0)
            offset = mesh.vertices_mm[whole] - mesh.joints_mm[joint]
            expected = joints[joint] + offset @ rotations[bone].T
            np.testing.assert_allclose(vertices[whole], expected, atol=1e-6)
            # The joint at the other end is where the kinematic chain puts it.
            segment = mesh.joints_mm[joint + 1] - mesh.joints_mm[joint]
            np.testing.assert_allclose(joints[joint] + rotations[bone] @ segment, joints[joint + 1])
            checked += len(whole)
    assert checked > 100


@pytest.mark.parametrize("pose_range", RANGES)
def test_angles_stay_inside_joint_limits(pose_range, rng):
    angles, wrist = sample_angles(pose_range, rng, 500)
    angles = np.rad2deg(angles)
    assert (angles[:, 1:] >= FINGER_MIN_DEG - 1e-9).all()
    assert (angles[:, 1:] <= FINGER_MAX_DEG + 1e-9).all()
    low, high = (
        (THUMB_APART_MIN_DEG, THUMB_APART_MAX_DEG)
        if pose_range.apart
        else (THUMB_MIN_DEG, THUMB_MAX_DEG)
    )
    assert (angles[:, 0] >= low - 1e-9).all()
    assert (angles[:, 0] <= high + 1e-9).all()
    assert np.abs(np.rad2deg(wrist)).max() <= 40.0 + 1e-9


@pytest.mark.parametrize("pose_range", RANGES)
def test_most_joints_stay_inside_a_posed_hand(mesh, pose_range, rng):
    share = []
    for _ in range(10):
        joints, rotations = sample_pose(mesh, mesh.joints_mm, pose_range, rng=rng)
        vertices = skin(
            mesh, mesh.vertices_mm, mesh.joints_mm, posed_joints_mm=joints, rotations=rotations
        )
        share.append(inside(vertices, mesh.faces, joints).mean())
    assert np.mean(share) > 0.98


def shares_of_poses(mesh, pose_range, rng) -> dict[str, float]:
    """Of the fingers that do not collide: hooks, straight ones on bent knuckles, tight fists."""
    angles, wrist = sample_angles(pose_range, rng, 2000)
    free = ~collides(pose_joints(mesh.joints_mm, bone_rotations(mesh, angles, wrist)))
    knuckle, middle = np.rad2deg(angles[free, 1:, 1:3]).reshape(-1, 2).T
    return {
        "hook": np.mean((knuckle < 15) & (middle > 60)),
        "straight on a bent knuckle": np.mean((knuckle > 50) & (middle < 20)),
        "tight": np.mean((knuckle > 60) & (middle > 90)),
        "open": np.mean((knuckle < 15) & (middle < 15)),
    }


def test_joints_that_bend_apart_reach_hooks_bent_knuckles_and_tight_fists(mesh, rng):
    apart = shares_of_poses(mesh, PoseRange(wide=False, noise_deg=7.0, apart=True), rng)
    shared = shares_of_poses(mesh, PoseRange(wide=False, noise_deg=7.0), rng)
    assert min(apart.values()) > 0.02, apart
    for pose in ("hook", "straight on a bent knuckle"):
        assert apart[pose] > 5 * shared[pose], (pose, shared, apart)
    assert apart["tight"] > 2 * shared["tight"]


def test_a_thumb_on_its_own_goes_across_the_palm(rng):
    mesh = load_hand("makehuman")

    def tips(apart: bool) -> np.ndarray:
        pose_range = PoseRange(wide=True, noise_deg=8.0, apart=apart)
        angles, wrist = sample_angles(pose_range, rng, 2000)
        return pose_joints(mesh.joints_mm, bone_rotations(mesh, angles, wrist))[:, 4, 0]

    middle, index = mesh.joints_mm[9, 0], mesh.joints_mm[5, 0]
    assert (tips(True) > middle).mean() > max(0.05, 2 * (tips(False) > middle).mean())
    assert (tips(True) < 2 * index).mean() > 0.1  # and far out to its side


# --------------------------------------------------------------------------- shape, collision


def test_hand_length_is_in_range(mesh, rng):
    for _ in range(20):
        vertices, joints = sample_shape(mesh, rng, length_mm=(160.0, 170.0))
        length = np.linalg.norm(np.diff(joints[[0, 9, 10, 11, 12]], axis=0), axis=1).sum()
        assert 155.0 < length < 175.0  # thickness is scaled afterwards
        assert vertices.shape == mesh.vertices_mm.shape


def test_shapes_differ(rng):
    mesh = load_hand("makehuman")
    (first, _), (second, _) = (
        sample_shape(mesh, rng, length_mm=(180.0, 180.0001)) for _ in range(2)
    )
    assert np.abs(first - second).max() > 1.0


def test_fingers_vary_and_the_palm_does_not(mesh, rng):
    vertices, joints = vary_fingers(mesh, mesh.vertices_mm, mesh.joints_mm, rng=rng, deviation=0.1)
    palm = [0, 1, 5, 9, 13, 17]
    assert np.array_equal(joints[palm], mesh.joints_mm[palm])
    length = lambda j: np.linalg.norm(j[4::4] - j[1::4], axis=1)  # noqa: E731
    change = length(joints) / length(mesh.joints_mm) - 1.0
    assert len(set(change.round(6))) == 5
    assert np.abs(change).max() <= 0.1 * 3.0 + 1e-9
    # The skin follows: joints stay inside, bones of no finger stay where they are.
    assert inside(vertices, mesh.faces, joints).mean() > 0.98
    still = mesh.weight_matrix[:, 2:].sum(axis=1) == 0
    assert np.array_equal(vertices[still], mesh.vertices_mm[still])


def test_an_open_hand_is_free(mesh):
    for finger_deg in (0.0, [5.0, 10.0, 10.0, 5.0]):
        joints, _ = posed(mesh, finger_deg)
        assert not collides(joints[None])[0]


def test_a_finger_through_another_or_the_palm_collides(mesh):
    joints, _ = posed(mesh, 0.0)
    crossed = joints.copy()
    crossed[5:9] = joints[9:13] + np.array([2.0, 0.0, 1.0])  # the index in the middle finger
    through = joints.copy()
    through[12] = 0.5 * (joints[0] + joints[9])  # a tip in the middle of the palm
    through[11] = through[12] + [0.0, 12.0, 0.0]
    assert collides(np.stack([crossed, through])).tolist() == [True, True]


def test_sampled_poses_are_free(mesh, rng):
    for pose_range in RANGES:
        poses = [sample_pose(mesh, mesh.joints_mm, pose_range, rng=rng)[0] for _ in range(20)]
        assert not collides(np.stack(poses)).any()
