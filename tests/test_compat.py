"""Programs for MediaPipe's hands run on kerashand: small scripts, units, messages."""

import copy
import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import mediapipe_scripts as scripts
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict

from kerashand.compat import conversion
from kerashand.compat import mediapipe as mp
from kerashand.compat.confidence import ConfidentPose, packaged_models
from kerashand.compat.mediapipe.framework.formats import landmark_pb2
from kerashand.errors import UserError
from kerashand.geometry.root_depth import relative_joints
from kerashand.runtime import Hand
from kerashand.runtime.detector import Detection
from kerashand.synthetic.scene import render_sample

ROOT = Path(__file__).parents[1]
mp_hands = mp.solutions.hands
OPEN_HAND, FIST, TWO_FINGERS = 64, 14, 38
"""Samples of the generator, all right hands; the first stands upright."""


def run(script, camera, frames):
    camera.frames = list(frames)
    names = {}
    exec(compile(scripts.HEAD + script, "script.py", "exec"), names)
    return names["answer"]


@pytest.fixture
def camera(monkeypatch):
    """A camera that shows given RGB pictures, and a screen that nobody sees."""
    state = SimpleNamespace(frames=[])

    class Camera:
        def __init__(self, number):
            self.left = [picture[:, :, ::-1].copy() for picture in state.frames]

        def isOpened(self):
            return True

        def read(self):
            return (True, self.left.pop(0)) if self.left else (False, None)

        def release(self):
            self.left = []

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: None, raising=False)
    monkeypatch.setattr(cv2, "waitKey", lambda delay: -1, raising=False)
    return state


@pytest.fixture(scope="module")
def photograph():
    """A right hand, 640 x 640 pixels, not mirrored."""
    return cv2.imread(str(ROOT / "docs/images/hand.jpg"))[:, :, ::-1].copy()


@pytest.fixture(scope="module")
def rendered():
    return {
        index: render_sample("varied", "test", seed=0, index=index, size_px=256)
        for index in (OPEN_HAND, FIST, TWO_FINGERS)
    }


@pytest.fixture(scope="module")
def open_hand(rendered):
    """The results for the open right hand, shared by tests that only look at them."""
    return mp_hands.Hands(static_image_mode=True).process(rendered[OPEN_HAND].image)


def test_a_webcam_loop_with_drawing(camera, photograph):
    assert run(scripts.WEBCAM_WITH_DRAWING, camera, [photograph] * 3) == 3


def test_finger_counting(camera, rendered):
    assert run(scripts.FINGER_COUNTING, camera, [rendered[OPEN_HAND].image]) == 5


def test_volume_by_pinch(camera, rendered):
    sample = rendered[OPEN_HAND]
    true_px = np.linalg.norm(sample.uv_px[4] - sample.uv_px[8])
    volume = run(scripts.VOLUME_BY_PINCH, camera, [sample.image])
    assert volume == pytest.approx(np.interp(true_px, [10, 120], [0, 100]), abs=12)


def test_drawing_in_the_air(camera, rendered):
    image = rendered[OPEN_HAND].image
    frames = [np.roll(image, shift, axis=1) for shift in (0, 4, 8)]
    assert run(scripts.DRAWING_IN_THE_AIR, camera, frames) == (3, True)


def test_rock_paper_scissors(camera, rendered):
    frames = [rendered[index].image for index in (FIST, OPEN_HAND, TWO_FINGERS)]
    assert run(scripts.ROCK_PAPER_SCISSORS, camera, frames) == ["rock", "paper", "scissors"]


def test_sign_letters_by_a_classifier(camera, rendered):
    frames = [rendered[OPEN_HAND].image, rendered[FIST].image]
    assert run(scripts.SIGN_LETTERS, camera, frames) == (63, "S")


def test_mouse_control(camera, rendered, monkeypatch):
    mouse = SimpleNamespace(size=lambda: (1000, 500), position=None)
    mouse.moveTo = lambda x, y: setattr(mouse, "position", (x, y))
    monkeypatch.setitem(sys.modules, "pyautogui", mouse)
    sample = rendered[OPEN_HAND]
    u, v = sample.uv_px[8]
    mirrored = ((256 - u) / 256 * 1000, v / 256 * 500)
    assert run(scripts.MOUSE_CONTROL, camera, [sample.image]) == pytest.approx(mirrored, abs=40)


