"""The files of a recording: cameras, pictures and 2D points; see `kerashand.data.kinds.rgbd`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError, did_you_mean, shown
from kerashand.files import check_folder, natural_order, read_text, user_path
from kerashand.geometry.camera import pinhole_matrix
from kerashand.geometry.registration import Registration
from kerashand.geometry.root_depth import BONE_RANGES_MM, PALM_RATIOS
from kerashand.skeleton import NUM_JOINTS
from kerashand.untrusted import as_numbers, parse_json
from kerashand.yaml_files import YamlError, read_yaml_file

RECORDING_FILE, POINTS_FILE = "recording.yaml", "points.jsonl"
MOST_NAMED = 5
"""Unknown keys that a message spells out."""
MOST_PIXELS = {"colour": 1 << 26, "depth": 1 << 23}
"""Of pictures; those of a depth camera beside the colour camera are moved point by point."""
MEASURES = {f"{bone}_mm": limits for bone, limits in BONE_RANGES_MM.items()}
CAMERA = ("width", "height", "fx", "fy", "cx", "cy")
SECTIONS = {
    "colour": CAMERA,
    "depth": (*CAMERA, "unit_mm"),
    "depth_to_colour": ("rotation", "translation_mm"),
    "hand": tuple(MEASURES),
}
"""What recording.yaml may hold."""
SPELLINGS = {"color": "colour", "depth_to_color": "depth_to_colour"}
POINT_KEYS = ("frame", "handedness", "uv_px", "weight", "score", "z_mm")
"""What a line of points.jsonl may hold."""
COLOUR_SUFFIXES, DEPTH_SUFFIXES = (".jpg", ".jpeg", ".png"), (".png",)


@dataclasses.dataclass(frozen=True)
class Recording:
    """What recording.yaml says.

    colour: {width: 1280, height: 720, fx: 910.1, fy: 910.3, cx: 640.2, cy: 361.0}
    depth: {width: 640, height: 480, fx: ..., fy: ..., cx: ..., cy: ..., unit_mm: 1.0}
    depth_to_colour:           # left out: depth pictures are registered to the colour camera
      rotation: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]   # X_colour = rotation X_depth + translation
      translation_mm: [14.9, 0.2, 0.5]
    hand: {wrist_middle_mcp_mm: 92.0}
    """

    size_px: tuple[int, int]
    intrinsics: np.ndarray
    unit_mm: float
    registration: Registration | None
    wrist_middle_mcp_mm: float
    middle_mcp_pip_mm: float


def load_recording(folder: str | Path) -> Recording:
    """Read recording.yaml.

    Raises:
        UserError: if it is missing or wrong, with the key and what it held.
    """
    check_folder(folder)
    path = user_path(folder) / RECORDING_FILE
    try:
        held = read_yaml_file(path)
    except YamlError as error:
        if not path.exists():
            raise UserError(
                f"{path} does not exist. It holds the cameras of a recording and one measure of "
                "the hand: docs/recording.md shows one."
            ) from None
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    return parse_recording(path, held)


def parse_recording(path: Path, held: Any) -> Recording:
    """What a recording.yaml holds; `path` is for messages.

    Raises:
        UserError: as of `load_recording`.
    """
    read = _Reader(path, held)
    size_px, intrinsics = read.camera("colour")
    read.check_pixels("colour", size_px)
    depth_size, depth_intrinsics = read.camera("depth")
    unit_mm = read.number_if_given("depth", "unit_mm", low=0.001, high=100.0) or 1.0
    registration = None
    if read.has("depth_to_colour"):
        rotation = read.array("depth_to_colour", "rotation", (3, 3))
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
            raise UserError(
                f"{path}: `depth_to_colour.rotation` is no rotation: {rotation.tolist()}"
            )
        translation = read.array("depth_to_colour", "translation_mm", (3,))
        read.check_pixels("depth", depth_size)
        registration = Registration(depth_size, depth_intrinsics, rotation, translation)
    elif depth_size != size_px:
        raise UserError(
            f"{path}: depth pictures of {depth_size[0]} x {depth_size[1]} pixels cannot stand for "
            f"colour pictures of {size_px[0]} x {size_px[1]}; give `depth_to_colour`."
        )
    given = {
        name: read.number_if_given("hand", name, low=low, high=high)
        for name, (low, high) in MEASURES.items()
    }
    palm, middle = given["wrist_middle_mcp_mm"], given["middle_mcp_pip_mm"]
    ratio = PALM_RATIOS["middle_mcp_pip"][0]
    if palm is None:
        if middle is None:
            raise UserError(f"{path}: `hand` must give one of {', '.join(MEASURES)}.")
        palm = ratio * middle
    return Recording(size_px, intrinsics, unit_mm, registration, palm, middle or palm / ratio)


class _Reader:
    """Checked access to a parsed YAML file."""

    def __init__(self, path: Path, held: Any):
        self.path = path
        if not isinstance(held, dict):
            raise UserError(f"{path} must hold `key: value` lines. Received: {shown(held)}")
        for spelling, name in SPELLINGS.items():
            if spelling in held and name in held:
                raise UserError(f"{path} must hold one of `{spelling}` and `{name}`, not both.")
        self.held: dict[Any, Any] = {SPELLINGS.get(key, key): value for key, value in held.items()}
        self.refuse_unknown()

    def refuse_unknown(self) -> None:
        """Name every key that nothing reads: a mistyped one would leave a default in its place."""
        places: list[tuple[str, dict[Any, Any], Collection[str]]] = [("", self.held, SECTIONS)]
        places += [
            (f"{name}.", self.held[name], SECTIONS[name])
            for name in SECTIONS
            if isinstance(self.held.get(name), dict)
        ]
        unknown = [
            f"{place}{shown(key) if not isinstance(key, str) else key[:60]}: unknown key."
            f"{did_you_mean(key, allowed)} Allowed here: {', '.join(allowed)}"
            for place, section, allowed in places
            for key in section
            if key not in allowed
        ]
        if unknown:
            raise UserError("\n  ".join([f"{self.path}:", *unknown[:MOST_NAMED]]))

    def has(self, section: str) -> bool:
        return self.held.get(section) is not None

    def section(self, name: str) -> dict[Any, Any]:
        value = self.held.get(name)
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: `{name}` must be a mapping. Received: {shown(value)}")
        return value

    def number_if_given(self, section: str, name: str, *, low: float, high: float) -> float | None:
        if self.section(section).get(name) is None:
            return None
        return self.number(section, name, low=low, high=high)

    def number(self, section: str, name: str, *, low: float, high: float) -> float:
        value = self.section(section).get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not low <= value <= high
        ):
            raise UserError(
                f"{self.path}: `{section}.{name}` must be a number of {low:g} to {high:g}. "
                f"Received: {shown(value)}"
            )
        return float(value)

    def camera(self, name: str) -> tuple[tuple[int, int], np.ndarray]:
        width, height = (
            int(self.number(name, key, low=16, high=20000)) for key in ("width", "height")
        )
        fx, fy = (self.number(name, key, low=10.0, high=1e5) for key in ("fx", "fy"))
        cx, cy = (self.number(name, key, low=-1e5, high=1e5) for key in ("cx", "cy"))
        return (width, height), pinhole_matrix((fx, fy, cx, cy))

    def check_pixels(self, name: str, size_px: tuple[int, int]) -> None:
        if size_px[0] * size_px[1] > MOST_PIXELS[name]:
            raise UserError(
                f"{self.path}: `{name}` must have at most {MOST_PIXELS[name]:,} pixels. Received: "
                f"{size_px[0]} x {size_px[1]}"
            )

    def array(self, section: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
        value = self.section(section).get(name)
        try:
            array = as_numbers(value, np.float64)
        except ValueError:
            array = np.zeros(0)
        if array.shape != shape or not np.isfinite(array).all():
            raise UserError(
                f"{self.path}: `{section}.{name}` must hold numbers of shape {shape}. "
                f"Received: {shown(value)}"
            )
        return array


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The pictures of a recording.

    Attributes:
        root: its folder.
        colour: frame -> colour picture, in the order of the frames' names.
        depth: frame -> depth picture, likewise.
    """

    root: Path
    colour: dict[str, Path]
    depth: dict[str, Path]

    @classmethod
    def of(cls, folder: str | Path) -> Pictures:
        """Those in a folder.

        Raises:
            UserError: if there is no colour picture, or there are two of one frame.
        """
        root = user_path(folder)
        folders = [root / name for name in ("colour", "color") if (root / name).is_dir()]
        if len(folders) > 1:
            raise UserError(f"{root} must hold one of colour/ and color/, not both.")
        colour = folders[0] if folders else root / "colour"
        found = _pictures(colour, COLOUR_SUFFIXES)
        if not found:
            raise UserError(f"{colour} holds no .jpg or .png pictures.")
        return cls(root, found, _pictures(root / "depth", DEPTH_SUFFIXES))

    def colour_path(self, frame: str) -> Path:
        """The colour picture of a frame; a name that does not exist if there is none."""
        return self.colour.get(frame, self.root / "colour" / f"{frame}.png")

    def depth_path(self, frame: str) -> Path:
        """The depth picture of a frame, likewise."""
        return self.depth.get(frame, self.root / "depth" / f"{frame}.png")


