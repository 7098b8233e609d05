"""Writing beside and renaming: what stands under a name is always whole."""

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kerashand.errors import UserError
from kerashand.files import (
    LOCK_FILE,
    STALE_SECONDS,
    check_replaceable,
    growing,
    held,
    identity,
    left_beside,
    natural_order,
    read_text,
    remove_stale,
    user_path,
    write_bytes,
    write_text,
    written_beside,
)


def test_content_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with written_beside(path, sync=True) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
        assert beside.suffix == path.suffix
        assert beside.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_failure_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def write_half():
        with written_beside(path) as beside:
            beside.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_folder_replaces_a_folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    with written_beside(path, folder=True) as beside:
        beside.mkdir()
        (beside / "new").touch()
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_that_was_filled_meanwhile_stays(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    filled = pytest.raises(OSError, match=r"another program has filled it; .*out\.new is what was")
    with filled, written_beside(folder, folder=True, empty=True) as beside:
        beside.mkdir()
        (beside / "new").touch()
        (folder / "labelled").touch()
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "out", "out.new", "out.new/new", "out/labelled"
    ]  # fmt: skip


def test_the_current_folder_and_mount_points_are_not_replaced(tmp_path, monkeypatch):
    check_replaceable(tmp_path)
    check_replaceable(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^\. is the folder in which the command runs"):
        check_replaceable(Path("."))
    with pytest.raises(UserError, match=r"^/ is a mount point\. Name a new folder in it"):
        check_replaceable(Path("/"))


def test_a_folder_is_never_replaced_by_a_file(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "photo").touch()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "kept", "new")
    assert os.listdir(tmp_path / "kept") == ["photo"]
    assert os.listdir(tmp_path) == ["kept"]


def test_behind_a_link_the_file_is_written(tmp_path):
    file, link = tmp_path / "file.txt", tmp_path / "link.txt"
    file.write_text("old")
    link.symlink_to(file)
    write_text(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    write_text(path, "new")
    assert os.listdir(tmp_path) == [path.name]


def test_only_old_litter_is_removed(tmp_path):
    old, young = tmp_path / "a.1.part.tfrecord", tmp_path / "b.2.part.tfrecord"
    whole = tmp_path / "c.tfrecord"
    for file in (old, young, whole):
        file.touch()
    past = time.time() - 2 * STALE_SECONDS
    os.utime(old, (past, past))
    os.utime(whole, (past, past))
    remove_stale(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["b.2.part.tfrecord", "c.tfrecord"]


HOLD = """
import sys, time
from pathlib import Path
from kerashand.files import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_is_refused_until_its_process_has_gone(tmp_path):
    (tmp_path / "weights.123.part.npz").write_bytes(b"half")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by process {other.pid} on .* since 20"):
            held(tmp_path).__enter__()
        other.kill()
    with held(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK_FILE).read_text()
        with pytest.raises(UserError, match=f"in use by process {os.getpid()} "):
            held(tmp_path).__enter__()
    with held(tmp_path):
        assert os.listdir(tmp_path) == [LOCK_FILE]


def test_names_of_one_file(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    assert identity(one) == identity(tmp_path / "." / "a")
    assert identity(one) != identity(other)
    one.write_text("x")
    other.hardlink_to(one)
    (tmp_path / "c").symlink_to(one)
    assert identity(one) == identity(other) == identity(tmp_path / "c")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_a_pipe_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        write_text(pipe, "content")
        assert read.result(timeout=10) == "content"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_growing_file_has_one_writer(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("of before\n")
    with growing(path) as file:
        file.write("mine\n")
        file.flush()
        refused = pytest.raises(UserError, match=r"a\.txt is written by another process")
        with refused, growing(path):
            pass
        assert path.read_text() == "mine\n"
    with growing(path):
        pass
    assert path.read_text() == ""


def test_a_growing_file_where_there_are_no_locks(tmp_path, monkeypatch):
    def without(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", without)
    with growing(tmp_path / "a.txt") as file:
        file.write("mine\n")
    assert (tmp_path / "a.txt").read_text() == "mine\n"


@pytest.mark.parametrize("home", [None, ""])
def test_a_home_that_is_not_known_makes_no_folder_named_tilde(monkeypatch, home):
    """As in a container whose user has a number and no name."""
    if home is None:
        monkeypatch.setattr(os.path, "expanduser", lambda name: name)
    else:
        monkeypatch.setenv("HOME", home)
    for name in ("~", "~/a.yaml"):
        with pytest.raises(UserError, match=r"cannot be found: the home folder is not known"):
            user_path(name)
    for name in ("a~", "./~/a", "~nobody_of_this_name/a"):
        assert user_path(name) == Path(name)


def test_a_home_is_put_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"


def test_names_are_ordered_as_people_count():
    names = ["b", "a10", "a2", "a02", "a", "a2b10", "a2b9", "10", "9", "x" + 5000 * "9"]
    assert sorted(names, key=natural_order) == [
        "9", "10", "a", "a02", "a2", "a2b9", "a2b10", "a10", "b", "x" + 5000 * "9"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"\xef\xbb\xbfa: 1", "a: 1"), ("é\n".encode(), "é\n"), (b"", "")],
)
def test_text_is_utf_8_with_or_without_a_mark(tmp_path, content, text):
    (tmp_path / "a").write_bytes(content)
    assert read_text(tmp_path / "a") == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1".encode("utf-16"), "UTF-16"),
        ("a: 1".encode("utf-16-be"), "UTF-16"),
        (b"a\nb: \xff", r"line 2, column 4: the file is not UTF-8"),
    ],
)
def test_text_that_is_not_utf_8(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "a")


def test_what_a_killed_process_left_beside_is_found(tmp_path):
    """A folder that was half-written when the process was killed, and files that are others'."""
    with written_beside(tmp_path / "out.v1", folder=True) as beside:
        beside.mkdir()
        assert left_beside(tmp_path / "out.v1") == [beside]
    assert left_beside(tmp_path / "out.v1") == []
    for name in ("a[1].12.part.jpg", "a[1].part", "a1.12.part.jpg", "a[1].12.jpg"):
        (tmp_path / name).mkdir()
    assert [left.name for left in left_beside(tmp_path / "a[1].jpg")] == ["a[1].12.part.jpg"]
