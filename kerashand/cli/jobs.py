"""What `kerashand-predict` looks at and what it writes, settled before the work.

So nothing of the user's is overwritten, and nothing fails at the end that could fail at the start.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kerashand.cli.media import PICTURE_SUFFIXES, is_picture
from kerashand.errors import UserError
from kerashand.files import user_path
from kerashand.video import VIDEO_SUFFIXES, camera_number, is_video
from kerashand.video.writing import STOPPED, WRITTEN_SUFFIXES

DRAWN = "_pose"
"""What the name of a drawing ends in."""


@dataclass(frozen=True)
class Job:
    """One input: its name, whether it is a video or a camera, and where its drawing goes."""

    name: str
    is_film: bool
    target: Path | None = None

    @property
    def path(self) -> Path | None:
        """The file; None for a camera."""
        return None if camera_number(self.name) is not None else Path(self.name)


def plan(
    inputs: Sequence[str], *, out: str | None, drawing: bool, files: Mapping[str, str | None]
) -> list[Job]:
    """The jobs of a call, each with the place of its drawing.

    Args:
        inputs: pictures, folders, videos and cameras as the user names them.
        out: file or folder for drawings; None puts them beside the inputs.
        drawing: whether there are drawings.
        files: other files that are written, by their option; "-" is the terminal.

    Raises:
        UserError: For an input that does not exist, an output that cannot be written, or one that
            would overwrite an input or another output.
    """
    if out is not None and not drawing:
        raise UserError("--out and --no-drawing exclude each other.")
    for flag, value in {"--out": out, **files}.items():
        if value is not None and not value.strip():
            raise UserError(f"{flag} must name a file. Received: an empty text")
    jobs = [job for name in inputs for job in _jobs_of(name)]
    if drawing:
        jobs = _with_targets(jobs, out)
    _check_outputs(jobs, files)
    return jobs


def _jobs_of(name: str) -> list[Job]:
    if not name.strip():
        raise UserError("An input must name a picture, folder or video. Received: an empty text")
    if camera_number(name) is not None:
        return [Job(name, True)]
    if name.lower().startswith(("camera:", "webcam:")):
        raise UserError(f"A camera is camera:0, camera:1 and so on. Received: {name}")
    if "://" in name:
        raise UserError(f"{name} is an address: download it first.")
    path = user_path(name)
    try:
        if path.is_dir():
            return [Job(str(p), is_video(p)) for p in _files_of(path)]
        if path.is_file():
            return [Job(str(path), is_video(path))]
    except OSError as error:  # a name that is too long
        raise UserError(f"{name} cannot be read: {error.strerror or error}.") from error
    hint = " (standard input is not read)" if name == "-" else ""
    raise UserError(f"{name} does not exist{hint}.")


def _files_of(folder: Path) -> list[Path]:
    """Pictures and videos of a folder in order, without the drawings of an earlier call."""
    files = sorted(
        p
        for p in folder.iterdir()
        if p.is_file() and (is_picture(p) or is_video(p)) and not p.name.startswith(".")
    )
    names = {name for p in files for name in (p.stem, p.name)}
    files = [p for p in files if _drawn_input(p) not in names]
    if not files:
        raise UserError(
            f"{folder} holds no pictures ({', '.join(PICTURE_SUFFIXES)}) or videos "
            f"({', '.join(VIDEO_SUFFIXES)})."
        )
    return files


def _drawn_input(path: Path) -> str | None:
    """The name of the input that a file is a drawing of, by its own name."""
    stem = path.stem.removesuffix(STOPPED)
    return stem.removesuffix(DRAWN) if stem.endswith(DRAWN) else None


def _with_targets(jobs: list[Job], out: str | None) -> list[Job]:
    place = None if out is None else user_path(out)
    one_file = place is not None and not (out.endswith(("/", os.sep)) or place.is_dir())
    if one_file and len(jobs) > 1:
        if place.suffix:
            raise UserError(f"--out must name a folder for {len(jobs)} inputs. Received: {out}")
        one_file = False
    if one_file:
        return [replace(jobs[0], target=place)]
    if place is not None:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--out: the folder {out} cannot be made: {error.strerror or error}."
            ) from error
    planned = [replace(job, target=_target(job, place, job.path and job.path.stem)) for job in jobs]
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
    name = f"{stem}{DRAWN}{'.mp4' if job.is_film else '.png'}"
    return (job.path.parent if place is None else place) / name


def _check_outputs(jobs: list[Job], files: Mapping[str, str | None]) -> None:
    inputs = {job.path.resolve(): job.name for job in jobs if job.path is not None}
    outputs = {}
    for job in jobs:
        if job.target is None:
            continue
        suffixes = WRITTEN_SUFFIXES if job.is_film else (".png",)
        if job.target.suffix.lower() not in suffixes:
            raise UserError(
                f"A drawing of a {'video' if job.is_film else 'picture'} must end in "
                f"{', '.join(suffixes)}. Received: {job.target.name}"
            )
        _check_output("--out", job.target, inputs)
        other = outputs.setdefault(job.target.resolve(), job.name)
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
        outputs[path.resolve()] = flag


def _check_output(flag: str, path: Path, taken: dict[Path, str]) -> None:
    """Refuse an output that is a folder, an input or another output, or that has no folder."""
    if path.is_dir():
        raise UserError(f"{flag}: {path} is a folder.")
    if path.resolve() in taken:
        raise UserError(f"{flag}: {path} is taken by {taken[path.resolve()]}: choose another name.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UserError(f"{flag}: the folder of {path} does not exist.")
    if not path.exists() and not os.access(folder, os.W_OK):
        raise UserError(f"{flag}: nothing may be written in {folder}.")
