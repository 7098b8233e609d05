"""`kerashand-data check` and `label` on a recording."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from dataset_writers import write_rgbd

from kerashand.cli import recordings
from kerashand.cli.data import main


@pytest.fixture
def folder(tmp_path, rng):
    root = tmp_path / "recording"
    write_rgbd(root, rng, frames=10)
    return root


def lines(folder):
    return [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]


def test_a_good_recording(folder, capsys):
    sheet = folder.parent / "sheet.png"
    assert main(["check", str(folder), "--sheet", str(sheet)]) == 0
    out = capsys.readouterr().out
    assert "train: 8 hands, 0 cannot be used" in out
    assert "test: 2 hands, 0 cannot be used" in out
    assert sheet.stat().st_size > 10_000


def test_what_is_wrong_is_said_of_each_frame(folder, capsys):
    (folder / "colour" / "0001.png").unlink()
    (folder / "depth" / "0002.png").write_bytes(b"half")
    (folder / "depth" / "0009.png").unlink()
    rows = [row for row in lines(folder) if row["frame"] != "0004"]
    (folder / "points.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["check", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert "0001.png: does not exist" in out
    assert "0002.png: no depth was measured at its wrist" in out
    assert "1 frames have no points (kerashand-data label fills them in), such as 0004" in out
    assert "name frames without a colour picture, such as 0001" in out
    assert "1 frames have no depth picture, such as 0009" in out
    assert "3 hands cannot be used" in err


def test_a_sheet_is_a_png(folder, capsys):
    assert main(["check", str(folder), "--sheet", "sheet.jpg"]) == 2
    assert "must name a .png file" in capsys.readouterr().err


@pytest.fixture
def predictor(monkeypatch):
    """Finds a hand in all but the third frame that it sees, a doubtful one in the fourth."""
    seen = []

    def build(arguments, at_end):
        def predict(rgb):
            seen.append(rgb.shape)
            if len(seen) == 3:
                return None
            score = 0.2 if len(seen) == 4 else 0.9
            return recordings._row("left", score, np.full((21, 2), 7.123), np.full(21, 0.5))

        return predict

    monkeypatch.setitem(recordings.PREDICTORS, "kerashand", build)
    return seen


def test_frames_without_points_are_filled_in(folder, predictor, capsys):
    kept = [row for row in lines(folder) if row["frame"] < "0004"]
    (folder / "points.jsonl").write_text("\n".join(json.dumps(row) for row in kept))
    assert main(["label", str(folder)]) == 0
    assert predictor == [(480, 640, 3)] * 6
    rows = lines(folder)
    assert rows[:4] == kept
    assert [row["frame"] for row in rows[4:]] == ["0004", "0005", "0008", "0009"]
    assert rows[-1]["side"] == "left"
    assert rows[-1]["uv_px"][20] == [7.12, 7.12]
    assert "hands in 4 of 6 frames without points, 4 had some" in capsys.readouterr().out


def test_what_was_found_before_a_stop_is_kept(folder, predictor, monkeypatch):
    (folder / "points.jsonl").unlink()
    read = recordings._read_rgb

    def stopped(path):
        if path.stem == "0002":
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(recordings, "_read_rgb", stopped)
    assert main(["label", str(folder)]) == 130
    assert [row["frame"] for row in lines(folder)] == ["0000", "0001"]


def test_no_recording(tmp_path, capsys):
    assert main(["label", str(tmp_path)]) == 2
    assert "recording.yaml does not exist" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ MediaPipe


@pytest.fixture
def mediapipe(monkeypatch, tmp_path):
    """A stand-in for MediaPipe that finds a left hand; `hand_landmarker.task` as its model."""

    class Landmarker:
        @classmethod
        def create_from_options(cls, options):
            if b"whole" not in Path(options["base_options"]["model_asset_path"]).read_bytes():
                raise RuntimeError("Unable to open zip archive.")
            assert options["num_hands"] == 1
            return cls()

        def close(self):
            pass

        def detect(self, image):
            assert image["data"].shape == (480, 640, 3)
            point = SimpleNamespace(x=0.5, y=0.25)
            side = SimpleNamespace(category_name="Left", score=0.98)
            return SimpleNamespace(hand_landmarks=[[point] * 21], handedness=[[side]])

    vision = SimpleNamespace(HandLandmarker=Landmarker, HandLandmarkerOptions=dict)
    python = SimpleNamespace(BaseOptions=dict, vision=vision)
    package = SimpleNamespace(Image=dict, ImageFormat=SimpleNamespace(SRGB=1))
    monkeypatch.setitem(sys.modules, "mediapipe", package)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks", SimpleNamespace(python=python))
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", python)
    model = tmp_path / "hand_landmarker.task"
    model.write_bytes(b"whole")
    return model


def by_mediapipe(folder, *more):
    return main(["label", str(folder), "--with", "mediapipe", *map(str, more)])


def test_mediapipe_fills_in_points(folder, mediapipe):
    (folder / "points.jsonl").unlink()
    assert by_mediapipe(folder, "--model", mediapipe) == 0
    rows = lines(folder)
    assert len(rows) == 10
    assert rows[0]["side"] == "left"
    assert rows[0]["uv_px"][20] == [319.5, 119.5]
    assert rows[0]["weight"] == [1.0] * 21


def test_what_mediapipe_needs_is_said(folder, mediapipe, monkeypatch, capsys):
    for arguments, text in (
        ([], "needs `--model hand_landmarker.task`"),
        (["--model", "nowhere.task"], "nowhere.task does not exist"),
        (["--model", mediapipe, "--finder", mediapipe], "takes no --finder"),
    ):
        assert by_mediapipe(folder, *arguments) == 2
        assert text in capsys.readouterr().err
    mediapipe.write_bytes(b"half")
    assert by_mediapipe(folder, "--model", mediapipe) == 2
    assert "hand_landmarker.task: Unable to open zip archive" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    assert by_mediapipe(folder, "--model", mediapipe) == 2
    assert "pip install --no-deps mediapipe" in capsys.readouterr().err
