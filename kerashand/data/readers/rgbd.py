"""A recording of your own: pictures, depth pictures, one camera file, and 2D points.

    recording.yaml     cameras and one measure of the hand, see `Recording`
    colour/NAME.jpg    or .png
    depth/NAME.png     16 bit, 0 = no measurement
    points.jsonl       a line a hand: {"frame": "NAME", "side": "right", "uv_px": [[u, v], ... 21],
                       "weight": [21 numbers 0..1]}; `weight` may be left out

There are no 3D labels. The depth of the wrist is what the depth picture says about it, and the
scale is the measured bone. The last fifth of the frames, in the order of their names, is the test.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.data.readers.table import HandTable, depth_seen
from kerashand.errors import UserError, shown
from kerashand.files import check_folder, user_path
from kerashand.geometry.registration import Registration
from kerashand.geometry.root_depth import PALM_RATIOS
from kerashand.skeleton import MIDDLE_MCP, NUM_JOINTS, ROOT
from kerashand.untrusted import as_numbers, parse_json
from kerashand.yaml_files import YamlError, read_yaml_file

RECORDING_FILE, POINTS_FILE = "recording.yaml", "points.jsonl"
TEST_SHARE = 0.2
WRIST_BEHIND_SKIN = 0.2
"""Depth of the wrist joint behind the skin, in lengths of wrist - middle MCP."""
ROOT_WINDOW = 0.12
"""Half side of the window about the wrist in which depth is looked for, in the same lengths."""
FARTHEST_PX = 1e5
"""How far from the corner of a picture a wrist may lie that is looked for."""
MOST_PIXELS = {"colour": 1 << 26, "depth": 1 << 23}
"""Of pictures; those of a depth camera beside the colour camera are moved point by point."""
MEASURES = {"wrist_middle_mcp_mm": (50.0, 150.0), "middle_mcp_pip_mm": (20.0, 80.0)}


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
    read = _Reader(path, held)
    size_px, intrinsics = read.camera("colour")
    read.check_pixels("colour", size_px)
    depth_size, depth_intrinsics = read.camera("depth")
    unit_mm = read.number("depth", "unit_mm", 0.001, 100.0, default=1.0)
    registration = None
    if read.section("depth_to_colour", required=False) is not None:
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
        name: read.number("hand", name, *limits, default=None) for name, limits in MEASURES.items()
    }
    if all(value is None for value in given.values()):
        raise UserError(f"{path}: `hand` must give one of {', '.join(MEASURES)}.")
    ratio = PALM_RATIOS["middle_mcp_pip"][0]
    palm = given["wrist_middle_mcp_mm"] or ratio * given["middle_mcp_pip_mm"]
    return Recording(
        size_px, intrinsics, unit_mm, registration, palm, given["middle_mcp_pip_mm"] or palm / ratio
    )


class _Reader:
    """Checked access to a parsed YAML file."""

    def __init__(self, path: Path, held: Any):
        self.path, self.held = path, held
        if not isinstance(held, dict):
            raise UserError(f"{path} must hold `key: value` lines. Received: {shown(held)}")

    def section(self, name: str, *, required: bool = True) -> dict | None:
        value = self.held.get(name)
        if value is None and not required:
            return None
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: `{name}` must be a mapping. Received: {shown(value)}")
        return value

    def number(self, section: str, name: str, low: float, high: float, **default) -> float | None:
        value = self.section(section).get(name)
        if value is None and "default" in default:
            return default["default"]
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (good and low <= value <= high):
            raise UserError(
                f"{self.path}: `{section}.{name}` must be a number of {low:g} to {high:g}. "
                f"Received: {shown(value)}"
            )
        return float(value)

    def camera(self, name: str) -> tuple[tuple[int, int], np.ndarray]:
        size = tuple(int(self.number(name, key, 16, 20000)) for key in ("width", "height"))
        fx, fy = (self.number(name, key, 10.0, 1e5) for key in ("fx", "fy"))
        cx, cy = (self.number(name, key, -1e5, 1e5) for key in ("cx", "cy"))
        return size, np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

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


def frames(folder: str | Path) -> list[str]:
    """Names of the frames that have a colour picture, in order.

    Raises:
        UserError: if there is none.
    """
    colour = user_path(folder) / "colour"
    names = sorted(
        p.stem for p in colour.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    if not names:
        raise UserError(f"{colour} holds no .jpg or .png pictures.")
    return names


def colour_path(folder: str | Path, frame: str) -> Path:
    """The colour picture of a frame, whatever its kind is; .png if there is none."""
    colour = user_path(folder) / "colour"
    found = (colour / f"{frame}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".PNG"))
    return next((path for path in found if path.is_file()), colour / f"{frame}.png")


def load_points(folder: str | Path) -> list[dict]:
    """The rows of points.jsonl: frame, side, uv_px [21, 2], weight [21], and the line's number.

    Raises:
        UserError: if the file is missing or a line is wrong.
    """
    path = user_path(folder) / POINTS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist. It holds the 2D points; `kerashand-data label` fills it in."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(_row(parse_json(line)))
            except ValueError as error:
                raise UserError(f"{path}, line {number}: {error}") from None
            rows[-1]["line"] = number
    if not rows:
        raise UserError(f"{path} holds no hands.")
    return rows


def _row(held: Any) -> dict:
    if not isinstance(held, dict):
        raise ValueError(f"must be an object with frame, side and uv_px. Received: {shown(held)}")
    for key in ("frame", "side", "uv_px"):
        if key not in held:
            raise ValueError(f"lacks `{key}`. It holds: {', '.join(list(held)[:8])[:200]}")
    if held["side"] not in ("left", "right"):
        raise ValueError(f"`side` must be left or right. Received: {shown(held['side'])}")
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
    return {"frame": frame, "side": held["side"], "uv_px": uv, "weight": weight}


def read(root: str | Path, split: str) -> HandTable:
    """The hands of a split.

    Args:
        root: the folder of the recording.
        split: "train" or "test".

    Raises:
        UserError: if something is missing or wrong.
    """
    root = user_path(root)
    recording = load_recording(root)
    rows = sorted(load_points(root), key=lambda row: row["frame"])
    names = sorted({row["frame"] for row in rows})
    test = set(names[len(names) - round(TEST_SHARE * len(names)) :])
    rows = [row for row in rows if (row["frame"] in test) == (split == "test")]
    if not rows:
        raise UserError(f"{root}: too few frames with points for a split `{split}`.")
    return table_of(root, recording, rows, split)


def table_of(root: Path, recording: Recording, rows: list[dict], split: str) -> HandTable:
    """Rows of `load_points` as a table, with the depth of each wrist."""
    palm, phalanx = recording.wrist_middle_mcp_mm, recording.middle_mcp_pip_mm
    # Joints that no label claims: the right depth of the wrist and lengths of the scale bones.
    xyz_mm = np.zeros((len(rows), NUM_JOINTS, 3), np.float32)
    xyz_mm[:, :, 0] = 1.0
    xyz_mm[:, ROOT, 0], xyz_mm[:, MIDDLE_MCP, 0] = 0.0, palm
    xyz_mm[:, MIDDLE_MCP + 1, 0] = palm + phalanx
    frame_numbers = {name: n for n, name in enumerate(sorted({row["frame"] for row in rows}))}
    table = HandTable(
        dataset=f"{root.name}, {split}",
        conditions=(
            f"recording {root.name}, {split}: {len(rows)} hands; depth of the wrist from the depth "
            f"pictures, wrist - middle MCP {palm:.0f} mm."
        ),
        images=tuple(str(colour_path(root, row["frame"])) for row in rows),
        size_px=recording.size_px,
        uv_px=np.array([row["uv_px"] for row in rows]),
        uv_weight=np.array([row["weight"] for row in rows]),
        xyz_mm=xyz_mm,
        has_xyz=False,
        intrinsics=np.tile(recording.intrinsics.astype(np.float32), (len(rows), 1, 1)),
        is_right=np.array([row["side"] == "right" for row in rows]),
        depths=tuple(str(root / "depth" / f"{row['frame']}.png") for row in rows),
        depth_coding="mm",
        depth_unit_mm=recording.unit_mm,
        registration=recording.registration,
        groups=np.array([frame_numbers[row["frame"]] for row in rows]),
    )
    depth_mm = [root_depth_mm(table, row, palm) for row in range(len(table))]
    xyz_mm[:, :, 2] = np.array(depth_mm)[:, None]
    return dataclasses.replace(table, xyz_mm=xyz_mm)


def root_depth_mm(table: HandTable, row: int, palm_mm: float) -> float:
    """Depth of the wrist joint in mm: NaN if nothing was measured near it."""
    try:
        depth = depth_seen(table, row)
    except UserError:
        return float("nan")
    uv = table.uv_px[row]
    if not (np.abs(uv[[ROOT, MIDDLE_MCP]]) <= FARTHEST_PX).all():
        return float("nan")
    palm_px = np.linalg.norm(uv[MIDDLE_MCP] - uv[ROOT])
    reach = max(round(ROOT_WINDOW * float(palm_px)), 2)
    u, v = np.rint(uv[ROOT]).astype(int)
    window = depth[max(v - reach, 0) : v + reach + 1, max(u - reach, 0) : u + reach + 1]
    measured = window[window > 0]
    if not measured.size:
        return float("nan")
    return float(np.median(measured)) + WRIST_BEHIND_SKIN * palm_mm