def test_both_hands_by_their_labels(camera, photograph):
    """A selfie, mirrored as MediaPipe asks: the hand that lies left in it is the left one."""
    both = np.concatenate([photograph[:, ::-1], photograph], axis=1)  # it shows a right hand
    # In the picture the left hand lies left, in its mirror image right.
    assert run(scripts.BOTH_HANDS, camera, [both]) == {"Left": False, "Right": True}


def test_world_landmarks_by_the_names_of_joints(camera, rendered):
    degrees, metres, same = run(scripts.WORLD_LANDMARKS, camera, [rendered[OPEN_HAND].image])
    assert 140 < degrees <= 180
    assert metres == pytest.approx(0.092, rel=0.15)
    assert same


def test_a_library_that_imports_mediapipe_itself(tmp_path):
    """The two lines of docs/mediapipe.md, before a library that is not ours to change."""
    (tmp_path / "library.py").write_text(
        "import mediapipe as mp\n"
        "import mediapipe.solutions.hands\n"
        "from mediapipe.framework.formats import landmark_pb2\n"
        "from mediapipe.solutions import drawing_utils\n"
        "print(landmark_pb2.NormalizedLandmark(x=0.5).x, mp.solutions.hands.HandLandmark(8).name)\n"
    )
    program = (
        "import sys\n"
        "import kerashand.compat.mediapipe as mp\n"
        "sys.modules['mediapipe'] = mp\n"
        "import library\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )  # fmt: skip
    assert done.stdout.split() == ["0.5", "INDEX_FINGER_TIP"], done.stderr


# --------------------------------------------------------------------------------------- names

JOINTS = """WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP INDEX_FINGER_MCP INDEX_FINGER_PIP
INDEX_FINGER_DIP INDEX_FINGER_TIP MIDDLE_FINGER_MCP MIDDLE_FINGER_PIP MIDDLE_FINGER_DIP
MIDDLE_FINGER_TIP RING_FINGER_MCP RING_FINGER_PIP RING_FINGER_DIP RING_FINGER_TIP PINKY_MCP
PINKY_PIP PINKY_DIP PINKY_TIP"""
CONNECTIONS = """0-1 0-5 0-17 5-9 9-13 13-17 1-2 2-3 3-4 5-6 6-7 7-8 9-10 10-11 11-12 13-14 14-15
15-16 17-18 18-19 19-20"""


def test_joints_and_connections_have_mediapipes_names_and_numbers():
    assert [(joint.name, int(joint)) for joint in mp_hands.HandLandmark] == [
        (name, number) for number, name in enumerate(JOINTS.split())
    ]
    assert isinstance(mp_hands.HAND_CONNECTIONS, frozenset)
    assert {f"{a}-{b}" for a, b in mp_hands.HAND_CONNECTIONS} == set(CONNECTIONS.split())


def test_what_is_not_here_is_named():
    with pytest.raises(AttributeError, match="no `pose`: it holds drawing_styles"):
        mp.solutions.pose  # noqa: B018
    with pytest.raises(AttributeError, match="no `tasks`"):
        mp.tasks  # noqa: B018


# --------------------------------------------------------------------------------------- units


def hand_of(**changes):
    """A right hand of which each joint lies 1 px right of and 0.1 bones behind the one before."""
    uv = np.stack([np.arange(21.0), np.full(21, 1.0)], axis=1)
    z = np.arange(21) / 10.0
    xyz = relative_joints(uv, z, scale_bone="wrist_middle_mcp")
    values = {"handedness": "right", "p_right": 0.9, "score": 0.8, "uv_px": uv, "z_relative": z}
    return Hand(**values | changes, confidence=np.ones(21), xyz_relative=xyz)


def test_convention_shares_of_the_picture_count_from_its_edges():
    landmarks = conversion.picture_landmarks(hand_of(), 4, 8).landmark
    assert (landmarks[0].x, landmarks[0].y, landmarks[0].z) == (0.125, 0.1875, 0.0)
    assert landmarks[1].x == 0.375


def test_convention_depth_has_the_scale_of_x():
    """A joint as far behind the wrist as the next one lies beside it has the same number."""
    xyz = np.zeros((21, 3))
    xyz[5], xyz[9] = (0.5, 0.0, 0.0), (0.0, -1.0, 0.5)
    hand = dataclasses.replace(
        hand_of(uv_px=80.0 + 40.0 * xyz[:, :2], z_relative=xyz[:, 2]), xyz_relative=xyz
    )
    wrist, index, middle = (
        conversion.picture_landmarks(hand, 160, 90).landmark[i] for i in (0, 5, 9)
    )
    assert index.x - wrist.x == pytest.approx(20 / 160)
    assert middle.z - wrist.z == pytest.approx(20 / 160)


def test_landmarks_lie_where_the_joints_are(open_hand, rendered):
    points = np.array([[p.x, p.y] for p in open_hand.multi_hand_landmarks[0].landmark])
    np.testing.assert_allclose(points * 256 - 0.5, rendered[OPEN_HAND].uv_px, atol=16)


def test_world_landmarks_are_metres_about_the_middle_knuckle(open_hand):
    points = np.array([[p.x, p.y, p.z] for p in open_hand.multi_hand_world_landmarks[0].landmark])
    np.testing.assert_array_equal(points[9], 0.0)
    assert points[0, 1] > 0.05  # the wrist lies below it
    assert 0.13 < np.ptp(points[:, 1]) < 0.22


def test_convention_a_right_hand_is_labelled_left_in_a_picture_that_is_not_mirrored(open_hand):
    (result,) = open_hand.multi_handedness  # the generator's hands are right ones
    assert (result.classification[0].label, result.classification[0].index) == ("Left", 0)
    (label,) = conversion.handedness(hand_of()).classification
    assert (label.label, label.index, label.score) == ("Left", 0, pytest.approx(0.9))
    (label,) = conversion.handedness(hand_of(handedness="left", p_right=0.2)).classification
    assert (label.label, label.index, label.score) == ("Right", 1, pytest.approx(0.8))


def test_results_are_messages(open_hand):
    (landmarks,) = open_hand.multi_hand_landmarks
    assert len(landmarks.landmark) == 21
    assert not landmarks.landmark[0].HasField("visibility")
    assert pickle.loads(pickle.dumps(landmarks)) == landmarks
    other = copy.deepcopy(landmarks)
    other.landmark[0].x = 2.0
    assert other != landmarks
    assert landmark_pb2.NormalizedLandmarkList.FromString(landmarks.SerializeToString()) == (
        landmarks
    )
    assert set(MessageToDict(landmarks)["landmark"][8]) == {"x", "y", "z"}


# ---------------------------------------------------------------------------- frames and errors


def test_no_hand_is_none():
    grey = np.full((120, 160, 3), 90, np.uint8)
    for static in (True, False):
        assert mp_hands.Hands(static_image_mode=static).process(grey) == (None, None, None)


class Clock:
    """A tracker that notes the seconds between frames, and time that passes as told."""

    def __init__(self, monkeypatch):
        self.seconds, self.now_s, self.trackers = [], 100.0, 0
        monkeypatch.setattr(mp_hands, "HandTracker", self)
        monkeypatch.setattr(mp_hands.time, "monotonic", lambda: self.now_s)

    def __call__(self, pose, *, max_hands):
        self.trackers += 1
        return self

    def update(self, rgb, seconds):
        self.seconds.append(seconds)
        return []


def test_time_between_frames_is_real_and_at_least_that_of_30_frames_a_second(monkeypatch):
    clock, frame = Clock(monkeypatch), np.zeros((8, 8, 3), np.uint8)
    hands = mp_hands.Hands()
    for now_s in (100.0, 100.1, 100.101):
        clock.now_s = now_s
        hands.process(frame)
    assert clock.seconds == pytest.approx([0.0, 0.1, 1 / 30])
    hands.process(np.zeros((9, 8, 3), np.uint8))  # another video
    hands.reset()
    hands.process(np.zeros((9, 8, 3), np.uint8))
    assert clock.trackers == 3
    assert clock.seconds[3:] == [0.0, 0.0]


def test_confidences_are_bars_for_new_and_for_followed_hands():
    models = packaged_models()
    usual, strict, lax = (
        ConfidentPose(models, detection=share, tracking=0.6) for share in (0.5, 0.9, 0.1)
    )
    assert usual.recipe.least_hand == pytest.approx(models.recipe.least_hand)
    assert usual.detector.threshold == pytest.approx(models.detector.threshold)
    assert lax.detector.threshold < usual.detector.threshold == strict.detector.threshold
    assert lax.recipe.least_hand < usual.recipe.least_hand < strict.recipe.least_hand
    assert usual.recipe.least_score == 0.6
    weak, sure = (Detection((0.0, 0.0, 8.0, 8.0), "right", score) for score in (0.6, 0.99))
    hand = hand_of(score=0.95)
    assert usual.is_hand(weak, hand)
    assert not strict.is_hand(weak, hand)
    assert strict.is_hand(sure, hand)
    assert not strict.is_hand(sure, hand_of(score=0.89))
    assert models.recipe.least_score != 0.6  # the shared models stay as they are


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (None, ValueError, "Received: None. Did the camera"),
        ([[0, 0, 0]], ValueError, "list, not a NumPy array"),
        (np.zeros((8, 8), np.uint8), ValueError, "three channel rgb.*COLOR_GRAY2RGB"),
        (np.zeros((8, 8, 4), np.uint8), ValueError, "three channel rgb.*COLOR_BGRA2RGB"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, "three channel rgb"),
        (np.zeros((8, 8, 3), np.float32), TypeError, "uint8 of 0 to 255. Received: float32"),
    ],
)
def test_wrong_pictures_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        mp_hands.Hands().process(image)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_num_hands": 0}, ValueError),
        ({"max_num_hands": 2.0}, TypeError),
        ({"model_complexity": 2}, ValueError),
        ({"min_detection_confidence": 1.5}, ValueError),
        ({"min_tracking_confidence": "0.5"}, TypeError),
    ],
)
def test_wrong_options_are_refused(options, error):
    (name,) = options
    with pytest.raises(error, match=f"`{name}` must be"):
        mp_hands.Hands(**options)


