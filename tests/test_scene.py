import hashlib
import multiprocessing
import tokenize
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import pytest

from kerashand.geometry.camera import px_from_cam
from kerashand.synthetic import SPLITS, scene, styles
from kerashand.synthetic.appearance import thicken_sleeve
from kerashand.synthetic.hand import load_hand_with_anatomical_tips
from kerashand.synthetic.light import light_unevenly
from kerashand.synthetic.scene import HandSample, render_sample
from kerashand.synthetic.styles import DOMAINS, STYLES

SIZE = 64
COUNT = 60


@pytest.fixture(scope="module")
def samples():
    return {
        d: [render_sample(d, "test", seed=3, index=i, size_px=SIZE) for i in range(COUNT)]
        for d in DOMAINS
    }


@pytest.fixture(params=DOMAINS)
def domain(request):
    return request.param


def assert_equal(a, b):
    for field, left, right in zip(fields(HandSample), astuple(a), astuple(b), strict=True):
        np.testing.assert_array_equal(left, right, err_msg=field.name)


def palm_faces_camera(sample):
    """Positive when the palm looks to the camera; a right hand."""
    wrist, index, little = sample.xyz_mm[[0, 5, 17]]
    dorsal = np.cross(little - wrist, index - wrist)
    return np.dot(dorsal, wrist) > 0


