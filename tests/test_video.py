"""Films and cameras that are read: times of frames, upright pictures, and names of files."""

import os
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from film_files import UNEVEN_S, picture, turned, write_browser_film, write_film
from video_frames import frames_of, pictures, steady, write

from kerashand.errors import UserError
from kerashand.video import film, open_video

# -------------------------------------------------------------------------------------- time


def test_a_browser_film_has_the_times_of_its_blocks(tmp_path):
    write_browser_film(tmp_path / "a.webm", pictures(), UNEVEN_S)
    video = open_video(str(tmp_path / "a.webm"))
    frames = list(video)
    assert [frame.time_s for frame in frames] == pytest.approx(UNEVEN_S, abs=1e-6)
    assert frames[-1].duration_s == pytest.approx(0.03)  # as the last step
    assert video.fps == 30.0  # assumed
    assert video.complaint is None


def test_a_rate_of_1000_is_that_of_the_clock(tmp_path):
    """As OpenCV and FFmpeg report of films without one."""
    path = tmp_path / "a.webm"
    write_film(path, pictures(), times_s=UNEVEN_S, codec="libvpx", rate=1000)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == 1000
    video = open_video(str(path))
    frames = list(video)
    assert [frame.time_s for frame in frames] == pytest.approx(UNEVEN_S, abs=1e-6)
    assert frames[-1].duration_s == pytest.approx(0.03)
    assert video.fps == 30.0


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "mpeg4"), ("a.avi", "mjpeg"), ("a.mkv", "libx264"), ("a.mpg", "mpeg2video"),
     ("a.mov", "libx264"), ("a.webm", "libvpx"), ("a.m4v", "mpeg4")],
)  # fmt: skip
def test_containers_and_codecs(tmp_path, name, codec):
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write_film(tmp_path / name, pictures(9), codec=codec, pix_fmt=pix_fmt)
    video = open_video(str(tmp_path / name))
    frames = list(video)
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(9) / 25, abs=1e-3)
    assert frames[-1].duration_s == pytest.approx(0.04)
    assert video.fps == 25.0
    assert video.complaint is None
    for number, frame in enumerate(frames):
        assert np.abs(frame.rgb.astype(int) - picture(number=number))[8:24, 8:40].mean() < 8


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ([0.0, 0.04, 0.08], [0.0, 0.04, 0.08]),
        ([5.0, 5.04, 5.08], [5.0, 5.04, 5.08]),  # the pictures begin after the sound
        ([-1.0, -0.96, -0.9], [0.0, 0.04, 0.1]),
        ([1e9, 1e9 + 0.04, 1e9 + 0.1], [0.0, 0.04, 0.1]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([0.0, 0.5, 0.5, 0.2, 2.0], [0.0, 0.5, 0.6, 0.7, 2.0]),  # does not rise
        ([0.0, 1e7, 0.2], [0.0, 0.1, 0.2]),
    ],
)
def test_times_only_rise(said, times):
    class Decoded:
        duration, time_base = 1, Fraction(1, 20)

        def __init__(self, time):
            self.time = time

    clock = film._Clock(0.1, begin_s=0.0, has_rate=True)
    told = [clock(Decoded(time)) for time in said]
    assert [time for time, _ in told] == pytest.approx(times)
    assert [duration for _, duration in told] == [0.05] * len(said)


def test_the_film_begins_where_its_sound_does(tmp_path):
    """Pictures from 0.5 s on, as players count; the sound is longer and no reason to complain."""
    write_film(tmp_path / "a.mp4", pictures())
    with av.open(str(tmp_path / "a.mp4")) as plain, av.open(str(tmp_path / "b.mp4"), "w") as out:
        shown = out.add_stream_from_template(plain.streams.video[0])
        sound = out.add_stream("aac", rate=16_000)
        for number in range(30):
            samples = np.zeros((1, 1024), np.float32)
            heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 16_000, 1024 * number
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.pts += round(0.5 / packet.time_base)
                packet.dts += round(0.5 / packet.time_base)
                packet.stream = shown
                out.mux(packet)
    video = open_video(str(tmp_path / "b.mp4"))
    assert [f.time_s for f in video] == pytest.approx(0.5 + np.arange(6) / 25, abs=0.002)
    assert video.complaint is None


def test_sound_alone(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=16_000)
        samples = np.zeros((1, 1024), np.float32)
        heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        heard.sample_rate = 16_000
        out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    with pytest.raises(UserError, match="cannot be opened as a video: it holds no pictures"):
        open_video(str(tmp_path / "a.mp4"))


# ------------------------------------------------------------------------ turned, stretched


