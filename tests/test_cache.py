import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerashand.data import cache, shards
from kerashand.data.cache import ensure_splits, write_shard
from kerashand.data.kinds.synthetic import RenderedSplit
from kerashand.data.shards import cache_root
from kerashand.errors import UserError
from kerashand.synthetic.scene import render_sample


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_SAMPLES", 16)


@pytest.fixture
def copied(sample_cache, tmp_path, small_shards):
    """A copy of the cache that a test may damage."""
    root = tmp_path / "cache"
    shutil.copytree(sample_cache.root, root)
    return root


def records(path):
    import tensorflow as tf

    return [r.numpy() for r in tf.data.TFRecordDataset(str(path))]


def files_below(root):
    return sorted(p for p in Path(root).rglob("*") if p.is_file())


def test_shards_are_complete(sample_cache):
    for domain, files in sample_cache.files.items():
        assert [len(records(file)) for file in files] == [16, 16, 8]
        assert all(domain in file for file in files)
    assert len(files_below(sample_cache.root)) == 6  # and nothing half-written beside them


def test_records_hold_the_samples(sample_cache):
    from kerashand.data.readers.cached import parse

    for domain, files in sample_cache.files.items():
        stored = parse(records(files[1])[3], size_px=sample_cache.size_px)
        drawn = render_sample(domain, "train", seed=0, index=16 + 3, size_px=sample_cache.size_px)
        for name in ("depth_mm", "uv_px", "xyz_mm", "intrinsics"):
            np.testing.assert_array_equal(stored[name], getattr(drawn, name), err_msg=name)
        # JPEG: near, not equal.
        difference = np.abs(stored["image"].numpy().astype(float) - drawn.image)
        assert difference.mean() < 10
        assert stored["image"].dtype == "uint8"


def test_a_second_call_writes_nothing(sample_cache, small_shards, monkeypatch):
    def fail(*arguments):
        raise AssertionError("the cache was written again")

    monkeypatch.setattr(cache, "_write_shards", fail)
    splits = list(sample_cache.splits.values())
    paths = ensure_splits(splits, cache_dir=str(sample_cache.root), workers=1)
    assert {s.style: [str(p) for p in paths[s]] for s in splits} == sample_cache.files


def test_only_missing_shards_are_written(copied, sample_cache, monkeypatch):
    split = sample_cache.splits["target"]
    missing = shards.shard_path(copied, split, first=16, count=16)
    before = missing.read_bytes()
    missing.unlink()
    written = []
    monkeypatch.setattr(
        cache, "write_shard", lambda path, rows: written.append(path) or write_shard(path, rows)
    )
    paths = ensure_splits(list(sample_cache.splits.values()), cache_dir=str(copied), workers=1)
    assert written == [missing]
    assert paths[split][1] == missing
    assert missing.read_bytes() == before
    assert all(file.suffix == ".tfrecord" for file in files_below(copied))


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from kerashand.data.cache import write_shard

def rows():
    for number in range(200):
        yield {"image": bytes(10_000)}
    os.kill(os.getpid(), signal.SIGKILL)

write_shard(Path(sys.argv[1]), rows())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_writer_leaves_nothing_under_the_final_name(copied, sample_cache):
    split = sample_cache.splits["source"]
    path = shards.shard_path(copied, split, first=32, count=8)
    whole = path.read_bytes()
    path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(path)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not path.exists()
    ensure_splits([split], cache_dir=str(copied), workers=1)
    assert path.read_bytes() == whole


def test_a_shard_is_the_same_whatever_order_its_fields_have(tmp_path):
    sample = {name: name.encode() * 9 for name in ("uv_px", "image", "depth_mm", "xyz_mm")}
    cache.write_shard(tmp_path / "one", [sample])
    cache.write_shard(tmp_path / "two", [dict(reversed(sample.items()))])
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "two").read_bytes()
    places = [content.index(sample[name]) for name in sorted(sample)]
    assert places == sorted(places)


def test_a_failing_writer_leaves_nothing(tmp_path):
    def rows():
        yield {"image": b"whole"}
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_shard(tmp_path / "a.tfrecord", rows())
    assert files_below(tmp_path) == []


def test_tensorflow_errors_of_writing_are_os_errors(tmp_path):
    with pytest.raises(OSError, match=r"No such file|not found|NotFound"):
        write_shard(tmp_path / "missing" / "a.tfrecord", [{"image": b""}])


def test_a_folder_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    split = RenderedSplit("source", "train", 0, 32, 4)
    with pytest.raises(UserError, match=r"--set data\.cache_dir=DIR"):
        ensure_splits([split], cache_dir=str(file / "cache"), workers=1)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    split = RenderedSplit("source", "train", 0, 32, 4)
    with pytest.raises(UserError, match="cannot be written"):
        ensure_splits([split], cache_dir=str(tmp_path / "cache"), workers=1)


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    def fail(path, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_shard", fail)
    with pytest.raises(UserError, match="No space left on device"):
        ensure_splits(
            [RenderedSplit("source", "train", 0, 32, 2)], cache_dir=str(tmp_path), workers=1
        )


def test_shards_cover_the_split():
    for samples in (1, 249, 250, 251, 1000):
        found = RenderedSplit("source", "train", 0, 64, samples).shards()
        assert sum(count for _, count in found) == samples
        assert [first for first, _ in found] == list(range(0, samples, shards.SHARD_SAMPLES))


def test_the_folder_names_all_that_samples_depend_on():
    base = {"style": "source", "split": "train", "seed": 0, "size_px": 64, "samples": 4}
    folder = RenderedSplit(**base).folder
    for change in ({"style": "target"}, {"split": "val"}, {"seed": 1}, {"size_px": 128}):
        assert RenderedSplit(**base | change).folder != folder
    assert (
        RenderedSplit(**base | {"samples": 9}).folder == folder
    )  # a longer split keeps its first shards


def test_cache_root_order(monkeypatch, tmp_path):
    monkeypatch.setenv(shards.CACHE_VARIABLE, "/from/variable")
    assert cache_root("/from/argument") == Path("/from/argument")
    assert cache_root(None) == Path("/from/variable")
    monkeypatch.delenv(shards.CACHE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / ".cache" / "kerashand"


def test_without_a_home_the_cache_has_no_place(monkeypatch):
    monkeypatch.delenv(shards.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(UserError, match=r"home folder is not known\. Set HOME or .KERASHAND_CACHE"):
        cache_root(None)
    assert cache_root("/from/argument") == Path("/from/argument")
