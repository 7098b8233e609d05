"""Inputs of `kerashand-predict`: mistakes, folders, names of files, and turned pictures."""

import json
import os
import shutil
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from predict_runs import lines_of, random_models, run, saved_picture, write_video

from kerashand.cli.media import read_picture

models = pytest.fixture(scope="module")(random_models)
picture = pytest.fixture(saved_picture)


def test_hidden_files_of_a_folder_are_no_inputs(models, picture, tmp_path):
    (tmp_path / "._photo.jpg").write_bytes(b"what macOS puts beside")
    assert run(models, tmp_path, "--no-drawing") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "missing.jpg does not exist"),
        (["missing.mp4"], "missing.mp4 does not exist"),
        (["text.jpg"], "text.jpg is not a picture"),
        (["empty.png"], "empty.png is empty"),
        (["dot.png"], "dot.png is too small to show a hand: 1 x 1 px"),
        (["broken.mp4"], "broken.mp4 cannot be opened: it is not a video"),
        (["photo.jpg", "--box", "1,2,3"], "--box must be 4 finite numbers"),
        (["photo.jpg", "--box", "9,2,3,8"], "left < right"),
        (["photo.jpg", "--intrinsics", "1,1,0,0"], "--intrinsics needs --scale-mm"),
        (["photo.jpg", "--max-hands", "0"], "--max-hands must be 1 to 16"),
        (
            ["photo.jpg", "--scale-mm", "-3"],
            "--scale-mm must be 20 to 80 mm, the length of middle_mcp_pip",
        ),
        (["photo.jpg", "--out", "a.png", "--no-drawing"], "exclude each other"),
        (["photo.jpg", "--json", "none/hands.jsonl"], "does not exist"),
        (["."], "holds no pictures"),
        ([""], "An input must name a picture"),
        (["-"], "standard input is not read"),
        (["camera:x"], "A camera is camera:0"),
        (["https://example.org/a.jpg"], "is an address: download it first"),
        (["n" * 300 + ".jpg"], "File name too long"),
        (["photo.jpg", "--box", "nan,0,5,5", "--handedness", "left"], "4 finite numbers"),
        (
            ["photo.jpg", "--box", "500,500,600,600", "--handedness", "left"],
            "must meet the picture",
        ),
        (["photo.jpg", "--box", "0,0,1e8,1e8", "--handedness", "left"], "4 pictures wide or high"),
        (["photo.jpg", "clip.avi", "--box", "1,1,9,9"], "--box is for pictures"),
        (["photo.jpg", "--out", "kept"], "--out: kept/photo_pose.png is a folder"),
        (["photo.jpg", "--show"], "--show is for videos and cameras. Received: the picture photo"),
        (["photo.jpg", "--json", "kept"], "--json: kept is a folder"),
        (["photo.jpg", "--json", "kept/"], "--json must name a file"),
        (["photo.jpg", "--out", "photo.jpg"], "must end in .png"),
        (["alpha.png", "--out", "alpha.png"], "--out: alpha.png is taken by alpha.png"),
        (["photo.jpg", "--json", "photo.jpg"], "--json: photo.jpg is taken by photo.jpg"),
        (["photo.jpg", "--out", "a.png", "--json", "a.png"], "--json: a.png is taken by"),
        (["film.mp4", "--out", "film.mp4"], "is taken by film.mp4"),
        (["clip.avi", "--out", "a.png"], "A drawing of a video must end in .mp4, .m4v, .mov, .mkv"),
        (["photo.jpg", "other/photo.jpg", "--out", "drawn"], "would both be drawn/photo.jpg_pose"),
        (["photo.jpg", "--json", "linked.jsonl"], "--json: linked.jsonl is taken by photo.jpg"),
        (
            ["photo.jpg", "--boxes", "boxes.csv", "--csv", "boxes.csv"],
            "--csv: boxes.csv is taken by --boxes",
        ),
        (["photo.jpg", "--json", "POSE"], "is taken by --model"),
        (["photo.jpg", "--out", "DETECTOR"], "must end in .png"),
        (["photo.jpg", "--csv", "DETECTOR"], "is taken by --detector"),
        (
            ["photo.jpg", "--intrinsics", "1.2,1.6,0.5,0.5", "--scale-mm", "45"],
            "those of the whole picture, in its pixels: `fx: 1.2` for 160 x 120 pixels is a view",
        ),
        (
            ["photo.jpg", "--intrinsics", "150,150,300,60", "--scale-mm", "45"],
            "`cx: 300` is far outside of 160 x 120 pixels",
        ),
        (
            ["clip.avi", "--intrinsics", "50,80,20,20", "--scale-mm", "45"],
            "`fx: 50` and `fy: 80` are not of square pixels",
        ),
        (["photo.jpg", "--out", "none/a.png"], "the folder of none/a.png does not exist"),
        (["photo.jpg", "--out", "photo.jpg/a/"], "cannot be made"),
    ],
)
def test_mistakes_are_messages(models, picture, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.zeros((20, 20, 4), np.uint8))
    write_video(tmp_path / "clip.avi")
    shutil.copy(tmp_path / "clip.avi", tmp_path / "film.mp4")  # known by what it holds
    (tmp_path / "kept" / "photo_pose.png").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    shutil.copy(picture, tmp_path / "other")
    (tmp_path / "linked.jsonl").hardlink_to(picture)
    (tmp_path / "boxes.csv").write_text("input,left,top,right,bottom\nphoto.jpg,9,9,99,99\n")
    names = {"POSE": models / "pose.tflite", "DETECTOR": models / "finds.tflite"}
    arguments = [str(names.get(argument, argument)) for argument in arguments]
    if arguments == ["."]:
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = contents(tmp_path)
    assert run(models, *arguments) == 2
    assert message in capsys.readouterr().err
    assert contents(tmp_path) == before


