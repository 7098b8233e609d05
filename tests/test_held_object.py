import dataclasses

import numpy as np
import pytest

from kerashand.skeleton import BONES
from kerashand.synthetic import clutter, held_object, scene
from kerashand.synthetic.hand import load_hand
from kerashand.synthetic.light import sample_lights
from kerashand.synthetic.render import vertex_normals
from kerashand.synthetic.scene import render_hand
from kerashand.synthetic.styles import STYLES

INTRINSICS = np.array([[400.0, 0.0, 63.5], [0.0, 400.0, 63.5], [0.0, 0.0, 1.0]])


def with_clutter(**shares):
    """The style `varied` with other shares of clutter."""
    look = STYLES["varied"]
    return dataclasses.replace(look, clutter=dataclasses.replace(look.clutter, **shares))


def hand_before_a_camera(distance_mm: float = 500.0) -> np.ndarray:
    """A right hand with its palm to the camera, fingers up: joints [21, 3]."""
    joints = load_hand("makehuman").joints_mm * [-1.0, -1.0, 1.0]
    return joints - joints.mean(axis=0) + [0.0, 0.0, distance_mm]


@pytest.fixture
def joints():
    return hand_before_a_camera()


def gaps_mm(joints, centre, axis, half_length) -> np.ndarray:
    """From points along the bones to the middle line of a bar."""
    part = np.linspace(0.0, 1.0, 20)[:, None]
    points = np.concatenate([joints[a] + part * (joints[b] - joints[a]) for a, b in BONES])
    along = np.clip((points - centre) @ axis, -half_length, half_length)
    return np.linalg.norm(points - centre - along[:, None] * axis, axis=1)


def test_a_bar_keeps_clear_of_the_bones(joints, rng):
    places = [held_object.fit(joints, rng) for _ in range(50)]
    found = [place for place in places if place is not None]
    assert len(found) > 25
    for centre, axis, radius, half_length in found:
        assert held_object.THICKNESS_MM[0] <= radius <= held_object.THICKNESS_MM[1]
        assert np.linalg.norm(axis) == pytest.approx(1.0)
        # Skin is given way to by what lies between the points that are checked.
        assert gaps_mm(joints, centre, axis, half_length).min() > radius + 5.0


def test_a_bar_lies_on_the_side_of_the_palm(joints, rng):
    centres = [place[0] for _ in range(50) if (place := held_object.fit(joints, rng)) is not None]
    behind = np.array(centres)[:, 2] > joints[[0, 5, 17], 2].mean() + 10.0
    assert behind.mean() < 0.1


@pytest.mark.parametrize("seed", range(12))
def test_a_solid_is_closed_and_looks_outwards(seed):
    vertices, normals, texture, faces = held_object.solid(10.0, 40.0, np.random.default_rng(seed))
    assert np.abs(vertices[:, 2]).max() <= 40.0 + 1e-9
    assert np.hypot(*vertices[:, :2].T).max() <= 10.0 * 2**0.5 + 1e-9
    assert texture.min() >= 0.0
    assert texture.max() <= 1.0
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    volume = np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6.0
    assert volume > 0.25 * np.pi * 10.0**2 * 40.0  # faces are counter-clockwise seen from outside
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    middle, towards = (a + b + c) / 3, normals[faces].mean(axis=1)
    large = area > 1e-3
    assert (np.einsum("fi,fi->f", middle, towards)[large] > 0.0).mean() > 0.95
    # Normals agree with those of the surface where it is not a lid's or a box's edge.
    surface = np.cross(b - a, c - a)[large] / area[large, None]
    agreement = np.einsum("fi,fi->f", surface, towards[large])
    assert np.median(agreement) > 0.9
    assert np.isfinite(vertex_normals(vertices, faces)).all()


def test_a_thing_is_drawn_where_it_is(joints, rng):
    ambient, lights = sample_lights(rng, 2)
    things = [
        held_object.render_held_object(
            joints, INTRINSICS, 128, ambient=ambient, lights=lights, rng=rng
        )
        for _ in range(20)
    ]
    drawn = [thing for thing in things if thing is not None]
    assert len(drawn) > 8
    for thing in drawn:
        there = np.isfinite(thing.depth_mm)
        assert np.array_equal(there, thing.rgba[..., 3] == 1.0)
        assert there.any()
        assert thing.depth_mm[there].min() > 300.0
        assert thing.depth_mm[there].max() < 700.0
        assert thing.rgba.min() >= 0.0
        assert thing.rgba.max() <= 1.0


def test_nothing_is_drawn_behind_the_camera(rng):
    near = hand_before_a_camera(distance_mm=20.0)
    ambient, lights = sample_lights(rng, 1)
    assert all(
        held_object.render_held_object(
            near, INTRINSICS, 64, ambient=ambient, lights=lights, rng=rng
        )
        is None
        for _ in range(10)
    )


def test_what_is_held_is_no_part_of_the_hand():
    look = with_clutter(held_object=1.0)
    hands = [render_hand(look, np.random.default_rng(k), 96) for k in range(12)]
    holding = [hand for hand in hands if hand.object_cover.any()]
    assert len(holding) >= 3
    for hand in holding:
        thing = hand.object_cover == 1.0
        assert (hand.cover[thing] > 0.99).all()
        assert np.isinf(hand.depth_mm[thing]).all()
        assert (hand.cover[..., 0] - hand.object_cover >= -1e-5).all()


def test_neither_what_is_held_nor_what_stands_before_has_depth(monkeypatch):
    """Both in one picture: the depth of neither is known, and no wall shows through them."""
    drawn = []

    def noted(function):
        def wrapper(*args, **options):
            drawn.append(function(*args, **options))
            return drawn[-1]

        return wrapper

    monkeypatch.setitem(
        scene.STYLES, "varied", with_clutter(held_object=1.0, occluder=1.0, other_hand=0.0)
    )
    monkeypatch.setattr(scene, "render_hand", noted(scene.render_hand))
    monkeypatch.setattr(clutter, "occluder", noted(clutter.occluder))
    holding = 0
    for index in range(12):
        drawn.clear()
        sample = scene.render_sample("varied", "train", seed=0, index=index, size_px=96)
        hand, (_, cover) = drawn
        thing = hand.object_cover >= 0.5
        holding += thing.any() and not (cover[thing] >= 0.5).all()
        assert not sample.depth_mm[thing].any()
        assert not sample.depth_mm[cover >= 0.5].any()
    assert holding >= 3
