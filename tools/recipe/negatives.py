"""Squares of photographs and rendered pictures that show no hand, for `prepare_photographs.py`.

Each is a row of the label file whose points all have weight 0; their box is the square.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from label_rows import row, write_jpeg

from kerashand import picture_files
from kerashand.metrics_detection import box_overlap
from kerashand.runtime import HandPose
from kerashand.runtime.crop import square_around
from kerashand.skeleton import MIDDLE_MCP, ROOT
from kerashand.synthetic import clutter, sensor
from kerashand.synthetic.scene import render_background, render_hand
from kerashand.synthetic.styles import STYLES

SIDES = (0.15, 0.6)  # of the shorter side of a photograph: squares without a hand
TRIES = 20
SHARE_OF = {"ti1k": 0.7, "clips": 0.7, "stereo": 0.5}  # of a set's hands that give a square
ARMS = 1000
ARM_PX = 192
PARTS = 0.25  # share of hands of which one part is shown by itself, as no hand
PART_SIDES = (0.1, 0.25)  # of the longer side of the hand's box
LEAST_PART_PX = 8.0
TURNS = 4
TILES = (1, 2)
MINED_SCORE = 0.1  # of the detection times that of the hand
MOST_SEEN = 8  # detections of a picture, one way round
MOST_MINED = 3  # of a picture
PART_AREA = 0.15  # of the hand's box: what is smaller and meets it is a part of the hand
CLEAR = 0.15  # of the longer side of the hand's box: skin around the joints, and the wrist


def of_photographs(rows: list[dict], out: Path, *, backgrounds: Path) -> list[dict]:
    """All squares without a hand, and copies of the pictures that are not in the folder yet.

    Args:
        rows: of hands.
        out: folder of their pictures.
        backgrounds: folder of photographs without hands.
    """
    squares = [*empty_squares(rows, out), *parts_of_hands(rows)]
    squares += empty_backgrounds(backgrounds, out)
    squares += mined(rows, squares, out)
    return squares + arms(out, str(backgrounds))


def empty_squares(rows: list[dict], folder: Path) -> list[dict]:
    """Squares of photographs of one hand that lie beside it: arms, faces, rooms.

    Only of sets that show one hand in a picture, found by the labeller.
    """
    rng = np.random.default_rng(0)
    found = []
    for one in rows:
        if one["set"] not in SHARE_OF or rng.random() > SHARE_OF[one["set"]]:
            continue
        width, height = picture_files.read_head(folder / one["name"]).size_px
        for _ in range(TRIES):
            left, top, side = random_square(rng, width, height)
            if is_apart((left, top, left + side, top + side), one["uv_px"]):
                found.append(empty(one["name"], left, top, side=side, split=one["split"]))
                break
    return found


def parts_of_hands(rows: list[dict]) -> list[dict]:
    """Squares around single joints: a finger tip or a patch of the palm is no hand."""
    rng = np.random.default_rng(3)
    found = []
    for one in rows:
        if rng.random() < PARTS:
            size = float(np.ptp(one["uv_px"], axis=0).max())
            side = max(rng.uniform(*PART_SIDES) * size, LEAST_PART_PX)
            corner = one["uv_px"][rng.integers(21)] - side * rng.uniform(0.3, 0.7, 2)
            found.append(empty(one["name"], *corner, side=side, split=one["split"]))
    return found


def empty_backgrounds(folder: Path, out: Path) -> list[dict]:
    """Two squares of each photograph without hands; of every tenth photograph for validation."""
    (out / "empty").mkdir()
    rng = np.random.default_rng(1)
    rows = []
    for number, path in enumerate(sorted(folder.rglob("*.jpg"))):
        name = f"empty/{number:04d}.jpg"
        shutil.copyfile(path, out / name)
        width, height = picture_files.read_head(path).size_px
        for _ in range(2):
            left, top, side = random_square(rng, width, height)
            split = "val" if number % 10 == 9 else "train"
            rows.append(empty(name, left, top, side=side, split=split))
    return rows


def mined(rows: list[dict], squares: list[dict], folder: Path) -> list[dict]:
    """What the packaged models take for a hand in training pictures, and is none.

    Hard negatives (Felzenszwalb et al. 2010): any detection in a photograph without hands, and in
    one of a hand what lies apart from it or is a small part of it.
    """
    model = HandPose.load()
    model.detector.threshold = MINED_SCORE
    hands = {one["name"]: one for one in rows if one["split"] == "train"}
    without = {one["name"] for one in squares if one["split"] == "train"} - set(hands)
    return [
        square
        for name in [*hands, *sorted(without)]
        for square in mined_of(model, name, folder, hand=hands.get(name))
    ]


def mined_of(model: HandPose, name: str, folder: Path, *, hand: dict | None) -> list[dict]:
    """The `MOST_MINED` likeliest of a picture, which is looked at turned by quarters too."""
    rgb = picture_files.read(folder / name)
    found = []
    for turns, tiles in itertools.product(range(TURNS), TILES if hand is None else (1,)):
        turned = np.ascontiguousarray(np.rot90(rgb, turns))
        for one in model.detector.detect(turned, max_hands=MOST_SEEN, tiles=tiles):
            box = turned_back(one.box, turns, turned.shape[:2])
            if hand is None or no_hand(box, hand):
                score = one.score * model.read(turned, one, passes=1).score
                found.append((score, box))
    likeliest = sorted(found, key=lambda pair: -pair[0])[:MOST_MINED]
    squares = []
    for score, box in likeliest:
        if score >= MINED_SCORE:
            centre, side = square_around(box)
            squares.append(empty(name, *(centre - side / 2), side=side, split="train"))
    return squares


def turned_back(box: tuple[float, ...], turns: int, shape: tuple[int, int]) -> np.ndarray:
    """The box of a picture before `np.rot90` turned it so many times; `shape` of the turned one."""
    (left, top, right, bottom), (height, width) = box, shape
    for _ in range(turns):
        left, top, right, bottom = height - 1 - bottom, left, height - 1 - top, right
        height, width = width, height
    return np.array([left, top, right, bottom])


def no_hand(box: np.ndarray, hand: dict) -> bool:
    """Whether a box shows no hand, but at most a small part of the one that is labelled."""
    if is_apart(box, hand["uv_px"]):
        return hand["set"] in SHARE_OF  # the others may show more hands
    size = box[2:] - box[:2]
    return bool(size.prod() < PART_AREA * np.ptp(hand["uv_px"], axis=0).prod())


def is_apart(box: Sequence[float], uv_px: np.ndarray) -> bool:
    """Whether a box shares nothing with a hand and what is around its joints [21, 2]."""
    low, high = uv_px.min(axis=0), uv_px.max(axis=0)
    around = CLEAR * float((high - low).max())
    return not box_overlap(box, (*(low - around), *(high + around)))


def arms(out: Path, backgrounds: str) -> list[dict]:
    """Rendered forearms with the hand beyond the picture, and patches of skin colour."""
    (out / "arms").mkdir()
    look, rows = STYLES["varied"], []
    for number in range(ARMS):
        rng = np.random.default_rng([2, number])
        image = np.clip(render_background(look, rng, ARM_PX, folder=backgrounds), 0.0, 1.0)
        if rng.random() < 0.7:
            image = clutter.add_skin_patches(image, rng)
        if rng.random() < 0.8:
            hand = render_hand(
                look, rng, ARM_PX, aim=lambda joints, rng=rng: at_the_arm(joints, rng), arm_mm=500.0
            )
            image = hand.rgb + (1.0 - hand.cover) * image
        image = np.clip(image, 0.0, 1.0).astype(np.float32)
        image = sensor.photograph(image, rng, strength=look.camera)
        name = f"arms/{number:04d}.jpg"
        write_jpeg(out / name, np.clip(np.rint(image * 255.0), 0, 255).astype(np.uint8))
        split = "val" if number % 10 == 9 else "train"
        rows.append(empty(name, 0.2 * ARM_PX, 0.2 * ARM_PX, side=0.6 * ARM_PX, split=split))
    return rows


def at_the_arm(joints_mm: np.ndarray, rng) -> np.ndarray:
    """Intrinsics of a square that shows the forearm and no joint but, at its edge, the wrist."""
    plane = joints_mm[:, :2] / joints_mm[:, 2:]
    along = plane[ROOT] - plane[MIDDLE_MCP]
    along /= np.linalg.norm(along) + 1e-9
    # The square lies beyond the joint that is farthest towards the elbow.
    reach = float(((plane - plane[ROOT]) @ along).max())
    size = float(np.ptp(plane, axis=0).max())
    side = size * rng.uniform(0.5, 1.3)
    centre = plane[ROOT] + along * (reach + side * rng.uniform(0.75, 1.2))
    focal = ARM_PX / side
    offset = (ARM_PX - 1) / 2 - focal * centre
    return np.array([[focal, 0.0, offset[0]], [0.0, focal, offset[1]], [0.0, 0.0, 1.0]])


def random_square(rng, width: int, height: int) -> tuple[float, float, float]:
    """Left, top and side of a square in a picture."""
    side = rng.uniform(*SIDES) * min(width, height)
    return rng.uniform(0, width - side), rng.uniform(0, height - side), side


def empty(name: str, left: float, top: float, *, side: float, split: str) -> dict:
    """A square without a hand: its corners in turn, of weight 0."""
    corners = np.array([[left, top], [left + side, top + side]])
    return row(
        "empty", name, uv_px=corners[np.arange(21) % 2], weight=0.0, is_right=True, split=split
    )
