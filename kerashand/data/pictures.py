"""Whole pictures with boxes for the detector: drawn ones and photographs, cached and as batches.

A stored picture holds up to `MOST_HANDS` rows of ten numbers: left, top, right, bottom of the
joints' box; u, v of the palm's middle, and of a point as far from it as the middle finger's knuckle
is from the wrist; right (1 or 0); weight: 1 = a hand, 0 = neither a hand nor none, -1 = none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from kerashand import picture_files
from kerashand.data.augment import AugmentParameters
from kerashand.data.augment_colours import change_colours, rows_of
from kerashand.data.cache import encode_jpeg
from kerashand.data.kinds.photos import load_labels, of_picture
from kerashand.data.kinds.synthetic import backgrounds_suffix
from kerashand.data.records import as_written, endless_records
from kerashand.data.shards import CachedSplit
from kerashand.data.streams import stream
from kerashand.geometry.camera import apply_affine, crop_affine
from kerashand.synthetic import SPLITS
from kerashand.synthetic.backgrounds import photograph_background
from kerashand.synthetic.pictures import (
    PICTURES_VERSION,
    RENDERED_VERSION,
    places_of,
    render_picture,
)

MOST_HANDS = 4
ROW = 10
STORED_PX = 224
SMALLEST_PHOTOGRAPH = 0.3
"""Share of the canvas that a photograph takes at least, when it is set into another picture."""
EMPTY_SHARE = 0.12
"""Of the pictures made of photographs, those that are backgrounds without hands."""
PHOTOGRAPHS_SEED = 1001  # apart from those of `render_sample` and `render_picture`
MOST_ZOOM = 1.5
UPSIDE_DOWN, TURNED = 0.2, 0.3
"""Shares of pictures that are reflected from top to bottom, and about the diagonal: together with
the mirrored half this turns pictures by quarters, since cameras above a table see hands so."""
COLOURS = AugmentParameters(
    brightness=0.35, contrast=0.3, saturation=0.3, noise=4.0, colour_cast=0.1, faded=0.15,
    blur_px=1.0,
)  # fmt: skip


@dataclass(frozen=True)
class RenderedPictures(CachedSplit):
    """Pictures of `kerashand.synthetic.pictures`."""

    split: str
    seed: int
    samples: int
    backgrounds: str | None = None
    size_px: int = STORED_PX

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        name = f"{self.split}-{self.size_px}px-seed{self.seed}"
        name += backgrounds_suffix(self.backgrounds)
        return f"pictures-v{RENDERED_VERSION}/{name}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Draw and compress pictures."""
        encoded = []
        for index in range(first, first + count):
            picture = render_picture(
                self.split, self.seed, index, size_px=self.size_px, backgrounds=self.backgrounds
            )
            rows = np.column_stack(
                [picture.boxes, picture.palms, picture.ups, picture.is_right, picture.weight]
            )
            encoded.append(_encoded(picture.image, rows))
        return encoded


