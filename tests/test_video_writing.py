"""Films that are written: players take them, and a failure leaves nothing."""

import resource
import subprocess
import sys

import av
import numpy as np
import pytest
from browser_pages import CHROMIUM, WITHOUT_CHROMIUM, page_runner
from film_files import UNEVEN_S, picture
from video_frames import frames_of, pictures, steady, write

from kerashand.errors import UserError
from kerashand.video import Frame, writing
from kerashand.video.writing import film_writer

run_page = pytest.fixture(page_runner)


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
