"""`kerashand-predict --rerun`, with a stand-in for rerun, and with rerun itself where it is."""

import importlib.util
import subprocess
import sys
import types

import cv2
import numpy as np
import pytest

from kerashand.cli import predict
from kerashand.cli.jobs import Job
from kerashand.cli.rerun_gallery import log_galleries
from kerashand.cli.rerun_log import VIEWER, RerunLog, check_target, placed_mm
from kerashand.runtime import HandPose
from kerashand.runtime.hand import Hand
from kerashand.skeleton import BONES, JOINT_NAMES


class Logged:
    """An archetype: its name, and what it was made of."""

    def __init__(self, name, /, *values, **named):
        self.name, self.values, self.named = name, values, named

    def compress(self, jpeg_quality):
        assert 50 <= jpeg_quality <= 100
        return self


class Stream:
    """A recording: every call in order, with the times that were set then."""

    def __init__(self, application):
        self.application, self.times, self.rows, self.calls = application, {}, [], []
        Stream.last = self

    def reset_time(self):
        self.times = {}

    def set_time(self, timeline, **when):
        self.times[timeline] = when

    def log(self, place, *entities, static=False):
        times = "static" if static else dict(self.times)
        self.rows += [("/".join(place), times, entity) for entity in entities]

    def at(self, place):
        return [(times, entity) for path, times, entity in self.rows if path == place]

    def __getattr__(self, name):
        return lambda *values: self.calls.append((name, *values))


@pytest.fixture
def rerun(monkeypatch):
    """The stand-in, in the place of the package."""
    module, blueprint = types.ModuleType("rerun"), types.ModuleType("rerun.blueprint")

    def maker(name):
        return lambda *values, **named: Logged(name, *values, **named)

    for name in ("Image", "Pinhole", "Points2D", "Points3D", "LineStrips2D", "LineStrips3D",
                 "Scalars", "Clear", "AnyValues", "TextLog", "DepthImage"):  # fmt: skip
        setattr(module, name, maker(name))
    for name in ("Vertical", "Horizontal", "Tabs", "Spatial2DView", "Spatial3DView",
                 "TimeSeriesView", "Blueprint"):  # fmt: skip
        setattr(blueprint, name, maker(name))
    module.ViewCoordinates = types.SimpleNamespace(RDF="right, down, forward")
    module.RecordingStream, module.blueprint = Stream, blueprint
    module.new_entity_path = "/".join
    module.__spec__ = importlib.util.spec_from_loader("rerun", None)
    monkeypatch.setitem(sys.modules, "rerun", module)
    monkeypatch.setitem(sys.modules, "rerun.blueprint", blueprint)
    return module


def hand_of(*, wrist_px=(100.0, 50.0), xyz_mm=None, p_right=0.9):
    """A hand whose middle knuckle is 46 px to the right and one scale bone away."""
    uv_px, xyz = np.tile(wrist_px, (21, 1)), np.zeros((21, 3))
    uv_px[9] += (46.0, 0.0)
    xyz[9] = (1.0, 0.0, 0.25)
    return Hand(
        handedness="right", uv_px=uv_px, confidence=np.linspace(0, 1, 21), z_relative=xyz[:, 2],
        xyz_relative=xyz, xyz_mm=xyz_mm, score=0.75, p_right=p_right,
    )  # fmt: skip


def test_hands_without_a_camera_keep_their_places():
    """46 px are 92 mm: a pixel is 2 mm. The middle of 201 x 101 px is the pixel (100, 50)."""
    middle = placed_mm(hand_of(), scale_mm=92.0, size_px=(201, 101))
    np.testing.assert_allclose(middle[0], [0, 0, 0])
    np.testing.assert_allclose(middle[9], [92, 0, 23])
    left = placed_mm(hand_of(wrist_px=(70.0, 60.0)), scale_mm=92.0, size_px=(201, 101))
    np.testing.assert_allclose(left, middle + np.array([-60, 20, 0]))
    known = np.ones((21, 3))
    np.testing.assert_array_equal(
        placed_mm(hand_of(xyz_mm=known), scale_mm=92.0, size_px=(201, 101)), known
    )


def log_of(tmp_path, *, intrinsics=None, target=None):
    jobs = [Job("a.mp4", True), Job("b.png", False)]
    target = target or str(tmp_path / "hands.rrd")
    return RerunLog(target, jobs, scale_mm=92.0, intrinsics=intrinsics)