@dataclass(frozen=True)
class PhotographedPictures(CachedSplit):
    """Labelled photographs, each again and again at another place and size on another background.

    Attributes:
        path: folder with `labels.npz` (see `kerashand.data.kinds.photos`).
        split: train, val or test.
        backgrounds: folder of photographs without hands; None for those in the package.
    """

    path: str
    split: str
    seed: int
    samples: int
    digest: str
    backgrounds: str | None = None
    size_px: int = STORED_PX

    @property
    def folder(self) -> str:
        """Folder of its shards below the root of the cache."""
        name = f"photos-{self.split}-{self.size_px}px-seed{self.seed}-{self.digest}"
        name += backgrounds_suffix(self.backgrounds)
        return f"pictures-v{PICTURES_VERSION}/{name}"

    def encode(self, first: int, count: int) -> list[dict[str, bytes]]:
        """Compose and compress pictures."""
        labels = load_labels(self.path)
        # A picture with several rows is shown as often. Rows with the same joints are one hand.
        names = sorted(labels["name"][labels["split"] == self.split].tolist())
        encoded = []
        for index in range(first, first + count):
            rng = np.random.default_rng(
                [PHOTOGRAPHS_SEED, SPLITS.index(self.split), self.seed, index]
            )
            name = names[index % len(names)]
            hands = np.flatnonzero(of_picture(labels, name))
            _, once = np.unique(labels["uv_px"][hands], axis=0, return_index=True)
            hands = hands[np.sort(once)]
            encoded.append(self._compose(name, hands, labels, rng=rng))
        return encoded

    def _compose(self, name: str, hands, labels, *, rng: np.random.Generator) -> dict[str, bytes]:
        size = self.size_px
        canvas = photograph_background(rng, size, folder=self.backgrounds, tint=0.1)
        canvas = np.clip(np.rint(canvas * 255.0), 0, 255).astype(np.uint8)
        if rng.random() < EMPTY_SHARE:
            return _encoded(canvas, np.zeros((0, ROW)))
        photograph = picture_files.read(Path(self.path) / name)
        height, width = photograph.shape[:2]
        share = rng.uniform(SMALLEST_PHOTOGRAPH, 1.0) if rng.random() < 0.7 else 1.0
        side = max(height, width) / share
        # The canvas in pixels of the photograph: the photograph lies inside.
        free = np.array([side - width, side - height])
        corner = -rng.uniform(0.0, 1.0, 2) * free - 0.5
        affine = crop_affine(corner + side / 2, side, size)
        shrink = max(side / size, 1.0)
        if shrink > 1.5:
            blurred = cv2.GaussianBlur(photograph, (0, 0), 0.4 * shrink)
            photograph = np.asarray(blurred, np.uint8)
        placed = cv2.warpAffine(photograph, affine[:2], (size, size))
        cover = cv2.warpAffine(np.ones((height, width), np.float32), affine[:2], (size, size))
        image = canvas + cover[..., None] * (placed.astype(np.float32) - canvas)
        uv = apply_affine(labels["uv_px"][hands], affine)
        rows = np.column_stack([*places_of(uv), labels["is_right"][hands], np.ones(len(hands))])
        return _encoded(np.clip(np.rint(image), 0, 255).astype(np.uint8), rows)


def _encoded(image: np.ndarray, rows: np.ndarray) -> dict[str, bytes]:
    hands = np.full((MOST_HANDS, ROW), -1.0, "<f4")
    hands[: len(rows)] = rows[:MOST_HANDS]
    return {"image": encode_jpeg(image), "hands": hands.tobytes()}


# --------------------------------------------------------------------------------- batches


def picture_batches(
    files: Sequence[Sequence[str]],
    shares: Sequence[int],
    *,
    samples: Sequence[int],
    size_px: int,
    seed: int,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Endless augmented batches (image [B, S, S, 3] float32, hands [B, 4, 10]).

    Args:
        files: shards of each set.
        shares: pictures of each set in a batch.
        samples: pictures that each set holds.
        size_px: side S of the detector's input.
        seed: of order and augmentation.
        first_step: batches to leave out, for resuming.
    """
    streams = []
    for number, (paths, share, held) in enumerate(zip(files, shares, samples, strict=True)):
        records = endless_records(
            list(paths), seed=[seed, number], skip=first_step * share, samples=held
        )
        streams.append(
            records.map(as_written(parse), tf.data.AUTOTUNE).batch(share, drop_remainder=True)
        )

    @as_written
    def prepare(step, parts):
        image, hands = (tf.concat(values, axis=0) for values in zip(*parts, strict=True))
        key = tf.stack([tf.constant(seed, tf.int64), step])
        return augmented(tf.cast(image, tf.float32), hands, key, size_px=size_px)

    numbered = tf.data.Dataset.zip(tuple(streams)).enumerate(first_step)
    return numbered.map(prepare, tf.data.AUTOTUNE).prefetch(4)


def plain_batches(
    files: Sequence[str], *, size_px: int, batch_size: int, samples: int
) -> tf.data.Dataset:
    """One pass over `samples` pictures, resized and not augmented."""
    batches = (
        tf.data.TFRecordDataset(list(files))
        .map(as_written(parse), tf.data.AUTOTUNE)
        .batch(batch_size)
    )

    @as_written
    def prepare(image, hands):
        whole = tf.tile([[0.0, 0.0, 1.0]], [tf.shape(image)[0], 1])
        return moved(tf.cast(image, tf.float32), hands, whole, size_px=size_px)

    prepared = batches.map(prepare, tf.data.AUTOTUNE).prefetch(2)
    return prepared.apply(tf.data.experimental.assert_cardinality(-(-samples // batch_size)))


def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A record to image [S, S, 3] uint8 and hands [4, 10]."""
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "hands")}
    fields = tf.io.parse_single_example(record, spec)
    image = tf.ensure_shape(
        tf.io.decode_jpeg(fields["image"], channels=3), (STORED_PX, STORED_PX, 3)
    )
    hands = tf.reshape(tf.io.decode_raw(fields["hands"], tf.float32), (MOST_HANDS, ROW))
    return image, hands


