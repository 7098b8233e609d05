"""The 2D networks by name: how each is built, its options, and what an export must know of it.

A new backbone is a file in `kerashand.models` and one entry here. Nothing of TensorFlow is
imported before a network is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Option:
    """A keyword of a network's builder that a configuration may set.

    Attributes:
        kind: type of its values.
        default: where the configuration does not set it.
        limits: what is allowed, as of `kerashand.config.sections.Limits`.
    """

    kind: Any
    default: Any
    limits: Mapping[str, Any]


@dataclass(frozen=True)
class NetworkSpec:
    """One 2D network: image [B, S, S, 3] -> dict of ``heatmaps_0`` .. and ``features``.

    Attributes:
        builder: "module:function" that builds it from `image_size_px` and its options.
        first_layer: the layer that sees the picture; its kernel stays in 32 bits.
        score_layers: beginnings of the names of the layers that make the score maps. They are not
            computed in 8 bits: the expectation over a map lives of small differences.
        fine_layers: likewise, of the layers of fine maps. Where a file in `dynamic_int8` rounds
            their activations, joints move the most.
        what: what it is, in a few words.
        options: by keyword; they are the section `model.NAME` of a configuration.
        stride: the option whose multiple the side of a picture must be; None where there is none.
    """

    builder: str
    first_layer: str
    score_layers: tuple[str, ...]
    what: str
    fine_layers: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    stride: str | None = None

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
        for start in (*self.score_layers, *self.fine_layers):
            if not any(layer.startswith(start) for layer in layers):
                raise ValueError(f"{self.builder} builds no layer {start!r}, named for its bits.")


NETWORKS = {
    "lite": NetworkSpec(
        builder="kerashand.models.lite:build_lite",
        first_layer="down2_conv",
        score_layers=("heatmaps_",),
        what="light 2D network",
        fine_layers=("down2_", "down4_", "down8_", "lateral", "encode_", "stage"),
        options={
            "width": Option(float, 1.0, {"above": 0, "high": 8}),
            "block": Option(str, "dense", {"choices": ("dense", "separable")}),
            "stages": Option(int, 3, {"low": 1, "high": 8}),
            "heatmap_stride": Option(int, 8, {"multiple_of": 4, "low": 4, "high": 8}),
            "residuals": Option(tuple[int, ...] | None, None, {"low": 0, "high": 16, "count": 5}),
        },
        stride="heatmap_stride",
    ),
    "cpm": NetworkSpec(
        builder="kerashand.models.cpm:build_cpm",
        first_layer="conv1_1",
        score_layers=("conv5_2", "conv6_7", "conv7_7"),
        what="convolutional pose machine of the paper",
    ),
}
