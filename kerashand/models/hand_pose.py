"""The parts joined: 2D network, depth regressor, depth regularizer, and the inference model."""

import dataclasses
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kerashand.files import written_beside
from kerashand.geometry.depth import joints_unit
from kerashand.geometry.heatmaps import decode_expectation, normalise_maps
from kerashand.geometry.pose import DEPTH_ALONG, OPTICAL_AXIS
from kerashand.models.blocks import check_choice, check_multiple
from kerashand.models.depth_regressor import build_depth_regressor, is_head
from kerashand.models.depth_regularizer import build_depth_regularizer
from kerashand.networks import NETWORKS
from kerashand.untrusted import read_arrays

logger = logging.getLogger(__name__)

DECODES = ("softmax", "relu")
"""Normalisers of the MMSE expectation: soft-max of logits, or ReLU and division by the sum."""


PART_NAMES = {**dict.fromkeys(NETWORKS, "network"), "depth_regressor": "regressor"}
"""Name of a model inside the inference model -> the part it is."""

PEAK_SCALE = 2.0 * math.pi
"""Brings the peak of a Gaussian of sigma = 1 cell and sum 1, which is 1 / (2 pi), to 1."""


@dataclasses.dataclass(frozen=True)
class HandPoseParts:
    """The three models of Cai et al. 2018 with what is needed to join them.

    Attributes:
        network: image -> dict of ``heatmaps_0`` .. and ``features``.
        regressor: dict of ``heatmaps`` and ``features`` -> ``z_relative``.
        regularizer: joints -> normalised depth image; used in training only.
        decode: "softmax" or "relu".
        heatmap_stride: pixels per heat-map cell.
        image_size_px: side of the square input image.
        depth_along: what ``z_relative`` is measured along, of
            `kerashand.geometry.pose.DEPTH_ALONG`.
    """

    network: keras.Model
    regressor: keras.Model
    regularizer: keras.Model
    decode: str
    heatmap_stride: int
    image_size_px: int
    depth_along: str = OPTICAL_AXIS

    @property
    def models(self) -> dict[str, keras.Model]:
        """The models by part name: network, regressor, regularizer."""
        return {
            "network": self.network,
            "regressor": self.regressor,
            "regularizer": self.regularizer,
        }

    def build_inference_model(self, name: str = "hand_pose") -> keras.Model:
        """The model for inference; it shares the weights of the parts."""
        return build_inference_model(
            self.network,
            self.regressor,
            decode=self.decode,
            stride=self.heatmap_stride,
            name=name,
        )


def build_parts(
    *,
    network: str = "lite",
    regressor: Mapping | None = None,
    regularizer: Mapping | None = None,
    image_size_px: int = 128,
    decode: str = "softmax",
    depth_along: str = OPTICAL_AXIS,
    **options: Mapping,
) -> HandPoseParts:
    """Build the three models from plain arguments.

    Args:
        network: a key of `kerashand.networks.NETWORKS`.
        regressor: arguments of `build_depth_regressor` but for the map's size and channels.
        regularizer: arguments of `build_depth_regularizer`.
        image_size_px: side of the square input image, a multiple of 8.
        decode: "softmax" or "relu".
        depth_along: "optical_axis" or "line_of_sight"; the networks are the same.
        **options: of 2D networks, by their names, such as ``lite={"width": 0.5}``; those of others
            than `network` are not used.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If options are of no network.
    """
    if unknown := sorted(set(options) - {name for name, one in NETWORKS.items() if one.options}):
        raise TypeError(f"build_parts takes no {', '.join(unknown)}")
    check_choice("network", network, tuple(NETWORKS))
    check_choice("decode", decode, DECODES)
    check_choice("depth_along", depth_along, DEPTH_ALONG)
    net = NETWORKS[network].build(image_size_px=image_size_px, **(options.get(network) or {}))
    NETWORKS[network].check(net, network)
    stride = image_size_px // net.output["features"].shape[1]
    _, map_size, _, feature_channels = net.output["features"].shape
    return HandPoseParts(
        network=net,
        regressor=build_depth_regressor(
            map_size=map_size, feature_channels=feature_channels, **(regressor or {})
        ),
        regularizer=build_depth_regularizer(**(regularizer or {})),
        decode=decode,
        heatmap_stride=stride,
        image_size_px=image_size_px,
        depth_along=depth_along,
    )


