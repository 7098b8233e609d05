"""The report of a pose model, with a model that knows the truth."""

import argparse
import json

import cv2
import numpy as np
import pytest

from kerashand.data.kinds.photos import LABELS_FILE, POINTS_3D_FILE, boxed_pictures
from kerashand.geometry.pose import relative_depth, scale_from_joints
from kerashand.runtime.hand_pose import Hand, HandPose
from kerashand.synthetic.scene import render_sample


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("tools/recipe/evaluate_model.py")


class Oracle(HandPose):
    """Answers with `uv_px` and `z_relative` of the next picture, moved right by some pixels."""

    scale_bone, depth_along = "wrist_middle_mcp", "optical_axis"
    detector, has_heads = None, False

    def __init__(self, truths, off_px=0.0):
        self.truths, self.off_px, self.handedness = iter(truths), off_px, []

    def predict(self, rgb, *, box, handedness, passes=1):
        uv, z = next(self.truths)
        self.handedness.append(handedness)
        uv = np.asarray(uv, np.float64) + np.array([self.off_px, 0.0])
        return [
            Hand(handedness, uv, np.asarray(z, np.float64), np.ones(21), np.zeros((21, 3)), 1.0)
        ]


def rendered_truth(count):
    for index in range(count):
        sample = render_sample("varied", "test", seed=0, index=index, size_px=256)
        scale = scale_from_joints(sample.xyz_mm, Oracle.scale_bone)
        yield sample.uv_px, relative_depth(sample.xyz_mm, scale)


def test_rendered_hands_of_a_model_that_knows_them(script):
    row = script.rendered(Oracle(rendered_truth(4)), 4, backgrounds=None, passes=1)
    assert row["hands"] == 4
    assert row["auc"] == pytest.approx(1.0)
    for name in ("mean_px", "mean_mm", "depth_mm"):
        assert row[name] == pytest.approx(0.0, abs=1e-2), name
    # The root depth comes from proportions of a mean palm: near the truth, not on it.
    assert 0.0 < row["root_share"] < 0.1


def test_loose_boxes_are_about_the_same_middle(script):
    uv = np.array([[10.0, 20.0], [30.0, 60.0], *[[20.0, 40.0]] * 19])
    assert script.box_of(uv) == (10.0, 20.0, 30.0, 60.0)
    assert script.box_of(uv, 1.5) == (5.0, 10.0, 35.0, 70.0)


def test_photographs_by_group(script, tmp_path):
    samples = [
        render_sample("target", "test", seed=0, index=index, size_px=128) for index in range(3)
    ]
    for number, sample in enumerate(samples):
        cv2.imwrite(str(tmp_path / f"{number}.png"), sample.image[:, :, ::-1])
    uv = np.stack([sample.uv_px for sample in samples])
    np.savez(
        tmp_path / LABELS_FILE,
        set=np.array(["a", "a", "b"]),
        name=np.array(["0.png", "1.png", "2.png"]),
        uv_px=uv,
        uv_weight=np.ones((3, 21), np.float32),
        is_right=np.array([True, False, True]),
        split=np.array(["test", "test", "train"]),
    )
    model = Oracle(((points, np.zeros(21)) for points in uv), off_px=2.0)
    table = script.photographs(model, tmp_path, "test", passes=1)
    assert model.handedness == ["right", "left"]
    assert table["all"]["hands"] == table["a"]["hands"] == 2
    assert table["handedness: left"]["hands"] == 1
    boxes = np.ptp(uv[:2], axis=1).max(axis=1)
    assert table["all"]["mean_px"] == pytest.approx(np.mean(2.0 * 256 / (1.3 * boxes)), rel=1e-5)
    assert table["all"]["pck"] == 1.0
    assert "handedness: left" in script.text_of({"photographs": table})


