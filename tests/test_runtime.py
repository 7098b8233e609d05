"""The pose model of the runtime on one picture: passes, boxes, the camera, and bad arguments."""

import dataclasses
import warnings

import numpy as np
import pytest
from runtime_models import SIZE, TrueJoints, coded_scene

from kerashand.geometry.camera import HAND_MARGIN, apply_affine, px_from_cam
from kerashand.geometry.pose import DEPTH_ALONG, relative_depth, scale_from_joints
from kerashand.geometry.root_depth import relative_joints
from kerashand.runtime import HandPose
from kerashand.runtime.crop import crop_from_image
from kerashand.runtime.hand import Hand, check_camera
from kerashand.runtime.recipe import Recipe
from kerashand.runtime.views import fits, view_of_joints
from kerashand.synthetic.scene import render_sample

scene = pytest.fixture(coded_scene)

RECIPE = Recipe()


@pytest.mark.parametrize("handedness", ["left", "right"])
@pytest.mark.parametrize("passes", [1, 2])
def test_joints_come_back_to_the_picture(scene, handedness, passes):
    sample, picture, z_relative, scale = scene
    pose = HandPose(TrueJoints(sample.uv_px, z_relative), None)
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    (hand,) = pose.predict(picture, box=box, handedness=handedness, passes=passes)
    np.testing.assert_allclose(hand.uv_px, sample.uv_px, atol=0.5)
    np.testing.assert_allclose(hand.box, box, atol=0.5)
    assert hand.handedness == handedness
    assert hand.xyz_mm is None
    (hand,) = pose.predict(
        picture,
        box=box,
        handedness=handedness,
        intrinsics=sample.intrinsics,
        scale_mm=scale,
        passes=passes,
    )
    np.testing.assert_allclose(px_from_cam(hand.xyz_mm, sample.intrinsics), hand.uv_px, atol=1e-6)
    assert hand.root_depth_mm == pytest.approx(sample.xyz_mm[0, 2], rel=0.1)


def enlarged(box, factor, shift=0.0):
    """A box about the same middle, moved right by so many of its sides."""
    left, top, right, bottom = box
    middle, half = np.array([left + right, top + bottom]) / 2, max(right - left, bottom - top) / 2
    middle[0] += 2.0 * half * shift
    return tuple(np.concatenate([middle - factor * half, middle + factor * half]).tolist())


@pytest.mark.parametrize(
    ("factor", "shift", "runs"),
    [(1.0, 0.0, 2), (1.2, 0.0, 2), (1.0, 0.1, 2), (1.6, 0.0, 3), (0.6, 0.0, 3), (1.0, 0.3, 3)],
)
def test_a_box_that_does_not_fit_costs_a_pass(scene, factor, shift, runs):
    sample, picture, z_relative, _ = scene
    uv = 96.0 + 0.25 * sample.uv_px  # far from the edges, beyond which colours are mirrored
    given = enlarged((*uv.min(axis=0), *uv.max(axis=0)), factor, shift)
    for passes, expected in ((1, 1), (2, runs), (3, runs + 1)):
        backend = TrueJoints(uv, z_relative)
        (hand,) = HandPose(backend, None).predict(
            picture, box=given, handedness="right", passes=passes
        )
        assert len(backend.seen) == expected
        np.testing.assert_allclose(hand.uv_px, uv, atol=0.5)


@pytest.mark.parametrize(("moved", "runs"), [(0.0, 1), (0.1, 1), (0.4, 2)])
def test_a_hand_that_moved_on_costs_a_pass_more(scene, moved, runs):
    sample, picture, z_relative, _ = scene
    uv = 96.0 + 0.25 * sample.uv_px
    box = (*uv.min(axis=0), *uv.max(axis=0))
    backend = TrueJoints(uv, z_relative)
    pose = HandPose(backend, None)
    (last,) = pose.predict(picture, box=box, handedness="right")
    backend.seen.clear()
    shift = moved * max(box[2] - box[0], box[3] - box[1]) * HAND_MARGIN
    hand = pose.follow(
        picture, dataclasses.replace(last, uv_px=last.uv_px + np.array([shift, 0.0]))
    )
    assert len(backend.seen) == runs
    np.testing.assert_allclose(hand.uv_px, uv, atol=0.5)