def stage_maps(outputs: Mapping) -> list:
    """The score maps of a network's outputs in the order of refinement, each [B, h, w, K]."""
    count = sum(name.startswith("heatmaps_") for name in outputs)
    return [outputs[f"heatmaps_{stage}"] for stage in range(count)]


def regressor_inputs(maps, features, decode: str) -> dict:
    """What the regressor sees of the 2D network; the same in training and inference.

    For "softmax" the maps are logits without a fixed level, so that the probabilities are given,
    times 2 pi: a map equal to the Gaussian target (sigma = 1 cell) then has a peak of 1. For "relu"
    the maps are trained (Eq. 1) towards Gaussians of peak 1 and are given as they are.

    Args:
        maps: [B, h, w, K] last score map of the network.
        features: [B, h, w, C].
        decode: "softmax" or "relu".
    """
    heatmaps = normalise_maps(maps, decode) * PEAK_SCALE if decode == "softmax" else maps
    return {"heatmaps": heatmaps, "features": features}


def build_inference_model(
    network: keras.Model,
    regressor: keras.Model,
    *,
    decode: str,
    stride: int,
    name: str = "hand_pose",
) -> keras.Model:
    """Join network and regressor into one model; the weights are shared, not copied.

    Args:
        network: image [B, S, S, 3] -> dict of ``heatmaps_0`` .. and ``features``.
        regressor: dict of ``heatmaps`` and ``features`` -> [B, K].
        decode: "softmax" or "relu".
        stride: pixels per heat-map cell.
        name: name of the model.

    Returns:
        A functional model, image [B, S, S, 3] float32 0..255 -> dict of float32 tensors

        - ``uv_px`` [B, K, 2]: expectation of the last map, pixels of the input image;
        - ``z_relative`` [B, K]: depth behind the root in lengths of the scale bone;
        - ``confidence`` [B, K] in 0..1: with heads the probability that the joint is precise (see
          `kerashand.models.depth_regressor.HEADS`); without, the peak of the map that the regressor
          sees, clipped: 1 means as sharp as the training target, a uniform map gives about 0;
        - ``p_right``, ``p_hand`` [B], with heads: probabilities that the picture shows a right
          hand, and that it shows a hand;
        - ``heatmaps`` [B, h, w, K]: the last score map as the network gives it.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_choice("decode", decode, DECODES)
    check_multiple("stride", stride, 1)

    # Inputs.
    image = keras.Input(network.input.shape[1:], name="image")

    # Network.
    outputs = network(image)
    maps = stage_maps(outputs)[-1]
    uv_px = decode_expectation(normalise_maps(maps, decode), stride=stride)
    seen = regressor_inputs(maps, outputs["features"], decode)
    answers = regressor(seen)

    # Outputs.
    told = {"uv_px": uv_px, "z_relative": answers["z_relative"], "heatmaps": maps}
    if "precise_logit" in answers:
        told["confidence"] = keras.ops.sigmoid(answers["precise_logit"])
        told["p_right"] = keras.ops.sigmoid(answers["right_logit"])
        told["p_hand"] = keras.ops.sigmoid(answers["hand_logit"])
    else:
        told["confidence"] = keras.ops.clip(keras.ops.max(seen["heatmaps"], axis=(1, 2)), 0.0, 1.0)
    return keras.Model(image, told, name=name)


def generate_depth_map(
    regularizer: keras.Model,
    uv_px,
    z_relative,
    *,
    image_size_px: int,
    half_width_scales: float,
    training: bool = False,
):
    """Depth maps [B, D, D, 1] that the regularizer draws of joints.

    Args:
        regularizer: the depth regularizer.
        uv_px: [B, 21, 2].
        z_relative: [B, 21].
        image_size_px: side S of the picture.
        half_width_scales: half width of the depth window in scale bones.
        training: whether batch normalisation and drop-out train.
    """
    joints = joints_unit(
        uv_px, z_relative, image_size_px=image_size_px, half_width_scales=half_width_scales
    )
    return regularizer(joints, training=training)


def save_parts_npz(
    path: str | os.PathLike, parts: Mapping[str, keras.Model], *, half: bool = False
) -> None:
    """Write the weights of models as one .npz with keys "part/layer/variable".

    The file is written beside ``path`` and renamed, so that a reader never sees half a file.

    Args:
        path: file to write; its folder is created.
        parts: models by part name, such as `HandPoseParts.models`.
        half: True stores kernels as float16. Vectors (biases, batch-norm statistics) stay float32:
            they take little room, and a variance can leave the range of float16.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        key: array.astype(np.float16) if half and array.ndim > 1 else array
        for key, array in arrays_of(parts).items()
    }
    with written_beside(path) as beside, beside.open("wb") as file:
        # As they are: compression takes a second, and makes weights 7 % smaller.
        np.savez(file, **arrays)  # type: ignore[arg-type]
    logger.debug("wrote %d arrays of %s to %s", len(arrays), ", ".join(parts), path)


