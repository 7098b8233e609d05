"""`kerashand-predict` on small models with random weights: what goes in and comes out."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from film_files import turned, write_browser_film, write_film
from PIL import Image

from kerashand import exporting
from kerashand.cli import drawing, predict
from kerashand.cli.media import read_picture
from kerashand.config import load_config
from kerashand.models.detector import build_detector
from kerashand.models.hand_pose import build_parts
from kerashand.runtime import HandPose
from kerashand.runtime.detector import Detection
from kerashand.runtime.hand_pose import Hand
from kerashand.runtime.tracker import HandTracker
from kerashand.skeleton import JOINT_COLOURS
from kerashand.video import holds_video

SIZE = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A pose model and a detector that sees a hand everywhere (threshold 0), as files."""
    import keras

    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("models")
    parts = build_parts(image_size_px=SIZE, lite={"width": 0.5, "stages": 1})
    described = exporting.describe(load_config("weak.yaml", [f"data.image_size_px={SIZE}"]))
    exporting.export(
        parts.build_inference_model(), folder / "pose.tflite", "tflite", metadata=described
    )
    detector = build_detector(image_size_px=64, width=0.5)
    for name, threshold in (("finds", 0.0), ("nothing", 0.99)):
        described = exporting.describe_detector(image_size_px=64, width=0.5, threshold=threshold)
        exporting.export(detector, folder / f"{name}.tflite", "tflite", metadata=described)
    return folder


@pytest.fixture
def picture(tmp_path, rng):
    small = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), cv2.resize(small, (160, 120)))
    return path


def run(models, *arguments, detector="finds"):
    files = [
        "--model",
        str(models / "pose.tflite"),
        "--detector",
        str(models / f"{detector}.tflite"),
    ]
    return predict.main([*map(str, arguments), *files])


def test_a_picture_gives_joints_a_drawing_and_json(models, picture, capsys):
    lines = picture.with_name("hands.jsonl")
    assert run(models, picture, "--json", lines, "--max-hands", "1") == 0
    out = capsys.readouterr().out
    assert "photo.jpg: 1 hand" in out
    assert "middle_mcp" in out
    drawing = cv2.imread(str(picture.with_name("photo_pose.png")))
    assert drawing.shape == (480, 640, 3)  # four times the picture
    plain = cv2.resize(cv2.imread(str(picture)), (640, 480), interpolation=cv2.INTER_CUBIC)
    assert np.abs(drawing.astype(int) - plain).max() > 100
    (line,) = lines.read_text().splitlines()
    (hand,) = json.loads(line)["hands"]
    assert np.array(hand["uv_px"]).shape == (21, 2)
    assert np.array(hand["xyz_about_wrist_mm"]).shape == (21, 3)
    assert hand["scale_assumed"]
    assert "xyz_camera_mm" not in hand


def test_a_camera_gives_millimetres_in_its_frame(models, picture, capsys):
    lines = picture.with_name("hands.jsonl")
    camera = ["--intrinsics", "200,200,79.5,59.5", "--scale-mm", "45"]
    box = ["--box", "20,20,100,110", "--handedness", "left"]
    assert run(models, picture, *camera, *box, "--json", lines, "--no-drawing") == 0
    assert "the wrist is" in capsys.readouterr().out
    (hand,) = json.loads(lines.read_text())["hands"]
    assert hand["handedness"] == "left"
    assert hand["xyz_camera_mm"][0][2] == pytest.approx(hand["root_depth_mm"], abs=0.01)
    assert not picture.with_name("photo_pose.png").exists()


def test_no_hand_is_an_answer(models, picture, capsys):
    assert run(models, picture, detector="nothing") == 0
    assert "photo.jpg: no hand" in capsys.readouterr().out
    drawing = cv2.imread(str(picture.with_name("photo_pose.png")))
    plain = cv2.resize(cv2.imread(str(picture)), (640, 480), interpolation=cv2.INTER_CUBIC)
    # OpenCV's cubic filter is a little sharper than Pillow's.
    assert np.abs(drawing.astype(int) - plain).mean() < 2.0