def test_passes_that_never_fit_come_to_an_end():
    class Runaway(TrueJoints):
        """Sees the hand a quarter as large as it looks, each time."""

        def run(self, images):
            self.seen.append(images[0])
            uv = SIZE * (0.4 + 0.2 * self.uv_px / 256.0)
            return {"uv_px": uv, "z_relative": self.z_relative, "confidence": np.ones(21)}

    uv = np.random.default_rng(0).uniform(0, 256, (21, 2))
    backend = Runaway(uv, np.zeros(21))
    picture = np.zeros((256, 256, 3), np.uint8)
    HandPose(backend, None).predict(picture, box=(0, 0, 255, 255), handedness="left")
    assert len(backend.seen) == RECIPE.passes + RECIPE.extra_passes


def test_what_fits():
    uv = np.array([[10.0, 10.0], [30.0, 50.0], *[[20.0, 20.0]] * 19])  # 40 px high about (20, 30)
    side = 40.0 * HAND_MARGIN
    for factor, shift, expected in (
        (1.0, 0.0, True), (1.3, 0.0, True), (1.4, 0.0, False), (0.76, 0.0, True),
        (0.74, 0.0, False), (1.0, 0.14, True), (1.0, 0.16, False),
    ):  # fmt: skip
        view = (np.array([20.0 + shift * factor * side, 30.0]), factor * side, 0.0)
        assert fits(view, uv, RECIPE) is expected


def test_further_passes_see_the_fingers_up_and_turned_a_little(scene):
    sample, picture, z_relative, _ = scene
    pose = HandPose(TrueJoints(sample.uv_px, z_relative), None)
    run, views = pose._pass, []
    pose._pass = lambda rgb, view, handedness: views.append(view) or run(rgb, view, handedness)
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    pose.predict(picture, box=box, handedness="right", passes=5)
    uv = sample.uv_px.astype(float)
    centre, side_px, angle = view_of_joints(uv, margin=HAND_MARGIN)
    assert [view[2] for view in views] == pytest.approx(
        [0.0, *(angle + np.deg2rad([0.0, -10.0, 10.0, 0.0]))], abs=0.01
    )
    for view in views[1:]:
        np.testing.assert_allclose(view[0], centre, atol=0.5)
        assert view[1] == pytest.approx(0.95 * side_px, rel=0.01)
    affine = crop_from_image(centre, side_px, SIZE, angle_rad=angle)
    uv = apply_affine(uv, affine)
    assert uv[9, 1] < uv[0, 1]
    assert uv[9, 0] == pytest.approx(uv[0, 0], abs=1e-6)
    low, high = uv.min(axis=0), uv.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (SIZE - 1) / 2, atol=1e-6)
    assert (high - low).max() == pytest.approx(SIZE / HAND_MARGIN)


@pytest.mark.parametrize(
    ("passes", "depth", "score"), [(2, 0.5, 0.6), (3, 1.25, 0.58284), (4, 2.25, 0.69142)]
)
def test_passes_are_averaged_by_their_confidence(scene, passes, depth, score):
    """The first counts a quarter; each of the others as much as all before it.

    0.25 x 0.8^2 = 0.4^2 = 0.16; 0.56569^2 = 0.32; 0.8^2 = 0.64.
    """
    sample, picture, _, _ = scene
    backend = TrueJoints(sample.uv_px, np.zeros(21))
    seen = [(0.0, 0.8), (1.0, 0.4), (2.0, 0.56569), (3.25, 0.8)]
    first_run, answers = backend.run, iter(seen)

    def run(images):
        depth, score = next(answers)
        return first_run(images) | {
            "z_relative": np.full(21, depth), "confidence": np.full(21, score),
        }  # fmt: skip

    backend.run = run
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    (hand,) = HandPose(backend, None).predict(picture, box=box, handedness="right", passes=passes)
    np.testing.assert_allclose(hand.z_relative, depth, atol=1e-4)
    np.testing.assert_allclose(hand.confidence, score, atol=1e-4)
    assert hand.score == pytest.approx(score, abs=1e-4)
    np.testing.assert_allclose(hand.uv_px, sample.uv_px, atol=0.5)


