"""`kerashand-data check` and `label` on a recording."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
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
    assert "without points (kerashand-data label fills them in): 1, such as 0004" in out
    assert "in points.jsonl without a colour picture: 1, such as 0001" in out
    assert "without a depth picture: 1, such as 0009" in out
    assert "3 hands cannot be used" in err


def test_one_hand_is_no_hands(folder, capsys):
    (folder / "depth" / "0009.png").unlink()
    assert main(["check", str(folder)]) == 2
    assert "1 hand cannot be used" in capsys.readouterr().err


def test_sheets_of_every_hand_name_lines(folder, monkeypatch, capsys):
    drawn = []
    sheet = recordings.visualize.contact_sheet

    def kept(rows, *, column_titles, captions):
        drawn.append((column_titles, captions))
        return sheet(rows, column_titles=column_titles, captions=captions)

    rows = lines(folder)[::-1]
    (folder / "points.jsonl").write_text("\n" + "\n".join(json.dumps(row) for row in rows))
    (folder / "colour" / "0001.png").unlink()
    monkeypatch.setattr(recordings.visualize, "contact_sheet", kept)
    monkeypatch.setattr(recordings, "SHEET_HANDS", 4)
    out = folder.parent / "sheet.png"
    assert main(["check", str(folder), "--sheet", str(out), "--all"]) == 2
    assert [p.name for p in sorted(folder.parent.glob("*.png"))] == [
        "sheet.png", "sheet_2.png", "sheet_3.png"
    ]  # fmt: skip
    assert all(titles == ["points", "depth"] * 2 for titles, _ in drawn)
    names = [c[0::2] for _, captions in drawn for c in captions]
    # Lines count from 1, the empty one too.
    assert names[:2] == [["line 11: 0000.png", "line 9: 0002.png"],
                         ["line 8: 0003.png", "line 7: 0004.png"]]  # fmt: skip
    assert names[-1] == ["line 2: 0009.png"]
    assert "sheet_3.png: 1 hand\n" in capsys.readouterr().out
    assert main(["check", str(folder), "--all"]) == 2
    assert "give `--sheet PNG` too" in capsys.readouterr().err


def test_photographs(tmp_path, rng, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.full((80, 100, 3), 90, np.uint8))
    labels = {
        "name": np.array(["a.png", "a.png", "b.png"]),
        "uv_px": rng.uniform(10, 70, (3, 21, 2)).astype(np.float32),
        "uv_weight": np.ones((3, 21), np.float32),
        "is_right": np.array([True, False, True]),
        "split": np.array(["train", "train", "test"]),
    }
    np.savez(folder / "labels.npz", **labels)
    sheet = tmp_path / "sheet.png"
    arguments = ["check", str(folder), "--kind", "photos", "--sheet", str(sheet)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "train: 2 hands\nval: 0 hands\ntest: 1 hand\n" in out
    assert "sheet.png: 3 hands" in out
    (folder / "a.png").write_bytes(b"half")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert "a.png: is missing or no picture" in out
    assert "sheet.png: 1 hand\n" in out
    assert "2 hands cannot be used. Mend what is wrong." in err


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
            return recordings._row("left", score, np.full((21, 2), 300.123), np.full(21, 0.5))

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
    assert rows[-1]["uv_px"][20] == [300.12, 300.12]
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


def test_hands_that_could_not_be_used_are_not_added(folder, predictor, capsys):
    (folder / "points.jsonl").unlink()
    (folder / "depth" / "0001.png").unlink()
    assert main(["label", str(folder)]) == 0
    assert [row["frame"] for row in lines(folder)] == [f"000{n}" for n in (0, 4, 5, 6, 7, 8, 9)]
    out = capsys.readouterr().out
    assert "left out: " in out
    assert "0001.png: no depth was measured at its wrist" in out
    assert "hands in 7 of 10 frames" in out
    assert main(["check", str(folder)]) == 0


def test_no_recording(tmp_path, capsys):
    assert main(["label", str(tmp_path)]) == 2
    assert "recording.yaml does not exist" in capsys.readouterr().err
    nowhere = tmp_path / "nowhere"
    for arguments in (
        ["label"],
        ["check"],
        ["check", "--kind", "rhd"],
        ["check", "--kind", "photos"],
    ):
        assert main([*arguments, str(nowhere)]) == 2
        assert f"{nowhere} does not exist." in capsys.readouterr().err
    nowhere.write_text("")
    assert main(["check", str(nowhere)]) == 2
    assert f"{nowhere} is no folder." in capsys.readouterr().err


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
