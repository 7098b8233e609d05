"""export/python: the program on a picture, with nothing installed but NumPy and LiteRT."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

PROGRAM = Path(__file__).parents[1] / "export" / "python" / "hand_on_camera.py"
HIDDEN = ("tensorflow", "keras", "cv2", "av", "PIL", "matplotlib", "yaml", "rich", "onnxruntime")
"""What the program can do without."""
RUN_WITHOUT = f"""
import runpy, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def program(load_script):
    return load_script("export/python/hand_on_camera.py")


@pytest.fixture(scope="module")
def pose():
    return HandPose.load()


@pytest.fixture(scope="module")
def picture(pose):
    """A rendered hand that is found, in 480 x 640 pixels."""
    for index in range(40):
        sample = render_sample("varied", "test", seed=5, index=index, size_px=192)
        if (sample.mask > 0).mean() > 0.2:
            hand = cv2.resize(sample.image, (480, 480), interpolation=cv2.INTER_CUBIC)
            rgb = np.pad(hand, [(0, 0), (80, 80), (0, 0)], mode="edge")
            if pose.predict(rgb):
                return rgb
    raise AssertionError("no rendered hand was found")


def run_without(*arguments):
    return subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT, str(PROGRAM), *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def check_hands(line, expected):
    hands = json.loads(line)["hands"]
    assert len(hands) == len(expected)
    for hand, wanted in zip(hands, expected, strict=True):
        assert hand["handedness"] == wanted.handedness
        assert hand["p_right"] == pytest.approx(wanted.p_right, abs=1e-4)
        np.testing.assert_allclose(hand["score"], wanted.score, atol=1e-4)
        np.testing.assert_allclose(hand["box"], wanted.box, atol=0.01)
        np.testing.assert_allclose(hand["uv_px"], wanted.uv_px, atol=0.01)
        np.testing.assert_allclose(hand["z_relative"], wanted.z_relative, atol=1e-4)
        np.testing.assert_allclose(hand["confidence"], wanted.confidence, atol=1e-4)


def test_a_picture_without_anything_else_installed(pose, picture, tmp_path):
    np.save(tmp_path / "hand.npy", picture)
    done = run_without("--picture", tmp_path / "hand.npy", "--frames", "2", "--threads", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [json.loads(line)["frame"] for line in lines] == [0, 1]
    for line in lines:
        check_hands(line, pose.predict(picture))
    assert "2 frames, " in done.stderr


def test_a_reader_that_stops_reading(picture, tmp_path):
    """As `| head -1`: no traceback."""
    np.save(tmp_path / "hand.npy", picture)
    command = [sys.executable, str(PROGRAM), "--picture", tmp_path / "hand.npy", "--frames", "50"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        first = process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
    assert json.loads(first)["frame"] == 0
    assert process.returncode == 141
    assert told == ""


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "hand.png").write_bytes(b"")
    for arguments, package in (
        (("--picture", tmp_path / "hand.png"), "pip install pillow"),
        (("--camera", "0"), "pip install opencv-python"),
    ):
        done = run_without(*arguments)
        assert done.returncode == 2
        assert package in done.stderr
        assert "Traceback" not in done.stderr


def claiming(png, side):
    """A PNG file whose head says that it is so large."""
    head = b"IHDR" + 2 * side.to_bytes(4, "big") + png[24:29]
    return png[:12] + head + zlib.crc32(head).to_bytes(4, "big") + png[33:]


def test_files_of_pictures(program, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "hand.png")
    np.testing.assert_array_equal(program.read_picture(tmp_path / "hand.png"), picture)
    turned = Image.fromarray(np.rot90(picture).copy())
    turned.getexif()[0x0112] = 6  # lies on its left side: turn it clockwise
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    np.testing.assert_array_equal(program.read_picture(tmp_path / "turned.png"), picture)
    # A camera of 12 bits; the same of 16 bits, with a value that is transparent.
    deep = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 16
    head = f"P5 {deep.shape[1]} {deep.shape[0]} 4095 ".encode()
    (tmp_path / "camera.pgm").write_bytes(head + deep.astype(">u2").tobytes())
    Image.fromarray(deep * 16).save(tmp_path / "deep.png", transparency=1)
    for name in ("camera.pgm", "deep.png"):
        grey = program.read_picture(tmp_path / name)
        np.testing.assert_allclose(grey, (deep // 16)[..., None].repeat(3, axis=2), atol=1)
    png = (tmp_path / "hand.png").read_bytes()
    (tmp_path / "bomb.png").write_bytes(claiming(png, 100_000))
    np.save(tmp_path / "floats.npy", picture / 255.0)
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "many.npz", picture)
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    whole = (tmp_path / "hand.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    for name, side in (("large.png", 12_000), ("bomb.png", 20_000)):  # 144 and 400 megapixels
        head = whole[:16] + side.to_bytes(4, "big") * 2 + whole[24:29]
        check = zlib.crc32(head[12:]).to_bytes(4, "big")
        (tmp_path / name).write_bytes(head + check + whole[33:])
    for name, message in (
        ("floats.npy", "must hold uint8"),
        ("empty.npy", "cannot be read"),
        ("many.npy", "cannot be read"),
        ("text.jpg", "is not a picture that can be read"),
        ("cut.png", "cut short"),
        ("large.png", "120 million are the most that are read"),
        ("bomb.png", "120 million are the most that are read"),
        ("missing.npy", "cannot be read"),
    ):
        with pytest.raises(UserError, match=message):
            program.read_picture(tmp_path / name)


def test_a_camera_is_followed(program, pose, picture, monkeypatch, capsys):
    """A camera that shows a hand and then stops: lines of one hand, then a message."""

    class Camera:
        def __init__(self, number):
            self.left = 3

        def isOpened(self):
            return True

        def set(self, *_):
            return True

        def read(self):
            self.left -= 1
            return self.left >= 0, picture[:, :, ::-1]

        def release(self):
            self.left = 0

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    assert program.main(["--camera", "0", "--frames", "2", "--max-hands", "1"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[hand["number"] for hand in line["hands"]] for line in lines] == [[0], [0]]
    assert program.main(["--camera", "0", "--max-hands", "1"]) == 2
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 3
    assert "gives no more pictures" in told.err


@pytest.mark.parametrize("arguments", [[], ["--picture", "a", "--threads", "0"]])
def test_arguments_are_checked(program, arguments, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert "error:" in capsys.readouterr().err
