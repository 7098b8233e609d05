"""Starting weights for `cpm` from hand3d's pickles (Zimmermann and Brox, ICCV 2017).

Files such as `posenet3d-rhd-stb-slr-finetuned.pickle` hold arrays by names as
`PoseNet2D/conv1_1/weights` (kernel H, W, in, out) and `PoseNet2D/conv1_1/biases`. They are read on
the user's machine and never shipped: their code is GPL-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError
from kerashand.networks import NETWORKS
from kerashand.pickles import is_numeric, load_pickle
from kerashand.skeleton import FROM_RHD

FORMAT_SUFFIXES = (".pickle", ".pkl")
SCORE_LAYERS = NETWORKS["cpm"].score_layers
AFTER_SCORES = ("conv6_1", "conv7_1")
"""Layers that read 21 score maps before the encoding."""
SHARED_WITH_SEGMENTATION = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4"),
    *("conv4_1", "conv4_2"),
)
"""Layers of HandSegNet that have the kernels of PoseNet2D."""


def load_hand3d(path: str | Path, network: Any) -> list[str]:
    """Give the layers of a `cpm` the weights of a pickle.

    Args:
        path: the file; its PoseNet2D, or else the first layers of its HandSegNet.
        network: what `kerashand.models.cpm.build_cpm` built, for 21 joints.

    Returns:
        Names of the layers that were set. Their joint 0 is the middle of the palm, ours the wrist:
        that map has to learn anew.

    Raises:
        UserError: if the file is damaged, of another kind, or the network is no `cpm`. The network
            is then unchanged.
    """
    held = load_pickle(path)
    if not isinstance(held, Mapping) or not all(isinstance(key, str) for key in held):
        raise UserError(f"{path} holds {type(held).__name__}, not arrays by name; not hand3d's.")
    scope, names = _layers_in(held)
    if not names:
        raise UserError(
            f"{path} holds neither PoseNet2D nor HandSegNet. "
            f"It holds: {', '.join(key[:60] for key in sorted(held)[:4])}"
        )
    chosen = {}
    for name in names:
        layer = next((layer for layer in network.layers if layer.name == name), None)
        if layer is None:
            raise UserError(
                f"{path} fits the network `cpm` alone, and this one has no layer {name}: set "
                "model.network=cpm."
            )
        arrays = [held.get(f"{scope}/{name}/{kind}") for kind in ("weights", "biases")]
        if not all(map(is_numeric, arrays)):
            raise UserError(f"{path}: {scope}/{name} has no `weights` and `biases` of numbers.")
        kernel, bias = (np.asarray(array, np.float32) for array in arrays)
        kernel, bias = _in_our_order(name, kernel, bias)
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if [kernel.shape, bias.shape] != wanted:
            raise UserError(
                f"{path}: {scope}/{name} has shapes {kernel.shape} and {bias.shape}, the network "
                f"needs {wanted[0]} and {wanted[1]}."
            )
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise UserError(f"{path}: {scope}/{name} holds numbers that are not finite.")
        chosen[name] = (layer, kernel, bias)
    for layer, kernel, bias in chosen.values():
        layer.set_weights([kernel, bias])
    return list(chosen)


def _layers_in(held: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The scope that is used, and its layers in order."""
    for scope, wanted in (("PoseNet2D", None), ("HandSegNet", SHARED_WITH_SEGMENTATION)):
        found = {key.split("/")[1] for key in held if key.startswith(f"{scope}/conv")}
        names = sorted(name for name in found if wanted is None or name in wanted)
        if names:
            return scope, names
    return "", []


def _in_our_order(name: str, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The arrays with score maps in the order of our joints."""
    order = np.array(FROM_RHD)  # their score maps; their 0 is the middle of the palm
    joints = len(order)
    if name in SCORE_LAYERS and kernel.shape[-1:] == (joints,) == bias.shape:
        return kernel[..., order], bias[order]
    if name in AFTER_SCORES and kernel.ndim == 4 and kernel.shape[2] > joints:
        inputs = np.concatenate([order, np.arange(joints, kernel.shape[2])])
        return kernel[:, :, inputs], bias
    return kernel, bias
