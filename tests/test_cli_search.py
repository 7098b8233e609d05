"""Where `kerashand-predict` looks for hands, and what it takes for an input, without models."""

import json
import os
import unicodedata
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from test_gestures import POSES, posed

from kerashand.cli import predict
from kerashand.cli.jobs import plan
from kerashand.runtime import Hand, HandPose

SCORES = (0.9, 0.6, 0.3)


def hand_of(score, handedness="right", box=(60.0, 60.0, 80.0, 80.0)):
    joints = posed(POSES["fist"])
    uv = joints[:, :2]
    uv = (uv - uv.min(axis=0)) / (uv.max(axis=0) - uv.min(axis=0))
    return Hand(
        handedness=handedness, uv_px=np.array(box[:2]) + uv * np.subtract(box[2:], box[:2]),
        z_relative=joints[:, 2], score=score, confidence=np.full(21, score), xyz_relative=joints,
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """No models: three hands in every picture, one in every box; what `predict` was asked."""
    calls = []

    def answer(rgb, *, box=None, handedness="auto", max_hands=2, **options):
        calls.append({"box": box, "handedness": handedness, "max_hands": max_hands, **options})
        if box is None:
            return [hand_of(score) for score in SCORES][:max_hands]
        if box[0] >= rgb.shape[1]:
            raise ValueError("`box` must meet the picture")
        side = "right" if handedness == "auto" else handedness
        return [hand_of(0.5, side, box)]

    pose = SimpleNamespace(scale_bone="wrist_middle_mcp", predict=answer)
    monkeypatch.setattr(HandPose, "load", lambda *_, **__: pose)
    return calls


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures, one of them in a folder of its own."""
    for name in ("a.png", "b.png", "sub/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((100, 160, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return predict.main([*map(str, arguments), "--json", "h.jsonl"])


def lines():
    with open("h.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def scores():
    return [hand["score"] for hand in lines()[0]["hands"]]


# ---------------------------------------------------------------------------- scores and tiles


@pytest.mark.parametrize(
    ("least", "kept"), [("0", [0.9, 0.6, 0.3]), ("0.6", [0.9, 0.6]), ("0.61", [0.9]), ("1", [])]
)
def test_hands_below_the_least_score_are_left_out(asked, folder, capsys, least, kept):
    assert run("a.png", "--min-score", least, "--max-hands", "3", "--no-drawing") == 0
    assert scores() == kept
    out = capsys.readouterr().out
    assert ("left out" in out) == (len(kept) < 3)
    assert f"a.png: {len(kept) or 'no'} hand" in out
    assert "--box" not in out  # where hands are is known


def test_tiles_and_the_number_of_hands_reach_the_models(asked, folder):
    for given, tiles in (([], None), (["--tiles", "auto"], "auto"), (["--tiles", "5"], 5)):
        assert run("a.png", "--max-hands", "3", "--no-drawing", *given) == 0
        assert (asked[-1]["tiles"], asked[-1]["max_hands"]) == (tiles, 3)
    assert scores() == list(SCORES)


# ------------------------------------------------------------------------------------- boxes


def test_several_boxes_give_a_hand_each_in_their_order(asked, folder):
    boxes = ["--box", "50,10,90,40", "--box=-5,0,20,30"]
    assert run("a.png", *boxes, "--handedness", "left") == 0
    hands = lines()[0]["hands"]
    assert [hand["box"] for hand in hands] == [[50, 10, 90, 40], [-5, 0, 20, 30]]
    assert [hand["handedness"] for hand in hands] == ["left", "left"]
    assert [hand["number"] for hand in hands] == [0, 1]


CSV = """input,left,top,right,bottom,handedness

a.png,1,2,30,40,left
b.png, 5,6,70,80
a.png,9,9,20,20,
"""
JSON = """{"input": "a.png", "box": [1, 2, 30, 40], "handedness": "left"}
{"input": "b.png", "box": [5, 6, 70, 80]}

{"input": "a.png", "box": [9, 9, 20, 20], "handedness": null}
"""


@pytest.mark.parametrize("text", [CSV, JSON, CSV.replace("\n", "\r\n"), "\ufeff" + JSON])
def test_a_file_of_boxes(asked, folder, capsys, text):
    (folder / "boxes").write_text(text, encoding="utf-8", newline="")
    (folder / "none.png").write_bytes((folder / "a.png").read_bytes())
    assert run(folder, "--boxes", "boxes", "--no-drawing") == 0
    found = {
        os.path.basename(line["input"]): [(h["box"], h["handedness"]) for h in line["hands"]]
        for line in lines()
    }
    assert found == {
        "a.png": [([1, 2, 30, 40], "left"), ([9, 9, 20, 20], "right")],
        "b.png": [([5, 6, 70, 80], "right")],
        "none.png": [],
    }
    assert "1 input without a box in boxes" in capsys.readouterr().out


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_one_character_or_two(asked, folder, forms):
    """As a list made on macOS names files, and one made elsewhere."""
    on_disk, in_list = (unicodedata.normalize(form, "zoë.png") for form in forms)
    assert on_disk != in_list
    (folder / "a.png").rename(folder / on_disk)
    (folder / "boxes").write_text(f"{in_list},1,2,30,40\n", encoding="utf-8")
    assert run(on_disk, "--boxes", "boxes", "--no-drawing") == 0
    assert [hand["box"] for hand in lines()[0]["hands"]] == [[1, 2, 30, 40]]


def test_a_line_names_one_input_by_its_path_where_names_are_the_same(asked, folder, capsys):
    (folder / "boxes").write_text("sub/a.png,1,2,30,40\n")
    assert run(folder, "--recursive", "--boxes", "boxes", "--no-drawing") == 0
    assert [len(line["hands"]) for line in lines()] == [0, 0, 1]
    (folder / "boxes").write_text("b.png,1,2,30,40\na.png,1,2,30,40\n")
    assert run(folder / "a.png", folder / "sub", folder / "b.png", "--boxes", "boxes") == 0
    (folder / "sub" / "c.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "sub" / "d").mkdir()
    (folder / "sub" / "d" / "c.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "boxes").write_text("c.png,1,2,30,40\n")
    assert run(folder, "--recursive", "--boxes", "boxes", "--no-drawing") == 2
    assert "line 1: 'c.png' is 2 inputs: write its path" in capsys.readouterr().err
    (folder / "boxes").write_text("d/c.png,1,2,30,40\n")
    assert run(folder, "--recursive", "--boxes", "boxes", "--no-drawing") == 0
    assert [line["input"] for line in lines() if line["hands"]] == [str(folder / "sub/d/c.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,1,2,30,40\na.png,1,2,30\n", "boxes, line 2: it must hold input, left, top, right"),
        ("a.png,1,2,30,40,left,9\n", "boxes, line 1: it must hold"),
        ("a.png,1,2,x,40\n", "line 1: the box must be 4 finite numbers"),
        ("a.png,1,2,nan,40\n", "line 1: the box must be 4 finite numbers"),
        ("a.png,30,2,1,40\n", "line 1: the box must be left,top,right,bottom with left < right"),
        ("a.png,1,2,30,40,up\n", "line 1: `handedness` must be left, right, auto. Received: 'up'"),
        (",1,2,30,40\n", "line 1: `input` must name a picture"),
        ("\n\na.pgn,1,2,30,40\n", "line 3: 'a.pgn' is none of the inputs. Did you mean `a.png`"),
        ("a.png,500,2,530,40\n", "a.png (boxes, line 1): `box` must meet the picture"),
        ("", "boxes holds no boxes"),
        ("input,left,top,right,bottom\n", "boxes holds no boxes"),
        ('{"input": "a.png"}', "line 1: `box` is missing"),
        ('{"input": "a.png", "boxes": [1]}', "unknown key 'boxes'. Did you mean `box`"),
        ('{"input": "a.png", "box": "1234"}', "line 1: the box must be 4 finite numbers"),
        ('{"input": "a.png", "box": {"left": 1}}', "line 1: the box must be 4 finite numbers"),
        ('{"input": "a.png", "box": [1, 2, 3, 4]}\n{"input": ', "line 2: it is not JSON"),
        ('{"input": 3, "box": [1, 2, 3, 4]}', "line 1: `input` must name a picture. Received: 3"),
        ('{"input": "a.png", "box": [1, 2, 3, 4], "handedness": [1]}', "`handedness` must be"),
        ('{"input": "\\u0000", "box": [1, 2, 3, 4]}', "is none of the inputs"),
        ('{"input": "a.png", "box": [1, 2, 3, 1' + "0" * 400 + "]}", "must be 4 finite numbers"),
        ("[" * 9999, "boxes, line 1: it must hold"),
        ('{"a":' * 9999, "line 1: it is not JSON"),
    ],
)
def test_a_wrong_line_is_named(asked, folder, capsys, text, message):
    (folder / "boxes").write_text(text)
    assert run("a.png", "b.png", "--boxes", "boxes", "--no-drawing") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--boxes", "none.csv"], "--boxes: none.csv cannot be read: No such file"),
        (["--boxes", "a.png"], "the file is not UTF-8 text"),
        (["--boxes", "boxes", "--box", "1,2,3,4"], "--box and --boxes exclude each other"),
        (["--box", "1,2,3,4", "--tiles", "3"], "and so does a box: give one"),
        (["--box", "1,2,3,4", "--box", "5,5,4,9"], "left < right and top < bottom. Received: 5,5"),
        (["--min-score", "1.1"], "--min-score must be 0 to 1. Received: 1.1"),
        (["--min-score", "nan"], "--min-score must be 0 to 1"),
        (["--tiles", "0"], "--tiles must be 1 to 16, or auto. Received: 0"),
        (["--tiles", "17"], "--tiles must be 1 to 16"),
        (["--tiles", "9" * 5000], "--tiles must be 1 to 16"),
        (["--tiles", "all"], "--tiles must be 1 to 16"),
    ],
)
def test_mistakes_of_options(asked, folder, capsys, arguments, message):
    assert run("a.png", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "h.jsonl").exists()


# ------------------------------------------------------------------------------------- inputs


def test_a_folder_is_walked_and_outputs_keep_their_places(asked, folder, capsys):
    (folder / "sub" / ".hidden").mkdir()
    (folder / "sub" / ".hidden" / "c.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "sub" / "a.jpg").write_bytes((folder / "a.png").read_bytes())
    for _ in range(2):  # drawings of the first call are no inputs of the second
        assert run(".", "--recursive", "--out", "drawn/") == 0
        assert [line["input"] for line in lines()] == ["a.png", "b.png", "sub/a.jpg", "sub/a.png"]
    drawn = sorted(str(path.relative_to(folder)) for path in folder.rglob("*_pose.png"))
    assert drawn == [
        "drawn/a_pose.png", "drawn/b_pose.png", "drawn/sub/a.jpg_pose.png",
        "drawn/sub/a.png_pose.png",
    ]  # fmt: skip
    assert run(".") == 0
    assert len(lines()) == 2
    assert run(".", "sub", "--recursive", "--no-drawing") == 0


def test_drawings_that_would_be_one_file_are_refused(asked, folder, capsys):
    assert run("sub", ".", "--recursive", "--out", "drawn") == 2
    assert "sub/a.png and a.png would both be drawn/a.png_pose.png" in capsys.readouterr().err


def test_what_is_skipped_is_counted(asked, folder, capsys):
    for name in ("n.txt", "m.TXT", "p.heic", "README", ".hidden.txt", "sub/k.txt"):
        (folder / name).write_text("-")
    assert run(".", "--no-drawing") == 0
    out = capsys.readouterr().out
    assert "4 files skipped: 2 .txt, 1 without an ending, 1 .heic. HEIC and AVIF pictures" in out
    assert run(".", "--no-drawing", "--recursive") == 0
    assert "6 files skipped: 3 .txt, 1 without an ending, 1 .heic, 1 .jsonl" in (
        capsys.readouterr().out
    )


def test_a_folder_without_pictures_says_what_is_in_it(asked, folder, capsys):
    (folder / "empty" / "sub").mkdir(parents=True)
    (folder / "empty" / "n.txt").write_text("-")
    assert run("empty") == 2
    error = capsys.readouterr().err
    assert "--recursive looks into the folders in it. 1 file skipped: 1 .txt." in error


def test_a_link_to_a_folder_above_has_an_end(asked, folder):
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    assert run(".", "--recursive", "--no-drawing") == 0
    assert len(lines()) == 3


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_heic_is_known_by_its_content(asked, folder, capsys, name, brand):
    (folder / name).write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(40))
    assert run(name) == 2
    error = capsys.readouterr().err
    assert f"{name} is a HEIC or AVIF picture. HEIC and AVIF pictures are not read: save" in error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "https://a.org/x y.jpg",
            "download it first, for example with `curl -Lo picture.jpg 'https://a.org/x",
        ),
        ("rtsp://camera/1", "is an address: only files and cameras of this machine"),
    ],
)
def test_addresses(asked, folder, capsys, name, message):
    assert run(name) == 2
    assert message in capsys.readouterr().err


def test_a_number_is_a_camera_unless_it_is_a_file(folder):
    def names(*inputs):
        return [(job.name, job.is_film) for job in plan(inputs, out=None, drawing=False, files={})]

    assert names("0", "1") == [("camera:0", True), ("camera:1", True)]
    (folder / "1").write_bytes((folder / "a.png").read_bytes())
    assert names("1") == [("1", False)]
