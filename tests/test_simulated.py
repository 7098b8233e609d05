"""Simulated recordings: what is drawn is where the truth says, and labels follow."""

import json

import numpy as np
import pytest

from kerashand.cli.data import SCENES, main
from kerashand.synthetic import rooms
from kerashand.synthetic.recording import SimulatedRecording


def test_scenes_are_named_once():
    assert SCENES == rooms.SCENES


@pytest.mark.parametrize("scene", SCENES)
def test_truth_and_picture_agree(scene):
    recording = SimulatedRecording(scene, 5, 40)
    frame = recording.frame(17)
    uv = frame.xyz_mm @ recording.intrinsics.T
    np.testing.assert_allclose(frame.uv_px, uv[:, :2] / uv[:, 2:])
    assert frame.image.shape == (480, 640, 3)
    # Most joints lie behind skin that was measured at their points.
    u, v = np.rint(frame.uv_px).astype(int).T
    behind = frame.xyz_mm[:, 2] - frame.depth_mm[v, u]
    on_hand = frame.hand[v, u] & (frame.depth_mm[v, u] > 0)
    assert on_hand.sum() >= 12
    assert np.median(behind[on_hand]) == pytest.approx(11.0, abs=9.0)
    again = SimulatedRecording(scene, 5, 40).frame(17)
    assert (again.image == frame.image).all()


def test_the_hand_moves_a_little_from_frame_to_frame():
    recording = SimulatedRecording("free", 9, 60)
    steps = [
        np.abs(recording.frame(n + 1).xyz_mm - recording.frame(n).xyz_mm).max() for n in (3, 30)
    ]
    assert 0.1 < max(steps) < 60.0


def test_every_third_frame_of_a_motion():
    sparse, whole = SimulatedRecording("free", 9, 4, every=3), SimulatedRecording("free", 9, 12)
    for number in (0, 3):
        frame, same = sparse.frame(number), whole.frame(3 * number)
        np.testing.assert_array_equal(frame.xyz_mm, same.xyz_mm)
        np.testing.assert_array_equal(frame.image, same.image)


def test_the_table_lies_below_the_hand():
    recording = SimulatedRecording("table", 3, 60)
    normal, offset = recording.room.table
    for number in (0, 25, 50):
        joints = recording.frame(number).xyz_mm
        assert (joints @ normal - offset).min() > 0


def test_unknown_scene():
    with pytest.raises(ValueError, match="`scene` must be one of"):
        SimulatedRecording("kitchen", 0, 10)


def test_from_simulation_to_labels(tmp_path, capsys):
    folder = tmp_path / "recording"
    assert main(["simulate", str(folder), "--scene", "free", "--frames", "8", "--seed", "12"]) == 0
    assert main(["simulate", str(folder), "--frames", "8"]) == 2
    assert "holds files already" in capsys.readouterr().err
    assert main(["simulate", str(tmp_path / "new"), "--frames", "8", "--every", "0"]) == 2
    assert "--every must be 1 to 12500, for --frames 8. Received: 0" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    for name, message in ((tmp_path / "none", "does not exist"), (empty, "holds no pictures")):
        # Few rooms show a photograph, so it is looked for before.
        arguments = ["simulate", str(tmp_path / "new"), "--frames", "2", "--backgrounds", str(name)]
        assert main(arguments) == 2
        assert f"{name} {message}" in capsys.readouterr().err
    assert main(["label", str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    truth = np.load(folder / "truth.npz")
    off = [
        np.linalg.norm(np.array(row["uv_px"]) - uv, axis=1).mean() / np.ptp(uv, axis=0).max()
        for row, uv in zip(rows, truth["uv_px"], strict=True)
    ]
    assert np.mean(off) < 0.1
    assert {row["handedness"] for row in rows} == {"right"}
    assert main(["check", str(folder)]) == 0