def test_a_film_is_logged_with_its_times(rerun, tmp_path):
    picture = np.zeros((101, 201, 3), np.uint8)
    with log_of(tmp_path) as log:
        log.add(
            "a.mp4", picture, [(0, hand_of()), (3, hand_of(p_right=None))], number=0, time_s=0.0
        )
        log.add("a.mp4", picture, [(3, hand_of())], number=1, time_s=0.045)
        assert log.summary.startswith(f"{tmp_path / 'hands.rrd'}: open it with `rerun ")
    stream = Stream.last
    assert stream.calls[0] == ("save", tmp_path / "hands.rrd")
    assert [name for name, *_ in stream.calls] == ["save", "send_blueprint", "flush", "disconnect"]
    assert stream.at("a.mp4/space") == [("static", "right, down, forward")]
    second = {"frame": {"sequence": 1}, "time": {"duration": 0.045}}
    (_, first), (times, _) = stream.at("a.mp4/picture")
    assert first.name == "Image"
    assert times == second
    joints, known = (entity for _, entity in stream.at("a.mp4/picture/hand 0/joints"))
    np.testing.assert_allclose(joints.values[0][0], [100.5, 50.5])  # 0 is where pixels begin
    assert tuple(joints.named["labels"]) == JOINT_NAMES
    assert known.named["handedness"] == "right"
    np.testing.assert_array_equal(known.named["confidence"], np.linspace(0, 1, 21))
    ((_, bones),) = stream.at("a.mp4/space/hand 0/bones")
    assert bones.values[0].shape == (20, 2, 3)
    np.testing.assert_allclose(bones.values[0][BONES.index((0, 9))], [[0, 0, 0], [92, 0, 23]])
    ((_, words),) = stream.at("a.mp4/picture/hand 0/words")
    assert words.named["labels"] == ["0 right 0.75"]
    assert [entity.values for _, entity in stream.at("a.mp4/scores/hand 0/score")] == [(0.75,)]
    assert len(stream.at("a.mp4/scores/hand 3/p_right")) == 1
    # A hand that is gone is taken away, in the frame where it is.
    for place in ("picture", "space"):
        ((times, clear),) = stream.at(f"a.mp4/{place}/hand 0")
        assert (clear.name, clear.named, times) == ("Clear", {"recursive": True}, second)
        assert not stream.at(f"a.mp4/{place}/hand 3")


def test_a_camera_is_logged_with_its_picture(rerun, tmp_path):
    intrinsics = [[200.0, 0.0, 100.0], [0.0, 210.0, 50.0], [0.0, 0.0, 1.0]]
    known = np.full((21, 3), 300.0)
    with log_of(tmp_path, intrinsics=intrinsics) as log:
        log.add("b.png", np.zeros((101, 201, 3), np.uint8), [(0, hand_of(xyz_mm=known))])
    (times, pinhole), (_, image) = Stream.last.at("b.png/space/camera")
    assert times == {"picture": {"sequence": 0}}
    assert pinhole.named["image_from_camera"] == [[200, 0, 100.5], [0, 210, 50.5], [0, 0, 1]]
    assert pinhole.named["resolution"] == (201, 101)
    assert image.name == "Image"
    (_, joints), _ = Stream.last.at("b.png/space/hand 0/joints")
    np.testing.assert_array_equal(joints.values[0], known)
    assert Stream.last.at("b.png/space/camera/hand 0/joints")


def test_several_pictures_are_steps_of_one_entity(rerun, tmp_path):
    """Without the times of the video between them."""
    jobs = [Job("b.png", False), Job("a.mp4", True), Job("c/b.png", False)]
    grey = np.zeros((101, 201, 3), np.uint8)
    with RerunLog(str(tmp_path / "a.rrd"), jobs, scale_mm=92.0, intrinsics=None) as log:
        log.add("b.png", grey, [(0, hand_of())])
        log.add("a.mp4", grey, [], number=0, time_s=0.0)
        log.add("c/b.png", grey, [])
    names = [(times, entity.values) for times, entity in Stream.last.at("pictures/input")]
    second = {"picture": {"sequence": 1}}
    assert names == [({"picture": {"sequence": 0}}, ("b.png",)), (second, ("c/b.png",))]
    assert [times for times, _ in Stream.last.at("pictures/picture")][1] == second
    ((times, gone),) = Stream.last.at("pictures/space/hand 0")
    assert (gone.name, times) == ("Clear", second)
    ((_, blueprint),) = [call for call in Stream.last.calls if call[0] == "send_blueprint"]
    (tabs,) = blueprint.values
    assert [tab.named["name"] for tab in tabs.values] == ["pictures", "a.mp4"]


