"""Whether depth belongs to colour: what is found of hands that move, and what is left in peace."""

import dataclasses
import re

import numpy as np
import pytest
from stick_hand import SHAPE

from kerashand.agreement import compare, size_doubt
from kerashand.runtime.hand import Hand

CENTRE = np.array([320.0, 240.0])
SIZE = np.array([640, 480])
FRAMES = 60
FAR = 1e3
RIGHT, UP = np.array([1.0, 0.0]), np.array([0.0, -1.0])


def hand(uv_px):
    return Hand(
        handedness="right", score=0.9, uv_px=uv_px, z_relative=np.zeros(21),
        confidence=np.full(21, 0.9), xyz_relative=np.zeros((21, 3)),
    )  # fmt: skip


def path(frame, speed):
    """A hand of 90 px from the wrist to the middle knuckle; its fingers bend as it moves."""
    turn = 2.0 * np.pi * frame * speed / 90.0
    bent = 1.0 - 0.2 * (1.0 + np.sin(3.1 * turn)) * (np.arange(21) % 4 == 0)
    place = CENTRE + 90.0 * np.array([np.sin(turn), np.cos(1.3 * turn)])
    return place + np.array([10.0, 100.0]) + 90.0 * SHAPE * bent[:, None]


def recording(frames=FRAMES, *, seed=0, noise_px=4.0, speed=1.0):
    """True points, and what is seen of them in colour, of frames and of those before and after."""
    rng = np.random.default_rng(seed)
    true = {n: path(n, speed) for n in range(-30, frames + 30)}
    colour = {n: hand(true[n] + rng.normal(0.0, noise_px, (21, 2))) for n in range(frames)}
    return true, colour, rng


def by_depth(true, colour, rng, change, *, delay=0, noise_px=4.0):
    """What the model by depth would see of depth that was damaged: nothing right from far away."""
    found = {}
    for number, seen in colour.items():
        uv = change(true[number - delay])
        if np.linalg.norm(uv.mean(axis=0) - seen.uv_px.mean(axis=0)) > 60.0:
            uv = seen.uv_px + rng.normal(0.0, 80.0, 2) + rng.normal(0.0, 40.0, (21, 2))
        found[number] = uv + rng.normal(0.0, noise_px, (21, 2))
    return found


def same(uv):
    return uv


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("frames", "speed"), [(60, 1.0), (60, 0.0), (60, 3.0), (8, 1.0), (3, 1.0)])
def test_nothing_is_said_where_both_belong_together(seed, frames, speed):
    true, colour, rng = recording(frames, seed=seed, speed=speed)
    found = compare(colour, by_depth(true, colour, rng, same), centre_px=CENTRE)
    assert found.frames == frames
    assert found.apart < 0.05
    assert found.text is None
    assert not found.is_wrong


@pytest.mark.parametrize(
    ("change", "delay", "text"),
    [
        (lambda uv: uv + RIGHT * 20.0, 0, r"shifted by \(\+20, [+-]0\) pixels"),
        (lambda uv: uv + UP * 40.0, 0, r"shifted by \([+-]0, -40\) pixels"),
        (lambda uv: CENTRE + 1.2 * (uv - CENTRE), 0, r"is 1.(19|20|21) times as large"),
        (lambda uv: CENTRE + (uv - CENTRE) / 1.2, 0, r"is 0.8[2-4] times as large"),
        (same, 3, "about (2.[6-9]|3.[0-3]) frames late"),
        (same, -3, "about (2.[6-9]|3.[0-3]) frames early"),
    ],
)
def test_what_depth_has_been_through_is_named(change, delay, text):
    true, colour, rng = recording()
    depth_px = by_depth(true, colour, rng, change, delay=delay)
    found = compare(colour, depth_px, centre_px=CENTRE)
    assert found.is_wrong
    assert pytest.approx(found.apart, rel=1.0) == 0.15
    assert re.search(text, found.text), found.text


def test_a_small_shift_is_a_warning():
    true, colour, rng = recording()
    found = compare(
        colour, by_depth(true, colour, rng, lambda uv: uv + RIGHT * 12.0), centre_px=CENTRE
    )
    assert "shifted by (+12," in found.text
    assert not found.is_wrong


CORNERS = np.array([[1, 2, 2], [3, 4, 4]])
"""A depth picture whose first pixel says how it was turned or mirrored."""


def reader(true, *, turn=same, order=same):
    """Reads depth pictures that were stored turned, or in another order.

    Points are right if the hand lies within 60 px of that in colour, and is bent alike.
    """

    def read(number, seen, change):
        if not 0 <= number < FRAMES:
            return None
        corner = change(turn(CORNERS))[0, 0]
        if corner == 0:
            return None
        uv = true[order(number)]
        flipped = np.array([corner in (2, 4), corner in (3, 4)])
        uv = np.where(flipped, SIZE - 1 - uv, uv)
        near = np.linalg.norm(uv.mean(axis=0) - seen.uv_px.mean(axis=0)) < 60.0
        return uv if near and not flipped.any() else seen.uv_px[::-1]

    return read


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ({"turn": lambda depth: depth[:, ::-1]}, "mirrored left to right"),
        ({"turn": lambda depth: depth[::-1]}, "upside down"),
        ({"turn": lambda depth: depth[::-1, ::-1]}, "turned by 180 degrees"),
        ({"order": lambda n: n - 12}, "about 12.0 frames late"),
        ({"order": lambda n: n + 7}, "about 7.0 frames early"),
        ({"order": lambda n: 8 * (n // 8) + (5 * n + 3) % 8}, "paired in a wrong order"),
    ],
)
def test_pictures_are_read_again_where_nothing_fits(stored, text):
    true, colour, _ = recording(speed=2.7)
    true = {n: uv + np.array([30.0, -20.0]) for n, uv in true.items()}
    colour = {n: dataclasses.replace(one, uv_px=true[n]) for n, one in colour.items()}
    read = reader(true, **stored)
    depth_px = {n: read(n, colour[n], same) for n in colour}
    found = compare(colour, depth_px, centre_px=CENTRE, read=read)
    assert found.is_gross
    assert found.is_wrong
    assert text in found.text
    alone = compare(colour, depth_px, centre_px=CENTRE)
    assert "may not belong to colour" in alone.text
    assert text not in alone.text


def test_a_model_that_does_not_understand_the_sensor_is_a_warning():
    """Points by depth are anywhere, whatever is read: no cause is named."""
    _, colour, rng = recording()

    def read(number, seen, change):
        return seen.uv_px + rng.normal(0.0, 60.0, (21, 2))

    depth_px = {n: read(n, one, same) for n, one in colour.items()}
    found = compare(colour, depth_px, centre_px=CENTRE, read=read)
    assert not found.is_wrong
    assert "No usual cause" in found.text


def test_too_few_frames_say_nothing():
    true, colour, _ = recording(2)
    assert compare(colour, {n: true[n] + FAR for n in colour}, centre_px=CENTRE) is None
    assert compare({}, {}, centre_px=CENTRE) is None


def test_hands_of_a_size_that_does_not_fit():
    usual = np.linspace(0.97, 1.13, 101).tolist()
    assert size_doubt(usual) is None
    assert size_doubt(usual[:3]) is None
    assert re.search("1.26 times as far", size_doubt([1.2 * ratio for ratio in usual]))
    assert "`colour.fx`" in size_doubt([0.75 * ratio for ratio in usual])