@pytest.mark.parametrize("along", DEPTH_ALONG)
def test_with_a_camera_depth_is_along_its_axis(along):
    sample = render_sample("varied", "test", seed=0, index=5, size_px=128)
    # 25 degrees beside the axis.
    turn = np.radians(25.0)
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    xyz = sample.xyz_mm.astype(np.float64) @ rotation.T
    camera = np.array([[200.0, 0, 64], [0, 200.0, 64], [0, 0, 1]])
    scale = scale_from_joints(xyz, "wrist_middle_mcp")
    seen = Hand(
        "right", px_from_cam(xyz, camera),
        relative_depth(xyz, scale, depth_along=along), np.ones(21), np.zeros((21, 3)), 1.0,
    )  # fmt: skip
    pose = HandPose(TrueJoints(seen.uv_px, seen.z_relative), None)
    pose.scale_bone, pose.depth_along = "wrist_middle_mcp", along
    known = pose.with_camera(seen, camera, scale_mm=scale, root_depth_mm=xyz[0, 2])
    np.testing.assert_allclose(known.xyz_mm, xyz, atol=1e-6)
    np.testing.assert_allclose(known.z_relative, relative_depth(xyz, scale), atol=1e-9)
    solved = pose.with_camera(seen, camera, scale_mm=scale)
    assert solved.root_depth_mm == pytest.approx(xyz[0, 2], rel=0.1)
    np.testing.assert_allclose(solved.z_relative, known.z_relative, atol=0.1)
    without_scale = pose.with_camera(seen, camera, scale_mm=None)
    np.testing.assert_allclose(without_scale.z_relative, solved.z_relative, atol=1e-9)
    assert without_scale.xyz_mm is None
    flat = dataclasses.replace(seen, z_relative=np.zeros(21))
    for hand, factor in ((seen, 5.0), (flat, 0.05)):
        with pytest.warns(UserWarning, match="times as long as `scale_mm`"):
            pose.with_camera(hand, camera, scale_mm=scale, root_depth_mm=factor * xyz[0, 2])
    assert pose.with_camera(seen, None, scale_mm=scale) is seen


def test_relative_joints_of_a_far_hand_are_true():
    sample = render_sample("source", "train", seed=0, index=5, size_px=256)
    xyz = sample.xyz_mm.astype(float)
    scale = np.linalg.norm(xyz[9] - xyz[0])
    true = (xyz - xyz[0]) / scale
    seen = relative_joints(true[:, :2] * 37.0 + 5.0, true[:, 2])
    # Palms differ from the mean one by a few percent.
    assert np.abs(seen - true).max() < 0.12
    np.testing.assert_allclose(seen[0], 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("camera", "doubt"),
    [
        ([[1500, 0, 960], [0, 1500, 540], [0, 0, 1]], "`cx: 960` is far outside of 224 x 224"),
        ([[200, 0, 112], [0, 900, 112], [0, 0, 1]], "are not of square pixels"),
        ([[200, 0, 112], [0, 200, 112], [0, 0, 1]], None),
    ],
)
def test_intrinsics_of_another_picture_are_a_warning(camera, doubt):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_camera(camera, 92.0, scale_bone="wrist_middle_mcp", size_px=(224, 224))
    assert [doubt in str(one.message) for one in caught] == ([True] if doubt else [])


