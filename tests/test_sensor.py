import numpy as np
import pytest

from kerashand.synthetic.sensor import measure_depth, photograph, stereo, structured_light

SIZE = 128


@pytest.fixture
def scene_mm():
    """A disc at 500 mm before a wall at 900 mm."""
    rows, columns = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    return np.where(rows**2 + columns**2 < 35**2, 500.0, 900.0)


def far_from_edges(scene_mm):
    inner = np.zeros(scene_mm.shape, bool)
    rows, columns = np.indices(scene_mm.shape) - (SIZE - 1) / 2
    inner[rows**2 + columns**2 < 28**2] = True
    return inner


def test_error_is_a_few_mm(scene_mm, rng):
    errors, inner = [], far_from_edges(scene_mm)
    for _ in range(10):
        measured = measure_depth(scene_mm, rng).astype(float)
        errors.append((measured - 500.0)[inner & (measured > 0)])
    errors = np.concatenate(errors)
    assert 1.0 < errors.std() < 4.0
    assert abs(errors.mean()) < 1.5
    assert np.abs(errors).max() < 20.0


def test_error_grows_with_the_square_of_the_distance(rng):
    spread = {}
    for distance in (400.0, 800.0):
        flat = np.full((SIZE, SIZE), distance)
        measured = np.concatenate([measure_depth(flat, rng) for _ in range(6)]).astype(float)
        spread[distance] = measured[measured > 0].std()
    assert 2.5 < spread[800.0] / spread[400.0] < 5.5


def test_there_are_holes_mostly_at_edges(scene_mm):
    inner, edge, wall = [], [], []
    rows, columns = np.indices(scene_mm.shape) - (SIZE - 1) / 2
    radius = np.hypot(rows, columns)
    for seed in range(10):
        lost = measure_depth(scene_mm, np.random.default_rng(seed)) == 0
        inner.append(lost[radius < 28].mean())
        edge.append(lost[(radius > 34) & (radius < 37)].mean())
        wall.append(lost[radius > 45].mean())
    assert np.mean(edge) > 0.15
    assert np.mean(edge) > 4 * max(np.mean(inner), np.mean(wall))
    assert np.mean(inner) < 0.05


def test_depth_is_quantised():
    flat = np.full((SIZE, SIZE), 1000.0)
    measured = measure_depth(flat, np.random.default_rng(0), step_mm=5.0, noise_mm=3.0)
    values = np.unique(measured[measured > 0])
    # 5 mm at 500 mm are 20 mm at a metre.
    assert len(values) > 2
    assert np.diff(values).min() >= 15


def test_nothing_stays_nothing(rng):
    empty = np.zeros((SIZE, SIZE))
    assert (measure_depth(empty, rng) == 0).all()
    half = np.full((SIZE, SIZE), 600.0)
    half[:, : SIZE // 2] = 0.0
    measured = measure_depth(half, rng)
    assert (measured[:, : SIZE // 2] == 0).all()
    assert (measured[:, SIZE // 2 + 8 :] > 0).mean() > 0.9


def test_same_generator_same_measurement(scene_mm):
    first, second = (measure_depth(scene_mm, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint16


def test_photograph_without_strength_changes_nothing(rng):
    image = rng.uniform(0.05, 0.95, (32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(photograph(image, rng, strength=0.0), image, atol=1e-6)


def test_photograph_adds_noise_and_stays_finite(rng):
    image = np.full((64, 64, 3), 0.5, np.float32)
    taken = np.stack([photograph(image, rng, strength=1.0) for _ in range(8)])
    assert np.isfinite(taken).all()
    assert 0.003 < np.mean([t.std(axis=(0, 1)).mean() for t in taken]) < 0.05
    assert taken.mean(axis=(1, 2)).std() > 0.01  # exposure and white balance differ


def test_convention_the_shadow_of_structured_light(rng):
    """A board at 500 mm before a wall at 1,000 mm: 500 px * 26 mm * (1/500 - 1/1000) = 13 px."""
    depth = np.full((60, 200), 1000.0)
    depth[:, 100:150] = 500.0
    seen = structured_light(depth, rng, focal_px=500.0)
    lost = (seen == 0).mean(axis=0)
    assert (lost[88:99] == 1.0).all()
    assert lost[80:85].mean() < 0.1
    # To the right of the board the projector sees the wall up to the rim.
    assert lost[153:160].mean() < 0.1
    assert np.median(seen[:, 110:140]) == 500
    assert np.abs(seen[:, 110:140].astype(int) - 500)[seen[:, 110:140] > 0].max() <= 2


def test_structured_light_is_noisier_on_slanted_surfaces(rng):
    rows = np.arange(120.0)[:, None]
    flat, steep = 500.0 + np.zeros((120, 120)), 500.0 + 2.5 * rows + np.zeros((120, 120))
    off = [
        (structured_light(depth, rng, focal_px=500.0) - depth)[5:-5, 5:-5]
        for depth in (flat, steep)
    ]
    spread = [np.std(part[np.abs(part) < 20]) for part in off]
    assert spread[0] < 0.35
    assert 0.7 < spread[1] < 1.6


def test_structured_light_keeps_what_is_not_there(rng):
    seen = structured_light(np.zeros((40, 40)), rng, focal_px=500.0)
    assert seen.dtype == np.uint16
    assert not seen.any()


def test_a_stereo_camera_sees_a_wall_where_it_is(rng):
    """At 800 mm with 500 px and 35 to 75 mm, a quarter of a pixel is 4.3 to 9.1 mm."""
    seen = np.stack(
        [stereo(np.full((60, 60), 800.0), rng, focal_px=500.0) for _ in range(30)]
    ).astype(float)
    off = seen[seen > 0] - 800.0
    assert abs(np.median(off)) < 4.0
    assert 0.5 < off.std() < 10.0
    assert (seen == 0).mean() < 0.06


def test_errors_of_a_stereo_camera_grow_with_the_square_of_the_distance():
    def spread(distance_mm):
        rng = np.random.default_rng(3)
        taken = [stereo(np.full((60, 60), distance_mm), rng, focal_px=500.0) for _ in range(20)]
        return np.std([part[part > 0] - distance_mm for part in taken[:1]])

    assert 3.0 < spread(1200.0) / spread(600.0) < 5.5


def test_what_is_near_grows_before_a_stereo_camera(rng):
    depth = np.full((60, 200), 1000.0)
    depth[:, 100:130] = 600.0
    widths = []
    for _ in range(40):
        seen = stereo(depth, rng, focal_px=500.0)
        widths.append(np.median(((seen > 0) & (seen < 750)).sum(axis=1)))
    assert min(widths) >= 27
    assert 31 < np.mean(widths) < 38
    assert not stereo(np.zeros((40, 40)), rng, focal_px=500.0).any()
