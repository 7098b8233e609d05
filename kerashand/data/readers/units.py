"""Whether the depth, cameras and points of a recording are in the units that its files say.

A palm, measured in pixels x depth / focal length, must be as long as palms are. Where it is not,
each setting that people get wrong is tried alone, and those that would explain it are named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from kerashand.data.readers.table import HandTable, depth_seen, depth_values
from kerashand.errors import UserError
from kerashand.geometry.camera import camera_faults
from kerashand.geometry.registration import Registration
from kerashand.geometry.root_depth import PALM_BONES, PALM_RATIOS
from kerashand.geometry.squares import LEAST_HAND_PX
from kerashand.picture_files import PictureError
from kerashand.skeleton import MIDDLE_MCP, PALM, ROOT

SAMPLES = 12
"""Hands that are measured, evenly spread."""
TRIED = 4
"""Fewer while settings are tried: there are many of them."""
HANDS = "hands have 75 to 115 mm"
BONES = tuple(
    (bone, ratio)
    for bone, ratio in zip(PALM_BONES, PALM_RATIOS["wrist_middle_mcp"], strict=True)
    if set(bone) <= set(PALM)
)
"""Pairs of the palm's joints and their distances in lengths of wrist - middle knuckle."""
REACH = 0.06
"""Half side of the window at each joint in which depth is taken, in the same lengths."""
LEAST_AROUND = 0.2
"""Share of the square around a hand that must be measured: less may be the hand's own arm."""
FARTHEST_PX = 1e5


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is plausible.

    Attributes:
        length: measured over stated length of the palm. The largest of a palm's distances is
            0.7 to 1.2 times what it is straight before the camera, however the hand is turned.
        distance_mm: from the camera to the palm.
        behind: how far a hand may lie behind what is around it, as a share of its distance.
    """

    length: tuple[float, float]
    distance_mm: tuple[float, float]
    behind: float = 0.06


ACCEPTED = Limits((0.6, 1.67), (80.0, 5000.0))
EXPLAINED = Limits((0.68, 1.47), (100.0, 3000.0))
"""Narrower: an explanation has to fit well."""
AS_GOOD = 0.12
"""An explanation is as good as the best if its length is off by up to so much more, as a share."""
INVERTED = (
    "inverted depth, in which near is large, or colour and depth that do not meet (mirrored, "
    "turned, or of other times)"
)
NO_NEARER = 0.01
"""A hand that is nearer than what is around it by less than this share of its distance is not."""
METRES = "depth in metres, which whole numbers cannot hold (write millimetres)"
ROUNDED = Limits((0.3, 3.3), (100.0, 5000.0))
"""Of depth in whole metres."""
PREDICTED = (0.7, 1.4)
"""What `z_mm` of a palm may be of its measured depth."""
LEAST_SHIFT_MM = 1.0
"""Two cameras that stand apart do so by more: else they are measured in metres."""
UNIT_FACTORS = (0.1, 0.125, 0.25, 4.0, 8.0, 10.0, 1000.0)
"""Between units of depth cameras: 1 mm, 0.25 mm, 0.125 mm, 0.1 mm and 1 m."""
FOCAL_FACTORS = (0.1, 10.0, 0.5, 2.0)
"""A slip of the decimal point, and cameras of pictures of another size."""
LARGEST = 65535

Values = NDArray[np.uint16]
Setting = tuple[str, HandTable, Callable[[Values], Values]]
"""What is different, the table then, and what becomes of the values of a depth picture."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """Medians over some hands.

    Attributes:
        hands: how many have depth at the palm.
        palm_mm: length of wrist - middle knuckle.
        distance_mm: depth of the skin at the palm.
        before_mm: how much farther away lies what is around them; NaN if nothing was measured.
    """

    hands: int
    palm_mm: float
    distance_mm: float
    before_mm: float

    @property
    def doubt(self) -> str | None:
        """What to look at, though nothing is wrong for certain; None where nothing is."""
        if not self.before_mm < NO_NEARER * self.distance_mm:  # NaN is not known
            return None
        return (
            "hands are no nearer than what is around them: look at a sheet whether colour and "
            "depth meet (mirrored, turned, or of other times)"
        )


def check_units(table: HandTable) -> Measure | None:
    """Measure some hands of a recording.

    Args:
        table: without 3D labels, with depth; the stated length of the palm is in `xyz_mm`.

    Returns:
        What was measured; None if no depth was measured at any palm.

    Raises:
        UserError: if it is not plausible: with what was found, and what would explain it.
    """
    values = _depths_of_some(table)
    if not values:
        return None
    found = _measured(table, values, lambda depth: depth)
    wrong = [*_wrong_cameras(table), *_wrong_measures(found, table, ACCEPTED)]
    if found is not None and not wrong:
        _check_predicted(table, list(values), found)
        return found
    behind = found is not None and _behind(found, ACCEPTED)
    explained = [] if behind and len(wrong) == 1 else _explained(table, values)
    if not wrong and not explained:
        return None  # the hands without depth are named one by one
    if found is None:
        wrong.append(f"no depth was measured at the palms of {len(values)} hands")
    if behind and not explained:
        explained = [INVERTED]
    raise UserError(
        f"{table.dataset}: {'; '.join(wrong)}. "
        + (
            f"What would explain it: {', or '.join(explained)}."
            if explained
            else "No single setting explains it: look at `depth.unit_mm`, the focal lengths, the "
            "points, and the order of bytes in the depth pictures."
        )
    )


def _check_predicted(table: HandTable, rows: list[int], found: Measure) -> None:
    """Raise UserError where the predicted depth of palms is not near the measured one."""
    if table.joint_depth_mm is None:
        return
    predicted = table.joint_depth_mm[rows][:, list(PALM)]
    known = predicted[np.isfinite(predicted)]
    if known.size and not PREDICTED[0] <= np.median(known) / found.distance_mm <= PREDICTED[1]:
        raise UserError(
            f"{table.dataset}: `z_mm` of the points puts palms {_mm(float(np.median(known)))} mm "
            f"away, and the depth pictures {_mm(found.distance_mm)} mm (medians of {found.hands}). "
            "It is the depth of each joint from the camera in mm: leave it out where it is another."
        )


def _explained(table: HandTable, values: dict[int, Values]) -> list[str]:
    """What single change of a setting would make all plausible; the best, and what is as good."""
    values = {row: values[row] for row in [*values][:: max(len(values) // TRIED, 1)]}
    fits = []
    for text, changed, change in _settings(table):
        found = _measured(changed, values, change)
        limits = ROUNDED if text == METRES else EXPLAINED
        if found is None or [*_wrong_cameras(changed), *_wrong_measures(found, changed, limits)]:
            continue
        fits.append((abs(np.log(found.palm_mm / _stated_mm(table))), -found.hands, text))
    most = min((hands for _, hands, _ in fits), default=0)
    fits = [fit for fit in fits if fit[1] <= 0.8 * most]
    best = min(fits)[0] if fits else 0.0
    return [text for off, _, text in fits if off <= best + AS_GOOD]


def _depths_of_some(table: HandTable) -> dict[int, Values]:
    """Row -> its depth picture, of hands that are spread over the table."""
    found = {}
    for row in np.unique(np.linspace(0, len(table) - 1, SAMPLES).astype(int)).tolist():
        near = np.abs(table.uv_px[row]) <= FARTHEST_PX  # NaN is not
        if near.all() and np.ptp(table.uv_px[row], axis=0).max() >= LEAST_HAND_PX:
            try:
                found[row] = depth_values(table, row)
            except PictureError:
                continue  # named by itself
    return found


def _measured(
    table: HandTable, depths: dict[int, Values], change: Callable[[Values], Values]
) -> Measure | None:
    rows = [_hand(table, row, depth_seen(table, row, change(depths[row]))) for row in depths]
    hands = np.array([hand for hand in rows if hand is not None])
    if not hands.size:
        return None
    around = hands[:, 2][np.isfinite(hands[:, 2])]
    before = float(np.median(around)) if around.size else float("nan")
    palm_mm, distance_mm = np.median(hands[:, :2], axis=0).tolist()
    return Measure(len(hands), palm_mm, distance_mm, before)


def _hand(table: HandTable, row: int, depth: NDArray) -> tuple[float, float, float] | None:
    """Palm in mm, depth of its skin, and how far behind it lies what is around the hand."""
    uv = table.uv_px[row].astype(np.float64)
    reach = max(round(REACH * float(np.linalg.norm(uv[MIDDLE_MCP] - uv[ROOT]))), 1)
    windows = [_window(depth, point - reach, point + reach) for point in uv[list(PALM)]]
    skin = np.concatenate([window[window > 0] for window in windows])
    if not skin.size:
        return None
    distance = float(np.median(skin))
    camera = table.intrinsics[row].astype(np.float64)
    flat_mm = uv * distance / camera[[0, 1], [0, 1]]
    weight = table.uv_weight[row]
    lengths = [
        float(np.linalg.norm(flat_mm[first] - flat_mm[second])) / ratio
        for (first, second), ratio in BONES
        if weight[first] > 0 and weight[second] > 0
    ]
    low, high = uv.min(axis=0), uv.max(axis=0)
    wider = 0.25 * (high - low)
    around = _window(depth, low - wider, high + wider).copy()
    corner = np.maximum(np.rint(low - wider), 0)
    _window(around, low - corner, high - corner)[:] = 0
    far = around[around > 0]
    enough = far.size > LEAST_AROUND * around.size
    before = float(np.median(far)) - distance if enough else float("nan")
    return (max(lengths), distance, before) if lengths else None


def _window(depth: NDArray, low: NDArray, high: NDArray) -> NDArray:
    """The part of a depth picture between two corners, as far as there is one."""
    first = np.maximum(np.rint(low), 0).astype(int)
    last = np.maximum(np.rint(high) + 1, 0).astype(int)
    return depth[first[1] : last[1], first[0] : last[0]]


# ------------------------------------------------------------------------------ what is wrong


def _wrong_measures(found: Measure | None, table: HandTable, limits: Limits) -> Iterator[str]:
    if found is None:
        return
    stated = _stated_mm(table)
    low, high = limits.length
    if not low <= found.palm_mm / stated <= high:
        yield (
            f"wrist to middle knuckle measures {_mm(found.palm_mm)} mm (median of {found.hands}), "
            f"recording.yaml says {stated:.0f} mm, and {HANDS}"
        )
    if not limits.distance_mm[0] <= found.distance_mm <= limits.distance_mm[1]:
        yield f"hands are {_mm(found.distance_mm)} mm away"
    if _behind(found, limits):
        yield f"hands lie {_mm(-found.before_mm)} mm behind what is around them"


def _mm(length: float) -> str:
    return f"{length:.0f}" if length >= 100.0 else f"{length:.3g}"


def _stated_mm(table: HandTable) -> float:
    """The length of the palm that recording.yaml gives."""
    return float(np.linalg.norm(table.xyz_mm[0, MIDDLE_MCP, :2] - table.xyz_mm[0, ROOT, :2]))


def _behind(found: Measure, limits: Limits) -> bool:
    return found.before_mm < -limits.behind * found.distance_mm


def _wrong_cameras(table: HandTable) -> Iterator[str]:
    cameras = [("colour", table.intrinsics[0], table.size_px)]
    if (beside := table.registration) is not None:
        cameras.append(("depth", beside.intrinsics, beside.size_px))
        shift = float(np.linalg.norm(beside.translation_mm))
        if 0 < shift < LEAST_SHIFT_MM:
            yield f"`depth_to_colour.translation_mm` is {shift:.2g} mm long"
    for name, camera, size in cameras:
        yield from camera_faults(camera, size, f"{name}.")


# ---------------------------------------------------------------------- what would explain it


def _settings(table: HandTable) -> Iterator[Setting]:
    """The table with one setting changed, and what is to be said of it."""

    def as_stored(values: Values) -> Values:
        return values

    for factor in UNIT_FACTORS:
        unit = table.depth_unit_mm * factor
        text = f"`depth.unit_mm: {unit:g}`"
        if unit > 100.0:
            text = METRES
        yield text, dataclasses.replace(table, depth_unit_mm=unit), as_stored
    beside = table.registration
    for factor in FOCAL_FACTORS:
        times = f"`fx` and `fy` times {factor:g}"
        colour = dataclasses.replace(table, intrinsics=_with_focal(table.intrinsics, factor))
        yield (f"`colour`: {times}", colour, as_stored)
        if beside is not None:
            depth = dataclasses.replace(beside, intrinsics=_with_focal(beside.intrinsics, factor))
            yield f"`depth`: {times}", dataclasses.replace(table, registration=depth), as_stored
            both = dataclasses.replace(colour, registration=depth)
            yield f"`colour` and `depth`: {times}", both, as_stored
    if beside is not None:
        shift = 1000.0 * beside.translation_mm
        moved: Registration = dataclasses.replace(beside, translation_mm=shift)
        yield (
            f"translation in metres (`translation_mm: {np.round(shift, 3).tolist()}`)",
            dataclasses.replace(table, registration=moved),
            as_stored,
        )
    yield "depth pictures with the two bytes of each value swapped", table, np.ndarray.byteswap
    yield "inverted depth (65535 - depth), in which near is large", table, _inverted


def _with_focal(intrinsics: NDArray, factor: float) -> NDArray:
    changed = intrinsics.copy()
    changed[..., 0, 0] *= factor
    changed[..., 1, 1] *= factor
    return changed


def _inverted(values: Values) -> Values:
    return np.where(values > 0, LARGEST - values, 0).astype(np.uint16)
