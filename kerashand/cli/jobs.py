"""What `kerashand-predict` looks at and what it writes, settled before the work.

So nothing of the user's is overwritten, and nothing fails at the end that could fail at the start.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kerashand.cli.media import HEIC_SUFFIXES, HEIC_TEXT, PICTURE_SUFFIXES, is_picture
from kerashand.errors import UserError, number_of
from kerashand.files import identity, user_path
from kerashand.video import STOPPED, VIDEO_SUFFIXES, camera_number, holds_video, is_video
from kerashand.video.writing import WRITTEN_SUFFIXES

DRAWN = "_pose"
"""What the name of a drawing ends in."""
DRAWN_EARLIER = f"*{DRAWN} drawn by an earlier call"
PICTURE_SUFFIX = ".png"
"""Of drawn pictures."""
LONGEST_NAME = 255
"""Bytes of a file's name, as file systems allow."""
NAMED_TWICE = "named twice"
CAMERA_DIGITS = re.compile("[0-9]{1,3}")
"""An input that is the number of a camera, unless there is a file of that name."""


@dataclass(frozen=True)
class Job:
    """One input: its name, whether it is a video or a camera, and where its drawing goes.

    `below` is the way from the folder that was given to the folder that holds it.
    """

    name: str
    is_film: bool
    target: Path | None = None
    below: Path = Path()

    @property
    def path(self) -> Path | None:
        """The file; None for a camera."""
        return None if camera_number(self.name) is not None else Path(self.name)


def plan(
    inputs: Sequence[str],
    *,
    out: str | None,
    drawing: bool,
    files: Mapping[str, str | None],
    read: Mapping[str, str | None] | None = None,
    recursive: bool = False,
    skipped: Counter[str] | None = None,
) -> list[Job]:
    """The jobs of a call, each with the place of its drawing.

    Args:
        inputs: pictures, folders, videos and cameras as the user names them.
        out: file or folder for drawings; None puts them beside the inputs.
        drawing: whether there are drawings.
        files: other files that are written, by their option; "-" is the terminal.
        read: other files that are read, by their option.
        recursive: whether the folders in a folder are looked through, except that of `out`.
        skipped: counts the files in folders that are no inputs, by their suffix, and inputs that
            are named twice.

    Raises:
        UserError: For an input that does not exist, an output that cannot be written, or one that
            would overwrite an input or another output.
    """
    if out is not None and not drawing:
        raise UserError("--out and --no-drawing exclude each other.")
    for flag, value in {"--out": out, **files}.items():
        if value is not None and not value.strip():
            raise UserError(f"{flag} must name a file. Received: an empty text")
    skipped = Counter() if skipped is None else skipped
    not_here = None if out is None else user_path(out).resolve()
    jobs = []
    for name in inputs:
        jobs += _jobs_of(name, recursive=recursive, not_here=not_here, skipped=skipped)
    jobs = _once(jobs, skipped)
    if drawing:
        in_folder = any(user_path(name).is_dir() for name in inputs)
        jobs = _with_targets(jobs, out, in_folder=in_folder)
    _check_outputs(jobs, files, read or {})
    return jobs


def _once(jobs: list[Job], skipped: Counter[str]) -> list[Job]:
    """Each input once; what is named again is counted. A link is an input of its own."""
    found: dict[str, Job] = {}
    for job in jobs:
        found.setdefault(job.name if job.path is None else os.path.abspath(job.path), job)
    skipped.update([NAMED_TWICE] * (len(jobs) - len(found)))
    return list(found.values())


