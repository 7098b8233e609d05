"""Write the golden vectors that every port of the runtime is tested with: tests/golden.

    python tools/write_golden.py

Ten small pictures of rendered hands, and for each what the Python runtime does with it: the crops
that it cuts, what a network answered to each, and the hand that comes of it. The answers are made
up from the true joints with errors, so that no weights are in them and a port needs no network: it
gives the recorded answers, one after the other. Run it again when the recipe changes on purpose.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kerashand.geometry.camera import apply_affine, flip_uv
from kerashand.runtime import hand_pose
from kerashand.runtime.backends import HEADS, TASKS
from kerashand.runtime.crop import crop_from_image
from kerashand.runtime.detector import Detection, Detector, handedness_of
from kerashand.runtime.hand_pose import HandPose
from kerashand.runtime.recipe import KEY, Recipe
from kerashand.skeleton import ROOT
from kerashand.synthetic.scene import render_sample

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
SIZE_PX = 128
SIZES = ((96, 72), (72, 96), (120, 120), (61, 79), (160, 90))  # width, height
CASES = 10
GIVEN = {3: "left", 6: "right"}
PASSES = {0: 1, 2: 3, 5: 4}
UPRIGHT_RAD = (0.0, 0.7, -2.1)
WRONG_FIRST = (4, 7)  # the detector names the other hand
SURE = (3, 8, 9)  # the first pass is enough
LOOSE = {1: 1.5, 6: 0.55}  # the box is so many times as large as the hand
DIGITS = 6


def main() -> None:
    """Write pictures and golden.json."""
    FOLDER.mkdir(exist_ok=True)
    cases = [golden_case(number) for number in range(CASES)]
    content = {
        "size_px": SIZE_PX, KEY: Recipe().to_dict(), "cases": cases, "detector": golden_detector(),
    }  # fmt: skip
    (FOLDER / "golden.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def golden_case(number: int) -> dict[str, Any]:
    """One picture with what is asked and what comes of it."""
    rng = np.random.default_rng([77, number])
    width, height = SIZES[number % len(SIZES)]
    sample = render_sample("varied", "test", seed=3, index=number, size_px=max(width, height))
    rgb, uv = sample.image, sample.uv_px.astype(np.float64)
    is_right = bool(number % 2)
    if not is_right:
        rgb, uv = rgb[:, ::-1], flip_uv(uv, rgb.shape[1])
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    rgb = np.ascontiguousarray(rgb[top : top + height, left : left + width])
    uv = uv - [left, top]
    cv2.imwrite(str(FOLDER / f"{number:02d}.png"), rgb[:, :, ::-1])
    network = MadeUp(uv, sample, is_right, rng=rng, sure=number in SURE)
    pose = HandPose(network, None)
    middle, half = (uv.max(axis=0) + uv.min(axis=0)) / 2, np.ptp(uv, axis=0) / 2
    half = half * LOOSE.get(number, 1.0) + rng.uniform(0.0, 2.0, 2)
    box = tuple(np.round([*(middle - half), *(middle + half)], 2).tolist())
    p_right = 0.8 if is_right ^ (number in WRONG_FIRST) else 0.2
    detection = Detection(box, handedness_of(p_right), 0.9, p_right, UPRIGHT_RAD[number % 3])
    if number in GIVEN:
        detection = Detection(box, GIVEN[number], 0.9, None, UPRIGHT_RAD[number % 3])
    hand, passes = recorded(pose, lambda: pose.read(rgb, detection, passes=PASSES.get(number)))
    moved = rng.normal(0.0, 0.08 * half.max(), 2)
    frame_before = {"uv_px": rounded(hand.uv_px + moved), "handedness": hand.handedness}
    last = hand_pose.dataclasses.replace(hand, uv_px=np.array(frame_before["uv_px"]))
    followed, follow_passes = recorded(pose, lambda: pose.follow(rgb, last))
    return {
        "picture": f"{number:02d}.png",
        "detection": {
            "box": list(box), "handedness": detection.handedness, "score": detection.score,
            "p_right": detection.p_right, "upright_rad": detection.upright_rad,
        },
        "passes": PASSES.get(number),
        "runs": passes,
        "hand": described(hand),
        "follow": {"last": frame_before, "runs": follow_passes, "hand": described(followed)},
    }  # fmt: skip


def golden_detector() -> dict[str, Any]:
    """Maps of a detector on the first picture, and the detections that come of them."""
    rng = np.random.default_rng([77, CASES])
    cells, size_px = (4, 4), 32
    middles = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1) * 8 + 3.5
    reach = rng.uniform(3.0, 12.0, (2, *cells, 2))
    maps = {
        "score": rng.uniform(0.0, 1.0, cells),
        "box": np.concatenate([middles - reach[0], middles + reach[1]], axis=-1),
        "p_right": rng.uniform(0.0, 1.0, cells),
        "up": 0.6 * rng.normal(size=(*cells, 2)),
    }
    maps = {name: np.round(values, DIGITS) for name, values in maps.items()}
    detector = Detector(Maps(maps, size_px))
    rgb = cv2.imread(str(FOLDER / "00.png"))[:, :, ::-1]
    return {
        "picture": "00.png", "size_px": size_px, "threshold": detector.threshold,
        "least_up": detector.least_up,
        "outputs": {name: values.tolist() for name, values in maps.items()},
        "detections": [
            {
                "box": rounded(one.box), "handedness": one.handedness, "score": one.score,
                "p_right": one.p_right, "upright_rad": round(one.upright_rad, DIGITS),
            }
            for one in detector.detect(rgb, max_hands=16)
        ],
    }  # fmt: skip


class Maps:
    """A detector's backend that says the same of every picture."""

    def __init__(self, maps, size_px: int):
        self.metadata = {"image_size_px": size_px, "threshold": 0.3, "least_up": 0.9}
        self.maps, self.outputs = maps, frozenset(maps)

    def run(self, images):
        """The maps."""
        return self.maps