def _pictures(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Name without suffix -> file, in natural order; hidden files, as macOS adds them, are none."""
    found: dict[str, Path] = {}
    files = folder.iterdir() if folder.is_dir() else ()
    for path in sorted(files, key=lambda path: natural_order(path.name)):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise UserError(
                f"{folder} holds two pictures of the frame {path.stem}: {found[path.stem].name} "
                f"and {path.name}. Remove one."
            )
        found[path.stem] = path
    return dict(sorted(found.items(), key=lambda item: natural_order(item[0])))


def point_lines(folder: str | Path) -> list[tuple[int, str]]:
    """Numbers, from 1, and texts of the lines of points.jsonl that are not empty.

    Raises:
        UserError: if the file is missing or no UTF-8 text.
    """
    path = user_path(folder) / POINTS_FILE
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist. It holds the 2D points; `kerashand-data label` fills it in."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def load_points(folder: str | Path) -> list[dict]:
    """The rows of points.jsonl: frame, handedness, uv_px [21, 2], weight [21], number of the line.

    `z_mm` [21] is there where a line holds it, NaN for null.

    Raises:
        UserError: if the file is missing or a line is wrong.
    """
    path = user_path(folder) / POINTS_FILE
    rows = []
    for number, line in point_lines(folder):
        try:
            rows.append({**check_row(parse_json(line)), "line": number})
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    if not rows:
        raise UserError(f"{path} holds no hands.")
    return rows


def _depth_of_points(held: Any) -> np.ndarray:
    """`z_mm` [21] of a line, NaN for null: a point that a person moved has no depth yet."""
    depth = as_numbers(held)
    if depth.shape != (NUM_JOINTS,) or not (np.isnan(depth) | (depth > 0)).all():
        raise ValueError(
            f"`z_mm` must hold 21 positive numbers, or null where none is known. Received: "
            f"{shown(held)}"
        )
    return depth


def check_row(held: Any) -> dict:
    """A line of points.jsonl with arrays in place of lists.

    Raises:
        ValueError: if it is no hand, with what is wrong.
    """
    if not isinstance(held, dict):
        received = shown(held)
        raise ValueError(
            f"must be an object with frame, handedness and uv_px. Received: {received}"
        )
    for key in ("frame", "handedness", "uv_px"):
        if key not in held:
            raise ValueError(f"lacks `{key}`. It holds: {', '.join(list(held)[:8])[:200]}")
    for key in held:
        if key not in POINT_KEYS:
            raise ValueError(
                f"unknown key `{key[:60]}`.{did_you_mean(key, POINT_KEYS)} Allowed: "
                f"{', '.join(POINT_KEYS)}"
            )
    if held["handedness"] not in ("left", "right"):
        raise ValueError(
            f"`handedness` must be left or right. Received: {shown(held['handedness'])}"
        )
    uv = as_numbers(held["uv_px"])
    weight = as_numbers(held.get("weight", np.ones(NUM_JOINTS)))
    if uv.shape != (NUM_JOINTS, 2):
        raise ValueError(f"`uv_px` must hold 21 points of two numbers. Received: shape {uv.shape}")
    if weight.shape != (NUM_JOINTS,) or not ((weight >= 0) & (weight <= 1)).all():
        raise ValueError(
            f"`weight` must hold 21 numbers of 0..1. Received: {shown(held.get('weight'))}"
        )
    frame = str(held["frame"])
    if not frame or "\0" in frame or Path(frame).name != frame:
        raise ValueError(f"`frame` must be the name of a picture. Received: {shown(frame)}")
    row = {"frame": frame, "handedness": held["handedness"], "uv_px": uv, "weight": weight}
    if "z_mm" in held:
        row["z_mm"] = _depth_of_points(held["z_mm"])
    return row
