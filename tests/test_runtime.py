import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest

from kerashand.errors import UserError
from kerashand.geometry.camera import HAND_MARGIN, apply_affine, px_from_cam
from kerashand.geometry.pose import DEPTH_ALONG, relative_depth, scale_from_joints
from kerashand.geometry.root_depth import relative_joints
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend
from kerashand.runtime.crop import crop_from_image, cut, square_around
from kerashand.runtime.detector import Detector
from kerashand.runtime.hand import Hand
from kerashand.runtime.model_file import with_description
from kerashand.runtime.recipe import Recipe
from kerashand.runtime.smoothing import OneEuroFilter
from kerashand.runtime.views import fits, view_of_joints
from kerashand.synthetic.scene import render_sample

SIZE = 64
JOINTS = ("uv_px", "z_relative", "confidence")
RECIPE = Recipe()


def smooth_picture(rng, height=90, width=140):
    small = rng.integers(0, 256, (9, 14, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


# ------------------------------------------------------------------------------------- crops


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


# ------------------------------------------------------------------------------ the pose model


class TrueJoints:
    """A backend that knows the joints of one picture and finds them by what a crop shows.

    The picture's colours encode positions: red is column, green is row, both times 1.
    """

    outputs = frozenset(JOINTS)

    def __init__(self, uv_px, z_relative, mirrored=False):
        self.metadata = {"task": "hand_pose", "image_size_px": SIZE, "scale_bone": "middle_mcp_pip"}
        self.uv_px, self.z_relative, self.seen = uv_px, z_relative, []

    def run(self, images):
        assert images.shape == (1, SIZE, SIZE, 3)
        assert images.dtype == np.uint8
        self.seen.append(images[0])
        positions = images[0, ..., :2].astype(float).reshape(-1, 2)
        rows, columns = np.divmod(np.arange(SIZE * SIZE), SIZE)
        system = np.stack([*positions.T, np.ones(len(positions))], axis=1)
        inside = (positions > 2).all(axis=1) & (positions < 250).all(axis=1)
        to_crop = np.linalg.lstsq(system[inside], np.stack([columns, rows], 1)[inside], rcond=None)
        uv = np.concatenate([self.uv_px, np.ones((21, 1))], axis=1) @ to_crop[0]
        return {
            "uv_px": uv,
            "z_relative": self.z_relative,
            "confidence": np.ones(21),
        }


@pytest.fixture
def scene():
    """A sample, and a picture of its size whose colours are positions."""
    sample = render_sample("source", "train", seed=0, index=3, size_px=256)
    axis = np.arange(256, dtype=np.uint8)
    coded = np.stack([np.tile(axis, (256, 1)), np.tile(axis[:, None], (1, 256))], axis=2)
    picture = np.concatenate([coded, np.zeros((256, 256, 1), np.uint8)], axis=2)
    scale = np.linalg.norm(sample.xyz_mm[10] - sample.xyz_mm[9])
    z_relative = (sample.xyz_mm[:, 2] - sample.xyz_mm[0, 2]) / scale
    return sample, picture, z_relative, float(scale)


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
            r"`scale_mm` must be a number of 10 to 300 mm\. Received: scale_mm='a'",
        ),
        (np.zeros((8, 8, 3), np.uint8), {"scale_mm": np.inf}, "`scale_mm` must be a number of 10"),
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


# --------------------------------------------------------------------------------- the detector


class Answers:
    """A detector's backend that answers the same whatever it sees."""

    def __init__(self, score, box, right, **more):
        self.metadata = {"task": "hand_detector", "image_size_px": SIZE, "threshold": 0.5}
        self.output = {"score": score, "box": box, "p_right": right} | more
        self.outputs = frozenset(self.output)

    def run(self, images):
        return self.output


def test_detector_gives_boxes_of_the_picture_and_drops_doubles():
    score, box, right = np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((8, 8))
    for row, column, value, corners, is_right in (
        (2, 2, 0.9, (8, 8, 24, 24), 1.0),
        (2, 3, 0.8, (9, 8, 25, 24), 1.0),  # the same hand
        (5, 6, 0.7, (44, 36, 56, 50), 0.0),
        (6, 1, 0.4, (2, 44, 14, 58), 0.0),  # below the threshold
    ):
        score[row, column], box[row, column], right[row, column] = value, corners, is_right
    detector = Detector(Answers(score, box, right))
    hands = detector.detect(np.zeros((128, 128, 3), np.uint8), max_hands=5)
    assert [(hand.handedness, hand.score) for hand in hands] == [("right", 0.9), ("left", 0.7)]
    # The picture has two pixels for each of the detector's: p' = 2 (p + 0.5) - 0.5.
    np.testing.assert_allclose(hands[0].box, (16.5, 16.5, 48.5, 48.5))


def test_no_hand_is_an_answer():
    nothing = Detector(Answers(np.zeros((8, 8)), np.zeros((8, 8, 4)), np.zeros((8, 8))))
    backend = TrueJoints(np.zeros((21, 2)), np.zeros(21))
    assert HandPose(backend, nothing).predict(np.zeros((50, 80, 3), np.uint8)) == []


def one_detection(p_right, *, score=0.9, up=None):
    """A detector that sees a hand in the box (16, 16, 48, 48), which may point in a direction."""
    scores, box = np.zeros((8, 8)), np.zeros((8, 8, 4))
    scores[4, 4], box[4, 4] = score, (16, 16, 48, 48)
    more = {} if up is None else {"up": np.zeros((8, 8, 2))}
    if up is not None:
        more["up"][4, 4] = up
    return Detector(Answers(scores, box, np.full((8, 8), p_right), **more))


class BrightLeft:
    """A pose model that takes a crop for a right hand if it is brighter on its left.

    Its joints lie where they should in the crop, and it counts its runs.
    """

    outputs = frozenset({*JOINTS, "p_right", "p_hand"})

    def __init__(self, p_hand=0.9, sure=0.9):
        self.metadata = {"image_size_px": SIZE, "scale_bone": "middle_mcp_pip"}
        self.p_hand, self.sure, self.runs = p_hand, sure, 0

    def run(self, images):
        self.runs += 1
        half = SIZE // 2
        bright = images[0, :, :half].mean() > images[0, :, half:].mean()
        reach = SIZE / HAND_MARGIN / 2
        uv = np.full((21, 2), (SIZE - 1) / 2)
        uv[0, 1], uv[12, 1] = uv[0, 1] + reach, uv[12, 1] - reach
        return {
            "uv_px": uv, "z_relative": np.full(21, float(bright)), "confidence": np.full(21, 0.7),
            "p_right": np.array(self.sure if bright else 1.0 - self.sure),
            "p_hand": np.array(self.p_hand),
        }  # fmt: skip


def bright(where):
    """A picture that is brighter on one half; its mirror image is that of the other hand."""
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    half = SIZE // 2
    picture[:, : half if where == "left" else SIZE] = 200
    if where == "right":
        picture[:, :half] = 0
    return picture


@pytest.mark.parametrize("true", ["right", "left"])
@pytest.mark.parametrize(("p_right", "told"), [(0.9, "right"), (0.1, "left")])
def test_the_pose_model_says_the_handedness(true, p_right, told):
    """A pass that saw the wrong one does not count, and costs a pass more."""
    backend = BrightLeft()
    pose = HandPose(backend, one_detection(p_right))
    picture = bright("left" if true == "right" else "right")
    (hand,) = pose.predict(picture)
    assert hand.handedness == true
    assert hand.p_right == pytest.approx(0.9 if true == "right" else 0.1, abs=1e-6)
    assert backend.runs == 2 + (told != true)
    # Every pass that counts saw the hand as a right one: mirrored if it is a left one.
    np.testing.assert_allclose(hand.z_relative, 1.0)
    (hand,) = pose.predict(picture, passes=1)
    assert hand.handedness == true


@pytest.mark.parametrize("asked", [{}, {"box": (16, 16, 48, 48)}], ids=["found", "given"])
@pytest.mark.parametrize("handedness", ["auto", "left", "right"])
@pytest.mark.parametrize(
    ("up", "brightest"), [((0.2, 0.0), "top"), ((-3.0, 0.0), "bottom"), (None, "side")]
)
def test_the_first_crop_shows_the_fingers_up(asked, handedness, up, brightest):
    """In a picture whose right half is bright, a hand that points there has light above it."""
    backend, crops = BrightLeft(), []
    answer = backend.run
    backend.run = lambda images: crops.append(images[0].astype(float)) or answer(images)
    pose = HandPose(backend, one_detection(0.9, up=up))
    pose.predict(bright("right"), handedness=handedness, passes=1, **asked)
    half = SIZE // 2
    down = crops[0][half:].mean() - crops[0][:half].mean()
    sideways = crops[0][:, half:].mean() - crops[0][:, :half].mean()
    assert abs(down) < 5 < abs(sideways) if brightest == "side" else abs(sideways) < 5 < abs(down)
    assert brightest == "side" or (down > 0) == (brightest == "bottom")


def test_a_handedness_that_is_given_stays():
    backend = BrightLeft()
    pose = HandPose(backend, one_detection(0.9))
    (hand,) = pose.predict(bright("left"), handedness="left")
    assert (hand.handedness, hand.p_right, backend.runs) == ("left", None, 2)
    (hand,) = pose.predict(bright("left"), box=(16, 16, 48, 48), handedness="left")
    assert hand.handedness == "left"


def test_a_box_needs_no_detector_where_the_model_says_the_handedness():
    (hand,) = HandPose(BrightLeft(), None).predict(bright("right"), box=(16, 16, 48, 48))
    assert hand.handedness == "left"
    headless = TrueJoints(np.zeros((21, 2)), np.zeros(21))
    with pytest.raises(UserError, match="A box without a handedness needs a detector"):
        HandPose(headless, None).predict(bright("right"), box=(16, 16, 48, 48))


@pytest.mark.parametrize(
    ("p_hand", "hands", "runs"),
    [(0.5, 1, 2), (0.3, 0, 1)],  # 0.9 x 0.5 is a hand, 0.9 x 0.3 is none and has no second pass
)
def test_the_pose_model_decides_whether_it_is_a_hand(p_hand, hands, runs):
    backend, detector = BrightLeft(p_hand=p_hand), one_detection(0.9)
    detector.least_score = 0.31
    pose = HandPose(backend, detector)
    found = pose.predict(bright("left"))
    assert (len(found), backend.runs) == (hands, runs)
    assert all(hand.score == pytest.approx(p_hand) for hand in found)
    # A box says that there is one.
    (hand,) = pose.predict(bright("left"), box=(16, 16, 48, 48))
    assert hand.score == pytest.approx(p_hand)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"pases": 2}, "may hold margin, passes"),
        ({"passes": 0}, "`recipe.passes` of a model is out of range. Received: 0"),
        ({"passes": 1.5}, "out of range"),
        ({"passes": 1000}, "out of range"),
        ({"margin": float("nan")}, "out of range"),
        ({"margin": 0.0}, "out of range"),
        ({"turns_deg": []}, "out of range"),
        ({"turns_deg": ["a"]}, "out of range"),
        ("none", "may hold"),
    ],
)
def test_a_recipe_of_nonsense_is_refused(recipe, message):
    with pytest.raises(UserError, match=message):
        Recipe.of({"recipe": recipe})


