"""Turned pictures: what is trained on is what is labelled and checked, whatever EXIF says."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from dataset_writers import write_freihand, write_rgbd, write_rhd, write_stb
from PIL import Image

from kerashand import picture_files
from kerashand.cli.data import main
from kerashand.data import shards, tables
from kerashand.data.cache import ensure_splits
from kerashand.data.kinds import freihand, photos, rgbd, rhd, stb
from kerashand.data.kinds.kind import Request
from kerashand.data.readers import cached
from kerashand.data.readers.checks import find_problems
from kerashand.data.readers.decode import damaged_pictures, row_parser
from kerashand.data.tables import ConvertedSplit
from kerashand.errors import UserError
from kerashand.orientation import upright_from_stored

SIZE, MARGIN = 64, 1.6
READ = {
    "rhd": lambda root: rhd.read(root, "test"),
    "stb": lambda root: stb.read(root, "test", camera="sk"),
    "freihand": lambda root: freihand.read(root, "test"),
    "rgbd": lambda root: rgbd.read(root, "train"),
}
COLOUR = {
    "rhd": "evaluation/color/*", "stb": "images/B1*/SK_color_*", "freihand": "evaluation/rgb/*",
    "rgbd": "colour/*",
}  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("originals"), np.random.default_rng(3)
    write_rhd(root / "rhd", rng, train=1, test=3)
    write_stb(root / "stb", rng, frames=1)
    write_freihand(root / "freihand", rng, train=1, test=3, backgrounds=1)
    write_rgbd(root / "rgbd", rng, frames=4, registered=True)
    return root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "cache"))
    tables._read.cache_clear()


def store_turned(path, orientation):
    """The same picture, stored lying with a word in EXIF, as phones store it."""
    upright = np.asarray(Image.open(path).convert("RGB"))
    stored = np.empty(upright.shape if orientation < 5 else upright.swapaxes(0, 1).shape, np.uint8)
    turn = upright_from_stored(orientation, stored.shape[1::-1])
    rows, columns = np.indices(stored.shape[:2])
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ turn.T
    stored[:] = upright[places[..., 1].astype(int), places[..., 0].astype(int)]
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(stored).save(path, exif=exif, **quality)


def turned(originals, kind, root, orientation):
    shutil.copytree(originals / kind, root)
    for path in sorted(root.glob(COLOUR[kind])):
        store_turned(path, orientation)
    return READ[kind](root)


def samples_of(table):
    parse = row_parser(table, size_px=SIZE, margin=MARGIN)
    return [*tf.data.Dataset.range(len(table)).map(parse).as_numpy_iterator()]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", READ)
def test_training_sees_turned_pictures_upright(kind, orientation, originals, tmp_path):
    """Against the data set as it was; JPEG files are compressed twice."""
    expected = samples_of(READ[kind](originals / kind))
    table = turned(originals, kind, tmp_path / "copy", orientation)
    assert not find_problems(table)
    assert not damaged_pictures(table)
    found = samples_of(table)
    assert len(found) == len(expected)
    for sample, wanted in zip(found, expected, strict=True):
        for name in wanted.keys() - {"image"}:
            np.testing.assert_array_equal(sample[name], wanted[name], err_msg=name)
        off = np.abs(sample["image"].astype(int) - wanted["image"])
        assert off.max() <= (60 if kind == "freihand" else 1)
        assert off.mean() < 1.0


@pytest.mark.parametrize("orientation", [2, 6, 8])
def test_tensorflow_and_the_decoder_agree(orientation, originals, tmp_path):
    """The same file by both: turned JPEG files of phones, and what is checked and labelled."""
    table = turned(originals, "freihand", tmp_path / "copy", orientation)
    found = samples_of(table)
    for path in map(Path, table.images):
        Image.fromarray(picture_files.read(path)).save(path.with_suffix(".png"))
        path.with_suffix(".png").rename(path)  # what kind it is stands in the file
    for sample, wanted in zip(found, samples_of(READ["freihand"](tmp_path / "copy")), strict=True):
        assert np.abs(sample["image"].astype(int) - wanted["image"]).max() <= 1


def odd_pictures(upright):
    """One picture as files of many kinds; what they have in common is their size."""
    alpha = np.dstack([upright, np.linspace(0, 255, upright[..., 0].size).reshape(
        upright.shape[:2]).astype(np.uint8)])  # fmt: skip
    grey16 = upright[..., 0].astype(np.uint16) * 257
    palette = Image.fromarray(upright).quantize(64)
    return {
        "alpha": (Image.fromarray(alpha), {}),
        "grey": (Image.fromarray(upright[..., 0]), {}),
        "grey with alpha": (Image.fromarray(alpha).convert("LA"), {}),
        "16-bit grey": (Image.fromarray(grey16), {}),
        "palette": (palette, {}),
        "palette with a transparent colour": (palette, {"transparency": 3}),
        "CMYK": (Image.fromarray(upright).convert("CMYK"), {"format": "JPEG"}),
        "progressive": (Image.fromarray(upright), {"format": "JPEG", "progressive": True}),
    }


@pytest.mark.parametrize("orientation", [1, 6])
def test_both_decoders_agree_on_odd_files(orientation, originals, tmp_path):
    shutil.copytree(originals / "rhd", tmp_path / "copy")
    path = tmp_path / "copy/evaluation/color/00000.png"
    upright = np.asarray(Image.open(path))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, (picture, options) in odd_pictures(upright).items():
        picture.save(path, exif=exif, **{"format": "PNG", **options})
        table = READ["rhd"](tmp_path / "copy").select([0])
        assert not find_problems(table), name
        (found,) = samples_of(table)
        Image.fromarray(picture_files.read(path)).save(path)
        (wanted,) = samples_of(READ["rhd"](tmp_path / "copy").select([0]))
        assert np.abs(found["image"].astype(int) - wanted["image"]).max() <= 1, name


def test_shards_hold_turned_pictures_upright(originals, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_SAMPLES", 2)
    split = {}
    for name, orientation in (("plain", 1), ("turned", 6)):
        table = turned(originals, "rhd", tmp_path / name, orientation)
        split[name] = ConvertedSplit(table, SIZE, MARGIN, "rhd-test", 1)
    assert split["plain"].folder.startswith("cut-v2/")
    records = {}
    for name, one in split.items():
        paths = [str(path) for path in ensure_splits([one])[one]]
        records[name] = [cached.parse(r, size_px=SIZE) for r in tf.data.TFRecordDataset(paths)]
    assert len(records["turned"]) == 3
    for found, wanted in zip(records["turned"], records["plain"], strict=True):
        np.testing.assert_array_equal(found["uv_px"], wanted["uv_px"])
        np.testing.assert_array_equal(found["depth_mm"], wanted["depth_mm"])
        off = np.abs(tf.cast(found["image"], tf.int32) - tf.cast(wanted["image"], tf.int32))
        assert off.max() <= 8  # compressed
        assert off.mean() < 0.5


def test_sizes_are_those_of_upright_pictures(originals, tmp_path, capsys):
    """A camera file for lying pictures: 640 x 480, which stand upright as 480 x 640."""
    root = tmp_path / "recording"
    shutil.copytree(originals / "rgbd", root)
    for path in sorted((root / "colour").iterdir()):
        picture = Image.open(path).copy()
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(path, exif=exif)
    assert main(["check", str(root)]) == 2
    out = capsys.readouterr().out
    assert (
        "0000.png: is 480 x 640 pixels, not 640 x 480 (it is stored as 640 x 480 and turned by its "
        "EXIF orientation 6; sizes, cameras and points are those of the upright picture)"
    ) in out


def test_depth_is_not_turned(originals, tmp_path):
    root = tmp_path / "recording"
    shutil.copytree(originals / "rgbd", root)
    before = samples_of(READ["rgbd"](root))
    for path in sorted((root / "depth").iterdir()):
        picture = Image.open(path).copy()
        exif = Image.Exif()
        exif[0x0112] = 3
        picture.save(path, exif=exif)
    table = READ["rgbd"](root)
    assert not find_problems(table)
    for found, wanted in zip(samples_of(table), before, strict=True):
        np.testing.assert_array_equal(found["depth_mm"], wanted["depth_mm"])


def test_frames_that_were_held_otherwise(originals, tmp_path):
    root = tmp_path / "recording"
    shutil.copytree(originals / "rgbd", root)
    store_turned(root / "colour" / "0001.png", 3)
    ((row, text),) = find_problems(READ["rgbd"](root))
    assert row == 1
    assert "0001.png: has EXIF orientation 3 and most pictures have 1, but depth is not" in text


def test_a_picture_that_changes_its_size_is_not_read(originals, tmp_path):
    table = turned(originals, "rhd", tmp_path / "copy", 6)
    assert table.heads[0].orientation == 6
    Image.new("RGB", (100, 200)).save(table.images[1])
    assert damaged_pictures(table) == [table.images[1]]
    with pytest.raises(tf.errors.InvalidArgumentError):
        samples_of(table)


def test_heads_are_read_once(originals, monkeypatch):
    table = READ["rhd"](originals / "rhd")
    assert not find_problems(table)
    monkeypatch.setattr(picture_files, "read_head", None)
    for part in (table.select([2, 0]), table.spread(2), *table.held_out(1)):
        assert [head.size_px for head in part.heads] == [(320, 320)] * len(part)


def test_a_photograph_is_labelled_and_cut_upright(originals, tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    table = READ["rhd"](originals / "rhd").select([0])
    encoded = []
    for orientation in (1, 6):
        shutil.copy(table.images[0], root / "a.png")
        store_turned(root / "a.png", orientation)
        np.savez(
            root / photos.LABELS_FILE, name=np.array(["a.png"]), uv_px=table.uv_px,
            uv_weight=table.uv_weight, is_right=table.is_right, split=np.array(["train"]),
        )  # fmt: skip
        data = {"target": {"path": str(root)}, "stored_size_px": SIZE}
        encoded += photos.KIND.open(Request(data, "target", "train", 1)).encode(0, 1)
    assert encoded[0] == encoded[1]
    (root / "a.png").unlink()
    with pytest.raises(UserError, match=r"a\.png does not exist"):
        next(photos.boxed_pictures(str(root), "train"))
