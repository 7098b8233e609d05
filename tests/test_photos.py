import cv2
import numpy as np
import pytest

from kerashand.data import pictures
from kerashand.data.cache import ensure_splits
from kerashand.data.crops import cut_hand
from kerashand.data.kinds import photos
from kerashand.data.kinds.kind import Request
from kerashand.data.pipeline import BatchGeometry, DomainSource, evaluation_batches
from kerashand.data.readers import cached
from kerashand.errors import UserError
from kerashand.geometry.camera import apply_affine

SIZE = 64


def picture_with_points(rng, *, height=120, width=200):
    """A black picture with one bright pixel blob at each of 21 points."""
    uv = np.stack([rng.uniform(60, 140, 21), rng.uniform(30, 90, 21)], axis=1).round()
    picture = np.zeros((height, width, 3), np.uint8)
    for u, v in uv.astype(int):
        picture[v - 1 : v + 2, u - 1 : u + 2] = 255
    return picture, uv.astype(np.float32)


@pytest.fixture
def folder(tmp_path, rng):
    """Four hands: right and left, of two splits; the second point of each is not labelled."""
    names, points = [], []
    for number in range(4):
        picture, uv = picture_with_points(rng)
        names.append(f"p{number}.png")
        points.append(uv)
        cv2.imwrite(str(tmp_path / names[-1]), picture)
    weight = np.ones((4, 21), np.float32)
    weight[:, 1] = 0.0
    write(
        tmp_path, name=np.array(names), uv_px=np.array(points), uv_weight=weight,
        is_right=np.array([True, False, True, False]),
        split=np.array(["train", "train", "test", "test"]),
    )  # fmt: skip
    return tmp_path


def write(folder, **arrays):
    np.savez(folder / photos.LABELS_FILE, **arrays)


def changed(folder, **arrays):
    write(folder, **{**photos.load_labels(str(folder)), **arrays})


def opened(folder, split="train"):
    """Two hands of a split."""
    data = {"target": {"path": str(folder)}, "stored_size_px": SIZE}
    return photos.KIND.open(Request(data, "target", split, 2))


def batch_of(folder, root, split="train"):
    chosen = opened(folder, split)
    paths = ensure_splits([chosen], cache_dir=str(root), workers=1)[chosen]
    source = DomainSource(
        "target", [str(p) for p in paths], lambda r: cached.parse(r, size_px=SIZE), ("uv",)
    )
    geometry = BatchGeometry(SIZE, 32, "wrist_middle_mcp", 5.0, zoom=photos.MARGIN / 1.2)
    batches = evaluation_batches(source, batch_size=2, geometry=geometry, samples=2)
    return {name: value.numpy() for name, value in next(iter(batches)).items()}


def test_points_stay_on_their_pixels(folder, tmp_path_factory):
    batch = batch_of(folder, tmp_path_factory.mktemp("cache"))
    assert batch["image"].shape == (2, SIZE, SIZE, 3)
    for image, uv in zip(batch["image"], batch["uv_px"], strict=True):
        columns, rows = np.round(uv).astype(int).T
        inside = (columns >= 0) & (columns < SIZE) & (rows >= 0) & (rows < SIZE)
        assert inside.sum() >= 20
        assert image[rows[inside], columns[inside]].mean() > 120
        assert image.mean() < 60


def test_what_is_not_labelled_has_no_weight(folder, tmp_path_factory):
    batch = batch_of(folder, tmp_path_factory.mktemp("cache"))
    assert (batch["uv_weight"][:, 1] == 0).all()
    assert (np.delete(batch["uv_weight"], 1, axis=1) == 1).all()
    assert (batch["z_weight"] == 0).all()
    assert (batch["depth_weight"] == 0).all()
    assert all(np.isfinite(value).all() for value in batch.values())


def test_a_square_without_a_hand_is_a_row_of_weights_0(folder, tmp_path_factory):
    weight = photos.load_labels(str(folder))["uv_weight"].copy()
    weight[0] = 0.0
    changed(folder, uv_weight=weight)
    batch = batch_of(folder, tmp_path_factory.mktemp("cache"))
    assert batch["is_hand"].tolist() == [0.0, 1.0]
    assert (batch["uv_weight"][0] == 0).all()
    assert batch["uv_weight"][1].sum() == 20
    # The box of its points is the square: all of them lie inside, as those of a hand do.
    inside = (batch["uv_px"] >= 0) & (batch["uv_px"] <= SIZE - 1)
    assert inside[0].all()
    assert batch["image"][0].max() > 200


