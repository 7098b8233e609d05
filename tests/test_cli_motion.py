"""Gestures and files for other programs that `kerashand-predict` writes, of given hands."""

import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from animation_readers import read_bvh, read_gltf
from film_files import write_film
from test_gestures import POSES, posed

from kerashand.cli import predict
from kerashand.runtime import Hand, HandPose
from kerashand.runtime.tracker import HandTracker
from kerashand.skeleton import JOINT_NAMES

FRAMES = 5


def hand_of(joints):
    return Hand(
        handedness="right", uv_px=60.0 + 20.0 * joints[:, :2], z_relative=joints[:, 2], score=0.9,
        confidence=np.full(21, 0.9), xyz_relative=joints, p_right=0.9,
    )  # fmt: skip


@pytest.fixture
def given(monkeypatch):
    """No models: a picture shows a fist; a film shows victory, with its fifth frame empty."""
    fist, victory = (hand_of(posed(POSES[name])) for name in ("fist", "victory"))
    pose = SimpleNamespace(scale_bone="wrist_middle_mcp", predict=lambda rgb, **_: [fist])
    seen = iter([[(2, victory)]] * (FRAMES - 1) + [[]])
    monkeypatch.setattr(HandPose, "load", lambda *_, **__: pose)
    monkeypatch.setattr(HandTracker, "__init__", lambda self, *_, **__: None)
    monkeypatch.setattr(HandTracker, "update", lambda self, rgb, seconds: next(seen))
    return victory


@pytest.fixture
def clip(tmp_path):
    write_film(tmp_path / "clip.mp4", np.zeros((FRAMES, 64, 96, 3), np.uint8))
    return tmp_path / "clip.mp4"


@pytest.fixture
def photo(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((64, 96, 3), np.uint8))
    return tmp_path / "photo.png"


def run(*arguments):
    return predict.main([*map(str, arguments), "--no-drawing"])


def test_a_picture_tells_the_gesture(given, photo, capsys):
    lines, table = photo.with_suffix(".jsonl"), photo.with_suffix(".csv")
    assert run(photo, "--json", lines, "--csv", table) == 0
    out = capsys.readouterr().out
    assert "hand 0: right, score 0.90; fist, 0 fingers" in out
    assert f"{table}: 1 row" in out
    (hand,) = json.loads(lines.read_text())["hands"]
    assert hand["gesture"] == "fist"
    assert 0.5 < hand["gesture_score"] <= 1
    assert hand["extended_fingers"] == [False] * 5
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row["input"] == str(photo)
    assert row["frame"] == row["time_s"] == row["extended_fingers"] == ""
    assert row["gesture"] == "fist"


def test_a_video_becomes_a_table_and_skeletons(given, clip, capsys):
    files = {name: clip.with_suffix(f".{name}") for name in ("csv", "bvh", "gltf")}
    asked = [part for name, file in files.items() for part in (f"--{name}", file)]
    assert run(clip, *asked, "--scale-mm", "80") == 0
    out = capsys.readouterr().out
    assert f"{files['bvh']}: 1 hand" in out
    assert f"{files['csv']}: 4 rows" in out
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [row["frame"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["gesture"] for row in rows] == ["", "", "victory", "victory"]  # it has to hold
    assert {row["extended_fingers"] for row in rows} == {"index middle"}
    assert {row["number"] for row in rows} == {"2"}
    xyz = given.xyz_relative * 80
    for joint, name in ((0, "wrist"), (8, "index_tip"), (20, "little_tip")):
        told = [float(rows[1][f"{name}_{axis}_mm"]) for axis in "xyz"]
        np.testing.assert_allclose(told, xyz[joint], atol=0.01)
        told = [float(rows[1][f"{name}_{axis}_px"]) for axis in "uv"]
        np.testing.assert_allclose(told, given.uv_px[joint], atol=0.01)
    places, frame_s = read_bvh(files["bvh"].read_text())
    assert frame_s == pytest.approx(1 / 25)
    _, world, times = read_gltf(files["gltf"].read_text())
    assert len(times) == FRAMES - 1
    in_bvh = places["hand2_right_ring_dip"] - places["hand2_right_wrist"]
    in_gltf = (world["hand2_right_ring_dip"] - world["hand2_right_wrist"])[:, :3, 3]
    expected = xyz[JOINT_NAMES.index("ring_dip")] * [1, -1, -1]
    np.testing.assert_allclose(1000 * in_bvh, [expected] * FRAMES, atol=0.1)
    np.testing.assert_allclose(1000 * in_gltf, [expected] * (FRAMES - 1), atol=0.1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["photo.png", "--bvh", "a.bvh"], "--bvh is for one video. Received: the picture"),
        (["clip.mp4", "photo.png", "--gltf", "a.gltf"], "--gltf is for one video. Received: 2 inp"),
        (["clip.mp4", "--bvh", "a.gltf"], "--bvh must name a file that ends in .bvh. Received: a"),
        (["photo.png", "--csv", "-"], "--csv must name a file"),
        (["photo.png", "--csv", "photo.png"], "--csv: photo.png is taken by photo.png"),
        (["photo.png", "--csv", "a", "--json", "a"], "--csv: a is taken by --json"),
    ],
)
def test_files_that_cannot_be_written_are_refused(
    given, clip, photo, monkeypatch, asked, message, capsys
):
    monkeypatch.chdir(photo.parent)
    before = sorted(path.name for path in photo.parent.iterdir())
    assert run(*asked) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in photo.parent.iterdir()) == before
