"""`kerashand-predict` on small models with random weights: what goes in and comes out."""

import dataclasses
import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from kerashand import exporting
from kerashand.cli import media, predict
from kerashand.cli.media import read_picture
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.models.finder import build_finder
from kerashand.models.hand_pose import build_parts
from kerashand.runtime import HandPose
from kerashand.runtime.finder import FoundHand
from kerashand.runtime.hand_pose import Hand
from kerashand.runtime.tracker import HandTracker
from kerashand.skeleton import JOINT_COLOURS

SIZE = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A pose model and a finder that sees a hand everywhere (threshold 0), as files."""
    import keras

    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("models")
    parts = build_parts(image_size_px=SIZE, lite={"width": 0.5, "stages": 1})
    described = exporting.describe(load_config("weak.yaml", [f"data.image_size_px={SIZE}"]))
    exporting.export(
        parts.build_inference_model(), folder / "pose.tflite", "tflite", metadata=described
    )
    finder = build_finder(image_size_px=64, width=0.5)
    for name, threshold in (("finds", 0.0), ("nothing", 0.99)):
        described = exporting.describe_finder(image_size_px=64, threshold=threshold)
        exporting.export(finder, folder / f"{name}.tflite", "tflite", metadata=described)
    return folder


@pytest.fixture
def picture(tmp_path, rng):
    small = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), cv2.resize(small, (160, 120)))
    return path


def run(models, *arguments, finder="finds"):
    files = ["--model", str(models / "pose.tflite"), "--finder", str(models / f"{finder}.tflite")]
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
    box = ["--box", "20,20,100,110", "--side", "left"]
    assert run(models, picture, *camera, *box, "--json", lines, "--no-drawing") == 0
    assert "the wrist is" in capsys.readouterr().out
    (hand,) = json.loads(lines.read_text())["hands"]
    assert hand["side"] == "left"
    assert hand["xyz_camera_mm"][0][2] == pytest.approx(hand["root_depth_mm"], abs=0.01)
    assert not picture.with_name("photo_pose.png").exists()


def test_no_hand_is_an_answer(models, picture, capsys):
    assert run(models, picture, finder="nothing") == 0
    assert "photo.jpg: no hand" in capsys.readouterr().out
    drawing = cv2.imread(str(picture.with_name("photo_pose.png")))
    plain = cv2.resize(cv2.imread(str(picture)), (640, 480), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(drawing, plain)


@pytest.mark.parametrize(("score", "words"), [(0.9, (255, 255, 255)), (0.7, (255, 176, 0))])
def test_a_small_picture_is_drawn_enlarged(score, words):
    uv_px = np.stack([np.linspace(20, 60, 21), np.linspace(70, 30, 21)], axis=1)
    hand = Hand(
        side="right", uv_px=uv_px, joint_scores=np.full(21, score), z_relative=np.zeros(21),
        xyz_relative=np.zeros((21, 3)),
    )  # fmt: skip
    drawing = predict.draw(np.full((100, 100, 3), 200, np.uint8), [(0, hand)])
    assert drawing.shape == (600, 600, 3)  # six times
    # The wrist's pixel 20, 70 is the block whose middle is 122.5, 422.5.
    np.testing.assert_array_equal(drawing[422, 122], JOINT_COLOURS[0])
    box = drawing[:180, :400]
    assert (box == words).all(axis=-1).any()
    assert (box == 0).all(axis=-1).any()


def test_of_a_folder_hands_are_told_and_no_joints(models, picture, capsys):
    cv2.imwrite(str(picture.with_name("other.png")), cv2.imread(str(picture)))
    assert run(models, picture.parent, "--no-drawing") == 0
    out = capsys.readouterr().out
    assert out.count("hand 0: ") == 2
    assert "middle_mcp" not in out


def test_what_a_small_install_lacks_is_named(monkeypatch, picture, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "kerashand.cli.jobs", raising=False)
    monkeypatch.delitem(sys.modules, "kerashand.cli.media", raising=False)
    assert predict.main([str(picture)]) == 2
    assert "needs opencv-python-headless, which is not installed" in capsys.readouterr().err


def write_video(path, frames=7, size=(96, 64)):
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, size)
    for _ in range(frames):
        writer.write(rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8))
    writer.release()


def test_a_video_gives_a_video_and_a_line_for_each_frame(models, tmp_path, capsys):
    write_video(tmp_path / "clip.avi")
    lines = tmp_path / "clip.jsonl"
    out = tmp_path / "drawn.mp4"
    assert run(models, tmp_path / "clip.avi", "--out", out, "--json", lines) == 0
    assert "7 frames" in capsys.readouterr().out
    assert [json.loads(line)["frame"] for line in lines.read_text().splitlines()] == list(range(7))
    capture = cv2.VideoCapture(str(out))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 7
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.avi", "clip.jsonl", "drawn.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "missing.jpg does not exist"),
        (["missing.mp4"], "missing.mp4 does not exist"),
        (["text.jpg"], "text.jpg is not a picture"),
        (["empty.png"], "empty.png is not a picture"),
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
        (["photo.jpg", "--box", "nan,0,5,5", "--side", "left"], "4 finite numbers"),
        (["photo.jpg", "--box", "500,500,600,600", "--side", "left"], "must meet the picture"),
        (["photo.jpg", "--box", "0,0,1e8,1e8", "--side", "left"], "4 pictures wide or high"),
        (["photo.jpg", "clip.avi", "--box", "1,1,9,9"], "--box is for pictures"),
        (["photo.jpg", "--out", "kept"], "--out: kept/photo_pose.png is a folder"),
        (["photo.jpg", "--show"], "--show is for videos and cameras. Received: the picture photo"),
        (["photo.jpg", "--json", "kept"], "--json: kept is a folder"),
        (["photo.jpg", "--json", "kept/"], "--json must name a file"),
        (["photo.jpg", "--out", "photo.jpg"], "must end in .png"),
        (["alpha.png", "--out", "alpha.png"], "--out: alpha.png is taken by alpha.png"),
        (["photo.jpg", "--json", "photo.jpg"], "--json: photo.jpg is taken by photo.jpg"),
        (["photo.jpg", "--out", "a.png", "--json", "a.png"], "--json: a.png is taken by"),
        (["clip.avi", "--out", "clip.avi"], "is taken by clip.avi"),
        (["clip.avi", "--out", "a.png"], "A drawing of a video must end in .mp4"),
        (["photo.jpg", "other/photo.jpg", "--out", "drawn"], "would both be drawn/photo.jpg_pose"),
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
    (tmp_path / "kept" / "photo_pose.png").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    shutil.copy(picture, tmp_path / "other")
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


def test_drawings_are_not_inputs_of_the_next_call(models, picture, tmp_path):
    for _ in range(2):
        assert run(models, tmp_path) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.jpg", "photo_pose.png"]


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


def test_a_video_that_was_not_written_whole_is_an_error(models, tmp_path, monkeypatch, capsys):
    write_video(tmp_path / "clip.avi")
    writer = media.cv2.VideoWriter

    class Forgetful:
        def __init__(self, *arguments):
            self.writer, self.count = writer(*arguments), 0

        def write(self, frame):
            self.count += 1
            if self.count < 4:
                self.writer.write(frame)

        def __getattr__(self, name):
            return getattr(self.writer, name)

    Forgetful.fourcc = writer.fourcc
    monkeypatch.setattr(media.cv2, "VideoWriter", Forgetful)
    assert run(models, tmp_path / "clip.avi") == 2
    assert "of 7 frames it holds 3" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["clip.avi"]


def test_odd_and_changing_frames_are_drawn(tmp_path):
    with media.video_writer(tmp_path / "a.mp4", fps=10.0, size_px=(33, 21)) as write:
        for size in ((21, 33), (40, 60)):
            write(np.full((*size, 3), 90, np.uint8))
    video = media.Video(str(tmp_path / "a.mp4"))
    assert [frame.shape for frame in video] == [(22, 34, 3)] * 2


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


def test_a_picture_beyond_the_limit_is_an_error(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))

    def refuse(*_):
        raise cv2.error("too large")

    monkeypatch.setattr(media.cv2, "imdecode", refuse)
    with pytest.raises(UserError, match="not a picture that OpenCV can read"):
        read_picture(tmp_path / "a.png")


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

    def find(self, rgb, *, max_hands=2):
        self.searches += 1
        return [FoundHand(box, "right", 1.0) for box in self.script[self.frame]][:max_hands]

    def _look(self, rgb, centre, side_px, angle_rad, *, side):
        boxes = self.script[self.frame]
        near = min(boxes, default=None, key=lambda b: abs((b[0] + b[2]) / 2 - centre[0]))
        hand = super()._look(rgb, centre, side_px, angle_rad, side=side)
        if near is None:
            return dataclasses.replace(hand, joint_scores=np.zeros(21))
        uv = np.linspace(near[:2], near[2:], 21)
        return dataclasses.replace(hand, joint_scores=np.full(21, 0.9), uv_px=uv)


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
