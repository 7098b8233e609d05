"""The terms of the loss (Eq. 7 and ours): all that the package knows of each stands here, once.

The configuration and its rules, the trainer, the log, the curves of a training and docs/config.md
read `TERMS`. A new term is a pure function in `kerashand.losses` and an entry here.

The configuration reads this file before TensorFlow is imported. So whatever computes is imported
where it computes, inside the functions below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

PARTS = ("network", "regressor", "regularizer")
"""The models that a stage can train."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """One term of the loss.

    A mean over labels has one denominator, the sum of `weight` over the whole batch. The trainer
    takes it from the labels alone, so that the means of micro-batches and replicas add up.

    Attributes:
        name: key of its factor in the configuration, and its column in the log.
        meaning: what it asks for, in a sentence of docs/config.md.
        title: of its curve.
        unit: of its value.
        label: what one of a stage's lists of labels has to name.
        unless: a label that excludes a sample; None where there is none.
        trains: the parts that it teaches, of `PARTS`.
        needs_heads: whether it is about an answer that the regressor gives with `heads` alone.
        weight: batch -> how much each label counts, a tensor of any shape.
        value: (what the networks answer, `weight` of that batch) -> the mean over these labels; see
            `kerashand.training.trainer.Seen` for the answers.
        least_count: what `value` divides by at least.
    """

    name: str
    meaning: str
    title: str
    unit: str
    label: str
    trains: tuple[str, ...]
    weight: Callable[[Mapping[str, Any]], Any]
    value: Callable[[Any, Any], Any]
    unless: str | None = None
    needs_heads: bool = False
    least_count: float = 0.0


# ------------------------------------------------------------------------ weights and values


def _weight_of_bones(batch: Mapping[str, Any]) -> Any:
    """[B, 20]: both ends labelled, and no joint depth, which tells more than bones do."""
    import numpy as np
    from keras import ops

    from kerashand.skeleton import BONES

    start, end = np.array(BONES).T
    weight = batch["uv_weight"]
    both = ops.take(weight, start, axis=1) * ops.take(weight, end, axis=1)
    return both * ops.cast(batch["z_weight"] == 0, both.dtype)[:, None]


def _weight_of_pictures(batch: Mapping[str, Any]) -> Any:
    """[B]: whether a hand is there is known of every picture."""
    from keras import ops

    return ops.ones_like(batch["is_hand"])


def _weight_of_surface(batch: Mapping[str, Any]) -> Any:
    """[B, 21]: the point is labelled and the hand was measured there; no joint depth is known."""
    from keras import ops

    from kerashand.geometry.surface import surface_at

    _, measured = surface_at(
        batch["depth_map"], batch["depth_weight"], batch["uv_px"],
        image_size_px=batch["image"].shape[1],
    )  # fmt: skip
    unknown = ops.cast(batch["z_weight"] == 0, "float32")[:, None]
    return measured * batch["uv_weight"] * unknown


def _heatmap(seen: Any, weight: Any) -> Any:
    """Sum over the supervised stages of the 2D network."""
    from kerashand import losses
    from kerashand.geometry.heatmaps import encode_gaussian

    forms = {"l2": losses.heatmap_l2, "cross_entropy": losses.heatmap_cross_entropy}
    target = encode_gaussian(
        seen.batch["uv_px"],
        size=seen.maps[0].shape[1],
        stride=seen.parts.heatmap_stride,
        sigma_cells=seen.settings.sigma_cells,
    )
    return sum(forms[seen.settings.heatmap_loss](target, stage, weight) for stage in seen.maps)


def _coordinate(seen: Any, weight: Any) -> Any:
    from kerashand.losses import coordinate_smooth_l1

    return coordinate_smooth_l1(
        seen.batch["uv_px"], seen.uv_px, weight, beta_px=seen.settings.coordinate_beta_px
    )


def _joint_depth(seen: Any, weight: Any) -> Any:
    from kerashand.losses import joint_depth_smooth_l1

    return joint_depth_smooth_l1(seen.batch["z_relative"], seen.answers["z_relative"], weight)


def _bone_length(seen: Any, weight: Any) -> Any:
    """How far bones between labelled points are from lengths of bones, by predicted depth."""
    from kerashand.geometry.bones import bone_lengths, bone_range
    from kerashand.losses import bone_length_hinge

    bone = seen.settings.scale_bone
    shortest, longest = bone_range(bone)
    lengths = bone_lengths(seen.batch["uv_px"], seen.answers["z_relative"], scale_bone=bone)
    return bone_length_hinge(lengths, weight, shortest=shortest, longest=longest)


def _bone_spread(seen: Any, weight: Any) -> Any:
    """How far bones between labelled points are from the lengths that this hand's bones have."""
    from kerashand.geometry.bones import bone_lengths, bone_rises
    from kerashand.losses import bone_spread_smooth_l1

    z_relative = seen.answers["z_relative"]
    lengths = bone_lengths(seen.batch["uv_px"], z_relative, scale_bone=seen.settings.scale_bone)
    return bone_spread_smooth_l1(lengths, weight, steepness=bone_rises(z_relative) / lengths)