def test_contract(domain):
    sample = render_sample(domain, "train", seed=0, index=0, size_px=SIZE)
    expected = {
        "image": ((SIZE, SIZE, 3), np.uint8),
        "depth_mm": ((SIZE, SIZE), np.uint16),
        "mask": ((SIZE, SIZE), np.uint8),
        "uv_px": ((21, 2), np.float32),
        "xyz_mm": ((21, 3), np.float32),
        "intrinsics": ((3, 3), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        array = getattr(sample, name)
        assert (array.shape, array.dtype) == (shape, dtype), name
    assert set(np.unique(sample.mask)) == {0, 255}


def test_a_sample_is_a_function_of_its_arguments(domain):
    first = render_sample(domain, "train", seed=0, index=5, size_px=SIZE)
    render_sample(domain, "train", seed=0, index=6, size_px=SIZE)
    np.random.default_rng().random()
    assert_equal(first, render_sample(domain, "train", seed=0, index=5, size_px=SIZE))


def test_a_new_process_draws_the_same():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        jobs = [
            pool.submit(render_sample, d, "val", seed=1, index=9, size_px=SIZE) for d in DOMAINS
        ]
        for domain, job in zip(DOMAINS, jobs, strict=True):
            assert_equal(job.result(), render_sample(domain, "val", seed=1, index=9, size_px=SIZE))


def test_index_seed_split_and_domain_all_count():
    drawn = [
        render_sample(domain, split, seed=seed, index=index, size_px=SIZE)
        for domain, split, seed, index in (
            ("source", "train", 0, 0), ("source", "train", 0, 1), ("source", "train", 1, 0),
            ("source", "val", 0, 0), ("target", "train", 0, 0),
        )
    ]  # fmt: skip
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert np.abs(a.xyz_mm - b.xyz_mm).max() > 1.0
            assert np.abs(a.image.astype(int) - b.image).mean() > 1.0


def test_pose_and_place_do_not_depend_on_the_size(domain):
    small, large = (render_sample(domain, "train", seed=0, index=2, size_px=s) for s in (48, 96))
    np.testing.assert_allclose(small.xyz_mm, large.xyz_mm)
    np.testing.assert_allclose((small.uv_px + 0.5) * 2 - 0.5, large.uv_px, atol=1e-3)


def test_joints_project_to_their_pixels(samples, domain):
    for sample in samples[domain]:
        projected = px_from_cam(sample.xyz_mm, sample.intrinsics)
        np.testing.assert_allclose(projected, sample.uv_px, atol=2e-3)


def test_joints_lie_inside_the_crop(samples, domain):
    for sample in samples[domain]:
        assert (sample.uv_px > -0.5).all()
        assert (sample.uv_px < SIZE - 0.5).all()


def depth_at_joints(sample):
    columns, rows = np.round(sample.uv_px).astype(int).T
    return sample.depth_mm[rows, columns].astype(float)


def test_source_joints_lie_just_behind_the_surface(samples):
    behind = np.array([s.xyz_mm[:, 2] - depth_at_joints(s) for s in samples["source"]])
    # Nothing is before the surface, save where a thin edge falls between pixels.
    assert (behind > -3.0).mean() > 0.999
    # Visible joints lie in the flesh; the rest is hidden by other fingers, the palm, the forearm.
    assert ((behind > 0) & (behind < 25)).mean() > 0.6
    assert 2.0 < np.percentile(behind, 10) < 8.0


def test_target_joints_agree_with_the_measured_depth(samples):
    measured = np.array([depth_at_joints(s) for s in samples["target"]])
    behind = np.array([s.xyz_mm[:, 2] for s in samples["target"]]) - measured
    behind = behind[measured > 0]
    assert (behind > -6.0).mean() > 0.99
    assert ((behind > -3) & (behind < 28)).mean() > 0.6


def test_mask_and_depth_agree(samples):
    for sample in samples["source"]:
        on, off = sample.depth_mm[sample.mask > 0], sample.depth_mm[sample.mask == 0]
        assert 0.05 < len(on) / SIZE**2 < 0.98
        assert (on > 0).all()
        # The wall stands at least 100 mm behind the wrist.
        assert off.min() > sample.xyz_mm[0, 2] + 50
        columns, rows = np.round(sample.uv_px).astype(int).T
        assert (sample.mask[rows, columns] > 0).mean() > 0.9


def test_a_depth_camera_sees_the_hand_where_it_is(samples):
    """Its picture shows the palm's skin at half of both windows, and nothing where nothing is."""
    for sample in samples["depth"]:
        measured = (sample.mask > 0) & (sample.depth_mm > 0)
        assert 0.03 < measured.mean() < 0.9
        depth = sample.depth_mm[measured].astype(float)
        assert np.median(np.abs(depth - sample.xyz_mm[0, 2])) < 200.0  # the forearm goes on
        np.testing.assert_array_equal(sample.image[..., 2] > 127, sample.depth_mm > 0)
        assert not sample.image[sample.depth_mm == 0].any()
    at_palm = [
        sample.image[tuple(np.rint(sample.uv_px[9, ::-1]).astype(int))]
        for sample in samples["depth"]
    ]
    assert 100 < np.median(np.array(at_palm)[:, 0]) < 155


def test_exact_depth_on_the_source_and_holes_on_the_target(samples):
    holes = {d: np.mean([(s.depth_mm == 0).mean() for s in samples[d]]) for d in DOMAINS}
    assert holes["source"] == 0
    assert 0.005 < holes["target"] < 0.2


def test_things_before_a_varied_hand_have_no_depth(samples):
    with_holes = [s for s in samples["varied"] if (s.depth_mm == 0).any()]
    assert 0.1 < len(with_holes) / COUNT < 0.5
    for sample in samples["varied"]:
        seen = (sample.mask > 0) & (sample.depth_mm > 0)
        depth = sample.depth_mm[seen].astype(float)
        assert np.abs(depth - sample.xyz_mm[0, 2]).max() < 450.0


def test_varied_hands_have_their_tips_at_the_end_of_the_skin():
    for name in ("makehuman", "webxr"):
        mesh = load_hand_with_anatomical_tips(name)
        for finger in range(5):
            base, tip = mesh.joints_mm[4 * finger + 3], mesh.joints_mm[4 * finger + 4]
            along = (tip - base) / np.linalg.norm(tip - base)
            own = mesh.weight_matrix[:, 4 + 3 * finger] > 0.6
            reach = ((mesh.vertices_mm[own] - tip) @ along).max()
            assert reach == pytest.approx(4.0, abs=1e-6)


def test_the_root_of_a_varied_thumb(samples):
    """Between wrist and knuckles as people's thumbs have it: medians of labelled hands, +- 0.06."""
    ratios = []
    for sample in samples["varied"]:
        unit_mm = np.linalg.norm(sample.xyz_mm[9] - sample.xyz_mm[0])
        ratios.append(
            np.linalg.norm(sample.xyz_mm[[0, 5, 17]] - sample.xyz_mm[1], axis=1) / unit_mm
        )
    np.testing.assert_allclose(np.median(ratios, axis=0), [0.40, 0.755, 0.82], atol=0.06)


def test_a_sleeve_is_thicker_than_the_arm():
    mesh = load_hand_with_anatomical_tips("makehuman")
    height = mesh.vertices_mm[:, 1]
    worn = thicken_sleeve(mesh.vertices_mm, height, mesh.rest_normals, cuff_mm=-30.0, by_mm=6.0)
    moved = worn - mesh.vertices_mm
    assert not moved[height > -30.0].any()
    assert not moved[:, 1].any()
    sides = (height < -33.0) & (np.abs(mesh.rest_normals[:, 1]) < 0.5)
    np.testing.assert_allclose(np.linalg.norm(moved[sides], axis=1), 6.0)
    assert (np.einsum("vi,vi->v", moved, mesh.rest_normals) >= 0).all()
    bare = thicken_sleeve(mesh.vertices_mm, height, mesh.rest_normals, cuff_mm=-np.inf, by_mm=6.0)
    assert np.array_equal(bare, mesh.vertices_mm)


def test_the_forearm_of_a_varied_hand_does_not_hide_it(samples):
    """Seen along the forearm, the wrist would lie behind it."""
    for sample in samples["varied"]:
        wrist, middle = sample.xyz_mm[[0, 9]]
        along = (middle - wrist) / np.linalg.norm(middle - wrist)
        assert along[2] < 0.9


@pytest.mark.parametrize("style", ["source", "varied"])
def test_a_change_of_light_with_its_own_numbers_changes_the_light_alone(style, monkeypatch):
    def rendered():
        return render_sample(style, "train", seed=3, index=4, size_px=64)

    before, sample_lights = rendered(), scene.light.sample_lights

    def tinted(rng, count):
        ambient, lights = sample_lights(rng, count)
        (own,) = rng.spawn(1)
        return ambient * own.uniform(0.7, 1.3, 3), lights

    monkeypatch.setattr(scene.light, "sample_lights", tinted)
    after = rendered()
    for name in ("mask", "depth_mm", "uv_px", "xyz_mm", "intrinsics"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    changed = (after.image != before.image).any(axis=-1)
    assert changed[before.mask > 0].mean() > 0.9
    assert changed[before.mask == 0].mean() < 0.2  # sleeve, things in the hand, noise of the edge


def test_uneven_light_changes_the_light_alone(monkeypatch):
    def lit(share):
        clutter = replace(STYLES["varied"].clutter, uneven_light=share)
        monkeypatch.setitem(STYLES, "varied", replace(STYLES["varied"], clutter=clutter))
        return [render_sample("varied", "test", seed=3, index=i, size_px=SIZE) for i in range(20)]

    even, uneven = lit(0.0), lit(1.0)
    for a, b in zip(even, uneven, strict=True):
        for name in ("depth_mm", "mask", "uv_px", "xyz_mm", "intrinsics"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert (a.image != b.image).any()


def test_a_hand_against_the_light_is_darker_and_a_burnt_out_one_brighter():
    cover = np.ones((2, 2, 1), np.float32)
    hand, room = 0.5 * np.ones((2, 2, 3), np.float32), 0.4 * np.ones((2, 2, 3), np.float32)
    factors = []
    for seed in range(200):
        rgb, behind = light_unevenly(hand, cover, room, rng=np.random.default_rng(seed))
        assert rgb.min() >= 0.0
        assert max(rgb.max(), behind.max()) <= 1.0
        factors.append((rgb.mean() / 0.5, behind.mean() / 0.4))
    against = np.array(factors)[np.array(factors)[:, 0] < 1.0]
    assert 0.45 < len(against) / 200 < 0.75
    assert (against[:, 1] >= 1.0).all()


def test_palm_and_back_both_appear(samples, domain):
    share = np.mean([palm_faces_camera(s) for s in samples[domain]])
    assert 0.25 < share < 0.75


def test_hands_are_right_hands(samples, domain):
    """The thumb is on the side that the palm's direction gives it, mirrored in no sample."""
    for sample in samples[domain]:
        wrist, thumb, index, middle, little = sample.xyz_mm[[0, 1, 5, 9, 17]]
        dorsal = np.cross(little - wrist, index - wrist)
        across = np.cross(middle - wrist, dorsal)  # to the little finger of a right hand
        assert np.dot(thumb - wrist, across) < np.dot(little - wrist, across)
        # Fingers bend to the palm: where they are bent, tips lie on its side.
        bend = sample.xyz_mm[[8, 12, 16, 20]] - sample.xyz_mm[[5, 9, 13, 17]]
        assert (bend @ dorsal / np.linalg.norm(dorsal) < 45.0).all()


def test_hand_lengths_are_those_of_the_domain(samples, domain):
    low, high = STYLES[domain].hand_length_mm
    for sample in samples[domain]:
        chain = sample.xyz_mm[[0, 9, 10, 11, 12]]
        length = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
        assert 0.9 * low < length < 1.1 * high


def test_the_hand_stands_out_and_pictures_differ(samples, domain):
    images = np.stack([s.image for s in samples[domain]]).astype(float)
    assert images.std(axis=0).mean() > 25
    assert 60 < images.mean() < 190


@pytest.mark.parametrize("arguments", [("real", "train"), ("source", "valid")])
def test_unknown_names(arguments):
    with pytest.raises(ValueError, match=f"Received: domain='{arguments[0]}'"):
        render_sample(*arguments, seed=0, index=0)


def test_names_are_those_of_the_config():
    from kerashand import config

    assert tuple(config.STYLES) == DOMAINS
    assert SPLITS == ("train", "val", "test")


# ------------------------------------------------------------------------------------ versions

SOURCES = (
    "appearance", "backgrounds", "clutter", "depth_view", "hand", "held_object", "light", "placing",
    "poses", "render", "scene", "sensor", "styles",
)  # fmt: skip
PINNED = ({"source": 1, "target": 2, "varied": 7, "depth": "1.7"}, "5e27267964e5bb2b")
"""`GENERATOR_VERSIONS`, and a digest of the sources that rendered these versions."""


def digest_of_sources():
    """Of what the renderer's modules do: comments, docstrings and layout do not count."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    content = hashlib.sha256()
    for name in SOURCES:
        with (Path(scene.__file__).parent / f"{name}.py").open(encoding="utf-8") as file:
            for token in tokenize.generate_tokens(file.readline):
                if token.type not in layout and not token.string.startswith('"""'):
                    content.update("".join(token.string.split()).encode())
    return content.hexdigest()[:16]


def test_versions_are_raised_with_the_renderer():
    """Samples in caches are found by the version: what renders other pixels needs another one."""
    versions, digest = PINNED
    assert digest_of_sources() == digest, (
        "The renderer's sources changed. If samples of a style change, raise its number in "
        f"GENERATOR_VERSIONS. Then write the versions and {digest_of_sources()} into PINNED."
    )
    assert versions == styles.GENERATOR_VERSIONS
