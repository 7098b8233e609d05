"""Rendered pictures of hands on which an exported detector is compared with its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerashand.exporting.served import detector_outputs
from kerashand.progress import progress
from kerashand.synthetic.pictures import render_picture


@dataclass(frozen=True)
class Pictures:
    """N whole pictures.

    Attributes:
        images: [N, S, S, 3] uint8 RGB.
        conditions: where they come from, in words.
    """

    images: NDArray[np.uint8]
    conditions: str

    def __len__(self) -> int:
        return len(self.images)


def rendered_pictures(
    split: str, count: int, *, size_px: int, seed: int = 0, backgrounds: str | None = None
) -> Pictures:
    """The first pictures of a split of rendered ones.

    Args:
        split: train, val or test.
        count: how many.
        size_px: side S of the detector's input.
        seed: of the generator.
        backgrounds: folder of photographs behind the hands; None for those in the package.
    """
    images = []
    with progress("rendering pictures", count, "pictures") as advance:
        for index in range(count):
            picture = render_picture(split, seed, index, size_px=size_px, backgrounds=backgrounds)
            images.append(picture.image)
            advance(1)
    return Pictures(np.array(images), f"{count} rendered pictures, {split} split, seed {seed}")


def difference(
    model: keras.Model, run: Callable[[NDArray[np.uint8]], Mapping[str, NDArray]],
    pictures: Pictures, *, threshold: float,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """How far a file is from its model: output -> largest and mean distance.

    Scores are compared in every cell, the other outputs where the model sees a hand.

    Args:
        model: gives the reference, in float32.
        run: the file, [1, S, S, 3] to its outputs.
        pictures: on which.
        threshold: score from which on the model sees a hand.
    """
    apart: dict[str, list[NDArray]] = {}
    for image in pictures.images:
        wanted = detector_outputs(model, image[None])
        given = run(image[None])
        sure = np.asarray(wanted["score"]) >= threshold
        for name, value in wanted.items():
            off = np.abs(given[name].reshape(value.shape) - np.asarray(value))
            apart.setdefault(name, []).append(off.ravel() if name == "score" else off[sure].ravel())
    return {name: largest_and_mean(np.concatenate(parts)) for name, parts in apart.items()}


def largest_and_mean(apart: NDArray) -> dict[str, float]:
    """Of distances, in three digits; 0 where there are none."""
    most, mean = (apart.max(), apart.mean()) if apart.size else (0.0, 0.0)
    return {"max": float(f"{most:.3g}"), "mean": float(f"{mean:.3g}")}


def difference_text(report: Mapping[str, Any]) -> list[str]:
    """The lines of a report that say how far a detector's file is off."""
    ((_, parts),) = report["difference"].items()
    told = ", ".join(f"{name} {part['max']:.2g}" for name, part in parts.items())
    return [f"  {report['pictures']}", f"  from the model, at most: {told} (boxes in px)"]