@pytest.mark.parametrize(("score", "words"), [(0.9, (255, 255, 255)), (0.7, (255, 176, 0))])
def test_a_small_picture_is_drawn_enlarged(score, words):
    uv_px = np.stack([np.linspace(20, 60, 21), np.linspace(70, 30, 21)], axis=1)
    hand = Hand(
        handedness="right", uv_px=uv_px, confidence=np.full(21, score), z_relative=np.zeros(21),
        xyz_relative=np.zeros((21, 3)), score=score,
    )  # fmt: skip
    drawn = drawing.draw(np.full((100, 100, 3), 200, np.uint8), [(0, hand)])
    assert drawn.shape == (600, 600, 3)  # six times
    # The wrist's pixel 20, 70 is the block whose middle is 122.5, 422.5.
    np.testing.assert_array_equal(drawn[422, 122], JOINT_COLOURS[0])
    box = drawn[:180, :400]
    assert (box == words).all(axis=-1).any()
    assert (box == 0).all(axis=-1).any()


def test_of_a_folder_hands_are_told_and_no_joints(models, picture, capsys):
    cv2.imwrite(str(picture.with_name("other.png")), cv2.imread(str(picture)))
    assert run(models, picture.parent, "--no-drawing") == 0
    out = capsys.readouterr().out
    assert out.count("hand 0: ") == 2
    assert "middle_mcp" not in out


def test_what_an_install_without_dependencies_lacks_is_named(picture):
    code = "import sys; sys.modules['PIL'] = None; from kerashand.cli.predict import main; "
    done = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(main(sys.argv[1:]))", str(picture)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "needs pillow, which is not installed: pip install pillow" in done.stderr


def test_pictures_need_no_pyav_and_films_say_so(models, picture, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(models, picture, "--no-drawing") == 0
    picture.with_name("clip.mp4").write_bytes(b"a film")
    assert run(models, picture.with_name("clip.mp4")) == 2
    assert capsys.readouterr().err == (
        f"kerashand-predict: {picture.with_name('clip.mp4')} needs PyAV, which the base install "
        'leaves out: pip install "kerashand[video]"\n'
    )


def noise(frames=7, size=(96, 64)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, size[1], size[0], 3)).astype(np.uint8)


def write_video(path, frames=7):
    write_film(path, noise(frames), codec="mjpeg", pix_fmt="yuvj420p")


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_video_gives_a_video_and_a_line_for_each_frame(models, tmp_path, capsys):
    write_video(tmp_path / "clip.avi")
    lines = tmp_path / "clip.jsonl"
    out = tmp_path / "drawn.mp4"
    assert run(models, tmp_path / "clip.avi", "--out", out, "--json", lines) == 0
    said = capsys.readouterr().out
    assert "7 frames" in said
    assert "clip.jsonl: 7 lines" in said
    assert [line["frame"] for line in lines_of(lines)] == list(range(7))
    assert [line["time_s"] for line in lines_of(lines)] == pytest.approx(np.arange(7) / 25)
    with av.open(str(out)) as opened:
        stream = opened.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert [frame.time for frame in opened.decode(stream)] == pytest.approx(np.arange(7) / 25)
        assert float(stream.duration * stream.time_base) == pytest.approx(0.28)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.avi", "clip.jsonl", "drawn.mp4"]


UNEVEN_S = (0.0, 0.045, 0.084, 0.119, 0.3, 0.33)


def test_frames_of_a_browser_film_keep_their_times(models, tmp_path, monkeypatch):
    """In the smoothing, in the list of hands and in the drawn film."""
    write_browser_film(tmp_path / "a.webm", noise(6), UNEVEN_S)
    update, steps = HandTracker.update, []

    def watched(self, rgb, seconds):
        steps.append(seconds)
        return update(self, rgb, seconds)

    monkeypatch.setattr(HandTracker, "update", watched)
    assert run(models, tmp_path / "a.webm", "--json", tmp_path / "a.jsonl") == 0
    assert steps[1:] == pytest.approx(np.diff(UNEVEN_S), abs=1e-6)
    assert [line["time_s"] for line in lines_of(tmp_path / "a.jsonl")] == pytest.approx(UNEVEN_S)
    with av.open(str(tmp_path / "a_pose.mp4")) as opened:
        times = [frame.time for frame in opened.decode(video=0)]
    assert times == pytest.approx(UNEVEN_S, abs=1e-4)


def test_a_film_of_a_turned_phone_is_upright(models, tmp_path):
    write_film(tmp_path / "a.mp4", noise(3))
    turned(tmp_path / "a.mp4", (0, 1, -1, 0))
    assert run(models, tmp_path / "a.mp4", "--json", tmp_path / "a.jsonl") == 0
    with av.open(str(tmp_path / "a_pose.mp4")) as opened:  # enlarged, with no turn of its own
        frame = next(opened.decode(video=0))
        assert (frame.width, frame.height) == (64 * 7, 96 * 7)
        assert frame.side_data.get("DISPLAYMATRIX") is None


