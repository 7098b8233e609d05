"""The 2D networks by name: how each is built, and what an export must know of its layers.

A new backbone is a file in `kerashand.models` and one entry here. Nothing of TensorFlow is
imported before a network is built.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NetworkSpec:
    """One 2D network: image [B, S, S, 3] -> dict of ``heatmaps_0`` .. and ``features``.

    Attributes:
        builder: "module:function" that builds it from `image_size_px` and its options.
        first_layer: the layer that sees the picture; its kernel stays in 32 bits.
        score_layers: beginnings of the names of the layers that make the score maps. They are not
            computed in 8 bits: the expectation over a map lives of small differences.
    """

    builder: str
    first_layer: str
    score_layers: tuple[str, ...]

    def build(self, **arguments: Any) -> Any:
        """The Keras model."""
        module, function = self.builder.split(":")
        return getattr(importlib.import_module(module), function)(**arguments)


NETWORKS = {
    "lite": NetworkSpec(
        builder="kerashand.models.lite:build_lite",
        first_layer="down2_conv",
        score_layers=("heatmaps_", "score"),
    ),
    "cpm": NetworkSpec(
        builder="kerashand.models.cpm:build_cpm",
        first_layer="conv1_1",
        score_layers=("heatmaps_", "score"),
    ),
}
