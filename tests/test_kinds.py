"""The registry of kinds of data, and the crops that all of them share."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from dataset_writers import write_freihand

from kerashand.config import ConfigError, load_config
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data import splits
from kerashand.data.crops import cut_depth, cut_hand
from kerashand.data.kinds import KINDS, ON_DISK, OPTIONS, freihand
from kerashand.data.kinds.kind import table_kind
from kerashand.data.readers.decode import row_parser
from kerashand.data.readers.table import HandTable
from kerashand.data.sample import LABELS
from kerashand.geometry.squares import square_around_points
from kerashand.runtime.crop import cut


def test_every_kind_is_declared_once():
    assert list(KINDS) == ["synthetic", "photos", "rhd", "stb-sk", "stb-bb", "freihand", "rgbd"]
    assert set(ON_DISK) == {*KINDS} - {"synthetic"}
    assert OPTIONS == ("style", "backgrounds", "wrist_from_palm")
    for name, kind in KINDS.items():
        assert kind.name == name
        assert set(kind.labels) <= set(LABELS)
        assert kind.read is None or kind.on_disk
        assert set(kind.options) <= {*DomainConfig()}


def test_kinds_are_declared_without_what_is_slow():
    code = (
        "import sys, kerashand.data.kinds; "
        "print({'tensorflow', 'keras', 'cv2', 'PIL', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_a_kind_that_is_registered_is_opened_and_counted(tmp_path, rng, monkeypatch):
    write_freihand(tmp_path, rng, train=5, test=3, backgrounds=1)
    mine = table_kind(
        "mine", what="hands", labels=("uv",), splits=("these", "those"), read=freihand.read
    )
    monkeypatch.setitem(KINDS, "mine", mine)
    source = DomainConfig(kind="mine", path=str(tmp_path), train=None, val=2, test=None)
    data = splits.counted(DataConfig(source=source))
    assert (data.source.train, data.source.val, data.source.test) == (3, 2, 3)
    assert splits.open_split(data, "source", "train", samples=2).samples == 2
    assert splits.all_cached_splits(data) == [
        splits.open_split(data, "target", split) for split in ("train", "val", "test")
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.target.kind=photo", "must be one of synthetic, photos, rhd.*mean `photos`"),
        ("data.target.path=/x", "path: must be null for kind synthetic, which makes its samples"),
        ("data.target.val=null", "val: is null, but kind synthetic needs a number"),
        ("data.target.kind=rhd", "path: is null, but kind rhd reads a folder"),
    ],
)
def test_what_a_kind_does_not_take(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("weak", [override])


def test_squares_of_several_hands():
    uv = np.array([[[10.0, 0.0], [30.0, 10.0], [500.0, 0.0]], [[1.0, 1.0], [2.0, 3.0], [1.0, 1.0]]])
    known = np.array([[1, 1, 0], [1, 1, 1]])
    centre, side = square_around_points(uv, known, margin=1.5)
    np.testing.assert_array_equal(centre, [[20.0, 5.0], [1.5, 2.0]])
    np.testing.assert_array_equal(side, [30.0, 6.0])  # the second's box counts as 4 px


def test_every_crop_is_mirrored_beyond_the_edge(tmp_path):
    """That of photographs and sheets, the runtime's, and the one inside tf.data."""
    size, height, width = 64, 80, 100
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([2 * columns, 3 * rows, columns + rows], axis=-1).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture[:, :, ::-1])
    uv = np.linspace([2.0, 1.0], [40.0, 39.0], 21)
    crop, affine = cut_hand(picture, uv, np.ones(21), margin=1.6, size_px=size)
    assert np.linalg.inv(affine)[0, 2] < -8  # the square begins outside
    table = HandTable(
        dataset="one", conditions="", images=(str(tmp_path / "a.png"),), size_px=(width, height),
        uv_px=uv[None], uv_weight=np.ones((1, 21)), xyz_mm=np.ones((1, 21, 3)),
        intrinsics=np.eye(3)[None], is_right=np.ones(1, bool),
    )  # fmt: skip
    parsed = row_parser(table, size_px=size, margin=1.6)(0)["image"].numpy()
    for other, most in ((cut(picture, affine, size), 1), (parsed, 3)):
        assert np.abs(crop.astype(int) - other).max() <= most
    depth = cut_depth(np.full((height, width), 500.0, np.float32), affine, size_px=size)
    assert set(np.unique(depth)) == {0.0, 500.0}
    assert depth[0, 0] == 0.0
    assert depth[-1, -1] == 500.0