class Chooser(HandPose):
    """Knows pictures by the grey of their corner: what is found in each, and how sure it is.

    The handedness in a box is that of the half of the box which is brighter.
    """

    scale_bone, depth_along, detector = "wrist_middle_mcp", "optical_axis", True
    has_heads = False

    def __init__(self, found):
        self.found = found

    def predict(self, rgb, *, box=None, handedness="auto", passes=1, max_hands=2):
        corner = int(rgb[0, 0, 0])
        if box is None:
            return [self.hand(rgb, where, "auto", 0.9) for where in self.found.get(corner, ())]
        left, top, right, bottom = box
        corners = np.array(
            [[left, top], [right, bottom], [(left + right) / 2, (top + bottom) / 2]], np.float64
        )
        return [self.hand(rgb, box, handedness, SURE[corner // 10], corners[[0, 1] + [2] * 19])]

    def hand(self, rgb, box, handedness, score, uv=None):
        left, top, right, bottom = (round(float(value)) for value in box)
        if handedness == "auto":
            cut = rgb[max(top, 0) : bottom, max(left, 0) : right].mean(axis=(0, 2))
            half = len(cut) // 2
            handedness = "right" if cut[:half].mean() > cut[half:].mean() else "left"
        if uv is None:
            uv = np.array(box, np.float64).reshape(2, 2)[np.arange(21) % 2]
        return Hand(handedness, uv, np.zeros(21), np.full(21, score), np.zeros((21, 3)), score)


SURE = {1: 0.8, 2: 0.8, 5: 0.6, 6: 0.1}
"""How sure `Chooser` is of a hand in any box of the pictures of `mixed`."""
WHERE = {10: [(10, 10, 50, 50)], 20: [(10, 10, 50, 50)], 50: [(60, 60, 90, 90)],
         11: [(49, 10, 89, 50)], 21: []}  # fmt: skip
"""And what it finds in them."""


@pytest.fixture
def mixed(tmp_path):
    """Pictures of a right and a left hand, and two of none; a square without a hand in the first.

    Their corners are grey 10, 20, 50 and 60, and those of the mirror images 11, 21, 51 and 61.
    """
    uv = np.zeros((5, 21, 2), np.float32)
    uv[:, 1], uv[:, 2:] = 40.0, 20.0  # two corners of a box, and its middle
    uv[[0, 2]] += 10.0
    uv[1] += 50.0  # in the first picture, beside its hand
    weight = np.ones((5, 21), np.float32)
    weight[[1, 3, 4]] = 0.0
    for number, brighter in ((10, slice(10, 30)), (20, slice(30, 50)), (50, None), (60, None)):
        picture = np.full((100, 100, 3), number, np.uint8)
        if brighter is not None:
            picture[10:50, brighter] = 200
        picture[:, 99] = number + 1
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    np.savez(
        tmp_path / LABELS_FILE,
        set=np.array(["a", "empty", "b", "empty", "empty"]),
        name=np.array(["10.png", "10.png", "20.png", "50.png", "60.png"]),
        uv_px=uv,
        uv_weight=weight,
        is_right=np.array([True, True, False, True, True]),
        split=np.array(["val"] * 5),
    )
    return tmp_path


def test_squares_without_a_hand_tell_what_is_taken_for_one(script, mixed):
    """They have no error, and the hands' numbers are those of hands."""
    table = script.photographs(Chooser(WHERE), mixed, "val", passes=1)
    assert table["all"]["hands"] == 2
    assert table["all"]["mean_px"] == 0.0
    assert table["all"]["hands_seen"] == 1.0
    assert table["all"]["empty_squares"] == 3
    # Beside the first hand the model is as sure as of the hand; 0.6 and 0.1 in the others.
    assert table["all"]["empty_seen"] == pytest.approx(2 / 3)
    assert table["empty"] == {"hands": 0, "empty_squares": 3, "empty_seen": pytest.approx(2 / 3)}
    # What the brighter half says is right of both hands and of their mirror images.
    assert table["all"]["handedness"] == 1.0
    assert table["handedness: left"]["handedness_left_mirrored"] == 1.0
    # 0.8 is said of joints that are all right.
    assert table["all"]["calibration_error"] == pytest.approx(0.2)
    text = script.text_of({"split": "val", "photographs": table})
    assert text.startswith("| photographs (val split) | hands |")
    assert "| empty | 0 |  |  |" in text


def test_whole_pictures_by_set_side_and_mirror_image(script, mixed):
    args = argparse.Namespace(photographs=mixed, split="val", backgrounds=None, passes=1)
    row = script.whole_pictures(Chooser(WHERE), args)
    # Two photographs with hands, two of the folder's own without, and two of the package.
    assert (row["photographs"], row["without hands"]) == (2, 4)
    assert row["recall"] == row["handedness"] == 1.0
    assert row["precision"] == pytest.approx(2 / 3)
    assert row["share_of_empty_with_a_hand"] == 0.25
    groups = row["groups"]
    assert groups["other pictures"] == {
        "pictures": 2, "hands": 0, "empty_pictures": 2, "empty_seen": 0.0,
    }  # fmt: skip
    assert set(groups) == {
        "all", "a", "b", "empty", "handedness: left", "handedness: right", "mirrored",
        "mirrored, a", "mirrored, b", "mirrored, empty", "mirrored, handedness: left",
        "mirrored, handedness: right",
        "other pictures",
    }  # fmt: skip
    assert groups["empty"]["empty_seen"] == 0.5
    assert groups["handedness: left"] == {
        "pictures": 1,
        "hands": 1,
        "recall": 1.0,
        "handedness": 1.0,
    }
    # The right hand's mirror image is found, and left; that of the left one is missed.
    assert groups["mirrored"]["recall"] == 0.5
    assert groups["mirrored, handedness: left"]["recall"] == 1.0
    assert groups["mirrored, handedness: left"]["handedness"] == 1.0
    assert groups["mirrored, handedness: right"]["recall"] == 0.0
    text = script.text_of({"split": "val", "whole pictures": row})
    assert "Whole pictures (val split), 2 photographs and 4 without hands: precision 0.667" in text
    assert "| mirrored, handedness: right | 1 | 1 |  | 0.000 |" in text


def test_pictures_say_their_sets_and_may_hold_no_hand(mixed):
    pictures = list(boxed_pictures(str(mixed), "val"))
    assert [picture.sets for picture in pictures] == [("a",), ("b",), ("empty",), ("empty",)]
    assert [picture.boxes.tolist() for picture in pictures[:3]] == [[[10, 10, 50, 50]]] * 2 + [[]]


def test_the_split_is_that_of_the_validation_unless_another_is_asked_for(
    script, mixed, capsys, monkeypatch
):
    monkeypatch.setattr(script.HandPose, "load", lambda *_, **__: Chooser(WHERE))
    out = mixed / "results.json"
    given = ["--photographs", str(mixed), "--rendered", "0", "--out", str(out)]
    assert script.main(given) == 0
    assert json.loads(out.read_text())["split"] == "val"
    assert "(val split)" in capsys.readouterr().out
    assert script.main([*given, "--split", "test"]) == 2
    assert "holds nothing in the split test" in capsys.readouterr().err


def seen_half_as_deep(xyz_mm):
    """Joints with half the depth about the wrist, in metres, the scale bone as long as it was."""
    joints = (xyz_mm - xyz_mm[0]).astype(np.float64)
    scale = scale_from_joints(joints, Oracle.scale_bone)
    joints[:, 2] /= 2
    joints[9, :2] *= np.sqrt(scale**2 - joints[9, 2] ** 2) / np.linalg.norm(joints[9, :2])
    return joints / 1000.0


def test_photographs_in_3d(script, tmp_path):
    """Rendered hands written as if two cameras had given them; the split is kept."""
    samples = [
        render_sample("varied", "test", seed=0, index=index, size_px=128) for index in range(3)
    ]
    for number, sample in enumerate(samples):
        cv2.imwrite(str(tmp_path / f"{number}.png"), sample.image[:, :, ::-1])
    np.savez(
        tmp_path / POINTS_3D_FILE,
        name=np.array(["0.png", "1.png", "2.png"]),
        split=np.array(["test", "train", "test"]),
        xyz_mm=np.stack([sample.xyz_mm for sample in samples]),
        intrinsics=np.stack([sample.intrinsics for sample in samples]),
        # A labeller of another unit and place that sees half of the depth, but the scale bone.
        labeller_mm=np.stack([seen_half_as_deep(sample.xyz_mm) for sample in samples]),
    )
    np.savez(
        tmp_path / LABELS_FILE,
        name=np.array(["2.png", "1.png", "0.png"]),
        uv_px=np.stack([sample.uv_px for sample in samples[::-1]]) + np.array([1.0, 0.0]),
        uv_weight=np.ones((3, 21), np.float32),
        is_right=np.ones(3, bool),
        split=np.array(["test", "train", "test"]),
    )
    points = script.points_in_3d(tmp_path, "test")
    assert len(script.points_in_3d(tmp_path, "val")["name"]) == 0
    truths = list(rendered_truth(3))
    halves = [(128 / 256 * (uv + 0.5) - 0.5, z) for uv, z in truths]
    row = script.stereo(Oracle([halves[0], halves[2]], off_px=1.0), tmp_path, points, passes=1)
    assert row["hands"] == 2
    boxes = np.array([np.ptp(samples[k].uv_px, axis=0).max() for k in (0, 2)])
    assert row["mean_px"] == pytest.approx(np.mean(256 / (1.3 * boxes)), rel=0.02)
    assert 0.0 < row["depth_mm"] < 1e-2 < row["mean_mm"]
    assert row["depth_slope"] == pytest.approx(1.0, abs=1e-3)
    assert "| photographs in 3D | 2 |" in script.text_of({"photographs in 3D": row})
    other = script.labeller_in_3d(tmp_path, points, Oracle.scale_bone)
    assert other["hands"] == 2
    assert other["mean_px"] == pytest.approx(np.mean(256 / (1.3 * boxes)), rel=0.02)
    depth = np.stack(
        [sample.xyz_mm[:, 2] - sample.xyz_mm[0, 2] for sample in (samples[0], samples[2])]
    )
    assert other["depth_slope"] == pytest.approx(0.5, abs=0.02)
    assert other["depth_mm"] == pytest.approx(np.abs(depth / 2).mean(), rel=0.03)
    assert "| the labeller's own depth | 2 |" in script.text_of({"the labeller's own depth": other})