STRANGE = ("12:30.mp4", os.fsdecode(b"n\xff.mp4"), "a%b%03d.mp4")


@pytest.mark.parametrize("name", STRANGE)
def test_names_of_films(models, tmp_path, name):
    write_film(tmp_path / name, noise(2))
    assert run(models, tmp_path / name, "--json", tmp_path / "a.jsonl") == 0
    assert (tmp_path / name.replace(".mp4", "_pose.mp4")).is_file()
    assert {line["input"] for line in lines_of(tmp_path / "a.jsonl")} == {str(tmp_path / name)}


def test_what_goes_wrong_in_the_second_film_loses_nothing_of_the_first(
    models, tmp_path, monkeypatch
):
    write_video(tmp_path / "a.avi")
    write_video(tmp_path / "b.avi")
    lines = tmp_path / "hands.jsonl"
    lines.write_text("of an earlier call\n")
    update, count, held = HandTracker.update, 0, []

    def failing(self, rgb, seconds):
        nonlocal count
        count += 1
        if count == 1:
            held.append(lines.read_text())
        if count == 3:
            held.append(len(lines_of(lines)))
        if count == 10:
            raise RuntimeError("a bug")
        return update(self, rgb, seconds)

    monkeypatch.setattr(HandTracker, "update", failing)
    with pytest.raises(RuntimeError, match="a bug"):
        run(models, tmp_path / "a.avi", tmp_path / "b.avi", "--json", lines)
    assert held == ["of an earlier call\n", 2]  # replaced by the first line, then line by line
    assert [line["frame"] for line in lines_of(lines)] == [*range(7), 0, 1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.avi", "a_pose.mp4", "b.avi", "hands.jsonl",
    ]  # fmt: skip