def test_the_recipe_is_read_from_the_file():
    backend = BrightLeft()
    backend.metadata["recipe"] = {"passes": 4, "turns_deg": [0.0]}
    HandPose(backend, one_detection(0.9)).predict(bright("left"))
    assert backend.runs == 4
    recipe = Recipe(passes=3, turns_deg=(5.0,))
    assert Recipe.of({"recipe": recipe.to_dict()}) == recipe
    assert Recipe.of({}) == Recipe()


# ------------------------------------------------------------------------------------ the rest


def test_one_euro_rests_and_follows():
    still, moving = OneEuroFilter(), OneEuroFilter(beta=1.0)
    noise = np.random.default_rng(0).normal(0.0, 1.0, 300)
    smooth = [float(still(value, 1 / 30)) for value in noise]
    assert np.std(smooth[50:]) < 0.5
    ramp = np.arange(100) * 20.0
    followed = [float(moving(value, 1 / 30)) for value in ramp]
    assert ramp[-1] - followed[-1] < 5.0
    with pytest.raises(ValueError, match="`min_cutoff_hz` must be positive"):
        OneEuroFilter(min_cutoff_hz=0.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.pt", b"", "ends in .tflite or .onnx"),
        ("missing.tflite", None, "does not exist"),
        ("model.tflite", b"TFL3 rubbish", "was not exported by kerashand"),
    ],
)
def test_files_that_are_no_models(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_backend(tmp_path / name, task="hand_pose")


def test_values_that_are_not_numbers_are_an_error(scene):
    sample, picture = scene[:2]
    backend = TrueJoints(sample.uv_px, np.full(21, np.nan))
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    with pytest.raises(UserError, match="z_relative that are not numbers: its file is damaged"):
        HandPose(backend, None).predict(picture, box=box, handedness="right")


def test_the_runtime_needs_neither_tensorflow_nor_opencv():
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'cv2'): sys.modules[name] = None\n"
        "import kerashand.runtime\n"
        "print(kerashand.runtime.HandPose.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "HandPose"


