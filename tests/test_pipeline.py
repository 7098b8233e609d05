import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from kerashand.data import augment, augment_colours
from kerashand.data.augment import AugmentParameters
from kerashand.data.pipeline import (
    BatchGeometry,
    DomainSource,
    _augmenting,
    evaluation_batches,
    make_batch,
    training_batches,
)
from kerashand.data.readers import cached
from kerashand.data.records import endless_records
from kerashand.data.sample import BATCH_SPEC, DOMAIN_NUMBERS
from kerashand.geometry.camera import HAND_MARGIN, apply_affine, cam_from_px, px_from_cam
from kerashand.geometry.depth import normalise_depth, normalised_joint_depth
from kerashand.geometry.pose import xyz_from_uv_z
from kerashand.runtime.crop import crop_from_image
from kerashand.runtime.views import view_of_joints

SIZE, CELLS = 64, 32
GEOMETRY = BatchGeometry(SIZE, CELLS, "middle_mcp_pip", 5.0)
IDENTITY = augment.NO_CHANGE
GEOMETRIC = AugmentParameters(brightness=0.0, contrast=0.0, saturation=0.0, noise=0.0)
KEY = tf.constant([3, 4], tf.int32)


@pytest.fixture
def source_of(sample_cache):
    parse = functools.partial(cached.parse, size_px=SIZE)

    def build(domain, labels=("uv", "xyz", "depth")):
        return DomainSource(domain, sample_cache.files[domain], parse, labels)

    return build


@pytest.fixture
def raw(source_of):
    """Eight raw samples, stacked."""
    source = source_of("source")
    records = tf.data.TFRecordDataset(list(source.records)).map(source.parse)
    return next(iter(records.batch(8)))


@pytest.fixture
def batches_of(source_of):
    def build(labels, *, batch_size=8, shares=None, parameters=None, seed=0, first_step=0):
        return training_batches(
            [source_of(domain, names) for domain, names in labels.items()],
            shares=shares or (batch_size // len(labels),) * len(labels),
            geometry=GEOMETRY,
            parameters=parameters or AugmentParameters(),
            seed=seed,
            first_step=first_step,
        )

    return build


ALL = ("uv", "xyz", "depth")
WEAK = {"source": ALL, "target": ("uv", "depth")}


def first(dataset, count=1):
    taken = [{k: v.numpy() for k, v in b.items()} for b in itertools.islice(dataset, count)]
    return taken[0] if count == 1 else taken


def assert_batches_equal(a, b, *, atol=0.0):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=atol, err_msg=name)


# --------------------------------------------------------------------------- contract


def test_contract(batches_of):
    batch = first(batches_of(WEAK))
    shapes = {
        "image": (8, SIZE, SIZE, 3), "uv_px": (8, 21, 2), "uv_weight": (8, 21),
        "is_right": (8,), "is_hand": (8,),
        "z_relative": (8, 21), "z_weight": (8,), "point_depth": (8, 21),
        "point_depth_weight": (8, 21), "depth_map": (8, CELLS, CELLS, 1),
        "depth_weight": (8, CELLS, CELLS, 1), "xyz_mm": (8, 21, 3), "intrinsics": (8, 3, 3),
        "root_depth_mm": (8,), "scale_mm": (8,), "domain": (8,),
    }  # fmt: skip
    assert set(batch) == set(BATCH_SPEC) == set(shapes)
    for name, shape in shapes.items():
        assert batch[name].shape == shape, name
        assert batch[name].dtype == (np.int32 if name == "domain" else np.float32), name
        assert np.isfinite(batch[name]).all(), name
    assert batch["image"].min() >= 0
    assert batch["image"].max() <= 255
    assert batch["image"].max() > 100
    assert 0 <= batch["depth_map"].min() <= batch["depth_map"].max() <= 1


def test_half_of_a_batch_from_each_domain(batches_of):
    for batch in first(batches_of(WEAK), 3):
        assert batch["domain"].tolist() == [0] * 4 + [1] * 4


