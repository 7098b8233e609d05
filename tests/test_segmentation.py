"""The hand in a depth picture: rendered recordings, whose masks are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from stick_hand import SHAPE

from kerashand.data.kinds import rgbd
from kerashand.data.readers import table
from kerashand.data.segmentation import BACKGROUND, HAND, UNSURE, segment_hand
from kerashand.geometry.flesh import load_flesh
from kerashand.geometry.joint_depth import fitted_depth
from kerashand.synthetic.recording import SimulatedRecording

FRAMES = (5, 33, 61)


def overlaps(scene, seed):
    """Intersection over union of the hand where it is not called unsure, and the unsure share."""
    recording = SimulatedRecording(scene, seed, 80)
    for number in FRAMES:
        frame = recording.frame(number)
        kinds = segment_hand(
            frame.depth_mm.astype(np.float32), frame.uv_px, frame.xyz_mm[:, 2],
            intrinsics=recording.intrinsics, palm_mm=recording.palm_mm,
        )  # fmt: skip
        truth = frame.hand & (frame.depth_mm > 0)
        known = (kinds != UNSURE) & ~frame.arm
        found = (kinds == HAND) & known
        union = ((found | truth) & known).sum()
        yield (found & truth).sum() / union, ((kinds == UNSURE) & truth).sum() / truth.sum()


@pytest.mark.parametrize("scene", ["table", "wall", "body", "object"])
def test_the_hand_is_told_from_what_is_around_it(scene):
    found, unsure = zip(*overlaps(scene, 41), strict=True)
    assert np.mean(found) > 0.9
    assert min(found) > 0.75
    assert np.mean(unsure) < 0.15


def flat_hand(distance_mm=500.0, focal_px=500.0):
    """A hand of sticks: fingers up, 90 px from the wrist to the middle knuckle; right size."""
    uv = np.array([160.0, 220.0]) + 90.0 * SHAPE
    intrinsics = np.array([[focal_px, 0, 160.0], [0, focal_px, 160.0], [0, 0, 1]])
    return uv, np.full(21, distance_mm), intrinsics


def test_a_table_that_a_finger_touches_is_no_finger():
    """A finger of sticks 16 mm above a table: the table beside it is background, not hand."""
    uv, depth, intrinsics = flat_hand()
    picture = np.full((320, 320), 512.0, np.float32)
    left, right = (int(uv[8, 0]) - 7, int(uv[8, 0]) + 8)
    picture[int(uv[8, 1]) : int(uv[0, 1]), left:right] = 496.0
    kinds = segment_hand(picture, uv, depth, intrinsics=intrinsics, palm_mm=90.0)
    row = (int(uv[8, 1]) + int(uv[7, 1])) // 2
    assert kinds[row, int(uv[8, 0])] == HAND
    assert kinds[row, left - 6] == BACKGROUND
    assert kinds[10, 10] == BACKGROUND


def test_what_lies_before_the_hand_is_unsure():
    uv, depth, intrinsics = flat_hand()
    picture = np.full((320, 320), 900.0, np.float32)
    picture[100:225, 130:200] = 492.0
    picture[150:170, 100:230] = 430.0  # a bar across the palm
    picture[200:204, 150:170] = 0.0
    kinds = segment_hand(picture, uv, depth, intrinsics=intrinsics, palm_mm=90.0)
    assert kinds[140, 160] == HAND
    assert kinds[160, 160] == UNSURE
    assert kinds[202, 160] == UNSURE
    assert kinds[160, 300] == BACKGROUND


def test_convention_fitted_depth():
    """Joints predicted at 700, skin at 486 everywhere: the palm is 0.7 x 0.2 x 100 mm behind it."""
    uv, depth, _ = flat_hand(distance_mm=700.0)
    picture = np.full((320, 320), 486.0, np.float32)
    np.testing.assert_allclose(fitted_depth(picture, uv, depth, palm_mm=100.0), 500.0)
    # A finger's joint is less far behind the skin: 0.7 x 0.115 x 100 mm at its tip.
    moved = fitted_depth(picture, uv, depth, palm_mm=100.0, most=0.45)
    assert moved[8] == pytest.approx(486.0 + 8.05)
    assert fitted_depth(np.zeros((320, 320), np.float32), uv, depth, palm_mm=100.0) is None


@pytest.mark.parametrize(("before_mm", "known"), [(0.0, True), (60.0, True), (6.0, False)])
def test_the_depth_of_a_wrist(monkeypatch, before_mm, known):
    """A palm of 100 mm, seen mostly from the back (-0.76): 0.23 of it is flesh at the wrist.

    Where depth is predicted of all joints, the hand tells, and not what lies before the wrist.
    """
    uv, depth, intrinsics = flat_hand(distance_mm=700.0)
    picture = np.full((320, 320), 486.0, np.float32)
    left, top = np.rint(uv[0]).astype(int) - 20
    picture[top : top + 41, left : left + 41] -= before_mm
    monkeypatch.setattr(table, "depth_seen", lambda *_: picture)
    figures = load_flesh()
    share = (-0.76 - figures.seen[0]) / (figures.seen[1] - figures.seen[0])
    thick = 100.0 * ((1.0 - share) * figures.depth[0] + share * figures.depth[1])
    assert figures.seen[1] >= -0.76
    expected = 486.0 - before_mm + thick[0]
    if known:  # all are predicted at one depth: joints of the palm say where, the others agree
        agree = np.abs(thick - np.median(thick[[1, 5, 9, 13, 17]])) < 20.0
        expected = 486.0 + np.median(thick[agree])
    hand = SimpleNamespace(
        uv_px=uv[None], is_right=np.array([True]), intrinsics=intrinsics[None],
        joint_depth_mm=(depth if known else depth + np.nan)[None],
    )  # fmt: skip
    assert rgbd.root_depth_mm(hand, 0, 100.0) == pytest.approx(expected, abs=1.5)
