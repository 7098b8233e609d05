"""What a model gives on squares around hands, beside what is known of them. NumPy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.geometry.depth import window_width_mm
from kerashand.geometry.pose import OPTICAL_AXIS, xyz_from_uv_z
from kerashand.metrics import SHOWN_PX, depth_map_errors

Arrays = dict[str, NDArray]
JUDGED_SCALES, JUDGED_MAP_PX = 5.0, 64
"""Half width of the window and side of the depth maps by which joints count as hidden: the same for
all models, so that these are of the same groups. The window holds a whole hand, by either bone."""
LEAST_HAND = 0.5
"""Of models that do not say from which score on there is a hand."""
OWN_MAP, OWN_WEIGHT = "own_depth_map", "own_depth_weight"
"""Fields of a batch whose `depth_map` is in the window of `JUDGED_SCALES`: the measured depth in
the window and size of what a model draws."""


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that can be evaluated.

    Attributes:
        name: stands in tables.
        run: pictures [B, S, S, 3] of 0..255 -> `uv_px` [B, K, 2], `z_relative` and `confidence`
            [B, K]; of a model with heads also `right` and `hand` [B], the probabilities that a
            picture shows a right hand, and a hand.
        image_size_px: side S of its input.
        scale_bone: the unit of relative depth.
        half_width_scales: of the window of the depth maps that it draws.
        depth_map_px: side D of these.
        generate_depth: `uv_px`, `z_relative` -> depth maps [B, D, D, 1]; None where no
            regularizer is. It gets the labelled points with the predicted depth, as in training.
        depth_along: what relative depth is measured along.
    """

    name: str
    run: Callable[[NDArray], Mapping[str, NDArray]]
    image_size_px: int
    scale_bone: str
    half_width_scales: float = JUDGED_SCALES
    depth_map_px: int = JUDGED_MAP_PX
    generate_depth: Callable[[NDArray, NDArray], NDArray] | None = None
    depth_along: str = OPTICAL_AXIS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model gave on N squares, and the truth; None where it is not known of any.

    Attributes:
        shown_px: width at which squares are drawn; the unit of 2D errors is a pixel of that.
        least_hand: `p_hand` from which on the model says that there is a hand.
        uv_px, uv_true_px: [N, K, 2] in pixels of any picture.
        uv_weight: [N, K], 0 where a point is not labelled.
        side_px: [N] sides of the squares, in the same pixels.
        xyz_mm, xyz_true_mm: [N, K, 3] in the camera's frame; predicted with the true depth of the
            wrist and the true scale.
        z_weight: [N], 0 where there are no true joints in 3D.
        xyz_solved_mm: [N, K, 3] with the depth of the wrist that the model solves for.
        confidence: [N, K] that a joint is precise, see `kerashand.geometry.camera.PRECISE_SHARE`.
        is_hand: [N], 0 for squares without a hand, of which all else is filler. None: all are.
        is_right: [N] whether the picture shows a right hand. None: all do.
        p_right: [N] probability of a right hand.
        p_right_mirrored: [N] of the picture's mirror image.
        p_hand: [N] probability of a hand.
        depth_l1: [N] mean difference of generated and measured depth maps, NaN where none is.
        window_mm: [N] width of the depth window of `measured_depth`.
        more: other arrays over N.
    """

    shown_px: float = SHOWN_PX
    least_hand: float = LEAST_HAND
    uv_px: NDArray | None = None
    uv_true_px: NDArray | None = None
    uv_weight: NDArray | None = None
    side_px: NDArray | None = None
    xyz_mm: NDArray | None = None
    xyz_true_mm: NDArray | None = None
    z_weight: NDArray | None = None
    xyz_solved_mm: NDArray | None = None
    confidence: NDArray | None = None
    is_hand: NDArray | None = None
    is_right: NDArray | None = None
    p_right: NDArray | None = None
    p_right_mirrored: NDArray | None = None
    p_hand: NDArray | None = None
    depth_l1: NDArray | None = None
    window_mm: NDArray | None = None
    more: Mapping[str, NDArray] = dataclasses.field(default_factory=dict)

    def _arrays(self) -> Arrays:
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}

    @property
    def points_px(self) -> tuple[NDArray, NDArray, NDArray]:
        """`uv_px`, `uv_true_px` and `side_px`, where joints were compared in 2D."""
        assert self.uv_px is not None
        assert self.uv_true_px is not None
        assert self.side_px is not None
        return self.uv_px, self.uv_true_px, self.side_px

    @property
    def joints_mm(self) -> tuple[NDArray, NDArray]:
        """`xyz_mm` and `xyz_true_mm`, where joints were compared in 3D."""
        assert self.xyz_mm is not None
        assert self.xyz_true_mm is not None
        return self.xyz_mm, self.xyz_true_mm

    def __len__(self) -> int:
        return len(next(iter(self._arrays().values())))

    def only(self, chosen: NDArray) -> Predictions:
        """Those that a mask [N] or numbers of squares choose."""
        arrays = {name: array[chosen] for name, array in self._arrays().items()}
        more = {name: array[chosen] for name, array in self.more.items()}
        return dataclasses.replace(self, **arrays, more=more)

    @property
    def hands(self) -> Predictions:
        """Without squares that hold no hand."""
        return self if self.is_hand is None else self.only(self.is_hand > 0)

    @property
    def in_3d(self) -> bool:
        """Whether all hands have true joints in 3D."""
        if self.xyz_mm is None:
            return False
        weight = self.hands.z_weight
        return weight is None or bool(np.all(weight > 0))


def as_numpy(batch: Mapping[str, Any]) -> Arrays:
    """A batch as arrays."""
    return {name: np.asarray(value) for name, value in batch.items()}


def is_hand_of(batch: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """[B] which squares of a batch hold a hand."""
    return batch["is_hand"] > 0 if "is_hand" in batch else np.ones(len(batch["uv_px"]), bool)


def predict(
    predictor: Predictor,
    batches: Iterable[Mapping[str, Any]],
    *,
    shown_px: float = SHOWN_PX,
    more: Callable[[Arrays], Arrays] = lambda batch: {},
) -> Predictions:
    """Run a model over batches of `kerashand.data.pipeline.evaluation_batches`.

    Args:
        predictor: the model.
        batches: labelled in 2D at least.
        shown_px: the unit of 2D errors.
        more: other arrays of each batch, for `Predictions.more`.
    """
    rows = []
    for tensors in batches:
        batch = as_numpy(tensors)
        rows.append((_of_batch(predictor, batch), more(batch)))
    arrays, others = (
        {name: np.concatenate([row[place][name] for row in rows]) for name in rows[0][place]}
        for place in (0, 1)
    )
    return Predictions(shown_px=shown_px, least_hand=LEAST_HAND, more=others, **arrays)


def outputs_of(predictor: Predictor, batch: Mapping[str, NDArray]) -> tuple[Arrays, NDArray]:
    """What a model gives, and its joints in 3D with the true root depth and scale."""
    output = {n: np.asarray(v, np.float64) for n, v in predictor.run(batch["image"]).items()}
    return output, in_camera(
        predictor, batch, uv_px=output["uv_px"], z_relative=output["z_relative"]
    )


def in_camera(
    predictor: Predictor, batch: Mapping[str, NDArray], *, uv_px: NDArray, z_relative: NDArray
) -> NDArray[np.float64]:
    """Pixels and relative depth as joints [B, 21, 3] in mm, with the true root depth and scale."""
    return xyz_from_uv_z(
        uv_px.astype(np.float64), z_relative.astype(np.float64),
        batch["intrinsics"].astype(np.float64),
        root_depth_mm=batch["root_depth_mm"].astype(np.float64),
        scale_mm=batch["scale_mm"].astype(np.float64), depth_along=predictor.depth_along,
    )  # fmt: skip


def _of_batch(predictor: Predictor, batch: Arrays) -> Arrays:
    output, xyz = outputs_of(predictor, batch)
    count = len(xyz)
    row = {
        "uv_px": output["uv_px"],
        "uv_true_px": batch["uv_px"].astype(np.float64),
        "uv_weight": batch["uv_weight"],
        "side_px": np.full(count, float(predictor.image_size_px)),
        "xyz_mm": xyz,
        "xyz_true_mm": batch["xyz_mm"].astype(np.float64),
        "z_weight": batch["z_weight"],
        "confidence": output["confidence"],
        "is_hand": is_hand_of(batch),
        "is_right": batch["is_right"] > 0 if "is_right" in batch else np.ones(count, bool),
        "depth_l1": _depth_l1(predictor, batch, output["z_relative"]),
        "window_mm": measured_depth(predictor, batch)[2],
    }
    if "p_right" in output:
        mirrored = np.ascontiguousarray(batch["image"][:, :, ::-1])
        row["p_right"] = output["p_right"]
        row["p_right_mirrored"] = np.asarray(predictor.run(mirrored)["p_right"], np.float64)
        row["p_hand"] = output["p_hand"]
    return row


def _depth_l1(predictor: Predictor, batch: Arrays, z_relative: NDArray) -> NDArray[np.float64]:
    """[B] mean difference of generated and measured maps in windows, NaN where there is none."""
    measured, weight, _ = measured_depth(predictor, batch)
    if predictor.generate_depth is None or not weight.any():
        return np.full(len(weight), np.nan)
    drawn = predictor.generate_depth(batch["uv_px"], z_relative)
    return depth_map_errors(drawn, measured, weight)


def measured_depth(
    predictor: Predictor, batch: Mapping[str, NDArray]
) -> tuple[NDArray, NDArray, NDArray]:
    """Measured depth as a model draws it, or as all are judged where it draws none.

    Args:
        predictor: the model.
        batch: with `OWN_MAP` and `OWN_WEIGHT`, or with `depth_map` in the window of the model.

    Returns:
        Depth maps and weights [B, D, D, 1], and the width [B] of the window in mm.
    """
    draws = predictor.generate_depth is not None
    own = draws and OWN_MAP in batch
    names = (OWN_MAP, OWN_WEIGHT) if own else ("depth_map", "depth_weight")
    half_width = predictor.half_width_scales if draws else JUDGED_SCALES
    window_mm = window_width_mm(batch["scale_mm"], half_width_scales=half_width)
    return batch[names[0]], batch[names[1]], window_mm