def test_weights_follow_the_labels_of_the_domain(batches_of):
    batch = first(batches_of(WEAK))
    source, target = slice(0, 4), slice(4, 8)
    assert batch["z_weight"].tolist() == [1.0] * 4 + [0.0] * 4
    assert batch["uv_weight"][source].mean() > 0.7
    assert batch["uv_weight"][target].mean() > 0.7
    assert batch["depth_weight"][target].mean() > 0.5
    # The filler is zero, not what the training may not see.
    assert np.all(batch["z_relative"][target] == 0)
    assert np.all(batch["xyz_mm"][target] == 0)
    assert np.abs(batch["xyz_mm"][source]).max() > 0
    # Root depth and scale are given in every setting.
    assert batch["root_depth_mm"].min() > 100
    assert 20 < batch["scale_mm"].min() <= batch["scale_mm"].max() < 70


@pytest.mark.parametrize("augmented", [True, False])
def test_without_its_depth_a_record_gives_the_batch_that_unlabelled_depth_gives(
    sample_cache, augmented
):
    def batch(with_depth):
        parse = functools.partial(cached.parse, size_px=SIZE, with_depth=with_depth)
        source = DomainSource("source", sample_cache.files["source"], parse, ("uv", "xyz"))
        if augmented:
            return first(
                training_batches(
                    [source],
                    shares=(4,),
                    geometry=GEOMETRY,
                    parameters=AugmentParameters(),
                    seed=3,
                )
            )
        return first(evaluation_batches(source, batch_size=4, geometry=GEOMETRY, samples=40))

    assert_batches_equal(batch(True), batch(False))


@pytest.mark.parametrize("labels", [("uv",), ("depth",), ("xyz",), ()])
def test_what_is_not_labelled_has_weight_zero(batches_of, labels):
    batch = first(batches_of({"target": labels}))
    assert bool(batch["uv_weight"].any()) == ("uv" in labels)
    assert bool(batch["depth_weight"].any()) == ("depth" in labels)
    assert bool(batch["depth_map"].any()) == ("depth" in labels)
    assert bool(batch["z_weight"].any()) == ("xyz" in labels)
    assert bool(batch["z_relative"].any()) == ("xyz" in labels)


def test_shares_are_of_the_domains(batches_of):
    batch = first(batches_of(WEAK, shares=(6, 2)))
    assert batch["domain"].tolist() == [0] * 6 + [1] * 2
    for shares in ((8,), (8, 0)):
        with pytest.raises(ValueError, match=r"Received: shares=.* for 2 domains"):
            batches_of(WEAK, shares=shares)


def test_pictures_may_be_left_out(source_of):
    source = source_of("source")
    parse = functools.partial(cached.parse, size_px=SIZE, with_image=False)
    source = DomainSource("source", source.records, parse, ALL)
    batch = first(evaluation_batches(source, batch_size=4, geometry=GEOMETRY, samples=40))
    assert set(batch) == set(BATCH_SPEC) - {"image"}


# --------------------------------------------------------------------------- geometry


def moved_batch(raw, parameters=GEOMETRIC, domain="source", key=KEY, geometry=GEOMETRY):
    affine, rotation = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=key)
    source = DomainSource(domain, [], None, ALL)
    return make_batch(
        raw, source, geometry, parameters=parameters, affine=affine, rotation=rotation, key=key
    ), affine