def contents(folder):
    """Every file of a folder with what it holds."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_one_bad_input_does_not_stop_the_others(models, picture, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no picture")
    write_video(tmp_path / "clip.avi")
    lines = tmp_path / "hands.jsonl"
    assert run(models, tmp_path, "--out", tmp_path / "drawn/", "--json", lines) == 2
    assert "1 of 3 inputs could not be used" in capsys.readouterr().err
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert "not a picture" in written[0]["error"]
    assert [line["frame"] for line in written[1:-1]] == list(range(7))
    assert written[-1]["input"] == str(picture)
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == [
        "clip_pose.mp4",
        "photo_pose.png",
    ]


def test_drawings_are_not_inputs_of_the_next_call(models, picture, tmp_path, capsys):
    for _ in range(2):
        assert run(models, tmp_path) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.jpg", "photo_pose.png"]
    said = "1 file skipped: 1 *_pose drawn by an earlier call."
    assert capsys.readouterr().out.count(said) == 1


def test_a_photograph_that_is_called_like_a_drawing_is_an_input(models, picture, tmp_path):
    shutil.copy(picture, tmp_path / "photo_pose.jpg")
    assert run(models, tmp_path, "--no-drawing", "--json", tmp_path / "a.jsonl") == 0
    assert [line["input"] for line in lines_of(tmp_path / "a.jsonl")] == [
        str(tmp_path / "photo.jpg"), str(tmp_path / "photo_pose.jpg"),
    ]  # fmt: skip


def test_the_table_of_an_earlier_call_does_not_stay(models, picture, tmp_path, capsys):
    table = tmp_path / "t.csv"
    assert run(models, picture, "--no-drawing", "--csv", table) == 0
    assert len(table.read_text().splitlines()) > 1
    assert run(models, picture, "--no-drawing", "--csv", table, detector="nothing") == 0
    assert len(table.read_text().splitlines()) == 1
    assert f"{table}: 0 rows" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8 elsewhere")
def test_a_name_that_is_not_utf_8(models, picture, tmp_path):
    name = os.fsdecode(b"\xff.jpg")
    picture.rename(tmp_path / name)
    table, lines = tmp_path / "t.csv", tmp_path / "a.jsonl"
    files = ["--no-drawing", "--csv", table, "--json", lines, "--max-hands", "1"]
    assert run(models, tmp_path / name, *files) == 0
    assert table.read_text().splitlines()[1].startswith(f"{tmp_path}/\\udcff.jpg,")
    assert lines_of(lines)[0]["input"] == str(tmp_path / name)


def test_a_folder_with_one_picture_is_drawn_into_a_folder(models, picture, tmp_path):
    assert run(models, tmp_path, "--out", tmp_path / "drawn") == 0
    assert [p.name for p in (tmp_path / "drawn").iterdir()] == ["photo_pose.png"]


def test_pictures_of_one_stem_have_drawings_of_their_own(models, picture, tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.imread(str(picture)))
    for _ in range(2):  # these are no inputs of the next call either
        assert run(models, tmp_path) == 0
    assert {p.name for p in tmp_path.glob("*_pose.png")} == {
        "photo.jpg_pose.png",
        "photo.png_pose.png",
    }


def test_a_picture_of_any_kind_is_read_upright(tmp_path):
    colour = np.zeros((40, 60, 3), np.uint8)
    colour[:20] = (200, 100, 50)  # BGR, the upper half
    kinds = {
        "grey.png": colour[:, :, 0],
        "deep.png": colour.astype(np.uint16) * 257,
        "alpha.png": np.dstack([colour, np.where(colour[:, :, 0] > 0, 255, 0).astype(np.uint8)]),
        "plain.png": colour,
    }
    read = {}
    for name, content in kinds.items():
        cv2.imwrite(str(tmp_path / name), content)
        read[name] = read_picture(tmp_path / name)
        assert read[name].shape == (40, 60, 3)
        assert read[name].dtype == np.uint8
    np.testing.assert_array_equal(read["plain.png"], colour[:, :, ::-1])
    np.testing.assert_array_equal(read["deep.png"], read["plain.png"])
    np.testing.assert_array_equal(read["grey.png"][0, 0], [200, 200, 200])
    np.testing.assert_array_equal(read["alpha.png"][0, 0], [50, 100, 200])
    np.testing.assert_array_equal(read["alpha.png"][39, 0], [255, 255, 255])


def test_exif_orientation_turns_the_picture(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30] = 255
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    # A minimal APP1 segment: orientation 6, to be turned clockwise by 90 degrees.
    tiff = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    body = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (tmp_path / "phone.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    turned = read_picture(tmp_path / "phone.jpg")
    assert turned.shape == (60, 40, 3)
    assert turned[:25].min() > 200
    assert turned[35:].max() < 50


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_exif_turns_pictures_with_alpha_too(tmp_path, suffix):
    picture = np.full((40, 60, 4), 255, np.uint8)
    picture[:, 30:, :3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}", exif=exif, lossless=True)
    turned = read_picture(tmp_path / f"a.{suffix}")
    assert turned.shape == (60, 40, 3)
    assert turned[:25].min() > 200
    assert turned[35:].max() < 50


def test_an_input_that_is_named_twice_is_used_once(models, picture, tmp_path, capsys):
    link = tmp_path / "z.jpg"
    link.symlink_to(picture)
    again = [tmp_path, f"{tmp_path}/../{tmp_path.name}/{picture.name}"]
    assert run(models, picture, *again, "--json", tmp_path / "hands.jsonl") == 0
    named = [line["input"] for line in lines_of(tmp_path / "hands.jsonl")]
    assert named == [str(picture), str(link)]
    assert "2 files skipped: 2 named twice." in capsys.readouterr().out
    assert (tmp_path / "photo_pose.png").is_file()


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_the_drawing_of_a_long_name_is_shortened(models, picture, tmp_path, letter):
    size = len(letter.encode())
    picture.rename(tmp_path / f"{letter * (251 // size)}.jpg")
    assert run(models, tmp_path) == 0
    (drawn,) = tmp_path.glob("*_pose.png")
    assert drawn.name == letter * (246 // size) + "_pose.png"


def test_a_pipe_is_no_input(models, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    assert run(models, tmp_path / "pipe") == 2
    assert "pipe is no file: save what it gives into a file" in capsys.readouterr().err
