"""`kerashand-data check` on a recording: mistakes, sheets, names of files and unknown keys."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_writers import write_rgbd
from recording_folders import lines, recording_folder, without_depth_reader

from kerashand.cli import recordings, seen_hands
from kerashand.cli.data import main
from kerashand.data.kinds import rgbd
from kerashand.data.readers.recording import Pictures

folder = pytest.fixture(recording_folder)
colour_alone = pytest.fixture(autouse=True)(without_depth_reader)


def test_a_good_recording(folder, capsys):
    sheet = folder.parent / "sheet.png"
    assert main(["check", str(folder), "--sheet", str(sheet)]) == 0
    out = capsys.readouterr().out
    assert "train: 8 hands, 0 cannot be used" in out
    assert "test: 2 hands, 0 cannot be used" in out
    assert sheet.stat().st_size > 10_000


def test_what_the_models_see_otherwise_is_said(folder, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(seen_hands, "doubts", lambda hands: asked.extend(hands) or ["doubtful"])
    (folder / "colour" / "0001.png").unlink()
    assert main(["check", str(folder)]) == 2
    assert capsys.readouterr().out.count("WARNING: doubtful.") == 1
    rows = {row["frame"]: row for row in lines(folder)}
    # Those of the training split that can be used.
    assert sorted(hand.path.stem for hand in asked) == [f"000{n}" for n in (0, 2, 3, 4, 5, 6, 7)]
    for hand in asked:
        row = rows[hand.path.stem]
        np.testing.assert_allclose(hand.uv_px, row["uv_px"], atol=1e-3)
        assert hand.is_right == (row["handedness"] == "right")


def test_depth_that_does_not_belong_to_colour(tmp_path, rng, capsys):
    """Depth is mirrored, colour is not: the model by depth sees no hand at the points."""
    root = tmp_path / "recording"
    write_rgbd(root, rng, frames=10, registered=True)
    assert main(["check", str(root)]) == 0
    out = capsys.readouterr().out
    assert "points by depth lie" in out
    assert "WARNING" not in out
    for path in (root / "depth").iterdir():
        mirrored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, ::-1]
        cv2.imwrite(str(path), np.ascontiguousarray(mirrored))
    assert main(["check", str(root)]) == 2
    assert "if depth is taken to be mirrored left to right" in capsys.readouterr().err


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
    labels["uv_px"][1] += [100.0, 0.0]  # the picture is 100 pixels wide
    np.savez(folder / "labels.npz", **labels)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert "a.png: no hand, its points lie outside of the picture" in out
    assert "sheet.png: 2 hands" in out
    assert "1 hand cannot be used" in err
    (folder / "a.png").write_bytes(b"half")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert "a.png: is not a picture that can be read" in out
    assert "sheet.png: 1 hand\n" in out
    assert "2 hands cannot be used. Mend what is wrong." in err


def test_a_sheet_is_a_png(folder, capsys):
    assert main(["check", str(folder), "--sheet", "sheet.jpg"]) == 2
    out, err = capsys.readouterr()
    assert "must name a .png file" in err
    assert out == ""  # before the work


@pytest.mark.parametrize("name", ["colour/0003.png", "depth/0000.png", "linked.png"])
def test_a_sheet_replaces_no_picture_of_the_data(folder, name, capsys):
    (folder / "linked.png").hardlink_to(folder / "colour" / "0001.png")
    before = (folder / name).read_bytes()
    assert main(["check", str(folder), "--sheet", str(folder / name)]) == 2
    assert f"--sheet: {folder / name} is a picture of the data" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before


def test_no_page_of_a_sheet_replaces_a_picture(folder, monkeypatch, capsys):
    monkeypatch.setattr(recordings, "SHEET_HANDS", 4)
    (folder / "colour" / "0000.png").rename(folder / "colour" / "a_2.png")
    (folder / "points.jsonl").write_text(
        (folder / "points.jsonl").read_text().replace('"0000"', '"a_2"')
    )
    (folder / "depth" / "0000.png").rename(folder / "depth" / "a_2.png")
    before = (folder / "colour" / "a_2.png").read_bytes()
    sheet = folder / "colour" / "a.png"
    assert main(["check", str(folder), "--sheet", str(sheet), "--all"]) == 2
    assert "a_2.png is a picture of the data" in capsys.readouterr().err
    assert (folder / "colour" / "a_2.png").read_bytes() == before
    assert not sheet.exists()


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


# ------------------------------------------------------------------------------ names of files


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


def test_validation_frames_are_spread_over_a_recording(folder):
    """500 frames: 400 to train on and to choose by; 4 after each 16 of these choose."""
    long = rgbd.read(folder, "train").select(np.arange(400) % 8)
    names = tuple(map(str, range(400)))
    long = dataclasses.replace(long, images=names, groups=np.arange(400))
    _, held_out = long.held_out(
        round(rgbd.KIND.validation_share * 400), blocks=rgbd.KIND.validation_blocks
    )
    assert list(held_out.images) == [str(n) for n in range(400) if n % 20 >= 16]


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
