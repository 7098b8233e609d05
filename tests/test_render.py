import numpy as np
import pytest

from kerashand.synthetic.render import lit_share, rasterise, unit, vertex_normals

SIZE = 48
CUBE_FACES = np.array(
    [
        [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
        [3, 7, 6], [3, 6, 2], [0, 4, 7], [0, 7, 3], [1, 2, 6], [1, 6, 5],
    ]
)  # fmt: skip


def cube():
    """Corners +-1 and twelve faces, counter-clockwise seen from outside."""
    corners = np.array(
        [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1],
         [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], float,
    )  # fmt: skip
    return corners, CUBE_FACES


def tetrahedron():
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
    return corners, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


def sphere(rings=9, segments=14):
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    around = np.arange(segments) * 2 * np.pi / segments
    vertices = [
        [np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)] for t in polar for p in around
    ]
    vertices += [[0, 0, 1], [0, 0, -1]]
    north, south = len(vertices) - 2, len(vertices) - 1
    faces = []
    for s in range(segments):
        n = (s + 1) % segments
        faces.append([north, s, n])
        for r in range(rings - 1):
            a, b = r * segments, (r + 1) * segments
            faces += [[a + s, b + s, b + n], [a + s, b + n, a + n]]
        last = (rings - 1) * segments
        faces.append([south, last + n, last + s])
    return np.array(vertices), np.array(faces)


SHAPES = {"cube": cube, "tetrahedron": tetrahedron, "sphere": sphere}


def camera(focal=60.0):
    return np.array([[focal, 0, (SIZE - 1) / 2 + 0.3], [0, 1.1 * focal, (SIZE - 1) / 2], [0, 0, 1]])


