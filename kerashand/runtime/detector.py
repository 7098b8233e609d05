"""The detector: boxes of hands in a whole picture, which way they point, their handedness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError, shown
from kerashand.geometry.camera import apply_inverse_affine
from kerashand.metrics_detection import box_overlap
from kerashand.runtime.backends import Backend, checked, is_number, load_backend
from kerashand.runtime.crop import crop_from_image, cut, square_around
from kerashand.runtime.tiles import Seen, Square, is_cut, merged, squares
from kerashand.runtime.views import upright_rad

OVERLAP = 0.35
DEFAULT_THRESHOLD = 0.5
SPARE_HANDS, TILED_SPARE_HANDS = 2, 16
"""How many more detections than hands are asked for are read, of the whole picture alone and with
tiles, which show more that is no hand: the pose model decides."""


@dataclass(frozen=True)
class Detection:
    """What may be a hand.

    Attributes:
        box: left, top, right, bottom in pixels of the picture.
        handedness: "left" or "right".
        score: 0..1.
        p_right: 0..1, how likely it is a right hand; None where the handedness was given.
        upright_rad: by how much the picture is turned so that the hand's fingers point up.
    """

    box: tuple[float, float, float, float]
    handedness: str
    score: float
    p_right: float | None = None
    upright_rad: float = 0.0


class Detector:
    """A small network that says for each cell of a map whether a palm's middle lies there.

    Its outputs on [1, S, S, 3]: `score` [1, h, w] 0..1, `box` [1, h, w, 4] left, top, right, bottom
    in pixels of the input, `p_right` [1, h, w] 0..1, and `up` [1, h, w, 2], a vector from the wrist
    to the middle finger's knuckle, 1 long where it is sure. A detector of before lacks `up`.

    Attributes:
        threshold: score from which on a cell may be a hand.
        least_up: length of `up` from which on the first crop of a hand is turned.
    """

    def __init__(self, backend: Backend):
        self.backend = backend
        self.size_px = int(backend.metadata["image_size_px"])
        self.threshold = _score(backend, "threshold", DEFAULT_THRESHOLD)
        self.least_up = _score(backend, "least_up", 0.0)

    @classmethod
    def load(cls, path: str | Path, *, threads: int = 1) -> Detector:
        """Load an exported detector.

        Raises:
            UserError: If the file is missing, damaged or of another kind.
        """
        return cls(load_backend(path, task="hand_detector", threads=threads))

    def detect(
        self,
        rgb: NDArray[np.uint8],
        *,
        max_hands: int,
        tiles: int | str = 1,
        least_tiles: int = 1,
    ) -> list[Detection]:
        """What may be hands of a picture, the surest first.

        Args:
            rgb: [H, W, 3] uint8.
            max_hands: most detections.
            tiles: along the longer side, which are looked at besides the whole picture, or "auto".
            least_tiles: that "auto" takes.
        """
        height, width = rgb.shape[:2]
        size_px = (width, height)
        whole = square_around((-0.5, -0.5, width - 0.5, height - 0.5))
        seen = [Seen(one) for one in self._detections(rgb, whole)]
        tiled = squares(size_px, tiles, input_px=self.size_px, least=least_tiles)
        for number, square in enumerate(tiled, start=1):
            for one in self._detections(rgb, square):
                seen.append(Seen(one, number, is_cut(one.box, square, size_px)))
        return merged(seen, OVERLAP)[:max_hands]

    @property
    def says_up(self) -> bool:
        """Whether it says which way a hand points."""
        return "up" in self.backend.outputs

    def seen_in(self, rgb: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Detection:
        """The hand in a box, as sure as can be: its handedness, and which way it points."""
        centre, side_px = square_around(box, margin=2.0)
        output = self._run(rgb, crop_from_image(centre, side_px, self.size_px))
        score = np.multiply(output["score"], _near_middle(output["score"]))
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        return self._detection(output, (int(row), int(column)), box, score=1.0)

    def _run(self, rgb, affine) -> dict[str, NDArray[np.float64]]:
        output = self.backend.run(cut(rgb, affine, self.size_px)[None])
        return checked(output, task="hand_detector")

    def _detection(self, output, cell: tuple[int, int], box, *, score: float) -> Detection:
        """What it says in a cell of the hand in a box of the picture."""
        p_right, turn = float(output["p_right"][cell]), 0.0
        if "up" in output and np.linalg.norm(output["up"][cell]) >= self.least_up:
            turn = upright_rad(output["up"][cell])
        return Detection(box, handedness_of(p_right), score, p_right, turn)

    def _detections(self, rgb, square: Square) -> list[Detection]:
        """Those in a square of the picture, the surest first."""
        affine = crop_from_image(*square, self.size_px)
        output = self._run(rgb, affine)
        rows, columns = np.nonzero(output["score"] >= self.threshold)
        scores = output["score"][rows, columns]
        corners = output["box"][rows, columns].reshape(-1, 2, 2)
        boxes = apply_inverse_affine(corners, affine).reshape(-1, 4)
        found: list[Detection] = []
        for number in np.argsort(-scores):
            left, top, right, bottom = (float(value) for value in boxes[number])
            box = (left, top, right, bottom)
            # Beyond its edges the picture is mirrored, and hands there are reflections.
            if in_picture(box, rgb) and all(
                box_overlap(box, other.box) < OVERLAP for other in found
            ):
                cell = int(rows[number]), int(columns[number])
                found.append(self._detection(output, cell, box, score=float(scores[number])))
        return found


def _score(backend: Backend, name: str, default: float) -> float:
    value = backend.metadata.get(name, default)
    if not is_number(value) or not 0.0 <= value <= 1.0:
        raise UserError(f"A detector says `{name}` of 0 to 1. Received: {shown(value)}")
    return float(value)


def spare_hands(tiles: int | str) -> int:
    """How many more detections than hands are asked for are read."""
    return SPARE_HANDS if tiles == 1 else TILED_SPARE_HANDS


def handedness_of(p_right: float) -> str:
    """The likelier handedness."""
    return "right" if p_right >= 0.5 else "left"


def _near_middle(score: NDArray) -> NDArray[np.float64]:
    axes = [np.abs((np.arange(side) + 0.5) / side - 0.5) for side in score.shape]
    return np.exp(-((axes[0][:, None] ** 2 + axes[1][None, :] ** 2) / 0.08))


def in_picture(box, rgb: NDArray[np.uint8]) -> bool:
    """Whether the middle of a box lies in the picture."""
    height, width = rgb.shape[:2]
    u, v = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return -0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5