@pytest.mark.parametrize(
    ("picture", "arguments", "message"),
    [
        (np.zeros((8, 8), np.uint8), {}, r"`rgb` must be an array \[H, W, 3\]. Received: \(8, 8\)"),
        (np.zeros((8, 8, 3)), {}, "`rgb` must hold uint8 .* Received: float64"),
        (np.zeros((8, 8, 3), np.uint8), {"handedness": "top"}, "Received: handedness='top'"),
        (np.zeros((8, 8, 3), np.uint8), {"box": (1, 2, 3)}, "left, top, right, bottom"),
        (np.zeros((8, 8, 3), np.uint8), {"box": (5, 2, 3, 9)}, "left < right"),
        (np.zeros((0, 8, 3), np.uint8), {}, "an empty array"),
        (np.zeros((8, 8, 3), np.uint8), {"box": "1234"}, "left, top, right, bottom"),
        (np.zeros((8, 8, 3), np.uint8), {"box": 5}, "left, top, right, bottom"),
        (np.zeros((8, 8, 3), np.uint8), {"box": (9, 9, 12, 12)}, "must meet the picture"),
        (np.zeros((8, 8, 3), np.uint8), {"box": (0, 0, 99, 9)}, "4 pictures wide"),
        (np.zeros((8, 8, 3), np.uint8), {"max_hands": 0}, "`max_hands` must be an integer"),
        (np.zeros((8, 8, 3), np.uint8), {"max_hands": 1.5}, "`max_hands` must be an integer"),
        (np.zeros((8, 8, 3), np.uint8), {"passes": -1}, "`passes` must be an integer"),
        (np.zeros((8, 8, 3), np.uint8), {"intrinsics": [1, 2]}, r"must be a matrix \[3, 3\]"),
        (np.zeros((8, 8, 3), np.uint8), {"intrinsics": np.full((3, 3), np.nan)}, "of numbers"),
        (np.zeros((8, 8, 3), np.uint8), {"intrinsics": np.zeros((3, 3))}, "positive fx, fy"),
        (
            np.zeros((8, 8, 3), np.uint8),
            {"intrinsics": np.array([[90, 0, 4], [0, 90, 4], [0, 0, 1]]).T},
            "positive fx, fy",
        ),
        (
            np.zeros((8, 8, 3), np.uint8),
            {"scale_mm": "a"},
            r"`scale_mm` must be a number of 20 to 80 mm\. Received: scale_mm='a'",
        ),
        (np.zeros((8, 8, 3), np.uint8), {"scale_mm": np.inf}, "`scale_mm` must be a number of 20"),
        (np.zeros((8, 8, 3), np.uint8), {"scale_mm": 0.092}, "Received: scale_mm=0.092"),
        (
            np.zeros((8, 8, 3), np.uint8),
            {"root_depth_mm": 0},
            "`root_depth_mm` must be a number of 50 to 100000 mm",
        ),
        (np.zeros((8, 8, 3), np.uint8), {"root_depth_mm": 0.5}, "Received: root_depth_mm=0.5"),
        (
            np.zeros((480, 640, 3), np.uint8),
            {"intrinsics": [[0.9, 0, 0.5], [0, 1.2, 0.5], [0, 0, 1]]},
            r"in pixels of the picture, at least 64 for 640 x 480\. Received: 0\.9, 1\.2",
        ),
        (
            np.zeros((480, 640, 3), np.uint8),
            {"intrinsics": [[600, 0, 320], [5, 600, 240], [0, 0, 1]]},
            "`intrinsics` must be",
        ),
        (np.zeros((8, 8, 3), np.uint8), {"root_depth_mm": 500}, "it needs box, intrinsics"),
    ],
)
def test_bad_arguments(scene, picture, arguments, message):
    pose = HandPose(TrueJoints(scene[0].uv_px, scene[2]), None)
    with pytest.raises(ValueError, match=message):
        pose.predict(picture, **{"handedness": "right", **arguments})
