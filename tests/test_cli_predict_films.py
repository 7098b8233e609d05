"""`kerashand-predict` on films and cameras: lines and times of frames, and stopped calls."""

import os
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from film_files import UNEVEN_S, turned, write_browser_film, write_film
from predict_runs import lines_of, noise, random_models, run, write_video

from kerashand.cli import predict
from kerashand.runtime.tracker import HandTracker
from kerashand.video import holds_video

models = pytest.fixture(scope="module")(random_models)


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