def test_a_viewer_is_started(rerun, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    check_target(VIEWER)
    with log_of(tmp_path, target=VIEWER) as log:
        assert log.summary is None
        log.add("b.png", np.zeros((9, 9, 3), np.uint8), [])
        assert log.summary is None
    assert Stream.last.calls[0] == ("spawn",)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(predict.UserError, match="there is no screen: name a file"):
        check_target(VIEWER)


def shown_hand(number, **more):
    """A hand of a gallery whose wrist is 600 mm away."""
    xyz_mm = np.full((21, 3), 600.0)
    return {
        "number": number, "group": "worst", "image": np.zeros((64, 64, 3), np.uint8),
        "uv_px": np.full((21, 2), 10.0), "uv_true_px": np.full((21, 2), 12.0),
        "xyz_mm": xyz_mm, "xyz_true_mm": xyz_mm + 5.0, "window_mm": 200.0,
        "measured": np.array([[0.0, 0.5], [1.0, 1.0]]),
        "measured_weight": np.array([[1.0, 1.0], [1.0, 0.0]]), "generated": None, **more,
    }  # fmt: skip


def test_galleries_hold_truth_and_depth_maps(rerun, tmp_path):
    photograph = shown_hand(7, xyz_true_mm=None, measured=None, measured_weight=None)
    generated = shown_hand(9, generated=np.full((2, 2), 0.25))
    assessment = types.SimpleNamespace(shown=[shown_hand(3), photograph, generated])
    log_galleries(str(tmp_path / "a.rrd"), [assessment], ["lite"])
    stream = Stream.last
    assert stream.calls == [("save", tmp_path / "a.rrd"), ("flush",), ("disconnect",)]
    steps = [times["hand"]["sequence"] for times, _ in stream.at("lite/picture")]
    assert steps == [0, 1, 2]
    assert [entity.values[0] for _, entity in stream.at("lite/words")][1] == "worst: hand 7"
    # The wrist is in the middle of the window: its ends are 700 and 500 mm away.
    (_, first), (_, none), (_, last) = stream.at("lite/depth/measured")
    np.testing.assert_allclose(first.values[0], [[700, 600], [500, 0]])
    assert (first.named["meter"], none.name, last.name) == (1000.0, "Clear", "DepthImage")
    drawn = [entity for _, entity in stream.at("lite/depth/generated")]
    assert [entity.name for entity in drawn] == ["Clear", "Clear", "DepthImage"]
    np.testing.assert_allclose(drawn[2].values[0], np.full((2, 2), 650))
    np.testing.assert_allclose(
        stream.at("lite/picture/true/joints")[0][1].values[0], np.full((21, 2), 12.5)
    )
    assert len(stream.at("lite/space/true/joints")) == 2
    assert [entity.name for _, entity in stream.at("lite/space/true")] == ["Clear"]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((90, 120, 3), 180, np.uint8))
    return str(path)


def refused(*arguments, capsys):
    """What the command says before it ends; no model is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HandPose, "load", lambda *_, **__: pytest.fail("a model was loaded"))
        try:
            code = predict.main([*arguments])
        except SystemExit as stop:
            code = stop.code
    assert code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_what_cannot_be_is_said_at_once(picture, tmp_path, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "rerun" else found(name)
    )
    said = refused(picture, "--rerun", str(tmp_path / "a.rrd"), capsys=capsys)
    assert said.startswith("kerashand-predict: --rerun needs rerun-sdk, which the base install")
    assert said.endswith('pip install "kerashand[rerun]"')
    said = refused("--rerun", picture, capsys=capsys)
    assert f"must end in .rrd. Received: {picture}. Without a file, put --rerun behind" in said
    said = refused(picture, "--rerun", str(tmp_path / "none" / "a.rrd"), capsys=capsys)
    assert "--rerun: the folder of" in said


def test_the_command_writes_a_recording(rerun, picture, tmp_path, capsys):
    recording = tmp_path / "a.rrd"
    assert predict.main([picture, "--no-drawing", "--rerun", str(recording)]) == 0
    assert f"{recording}: open it with" in capsys.readouterr().out
    assert [times for times, _ in Stream.last.at(f"{picture}/picture")] == [
        {"picture": {"sequence": 0}}
    ]


@pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="no rerun-sdk")
def test_rerun_itself_reads_the_recording(tmp_path):
    code = (
        "import sys, numpy as np; sys.path.insert(0, 'tests')\n"
        "from test_rerun_log import hand_of, log_of\n"
        "from pathlib import Path\n"
        "with log_of(Path(sys.argv[1])) as log:\n"
        "    log.add('b.png', np.zeros((101, 201, 3), np.uint8), [(0, hand_of())])\n"
        "    for frame in range(2):\n"
        "        log.add('a.mp4', np.zeros((90, 90, 3), np.uint8), [(frame, hand_of())],\n"
        "                number=frame, time_s=0.04 * frame)\n"
    )  # a process of its own: the SDK keeps threads
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", "-v", str(tmp_path / "hands.rrd")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for place in ("/b.png/picture", "/b.png/space/hand\\ 0/bones", "/a.mp4/scores/hand\\ 1/score"):
        assert f" - {place} - " in done.stdout
