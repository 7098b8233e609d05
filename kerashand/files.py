"""Names and text of files, and writing them so that a name never stands for half a file."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

from kerashand.errors import UserError

PART_SUFFIX = ".part"
LOCK_FILE = "in_use.lock"
"""In a folder that a process may hold; it stays when the process has ended, and means nothing."""
RUN_CONFIG = "config.yaml"
"""The configuration in the folder of a run."""
STALE_SECONDS = 3600.0
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
LONGEST_STEM = 100
"""Of a name, so that with what is added it stays one that file systems take."""


def user_path(name: str | os.PathLike[str]) -> Path:
    """A path as a user names it, with `~` for a home folder; that of nobody stays as it is.

    Raises:
        UserError: if `~` is the user's own home folder, and none is known.
    """
    name = os.fspath(name)
    if (name == "~" or name.startswith(("~/", f"~{os.sep}"))) and not home_is_known():
        raise UserError(
            f"{name} cannot be found: the home folder is not known. Set HOME, or write the path "
            "without ~."
        )
    return Path(os.path.expanduser(name))  # Path.expanduser() raises RuntimeError


def home_is_known() -> bool:
    """Whether `~` stands for a folder: containers run users without a name, who have none."""
    return os.environ.get("HOME") != "" and os.path.expanduser("~") != "~"


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """What to sort names by so that numbers in them count: `frame_2` before `frame_10`."""
    parts = re.split("([0-9]+)", name)
    numbers = [part.lstrip("0") if k % 2 else part for k, part in enumerate(parts)]
    counted = [(len(part) if k % 2 else 0, part) for k, part in enumerate(numbers)]
    return counted, name  # 01 and 1 are two names


def check_folder(name: str | os.PathLike[str]) -> None:
    """Raise UserError unless there is such a folder."""
    path = user_path(name)
    if not path.is_dir():
        raise UserError(f"{path} {'is no folder' if path.exists() else 'does not exist'}.")


def check_replaceable(folder: Path) -> None:
    """Raise UserError for a folder in whose place no other can be put."""
    if not folder.is_dir():
        return
    if folder.samefile(Path.cwd()):
        raise UserError(
            f"{folder} is the folder in which the command runs. Name a new folder in it."
        )
    if folder.resolve().is_mount():
        raise UserError(f"{folder} is a mount point. Name a new folder in it.")


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | Path:
    """What all names of one file have in common, through links of both kinds.

    A file that does not exist yet is known by its whole name.
    """
    try:
        found = os.stat(path)
    except OSError:
        return Path(path).resolve()
    return found.st_dev, found.st_ino


def content_digest(*paths: str | os.PathLike[str]) -> str:
    """Twelve hexadecimal digits that stand for the content of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:12]


def file_stamp(path: str | os.PathLike[str]) -> str:
    """Name, size and time of a file: what changes when its content does."""
    found = os.stat(path)
    return f"{os.fspath(path)} {found.st_size} {found.st_mtime_ns}"