def test_moved_joints_project_to_moved_pixels(raw):
    batch, affine = moved_batch(raw)
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    assert np.abs(batch["uv_px"] - raw["uv_px"]).max() > 3
    # Depth and bone lengths stay as they are.
    np.testing.assert_allclose(batch["xyz_mm"][..., 2], raw["xyz_mm"][..., 2], rtol=1e-6)
    norms = [np.linalg.norm(b["xyz_mm"], axis=-1) for b in (batch, raw)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert not np.allclose(affine[0], affine[1])  # each sample moves in its own way


def test_mirrored_hands_are_reflected_with_their_joints(raw):
    plain, _ = moved_batch(raw)
    batch, _ = moved_batch(raw, dataclasses.replace(GEOMETRIC, mirrored=1.0))
    assert (plain["is_right"] == 1).numpy().all()
    assert (batch["is_right"] == 0).numpy().all()
    assert (batch["is_hand"] == 1).numpy().all()
    # The last step is a reflection about the middle of the picture: column u becomes S - 1 - u.
    uv, image = plain["uv_px"].numpy(), plain["image"].numpy()
    uv[..., 0] = SIZE - 1 - uv[..., 0]
    np.testing.assert_allclose(batch["uv_px"], uv, atol=1e-3)
    np.testing.assert_allclose(batch["image"], image[:, :, ::-1], atol=0.05)
    weights = batch["depth_weight"].numpy(), plain["depth_weight"].numpy()[:, :, ::-1]
    assert (weights[0] == weights[1]).mean() > 0.99  # the nearest of two pixels is another one
    # Joints in 3D are a left hand's: x turns its sign, and the moved camera sees them at these
    # pixels.
    np.testing.assert_allclose(batch["xyz_mm"], plain["xyz_mm"] * [-1.0, 1.0, 1.0], atol=1e-3)
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    np.testing.assert_allclose(batch["z_relative"], plain["z_relative"], atol=1e-5)


@pytest.mark.parametrize("along", ["optical_axis", "line_of_sight"])
@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_the_depth_of_points_moves_as_labels_do(raw, along, mirrored):
    """Points that are the true joints have the depth that is labelled, and weigh as points do."""
    points = raw["xyz_mm"].numpy()
    points[0, 3] = points[1, 0] = np.nan
    given = {**raw, "points_mm": tf.constant(points)}
    parameters = dataclasses.replace(GEOMETRIC, mirrored=mirrored)
    geometry = dataclasses.replace(GEOMETRY, depth_along=along)
    batch, _ = moved_batch(given, parameters, geometry=geometry)
    depth, weight = batch["point_depth"].numpy(), batch["point_depth_weight"].numpy()
    known = np.ones((8, 21))
    known[0, 3] = known[1] = 0.0  # a joint; and all of a hand whose wrist is not known
    np.testing.assert_allclose(depth, known * batch["z_relative"], atol=1e-5)
    counts = augment.MIRRORED_WEIGHT if mirrored else 1.0
    np.testing.assert_allclose(weight, counts * known * raw["uv_weight"])
    without, _ = moved_batch(raw, parameters, geometry=geometry)
    assert not without["point_depth_weight"].numpy().any()


def test_so_many_hands_are_mirrored_as_the_share_says():
    parameters = dataclasses.replace(GEOMETRIC, mirrored=0.25)
    uv = tf.zeros((2000, 21, 2))
    _, rotation = augment.random_affine(uv, SIZE, parameters, seed=KEY)
    signs = np.linalg.det(rotation)
    np.testing.assert_allclose(np.abs(signs), 1.0, rtol=1e-5)
    assert 0.22 < (signs < 0).mean() < 0.28


def test_batches_of_the_pipeline_project_too(batches_of):
    batch = first(batches_of({"source": ALL}))
    projected = px_from_cam(batch["xyz_mm"], batch["intrinsics"])
    np.testing.assert_allclose(projected, batch["uv_px"], atol=2e-3)
    z_mm = batch["z_relative"] * batch["scale_mm"][:, None] + batch["root_depth_mm"][:, None]
    np.testing.assert_allclose(z_mm, batch["xyz_mm"][..., 2], rtol=1e-5)


@pytest.mark.parametrize("joint", [0, 4, 9, 20])
def test_a_bright_dot_stays_at_its_joint(raw, joint):
    rows, columns = np.indices((SIZE, SIZE))
    uv = raw["uv_px"].numpy()[:, joint]
    near = (columns - uv[:, 0, None, None]) ** 2 + (rows - uv[:, 1, None, None]) ** 2
    dot = 255.0 * np.exp(-near / (2 * 2.0**2))
    picture = {**raw, "image": tf.constant(np.repeat(dot[..., None], 3, axis=-1), tf.uint8)}
    batch, _ = moved_batch(picture)
    image = batch["image"].numpy()[..., 0]
    checked = 0
    for n, (u, v) in enumerate(batch["uv_px"].numpy()[:, joint]):
        if min(u, v, SIZE - 1 - u, SIZE - 1 - v) < 8:
            continue  # a dot near the edge is cut off or mirrored
        weight = np.where(np.hypot(columns - u, rows - v) < 8, image[n], 0.0)
        centre = [(weight * axis).sum() / weight.sum() for axis in (columns, rows)]
        np.testing.assert_allclose(centre, [u, v], atol=0.15)
        checked += 1
    assert checked >= 3


def test_depth_map_moves_with_the_picture(raw):
    rows, columns = np.indices((SIZE, SIZE))
    uv = raw["uv_px"].numpy()[:, 9]
    disc = np.hypot(columns - uv[:, 0, None, None], rows - uv[:, 1, None, None]) < 6
    root = raw["xyz_mm"].numpy()[:, 0, 2]
    depth = np.where(disc, root[:, None, None], 0).astype(np.uint16)
    batch, _ = moved_batch({**raw, "depth_mm": tf.constant(depth)})
    weight = batch["depth_weight"].numpy()[..., 0]
    stride = SIZE / CELLS
    centres_px = (np.arange(CELLS) + 0.5) * stride - 0.5
    checked = 0
    for n, (u, v) in enumerate(batch["uv_px"].numpy()[:, 9]):
        if min(u, v, SIZE - 1 - u, SIZE - 1 - v) < 9:
            continue
        total = weight[n].sum()
        assert total > 10
        centre = [(weight[n].sum(axis=axis) * centres_px).sum() / total for axis in (0, 1)]
        np.testing.assert_allclose(centre, [u, v], atol=1.0)
        inside = batch["depth_map"].numpy()[n, ..., 0][weight[n] > 0]
        np.testing.assert_allclose(inside, 0.5, atol=0.01)  # the depth of the wrist
        checked += 1
    assert checked >= 3


def test_depth_of_joints_and_maps_runs_along_the_line_of_sight(raw):
    # A wall that the camera sees at an angle, and every joint on it.
    uv, side = raw["uv_px"].numpy(), SIZE
    camera = np.tile(
        np.array([[80.0, 0, -40.0], [0, 80.0, 90.0], [0, 0, 1]], np.float32), (8, 1, 1)
    )
    wall_mm = 500.0
    xyz = cam_from_px(uv, np.full(uv.shape[:2], wall_mm, np.float32), camera)
    wall = np.full((8, side, side), wall_mm, np.uint16)
    batch, _ = moved_batch(
        {
            **raw, "xyz_mm": tf.constant(xyz), "intrinsics": tf.constant(camera),
            "depth_mm": tf.constant(wall),
        },
        geometry=dataclasses.replace(GEOMETRY, depth_along="line_of_sight"),
    )  # fmt: skip
    found = {name: value.numpy() for name, value in batch.items()}
    assert np.abs(found["z_relative"]).max() > 0.5  # along the optical axis all are 0
    back = xyz_from_uv_z(
        found["uv_px"], found["z_relative"], found["intrinsics"],
        root_depth_mm=found["root_depth_mm"], scale_mm=found["scale_mm"],
        depth_along="line_of_sight",
    )  # fmt: skip
    np.testing.assert_allclose(back, found["xyz_mm"], atol=0.05)
    joint_depth = normalised_joint_depth(found["z_relative"], half_width_scales=5.0)
    checked = 0
    for n, joint in itertools.product(range(8), range(21)):
        column, row = (found["uv_px"][n, joint] + 0.5) * CELLS / SIZE - 0.5
        if not (1 < column < CELLS - 2 and 1 < row < CELLS - 2):
            continue
        c, r = int(column), int(row)
        cells = found["depth_map"][n, r : r + 2, c : c + 2, 0]
        across = np.array([1 - (column - c), column - c])
        down = np.array([1 - (row - r), row - r])
        np.testing.assert_allclose(down @ cells @ across, joint_depth[n, joint], atol=2e-3)
        checked += 1
    assert checked > 60


def test_convention_depth_cell_centres():
    """Cell i samples pixel (i + 0.5) s - 0.5; between two pixels the nearest decides."""
    columns = np.broadcast_to(np.arange(SIZE, dtype=np.float32), (1, SIZE, SIZE))
    eye = tf.eye(3, batch_shape=[1])
    for cells in (64, 32, 16, 128):
        maps = tf.constant(columns[..., None])
        out = augment.warp_map(maps, eye, output_px=cells)[0, 0, :, 0].numpy()
        centres = (np.arange(cells) + 0.5) * SIZE / cells - 0.5
        assert np.abs(out - np.clip(centres, 0, SIZE - 1)).max() <= 0.5 + 1e-5
        image = tf.repeat(tf.cast(maps, tf.uint8), 3, axis=-1)
        smooth = augment.warp(image, eye, output_px=cells)[0, 0, :, 0].numpy()
        np.testing.assert_allclose(smooth, np.clip(centres, 0, SIZE - 1), atol=1e-4)


@pytest.mark.parametrize("output_px", [SIZE, 48])
def test_pictures_are_warped_as_tensorflow_warps_them(raw, output_px):
    parameters = dataclasses.replace(GEOMETRIC, rotation_deg=180.0, scale=0.4, shift=0.2)
    affine, _ = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=KEY)
    moved = augment.warp(raw["image"], affine, output_px=output_px)
    inverse = tf.linalg.inv(affine) @ augment.resized(SIZE / output_px)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(raw["image"], tf.float32),
        transforms=tf.reshape(inverse, (-1, 9))[:, :8],
        output_shape=(output_px, output_px),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    np.testing.assert_allclose(moved, expected, atol=0.02)