@pytest.mark.parametrize(
    ("matrix", "place"),
    [
        ((1, 0, 0, 1), "upper left"),
        ((0, 1, -1, 0), "upper right"),  # a quarter turn clockwise: u goes down
        ((-1, 0, 0, -1), "lower right"),
        ((0, -1, 1, 0), "lower left"),
        ((-1, 0, 0, 1), "upper right"),  # mirrored
        ((1, 0, 0, -1), "lower left"),
        ((0, 1, 1, 0), "upper left"),
        ((0, -1, -1, 0), "lower right"),
    ],
)
def test_films_are_upright(tmp_path, matrix, place):
    write_film(tmp_path / "a.mp4", pictures())
    turned(tmp_path / "a.mp4", matrix)
    for frame in frames_of(tmp_path / "a.mp4"):
        rgb = frame.rgb
        assert rgb.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
        height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
        quarters = {
            "upper left": rgb[:height, :width], "upper right": rgb[:height, width:],
            "lower left": rgb[height:, :width], "lower right": rgb[height:, width:],
        }  # fmt: skip
        red = [name for name, part in quarters.items() if part[..., 0].mean() > 200]
        assert red == [place]


def test_an_odd_turn_is_the_nearest_quarter(tmp_path):
    write_film(tmp_path / "a.mp4", pictures(2))
    turned(tmp_path / "a.mp4", (0, 1, -1, 0))
    content = (tmp_path / "a.mp4").read_bytes()
    at = content.index(b"tkhd") + 44
    few = (3000).to_bytes(4, "big", signed=True)  # beside 65536: three degrees
    (tmp_path / "a.mp4").write_bytes(content[:at] + few + content[at + 4 :])
    assert frames_of(tmp_path / "a.mp4")[0].rgb.shape == (96, 64, 3)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(2), (192, 64)), (Fraction(1, 2), (96, 128)), (Fraction(16, 15), (102, 64)),
     (Fraction(255), (96, 64))],
)  # fmt: skip
def test_pixels_become_square(tmp_path, aspect, size):
    write_film(tmp_path / "a.mp4", pictures(2), sample_aspect=aspect)
    rgb = frames_of(tmp_path / "a.mp4")[0].rgb
    assert rgb.shape[1::-1] == size
    # The mark fills the same quarter.
    assert rgb[size[1] // 2 - 4, size[0] // 2 - 4, 0] > 200
    assert rgb[size[1] // 2 - 4, size[0] // 2 + 4, 0] < 120


def test_the_aspect_is_that_of_stored_pixels(tmp_path):
    write_film(tmp_path / "a.mp4", pictures(2), sample_aspect=Fraction(2))
    turned(tmp_path / "a.mp4", (0, 1, -1, 0))
    assert frames_of(tmp_path / "a.mp4")[0].rgb.shape == (192, 64, 3)


# ------------------------------------------------------------------------------------- names


NAMES = ("12:30.mp4", os.fsdecode(b"n\xff\xfe.mp4"), "a%b%03d.mp4", "http:x.mp4", " ' ;|\n.mp4")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_and_written(tmp_path, name):
    write(tmp_path / name, steady(3))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert len(frames_of(tmp_path / name)) == 3


def test_titles_in_other_encodings(tmp_path):
    write_film(tmp_path / "a.mp4", pictures(2))
    content = (tmp_path / "a.mp4").read_bytes()
    assert b"Lavf" in content
    (tmp_path / "a.mp4").write_bytes(content.replace(b"Lavf", b"L\xe4v\xff"))
    assert len(frames_of(tmp_path / "a.mp4")) == 2


# ----------------------------------------------------------------------------------- cameras


class Capture:
    """A camera of OpenCV that gives `left` pictures, blue ones by OpenCV's order."""

    left = 3

    def __init__(self, number):
        self.number = number

    def isOpened(self):
        return self.number == 0

    def set(self, *_):
        return True

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((20, 30, 3), (250, 0, 0), np.uint8)

    def release(self):
        pass


def test_a_camera_gives_rgb_and_the_time_since_its_first_frame(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    clock = iter([100.0, 100.25, 100.75])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    camera = open_video("camera:0")
    frames = list(camera)
    assert [(frame.time_s, frame.duration_s) for frame in frames] == [
        (0.0, pytest.approx(1 / 30)), (0.25, 0.25), (0.75, 0.5),
    ]  # fmt: skip
    assert frames[0].rgb[0, 0].tolist() == [0, 0, 250]
    assert camera.live
    assert camera.complaint == "camera:0 gives no more pictures."


def test_no_camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    with pytest.raises(UserError, match="camera:7 cannot be opened: no camera answers there"):
        open_video("camera:7")
    monkeypatch.setattr(Capture, "left", 0)
    with pytest.raises(UserError, match="webcam gives no more pictures"):
        list(open_video("webcam"))


# ----------------------------------------------------------------------------------- imports


def test_names_are_known_without_pyav_and_opencv():
    code = (
        "import sys\n"
        "from kerashand.video import camera_number, is_video\n"
        "import kerashand.video.film, kerashand.video.writing, kerashand.video.camera\n"
        "assert camera_number('camera:3') == 3 and camera_number('webcam') == 0\n"
        "assert camera_number('camera.mp4') is None and is_video('a.MOV')\n"
        "assert not {'av', 'cv2', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