def random_rotation(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def ray_cast(vertices, faces, intrinsics, size):
    """Moeller-Trumbore on every pixel's ray: depth [S, S] (inf = miss), face, margin to an edge."""
    rows, columns = np.indices((size, size)).reshape(2, -1)
    rays = np.linalg.solve(intrinsics, np.stack([columns, rows, np.ones(size * size)])).T
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    depth = np.full(size * size, np.inf)
    face, margin = np.full(size * size, -1), np.full(size * size, np.inf)
    for f in range(len(faces)):
        p = np.cross(rays, e2[f])
        det = p @ e1[f]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = -(p @ a[f]) / det
            q = np.cross(-a[f], e1[f])
            v = (rays @ q) / det
            t = (e2[f] @ q) / det  # rays have z = 1, so t is the depth
        edge = np.minimum(np.minimum(u, v), 1 - u - v)
        margin = np.fmin(margin, np.abs(edge))
        hit = (edge >= 0) & (t > 0) & (t < depth)
        depth[hit], face[hit] = t[hit], f
    shape = (size, size)
    return depth.reshape(shape), face.reshape(shape), margin.reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_against_ray_casting(shape, seed):
    rng = np.random.default_rng(seed)
    vertices, faces = SHAPES[shape]()
    vertices = 100.0 * vertices @ random_rotation(rng).T + [20.0, -10.0, 420.0]
    fragments = rasterise(vertices, faces, camera(), size_px=SIZE)
    depth = fragments.image(fragments.depth_mm, background=np.inf)
    expected, expected_face, margin = ray_cast(vertices, faces, camera(), SIZE)
    clear = margin > 1e-6  # on an edge, either side may win
    assert clear.mean() > 0.99
    assert np.array_equal(np.isfinite(depth)[clear], np.isfinite(expected)[clear])
    hit = np.isfinite(expected) & np.isfinite(depth)
    assert hit.sum() > 100
    np.testing.assert_allclose(depth[hit], expected[hit], rtol=1e-6)
    face = fragments.image(fragments.face, background=-1)
    assert np.array_equal(face[clear & hit], expected_face[clear & hit])


def test_attributes_are_perspective_correct(rng):
    vertices, faces = tetrahedron()
    vertices = 150.0 * vertices @ random_rotation(rng).T + [0.0, 0.0, 350.0]
    fragments = rasterise(vertices, faces, camera(), size_px=SIZE)
    # Interpolating the corners' positions gives the point that the pixel's ray meets.
    points = fragments.interpolate(vertices, faces)
    np.testing.assert_allclose(points[:, 2], fragments.depth_mm, rtol=1e-9)
    pixels = points @ camera().T
    rows, columns = np.divmod(fragments.pixel, SIZE)
    np.testing.assert_allclose(pixels[:, 0] / pixels[:, 2], columns, atol=1e-6)
    np.testing.assert_allclose(pixels[:, 1] / pixels[:, 2], rows, atol=1e-6)
    np.testing.assert_allclose(fragments.weights.sum(axis=0), 1.0, atol=1e-9)


def test_convention_pixel_centres_are_integers():
    # A square from 9.5 to 20.5 px covers the centres 10 .. 20, its edges being off them.
    corners = np.array([[9.5, 9.5], [20.5, 9.5], [20.5, 20.5], [9.5, 20.5]])
    vertices = np.concatenate([corners, np.ones((4, 1))], axis=1) * 100.0
    fragments = rasterise(vertices, np.array([[0, 2, 1], [0, 3, 2]]), np.eye(3), size_px=32)
    covered = np.flatnonzero(fragments.image(np.ones(len(fragments.pixel))).any(axis=0))
    assert covered.tolist() == list(range(10, 21))
    assert len(fragments.pixel) == 11 * 11


def test_back_faces_are_culled():
    triangle = np.array([[0.0, 0.0, 100.0], [1000.0, 0.0, 100.0], [0.0, 1000.0, 100.0]])
    towards, away = np.array([[0, 2, 1]]), np.array([[0, 1, 2]])
    assert len(rasterise(triangle, towards, np.eye(3), size_px=32).pixel) > 0
    assert len(rasterise(triangle, away, np.eye(3), size_px=32).pixel) == 0


@pytest.mark.parametrize("shift", [[1e4, 0], [-1e4, 0], [0, 1e4], [0, -1e4]])
def test_off_screen_leaves_nothing(shift):
    vertices, faces = cube()
    vertices = vertices * 50.0 + [*shift, 400.0]
    fragments = rasterise(vertices, faces, camera(), size_px=SIZE)
    assert len(fragments.pixel) == 0
    assert np.all(fragments.image(fragments.depth_mm) == 0)


def test_triangle_much_larger_than_the_image_fills_it():
    triangle = np.array([[-1e6, -1e6, 500.0], [3e6, -1e6, 500.0], [-1e6, 3e6, 500.0]])
    fragments = rasterise(triangle, np.array([[0, 2, 1]]), camera(), size_px=SIZE)
    assert len(fragments.pixel) == SIZE * SIZE
    np.testing.assert_allclose(fragments.depth_mm, 500.0, rtol=1e-6)


def test_partly_off_screen_agrees_with_ray_casting():
    vertices, faces = sphere()
    vertices = 120.0 * vertices + [130.0, 90.0, 300.0]
    fragments = rasterise(vertices, faces, camera(), size_px=SIZE)
    expected, _, margin = ray_cast(vertices, faces, camera(), SIZE)
    depth = fragments.image(fragments.depth_mm, background=np.inf)
    clear = margin > 1e-6
    assert 0 < np.isfinite(expected).sum() < SIZE * SIZE
    np.testing.assert_allclose(depth[clear], expected[clear], rtol=1e-6)


def test_nearest_surface_wins_whatever_the_order():
    near = np.array([[-50.0, -50.0, 200.0], [50.0, -50.0, 200.0], [0.0, 60.0, 200.0]])
    vertices = np.concatenate([near, near * 2.0])  # the same outline, twice as far
    for faces in ([[0, 2, 1], [3, 5, 4]], [[3, 5, 4], [0, 2, 1]]):
        fragments = rasterise(vertices, np.array(faces), camera(), size_px=SIZE)
        np.testing.assert_allclose(fragments.depth_mm, 200.0)


def test_normals_of_a_sphere_point_outwards():
    vertices, faces = sphere(rings=20, segments=32)
    cosine = np.einsum("vi,vi->v", vertex_normals(vertices, faces), vertices)
    assert cosine.min() > 0.99


def test_unit_keeps_zero():
    np.testing.assert_allclose(unit(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]])),
                               [[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]])  # fmt: skip


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_a_small_square_shadows_the_middle_of_a_large_one(tilt):
    """The small one floats 100 mm above, towards the light, which a tilt moves sideways."""
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    vertices = np.concatenate([square * 20 + [0, 0, 300], square * 100 + [0, 0, 400]])
    one_side = np.array([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]])
    faces = np.concatenate([one_side, one_side[:, ::-1]])
    light = np.array([np.sin(tilt), 0.0, -np.cos(tilt)])
    shadow_mm = -100.0 * np.tan(tilt)
    points = np.array(
        [[shadow_mm, 0, 400], [shadow_mm + 30, 0, 400], [shadow_mm, 30, 400], [0, 0, 300]]
    )
    np.testing.assert_allclose(
        lit_share(vertices, faces, points, direction=light), [0, 1, 1, 1], atol=1e-9
    )
