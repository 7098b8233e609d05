"""Weights between those from before a stage and those that it trained.

A model that is fitted to a few poses forgets others. The average of its weights with those from
before keeps most of both (WiSE-FT: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR
2022). The training itself goes on from the weights that it trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from kerashand.models.hand_pose import arrays_of, assign_arrays, load_parts_npz


class StartAverage:
    """Puts the averages in place of the weights of models.

    Attributes:
        models: by the name of the part.
        start: file of their weights from before the stage.
        share: what those count, 0 to 1; with 0 nothing is averaged.
    """

    def __init__(self, models: Mapping[str, keras.Model], start: Path, share: float):
        self.models, self.start, self.share = models, start, share

    def apply(self) -> dict[str, np.ndarray]:
        """Give the models the averages.

        Returns:
            The weights that they had; nothing where nothing is averaged.
        """
        if self.share == 0:
            return {}
        trained = arrays_of(self.models)
        load_parts_npz(self.start, self.models)
        before = arrays_of(self.models)
        mixed = {
            key: np.float32(self.share) * before[key] + np.float32(1 - self.share) * array
            for key, array in trained.items()
        }
        assign_arrays(self.models, mixed, self.start)
        return trained

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The averages within the block; the trained weights are back after it."""
        trained = self.apply()
        try:
            yield
        finally:
            if trained:
                assign_arrays(self.models, trained, self.start)
