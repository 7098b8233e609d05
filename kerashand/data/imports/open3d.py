"""Folders as Open3D and Redwood write them: pictures by number, one JSON file with the camera.

color/, image/ or rgb/   colour pictures
depth/                   16 bits, registered to colour, in mm or as `depth_scale` (units a metre)
intrinsic.json           {"width", "height", "intrinsic_matrix": nine numbers by columns}
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerashand.data.imports import COLOUR_FOLDERS, stills
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Cameras, Options, Source
from kerashand.data.readers.recording import RECORDING_FILE
from kerashand.errors import UserError, shown
from kerashand.geometry.camera import pinhole_matrix

MATRIX, SCALE = "intrinsic_matrix", "depth_scale"
MOST_FILES = 20
"""JSON files that are looked into."""
PRIMESENSE = (525.0, 525.0, 319.5, 239.5)
"""fx, fy, cx, cy of pictures of 640 x 480 pixels that Open3D assumes where there is no file."""


@contextlib.contextmanager
def open_source(root: Path, options: Options) -> Iterator[Source]:
    """Open a folder.

    Raises:
        UserError: if pictures or the camera are missing.
    """
    options.refuse("a folder of Open3D", "colour_topic", "depth_topic", "depth")
    if (root / RECORDING_FILE).exists():
        raise UserError(f"{root} holds {RECORDING_FILE}: it is a recording already.")
    folder = next(root / name for name in COLOUR_FOLDERS if (root / name).is_dir())
    colour = stills.list_pictures(folder, stills.COLOUR_SUFFIXES)
    depth = stills.list_pictures(root / "depth", stills.DEPTH_SUFFIXES)
    colour_px, depth_px = stills.size_of(colour[0]), stills.size_of(depth[0])
    colour_shots, depth_shots, note = stills.both_by_name(colour, depth)
    notes = [note]
    camera_file = functools.cache(lambda: _camera_file(root))
    cameras = options.choose(
        lambda given: _cameras(
            root, given, camera_file, colour_px=colour_px, depth_px=depth_px, notes=notes
        ),
        colour_px=colour_px,
        depth_px=depth_px,
        unit_mm=lambda: _unit_mm(camera_file, notes),
        notes=notes,
    )
    yield Source(
        cameras,
        colour_shots,
        depth_shots,
        tuple(notes),
        len(colour),
        timed=False,
    )


CameraFile = tuple[Path, dict[str, Any]]


def _camera_file(root: Path) -> CameraFile | None:
    """The JSON file with a camera, and what it holds."""
    for path in itertools.islice(sorted(root.glob("*.json")), MOST_FILES):
        held = stills.read_json(path)
        if isinstance(held, dict) and MATRIX in held:
            return path, held
    return None


def _unit_mm(camera_file: Callable[[], CameraFile | None], notes: list[str]) -> float:
    unit_mm = 1.0
    if (found := camera_file()) is not None:
        path, held = found
        scale = held.get(SCALE, 1000.0)
        if not isinstance(scale, (int, float)) or not 10.0 <= scale <= 1e6:
            raise UserError(f"{path}: `{SCALE}` must be 10 to 1e6. Received: {shown(scale)}")
        unit_mm = 1000.0 / scale
    notes.append(f"a depth value of 1 is {unit_mm:g} mm.")
    return unit_mm


def _cameras(
    root: Path,
    given: Lens | None,
    camera_file: Callable[[], CameraFile | None],
    *,
    colour_px: tuple[int, int],
    depth_px: tuple[int, int],
    notes: list[str],
) -> Cameras:
    if given is not None:
        notes.append("depth is registered to colour.")
        return Cameras.registered(given, depth_px)
    if (found := camera_file()) is not None:
        path, held = found
        size = (held.get("width"), held.get("height"))
        if size != colour_px:
            raise UserError(
                f"{path}: the camera is of pictures of {shown(size)} pixels, those in the folder "
                f"have {colour_px}."
            )
        lens = stills.lens_of(path, colour_px, held[MATRIX], by_columns=True)
        notes.append(f"the camera is that of {path.name}; depth is registered to colour.")
        return Cameras.registered(lens, depth_px)
    if colour_px != (640, 480):
        raise UserError(
            f"{root} holds no JSON file with `{MATRIX}`. Give --fx --fy --cx --cy, or --camera."
        )
    notes.append(
        "assumed: the camera of a PrimeSense (fx 525, fy 525, cx 319.5, cy 239.5), for there is no "
        "JSON file; depth is registered to colour."
    )
    return Cameras.registered(Lens(colour_px, pinhole_matrix(PRIMESENSE)), depth_px)
