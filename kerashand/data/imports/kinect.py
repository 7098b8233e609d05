"""Recordings of the Azure Kinect (.mkv): tracks COLOR and DEPTH, and calibration.json.

The calibration is that of the device. A camera has 14 numbers cx cy fx fy k1 k2 k3 k4 k5 k6 0 0 p2
p1; the first four are shares of the calibrated picture, from the corner of its first pixel. `Rt`
leads from the depth camera's frame, in metres. Pictures are cut from the calibrated one after it
was scaled, as `MODES` says (k4a, transformation/mode_specific_calibration.c).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.data.imports import tracks
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Cameras, Options, Source, Transform
from kerashand.errors import UserError, shown
from kerashand.untrusted import as_numbers, parse_json

CALIBRATION = "calibration.json"
MOST_BYTES = 1 << 20
"""Of the calibration; the device's has about 10,000."""
MODEL = "BrownConrady"
PURPOSES = {"colour": "CameraPurposePhotoVideo", "depth": "CameraPurposeDepth"}
TRACKS = {"colour": ("COLOR", "K4A_COLOR_TRACK"), "depth": ("DEPTH", "K4A_DEPTH_TRACK")}
"""The title of each track, and a tag that only it has."""
MODES = {
    "depth": {
        (320, 288): (512, 512, 96, 90),
        (640, 576): (1024, 1024, 192, 180),
        (512, 512): (512, 512, 0, 0),
        (1024, 1024): (1024, 1024, 0, 0),
    },
    "colour": {
        (1280, 720): (1280, 960, 0, 120),
        (1920, 1080): (1920, 1440, 0, 180),
        (2560, 1440): (2560, 1920, 0, 240),
        (2048, 1536): (2048, 1536, 0, 0),
        (3840, 2160): (3840, 2880, 0, 360),
        (4096, 3072): (4096, 3072, 0, 0),
    },
}
"""Size of a picture -> size of the scaled calibrated one, and where its corner lies in that."""


@contextlib.contextmanager
def open_source(path: Path, options: Options) -> Iterator[Source]:
    """Open a file.

    Raises:
        UserError: if a track or the calibration is missing or wrong.
    """
    options.refuse("a recording of the Azure Kinect", "colour_topic", "depth_topic", "depth")
    with tracks.opened(path) as container:
        found = {kind: _track(path, container, kind) for kind in TRACKS}
        sizes = {kind: (stream.width, stream.height) for kind, stream in found.items()}
        indices = {kind: stream.index for kind, stream in found.items()}
        content = _attachment(container)
    notes: list[str] = []

    def own(given: Lens | None) -> Cameras:
        notes.append(f"cameras are those of {CALIBRATION} in the file; depth is in mm.")
        return _cameras(path, content, sizes, given=given)

    cameras = options.choose(
        own,
        colour_px=sizes["colour"],
        depth_px=sizes["depth"],
        unit_mm=lambda: 1.0,
        notes=notes,
    )
    with contextlib.ExitStack() as stack:
        colour, depth = (
            stack.enter_context(contextlib.closing(read(path, indices[kind])))
            for kind, read in (("colour", tracks.colour_shots), ("depth", tracks.depth_shots))
        )
        yield Source(cameras, colour, depth, tuple(notes))


def _track(path: Path, container: Any, kind: str) -> Any:
    title, tag = TRACKS[kind]
    for stream in container.streams.video:
        named = stream.metadata.get("title", "").upper() == title or tag in stream.metadata
        if named and stream.codec_context is not None:
            return stream
    raise UserError(
        f"{path} has no track {title}, which recordings of the Azure Kinect have. Colour and depth "
        "in two videos go as a pair: --format pair --depth FILE."
    )


def _attachment(container: Any) -> bytes | None:
    for stream in container.streams.attachments:
        if stream.name == CALIBRATION:
            return stream.data
    return None


def _cameras(
    path: Path, content: bytes | None, sizes: dict[str, tuple[int, int]], *, given: Lens | None
) -> Cameras:
    """The cameras of a calibration, but for that of colour if one is given."""
    if content is None:
        raise UserError(f"{path} holds no {CALIBRATION}. Give the cameras by --camera.")
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        held = parse_json(content.rstrip(b"\0"))
        listed = held["CalibrationInformation"]["Cameras"]
        raw = {
            kind: next(c for c in listed if str(c["Purpose"]).endswith(purpose))
            for kind, purpose in PURPOSES.items()
        }
        lens = given or _lens("colour", raw["colour"], sizes["colour"])
        depth_lens = _lens("depth", raw["depth"], sizes["depth"])
        colour, depth = (_pose(raw[kind]) for kind in ("colour", "depth"))
    except StopIteration:
        raise UserError(f"{path}: {CALIBRATION} lacks the camera of colour or depth.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {CALIBRATION} cannot be used: {shown(error)}") from error
    return Cameras(lens, depth_lens, 1.0, colour.after(depth.inverse()))


def _lens(kind: str, raw: dict, size_px: tuple[int, int]) -> Lens:
    model = str(raw["Intrinsics"]["ModelType"])
    numbers = as_numbers(raw["Intrinsics"]["ModelParameters"], np.float64)
    if not model.endswith(MODEL) or numbers.shape != (14,) or not np.isfinite(numbers).all():
        raise ValueError(f"{kind}: {model[:60]} with {numbers.size} numbers is not known")
    if size_px not in MODES[kind]:
        raise ValueError(f"no mode of the {kind} camera has {size_px[0]} x {size_px[1]} pixels")
    width, height, left, top = MODES[kind][size_px]
    cx, cy, fx, fy = numbers[:4]
    k1, k2, k3, k4, k5, k6, _, _, p2, p1 = numbers[4:]
    if kind == "colour" and raw["SensorWidth"] * 9 == raw["SensorHeight"] * 16:
        # An old calibration of the wide picture: the middle three quarters of the full one.
        cy, fy = 0.125 + 0.75 * cy, 0.75 * fy
    matrix = np.array(
        [[fx * width, 0.0, cx * width - left - 0.5], [0.0, fy * height, cy * height - top - 0.5],
         [0.0, 0.0, 1.0]]
    )  # fmt: skip
    return Lens(size_px, matrix, "opencv", (k1, k2, p1, p2, k3, k4, k5, k6))


def _pose(raw: dict) -> Transform:
    rotation = as_numbers(raw["Rt"]["Rotation"], np.float64).reshape(3, 3)
    return Transform(rotation, 1000.0 * as_numbers(raw["Rt"]["Translation"], np.float64).reshape(3))