def test_closed_hands_take_no_picture():
    with mp_hands.Hands() as hands:
        pass
    hands.close()
    with pytest.raises(ValueError, match="closed"):
        hands.process(np.zeros((8, 8, 3), np.uint8))


# ------------------------------------------------------------------------------- a fresh start

FRESH = """
import sys
for name in ("tensorflow", "keras", "cv2", "matplotlib"):
    sys.modules[name] = None  # as if it were not installed
import json, time
import numpy as np
import kerashand.compat.mediapipe as mp
result = mp.solutions.hands.Hands().process(np.load(sys.argv[1]))
print(json.dumps([len(result.multi_hand_landmarks), time.process_time()]))
"""


def test_the_first_hand_without_tensorflow_in_two_seconds(rendered, tmp_path):
    """Seconds of the processor since the start of Python: others may use it too."""
    np.save(tmp_path / "picture.npy", rendered[OPEN_HAND].image)
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path / "picture.npy")],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, seconds = json.loads(done.stdout)
    assert count == 1
    assert seconds < 2.0


def test_both_packages_are_timed_by_the_same_program(load_script):
    tool = load_script("tools/compare_mediapipe.py")
    program = tool.timer(sys.executable, tool.MODULE)
    found, picture_ms, frame_ms = tool.asked(program, str(ROOT / "docs" / "images" / "hand.jpg"))
    assert found
    assert 0.0 < frame_ms < picture_ms
    with pytest.raises(UserError, match=r"kerashand\.compat\.mediapipe ended at none\.jpg"):
        tool.asked(program, "none.jpg")
    program.communicate()