STOPPED = """
import os, signal, sys
from kerashand.cli import predict
from kerashand.runtime.tracker import HandTracker

update, count = HandTracker.update, 0

def stopping(self, rgb, seconds):
    global count
    count += 1
    if count == 10:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return update(self, rgb, seconds)

HandTracker.update = stopping
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(predict.main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stopped_call_keeps_what_it_has(models, tmp_path, sent, code):
    write_video(tmp_path / "a.avi")
    write_video(tmp_path / "b.avi")
    files = ["--model", models / "pose.tflite", "--detector", models / "finds.tflite"]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, sent, "a.avi", "b.avi", "--json", "h.jsonl", *files],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Stopped: drawn up to there in b_pose.stopped.mp4." in done.stderr
    assert "Traceback" not in done.stderr
    read = len(lines_of(tmp_path / "h.jsonl"))
    assert 9 <= read <= 10
    assert f"h.jsonl: {read} lines" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.avi", "a_pose.mp4", "b.avi", "b_pose.stopped.mp4", "h.jsonl",
    ]  # fmt: skip
    with av.open(str(tmp_path / "b_pose.stopped.mp4")) as opened:
        assert len(list(opened.decode(video=0))) == read - 7
    # It is no input of the next call.
    assert run(models, tmp_path, "--json", tmp_path / "again.jsonl") == 0
    inputs = {line["input"] for line in lines_of(tmp_path / "again.jsonl")}
    assert inputs == {str(tmp_path / "a.avi"), str(tmp_path / "b.avi")}


def test_a_stopped_film_keeps_its_skeletons(models, tmp_path):
    write_video(tmp_path / "a.avi", frames=12)
    files = ["--model", models / "pose.tflite", "--detector", models / "finds.tflite"]
    files += ["--no-drawing", "--bvh", "a.bvh"]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, "SIGINT", "a.avi", *files],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "a.stopped.bvh: " in done.stdout
    text = (tmp_path / "a.stopped.bvh").read_text()
    assert 9 <= int(text.partition("Frames: ")[2].split()[0]) <= 10
    assert not (tmp_path / "a.bvh").exists()


def test_ctrl_c_is_how_a_camera_ends(models, tmp_path, monkeypatch, capsys):
    from kerashand.cli import window

    class Camera:
        left = 3

        def __init__(self, number):
            assert number == 0

        def isOpened(self):
            return True

        def set(self, *_):
            return True

        def read(self):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return True, noise(1)[0]

        def release(self):
            pass

    class Screen:
        def __init__(self, title):
            self.show = lambda rgb: True

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(window, "Window", Screen)
    lines = tmp_path / "a.jsonl"
    assert run(models, "camera:0", "--out", f"{tmp_path}/", "--json", lines) == 0
    assert "camera:0: 3 frames" in capsys.readouterr().out
    assert len(lines_of(lines)) == 3
    with av.open(str(tmp_path / "camera0_pose.mp4")) as opened:
        assert len(list(opened.decode(video=0))) == 3


def test_a_reader_that_has_gone_is_not_a_disk_that_is_full(models, tmp_path, monkeypatch):
    """The film that was being drawn is put away, and the error stays one of the output."""
    write_video(tmp_path / "clip.avi")
    add, count = predict.HandLines.add, 0

    def broken(self, record):
        nonlocal count
        count += 1
        if count == 3:
            raise BrokenPipeError(32, "Broken pipe")
        add(self, record)

    monkeypatch.setattr(predict.HandLines, "add", broken)
    assert run(models, tmp_path / "clip.avi", "--json", "-") == 141
    assert [p.name for p in tmp_path.iterdir()] == ["clip.avi"]


def test_the_list_of_hands_on_a_full_disk(models, tmp_path, capsys):
    write_video(tmp_path / "clip.avi")
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    assert run(models, tmp_path / "clip.avi", "--no-drawing", "--json", "/dev/full") == 2
    assert "/dev/full cannot be written: No space left" in capsys.readouterr().err


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
        (["photo.jpg", "--scale-mm", "-3"], "--scale-mm must be 10 to 300 mm"),
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
            ["photo.jpg", "--intrinsics", "1.2,1.6,0.5,0.5", "--scale-mm", "92"],
            "must be in pixels of the picture, at least 16 for 160 x 120. Received: 1.2, 1.6",
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


def test_a_film_is_known_by_what_it_holds(models, tmp_path):
    write_video(tmp_path / "clip.avi", frames=2)
    (tmp_path / "clip.avi").rename(tmp_path / "clip")
    assert run(models, tmp_path / "clip", "--no-drawing", "--json", tmp_path / "a.jsonl") == 0
    assert [line["frame"] for line in lines_of(tmp_path / "a.jsonl")] == [0, 1]


@pytest.mark.parametrize(
    ("head", "is_film"),
    [
        (b"FLV\x01" + bytes(200), True),
        (bytes(4) + b"ftyp3gp5" + bytes(200), True),
        (bytes(4) + b"ftypheic" + bytes(200), False),
        (b"\x47" + bytes(187) + b"\x47", True),
        (b"\x47" + bytes(187) + b"\x48", False),
        (b"RIFF\0\0\0\0AVI LIST", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", False),
        (b"\xff\xd8\xff\xe0", False),
        (b"", False),
    ],
)
def test_first_bytes_of_films(head, is_film, tmp_path):
    (tmp_path / "a").write_bytes(head)
    assert holds_video(tmp_path / "a") is is_film


def test_pictures_of_one_stem_have_drawings_of_their_own(models, picture, tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.imread(str(picture)))
    for _ in range(2):  # these are no inputs of the next call either
        assert run(models, tmp_path) == 0
    assert {p.name for p in tmp_path.glob("*_pose.png")} == {
        "photo.jpg_pose.png",
        "photo.png_pose.png",
    }


def test_json_to_the_terminal(models, picture, capsys):
    assert run(models, picture, "--json", "-", "--no-drawing", "--max-hands", "1") == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["hands"]) == 1
    assert "photo.jpg: 1 hand" in err
    assert "middle_mcp" not in err


def test_without_an_encoder_nothing_is_begun(models, tmp_path, monkeypatch, capsys):
    from kerashand.video import writing

    write_video(tmp_path / "clip.avi")
    monkeypatch.setattr(writing, "ENCODERS", {})
    monkeypatch.setattr(HandTracker, "update", None)
    assert run(models, tmp_path / "clip.avi") == 2
    assert "cannot write H.264" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["clip.avi"]


def test_a_video_that_ends_early_is_told(models, tmp_path, capsys):
    write_video(tmp_path / "clip.avi", frames=20)
    whole = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(whole[: len(whole) // 2])
    assert run(models, tmp_path / "clip.avi", "--no-drawing") == 0
    assert "ends early" in capsys.readouterr().err


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


def test_help_is_quick_and_light():
    code = (
        "import sys\n"
        "from kerashand.cli.predict import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# ------------------------------------------------------------------------------- the tracker


class Scripted(HandPose):
    """Sees in each frame what the script says: a box, or none."""

    def __init__(self, models, script):
        loaded = HandPose.load(models / "pose.tflite")
        super().__init__(loaded.backend, None)
        self.script, self.frame, self.searches = script, 0, 0

    def detect(self, rgb, *, max_hands=2, tiles=1):
        self.searches += 1
        return [Detection(box, "right", 1.0) for box in self.script[self.frame]][:max_hands]

    def _pass(self, rgb, view, handedness):
        boxes = self.script[self.frame]
        near = min(boxes, default=None, key=lambda b: abs((b[0] + b[2]) / 2 - view[0][0]))
        estimate = super()._pass(rgb, view, handedness)
        if near is None:
            return dataclasses.replace(estimate, confidence=np.zeros(21))
        uv = np.linspace(near[:2], near[2:], 21)
        confidence = np.full(21, 0.9)
        return dataclasses.replace(estimate, confidence=confidence, uv_px=uv, fits=True)


def test_a_hand_keeps_its_number_until_it_is_gone(models):
    still, moved = (40.0, 40.0, 60.0, 60.0), (44.0, 40.0, 64.0, 60.0)
    second = (100.0, 40.0, 120.0, 60.0)
    script = [[still], [moved], [moved], [], [], [], [still, second], *[[still, second]] * 6]
    pose = Scripted(models, script)
    tracker = HandTracker(pose, smooth=False)
    rgb = np.zeros((100, 160, 3), np.uint8)
    numbers = []
    for pose.frame in range(len(script)):
        numbers.append([number for number, _ in tracker.update(rgb, 1 / 30)])
    assert numbers[:3] == [[0], [0], [0]]
    assert numbers[3:6] == [[], [], []]
    assert numbers[6] == [1, 2]  # came back: a new number, and a second hand
    assert numbers[-1] == [1, 2]
    assert pose.searches < len(script)


def test_hands_are_searched_anew_where_the_size_of_frames_changes(models):
    box = (40.0, 40.0, 60.0, 60.0)
    pose = Scripted(models, [[box]] * 4)
    tracker = HandTracker(pose, intrinsics=np.diag([150.0, 150.0, 1.0]), scale_mm=90.0)
    numbers = []
    for pose.frame, size in enumerate([(100, 160), (100, 160), (80, 128), (80, 128)]):
        hands = tracker.update(np.zeros((*size, 3), np.uint8), 1 / 30)
        numbers.append([number for number, _ in hands])
        assert hands[0][1].uv_px[0, 0] == pytest.approx(40.0, abs=1e-6)
    assert numbers == [[0], [0], [1], [1]]
    with pytest.raises(ValueError, match=r"at least 300 for 3000 x 2000. Received: 150, 150"):
        tracker.update(np.zeros((2000, 3000, 3), np.uint8), 1 / 30)


def test_a_hand_at_rest_is_the_same_with_and_without_smoothing(models):
    """In the camera's frame and about the wrist, beside the middle of the picture."""
    camera = {"intrinsics": [[150.0, 0, 0], [0, 150.0, 50], [0, 0, 1]], "scale_mm": 90.0}
    shown = []
    for smooth in (True, False):
        pose = Scripted(models, [[(100.0, 40.0, 120.0, 60.0)]])
        pose.depth_along = "line_of_sight"
        tracker = HandTracker(pose, smooth=smooth, **camera)
        ((_, hand),) = tracker.update(np.zeros((100, 160, 3), np.uint8), 1 / 30)
        shown.append(hand)
    assert np.abs(shown[0].z_relative - shown[0].xyz_relative[:, 2]).max() > 0.1
    for name in ("uv_px", "z_relative", "xyz_mm"):
        np.testing.assert_allclose(*(getattr(hand, name) for hand in shown), atol=1e-6)
    depths = [hand.xyz_relative[:, 2] for hand in shown]
    np.testing.assert_allclose(*depths, atol=1e-6)


def test_smoothing_calms_what_is_shown_but_not_the_crop(models):
    rng = np.random.default_rng(0)
    boxes = [tuple(np.array([40.0, 40.0, 60.0, 60.0]) + rng.normal(0, 1.0)) for _ in range(40)]
    shown = {}
    for smooth in (True, False):
        pose = Scripted(models, [[box] for box in boxes])
        tracker = HandTracker(pose, smooth=smooth)
        rgb = np.zeros((100, 160, 3), np.uint8)
        track = []
        for pose.frame in range(len(boxes)):
            ((_, hand),) = tracker.update(rgb, 1 / 30)
            track.append(hand.uv_px[0, 0])
        shown[smooth] = np.std(track[10:])
    assert shown[True] < 0.7 * shown[False]