class MadeUp:
    """A backend that knows the hand of a picture, and errs."""

    outputs = frozenset(TASKS["hand_pose"][1] | HEADS)

    def __init__(self, uv_px, sample, is_right: bool, *, rng, sure: bool):
        self.metadata = {"image_size_px": SIZE_PX, "scale_bone": "wrist_middle_mcp"}
        depth = sample.xyz_mm[:, 2] - sample.xyz_mm[ROOT, 2]
        self.uv_px, self.z_relative = uv_px, depth / 90.0
        self.is_right, self.rng = is_right, rng
        self.least_p = 0.92 if sure else 0.6
        self.affine, self.runs = np.eye(3), []

    def run(self, images):
        """True joints with errors, which are recorded."""
        mirrored = np.linalg.det(self.affine[:2, :2]) < 0
        p_right = self.rng.uniform(self.least_p, 0.98)
        if self.is_right == mirrored:
            p_right = 1.0 - p_right
        noise = self.rng.normal(0.0, 1.5, (21, 2))
        outputs = {
            "uv_px": apply_affine(self.uv_px, self.affine) + noise,
            "z_relative": self.z_relative + self.rng.normal(0.0, 0.1, 21),
            "confidence": self.rng.uniform(max(self.least_p - 0.4, 0.2), 0.98, 21),
            "p_right": p_right,
            "p_hand": self.rng.uniform(max(self.least_p, 0.7), 0.99),
        }
        outputs = {name: np.round(value, DIGITS) for name, value in outputs.items()}
        self.runs.append(
            {
                "affine": rounded(self.affine[:2]),
                "mirrored": bool(mirrored),
                "crop_mean": rounded(images[0].mean(axis=(0, 1))),
                "crop_corner_pixels": images[0][::127, ::127].reshape(-1, 3).tolist(),
                "outputs": {name: np.asarray(value).tolist() for name, value in outputs.items()},
            }
        )
        return outputs


def recorded(pose: HandPose, ask) -> tuple[Any, list]:
    """What a call returns, and the runs of the network that it took."""

    def watched(*arguments, **options):
        pose.backend.affine = crop_from_image(*arguments, **options)
        return pose.backend.affine

    pose.backend.runs = []
    hand_pose.crop_from_image = watched
    try:
        return ask(), pose.backend.runs
    finally:
        hand_pose.crop_from_image = crop_from_image


def described(hand) -> dict[str, Any]:
    """A hand in JSON."""
    return {
        "handedness": hand.handedness,
        "p_right": None if hand.p_right is None else round(float(hand.p_right), DIGITS),
        "score": round(hand.score, DIGITS),
        "uv_px": rounded(hand.uv_px),
        "z_relative": rounded(hand.z_relative),
        "confidence": rounded(hand.confidence),
        "xyz_relative": rounded(hand.xyz_relative),
    }


def rounded(array) -> list:
    """Nested lists of few digits."""
    return np.round(np.asarray(array, np.float64), DIGITS).tolist()


if __name__ == "__main__":
    main()