def load_parts_npz(
    path: str | os.PathLike,
    parts: Mapping[str, keras.Model],
    *,
    only: Sequence[str] | None = None,
    new_heads: bool = False,
) -> None:
    """Load weights written by `save_parts_npz`; nothing is assigned unless everything fits.

    Args:
        path: the .npz file. It is read without pickle.
        parts: models by part name.
        only: part names to load; the others are left alone in the file and in ``parts``. None
            takes all of both, which must be the same parts.
        new_heads: whether the file may lack the layers of the regressor's heads, which then stay
            as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or names or shapes differ from those of the models.
    """
    if only is not None:
        unknown = sorted(set(only) - set(parts))
        if unknown:
            raise ValueError(f"`only` must name parts of {sorted(parts)}. Received: only={only!r}")
        parts = {name: parts[name] for name in only}
    arrays = _read_npz(Path(path))
    if only is not None:
        arrays = {key: array for key, array in arrays.items() if key.split("/")[0] in only}
    assign_arrays(parts, arrays, path, new_heads=new_heads)


def assign_arrays(
    parts: Mapping[str, keras.Model], arrays: Mapping[str, np.ndarray], path, *,
    new_heads: bool = False,
) -> None:  # fmt: skip
    """Give parts the arrays that `save_parts_npz` writes; arguments as for `load_parts_npz`."""
    variables = _variables(parts)
    if new_heads:
        variables = {
            key: variable
            for key, variable in variables.items()
            if key in arrays or not is_head(key.split("/")[1])
        }
    _assign(variables, arrays, path)


def parts_in_npz(path: str | os.PathLike) -> list[str]:
    """Names of the parts that a file of `save_parts_npz` holds.

    Raises:
        ValueError: If the file is damaged.
    """
    return sorted({key.split("/")[0] for key in _read_npz(Path(path))})


def arrays_of(parts: Mapping[str, keras.Model]) -> dict[str, np.ndarray]:
    """The weights of parts in float32, by the keys of `save_parts_npz`."""
    return {
        key: np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
        for key, variable in _variables(parts).items()
    }


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"Not a readable weights file: {path} ({error})") from error
    for key, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"Weights in {path} do not fit: {key} holds {array.dtype}")
    return arrays


def _assign(variables: Mapping[str, keras.Variable], arrays: Mapping, path) -> None:
    problems = [f"missing {key}" for key in variables if key not in arrays]
    problems += [f"unexpected {key}" for key in arrays if key not in variables]
    for key, variable in variables.items():
        if key in arrays and arrays[key].shape != tuple(variable.shape):
            problems.append(f"{key} is {arrays[key].shape}, not {tuple(variable.shape)}")
        elif key in arrays and not np.all(np.isfinite(arrays[key])):
            problems.append(f"{key} is not finite")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"Weights in {path} do not fit: {'; '.join(problems[:5])}{more}")
    for key, variable in variables.items():
        variable.assign(arrays[key].astype(np.float32))


def _variables(parts: Mapping[str, keras.Model]) -> dict[str, keras.Variable]:
    return {
        f"{part}/{layer.name}/{variable.name}": variable
        for part, model in parts.items()
        for layer in model.layers
        for variable in layer.weights
    }
