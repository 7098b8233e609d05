"""`kerashand-data check` and `label` on a recording."""

import json

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

    def build(arguments):
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
