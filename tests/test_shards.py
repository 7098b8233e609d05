"""Data sets on disk cut into shards: the same hands, written once, resumed, never stale."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from damage import edit_pickle, set_row
from dataset_writers import write_freihand, write_rgbd, write_rhd, write_stb
from published_runs import SMALL

from kerashand.cli.data import main
from kerashand.config import load_config
from kerashand.config.schema import DataConfig, DomainConfig
from kerashand.data import cache, shards, splits, tables
from kerashand.data.cache import ensure_splits
from kerashand.data.readers import cached
from kerashand.data.readers.decode import row_parser
from kerashand.errors import UserError
from kerashand.training.run import run

ANNO = "training/anno_training.pickle"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("originals"), np.random.default_rng(11)
    write_rhd(root / "rhd", rng, train=10, test=3)
    write_stb(root / "stb", rng, frames=1)
    write_freihand(root / "freihand", rng, train=4, test=2)
    write_rgbd(root / "rgbd", rng, frames=10)
    return root


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shards, "SHARD_SAMPLES", 3)
    tables._read.cache_clear()


@pytest.fixture
def rhd(originals, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(originals / "rhd", tmp_path / "rhd")
    return tmp_path / "rhd"


def opened(kind, path, split="train", *, shards=True, **changes):
    tables._read.cache_clear()  # of what the folder held before
    source = DomainConfig(kind=kind, path=str(path), train=None, val=1, test=None, **changes)
    data = DataConfig(source=source, image_size_px=64, stored_size_px=96, zoom=1.3, shards=shards)
    return splits.open_split(splits.counted(data), "source", split)


def written(split):
    return ensure_splits([split])[split]


def arrays(samples):
    return [{name: value.numpy() for name, value in sample.items()} for sample in samples]


@pytest.mark.parametrize("kind", ["rhd", "stb-sk", "stb-bb", "freihand", "rgbd"])
@pytest.mark.parametrize("name", ["train", "test"])
def test_shards_hold_what_is_read_from_pictures(kind, name, originals):
    split = opened(kind, originals / kind.split("-")[0], name)
    has_depth = "depth" in split.table.labels
    read = row_parser(split.table, size_px=96, margin=split.margin)
    from_pictures = arrays(map(read, tf.range(split.samples)))
    records = tf.data.TFRecordDataset([str(path) for path in written(split)])
    from_shards = arrays(cached.parse(r, size_px=96, with_depth=has_depth) for r in records)
    assert len(from_shards) == len(from_pictures) == len(split.table)
    for kept, plain in zip(from_shards, from_pictures, strict=True):
        assert kept.keys() == plain.keys()
        for label in ("uv_px", "uv_weight", "xyz_mm", "points_mm", "intrinsics"):
            np.testing.assert_array_equal(kept[label], plain[label], err_msg=label)
        assert np.abs(kept["image"].astype(float) - plain["image"]).mean() < 1.5
        if has_depth:
            assert kept["depth_mm"].dtype == np.uint16
            np.testing.assert_array_equal(kept["depth_mm"], np.rint(plain["depth_mm"]))
    lazy = opened(kind, originals / kind.split("-")[0], name, shards=False)
    assert sorted(lazy.table.images) == sorted(split.table.images)
    if name == "test":
        assert lazy.table.images == split.table.images


def test_hands_of_training_are_mixed_and_stay_so_when_one_is_taken_out(rhd):
    before = opened("rhd", rhd).table.images
    assert before != tuple(sorted(before))
    (rhd / "training/color/00004.png").unlink()
    after = opened("rhd", rhd, max_bad_share=0.2).table.images
    assert after == tuple(path for path in before if not path.endswith("00004.png"))


def test_only_a_missing_shard_is_written(originals, monkeypatch):
    split = opened("rhd", originals / "rhd")
    paths = written(split)
    assert len(paths) == 3  # 9 hands
    before = paths[1].read_bytes()
    paths[1].unlink()
    seen, write = [], cache.write_shard
    monkeypatch.setattr(
        cache, "write_shard", lambda path, samples: seen.append(path) or write(path, samples)
    )
    assert written(opened("rhd", originals / "rhd")) == paths
    assert seen == [paths[1]]
    assert paths[1].read_bytes() == before
    assert written(opened("rhd", originals / "rhd")) == paths
    assert len(seen) == 1


def changed_label(root):
    edit_pickle(root / ANNO, set_row(4, "uv_vis", lambda uv: uv + np.float32([0.5, 0.0, 0.0])))


def changed_picture(root):
    path = root / "training/color/00004.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))


def touched_depth(root):
    os.utime(root / "training/depth/00004.png", ns=(1, 1))


@pytest.mark.parametrize("change", [changed_label, changed_picture, touched_depth])
def test_a_change_makes_its_shard_anew_and_no_other(change, rhd):
    before = written(opened("rhd", rhd))
    change(rhd)
    split = opened("rhd", rhd)
    after = written(split)
    place = next(k for k, p in enumerate(split.table.images) if p.endswith("00004.png")) // 3
    assert [a != b for a, b in zip(after, before, strict=True)] == [k == place for k in range(3)]
    assert after[place].name[:12] == before[place].name[:12]


def test_other_sizes_margins_and_formulas_are_other_shards(originals):
    base = opened("stb-sk", originals / "stb")
    names = [base.folder + base.file_name(0, 3)]
    for change in ({"size_px": 64}, {"margin": 2.0}, {"name": "stb-sk-val"}):
        other = dataclasses.replace(base, **change)
        names.append(other.folder + other.file_name(0, 3))
    bihand = opened("stb-sk", originals / "stb", wrist_from_palm="bihand")
    assert "wrist from palm as bihand" in bihand.table.conditions
    names.append(bihand.folder + bihand.file_name(0, 3))
    assert len(set(names)) == len(names)


def damage_inside(path):
    """Head and end stay whole."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)


