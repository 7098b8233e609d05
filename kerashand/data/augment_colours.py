"""Augmentation of pixels alone: light, colour, blur, and parts that are hidden."""

from __future__ import annotations

import math

import tensorflow as tf

from kerashand.data.augment import AugmentParameters
from kerashand.data.streams import stream

MOST_FADED = 0.75
"""Share of their contrast that pictures lose at most by `faded`."""

BLURRED = 0.5
"""Share of pictures that `blur` changes."""


def change_colours(images: tf.Tensor, parameters: AugmentParameters, seed: tf.Tensor) -> tf.Tensor:
    """Blur, brightness, contrast, saturation and grey noise on float images [B, S, S, 3] 0..255."""
    count = tf.shape(images)[0]
    if parameters.blur_px > 0:
        images = blur(images, parameters.blur_px, stream(seed, "blur"))
    draws = tf.random.stateless_uniform((3, count, 1, 1, 1), seed, -1.0, 1.0)
    brightness = 1.0 + draws[0] * parameters.brightness
    contrast = 1.0 + draws[1] * parameters.contrast
    if parameters.faded > 0:
        chance = tf.random.stateless_uniform((2, count, 1, 1, 1), stream(seed, "faded"))
        lost = tf.where(chance[0] < parameters.faded, MOST_FADED * chance[1], 0.0)
        contrast *= 1.0 - lost
    saturation = 1.0 + draws[2] * parameters.saturation
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    mean = tf.reduce_mean(grey, axis=(1, 2), keepdims=True)
    # One pass: contrast about the mean of the picture, saturation about each pixel's grey.
    gain = brightness * contrast
    base = gain * (1.0 - saturation) * grey + brightness * (1.0 - contrast) * mean
    if parameters.noise > 0:
        shape = tf.concat([tf.shape(images)[:3], [1]], axis=0)
        # Uniform noise of the wanted standard deviation: far cheaper than normal noise.
        reach = parameters.noise * 3.0**0.5
        base += tf.random.stateless_uniform(shape, stream(seed, "noise"), -reach, reach)
    changed = images * (gain * saturation) + base
    if parameters.colour_cast > 0:
        reach = parameters.colour_cast
        cast = stream(seed, "cast")
        changed *= 1.0 + tf.random.stateless_uniform((count, 1, 1, 3), cast, -reach, reach)
    return tf.clip_by_value(changed, 0.0, 255.0)


def blur(images: tf.Tensor, most_px: float, seed: tf.Tensor) -> tf.Tensor:
    """Blur a share `BLURRED` of float images [B, S, S, 3] by Gaussians of their own.

    Args:
        images: the pictures; beyond their edge they are mirrored.
        most_px: standard deviations are uniform in 0 to this.
        seed: stateless seed [2].
    """
    draws = tf.random.stateless_uniform((2, tf.shape(images)[0]), seed)
    sigma = tf.where(draws[0] < BLURRED, most_px * draws[1], 0.0)
    reach = math.ceil(2.0 * most_px)
    offset = tf.range(-reach, reach + 1, dtype=tf.float32)
    # A narrow Gaussian is 1 in the middle and 0 beside it: the picture as it was.
    share = tf.exp(-0.5 * tf.square(offset / tf.maximum(sigma, 1e-2)[:, None]))
    return _convolved(images, share / tf.reduce_sum(share, axis=1, keepdims=True))