def test_a_single_weighted_point_is_no_hand(folder):
    weight = np.zeros((4, 21), np.float32)
    weight[1:3, 7] = 1.0
    changed_labels = {**photos.load_labels(str(folder)), "uv_weight": weight}
    write(folder, **changed_labels)
    with pytest.raises(UserError, match=r"2 hands have a single weighted point.* row 1, p1.png"):
        photos.load_labels(str(folder))


def test_points_outside_of_the_picture_are_an_error(folder):
    """Of a picture 200 pixels wide, or of another size."""
    uv = photos.load_labels(str(folder))["uv_px"]
    uv[1] += [200.0, 0.0]
    changed(folder, uv_px=uv)
    chosen = opened(folder)
    chosen.encode(0, 1)
    with pytest.raises(UserError, match=r"p1.png: no hand, its points lie outside .* \(row 1 of"):
        chosen.encode(1, 1)


@pytest.mark.parametrize(("inside", "outside"), [(0, True), (1, True), (2, False)])
def test_a_hand_has_two_points_in_its_picture(inside, outside):
    uv = np.full((21, 2), 300.0)
    uv[:inside] = np.array([[-0.5, 0.0], [99.5, 79.5]])[
        :inside
    ]  # the corners of the outermost pixels
    assert photos.is_outside(uv, np.ones(21), (100, 80)) == outside
    assert not photos.is_outside(uv, np.zeros(21), (100, 80))  # no hand, as it says


def test_left_hands_are_mirrored(folder):
    labels = photos.load_labels(str(folder))
    chosen = opened(folder)
    (right, left) = chosen.encode(0, 2)
    for row, sample in enumerate((right, left)):
        stored = np.frombuffer(sample["uv_px"], "<f4").reshape(21, 2)
        order = np.argsort(labels["uv_px"][row, 2:, 0])
        steps = np.diff(stored[2:, 0][order])
        assert (steps >= -1e-3).all() if row == 0 else (steps <= 1e-3).all()


def test_all_points_count_where_none_is_weighted(folder):
    labels = photos.load_labels(str(folder))
    picture = cv2.imread(str(folder / "p0.png"))
    crops = [
        cut_hand(picture, labels["uv_px"][0], weight, margin=1.7, size_px=SIZE)
        for weight in (np.zeros(21), np.ones(21))
    ]
    for without, of_all in zip(*crops, strict=True):
        np.testing.assert_array_equal(without, of_all)


def test_a_large_picture_is_averaged_not_skipped(rng):
    fine = rng.integers(0, 2, (1200, 1200, 1), np.uint8).repeat(3, axis=2) * 255
    uv = np.array([[100.0, 100.0], [900.0, 900.0]])
    crop, affine = cut_hand(fine, uv, np.ones(2), margin=1.7, size_px=SIZE)
    moved = apply_affine(uv, affine)
    assert crop.std() < 30  # pixel noise of 128 averages out over squares of 21 px
    centre = moved.mean(axis=0)
    np.testing.assert_allclose(centre, (SIZE - 1) / 2, atol=0.5)
    np.testing.assert_allclose(np.ptp(moved, axis=0), SIZE / 1.7, rtol=0.01)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"uv_px": np.zeros((4, 20, 2), np.float32)}, r"`uv_px` must be .* Received: .*20"),
        ({"is_right": np.zeros(4)}, "`is_right` must be of kind 'b'"),
        ({"uv_px": np.full((4, 21, 2), np.nan, np.float32)}, "4 hands have points"),
        ({"uv_weight": np.full((4, 21), 2.0, np.float32)}, "outside 0..1"),
        (
            {"uv_px": np.linspace(0, 1, 168, dtype=np.float32).reshape(4, 21, 2)},
            "4 hands have points that span less than 4 pixels",
        ),
        ({"split": np.array(["train", "test", "test", "test"])}, "holds 1 hands"),
        ({"name": np.array(["x.png"] * 4)}, "x.png does not exist"),
    ],
)
def test_bad_folders(folder, arrays, message):
    changed(folder, **arrays)
    with pytest.raises(UserError, match=message):
        opened(folder).encode(0, 2)


