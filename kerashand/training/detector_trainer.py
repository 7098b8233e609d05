"""What the detector learns: score, box and handedness of every cell of a whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import keras
import tensorflow as tf

from kerashand import losses
from kerashand.geometry.heatmaps import cell_centers_px
from kerashand.models.detector import DETECTOR_STRIDE
from kerashand.terms import Term
from kerashand.training.steps import TermsTrainer

SPREAD = 0.1
"""Standard deviation of the Gaussian about the middle of a palm, as a share of the box's sides."""
LEAST_SPREAD_CELLS = 0.6
NEAR_MIDDLE = 0.4
"""Cells above this target learn box, direction and handedness."""
SURE_UP = 0.3
"""Distance from wrist to knuckle, in sides of the box, from which on a direction counts fully."""


def cell_targets(hands: tf.Tensor, cells: int) -> dict[str, tf.Tensor]:
    """What each cell should say of the hands of a picture.

    Args:
        hands: [B, N, 10] left, top, right, bottom, palm's u and v, those of the point above it,
            right-hand, weight (see `kerashand.data.pictures`), pixels of the detector's input.
        cells: h = w of the maps.

    Returns:
        score [B, h, w]: 1 at middles of palms, falling off as a Gaussian; score_weight [B, h, w]:
        0 in boxes that do not count; box [B, h, w, 4], up [B, h, w, 2], a unit vector from the
        wrist to the middle finger's knuckle, and handedness [B, h, w] of the hand whose Gaussian
        is highest, and their weight [B, h, w]; up_weight [B, h, w], less where the palm is seen
        along this direction.
    """
    box, palm, above = hands[..., :4], hands[..., 4:6], hands[..., 6:8]
    handedness, weight = hands[..., 8], hands[..., 9]
    size = tf.maximum(box[..., 2:] - box[..., :2], 1.0)
    centre = cell_centers_px(cells, DETECTOR_STRIDE)
    # The peak stands at the centre of its cell, so that one cell reaches 1.
    cell = tf.clip_by_value(tf.floor((palm + 0.5) / DETECTOR_STRIDE), 0.0, cells - 1.0)
    peak = (cell + 0.5) * DETECTOR_STRIDE - 0.5
    sigma = tf.maximum(SPREAD * size, LEAST_SPREAD_CELLS * DETECTOR_STRIDE)

    def profile(axis: int) -> tf.Tensor:
        offset = (centre[None, None, :] - peak[..., axis : axis + 1]) / sigma[..., axis : axis + 1]
        return tf.exp(-0.5 * offset * offset)  # [B, N, cells]

    along_u, along_v = profile(0), profile(1)
    height = along_v[:, :, :, None] * along_u[:, :, None, :]  # [B, N, h, w]
    height *= tf.cast(weight > 0, tf.float32)[:, :, None, None]
    score = tf.reduce_max(height, axis=1)
    owner = tf.argmax(height, axis=1)  # [B, h, w]
    chosen = tf.gather(
        tf.concat([box, handedness[..., None], above - palm], axis=-1),
        owner,
        axis=1,
        batch_dims=1,
    )
    up, long_px = tf.linalg.normalize(chosen[..., 5:] + 1e-6, axis=-1)
    near = tf.where(score >= NEAR_MIDDLE, score, 0.0)
    side = tf.reduce_max(chosen[..., 2:4] - chosen[..., :2], axis=-1)

    inside_u = (centre >= box[..., 0:1]) & (centre <= box[..., 2:3])
    inside_v = (centre >= box[..., 1:2]) & (centre <= box[..., 3:4])
    unclear = inside_v[:, :, :, None] & inside_u[:, :, None, :] & (weight == 0)[:, :, None, None]
    return {
        "score": score,
        "score_weight": tf.where(
            tf.reduce_any(unclear, axis=1) & (score < NEAR_MIDDLE), 0.0, tf.ones_like(score)
        ),
        "box": chosen[..., :4],
        "handedness": chosen[..., 4],
        "up": up,
        "weight": near,
        "up_weight": near * tf.minimum(long_px[..., 0] / (SURE_UP * tf.maximum(side, 1.0)), 1.0),
    }


def _middles(batch: Mapping[str, Any]) -> tf.Tensor:
    """[B, h, w]: 1 at the middles of palms, by whose number the score's loss is divided."""
    return tf.cast(batch["score"] >= 1.0, tf.float32) * batch["score_weight"]


def _score(seen: tuple[Mapping, Mapping], weight: tf.Tensor) -> tf.Tensor:
    batch, output = seen
    return losses.focal_score(batch["score"], output["score_logit"], batch["score_weight"])


def _box(seen: tuple[Mapping, Mapping], weight: tf.Tensor) -> tf.Tensor:
    batch, output = seen
    return losses.box_giou(batch["box"], output["box"], weight)


def _up(seen: tuple[Mapping, Mapping], weight: tf.Tensor) -> tf.Tensor:
    batch, output = seen
    return losses.direction(batch["up"], output["up"], weight)


def _side(seen: tuple[Mapping, Mapping], weight: tf.Tensor) -> tf.Tensor:
    batch, output = seen
    return losses.binary_cross_entropy(batch["handedness"], output["right_logit"], weight)


TERMS = (
    Term(
        name="score",
        meaning="whether the middle of a palm lies in a cell",
        title="loss of the scores",
        unit="focal loss a hand",
        label="hands",
        trains=("detector",),
        weight=_middles,
        value=_score,
        least_count=1.0,  # cells without a hand count in a batch without any too
    ),
    Term(
        name="box",
        meaning="boxes as labelled",
        title="loss of the boxes",
        unit="1 - GIoU",
        label="hands",
        trains=("detector",),
        weight=itemgetter("weight"),
        value=_box,
    ),
    Term(
        name="up",
        meaning="which way the hand points",
        title="loss of the direction",
        unit="squared distance of unit vectors",
        label="hands",
        trains=("detector",),
        weight=itemgetter("up_weight"),
        value=_up,
    ),
    Term(
        name="handedness",
        meaning="whether it is a right hand",
        title="loss of the handedness",
        unit="cross entropy, nats",
        label="hands",
        trains=("detector",),
        weight=itemgetter("weight"),
        value=_side,
    ),
)
"""What the detector learns; see `kerashand.terms`."""


class DetectorTrainer(TermsTrainer):
    """Trains a network of `kerashand.models.detector` on ``image`` and `cell_targets`."""

    def __init__(self, network: keras.Model, *, loss_scaling: bool = False):
        models = {"detector": network}
        super().__init__(models, TERMS, name="detector_trainer", loss_scaling=loss_scaling)

    def forward(self, batch: dict, *, training: bool) -> tuple[dict, dict]:
        """The batch and the maps of the network."""
        return batch, self.detector(batch["image"], training=training)
