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

    def check(self, model: Any, name: str) -> None:
        """Check that a model is what this entry says.

        Exports find its weights by its name, and the layers that need more bits by theirs.

        Args:
            model: that `build` gave.
            name: the key of this entry.

        Raises:
            ValueError: if it is not.
        """
        if model.name != name:
            raise ValueError(f"{self.builder} must name its model {name!r}, not {model.name!r}.")
        layers = [layer.name for layer in model.layers]
        if self.first_layer not in layers:
            raise ValueError(f"{self.builder} builds no layer {self.first_layer!r}, its first one.")
        for start in self.score_layers:
            if not any(layer.startswith(start) for layer in layers):
                raise ValueError(f"{self.builder} builds no layer {start!r}, of score maps.")


NETWORKS = {
    "lite": NetworkSpec(
        builder="kerashand.models.lite:build_lite",
        first_layer="down2_conv",
        score_layers=("heatmaps_",),
    ),
    "cpm": NetworkSpec(
        builder="kerashand.models.cpm:build_cpm",
        first_layer="conv1_1",
        score_layers=("conv5_2", "conv6_7", "conv7_7"),
    ),
}
