"""Data sets in their published layouts: what is read back is what was rendered."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from dataset_writers import write_freihand, write_rgbd, write_rhd, write_stb

from kerashand.data.kinds import freihand, rgbd, rhd, stb
from kerashand.data.readers.checks import check_depth, find_problems
from kerashand.data.readers.decode import row_parser
from kerashand.errors import UserError
from kerashand.geometry.camera import px_from_cam

SIZE, MARGIN = 128, 1.6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """All data sets, and the views in them."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    writers = {"rhd": write_rhd, "stb": write_stb, "freihand": write_freihand, "rgbd": write_rgbd}
    return {name: (root / name, writer(root / name, rng)) for name, writer in writers.items()}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "cache"))


def samples_of(table, **arguments):
    parse = row_parser(table, size_px=SIZE, margin=MARGIN, **arguments)
    rows = tf.data.Dataset.range(len(table)).map(parse)
    return [{name: value.numpy() for name, value in sample.items()} for sample in rows]


def assert_pictures_agree(sample, view, *, depth=True, least_overlap=0.87, off_mm=1.0):
    """Picture and depth are what a camera with the crop's intrinsics would see of the hand."""
    rgb, depth_mm, mask = view.render(sample["intrinsics"], (SIZE, SIZE))
    shown = sample["image"].max(axis=-1) > 45
    assert overlap(shown, rgb.max(axis=-1) > 45) > least_overlap
    if depth:
        measured = sample["depth_mm"]
        near = (measured > 0) & (measured < 800.0)
        assert overlap(near, mask) > least_overlap
        both = near & mask
        assert np.median(np.abs(measured - depth_mm)[both]) < off_mm
        # Farther off than this are but rims of fingers.
        assert np.mean(np.abs(measured - depth_mm)[both] < 5.0) > 0.85


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def assert_hands(samples, views, **arguments):
    assert len(samples) == len(views)
    for sample, (view, handedness) in zip(samples, views, strict=True):
        view = view.right_handed(handedness)
        np.testing.assert_allclose(sample["xyz_mm"], view.joints, atol=0.05)
        projected = px_from_cam(sample["xyz_mm"].astype(np.float64), sample["intrinsics"])
        np.testing.assert_allclose(projected, sample["uv_px"], atol=0.05)
        assert np.ptp(sample["uv_px"], axis=0).max() == pytest.approx(SIZE / MARGIN, rel=1e-4)
        assert_pictures_agree(sample, view, **arguments)


def test_rhd(data):
    root, views = data["rhd"]
    for split, folder in (("train", "training"), ("test", "evaluation")):
        table = rhd.read(root, split)
        assert not find_problems(table)
        check_depth(table)
        assert table.is_right.tolist() == [handedness == "right" for _, handedness in views[folder]]
        assert_hands(samples_of(table), views[folder])


def test_stb_sk(data):
    """Labels in the depth camera's frame, depth pictures in its view; both come to the colour's."""
    root, views = data["stb"]
    table = stb.read(root, "test", camera="sk")
    expected = [(view, "left") for name in ("B1Counting", "B1Random") for view in views[name]]
    assert not find_problems(table)
    check_depth(table)
    assert_hands(samples_of(table), expected)
    assert len(stb.read(root, "train", camera="sk")) == 20


def test_stb_bb(data):
    root, views = data["stb"]
    table = stb.read(root, "test", camera="bb")
    assert not find_problems(table)
    assert table.labels == ("uv", "xyz")
    expected = []
    for name in ("B1Counting", "B1Random"):
        expected += [(view, "left") for view in views[name]]
        expected += [(view.moved(np.eye(3), (-120.054, 0, 0)), "left") for view in views[name]]
    assert_hands(samples_of(table), expected, depth=False)


def test_stb_bb_holds_out_both_eyes_of_a_moment(data):
    """Validation shows the last three moments by one eye each; training shows them by none."""
    root, _ = data["stb"]
    train, val = stb.read(root, "train", camera="bb").held_out(3)

    def moments(table):
        parts = [Path(image).parts for image in table.images]
        return [(sequence, name.rsplit("_", 1)[1]) for *_, sequence, name in parts]

    assert sorted(moments(val)) == [
        ("B6Counting", "1.png"), ("B6Random", "0.png"), ("B6Random", "1.png")
    ]  # fmt: skip
    assert len(train) == 2 * (20 - 3)
    assert not set(moments(train)) & set(moments(val))


