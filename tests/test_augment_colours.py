"""Augmentation of colours, blur, and parts that are covered."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from pipeline_batches import IDENTITY, KEY, WEAK, domain_batches, domain_source, first

from kerashand.data import augment, augment_colours
from kerashand.data.augment import AugmentParameters

source_of = pytest.fixture(domain_source)
batches_of = pytest.fixture(domain_batches)


def test_colours_change_but_not_the_geometry():
    image = tf.random.stateless_uniform((6, 32, 32, 3), [0, 1], 40.0, 200.0)
    parameters = AugmentParameters()
    changed = augment_colours.change_colours(image, parameters, KEY).numpy()
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.abs(changed - image).mean() > 2
    same = augment_colours.change_colours(image, parameters, KEY).numpy()
    np.testing.assert_array_equal(changed, same)
    for before, after in zip(image.numpy(), changed, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_a_colour_cast_is_one_factor_a_colour_and_picture():
    image = tf.fill((5, 8, 8, 3), 100.0)
    parameters = dataclasses.replace(augment.NO_CHANGE, colour_cast=0.2)
    factor = augment_colours.change_colours(image, parameters, KEY).numpy() / 100.0
    assert np.ptp(factor, axis=(1, 2)).max() == 0.0
    assert (np.abs(factor - 1.0) <= 0.2 + 1e-6).all()
    assert np.ptp(factor[:, 0, 0].ravel()) > 0.1


def test_faded_pictures_keep_their_mean_and_up_to_all_of_their_contrast():
    image = tf.random.stateless_uniform((400, 8, 8, 1), [0, 1], 60.0, 190.0) * tf.ones(3)
    parameters = dataclasses.replace(augment.NO_CHANGE, faded=0.5)
    changed = augment_colours.change_colours(image, parameters, KEY).numpy()
    axes = (1, 2, 3)
    np.testing.assert_allclose(changed.mean(axis=axes), image.numpy().mean(axis=axes), atol=0.01)
    kept = changed.std(axis=axes) / image.numpy().std(axis=axes)
    assert (kept > 0.25 - 1e-3).all()
    assert kept.max() == pytest.approx(1.0, abs=1e-4)
    faded = kept[kept < 1.0 - 1e-4]
    assert len(faded) / len(kept) == pytest.approx(0.5, abs=0.08)
    assert faded.mean() == pytest.approx(1.0 - 0.75 / 2, abs=0.05)


def test_blur_spreads_a_dot_as_a_gaussian_and_leaves_half_of_the_pictures():
    dot = np.zeros((200, 33, 33, 3), np.float32)
    dot[:, 16, 16] = 200.0
    blurred = augment_colours.blur(tf.constant(dot), 2.0, KEY).numpy()
    np.testing.assert_allclose(blurred.sum(axis=(1, 2)), 200.0, rtol=1e-4)
    same = np.array([np.array_equal(a, b) for a, b in zip(dot, blurred, strict=True)])
    assert same.mean() == pytest.approx(0.5, abs=0.12)
    np.testing.assert_allclose(blurred, blurred[:, ::-1, ::-1], atol=1e-3)
    places = np.arange(33) - 16.0
    variance = (blurred[..., 0].sum(axis=1) * places**2).sum(axis=1) / 200.0
    assert variance.max() <= 2.0**2
    assert variance[~same].mean() > 0.8  # of uniform 0..2: 4 / 3, less what lies beyond the reach


def test_blur_leaves_even_pictures_even_up_to_their_edge():
    even = tf.fill((8, 12, 12, 3), 90.0)
    np.testing.assert_allclose(augment_colours.blur(even, 2.0, KEY), even, rtol=1e-5)


def test_covered_parts_are_rectangles_of_the_next_picture():
    side = 40
    images = tf.reshape(tf.range(64.0), (64, 1, 1, 1)) * tf.ones((1, side, side, 3))
    changed = augment_colours.cover_parts(images, 0.5, KEY).numpy()
    for number, picture in enumerate(changed):
        hidden = picture[..., 0] != number
        if not hidden.any():
            continue
        assert set(picture[hidden].ravel()) == {(number + 1) % 64}
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        assert hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert max(len(rows), len(columns)) <= 0.45 * side + 1
    share = np.mean([(picture != number).any() for number, picture in enumerate(changed)])
    assert 0.3 < share < 0.7
    np.testing.assert_array_equal(augment_colours.cover_parts(images, 0.0, KEY), images)


def test_training_covers_what_the_parameters_say(batches_of):
    bare = first(batches_of(WEAK, parameters=IDENTITY))
    hidden = first(batches_of(WEAK, parameters=dataclasses.replace(IDENTITY, cover=1.0)))
    np.testing.assert_array_equal(bare["uv_px"], hidden["uv_px"])
    differ = (bare["image"] != hidden["image"]).any(axis=-1).mean(axis=(1, 2))
    assert (differ > 0).all()
    assert (differ < 0.25).all()