def without_a_hand(folder, row):
    """Make one row a square without a hand: points of weight 0, whose box is the square."""
    labels = photos.load_labels(str(folder))
    labels["uv_weight"][row] = 0.0
    labels["uv_px"][row] = np.array([[40.0, 20.0], [100.0, 80.0]])[np.arange(21) % 2]
    changed(folder, **labels)


def test_squares_without_a_hand_are_read(folder, tmp_path_factory):
    without_a_hand(folder, 0)
    batch = batch_of(folder, tmp_path_factory.mktemp("cache"))
    np.testing.assert_array_equal(batch["is_hand"], [0.0, 1.0])
    assert (batch["uv_weight"][0] == 0).all()
    assert all(np.isfinite(value).all() for value in batch.values())
    # The square is about the middle of the crop, 1.2 times the width of its box.
    low, high = batch["uv_px"][0].min(axis=0), batch["uv_px"][0].max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (SIZE - 1) / 2, atol=0.5)
    np.testing.assert_allclose(high - low, SIZE / 1.2, rtol=0.02)


def test_pictures_of_a_split_with_the_boxes_of_their_hands(folder):
    without_a_hand(folder, 0)
    first, second = photos.boxed_pictures(str(folder), "train")
    assert first.boxes.shape == (0, 4)
    uv = photos.load_labels(str(folder))["uv_px"][1]
    np.testing.assert_array_equal(second.boxes, [[*uv.min(axis=0), *uv.max(axis=0)]])
    np.testing.assert_array_equal(second.is_right, [False])
    assert second.rgb.shape == (120, 200, 3)
    assert second.sets == ()


def test_missing_and_damaged_label_files(tmp_path):
    with pytest.raises(UserError, match=r"labels\.npz does not exist"):
        photos.load_labels(str(tmp_path))
    (tmp_path / photos.LABELS_FILE).write_bytes(b"not a zip")
    with pytest.raises(UserError, match="cannot be read"):
        photos.load_labels(str(tmp_path))
    write(tmp_path, name=np.array(["a"]))
    with pytest.raises(UserError, match="lacks `uv_px`"):
        photos.load_labels(str(tmp_path))


def test_a_picture_is_placed_as_often_as_it_is_listed(folder, monkeypatch):
    """Rows with the same joints are one hand."""
    labels = photos.load_labels(str(folder))
    train = np.flatnonzero(labels["split"] == "train")
    first = train[np.argmin(labels["name"][train])]
    again = np.concatenate([np.arange(len(labels["name"])), [first, first]])
    labels = {key: values[again] for key, values in labels.items()}
    monkeypatch.setattr(pictures, "load_labels", lambda path: labels)
    placed = []
    monkeypatch.setattr(
        pictures.PhotographedPictures, "_compose",
        lambda self, name, hands, labels, rng: placed.append((name, len(hands))),
    )  # fmt: skip
    rows = int((labels["split"] == "train").sum())
    pictures.PhotographedPictures(str(folder), "train", 0, rows, "digest").encode(0, rows)
    name = labels["name"][first]
    assert len(placed) == rows
    assert [one for one in placed if one[0] == name][:3] == placed[:3]
    hands = {tuple(uv) for uv in labels["uv_px"][labels["name"] == name].reshape(-1, 42).tolist()}
    assert placed[0][1] == len(hands)


def test_splits_do_not_share_places_and_backgrounds(folder, monkeypatch):
    """Pictures of one number in two splits are drawn apart."""
    draws = []

    def background(rng, size_px, **_):
        draws.append(rng.random())
        return np.zeros((size_px, size_px, 3), np.float32)

    monkeypatch.setattr(pictures, "photograph_background", background)
    for split in ("train", "test"):
        pictures.PhotographedPictures(str(folder), split, 0, 4, "digest").encode(0, 4)
    assert len(set(draws)) == 8
