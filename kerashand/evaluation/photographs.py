"""A pose model of the runtime on labelled photographs: squares around hands, and whole pictures.

Photographs are those of `kerashand.data.kinds.photos`. Their labels are in 2D, of left
and right hands, and some squares hold no hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.data.kinds.photos import boxed_pictures, load_labels
from kerashand.errors import UserError
from kerashand.evaluation.groups import ALL, groups_of
from kerashand.evaluation.predictions import LEAST_HAND, Predictions
from kerashand.evaluation.summary import Numbers, detection_summary
from kerashand.geometry.camera import HAND_MARGIN
from kerashand.geometry.squares import square_around_points
from kerashand.metrics import SHOWN_PX
from kerashand.metrics_detection import Matches, match_hands
from kerashand.runtime import HandPose
from kerashand.runtime.hand import HANDEDNESSES

MIRRORED, OTHERS = "mirrored", "other pictures"


def box_of(uv_px: NDArray, loose: float = 1.0) -> tuple[float, ...]:
    """Left, top, right, bottom of the points [21, 2], `loose` times as large about their middle."""
    low, high = uv_px.min(axis=0), uv_px.max(axis=0)
    more = (loose - 1.0) * (high - low) / 2
    return (*(low - more), *(high + more))


def square_px(uv_px: NDArray) -> float:
    """Side of the square of `HAND_MARGIN` boxes around the points [21, 2]."""
    return float(square_around_points(uv_px, np.ones(len(uv_px)), margin=HAND_MARGIN)[1])


def on_squares(
    model: HandPose,
    folder: Path,
    split: str,
    *,
    passes: int | None = 1,
    loose: float = 1.0,
    asks_handedness: bool = True,
) -> tuple[Predictions, list[set[str]]]:
    """Run a model on the labelled squares of a split, whose boxes are given.

    Joints are those with the true handedness given. Beside that the model is asked for the
    handedness, of the picture and of its mirror image. A square without a hand is
    run like a right hand, for the score alone.

    Args:
        model: of the runtime.
        folder: of photographs.
        split: train, val or test.
        passes: see `HandPose.predict`.
        loose: boxes so many times as large as the hands.
        asks_handedness: whether the model can tell the handedness of a hand in a box.

    Returns:
        Predictions on N squares, and N sets of groups: `ALL`, the collection, and for hands those
        of `groups_of`.

    Raises:
        UserError: when the split holds nothing.
        PictureError: when a picture cannot be read.
    """
    labels = load_labels(str(folder))
    columns: dict[str, list] = {}
    groups: list[set[str]] = []
    for row in np.flatnonzero(labels["split"] == split):
        rgb = picture_files.read(folder / str(labels["name"][row]))
        uv = labels["uv_px"][row]
        weight, is_right = labels["uv_weight"][row], bool(labels["is_right"][row])
        is_hand = bool((weight > 0).any())
        box = box_of(uv, loose)
        handedness = "right" if is_right or not is_hand else "left"
        hand = model.predict(rgb, box=box, handedness=handedness, passes=passes)[0]
        values = {
            "uv_px": hand.uv_px, "uv_true_px": uv, "uv_weight": weight, "side_px": square_px(uv),
            "confidence": hand.confidence, "is_hand": is_hand, "is_right": is_right,
            "p_hand": hand.score,
        }  # fmt: skip
        if asks_handedness:
            values |= _handedness_asked(model, rgb, box, is_hand=is_hand, passes=passes)
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
        collection = [str(labels["set"][row])] if "set" in labels else []
        kinds = groups_of(rgb, uv, is_right) if is_hand else []
        groups.append({ALL, *collection, *kinds})
    if not groups:
        raise UserError(f"{folder} holds nothing in the split {split}.")
    arrays = {name: np.array(values) for name, values in columns.items()}
    predictions = Predictions(shown_px=SHOWN_PX, least_hand=LEAST_HAND, more={}, **arrays)
    return predictions, groups


def _handedness_asked(
    model: HandPose, rgb: NDArray, box: tuple[float, ...], *, is_hand: bool, passes: int | None
) -> dict[str, float]:
    """What a model says of the handedness of a hand, and of that of its mirror image."""
    if not is_hand:
        return {"p_right": 0.5, "p_right_mirrored": 0.5}
    flipped = np.ascontiguousarray(rgb[:, ::-1])
    said = [
        model.predict(picture, box=where, handedness="auto", passes=passes)[0]
        for picture, where in ((rgb, box), (flipped, tuple(mirrored_boxes(box, rgb.shape[1]))))
    ]
    p_right, p_right_mirrored = (
        hand.p_right
        if model.has_heads and hand.p_right is not None
        else float(hand.handedness == "right")
        for hand in said
    )
    return {"p_right": p_right, "p_right_mirrored": p_right_mirrored}


def mirrored_boxes(boxes: NDArray | tuple[float, ...], width_px: int) -> NDArray[np.float64]:
    """Boxes [..., 4] in the mirror image of a picture."""
    left, top, right, bottom = np.moveaxis(np.asarray(boxes, np.float64), -1, 0)
    return np.stack([width_px - 1 - right, top, width_px - 1 - left, bottom], axis=-1)


def on_whole_pictures(
    model: HandPose, folder: Path, split: str, *, empty: Iterable[NDArray], passes: int | None = 1
) -> dict[str, Numbers]:
    """Find the hands of whole pictures, of their mirror images, and of pictures without hands.

    At most two hands of a picture are looked for, without tiles, as is the default.

    Args:
        model: of the runtime, with a detector.
        folder: of photographs.
        split: train, val or test.
        empty: other pictures that hold no hand.
        passes: see `HandPose.predict`.

    Returns:
        `detection_summary` by group: `ALL` (the photographs and the other pictures), `OTHERS`,
        `MIRRORED` (the photographs), and of the photographs and of their mirror images each
        collection and each handedness that they show. For left or right hands alone precision
        says nothing and is left out.
    """

    def matched(rgb: NDArray, boxes=(), is_right=()) -> Matches:
        return match_hands(model.predict(rgb, passes=passes), boxes, is_right)

    found: dict[str, list[Matches]] = {ALL: []}
    for rgb, boxes, is_right, sets in boxed_pictures(str(folder), split):
        flipped = np.ascontiguousarray(rgb[:, ::-1])
        flipped_boxes = mirrored_boxes(boxes, rgb.shape[1])
        for whole, prefix, one, right in (
            (ALL, "", matched(rgb, boxes, is_right), is_right),
            (MIRRORED, f"{MIRRORED}, ", matched(flipped, flipped_boxes, ~is_right), ~is_right),
        ):
            parts = {whole: one} | {f"{prefix}{name}": one for name in sets}
            for handedness in HANDEDNESSES:
                of_handedness = one.of_hands(right == (handedness == "right"))
                if of_handedness.hands:
                    parts[f"{prefix}handedness: {handedness}"] = of_handedness
            for name, matches in parts.items():
                found.setdefault(name, []).append(matches)
    if others := [matched(rgb) for rgb in empty]:
        found[ALL] += others
        found[OTHERS] = others
    names = sorted(found, key=lambda name: (name != ALL, name))
    rows = {name: detection_summary(found[name]) for name in names}
    for name, row in rows.items():
        if "handedness: " in name:
            for key in ("precision", "average_precision"):
                row.pop(key, None)
    return rows