@pytest.mark.parametrize("folder", ["color", "depth"])
def test_a_damaged_picture_is_named_and_the_rest_goes_on(folder, rhd, originals):
    split = opened("rhd", rhd)
    broken = split.table.images[4].replace("color", folder)  # in the second shard
    shutil.copy2(broken, rhd / "whole.png")
    damage_inside(rhd / broken)
    with pytest.raises(UserError, match=rf"{re.escape(broken)} cannot be decoded: .* --skip-bad"):
        written(opened("rhd", rhd))
    root = shards.cache_root(None) / split.folder
    first = [path.name for path in root.iterdir()]
    assert [name[:7] for name in first] == ["0000000"]
    shutil.copy2(rhd / "whole.png", broken)
    assert written(opened("rhd", rhd))[0].name == first[0]


KILLED = """
import os, signal, sys
from kerashand.cli import data
from kerashand.data import cache, shards
shards.SHARD_SAMPLES = 3
write, seen = cache.write_shard, []

def dying(samples):
    yield next(samples)
    os.kill(os.getpid(), signal.SIGKILL)

def write_shard(path, samples):
    seen.append(path)
    write(path, dying(samples) if len(seen) == 3 else samples)

cache.write_shard = write_shard
data.main(sys.argv[1:])
"""


def command(root, *more):
    return [
        "shards", "--config", "paper/weak", "--set", f"data.source.path={root / 'rhd'}",
        f"data.target.path={root / 'stb'}", "data.source.val=2", "data.target.val=2",
        "data.stored_size_px=48", "data.workers=2", *more,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_command_goes_on(originals, tmp_path, capsys):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *command(originals)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    root = tmp_path / "cache"
    whole = [path for path in root.rglob("*.tfrecord") if ".part" not in path.name]
    kept = {path: path.stat().st_mtime_ns for path in whole}
    assert len(kept) == 2
    assert main(command(originals)) == 0
    # 10 and 3 hands of RHD, 10 and 2 of STB; 6 were there.
    assert "19 of 25 samples" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert main(command(originals)) == 0
    assert "all 25 samples were there already" in capsys.readouterr().out


def test_the_command_leaves_damaged_hands_out_when_told_to(rhd, originals, capsys, caplog):
    shutil.copytree(originals / "stb", rhd.parent / "stb")
    (rhd / "training/color/00004.png").write_bytes(b"")
    assert main(command(rhd.parent)) == 2
    assert "color/00004.png: is empty" in capsys.readouterr().err
    assert main([*command(rhd.parent), "--skip-bad", "0.2"]) == 0
    assert "24 of 24 samples" in capsys.readouterr().out
    assert "1 of 10 hands left out (10.00%)" in caplog.text


@pytest.mark.slow
def test_training_reads_shards(originals, tmp_path):
    config = load_config(
        "paper/weak",
        [
            *SMALL, "data.shards=true", "data.source.val=2", "data.target.val=2",
            f"data.source.path={originals / 'rhd'}", f"data.target.path={originals / 'stb'}",
            "stages.finetune.epochs=0",
        ],
    )  # fmt: skip
    results = run(config.with_run_dir(str(tmp_path / "run")))
    assert results["test"]["target"]["samples"] == 2
    assert np.isfinite(results["test"]["target"]["depth_map_l1"])
    assert "more pixels in the mask" in results["data"]["source"]
    assert "1.3 boxes" in results["data"]["target"]
    shards = sorted((tmp_path / "cache").rglob("rhd-train*/*.tfrecord"))
    assert len(shards) == 3  # 8 hands
    data = shards[1].read_bytes()
    shards[1].write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=rf"{shards[1].name} is damaged: it does not end with"):
        run(config.with_run_dir(str(tmp_path / "cut")))
    changed = bytearray(data)
    changed[len(data) // 2] ^= 255
    shards[1].write_bytes(changed)
    assert cached.damaged_shards([str(path) for path in shards]) == [str(shards[1])]
    with pytest.raises(UserError, match=rf"{shards[1].name} is damaged or gone \(1 such"):
        run(config.with_run_dir(str(tmp_path / "again")))