def test_outside_the_picture_depth_has_no_weight(raw):
    shift = tf.constant([[[1.0, 0.0, 20.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]] * 8)
    eye = tf.eye(3, batch_shape=[8])
    source = DomainSource("source", [], None, ALL)
    batch = make_batch(
        raw, source, GEOMETRY, parameters=GEOMETRIC, affine=shift, rotation=eye, key=KEY
    )
    assert not batch["depth_weight"].numpy()[:, :, :9].any()
    assert batch["depth_weight"].numpy()[:, :, 11:].all()
    # The picture is mirrored there instead: no black border to learn from.
    assert (batch["image"].numpy()[:, :, :18].mean(axis=(1, 2, 3)) > 1).all()


def test_joints_outside_the_image_have_no_weight(raw):
    shift = tf.constant([[[1.0, 0.0, 30.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]] * 8)
    source = DomainSource("source", [], None, ALL)
    eye = tf.eye(3, batch_shape=[8])
    batch = make_batch(
        raw, source, GEOMETRY, parameters=GEOMETRIC, affine=shift, rotation=eye, key=KEY
    )
    uv = batch["uv_px"].numpy()
    inside = ((uv >= -0.5) & (uv <= SIZE - 0.5)).all(axis=-1)
    np.testing.assert_array_equal(batch["uv_weight"], inside)
    assert 0 < inside.mean() < 1


def test_identity_augmentation_changes_nothing(raw):
    batch, affine = moved_batch(raw, IDENTITY)
    np.testing.assert_allclose(affine, np.tile(np.eye(3), (8, 1, 1)), atol=1e-6)
    for name in ("uv_px", "xyz_mm", "intrinsics"):
        np.testing.assert_allclose(batch[name], raw[name], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(batch["image"], tf.cast(raw["image"], tf.float32), atol=0.05)
    depth = raw["depth_mm"].numpy()[:, 1::2, 1::2]  # one of the four pixels of a cell
    expected, _ = normalise_depth(
        depth, raw["xyz_mm"].numpy()[:, 0, 2], batch["scale_mm"].numpy(), half_width_scales=5.0
    )
    np.testing.assert_allclose(batch["depth_map"][..., 0], expected, atol=1e-5)


def test_random_affine_stays_in_range():
    parameters = AugmentParameters(rotation_deg=30.0, scale=0.15, shift=0.06)
    affine, rotation = augment.random_affine(tf.zeros((500, 21, 2)), SIZE, parameters, seed=KEY)
    affine, rotation = affine.numpy(), rotation.numpy()
    zoom = np.sqrt(np.linalg.det(affine[:, :2, :2]))
    assert 0.85 - 1e-4 <= zoom.min() < 0.88
    assert 1.12 < zoom.max() <= 1.15 + 1e-4
    angle = np.rad2deg(np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    assert 28 < np.abs(angle).max() <= 30 + 1e-3
    centre = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 1.0])
    moved = affine @ centre - centre
    assert 0.05 * SIZE < np.abs(moved).max() <= 0.06 * SIZE + 1e-3


def test_upright_hands_are_shown_as_the_second_look_of_the_runtime_shows_them(raw):
    parameters = dataclasses.replace(augment.NO_CHANGE, upright=1.0)
    affine, _ = augment.random_affine(raw["uv_px"], SIZE, parameters, seed=KEY)
    for uv, matrix in zip(raw["uv_px"].numpy().astype(float), affine.numpy(), strict=True):
        centre, side_px, angle = view_of_joints(uv, margin=HAND_MARGIN)
        expected = crop_from_image(centre, side_px, SIZE, angle_rad=angle)
        if side_px / HAND_MARGIN > augment.SMALLEST_BOX * SIZE:
            np.testing.assert_allclose(
                apply_affine(uv, matrix), apply_affine(uv, expected), atol=2e-3
            )


def test_a_share_of_hands_is_upright():
    uv = tf.random.stateless_uniform((400, 21, 2), KEY, 10.0, SIZE - 10.0)
    parameters = dataclasses.replace(
        augment.NO_CHANGE, rotation_deg=180.0, upright=0.75, upright_deg=20.0
    )
    affine, _ = augment.random_affine(uv, SIZE, parameters, seed=KEY)
    moved = apply_affine(uv, affine).numpy()
    up = moved[:, 9] - moved[:, 0]
    angle = np.abs(np.rad2deg(np.arctan2(up[:, 0], -up[:, 1])))
    # A quarter is turned at random, 20 of 180 degrees of which are upright too.
    assert (angle < 20.01).mean() == pytest.approx(0.75 + 0.25 / 9, abs=0.06)
    assert angle.max() > 120.0


def test_mirrored_hands_are_left_ones_and_count_a_quarter_for_joints(raw):
    parameters = dataclasses.replace(GEOMETRIC, mirrored=0.5)
    plain, _ = moved_batch(raw)
    batch, affine = moved_batch(raw, parameters)
    left = np.linalg.det(affine[:, :2, :2]) < 0
    assert 0 < left.sum() < len(left)
    np.testing.assert_array_equal(batch["is_right"], np.where(left, 0.0, 1.0))
    np.testing.assert_array_equal(batch["is_hand"], 1.0)
    # What was drawn without mirroring, and then turned over.
    u, v = np.moveaxis(plain["uv_px"].numpy(), -1, 0)
    expected = np.stack([np.where(left[:, None], SIZE - 1 - u, u), v], axis=-1)
    np.testing.assert_allclose(batch["uv_px"], expected, atol=1e-3)
    image = np.where(left[:, None, None, None], plain["image"][:, :, ::-1], plain["image"])
    assert np.abs(image - batch["image"]).mean() < 0.1
    np.testing.assert_allclose(
        px_from_cam(batch["xyz_mm"], batch["intrinsics"]), batch["uv_px"], atol=2e-3
    )
    np.testing.assert_allclose(batch["z_relative"], plain["z_relative"], atol=1e-5)
    share = np.where(left, 0.25, 1.0)
    np.testing.assert_array_equal(batch["z_weight"], share)
    np.testing.assert_array_equal(batch["uv_weight"], plain["uv_weight"] * share[:, None])


def test_squares_without_a_hand_have_no_label_and_no_neighbours_hand(raw):
    is_hand = np.array([1, 0] * 4, np.float32)
    empty = {**raw, "is_hand": tf.constant(is_hand)}
    parameters = dataclasses.replace(IDENTITY, cover=1.0)
    batch, _ = moved_batch(empty, parameters)
    np.testing.assert_array_equal(batch["is_hand"], is_hand)
    np.testing.assert_array_equal(batch["z_weight"], is_hand)
    changed = np.abs(batch["image"] - raw["image"].numpy()).max(axis=(1, 2, 3)) > 1
    np.testing.assert_array_equal(changed, is_hand > 0)


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


# --------------------------------------------------------------------------- order


def test_eager_and_graph_agree(raw):
    eager, _ = moved_batch(raw, AugmentParameters())
    in_graph = tf.function(lambda sample: moved_batch(sample, AugmentParameters())[0])(raw)
    for name in eager:
        np.testing.assert_allclose(eager[name], in_graph[name], rtol=1e-4, atol=1e-3, err_msg=name)


def test_same_seed_same_batches_whatever_the_global_seed(batches_of):
    tf.random.set_seed(1)
    once = first(batches_of(WEAK), 3)
    tf.random.set_seed(2)
    again = first(batches_of(WEAK), 3)
    for a, b in zip(once, again, strict=True):
        assert_batches_equal(a, b)
    other = first(batches_of(WEAK, seed=1))
    assert np.abs(other["uv_px"] - once[0]["uv_px"]).max() > 1


@pytest.mark.parametrize("step", [1, 4, 13])
def test_resuming_at_a_step_gives_the_batch_of_that_step(batches_of, step):
    # 40 samples, 4 of each domain a batch: step 13 lies in the second pass.
    unbroken = first(batches_of(WEAK), step + 2)
    resumed = first(batches_of(WEAK, first_step=step), 2)
    for a, b in zip(unbroken[step:], resumed, strict=True):
        assert_batches_equal(a, b)


def test_each_pass_holds_every_record_in_another_order(sample_cache):
    files = sample_cache.files["source"]
    stored = [r.numpy() for r in tf.data.TFRecordDataset(files)]
    stream = [r.numpy() for r in endless_records(files, seed=[0, 0]).take(3 * len(stored))]
    passes = [stream[i : i + len(stored)] for i in range(0, len(stream), len(stored))]
    for one in passes:
        assert sorted(one) == sorted(stored)
        assert one != stored
    assert passes[0] != passes[1] != passes[2]
    other = [r.numpy() for r in endless_records(files, seed=[0, 1]).take(len(stored))]
    assert other != passes[0]


@pytest.mark.parametrize("skip", [0, 7, 40, 95])
def test_records_are_left_out_without_reading_whole_passes(sample_cache, skip):
    files = sample_cache.files["source"]
    plain = endless_records(files, seed=[3, 0]).skip(skip).take(50)
    known = endless_records(files, seed=[3, 0], skip=skip, samples=sample_cache.samples).take(50)
    assert [r.numpy() for r in known] == [r.numpy() for r in plain]


@pytest.mark.slow
def test_readers_share_files_and_rows(source_of, sample_cache):
    """Every file is one reader's, and the parts joined are what one process reads."""
    sources = [source_of("source"), source_of("target")]
    files = set(sources[0].records)
    parts = [set(sources[0].part(number, 2).records) for number in range(2)]
    assert parts[0] | parts[1] == files
    assert not parts[0] & parts[1]
    options = {
        "shares": (4, 4), "geometry": GEOMETRY, "parameters": AugmentParameters(), "seed": 3,
        "readers": 2,
    }  # fmt: skip
    joined = first(training_batches(sources, **options), 3)
    read = [first(training_batches(sources, **options, reader=number), 3) for number in range(2)]
    for step, batch in enumerate(joined):
        together = {k: np.concatenate([r[step][k] for r in read]) for k in batch}
        assert_batches_equal(batch, together)
    resumed = first(training_batches(sources, **options, first_step=2), 1)
    assert_batches_equal(resumed, joined[2])
    with pytest.raises(ValueError, match="readers=3 for 4 samples"):
        training_batches(sources, **{**options, "readers": 3})


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_readers_share_all_rows_of_a_table(readers):
    """Each reader's part of 7 rows; in one pass every row is read once."""
    table = DomainSource("source", range(7), parse=lambda row: row, labels=ALL)
    passes = []
    for number in range(readers):
        part = table.part(number, readers)
        stream = endless_records(part.records, seed=[0, 0, number]).take(2 * part.samples)
        rows = [int(row) for row in stream]
        passes += rows[: part.samples]
        assert sorted(rows[part.samples :]) == sorted(rows[: part.samples])
    assert sorted(passes) == list(range(7))


def test_readers_have_orders_of_their_own():
    orders = [[int(row) for row in endless_records(range(50), seed=[0, 0, reader]).take(50)]
              for reader in range(2)]  # fmt: skip
    assert orders[0] != orders[1]


def test_no_two_things_are_drawn_with_one_seed(source_of, raw, monkeypatch):
    """All that a batch draws, of both domains in two steps and of another run."""
    seeds = []

    def noted(shape, seed, *arguments, **options):
        seeds.append(tuple(np.asarray(seed).tolist()))
        return drawn(shape, seed, *arguments, **options)

    drawn = tf.random.stateless_uniform
    monkeypatch.setattr(tf.random, "stateless_uniform", noted)
    everything = AugmentParameters(
        upright=0.5, mirrored=0.5, colour_cast=0.2, cover=0.5, faded=0.5, blur_px=2.0
    )
    times = 0
    for seed, domain, step in itertools.product((1, 2), ("source", "target"), (0, 1)):
        prepare = _augmenting(source_of(domain), GEOMETRY, everything, seed=seed, relief=True)
        prepare(tf.constant(step, tf.int64), raw)
        times += 1
    # Affine map, upright, mirrored, relief, blur, brightness, faded, noise, cast, cover.
    assert len(seeds) == 10 * times
    assert len(set(seeds)) == len(seeds)


def test_augmentation_differs_from_pass_to_pass(batches_of):
    batches = first(batches_of({"source": ALL}), 20)
    seen = {}
    for batch in batches:
        for uv, root in zip(batch["uv_px"], batch["root_depth_mm"], strict=True):
            seen.setdefault(float(root), []).append(uv)
    repeated = [views for views in seen.values() if len(views) > 1]
    assert len(repeated) > 10
    assert all(np.abs(a - b).max() > 0.1 for a, b, *_ in repeated)


def test_evaluation_is_one_plain_pass_in_order(source_of, sample_cache):
    source = source_of("target", ALL)
    dataset = evaluation_batches(source, batch_size=16, geometry=GEOMETRY, samples=40)
    assert int(dataset.cardinality()) == 3
    batches = list(dataset)
    assert [len(b["domain"]) for b in batches] == [16, 16, 8]
    assert {int(n) for b in batches for n in b["domain"]} == {DOMAIN_NUMBERS["target"]}
    records = tf.data.TFRecordDataset(list(source.records)).map(source.parse)
    for name in ("uv_px", "image"):
        stored = np.stack([sample[name] for sample in records])
        given = np.concatenate([batch[name] for batch in batches])
        np.testing.assert_allclose(given, stored, atol=1e-4)


def test_relief_moves_joints_and_depth_together():
    """A joint on the surface stays on it, the wrist and the background stay where they are."""
    side = 16
    surface = np.full((2, side, side, 1), 0.6, np.float32)
    surface[:, :, 8:] = 0.0
    joints = np.zeros((2, 21, 3), np.float32)
    joints[:, 0] = [0.25 + 0.5 / side, 0.5 + 0.5 / side, 0.5]
    cell = (3, 12)  # column, row
    joints[:, 5] = [(cell[0] + 0.5) / side, (cell[1] + 0.5) / side, 0.6]
    parameters = augment.AugmentParameters(depth_stretch=0.6, depth_tilt=0.5)
    moved, changed = augment.change_relief(
        tf.constant(joints), tf.constant(surface), parameters, seed=tf.constant([1, 2])
    )
    moved, changed = moved.numpy(), changed.numpy()
    np.testing.assert_allclose(moved[:, 0], joints[:, 0], rtol=1e-6)
    np.testing.assert_allclose(moved[:, 5, 2], changed[:, cell[1], cell[0], 0], rtol=1e-5)
    assert np.abs(moved[:, 5, 2] - 0.6).min() > 1e-3
    assert (changed[:, :, 8:] == 0.0).all()
