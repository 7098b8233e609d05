"""kerashand.video: what films of every kind give, and the films that are written."""

import os
import resource
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from browser_pages import CHROMIUM, WITHOUT_CHROMIUM, page_runner
from film_files import picture, turned, write_browser_film, write_film

from kerashand.errors import UserError
from kerashand.video import Frame, film, open_video, writing
from kerashand.video.writing import film_writer

run_page = pytest.fixture(page_runner)
UNEVEN_S = (0.0, 0.045, 0.084, 0.119, 0.3, 0.33)


def frames_of(path):
    return list(open_video(str(path)))


def times_of(path):
    return [frame.time_s for frame in frames_of(path)]


def pictures(count=6, **options):
    return [picture(number=number, **options) for number in range(count)]


def steady(count, fps=25.0, **options):
    return [Frame(rgb, n / fps, 1 / fps) for n, rgb in enumerate(pictures(count, **options))]


def write(path, frames, fps=25.0):
    with film_writer(path, size_px=frames[0].rgb.shape[1::-1], fps=fps) as add:
        for frame in frames:
            add(frame)


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


# ----------------------------------------------------------------------------------- damage


def test_a_film_whose_frames_change_their_size_says_so(tmp_path):
    parts = []
    for name, (width, height) in (("a.ts", (96, 64)), ("b.ts", (64, 48))):
        pictures = np.full((3, height, width, 3), 128, np.uint8)
        write_film(tmp_path / name, pictures, codec="mpeg2video", format="mpegts")
        parts.append((tmp_path / name).read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    film = open_video(tmp_path / "both.ts")
    sizes = [frame.rgb.shape[1::-1] for frame in film]
    assert sizes[0] == (96, 64)
    assert sizes[-1] == (64, 48)
    assert "The size of its frames changes: 96 x 64, 64 x 48 px" in film.complaint


def test_a_film_that_ends_early(tmp_path):
    write(tmp_path / "a.mp4", steady(50))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    video = open_video(str(tmp_path / "a.mp4"))
    read = len(list(video))
    assert 5 < read < 45
    assert f"ends early: {read / 25:.1f} of 2.0 s could be read" in video.complaint


def test_damage_in_the_middle_is_passed_over(tmp_path):
    write(tmp_path / "a.mp4", steady(50))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    for at in np.random.default_rng(1).integers(len(content) // 2, len(content), 60):
        content[at] ^= 0xFF
    (tmp_path / "a.mp4").write_bytes(bytes(content))
    video = open_video(str(tmp_path / "a.mp4"))
    times = [frame.time_s for frame in video]
    assert 10 < len(times) < 50
    places = np.array(times) * 25  # those left keep theirs
    np.testing.assert_allclose(places, places.round(), atol=0.01)
    assert (np.diff(places) > 0.5).all()
    assert "is damaged in" in video.complaint


def test_a_trimmed_film_is_whole(tmp_path):
    """Phones trim by an edit list: what lies before the beginning is in the file, unseen."""
    write_film(tmp_path / "a.mp4", pictures(30))
    with (
        av.open(str(tmp_path / "a.mp4")) as plain,
        av.open(str(tmp_path / "b.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        shown = out.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.pts -= round(0.4 / packet.time_base)
                packet.dts -= round(0.4 / packet.time_base)
                packet.stream = shown
                out.mux(packet)
    video = open_video(str(tmp_path / "b.mp4"))
    assert [frame.time_s for frame in video] == pytest.approx(np.arange(20) / 25, abs=0.002)
    assert video.complaint is None


LISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile 'other.mp4'\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=video 9999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_film_opens_no_other_file(tmp_path, kind):
    write_film(tmp_path / "other.mp4", pictures(2))
    for name in ("list.mp4", "list.m3u8"):
        (tmp_path / name).write_bytes(LISTS[kind])
        with pytest.raises(UserError, match="cannot be opened: it is not a video"):
            open_video(str(tmp_path / name))


def test_a_list_would_open_another_file_without_our_limits(tmp_path):
    """What the test above holds back: else it might pass for another reason."""
    write_film(tmp_path / "other.mp4", pictures(2))
    (tmp_path / "list.mp4").write_bytes(LISTS["concat"])
    with open(tmp_path / "list.mp4", "rb") as file, av.open(file) as opened:
        assert opened.format.name == "concat"
        assert len(list(opened.decode(video=0))) == 2


def test_too_many_pixels(tmp_path, monkeypatch):
    write_film(tmp_path / "a.mp4", pictures(2), sample_aspect=Fraction(2))
    monkeypatch.setattr(film, "MOST_FRAME_PIXELS", 96 * 64 - 1)
    with pytest.raises(UserError, match="says that it has 96 x 64 pixels, which no video has"):
        open_video(str(tmp_path / "a.mp4"))
    monkeypatch.setattr(film, "MOST_FRAME_PIXELS", 150 * 64)
    with pytest.raises(UserError, match="A frame claims 192 x 64 pixels"):
        frames_of(tmp_path / "a.mp4")


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


# ----------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", writing.WRITTEN_SUFFIXES)
def test_what_is_written_plays_in_browsers(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    frames = [Frame(p, t, 0.2) for p, t in zip(pictures(), UNEVEN_S, strict=True)]
    write(path, frames)
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        if suffix == ".mkv":
            assert opened.duration == pytest.approx(0.53e6, abs=2000)
        else:  # the edit list, which players heed
            assert float(stream.duration * stream.time_base) == pytest.approx(0.53, abs=1e-3)
    content = path.read_bytes()
    if suffix != ".mkv":  # the head comes first, so that it plays while it is loaded
        assert content.index(b"moov") < content.index(b"mdat")
    read = frames_of(path)
    assert [f.time_s for f in read] == pytest.approx(UNEVEN_S, abs=6e-4)  # Matroska's clock: 1 ms
    if suffix != ".mkv":
        assert read[-1].duration_s == pytest.approx(0.2, abs=1e-4)
    for before, after in zip(frames, read, strict=True):
        assert np.abs(before.rgb.astype(int) - after.rgb)[4:28, 4:44].max() < 12  # and its colour


PLAY = """
const video = document.createElement('video');
video.muted = true;
video.src = '/test/a.mp4';
document.body.append(video);
return new Promise((done, fail) => {
  video.onerror = () => fail(new Error(video.error.message));
  video.onended = () => done([video.duration, video.videoWidth,
                              video.getVideoPlaybackQuality().totalVideoFrames]);
  video.play().catch(fail);
});
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT_CHROMIUM)
def test_a_browser_plays_it(tmp_path, run_page):
    write(tmp_path / "a.mp4", [Frame(p, t, 0.2) for p, t in zip(pictures(), UNEVEN_S, strict=True)])
    files = {"a.mp4": (tmp_path / "a.mp4").read_bytes()}
    flags = ("--autoplay-policy=no-user-gesture-required",)
    seconds, width, frames = run_page(PLAY, files, flags=flags)
    assert seconds == pytest.approx(0.53, abs=0.001)
    assert width == 96
    assert frames == 6


def test_colours_are_those_of_the_tag(tmp_path):
    """Coded and tagged as BT.709: a reader that heeds the tag gets the colours back."""
    colours = np.array([(200, 100, 50), (20, 180, 40), (10, 10, 250), (240, 240, 30)], np.uint8)
    rgb = np.repeat(np.repeat(colours[None], 64, 0), 32, 1)
    write(tmp_path / "a.mp4", [Frame(rgb, 0.0, 0.1)])
    with av.open(str(tmp_path / "a.mp4")) as opened:
        frame = next(opened.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
    (read,) = frames_of(tmp_path / "a.mp4")
    np.testing.assert_allclose(read.rgb[32, 16::32].astype(int), colours, atol=4)


def test_odd_and_changing_frames(tmp_path):
    frames = [
        Frame(np.full((*size, 3), 90, np.uint8), 0.1 * n, 0.1)
        for n, size in enumerate([(21, 33), (40, 60), (21, 33)])
    ]
    write(tmp_path / "a.mp4", frames)
    assert [frame.rgb.shape for frame in frames_of(tmp_path / "a.mp4")] == [(22, 34, 3)] * 3


def test_times_that_do_not_rise_are_written_all_the_same(tmp_path):
    write(tmp_path / "a.mp4", [Frame(picture(), 0.2, 0.1)] * 3)
    assert len(frames_of(tmp_path / "a.mp4")) == 3


def test_ctrl_c_keeps_what_was_written_beside(tmp_path):
    path = tmp_path / "a_pose.mp4"
    path.write_bytes(b"an earlier one")
    told = r"drawn up to there in .*a_pose\.stopped\.mp4"
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt, match=told),
        film_writer(path, size_px=(96, 64), fps=25.0) as add,
    ):
        for frame in steady(4):
            add(frame)
        raise KeyboardInterrupt
    assert path.read_bytes() == b"an earlier one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_pose.mp4", "a_pose.stopped.mp4"]
    assert len(frames_of(tmp_path / "a_pose.stopped.mp4")) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_of_a_film_without_frames_or_after_an_error(tmp_path, error):
    with pytest.raises(error), film_writer(tmp_path / "a.mp4", size_px=(96, 64), fps=25.0) as add:  # noqa: PT012
        if error is RuntimeError:
            add(steady(1)[0])
        raise error
    assert list(tmp_path.iterdir()) == []


def test_no_encoder_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ENCODERS", {"no_such_encoder": {}})
    with pytest.raises(UserError, match=r"cannot write H\.264 \(no no_such_encoder\)"):
        writing.check_encoder()


def test_a_folder_that_may_not_be_written(tmp_path):
    with pytest.raises(UserError, match=r"none/a\.mp4 cannot be written .*: No such file"):
        write(tmp_path / "none" / "a.mp4", steady(1))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from kerashand.errors import UserError
from kerashand.video import Frame
from kerashand.video.writing import film_writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
rng = np.random.default_rng(0)
try:
    with film_writer(Path(sys.argv[1]), size_px=(192, 128), fps=25.0) as add:
        for n in range(60):
            add(Frame(rng.integers(0, 256, (128, 192, 3)).astype(np.uint8), n / 25, 0.04))
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="limits are Unix's")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / name)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"{name} cannot be written: File too large." in done.stdout
    assert list(tmp_path.iterdir()) == []


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