def test_stb_constants_by_hand():
    """One point through all of SK: the depth camera's axis, half a metre away."""
    registration = stb.registration()
    in_colour = registration.rotation @ [0.0, 0.0, 500.0] + registration.translation_mm
    # R^T ((0, 0, 500) - t) with R ~ I + [w]x: (24.04 + 6.0, 0.46 + 2.7, 501.2).
    np.testing.assert_allclose(in_colour, [30.0, 3.1, 501.0], atol=0.4)
    pixel = px_from_cam(in_colour[None], stb.COLOUR_INTRINSICS)[0]
    np.testing.assert_allclose(pixel, [351.2, 240.2], atol=0.6)


@pytest.mark.parametrize(
    # Ring knuckle at x = 10: 10 + 2 (0 - 10). Mean knuckle at x = 5: 5 + 2.25 (0 - 5).
    ("formula", "wrist"),
    [("hand3d", [-10.0, 100.0, 0.0]), ("bihand", [-6.25, 112.5, 0.0])],
)
def test_wrist_from_palm_by_hand(formula, wrist):
    """Knuckles at y = 0, the palm 50 below at x = 0."""
    joints = np.zeros((1, 21, 3))
    joints[0, 0] = (0.0, 50.0, 0.0)
    joints[0, [5, 9, 13, 17], 0] = (-15.0, 20.0, 10.0, 5.0)
    np.testing.assert_allclose(stb.with_wrist(joints, formula)[0, 0], wrist)


def test_freihand(data):
    root, views = data["freihand"]
    train, test = (freihand.read(root, split) for split in ("train", "test"))
    assert not find_problems(train) + find_problems(test)
    right = [(view, "right") for view in views["training"]]
    assert_hands(samples_of(train), right + right, depth=False)  # two backgrounds
    assert_hands(samples_of(test), [(v, "right") for v in views["evaluation"]], depth=False)
    # No version of a held-out hand is trained on.
    rest, held_out = train.held_out(2)
    assert (len(rest), len(held_out)) == (6, 2)
    assert not set(rest.groups) & set(held_out.groups)


def test_the_depth_of_points_of_a_recording(tmp_path):
    """Points stand where the joints are, those of left hands mirrored; null is not known."""
    views = write_rgbd(tmp_path, np.random.default_rng(2), frames=5)
    path = tmp_path / "points.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, (view, _) in zip(lines, views, strict=True):
        line["z_mm"] = view.joints[:, 2].tolist()
    lines[1]["z_mm"][3] = None
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = rgbd.read(tmp_path, "train")
    assert not find_problems(table)
    assert [handedness for _, handedness in views[:2]] == ["right", "left"]
    for row, (sample, (view, handedness)) in enumerate(
        zip(samples_of(table), views[:4], strict=True)
    ):
        expected = view.right_handed(handedness).joints.copy()
        if row == 1:
            expected[3] = np.nan
        np.testing.assert_allclose(sample["points_mm"], expected, atol=0.05)
    lines[1]["z_mm"][3] = -5.0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match="line 2: `z_mm` must hold 21 positive numbers, or null"):
        rgbd.read(tmp_path, "train")


@pytest.mark.parametrize("registered", [False, True])
def test_rgbd(tmp_path, registered):
    views = write_rgbd(tmp_path, np.random.default_rng(2), frames=10, registered=registered)
    tables = {split: rgbd.read(tmp_path, split) for split in ("train", "test")}
    assert [len(tables[split]) for split in ("train", "test")] == [8, 2]
    table = tables["train"]
    assert not find_problems(table)
    assert table.labels == ("uv", "depth")
    for sample, (view, handedness) in zip(samples_of(table), views[:8], strict=True):
        # The depth of the wrist comes from the depth picture and the size of the hand.
        assert sample["xyz_mm"][0, 2] == pytest.approx(view.joints[0, 2], abs=15.0)
        bone = np.linalg.norm(sample["xyz_mm"][9] - sample["xyz_mm"][0])
        assert bone == pytest.approx(np.linalg.norm(view.joints[9] - view.joints[0]), rel=0.12)
        assert_pictures_agree(sample, view.right_handed(handedness), off_mm=1.5)
