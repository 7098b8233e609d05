"""`kerashand-predict` on pictures, with small models of random weights: joints and drawings."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from predict_runs import random_models, run, saved_picture

from kerashand.cli import drawing
from kerashand.runtime.hand_pose import Hand
from kerashand.skeleton import JOINT_COLOURS

models = pytest.fixture(scope="module")(random_models)
picture = pytest.fixture(saved_picture)


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


def test_json_to_the_terminal(models, picture, capsys):
    assert run(models, picture, "--json", "-", "--no-drawing", "--max-hands", "1") == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["hands"]) == 1
    assert "photo.jpg: 1 hand" in err
    assert "middle_mcp" not in err


def test_help_is_quick_and_light():
    code = (
        "import sys\n"
        "from kerashand.cli.predict import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