def augmented(image: tf.Tensor, hands: tf.Tensor, key: tf.Tensor, *, size_px: int):
    """Mirror and turn pictures, cut a random square from each, change the colours."""
    count = tf.shape(image)[0]
    draws = tf.random.stateless_uniform((6, count), stream(key, "square"))
    mirrored, over, about = draws[0] < 0.5, draws[4] < UPSIDE_DOWN, draws[5] < TURNED
    for chosen, reflect in ((mirrored, _mirrored), (over, _upside_down), (about, _transposed)):
        hands = tf.where(chosen[:, None, None], reflect(hands), hands)
    image = rows_of(about, tf.transpose(image, (0, 2, 1, 3)), image)
    # The picture is reflected about the diagonal first, where the hands are so last: what was from
    # side to side is then from top to bottom.
    flips = tf.stack([tf.where(about, mirrored, over), tf.where(about, over, mirrored)], axis=-1)
    share = 1.0 / (1.0 + draws[1] ** 2 * (MOST_ZOOM - 1.0))
    corner = draws[2:4] * (1.0 - share)
    image, hands = moved(
        image,
        hands,
        tf.stack([corner[0], corner[1], share], axis=-1),
        size_px=size_px,
        flips=flips,
    )
    return change_colours(image, COLOURS, stream(key, "colours")), hands


def _mirrored(hands: tf.Tensor) -> tf.Tensor:
    """Right hands become left ones, and what was left of the others lies right of them."""
    left, top, right, bottom, u, v, up_u, up_v, is_right, weight = tf.unstack(hands, axis=-1)
    left, right, u, up_u = (float(STORED_PX - 1) - place for place in (right, left, u, up_u))
    return tf.stack([left, top, right, bottom, u, v, up_u, up_v, 1.0 - is_right, weight], axis=-1)


def _upside_down(hands: tf.Tensor) -> tf.Tensor:
    return _transposed(_mirrored(_transposed(hands)))


def _transposed(hands: tf.Tensor) -> tf.Tensor:
    """Rows and columns change places, and a right hand becomes a left one."""
    left, top, right, bottom, u, v, up_u, up_v, is_right, weight = tf.unstack(hands, axis=-1)
    return tf.stack([top, left, bottom, right, v, u, up_v, up_u, 1.0 - is_right, weight], axis=-1)


def moved(
    image: tf.Tensor,
    hands: tf.Tensor,
    square: tf.Tensor,
    *,
    size_px: int,
    flips: tf.Tensor | None = None,
):
    """Cut squares (left, top, side as shares of the picture) and bring them to a side.

    With `flips` [B, 2] a picture is first reflected from top to bottom, and from side to side; its
    hands are so already. Hands whose palm's middle leaves the picture are no longer counted.
    """
    left, top, side = (square[:, k] for k in range(3))
    # Edges in shares of the picture to the centres of pixels that crop_and_resize counts in.
    per_px = (STORED_PX - 1) / STORED_PX
    half = 0.5 * side / size_px
    shift = 0.5 / STORED_PX

    def first(start):
        return (start + half - shift) / per_px

    def last(start):
        return (start + side - half - shift) / per_px

    boxes = tf.stack([first(top), first(left), last(top), last(left)], axis=-1)
    if flips is not None:  # a box from its end to its start is cut reflected
        boxes = tf.where(tf.tile(flips, (1, 2)), 1.0 - boxes, boxes)
    image = tf.image.crop_and_resize(image, boxes, tf.range(tf.shape(image)[0]), [size_px] * 2)
    factor = size_px / (side * STORED_PX)
    origin = tf.stack([left, top] * 4, axis=-1)[:, None] * STORED_PX
    places = (hands[..., :8] + 0.5 - origin) * factor[:, None, None] - 0.5
    palm = places[..., 4:6]
    inside = tf.reduce_all((palm >= 0) & (palm <= size_px - 1), axis=-1)
    weight = tf.where(inside, hands[..., 9], -1.0)
    return image, tf.concat([places, hands[..., 8:9], weight[..., None]], axis=-1)