@tf.function(jit_compile=True, autograph=False)
def _convolved(images: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """Images [B, S, S, 3] convolved along both sides with a kernel [B, 2 R + 1] for each."""
    taps, side = kernels.shape[1], images.shape[1]
    reach = taps // 2
    weights = [kernels[:, tap, None, None, None] for tap in range(taps)]
    padded = tf.pad(images, ((0, 0), (reach, reach), (0, 0), (0, 0)), "SYMMETRIC")
    rows = sum(w * padded[:, tap : tap + side] for tap, w in enumerate(weights))
    padded = tf.pad(rows, ((0, 0), (0, 0), (reach, reach), (0, 0)), "SYMMETRIC")
    return sum(w * padded[:, :, tap : tap + side] for tap, w in enumerate(weights))


COVER_SIDES = (0.1, 0.45)
"""Sides of the rectangles of `cover_parts`, in shares of the picture's."""


def cover_parts(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Hide a rectangle of some pictures behind what the next of the batch shows there.

    Args:
        images: [B, S, S, 3].
        share: of the pictures, on average.
        seed: stateless seed [2].
    """
    count, side = tf.shape(images)[0], images.shape[1]
    draws = tf.random.stateless_uniform((5, count), seed)
    low, high = COVER_SIDES
    half = (low + (high - low) * draws[:2]) / 2.0
    places = (tf.range(side, dtype=tf.float32) + 0.5) / side
    # [2, B, S]: which columns and which rows of each picture are hidden.
    hidden = tf.abs(places - draws[2:4, :, None]) < half[..., None]
    chosen = draws[4] < share
    columns, rows = hidden[0] & chosen[:, None], hidden[1]
    cover = tf.cast(rows[:, :, None] & columns[:, None, :], images.dtype)
    # A third of the time of `tf.where`, which broadcasts slowly.
    return images + cover[..., None] * (tf.roll(images, -1, axis=0) - images)


SPECTRUM_PX = 16
"""Side to which pictures are averaged before their low frequencies are exchanged."""
SPECTRUM_REACH = (0.5, 4.5)
"""Frequencies up to one of this range are exchanged, in periods a picture; 0 is the mean."""


def swap_spectrum(
    images: tf.Tensor, donors: tf.Tensor, chosen: tf.Tensor, *, seed: tf.Tensor
) -> tf.Tensor:
    """Give pictures the low-frequency amplitudes of others, and leave their phases.

    Light, colour and shading of a whole picture lie there, and what is to be seen does not: Fourier
    domain adaptation (Yang and Soatto, CVPR 2020).

    Args:
        images: [B, S, S, 3] float 0..255.
        donors: [B, S, S, 3] the picture that gives each its amplitudes.
        chosen: [B] bool, which pictures change.
        seed: stateless seed [2].
    """
    side = images.shape[1]
    count = tf.shape(images)[0]

    def small(pictures: tf.Tensor) -> tf.Tensor:
        pooled = tf.image.resize(pictures, [SPECTRUM_PX] * 2, method="area")
        return tf.transpose(pooled, (0, 3, 1, 2))

    own = small(images)
    spectrum = tf.signal.fft2d(tf.cast(own, tf.complex64))
    other = tf.signal.fft2d(tf.cast(small(donors), tf.complex64))
    frequency = tf.constant([min(k, SPECTRUM_PX - k) for k in range(SPECTRUM_PX)], tf.float32)
    reach = tf.random.stateless_uniform((count, 1, 1, 1), seed, *SPECTRUM_REACH)
    low = tf.maximum(frequency[:, None], frequency[None, :])[None, None] <= reach
    amplitude = tf.where(low, tf.abs(other), tf.abs(spectrum))
    unit = spectrum / tf.cast(tf.maximum(tf.abs(spectrum), 1e-3), tf.complex64)
    changed = tf.math.real(tf.signal.ifft2d(unit * tf.cast(amplitude, tf.complex64)))
    difference = tf.transpose(changed - own, (0, 2, 3, 1))
    moved = images + tf.image.resize(difference, [side, side], method="bicubic")
    return rows_of(chosen, tf.clip_by_value(moved, 0.0, 255.0), images)


def rows_of(chosen: tf.Tensor, these: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Rows of one tensor [B, ...] where `chosen` [B] is true, and else those of the other.

    `tf.where` with a condition that is broadcast takes ten times as long.
    """
    return tf.raw_ops.Select(condition=chosen, x=these, y=others)
