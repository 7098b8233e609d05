"""What every test shares: no GPU, a quiet TensorFlow, seeds, and markers that skip."""

import gc
import importlib.util
import os
import pickle
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the commands do
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("MPLBACKEND", "agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # the other core is the other worker's
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest

# Tracing makes objects by the million, and they stay: seldom looked through, exports take 6 % less.
gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def seeds():
    """Seeds Python, NumPy and Keras."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def load_script():
    """A function that gives a script of this repository, by its path in it, as a module."""

    def load(path):
        path = Path(__file__).parents[1] / path
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, spec.name, module)  # dataclasses look there
            patch.syspath_prepend(path.parent)  # of scripts beside it
            spec.loader.exec_module(module)
        return module

    return load


SAMPLES = 40
SIZE_PX = 64


@pytest.fixture(scope="session")
def sample_cache(tmp_path_factory):
    """A small cache of both domains; `files` holds their shards of 16 + 16 + 8 samples."""
    from types import SimpleNamespace

    from kerashand.data import cache, shards
    from kerashand.data.kinds.synthetic import RenderedSplit

    root = tmp_path_factory.mktemp("cache")
    splits = {d: RenderedSplit(d, "train", 0, SIZE_PX, SAMPLES) for d in ("source", "target")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_SAMPLES", 16)
        paths = cache.ensure_splits(list(splits.values()), cache_dir=str(root), workers=1)
    files = {domain: [str(path) for path in paths[split]] for domain, split in splits.items()}
    return SimpleNamespace(root=root, splits=splits, files=files, samples=SAMPLES, size_px=SIZE_PX)


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory):
    """A whole run of `weak.yaml` on a few pictures; do not change its folder."""
    from shared_folders import shared_folder
    from tiny_runs import tiny_run

    folder = shared_folder(tmp_path_factory, "shared_run", tiny_run)
    return pickle.loads((folder / "tiny_run.pickle").read_bytes())


PROGRAMS = {
    "test_export_cpp", "test_export_cpp_headers", "test_export_cpp_mistakes", "test_export_jetson",
    "test_export_python", "test_export_web", "test_export_web_models", "test_golden_web",
    "test_web_space", "test_web_worker",
}  # fmt: skip
"""Files whose tests need a browser, a compiler, Node.js, or programs of their own."""


def pytest_collection_modifyitems(items):
    # Files with slow tests first: the last file runs alone, while the other process has nothing.
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    for item in items:
        if item.path.stem in PROGRAMS:
            item.add_marker("programs")
        if item.get_closest_marker("data") and not os.environ.get("KERASHAND_DATA"):
            item.add_marker(pytest.mark.skip(reason="KERASHAND_DATA names no folder of data sets"))
        if item.get_closest_marker("gpu") and os.environ["CUDA_VISIBLE_DEVICES"] == "-1":
            item.add_marker(pytest.mark.skip(reason="CUDA_VISIBLE_DEVICES names no GPU"))


@pytest.fixture
def imported(tmp_path, capsys):
    """A function that runs `kerashand-data import`; what was printed, and the folder."""
    from kerashand.cli.data import main

    def run(path, *more, out="out"):
        folder = tmp_path / out
        assert main(["import", str(path), str(folder), *map(str, more)]) == 0
        return capsys.readouterr().out, folder

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """A function that runs `kerashand-data import` in vain; the message."""
    from kerashand.cli.data import main

    def run(path, *more):
        folder = tmp_path / "nothing"
        assert main(["import", str(path), str(folder), *map(str, more)]) == 2
        assert not folder.exists()
        assert not list(tmp_path.glob("*.part*"))
        return capsys.readouterr().err

    return run
