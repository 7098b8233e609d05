"""The files of moving skeletons that `kerashand-predict` writes of a video: `--bvh`, `--gltf`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerashand.cli.arguments import writing
from kerashand.errors import UserError, number_of
from kerashand.files import user_path, write_text
from kerashand.video import STOPPED

if TYPE_CHECKING:
    from kerashand.cli.jobs import Job  # loads Pillow

FORMATS = ("bvh", "gltf")
"""Of skeletons: an option each, and a module of `kerashand.animation` with `NAME_text`."""


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of files for other programs."""
    parser.add_argument(
        "--csv", metavar="FILE", help="write a table: a row for each hand of each picture or frame"
    )
    for name, readers in (("bvh", "Blender and others"), ("gltf", "Blender, three.js and others")):
        parser.add_argument(
            f"--{name}", metavar="FILE", help=f"one video: write the hands as moving skeletons, "
            f"for {readers} (.{name})",
        )  # fmt: skip


class MotionFiles:
    """Collects the hands of one video and writes the files that were asked for."""

    def __init__(self, arguments: argparse.Namespace, scale_mm: float):
        from kerashand.animation.motion import MotionRecorder  # loads NumPy

        self._names = {flag: name for flag, name in self.named(arguments).items() if name}
        self._recorder = MotionRecorder(scale_mm)

    @staticmethod
    def named(arguments: argparse.Namespace) -> dict[str, str | None]:
        """The files by their option."""
        return {f"--{name}": getattr(arguments, name) for name in FORMATS}

    @classmethod
    def check(cls, arguments: argparse.Namespace, jobs: Sequence[Job]) -> None:
        """Refuse files that cannot be written of these inputs.

        Raises:
            UserError: If there is not one video, or a name has another ending.
        """
        if arguments.csv == "-":
            raise UserError("--csv must name a file; --json - writes to the terminal.")
        for flag, name in cls.named(arguments).items():
            if name is None:
                continue
            if len(jobs) != 1 or not jobs[0].is_film:
                received = (
                    f"{len(jobs)} inputs" if len(jobs) != 1 else f"the picture {jobs[0].name}"
                )
                raise UserError(f"{flag} is for one video. Received: {received}")
            ending = f".{flag.removeprefix('--')}"
            if not name.lower().endswith(ending):
                raise UserError(f"{flag} must name a file that ends in {ending}. Received: {name}")

    def add(self, frame: Any, hands) -> None:
        """The next frame and its hands with their numbers."""
        if self._names:
            height, width = frame.rgb.shape[:2]
            self._recorder.add(frame.time_s, hands, size_px=(width, height))

    def write(self, *, stopped: bool = False) -> list[str]:
        """Write the files; what is said of each.

        Args:
            stopped: whether the video is not whole; then they are called `NAME.stopped.bvh`.

        Raises:
            UserError: If a file cannot be written.
        """
        told: list[str] = []
        if not self._names:
            return told
        film = self._recorder.film()
        if not len(film.times_s):
            return told
        for flag, name in self._names.items():
            path = user_path(name)
            if stopped:
                path = path.with_name(f"{path.stem}{STOPPED}{path.suffix}")
            with writing(path):
                write_text(path, _text(flag.removeprefix("--"), film))
            told.append(f"{path}: {number_of(len(film.hands), 'hand')}")
        return told


def _text(form: str, film: Any) -> str:
    """The content of a file of one of `FORMATS`."""
    from kerashand.animation import bvh, gltf

    return {"bvh": bvh.bvh_text, "gltf": gltf.gltf_text}[form](film)