def test_a_batch_of_pictures_of_several_sizes(scene):
    sample, picture = scene[:2]
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    pose = HandPose(TrueJoints(sample.uv_px, np.zeros(21)), None)
    pictures, boxes = [picture, picture[:250, :240]], [box, box]
    results = pose.predict_batch(pictures, boxes=boxes, handedness=["right", "left"], passes=1)
    for hands, rgb, side in zip(results, pictures, ("right", "left"), strict=True):
        (alone,) = pose.predict(rgb, box=box, handedness=side, passes=1)
        assert hands[0].handedness == side
        np.testing.assert_array_equal(hands[0].uv_px, alone.uv_px)


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        ([], {}, "must hold at least one"),
        (
            [np.zeros((8, 8, 3), np.uint8)],
            {"boxes": []},
            "1 pictures, 0 boxes, 1 times `handedness`",
        ),
        (
            [np.zeros((8, 8, 3), np.uint8)],
            {"handedness": ["left"] * 2},
            "1 boxes, 2 times `handedness`",
        ),
        (
            [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)],
            {"boxes": [(0, 0, 8, 8)] * 2, "handedness": "left", "passes": 1},
            r"picture 1: `rgb` must be an array \[H, W, 3\]\. Received: \(8, 8\)",
        ),
        (
            [np.full((8, 8, 3), np.nan, np.float32)],
            {"boxes": [(0, 0, 8, 8)], "handedness": "left"},
            "picture 0: `rgb` must hold uint8 of 0..255. Received: float32",
        ),
        (
            [np.zeros((3, 8, 8), np.uint8)],
            {"boxes": [(0, 0, 8, 8)], "handedness": "left"},
            r"picture 0: .* Received: \(3, 8, 8\)",
        ),
    ],
)
def test_mistakes_in_a_batch(pictures, options, message):
    pose = HandPose(TrueJoints(np.arange(42.0).reshape(21, 2), np.zeros(21)), None)
    with pytest.raises(ValueError, match=message):
        pose.predict_batch(pictures, **options)


@pytest.mark.parametrize("fps", [0, -1.0, np.nan, np.inf, "30", True, None])
def test_a_stream_needs_a_rate(fps):
    pose = HandPose(TrueJoints(np.zeros((21, 2)), np.zeros(21)), None)
    with pytest.raises(ValueError, match="`fps` must be a positive number"):
        pose.stream([], fps=fps)


def test_a_described_file_is_the_same_on_another_day(monkeypatch):
    today = with_description(b"network", {"task": "hand_pose"}, {"more": b"weights"})
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert with_description(b"network", {"task": "hand_pose"}, {"more": b"weights"}) == today


@pytest.mark.parametrize("block", [15, 16, 17, 20])
def test_a_white_picture_stays_white_however_far_it_shrinks(block):
    side = 8 * block
    affine = crop_from_image(np.array([side / 2 - 0.5, side / 2 - 0.5]), side, 8)
    white = np.full((side, side, 3), 255, np.uint8)
    assert cut(white, affine, 8).min() == 255