def _depth_map(seen: Any, weight: Any) -> Any:
    """Eq. 6 over all measured pixels; samples without any are not drawn."""
    import tensorflow as tf

    from kerashand.losses import depth_map_l1

    all_rows = tf.range(tf.shape(weight)[0])
    rows = all_rows if seen.settings.fixed_shapes else _measured_rows(weight)
    target, weight = (tf.gather(part, rows) for part in (seen.batch["depth_map"], weight))
    return depth_map_l1(target, seen.generated_depth(rows), weight)


def _measured_rows(weight: Any) -> Any:
    """Numbers of the samples with a depth map, at least one: kernels take no empty batch."""
    import tensorflow as tf

    measured = tf.reduce_any(weight > 0, axis=(1, 2, 3))
    first = tf.argmax(tf.cast(measured, tf.int32))
    return tf.where(measured | (tf.range(tf.size(measured), dtype=first.dtype) == first))[:, 0]


def _surface(seen: Any, weight: Any) -> Any:
    """How far joints are from where they lie behind the measured skin."""
    from kerashand.geometry.root_depth import PALM_RATIOS
    from kerashand.geometry.surface import joints_by_skin
    from kerashand.losses import joint_surface_cauchy

    palm = PALM_RATIOS[seen.settings.scale_bone][0]
    z_relative = seen.answers["z_relative"]
    expected, _, hidden, sure = joints_by_skin(
        seen.batch, z_relative, palm_scales=palm,
        half_width_scales=seen.settings.half_width_scales,
        image_size_px=seen.parts.image_size_px,
    )  # fmt: skip
    return joint_surface_cauchy(expected, z_relative / palm, weight, hidden=hidden, sure=sure)


def _point_depth(seen: Any, weight: Any) -> Any:
    from kerashand.losses import point_depth_smooth_l1

    return point_depth_smooth_l1(seen.batch["point_depth"], seen.answers["z_relative"], weight)


def _handedness(seen: Any, weight: Any) -> Any:
    from kerashand.losses import binary_cross_entropy

    return binary_cross_entropy(seen.batch["is_right"], seen.answers["right_logit"], weight)


def _presence(seen: Any, weight: Any) -> Any:
    from kerashand.losses import binary_cross_entropy

    return binary_cross_entropy(seen.batch["is_hand"], seen.answers["hand_logit"], weight)


def _confidence(seen: Any, weight: Any) -> Any:
    """The truth is what the heat maps came to; it does not teach them."""
    from keras import ops

    from kerashand.losses import binary_cross_entropy
    from kerashand.models.depth_regressor import PRECISE_SHARE

    error_px = ops.norm(ops.stop_gradient(seen.uv_px) - seen.batch["uv_px"], axis=-1)
    precise = ops.cast(error_px <= PRECISE_SHARE * seen.parts.image_size_px, "float32")
    return binary_cross_entropy(precise, seen.answers["precise_logit"], weight)


# ----------------------------------------------------------------------------------- the list

