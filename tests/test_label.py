"""`kerashand-data label` on a recording: hands that are filled in, and what a stop leaves."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from recording_folders import lines, recording_folder, without_depth_reader
from stick_hand import SHAPE

from kerashand.cli import label
from kerashand.cli.data import main
from kerashand.labelling import Finder
from kerashand.runtime.hand import Hand

folder = pytest.fixture(recording_folder)
colour_alone = pytest.fixture(autouse=True)(without_depth_reader)

OPEN_HAND = 300.123 + 75.0 * SHAPE
"""Fingers up, 75 px from the wrist to the middle knuckle."""


def made_hand(handedness, score, uv_px=OPEN_HAND):
    return Hand(
        handedness=handedness, score=score, uv_px=uv_px, z_relative=np.zeros(21),
        confidence=np.full(21, 0.5), xyz_relative=np.zeros((21, 3)),
    )  # fmt: skip


@pytest.fixture
def predictor(monkeypatch):
    """Finds a hand in all but the third frame that it sees, a doubtful one in the fourth."""
    seen = []

    def build(arguments, at_end):
        def find(rgb):
            seen.append(rgb.shape)
            if len(seen) == 3:
                return []
            score = 0.2 if len(seen) == 4 else 0.9
            return [made_hand("left", score)]

        return Finder(find), ("wrist_middle_mcp", "line_of_sight")

    monkeypatch.setitem(label.PREDICTORS, "kerashand", build)
    return seen


def test_frames_without_points_are_filled_in(folder, predictor, capsys):
    kept = [row for row in lines(folder) if row["frame"] < "0004"]
    (folder / "points.jsonl").write_text("\n".join(json.dumps(row) for row in kept))
    assert main(["label", str(folder)]) == 0
    assert predictor == [(480, 640, 3)] * 6
    rows = lines(folder)
    assert rows[:4] == kept
    assert [row["frame"] for row in rows[4:]] == ["0004", "0005", "0008", "0009"]
    assert rows[-1]["handedness"] == "left"
    assert rows[-1]["uv_px"][0] == [300.12, 300.12]
    assert rows[-1]["uv_px"][9] == [300.12, 225.12]
    assert "hands in 4 of 6 frames without points, 4 had some" in capsys.readouterr().out


def test_what_was_saved_in_the_meantime_stays(folder, predictor, monkeypatch, capsys):
    """Somebody corrects a line and adds one while `label` works."""
    old = lines(folder)
    kept = [row for row in old if row["frame"] < "0004"]
    write = (folder / "points.jsonl").write_text
    write("\n".join(json.dumps(row) for row in kept))
    corrected = kept[0] | {"weight": [0.5] * 21}
    added = next(row for row in old if row["frame"] == "0005")
    read = label.FrameReader.read

    def reading(reader, frame):
        if frame == "0009":
            write("\n".join(json.dumps(row) for row in [corrected, *kept[1:], added]) + "\n{")
        return read(reader, frame)

    monkeypatch.setattr(label.FrameReader, "read", reading)
    assert main(["label", str(folder)]) == 0
    text = (folder / "points.jsonl").read_text().splitlines()
    assert text.pop(5) == "{"  # half a line of an editor: `check` will name it
    rows = [json.loads(line) for line in text]
    assert rows[:5] == [corrected, *kept[1:], added]
    assert [row["frame"] for row in rows[5:]] == ["0004", "0008", "0009"]
    assert "hands in 3 of 6 frames" in capsys.readouterr().out


def test_a_wrong_unit_is_named_where_no_hand_fits(folder, predictor, capsys):
    """Hands of 600 mm, seen as large as they are, and depth that is read as ten times as far."""
    (folder / "points.jsonl").unlink()
    text = (folder / "recording.yaml").read_text()
    assert "unit_mm: 1.0" in text
    (folder / "recording.yaml").write_text(text.replace("unit_mm: 1.0", "unit_mm: 10.0"))
    assert main(["label", str(folder)]) == 2
    assert "explain it: `depth.unit_mm: 1`" in capsys.readouterr().err
    assert not (folder / "points.jsonl").exists()


def stop_at(monkeypatch, stop):
    """Somebody stops the command when this frame is read."""
    read = label.FrameReader.read

    def stopped(reader, frame):
        if frame == stop:
            raise KeyboardInterrupt
        return read(reader, frame)

    monkeypatch.setattr(label.FrameReader, "read", stopped)


def test_what_was_found_before_a_stop_is_kept(folder, predictor, monkeypatch):
    (folder / "points.jsonl").unlink()
    stop_at(monkeypatch, "0002")
    assert main(["label", str(folder)]) == 130
    assert [row["frame"] for row in lines(folder)] == ["0000", "0001"]


def test_hands_that_could_not_be_used_are_not_added(folder, predictor, capsys):
    (folder / "points.jsonl").unlink()
    (folder / "depth" / "0001.png").unlink()
    assert main(["label", str(folder)]) == 0
    assert [row["frame"] for row in lines(folder)] == [f"000{n}" for n in (0, 4, 5, 6, 7, 8, 9)]
    out = capsys.readouterr().out
    assert "left out: " in out
    assert "depth/0001.png: does not exist" in out
    assert "hands in 7 of 10 frames" in out
    assert main(["check", str(folder)]) == 0


def test_a_bad_picture_does_not_stop_the_others(folder, predictor, capsys):
    (folder / "points.jsonl").unlink()
    (folder / "colour" / "0001.png").write_bytes(b"half")
    data = (folder / "colour" / "0005.png").read_bytes()
    (folder / "colour" / "0005.png").write_bytes(data[: len(data) // 2])
    cv2.imwrite(str(folder / "colour" / "0007.png"), np.zeros((48, 64, 3), np.uint8))
    assert main(["label", str(folder)]) == 0
    assert predictor == [(480, 640, 3)] * 7
    assert [row["frame"] for row in lines(folder)] == ["0000", "0002", "0006", "0008", "0009"]
    out = capsys.readouterr().out
    assert "0001.png: is not a picture that can be read" in out
    assert "0005.png: is a PNG file that was cut short" in out
    assert "0007.png: is 64 x 48 pixels, not 640 x 480" in out


# ------------------------------------------------------------------- depth that is another picture


def reads_depth(monkeypatch, shift_px):
    """A model by depth that sees the hand beside its place in colour."""

    def read(picture, hand):
        return dataclasses.replace(hand, uv_px=OPEN_HAND + np.array([shift_px, 0.0]))

    monkeypatch.setattr(label, "depth_reader", lambda: read)


def with_few_lines(folder):
    """The recording with points in three frames; what points.jsonl holds then."""
    text = "\n".join((folder / "points.jsonl").read_text().splitlines()[:3]) + "\n"
    (folder / "points.jsonl").write_text(text)
    return text


@pytest.fixture
def all_found(monkeypatch):
    sure = dataclasses.replace(made_hand("left", 0.9), confidence=np.full(21, 0.9))
    finder = Finder(lambda rgb: [sure])
    unit = ("wrist_middle_mcp", "line_of_sight")
    monkeypatch.setitem(label.PREDICTORS, "kerashand", lambda arguments, at_end: (finder, unit))


def test_depth_that_is_shifted_is_an_error_and_nothing_is_written(
    folder, all_found, monkeypatch, capsys
):
    reads_depth(monkeypatch, 30.0)
    (folder / "points.jsonl").unlink()
    assert main(["label", str(folder)]) == 2
    told = capsys.readouterr().err
    assert "shifted by (+30, +0) pixels" in told
    assert "No points were written" in told
    assert not (folder / "points.jsonl").exists()


def test_points_of_before_stay_where_depth_is_shifted(folder, all_found, monkeypatch, capsys):
    reads_depth(monkeypatch, 30.0)
    before = with_few_lines(folder)
    assert main(["label", str(folder)]) == 2
    assert (folder / "points.jsonl").read_text() == before


def test_a_stop_does_not_keep_points_where_depth_is_shifted(folder, all_found, monkeypatch, capsys):
    reads_depth(monkeypatch, 30.0)
    (folder / "points.jsonl").unlink()
    stop_at(monkeypatch, "0009")
    assert main(["label", str(folder)]) == 130
    assert "shifted by (+30, +0) pixels" in capsys.readouterr().out
    assert not (folder / "points.jsonl").exists()


@pytest.mark.parametrize(("asked", "doubted"), [("right", True), ("left", False)])
def test_a_side_that_is_not_seen_is_a_warning(folder, all_found, capsys, asked, doubted):
    (folder / "points.jsonl").unlink()
    assert main(["label", str(folder), "--handedness", asked]) == 0
    out = capsys.readouterr().out
    text = (
        "WARNING: --handedness right may be wrong: a hand of the other side was found in 10 frames,"
        " one of this side in 0"
    )
    assert (text in out) == doubted


def test_depth_in_doubt_is_a_warning(folder, all_found, monkeypatch, capsys):
    reads_depth(monkeypatch, 11.0)
    (folder / "points.jsonl").unlink()
    assert main(["label", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "WARNING: depth may not belong to colour" in out
    assert "shifted by (+11, +0) pixels" in out
    assert len(lines(folder)) == 10
    reads_depth(monkeypatch, 3.0)
    (folder / "points.jsonl").unlink()
    assert main(["label", str(folder)]) == 0
    assert "belong to colour" not in capsys.readouterr().out


# ------------------------------------------------------------------------------ names of files


def test_files_that_macos_and_cameras_name(folder, predictor, capsys):
    """Hidden files are no frames, and suffixes may be written in any way."""
    (folder / "points.jsonl").unlink()
    for kind in ("colour", "depth"):
        (folder / kind / "._0000.png").write_bytes(b"\0\5\x16\7")
        (folder / kind / ".DS_Store").write_bytes(b"\0")
        (folder / kind / "0001.png").rename(folder / kind / "0001.PNG")
    picture = cv2.imread(str(folder / "colour" / "0002.png"))
    cv2.imwrite(str(folder / "colour" / "0002.jpg"), picture)
    (folder / "colour" / "0002.jpg").rename(folder / "colour" / "0002.JPEG")
    (folder / "colour" / "0002.png").unlink()
    assert main(["label", str(folder)]) == 0
    assert "hands in 8 of 10 frames without points" in capsys.readouterr().out
    assert main(["check", str(folder)]) == 0


# ------------------------------------------------------------------------- what text files hold


def test_text_as_windows_writes_it(folder, predictor, capsys):
    """A byte-order mark and line ends of two characters are read; UTF-16 is named."""
    for name in ("points.jsonl", "recording.yaml"):
        text = (folder / name).read_text()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert main(["check", str(folder)]) == 0
    text = (folder / "points.jsonl").read_text("utf-8-sig")
    rows = [json.loads(line) for line in text.split("\n")[:4]]
    (folder / "points.jsonl").write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(json.dumps(row) for row in rows).encode()
    )
    assert main(["label", str(folder)]) == 0
    assert lines(folder)[:4] == rows
    capsys.readouterr()
    for name in ("points.jsonl", "recording.yaml"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content.decode("utf-8-sig").encode("utf-16"))
        for command in ("check", "label"):
            assert main([command, str(folder)]) == 2
            told = capsys.readouterr().err
            assert name in told
            assert "the file is UTF-16 text" in told
        (folder / name).write_bytes(content)


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
            points = [
                SimpleNamespace(x=(u + 0.5) / 640, y=(v + 0.5) / 480, z=-0.01) for u, v in OPEN_HAND
            ]
            handedness = SimpleNamespace(category_name="Left", score=0.98)
            return SimpleNamespace(hand_landmarks=[points], handedness=[[handedness]])

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
    assert rows[0]["handedness"] == "left"
    assert rows[0]["uv_px"][0] == [300.12, 300.12]
    assert rows[0]["uv_px"][9] == [300.12, 225.12]
    # MediaPipe names no confidence of points, and nothing supports a single look.
    assert rows[0]["weight"] == [0.8] * 21
    assert len(rows[0]["z_mm"]) == 21


def test_what_mediapipe_needs_is_said(folder, mediapipe, monkeypatch, capsys):
    for arguments, text in (
        ([], "needs `--model hand_landmarker.task`"),
        (["--model", "nowhere.task"], "nowhere.task does not exist"),
        (["--model", mediapipe, "--detector", mediapipe], "takes no --detector"),
    ):
        assert by_mediapipe(folder, *arguments) == 2
        assert text in capsys.readouterr().err
    mediapipe.write_bytes(b"half")
    assert by_mediapipe(folder, "--model", mediapipe) == 2
    assert "hand_landmarker.task: Unable to open zip archive" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    assert by_mediapipe(folder, "--model", mediapipe) == 2
    assert "pip install --no-deps mediapipe" in capsys.readouterr().err
