"""Writes what a `Source` gives as the folder of a recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand.data.imports.lens import QUARTER_TURNS, Lens, turned
from kerashand.data.imports.pairing import Pairing, Selection
from kerashand.data.imports.source import Cameras, Source, Transform
from kerashand.data.readers.recording import MOST_PIXELS, RECORDING_FILE, load_recording
from kerashand.errors import UserError, number_of
from kerashand.files import check_replaceable, user_path, write_text, written_beside
from kerashand.picture_files import PictureError

JPEG_QUALITY = 95
SAME_NUMBER = 0.5
"""How far apart the "times" of pictures lie that belong together by their names."""
MOST_STANDING = 0.5
"""Of the pictures of one kind, with the time of the one before; depth at half the rate has none."""
OTHER_CLOCK_S = 1.0
"""Colour and depth this far apart have different clocks or units, or do not overlap."""
NEAREST_MM, FARTHEST_MM = 50.0, 20_000.0
"""Between these lies the median of what depth cameras measure, if its unit is right."""
SEEN_STEP_PX = 4
"""Every so many rows and columns are enough for the distances of a recording."""
MOST_TOLD = 5
"""Pictures that cannot be read and are named."""


@dataclasses.dataclass
class Report:
    """What became of the pictures.

    Attributes:
        written: frames in the folder.
        notes: what was found and assumed, a sentence each.
        left_out: pictures that could not be read, and why.
    """

    written: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)


def check_out(out: str | Path) -> Path:
    """The folder to write.

    Raises:
        UserError: if there is something already, or no folder to put it into.
    """
    path = user_path(out)
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"{path} is not empty. Name a new folder, or remove what is in it.")
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} exists and is no folder. Name a new one.")
    check_replaceable(path)
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path.absolute().parent} does not exist. Make it first.")
    return path


def write_recording(
    source: Source,
    out: Path,
    *,
    wrist_middle_mcp_mm: float,
    limit_s: float,
    selection: Selection | None = None,
    turn: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Report:
    """Write the pictures of a source and recording.yaml; the folder appears when it is whole.

    Args:
        source: cameras and pictures.
        out: the folder, as `check_out` gives it.
        wrist_middle_mcp_mm: from the wrist to the knuckle of the middle finger.
        limit_s: how far apart the times of colour and depth may lie.
        selection: which colour pictures are taken; None: all.
        turn: degrees clockwise, 0, 90, 180 or 270, by which colour pictures are turned.
        advance: called with 1 after each frame.

    Raises:
        UserError: if no frame can be written, or cameras and pictures do not fit together.
    """
    selection = selection or Selection()
    report = Report(notes=list(source.notes))
    development = _Development(source.cameras, turn, report.notes)
    pairing = Pairing(limit_s if source.timed else SAME_NUMBER)
    distances = _Distances(source.cameras.unit_mm)
    with written_beside(out, folder=True, empty=True) as beside:
        for kind in ("colour", "depth"):
            (beside / kind).mkdir(parents=True)
        for number, colour, depth in pairing(source.colour, source.depth, selection):
            try:
                rgb, values = development.colour(colour.read()), development.depth(depth.read())
            except PictureError as error:
                report.left_out.append(str(error))
                continue
            except _WrongSizeError as error:
                raise UserError(f"{colour.name}, {depth.name}: {error}") from None
            _write_picture(beside / "colour" / f"{number:06d}.jpg", rgb)
            _write_picture(beside / "depth" / f"{number:06d}.png", values)
            distances.add(values)
            report.written += 1
            advance(1)
            if report.written == selection.count:
                break
        _judge(pairing, report, timed=source.timed)
        report.notes.append(distances.text())
        text = recording_text(development.cameras, wrist_middle_mcp_mm, report.notes)
        write_text(beside / RECORDING_FILE, text)
        load_recording(beside)
    return report


class _Distances:
    """How far away lies what depth pictures measured: a wrong unit shows here first."""

    def __init__(self, unit_mm: float):
        self._unit_mm = unit_mm
        self._pixels = np.zeros(2**16, np.int64)  # by their value; 0 is not measured

    def add(self, depth: NDArray[np.uint16]) -> None:
        """Count the pixels of a depth picture [H, W]."""
        seen = depth[::SEEN_STEP_PX, ::SEEN_STEP_PX]
        self._pixels += np.bincount(seen.ravel(), minlength=len(self._pixels))

    def text(self) -> str:
        """The distances of nine tenths of the measured pixels; UserError if they cannot be."""
        counts = np.cumsum(self._pixels[1:])
        if not counts[-1]:
            raise UserError(
                "No frame was written: no depth picture holds a measured pixel. All values are 0."
            )
        values = 1 + np.searchsorted(counts, counts[-1] * np.array([0.05, 0.5, 0.95]))
        near, middle, far = values * self._unit_mm
        if not NEAREST_MM <= middle <= FARTHEST_MM:
            raise UserError(
                f"No frame was written: the measured pixels lie {_metres(middle)} away (median), "
                f"at {self._unit_mm:g} mm for a depth value of 1. This unit is wrong: give the "
                "right one by --unit-mm, or as `unit_mm` by --camera."
            )
        return f"measured pixels lie {_metres(near)} to {_metres(far)} away."


def _metres(distance_mm: float) -> str:
    return f"{distance_mm / 1000:.2g} m"


class _WrongSizeError(ValueError):
    """A picture that its camera does not take."""


class _Development:
    """Makes pictures of pinhole cameras, upright.

    Attributes:
        cameras: of the pictures that are made.
    """

    def __init__(self, cameras: Cameras, turn: int, notes: list[str]):
        for kind, lens in (("colour", cameras.colour), ("depth", cameras.depth)):
            _check_pixels(kind, lens)
        self._taken, self._turn = cameras, turn
        self._colour_map = self._straightener("colour", cameras.colour, notes)
        self._depth_map, registered = self._colour_map, cameras.colour_from_depth is None
        if not registered:
            self._depth_map = self._straightener("depth", cameras.depth, notes)
        colour, move = cameras.colour.pinhole, cameras.colour_from_depth
        depth = cameras.depth.pinhole
        if turn:
            colour, rotation = turned(colour, QUARTER_TURNS[turn])
            depth = colour if registered else depth
            move = move and Transform(rotation, np.zeros(3)).after(move)
            what = "colour and depth pictures" if registered else "colour pictures"
            notes.append(f"{what} were turned by {turn} degrees clockwise.")
        self.cameras = Cameras(colour, depth, cameras.unit_mm, move)

    def _straightener(self, kind: str, lens: Lens, notes: list[str]) -> NDArray | None:
        maps = lens.maps()
        if maps is not None:
            notes.append(
                f"{kind} pictures were distorted by the lens ({lens.model}): straightened."
            )
        elif lens.is_distorted:
            notes.append(f"the distortion of {kind} pictures is less than 0.25 px: left as it is.")
        return maps

    def colour(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A colour picture [H, W, 3]."""
        _check_size("colour", rgb, self._taken.colour)
        if self._colour_map is not None:
            rgb = _moved(rgb, self._colour_map, cv2.INTER_LINEAR)
        return self._upright(rgb)

    def depth(self, depth: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """A depth picture [H, W]; between two depths there is none, so the nearest is taken."""
        _check_size("depth", depth, self._taken.depth)
        if depth.dtype != np.uint16 or depth.ndim != 2:
            raise _WrongSizeError("a depth picture is not one of 16 bits.")
        if self._depth_map is not None:
            depth = _moved(depth, self._depth_map, cv2.INTER_NEAREST)
        return self._upright(depth) if self._taken.colour_from_depth is None else depth

    def _upright(self, picture: NDArray) -> NDArray:
        return np.ascontiguousarray(np.rot90(picture, -(self._turn // 90)))


def _moved(picture: NDArray, places: NDArray, interpolation: int) -> NDArray:
    """A picture whose pixels come from places [H, W, 2] of another."""
    # Its types want a second map. Both coordinates lie in the first, and an empty array in place of
    # None gives other pixels (OpenCV 5.0.0).
    return cv2.remap(picture, places, None, interpolation)  # type: ignore[call-overload]


def _check_pixels(kind: str, lens: Lens) -> None:
    width, height = lens.size_px
    if not (min(width, height) >= 16 and width * height <= MOST_PIXELS[kind]):
        raise UserError(
            f"{kind} pictures must have sides of 16 pixels or more and {MOST_PIXELS[kind]:,} "
            f"pixels at most. Received: {width} x {height}"
        )


def _check_size(kind: str, picture: NDArray, lens: Lens) -> None:
    found = picture.shape[1::-1]
    if found != lens.size_px:
        raise _WrongSizeError(
            f"the {kind} picture has {found[0]} x {found[1]} pixels, its camera says "
            f"{lens.size_px[0]} x {lens.size_px[1]}."
        )


def _write_picture(path: Path, picture: NDArray) -> None:
    """A picture; the folder as a whole appears under its name later."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if picture.ndim == 3:
        picture = picture[:, :, ::-1]
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    good, content = cv2.imencode(path.suffix, picture, options)
    if not good:
        raise UserError(f"{path.name} cannot be made into a file.")
    path.write_bytes(content.tobytes())


def _judge(pairing: Pairing, report: Report, *, timed: bool) -> None:
    """Say what was left out; raise UserError if that is everything."""
    limit = f"within {1000 * pairing.limit_s:g} ms" if timed else "that belongs to it"
    if not report.written:
        why = "there are no pictures of both cameras, or none from --first on."
        if report.left_out:
            why = f"none can be read. {report.left_out[0]}"
        elif pairing.least_apart_s is not None:
            why = f"no colour picture has a depth picture {limit}."
            if timed:
                nearest_ms = 1000 * pairing.least_apart_s
                why += f" The nearest is {nearest_ms:.0f} ms away; --most-apart-ms sets the limit."
                if pairing.least_apart_s >= OTHER_CLOCK_S:
                    why += " Are the times of both in seconds, and of one clock?"
        raise UserError(f"No frame was written: {why}")
    for kind, share in pairing.standing.items():
        if timed and share > MOST_STANDING:
            raise UserError(
                f"No frame was written: {100 * share:.0f} % of {kind} pictures have the time of "
                "the picture before them, so times do not say which belong together. The clock "
                "stood still, or counts whole seconds. Record with a finer one, or give folders "
                "of colour and depth (--depth) with the same names."
            )
    for count, noun, what in (
        (pairing.alone, "colour picture", f"had no depth picture {limit}: left out."),
        (pairing.shared, "depth picture", "went with more than one colour picture."),
        (pairing.backward, "picture", "lay before the picture before it in time: left out."),
        (len(report.left_out), "frame", "could not be read: left out."),
    ):
        if count:
            report.notes.append(f"{number_of(count, noun)} {what}")
    report.notes += report.left_out[:MOST_TOLD]


# ------------------------------------------------------------------------------- recording.yaml


def recording_text(cameras: Cameras, wrist_middle_mcp_mm: float, notes: Sequence[str]) -> str:
    """The text of recording.yaml.

    Args:
        cameras: without distortion.
        wrist_middle_mcp_mm: the measure of the hand.
        notes: become comments.
    """
    lines = ["# " + "".join(c if c.isprintable() else "?" for c in note) for note in notes]
    lines.append(f"colour: {{{_camera_text(cameras.colour)}}}")
    lines.append(f"depth: {{{_camera_text(cameras.depth)}, unit_mm: {_number(cameras.unit_mm)}}}")
    if move := cameras.colour_from_depth:
        rows = ", ".join(f"[{', '.join(map(_number, row))}]" for row in move.rotation)
        shift = ", ".join(map(_number, move.translation_mm))
        lines += ["depth_to_colour:", f"  rotation: [{rows}]", f"  translation_mm: [{shift}]"]
    lines.append(f"hand: {{wrist_middle_mcp_mm: {_number(wrist_middle_mcp_mm)}}}")
    return "\n".join(lines) + "\n"


def _camera_text(lens: Lens) -> str:
    (fx, _, cx), (_, fy, cy), _ = lens.intrinsics
    size = f"width: {lens.size_px[0]}, height: {lens.size_px[1]}"
    return f"{size}, fx: {_number(fx)}, fy: {_number(fy)}, cx: {_number(cx)}, cy: {_number(cy)}"


def _number(value: float) -> str:
    """Digits without an exponent: YAML takes 1e-05 for a text."""
    text = f"{float(value):.9f}".rstrip("0")
    return text + "0" if text.endswith(".") else text
