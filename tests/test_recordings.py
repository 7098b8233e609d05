"""`kerashand-data check` and `label` on a recording."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from dataset_writers import write_rgbd
from stick_hand import SHAPE

from kerashand.cli import label, recordings
from kerashand.cli.data import main
from kerashand.data.kinds import rgbd
from kerashand.data.readers.recording import Pictures
from kerashand.labelling import Finder
from kerashand.runtime.hand import Hand

OPEN_HAND = 300.123 + 75.0 * SHAPE
"""Fingers up, 75 px from the wrist to the middle knuckle."""


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
    assert "depth/0002.png: is not a picture that can be read" in out
    assert "depth/0009.png: does not exist" in out
    assert "without points (kerashand-data label fills them in): 1, such as 0004" in out
    assert "in points.jsonl without a colour picture: 1, such as 0001" in out
    assert "without a depth picture: 1, such as 0009" in out
    assert "3 hands cannot be used" in err


def test_one_hand_is_no_hands(folder, capsys):
    (folder / "depth" / "0009.png").unlink()
    assert main(["check", str(folder)]) == 2
    assert "1 hand cannot be used" in capsys.readouterr().err


def test_a_recording_shows_one_hand(folder, capsys):
    rows = [row | {"handedness": "right"} for row in lines(folder)]
    points = folder / "points.jsonl"
    points.write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["check", str(folder)]) == 0
    assert "one hand" not in capsys.readouterr().out
    rows += [rows[3] | {"handedness": "left"}]
    points.write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"though a recording shows one hand: 1, such as {rows[3]['frame']}" in out
    assert (
        f"hands of both sides, though a recording shows one hand: left 1, right {len(rows) - 1}"
        in out
    )


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
    assert "a.png: is not a picture that can be read" in out
    assert "sheet.png: 1 hand\n" in out
    assert "2 hands cannot be used. Mend what is wrong." in err


def test_a_sheet_is_a_png(folder, capsys):
    assert main(["check", str(folder), "--sheet", "sheet.jpg"]) == 2
    assert "must name a .png file" in capsys.readouterr().err


def made_hand(handedness, score, uv_px=OPEN_HAND):
    return Hand(
        handedness=handedness, score=score, uv_px=uv_px, z_relative=np.zeros(21),
        confidence=np.full(21, 0.5), xyz_relative=np.zeros((21, 3)),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def colour_alone(monkeypatch):
    """The hands of these recordings are made of balls, which the model by depth does not know."""
    monkeypatch.setattr(label, "depth_reader", lambda: None)


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


def test_what_was_found_before_a_stop_is_kept(folder, predictor, monkeypatch):
    (folder / "points.jsonl").unlink()
    read = label.FrameReader.read

    def stopped(reader, frame):
        if frame == "0002":
            raise KeyboardInterrupt
        return read(reader, frame)

    monkeypatch.setattr(label.FrameReader, "read", stopped)
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


def test_two_pictures_of_one_frame(folder, capsys):
    picture = cv2.imread(str(folder / "colour" / "0001.png"))
    cv2.imwrite(str(folder / "colour" / "0001.jpg"), picture)
    for command in ("label", "check"):
        assert main([command, str(folder)]) == 2
        message = "two pictures of the frame 0001: 0001.jpg and 0001.png. Remove one."
        assert message in capsys.readouterr().err


def test_frames_count_as_people_do(folder):
    """The last fifth of 0 to 9 and 10 is 9 and 10, not 8 and 9."""
    rows = lines(folder)
    for kind in ("colour", "depth"):
        for number in range(10):
            path = folder / kind / f"{number:04d}.png"
            path.rename(folder / kind / f"frame_{number + 1}.png")
    for number, row in enumerate(rows):
        row["frame"] = f"frame_{number + 1}"
    (folder / "points.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    train, test = (rgbd.read(folder, split) for split in ("train", "test"))
    assert [Path(path).stem for path in test.images] == ["frame_9", "frame_10"]
    assert [Path(path).stem for path in train.images] == [f"frame_{n}" for n in range(1, 9)]
    _, held_out = train.held_out(2)
    assert [Path(path).stem for path in held_out.images] == ["frame_7", "frame_8"]
    rest, held_out = train.held_out(3, blocks=2)
    assert [Path(path).stem for path in held_out.images] == ["frame_4", "frame_7", "frame_8"]
    assert [Path(path).stem for path in rest.images] == [f"frame_{n}" for n in (1, 2, 3, 5, 6)]
    for count in range(1, 8):  # no frame is held out twice, and none is lost
        rest, held_out = train.held_out(count, blocks=5)
        assert len(held_out) == count
        assert sorted(rest.images + held_out.images) == sorted(train.images)
    assert list(Pictures.of(folder).colour)[-2:] == ["frame_9", "frame_10"]


def test_american_spelling(folder, capsys):
    (folder / "colour").rename(folder / "color")
    text = (folder / "recording.yaml").read_text().replace("colour", "color")
    (folder / "recording.yaml").write_text(text)
    assert "depth_to_color:" in text
    assert main(["check", str(folder)]) == 0
    (folder / "recording.yaml").write_text(text + "colour: {}\n")
    assert main(["check", str(folder)]) == 2
    assert "one of `color` and `colour`, not both" in capsys.readouterr().err
    (folder / "colour").mkdir()
    (folder / "recording.yaml").write_text(text)
    assert main(["check", str(folder)]) == 2
    assert "one of colour/ and color/, not both" in capsys.readouterr().err


# ------------------------------------------------------------------------- what text files hold


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("depth_to_colour:", "depth_to_color_:", "Did you mean `depth_to_colour`?"),
        ("unit_mm: 1.0", "unit: 0.1", "depth.unit: unknown key. Did you mean `unit_mm`?"),
        ("translation_mm:", "translation:", "depth_to_colour.translation: unknown key. Did you"),
        ("fx: 600", "fx: 600, fz: 3", "colour.fz: unknown key."),
        ("hand:", "1: 2\nhand:", "1: unknown key. Allowed here: colour, depth, depth_to"),
    ],
)
def test_unknown_keys_of_a_recording(folder, capsys, old, new, message):
    path = folder / "recording.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    for command in ("check", "label"):
        assert main([command, str(folder)]) == 2
        assert message in capsys.readouterr().err


def test_all_unknown_keys_are_named_at_once(folder, capsys):
    path = folder / "recording.yaml"
    path.write_text(path.read_text().replace("unit_mm", "units") + "date: today\n")
    assert main(["check", str(folder)]) == 2
    told = capsys.readouterr().err
    assert "depth.units: unknown key" in told
    assert "date: unknown key" in told


def test_unknown_keys_of_points(folder, capsys):
    rows = lines(folder)
    rows[3]["weights"] = [1.0] * 21
    (folder / "points.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert main(["check", str(folder)]) == 2
    assert (
        "points.jsonl, line 4: unknown key `weights`. Did you mean `weight`? "
        "Allowed: frame, handedness"
    ) in capsys.readouterr().err


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
