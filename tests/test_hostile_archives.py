"""Hostile pickles and archives: none runs code, and none unpacks to more than memory holds."""

import pickle

import numpy as np
import pytest
from fuzz_bombs import npy_head, npz, npz_bombs, pickle_bombs, zip_bomb
from fuzz_inputs import CANARY

from kerashand.data.kinds.photos import load_labels
from kerashand.errors import UserError
from kerashand.pickles import load_pickle
from kerashand.training.checkpoint import load_state, save_checkpoint
from kerashand.untrusted import read_arrays, read_member

# ----------------------------------------------------------------------------------- pickles


def test_pickle_bombs(tmp_path, monkeypatch):
    """None runs code, and none takes long, much memory or the process with it."""
    monkeypatch.setenv(CANARY, str(tmp_path / "canary"))
    bombs = pickle_bombs()
    harmless = {"shared lists", "deep list", "memo index", "array on an array"}
    for name in sorted(set(bombs) - harmless):
        (tmp_path / "a.pickle").write_bytes(bombs[name])
        with pytest.raises(UserError, match=r"a\.pickle"):
            print(name, load_pickle(tmp_path / "a.pickle"))
    for name in harmless:
        (tmp_path / "a.pickle").write_bytes(bombs[name])
        load_pickle(tmp_path / "a.pickle")
    assert not (tmp_path / "canary").exists()
    pickle.loads(bombs["exec"])
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_all_kinds_are_read(tmp_path, protocol):
    held = {
        "float": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "big": np.arange(4, dtype=">i4"),
        "strided": np.arange(20)[::3],
        "text": np.array(["ab", "c"]),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "whole": np.uint8(7),
        "half": np.float32(0.5),
        "plain": [1, (2.5, "x", None), b"bytes", {3: True}],
    }
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(held, protocol))
    found = load_pickle(tmp_path / "a.pickle")
    trusted = pickle.loads((tmp_path / "a.pickle").read_bytes())
    assert found["plain"] == held["plain"]
    for name in set(held) - {"plain"}:
        np.testing.assert_array_equal(found[name], held[name])
        assert found[name].dtype == trusted[name].dtype, name
    found["float"][0, 0] = 5.0  # as any array


@pytest.mark.parametrize("value", [np.array([object()]), np.zeros(2, "f4,f4"), {(1, 2): 3}, {1, 2}])
def test_what_is_no_array_or_container(tmp_path, value):
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(value, 4))
    with pytest.raises(UserError, match=r"a\.pickle"):
        load_pickle(tmp_path / "a.pickle")


# ----------------------------------------------------------------------------------- archives


def test_zip_bombs(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(zip_bomb("name.npy", npy_head((1 << 26,)), 1 << 28))
    for read in (read_arrays, lambda path: read_member(path, "name.npy")):
        with pytest.raises(ValueError, match=r"it unpacks to 268,435,5.. bytes"):
            read(path)
    with pytest.raises(UserError, match=r"The checkpoint .* it unpacks to"):
        load_state(path)
    path.rename(tmp_path / "labels.npz")
    with pytest.raises(UserError, match="it unpacks to"):
        load_labels(str(tmp_path))


def test_many_small_members_are_one_bomb(tmp_path):
    arrays = {f"a{n}": np.zeros(1 << 21) for n in range(6)}  # 16 MB each
    (tmp_path / "a.npz").write_bytes(npz(arrays))
    with pytest.raises(ValueError, match="it unpacks to"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "name", ["shape beyond memory", "shape of no bytes", "object array", "no array inside",
             "bare array", "not a header"],
)  # fmt: skip
def test_archives_that_hold_no_arrays(tmp_path, monkeypatch, name):
    monkeypatch.setenv(CANARY, str(tmp_path / "canary"))
    (tmp_path / "a.npz").write_bytes(npz_bombs("x", {"y": np.zeros(3)})[name])
    with pytest.raises(ValueError, match=r"no array|no zip|\.npy"):
        read_arrays(tmp_path / "a.npz")
    assert not (tmp_path / "canary").exists()


def test_weights_that_compress_well_are_read(tmp_path):
    arrays = {"a": np.zeros(1 << 23, np.float32), "b": np.arange(5.0)}  # 32 MB of zeros
    (tmp_path / "a.npz").write_bytes(npz(arrays))
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["b"], arrays["b"])
    assert list(read_arrays(tmp_path / "a.npz", only=["b"])) == ["b"]


def test_state_of_another_kind(tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, {"a": np.zeros(3)}, {"epoch": 3, "stage": 1})
    assert load_state(path, like={"epoch": 0}) == {"epoch": 3, "stage": 1}
    with pytest.raises(UserError, match="its state has no `stage`"):
        load_state(path, like={"stage": ""})
