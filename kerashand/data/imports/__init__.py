"""Files of RGB-D cameras, as the folder of a recording.

A format is one module with `open_source(path, options)`, a context manager that gives a
`source.Source`. `writer.write_recording` makes the folder. Formats are known by what a file or
folder is called and holds.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import user_path

if TYPE_CHECKING:
    from kerashand.data.imports.source import Options, Source


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        module: in this package, has `open_source`.
        what: it in words.
        knows: whether a path is one.
        purpose: of `kerashand.extras.PURPOSES`, what the base install may lack for it; all formats
            need that of `RECORDING` besides.
    """

    module: str
    what: str
    knows: Callable[[Path], bool]
    purpose: str | None = None


def _suffix(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _holds(*choices: Sequence[str]) -> Callable[[Path], bool]:
    """Whether a folder holds one name of each choice."""
    return lambda path: all(any((path / name).exists() for name in names) for names in choices)


RECORDING = "a recording"
COLOUR_FOLDERS = ("color", "colour", "image", "rgb")
FORMATS = {
    "bag": Format(
        "bag", "a ROS bag", lambda path: _suffix(".bag", ".mcap", ".db3")(path)
        or (path / "metadata.yaml").is_file(), "a ROS bag",
    ),
    "kinect": Format("kinect", "a recording of the Azure Kinect", _suffix(".mkv"), "a video"),
    "record3d": Format("record3d", "a recording of Record3D", _suffix(".r3d"), "a Record3D file"),
    "tum": Format(
        "tum", "a TUM RGB-D sequence",
        lambda path: _holds(("rgb.txt",), ("depth.txt",))(path)
        or _holds(("associations.txt", "associated.txt"))(path),
    ),
    "open3d": Format("open3d", "a folder of Open3D", _holds(COLOUR_FOLDERS, ("depth",))),
    "pair": Format("pair", "a pair of colour and depth", lambda path: path.exists()),
}  # fmt: skip
"""In the order in which they are tried."""


def find_format(path: str | Path, *, name: str | None = None, paired: bool = False) -> Format:
    """The format of a file or folder.

    Args:
        path: the file or folder.
        name: a key of `FORMATS` if the user names one.
        paired: whether depth comes from another file, which only "pair" takes.

    Raises:
        UserError: if there is no such file, none fits, or a package is not installed.
    """
    path = user_path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if name is None:
        name = next(key for key, form in FORMATS.items() if form.knows(path))
        name = "pair" if paired else name
        if name == "pair" and not paired:
            known = "; ".join(f"{key}: {form.what}" for key, form in FORMATS.items())
            raise UserError(
                f"{path} is no recording that is known ({known}). Give depth by --depth for a "
                "pair, or name the format by --format."
            )
    form = FORMATS[name]
    if form.purpose is not None:
        check(form.purpose)
    check(RECORDING, form.what)
    return form


def open_source(
    form: Format, path: str | Path, options: Options
) -> contextlib.AbstractContextManager[Source]:
    """Open a file or folder; the block closes it.

    Raises:
        UserError: if it cannot be read, or lacks what a recording needs.
    """
    module = importlib.import_module(f"{__name__}.{form.module}")
    return module.open_source(user_path(path), options)