def _jobs_of(
    name: str, *, recursive: bool, not_here: Path | None, skipped: Counter[str]
) -> list[Job]:
    if not name.strip():
        raise UserError("An input must name a picture, folder or video. Received: an empty text")
    if "://" in name:
        raise UserError(_address_text(name))
    path = user_path(name)
    try:
        if CAMERA_DIGITS.fullmatch(name) and not path.exists():
            name = f"camera:{name}"
        if camera_number(name) is not None:
            return [Job(name, True)]
        if name.lower().startswith(("camera:", "webcam:")):
            raise UserError(f"A camera is camera:0, camera:1 and so on. Received: {name}")
        if path.is_dir():
            return _Folder(path, recursive=recursive, not_here=not_here).jobs(skipped)
        if path.is_file():
            return [Job(str(path), is_video(path) or (not is_picture(path) and holds_video(path)))]
        if path.exists():  # a pipe or a device
            raise UserError(f"{name} is no file: save what it gives into a file, and name that.")
    except OSError as error:  # a name that is too long
        raise UserError(f"{name} cannot be read: {error.strerror or error}.") from error
    hint = " (standard input is not read)" if name == "-" else ""
    raise UserError(f"{name} does not exist{hint}.")


def _address_text(name: str) -> str:
    if name.lower().startswith(("http://", "https://")):
        return (
            f"{name} is an address: download it first, for example with "
            f"`curl -Lo picture.jpg {shlex.quote(name)}`, and give the name of the file."
        )
    return f"{name} is an address: only files and cameras of this machine (camera:0) are read."


class _Folder:
    """Pictures and videos of a folder in order, without the drawings of an earlier call.

    Args:
        root: the folder.
        recursive: whether the folders in it are looked through too; links to folders are not.
        not_here: a folder in it that is left out.
    """

    def __init__(self, root: Path, *, recursive: bool, not_here: Path | None):
        self.root, self.recursive = root, recursive
        self.not_here = None if not_here == root.resolve() else not_here
        self.folders = 0

    def jobs(self, skipped: Counter[str]) -> list[Job]:
        """Its jobs; what is no input is counted.

        Raises:
            UserError: If there is none, or a folder cannot be read.
        """
        found: list[Job] = []
        left_out: Counter[str] = Counter()
        for folder, names in self._walk():
            files = [folder / name for name in names if not name.startswith(".")]
            inputs = [path for path in files if _is_input(path)]
            left_out.update(path.suffix.lower() for path in files if not _is_input(path))
            known = {name for path in inputs for name in (path.stem, path.name)}
            drawn = {path for path in inputs if _drawn_input(path) in known}
            left_out.update([DRAWN_EARLIER] * len(drawn))
            found += [
                Job(str(path), is_video(path), below=folder.relative_to(self.root))
                for path in inputs
                if path not in drawn
            ]
        if not found:
            why = skipped_text(left_out)
            inside = " --recursive looks into the folders in it." if self.folders else ""
            raise UserError(
                f"{self.root} holds no pictures ({', '.join(PICTURE_SUFFIXES)}) or videos "
                f"({', '.join(VIDEO_SUFFIXES)}).{inside}{f' {why}' if why else ''}"
            )
        skipped.update(left_out)
        return found

    def _walk(self) -> Iterator[tuple[Path, list[str]]]:
        """Each folder with the names of its files."""

        def refuse(error: OSError) -> None:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}.") from error

        for name, folders, files in os.walk(self.root, onerror=refuse):
            folders[:] = sorted(
                one
                for one in folders
                if not one.startswith(".") and Path(name, one).resolve() != self.not_here
            )
            yield Path(name), sorted(one for one in files if Path(name, one).is_file())
            if not self.recursive:
                self.folders = len(folders)
                return


def _is_input(path: Path) -> bool:
    return is_picture(path) or is_video(path)


def skipped_text(skipped: Mapping[str, int]) -> str | None:
    """What is said of inputs named twice and files that are no inputs; None if there are none."""
    if not (total := sum(skipped.values())):
        return None
    kinds = sorted(skipped.items(), key=lambda kind: (-kind[1], kind[0]))
    counted = ", ".join(f"{count} {suffix or 'without an ending'}" for suffix, count in kinds)
    hint = f" {HEIC_TEXT}" if set(skipped) & set(HEIC_SUFFIXES) else ""
    return f"{number_of(total, 'file')} skipped: {counted}.{hint}"


