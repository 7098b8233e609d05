"""Whether the depth pictures of a recording belong to its colour pictures.

A hand is read from both. Where both belong together, the two lie near to each other. Where they do
not, the causes that are usual are tried: a shift, a scale, a delay, a mirror image, a turn, a wrong
order. A cause is named if the two lie clearly nearer to each other with it. NumPy only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from kerashand.runtime.hand import Hand
from kerashand.sequences import evenly

USUAL = "3 to 5 %"
"""Of recordings whose depth belongs to colour: 0.030 to 0.045 by `Agreement.apart`."""
DOUBTFUL, WRONG = 0.06, 0.1
"""Distance from which a named cause is a warning, and from which it is an error: that of a wrong
point."""
DOUBTFUL_UNNAMED, GROSS = 0.085, 0.15
"""Distance from which it is a warning without a cause, and pictures are read again; and from which
that comes first: a fit needs hands that are near to each other."""
EXPLAINS = {"shift": 0.6, "scale": 0.7, "delay": 0.8}
"""What of the distance may be left with each cause; where nothing is wrong, 0.94 is."""
LEAST_DELAY = 0.5
"""Frames."""
EXPLAINS_AGAIN, NEAR_AGAIN = 0.6, 0.15
"""The same of pictures that are read again, and the distance that they may have."""
FITS, FITS_NOT, OFTEN = 0.07, 0.15, 0.4
"""Distances of another frame's depth and of its own, and the share of frames where this is so:
the order is wrong."""
LEAST_FRAMES, LEAST_FITTED = 3, 8
AGAIN, STEPS = 8, 3
"""Frames that are read again, and how often a shift is made better."""
DELAYS = tuple(sign * frames for frames in (*range(1, 11), 12, 14, 16, 18, 20) for sign in (1, -1))
SIZES = (0.86, 1.18)
"""Distance of hands by their size over that by depth; 0.98 to 1.09 where nothing is wrong."""
LEAST_SIZES = 10

Change = Callable[[NDArray], NDArray]
Read = Callable[[int, Hand, Change], "NDArray[np.float64] | None"]
"""(number of a frame, hand in the colour picture, change of the depth picture [H, W]) -> points
[21, 2] of the hand by depth, in pixels; None where there is none."""
TURNS: dict[str, Change] = {
    "mirrored left to right": lambda depth: depth[:, ::-1],
    "upside down (mirrored)": lambda depth: depth[::-1],
    "turned by 180 degrees": lambda depth: depth[::-1, ::-1],
    "turned by 90 degrees": lambda depth: _turned(depth, 1),
    "turned by 270 degrees": lambda depth: _turned(depth, 3),
}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well depth and colour fit.

    Attributes:
        frames: how many were compared.
        apart: mean distance of points by depth from those by colour, in sides of the hand's box;
            median over frames.
        cause: what would explain it, and what to do; None: no cause is known.
    """

    frames: int
    apart: float
    cause: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether depth does not belong to colour for certain."""
        return self.cause is not None and self.apart >= WRONG

    @property
    def is_gross(self) -> bool:
        """Whether the two show nothing in common."""
        return self.apart >= GROSS

    @property
    def text(self) -> str | None:
        """What was measured, and what to do; None where nothing is wrong."""
        if self.apart < (DOUBTFUL_UNNAMED if self.cause is None else DOUBTFUL):
            return None
        why = self.cause or (
            "No usual cause explains it: look at a sheet of `kerashand-data check` whether colour "
            "and depth meet and are of the same time."
        )
        return (
            f"depth may not belong to colour: points by depth lie {100 * self.apart:.0f} % of the "
            f"hand's box from points by colour (median of {self.frames} frames; {USUAL} is usual). "
            f"{why}"
        )


def compare(
    hands: Mapping[int, Hand],
    depth_px: Mapping[int, NDArray],
    *,
    centre_px: NDArray,
    read: Read | None = None,
) -> Agreement | None:
    """Compare the hand in colour with the hand in depth.

    Args:
        hands: number of a frame -> its hand in the colour picture; numbers count frames in time.
            Those without points by depth may be read again.
        depth_px: number of a frame -> points [21, 2] of the hand by depth, in pixels of colour.
        centre_px: [2] point of the colour picture about which a wrong focal length scales depth.
        read: reads other depth pictures, or changed ones, where the two are far apart; None reads
            none.

    Returns:
        What was found; None if fewer than three frames have both.
    """
    numbers = sorted(set(hands) & set(depth_px))
    if len(numbers) < LEAST_FRAMES:
        return None
    colour = np.array([hands[number].uv_px for number in numbers], np.float64)
    depth = np.array([depth_px[number] for number in numbers], np.float64)
    found = Agreement(len(numbers), _apart(depth - colour, colour))
    if found.apart < DOUBTFUL:
        return found
    fitted, velocity = len(numbers) >= LEAST_FITTED, _velocity(hands, numbers)
    cause = None
    if not found.is_gross:
        cause = (
            _fitted_cause(colour, depth, velocity=velocity, centre_px=centre_px) if fitted else None
        )
    if cause is None and found.apart >= DOUBTFUL_UNNAMED and read is not None:
        shift = np.median(depth - colour, axis=(0, 1))
        again = {number: hands[number] for number in evenly(sorted(hands), AGAIN)}
        cause = _cause_again(again, read, shift)
    if cause is None and found.is_gross and fitted:
        cause = _fitted_cause(colour, depth, velocity=velocity, centre_px=centre_px)
    return dataclasses.replace(found, cause=cause)


def size_doubt(ratios: list[float]) -> str | None:
    """What to say of hands whose size does not fit their distance; None where nothing is.

    Args:
        ratios: distance of hands by their size, over that by depth.
    """
    if len(ratios) < LEAST_SIZES or SIZES[0] <= (ratio := float(np.median(ratios))) <= SIZES[1]:
        return None
    return (
        f"by their size hands are {ratio:.2f} times as far as by depth (median of {len(ratios)}; "
        "0.95 to 1.1 is usual). Look at the measure of the hand, `colour.fx` and `depth.unit_mm`."
    )


def _apart(off: NDArray, colour: NDArray) -> float:
    """Median over frames of the mean distance, in sides of the box; differences [N, 21, 2]."""
    return float(np.median(np.linalg.norm(off, axis=2).mean(axis=1) / _sides(colour)))


def _sides(colour: NDArray) -> NDArray:
    return np.maximum(np.ptp(colour, axis=1).max(axis=1), 1.0)


def _off(depth_px: NDArray | None, hand: Hand) -> float:
    """Distance of one frame; infinite without points by depth."""
    if depth_px is None:
        return float("inf")
    return _apart((depth_px - hand.uv_px)[None], hand.uv_px[None])


# -------------------------------------------------------------------------- causes that are fitted


def _velocity(hands: Mapping[int, Hand], numbers: list[int]) -> NDArray:
    """Movement [N, 2] of the hand in pixels a frame; 0 where a neighbour is missing."""
    found = np.zeros((len(numbers), 2))
    for row, number in enumerate(numbers):
        if number - 1 in hands and number + 1 in hands:
            after, before = hands[number + 1].uv_px, hands[number - 1].uv_px
            found[row] = (after.mean(axis=0) - before.mean(axis=0)) / 2
    return found


def _fitted_cause(
    colour: NDArray, depth: NDArray, *, velocity: NDArray, centre_px: NDArray
) -> str | None:
    """The shift, scale or delay that explains differences best, if it explains them."""
    off = depth - colour
    shift = np.median(off, axis=(0, 1))
    from_centre = colour - centre_px
    moved = np.broadcast_to(velocity[:, None], off.shape)
    sides = _sides(colour)[:, None, None]
    more = _slope(from_centre / sides, off / sides)
    delay = -_slope(moved / sides, off / sides)
    left = {
        "shift": _apart(off - shift, colour),
        "scale": _apart(off - more * from_centre, colour),
        "delay": _apart(off + delay * moved, colour) if abs(delay) >= LEAST_DELAY else np.inf,
    }
    texts = {
        "shift": _shift_text(shift),
        "scale": (
            f"Depth is {1.0 + more:.2f} times as large as colour: look at the focal lengths of "
            "both cameras, and whether depth was scaled or cut."
        ),
        "delay": _delay_text(delay),
    }
    apart = _apart(off, colour)
    fits = [(value / apart, name) for name, value in left.items()]
    fits = [(share, name) for share, name in fits if share <= EXPLAINS[name]]
    return texts[min(fits)[1]] if fits else None


def _slope(x: NDArray, y: NDArray) -> float:
    """The factor that brings x nearest to y by absolute differences: a weighted median."""
    x, y = x.reshape(-1), y.reshape(-1)
    known = np.abs(x) > 1e-9
    if not known.any():
        return 0.0
    x, y = x[known], y[known]
    order = np.argsort(y / x)
    weight = np.cumsum(np.abs(x)[order])
    return float((y / x)[order][np.searchsorted(weight, weight[-1] / 2)])


def _shift_text(shift: NDArray) -> str:
    return (
        f"Depth is shifted by ({shift[0]:+.0f}, {shift[1]:+.0f}) pixels: is it registered to the "
        "colour camera? Look at `depth_to_colour` (its direction, signs and millimetres), `cx` "
        "and `cy`."
    )


def _delay_text(delay: float) -> str:
    which = "late" if delay > 0 else "early"
    return (
        f"Depth is about {abs(delay):.1f} frames {which}: pair colour and depth again, by one "
        "clock."
    )


# ------------------------------------------------------------- causes for which pictures are read


def _cause_again(hands: Mapping[int, Hand], read: Read, shift: NDArray) -> str | None:
    """The change of depth pictures that brings depth to colour."""

    def as_it_is(depth: NDArray) -> NDArray:
        return depth

    own = _read_again(hands, read, as_it_is)
    fits = [
        (_median(_read_again(hands, read, change)), _turn_text(name))
        for name, change in TURNS.items()
    ]
    fits += [(off, _shift_text(moved)) for moved, off in _shifted(hands, read, shift)]
    delayed = {delay: _read_again(hands, read, as_it_is, delay=delay) for delay in DELAYS}
    fits += [(_median(off), _delay_text(delay)) for delay, off in delayed.items()]
    best, text = min(fits)
    if best <= min(EXPLAINS_AGAIN * _median(own), NEAR_AGAIN):
        return text
    nearest = np.min(list(delayed.values()), axis=0)
    other = (nearest <= FITS) & (own >= FITS_NOT)
    if other.sum() >= max(OFTEN * len(own), LEAST_FRAMES):
        return (
            f"In {other.sum()} of {len(own)} frames the depth of another frame fits, not always "
            "as far away: colour and depth are paired in a wrong order."
        )
    return None


def _read_again(
    hands: Mapping[int, Hand], read: Read, change: Change, *, delay: int = 0
) -> NDArray[np.float64]:
    """Distance [N] from colour of what changed or later depth pictures show, infinite without."""
    return np.array([_off(read(n + delay, hand, change), hand) for n, hand in hands.items()])


def _shifted(
    hands: Mapping[int, Hand], read: Read, shift: NDArray
) -> Iterator[tuple[NDArray, float]]:
    """Shifts of depth in pixels, each made better by the one before, and the distance left."""
    for _ in range(STEPS):
        moved = {
            number: dataclasses.replace(hand, uv_px=hand.uv_px + shift)
            for number, hand in hands.items()
        }
        seen = {number: read(number, hand, lambda depth: depth) for number, hand in moved.items()}
        yield shift, _median(np.array([_off(seen[n], moved[n]) for n in moved]))
        off = [uv - moved[n].uv_px for n, uv in seen.items() if uv is not None]
        if not off:
            return
        shift = shift + np.median(np.array(off), axis=(0, 1))


def _turned(depth: NDArray, quarters: int) -> NDArray:
    """Turned, where that leaves the shape; else nothing that was measured."""
    square = depth.shape[0] == depth.shape[1]
    return np.rot90(depth, quarters) if square else np.zeros_like(depth)


def _turn_text(name: str) -> str:
    return (
        f"It fits if depth is taken to be {name}: one of colour and depth is. Turn or mirror the "
        "pictures of one, with its camera."
    )


def _median(values: NDArray) -> float:
    return float(np.median(values)) if len(values) else float("inf")