@contextlib.contextmanager
def written_beside(
    path: str | os.PathLike[str], *, sync: bool = False, folder: bool = False, empty: bool = False
) -> Iterator[Path]:
    """Give a path beside `path` to write to, and rename it to `path` when the block has ended well.

    A reader of `path` sees the old content or the new one. After an exception the old one stays and
    what was written beside is removed. Behind a link, what it points to is written. A device or a
    pipe, such as /dev/null, stays what it is and is given the content.

    Args:
        path: the file or folder to write; its own folder must exist.
        sync: wait until a file has reached the disk before it is renamed.
        folder: whether a folder is written, which then takes the place of one.
        empty: whether a folder of that name must still be empty when the new one is whole; if it is
            not, the new one is kept as `NAME.new`.

    Raises:
        IsADirectoryError: If `path` is a folder and no folder is written.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    if path.is_dir() and not folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        with tempfile.TemporaryDirectory() as elsewhere:
            aside = Path(elsewhere, f"content{path.suffix}")
            yield aside
            with aside.open("rb") as content, path.open("wb") as device:
                shutil.copyfileobj(content, device)
        return
    # The suffix comes last but one: some writers choose the format by it.
    stem = path.stem[:LONGEST_STEM]
    beside = path.with_name(f"{stem}.{os.getpid()}{PART_SUFFIX}{path.suffix}")
    try:
        yield beside
        if sync:
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
        if folder and path.is_dir():
            if empty and any(path.iterdir()):
                kept = path.with_name(f"{path.name}.new")
                beside.replace(kept)
                why = f"another program has filled it; {kept} is what was written"
                raise OSError(errno.ENOTEMPTY, why, str(path))
            aside = beside.with_name(f"old.{beside.name}")
            path.rename(aside)  # a folder cannot be replaced; a kill here leaves the old one there
            beside.replace(path)
            shutil.rmtree(aside)
        else:
            beside.replace(path)
    finally:
        _remove(beside)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder for this process while the block runs, and clear what killed ones left in it.

    The lock is the system's: it ends with the process, however that ends.

    Raises:
        UserError: if another process holds it, with what is known of that.
    """
    path = folder / LOCK_FILE
    with path.open("a+", encoding="utf-8") as file:
        if not _lock(file):
            file.seek(0)
            holder = " ".join(file.read(200).split()) or "another process"
            raise UserError(
                f"{folder} is in use by {holder}. Wait for it, stop it, or choose another folder."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%F %T')}")
        file.flush()
        for left in folder.glob(f"*{PART_SUFFIX}*"):
            _remove(left)
        yield


@contextlib.contextmanager
def growing(path: Path) -> Iterator[TextIO]:
    """Open a text file that grows line by line, empty, for this process alone.

    What UTF-8 has no place for, as in some names of files, is written as an escape. There is no
    lock on Windows, where nobody could read along, and on file systems that know none.

    Raises:
        UserError: if another process writes it.
    """
    regular = path.is_file() or not path.exists()
    # Appending, so that nothing of another process is lost before the lock is had.
    with path.open("a" if regular else "w", encoding="utf-8", errors="backslashreplace") as file:
        if regular:
            alone = True
            if sys.platform != "win32":
                with contextlib.suppress(OSError):
                    alone = _lock(file)
            if not alone:
                raise UserError(f"{path} is written by another process: choose another name.")
            file.truncate(0)
        yield file


def _lock(file: IO[str]) -> bool:
    """Lock an open file without waiting; False where another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise
        return False
    return True


def decode_text(content: bytes) -> str:
    """UTF-8 text, without the byte-order mark that some editors put before it.

    Raises:
        ValueError: if it is none, with line and column.
    """
    if content.startswith(UTF_16_MARKS) or b"\0" in content[:2]:
        raise ValueError("the file is UTF-16 text, or no text: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ValueError(f"line {line}, column {column}: the file is not UTF-8 text") from error


def read_text(path: str | os.PathLike[str]) -> str:
    """The UTF-8 text of a file, with or without a byte-order mark.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is not UTF-8.
    """
    return decode_text(Path(path).read_bytes())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text; the file appears under its name when it is whole."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes; the file appears under its name when it is whole."""
    with written_beside(path) as beside:
        beside.write_bytes(content)


def left_beside(path: Path) -> list[Path]:
    """What processes that write `path` hold, or left half-written beside it when they were killed.

    Whether such a process still runs, also on another machine, is not known.
    """
    stem = glob.escape(path.stem[:LONGEST_STEM])
    name = f"{stem}.*{PART_SUFFIX}{glob.escape(path.suffix)}"
    return sorted(path.absolute().parent.glob(name))


def remove_stale(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder an hour ago or earlier.

    Younger ones may belong to a process that is writing now, here or on another machine.
    """
    for left in folder.glob(f"*{PART_SUFFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
