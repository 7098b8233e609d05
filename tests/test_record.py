"""`kerashand-data record`, with a stand-in for pyrealsense2: no test has a camera."""

import importlib.machinery
import signal
import sys
from types import ModuleType, SimpleNamespace

import camera_writers as files
import cv2
import numpy as np
import pytest
import yaml
from camera_writers import COLOUR_K, DEPTH_K, SHIFT_MM, TURN

from kerashand.cli import camera_recording
from kerashand.cli.data import main
from kerashand.data.imports.realsense import DARK_FRAMES

SIZE_PX = (64, 48)


class Camera:
    """What a test says to the stand-in, and what became of it."""

    def __init__(self):
        self.number = -DARK_FRAMES
        self.ends_at, self.at, self.stopped = 1000, {}, False
        self.coefficients, self.model = (0.0,) * 5, "distortion.inverse_brown_conrady"


@pytest.fixture
def camera(monkeypatch):
    told = Camera()

    def profile(k):
        intrinsics = SimpleNamespace(
            width=SIZE_PX[0], height=SIZE_PX[1], fx=k[0, 0], fy=k[1, 1], ppx=k[0, 2], ppy=k[1, 2],
            model=told.model, coeffs=told.coefficients,
        )  # fmt: skip
        move = SimpleNamespace(
            rotation=TURN.T.ravel().tolist(), translation=(SHIFT_MM / 1000.0).tolist()
        )
        video = SimpleNamespace(
            get_intrinsics=lambda: intrinsics, get_extrinsics_to=lambda other: move
        )
        return SimpleNamespace(as_video_stream_profile=lambda: video)

    def frame(picture):
        return SimpleNamespace(get_data=lambda: picture)

    class Pipeline:
        def start(self, config):
            if config.streams[0][1] != SIZE_PX[0]:
                raise RuntimeError("Couldn't resolve requests")
            assert [row[0] for row in config.streams] == ["color", "depth"]
            sensor = SimpleNamespace(get_depth_scale=lambda: 0.00012500000059371814)
            return SimpleNamespace(
                get_stream={"color": profile(COLOUR_K), "depth": profile(DEPTH_K)}.get,
                get_device=lambda: SimpleNamespace(first_depth_sensor=lambda: sensor),
            )

        def wait_for_frames(self, wait_ms):
            number, told.number = told.number, told.number + 1
            if number == told.ends_at:
                raise RuntimeError("Frame didn't arrive within 5000")
            told.at.get(number, lambda: None)()
            seen = number if number >= 0 else 9
            return SimpleNamespace(
                get_color_frame=lambda: frame(files.colour_picture(seen % 10)),
                get_depth_frame=lambda: frame(files.depth_picture(seen, SIZE_PX)),
            )

        def stop(self):
            told.stopped = True

    class Config:
        def __init__(self):
            self.streams = []

        def enable_stream(self, *row):
            self.streams.append(row)

    module = ModuleType("pyrealsense2")
    module.__spec__ = importlib.machinery.ModuleSpec("pyrealsense2", None)
    module.pipeline, module.config = Pipeline, Config
    module.stream = SimpleNamespace(color="color", depth="depth")
    module.format = SimpleNamespace(rgb8="rgb8", z16="z16")
    monkeypatch.setitem(sys.modules, "pyrealsense2", module)
    return told


def record(folder, *more):
    return main(["record", str(folder), "--size", "64x48", *map(str, more)])


def frames_of(folder):
    return sorted(path.stem for path in (folder / "depth").iterdir())


def test_frames_and_cameras(camera, tmp_path, capsys):
    out = tmp_path / "out"
    assert record(out, "--no-window", "--count", 3) == 0
    assert camera.stopped
    assert frames_of(out) == ["000000", "000003", "000006"]
    for number in (0, 3, 6):
        depth = cv2.imread(str(out / "depth" / f"{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(depth, files.depth_picture(number, SIZE_PX))
        blue = cv2.imread(str(out / "colour" / f"{number:06d}.jpg"))[20, 20, 0]
        assert abs(int(blue) - 20 * number) < 6
    held = yaml.safe_load((out / "recording.yaml").read_text())
    assert held["depth"]["unit_mm"] == 0.125
    assert (held["colour"]["cx"], held["depth"]["cx"]) == (31.5, 19.75)
    np.testing.assert_allclose(held["depth_to_colour"]["rotation"], TURN, atol=1e-6)
    np.testing.assert_allclose(held["depth_to_colour"]["translation_mm"], SHIFT_MM, atol=1e-6)
    told = capsys.readouterr().out
    assert "fingers spread" in told
    assert "for one to two minutes" in told
    assert "3 frames. Next: kerashand-data label" in told


def test_ctrl_c_keeps_what_was_recorded(camera, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    camera.at[4] = lambda: signal.raise_signal(signal.SIGINT)
    assert record(tmp_path / "out", "--no-window", "--every", 2) == 0
    assert frames_of(tmp_path / "out") == ["000000", "000002"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_keeps_nothing(camera, tmp_path, capsys):
    camera.at[3] = lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)]
    assert record(tmp_path / "out", "--no-window") == 130
    assert "Stopped: nothing was written." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert camera.stopped


def test_the_window(camera, tmp_path, monkeypatch):
    shown = []

    class Window:
        def __init__(self, title):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, rgb):
            shown.append(rgb)
            return len(shown) < 6

    monkeypatch.setattr(camera_recording, "Window", Window)
    assert record(tmp_path / "out") == 0
    assert frames_of(tmp_path / "out") == ["000000", "000003"]
    assert [picture.shape for picture in shown] == [(48, 128, 3)] * 6
    np.testing.assert_array_equal(shown[2][:, :64], files.colour_picture(2))


def test_without_a_screen_it_records_all_the_same(camera, tmp_path, monkeypatch, capsys):
    from kerashand.errors import UserError

    def no_window(title):
        raise UserError("No window can be opened.")

    monkeypatch.setattr(camera_recording, "Window", no_window)
    assert record(tmp_path / "out", "--count", 1) == 0
    assert "Nothing is shown: No window can be opened." in capsys.readouterr().out


def test_what_goes_wrong(camera, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    for arguments, message in (
        (["--size", "63x48"], "No RealSense camera gives colour and depth of 63 x 48 pixels"),
        (["--size", "big"], "--size must be such as 640x480"),
        (["--fps", "0"], "--fps must be 1 to 300"),
        (["--every", "0"], "--every must be at least 1"),
    ):
        assert record(out, "--no-window", *arguments) == 2
        assert message in capsys.readouterr().err
    camera.ends_at = 2
    assert record(out, "--no-window") == 2
    assert "The camera gives no more pictures: Frame didn't arrive" in capsys.readouterr().err
    camera.coefficients, camera.model = (0.1,) * 5, "distortion.ftheta"
    assert record(out, "--no-window") == 2
    assert "The camera: the distortion is of the model 'ftheta'" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "pyrealsense2")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyrealsense2" else find(name)
    )
    assert record(out, "--no-window") == 2
    assert 'pip install "kerashand[realsense]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