def _drawn_input(path: Path) -> str | None:
    """The name of the input that a file is a drawing of, by its own name; None for no drawing."""
    if path.suffix.lower() not in (PICTURE_SUFFIX, *WRITTEN_SUFFIXES):
        return None
    stem = path.stem.removesuffix(STOPPED)
    return stem.removesuffix(DRAWN) if stem.endswith(DRAWN) else None


def _with_targets(jobs: list[Job], out: str | None, *, in_folder: bool) -> list[Job]:
    place = None if out is None else user_path(out)
    if out is not None and place is not None:
        one_file = not (out.endswith(("/", os.sep)) or place.is_dir())
        one_file &= not in_folder or bool(place.suffix)
        if one_file and len(jobs) > 1 and place.suffix:
            raise UserError(f"--out must name a folder for {len(jobs)} inputs. Received: {out}")
        if one_file and len(jobs) == 1:
            return [replace(jobs[0], target=place)]
    if place is not None:
        for folder in sorted({place / job.below for job in jobs}):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"--out: the folder {folder} cannot be made: {error.strerror or error}."
                ) from error
    planned = [
        replace(job, target=_target(job, place, None if job.path is None else job.path.stem))
        for job in jobs
    ]
    # a.jpg and a.png in one folder: their whole names tell them apart.
    taken = Counter(job.target for job in planned if job.target)
    return [
        replace(job, target=_target(job, place, job.path.name))
        if job.target and job.path and taken[job.target] > 1
        else job
        for job in planned
    ]


def _target(job: Job, place: Path | None, stem: str | None) -> Path | None:
    if job.path is None:  # a camera is drawn on the screen
        return None if place is None else place / f"camera{camera_number(job.name)}_pose.mp4"
    ending = f"{DRAWN}{'.mp4' if job.is_film else PICTURE_SUFFIX}"
    room = LONGEST_NAME - len(ending)
    if len(os.fsencode(stem or "")) > room:
        stem = os.fsencode(stem or "")[:room].decode(errors="ignore")
    name = f"{stem}{ending}"
    return (job.path.parent if place is None else place / job.below) / name


def _check_outputs(
    jobs: list[Job], files: Mapping[str, str | None], read: Mapping[str, str | None]
) -> None:
    inputs: dict[Hashable, str] = {
        identity(user_path(name)): flag for flag, name in read.items() if name
    }
    inputs |= {identity(job.path): job.name for job in jobs if job.path is not None}
    outputs: dict[Hashable, str] = {}
    for job in jobs:
        if job.target is None:
            continue
        suffixes = WRITTEN_SUFFIXES if job.is_film else (PICTURE_SUFFIX,)
        if job.target.suffix.lower() not in suffixes:
            raise UserError(
                f"A drawing of a {'video' if job.is_film else 'picture'} must end in "
                f"{', '.join(suffixes)}. Received: {job.target.name}"
            )
        _check_output("--out", job.target, inputs)
        other = outputs.setdefault(identity(job.target), job.name)
        if other != job.name:
            raise UserError(
                f"The drawings of {other} and {job.name} would both be {job.target}: draw them "
                "into different folders."
            )
    for flag, name in files.items():
        if name is None or name == "-":
            continue
        path = user_path(name)
        if name.endswith(("/", os.sep)):
            raise UserError(f"{flag} must name a file. Received: {name}")
        _check_output(flag, path, {**inputs, **outputs})
        outputs[identity(path)] = flag


def _check_output(flag: str, path: Path, taken: Mapping[Hashable, str]) -> None:
    """Refuse an output that is a folder, an input or another output, or that has no folder."""
    if path.is_dir():
        raise UserError(f"{flag}: {path} is a folder.")
    if (other := taken.get(identity(path))) is not None:
        raise UserError(f"{flag}: {path} is taken by {other}: choose another name.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserError(f"{flag}: the folder of {path} does not exist.")
    if not path.exists() and not os.access(folder, os.W_OK):
        raise UserError(f"{flag}: nothing may be written in {folder}.")