TERMS = (
    Term(
        name="heatmap",
        meaning="Eq. 1 or the cross entropy of the heat maps, see `losses.heatmap`",
        title="loss of the heat maps",
        unit="sum over the network's stages",
        label="uv",
        trains=("network",),
        weight=itemgetter("uv_weight"),
        value=_heatmap,
    ),
    Term(
        name="coordinate",
        meaning="distance of 2D joints from their labels; not in the paper",
        title="loss of the 2D joints",
        unit="smooth L1, px",
        label="uv",
        trains=("network",),
        weight=itemgetter("uv_weight"),
        value=_coordinate,
    ),
    Term(
        name="joint_depth",
        meaning="error of the joint depth (Eq. 2 and 3)",
        title="loss of the joints' depth",
        unit="smooth L1, scale bones",
        label="xyz",
        trains=("network", "regressor"),
        weight=itemgetter("z_weight"),
        value=_joint_depth,
    ),
    Term(
        name="bone_length",
        meaning="bones that are shorter or longer than bones of hands; trains joint depth of "
        "samples that have only 2D labels; not in the paper",
        title="loss of the bones' lengths",
        unit="smooth L1, scale bones",
        label="uv",
        unless="xyz",
        trains=("network", "regressor"),
        weight=_weight_of_bones,
        value=_bone_length,
    ),
    Term(
        name="bone_spread",
        meaning="spread of the lengths of each bone over samples without 3D labels, for recordings "
        "of one hand; not in the paper",
        title="loss of the bones' spread",
        unit="smooth L1, scale bones",
        label="uv",
        unless="xyz",
        trains=("network", "regressor"),
        weight=_weight_of_bones,
        value=_bone_spread,
    ),
    Term(
        name="depth_map",
        meaning="difference of generated and measured depth maps (Eq. 6)",
        title="loss of the depth maps",
        unit="L1, depth windows",
        label="depth",
        # No gradient of it reaches the 2D network (section 3.4).
        trains=("regressor", "regularizer"),
        weight=itemgetter("depth_weight"),
        value=_depth_map,
    ),
    Term(
        name="joint_surface",
        meaning="distance of visible joints from their places behind the measured skin, up to a "
        "common shift; hidden joints must be farther behind it; not in the paper",
        title="loss of the joints behind the skin",
        unit="Cauchy, palm lengths squared",
        label="depth",
        unless="xyz",
        trains=("network", "regressor"),
        weight=_weight_of_surface,
        value=_surface,
    ),
    Term(
        name="point_depth",
        meaning="distance of joints from the depth that `kerashand-data label` read from a depth "
        "picture; not in the paper",
        title="loss of the depth of points",
        unit="smooth L1, scale bones",
        label="depth",
        unless="xyz",
        trains=("network", "regressor"),
        weight=itemgetter("point_depth_weight"),
        value=_point_depth,
    ),
    Term(
        name="handedness",
        meaning="whether it is a right hand; not in the paper",
        title="loss of the handedness",
        unit="cross entropy, nats",
        label="uv",
        trains=("network", "regressor"),
        needs_heads=True,
        weight=itemgetter("is_hand"),
        value=_handedness,
    ),
    Term(
        name="presence",
        meaning="whether there is a hand; not in the paper",
        title="loss of the hand's presence",
        unit="cross entropy, nats",
        label="uv",
        trains=("network", "regressor"),
        needs_heads=True,
        weight=_weight_of_pictures,
        value=_presence,
    ),
    Term(
        name="confidence",
        meaning="probability that a joint is where the heat map puts it; not in the paper",
        title="loss of the joints' confidence",
        unit="cross entropy, nats",
        label="uv",
        trains=("regressor",),
        needs_heads=True,
        weight=itemgetter("uv_weight"),
        value=_confidence,
    ),
)
"""In the order in which they stand in the configuration and the log."""

ERRORS = {
    "error_mm": ("3D error of joints", "mm"),
    "error_px": ("2D error of joints", "px of the network's input"),
}
"""Name of a number in the log that is no loss -> title of its curve, and unit."""


def history_panels(terms: tuple[Term, ...] = TERMS) -> dict[str, tuple[str, str]]:
    """Titles and units of the curves of a training, by their names in the log and in order."""
    return {**ERRORS, **{term.name: (term.title, term.unit) for term in terms}}
