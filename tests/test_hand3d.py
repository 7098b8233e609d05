"""hand3d's pickles, in a file written as theirs are; a foreign one must not run."""

import pickle

import numpy as np
import pytest

from kerashand.errors import UserError
from kerashand.models.cpm import build_cpm
from kerashand.models.hand3d import load_hand3d
from kerashand.pickles import load_pickle

THEIRS = [0, *(f + k for f in (1, 5, 9, 13, 17) for k in (3, 2, 1, 0))]
"""Our joint of each of their score maps: fingers run from the tip to the palm."""


@pytest.fixture(scope="module")
def network():
    return build_cpm(image_size_px=32)


@pytest.fixture
def entries(network, rng):
    """Arrays by hand3d's names, of PoseNet2D and of networks that are not ours."""
    held = {}
    for layer in network.layers:
        if layer.weights:
            kernel, bias = (rng.normal(0, 0.02, w.shape).astype(np.float32) for w in layer.weights)
            held[f"PoseNet2D/{layer.name}/weights"] = kernel
            held[f"PoseNet2D/{layer.name}/biases"] = bias
    held["PosePrior/fc_rel0/weights"] = np.zeros((3, 2), np.float32)
    held["ViewpointNet/fc_vp0/biases"] = np.zeros(3, np.float32)
    return held


def write(path, held, protocol=2):
    path.write_bytes(pickle.dumps(held, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 5])
def test_maps_come_in_the_order_of_our_joints(entries, network, tmp_path, protocol):
    """A network with their kernels by their names gives their maps; ours gives the same, sorted."""
    names = load_hand3d(write(tmp_path / "p.pickle", entries, protocol), network)
    assert len(names) == 31
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    ours = {name: np.asarray(value) for name, value in network(image).items()}
    plain = build_cpm(image_size_px=32)
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(
                [entries[f"PoseNet2D/{layer.name}/{k}"] for k in ("weights", "biases")]
            )
    theirs = {name: np.asarray(value) for name, value in plain(image).items()}
    np.testing.assert_allclose(ours["features"], theirs["features"], rtol=1e-4, atol=1e-6)
    for stage in range(3):
        np.testing.assert_allclose(
            ours[f"heatmaps_{stage}"][..., THEIRS],
            theirs[f"heatmaps_{stage}"],
            rtol=1e-3,
            atol=1e-6,
        )


def test_the_first_layers_of_the_segmentation_network(entries, network, tmp_path):
    """HandSegNet has more channels from conv4_3 on, and entries without a layer."""
    held = {
        key.replace("PoseNet2D", "HandSegNet"): value
        for key, value in entries.items()
        if key.startswith("PoseNet2D/conv1") or "conv4_2" in key
    }
    held["HandSegNet/conv4_3/weights"] = np.zeros((3, 3, 512, 512), np.float32)
    held["HandSegNet/conv4_3/biases"] = np.zeros(512, np.float32)
    held["global_step"] = np.int64(3)
    assert load_hand3d(write(tmp_path / "s.pickle", held), network) == [
        "conv1_1", "conv1_2", "conv4_2",
    ]  # fmt: skip


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def test_a_pickle_that_is_a_program_does_not_run(tmp_path, network):
    marker = tmp_path / "ran"
    path = write(tmp_path / "bad.pickle", {"PoseNet2D/conv1_1/weights": Malicious(marker)})
    with pytest.raises(UserError, match=r"asks for .*\.exec. Nothing of it was run"):
        load_hand3d(path, network)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # it would have
    assert marker.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: {"a": np.zeros(3)}, "neither PoseNet2D nor HandSegNet. It holds: a"),
        (lambda held: list(held), "holds list, not arrays by name"),
        (
            lambda held: held | {"PoseNet2D/conv4_7/weights": np.zeros((3, 3, 256, 64))},
            "conv4_7 has",
        ),
        (lambda held: held | {"PoseNet2D/conv4_7/biases": np.full(128, np.nan)}, "not finite"),
        (lambda held: held | {"PoseNet2D/conv9_9/weights": np.zeros(3)}, "no layer conv9_9"),
    ],
)
def test_other_files(entries, network, tmp_path, change, message):
    before = network.get_weights()
    with pytest.raises(UserError, match=message):
        load_hand3d(write(tmp_path / "x.pickle", change(entries)), network)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_arrays_of_python_2(tmp_path):
    """Byte strings stand for text there, and protocol 2 names NumPy's old modules."""
    array = np.arange(4.0)
    text = pickle.dumps({"a": array}, protocol=2).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "old.pickle").write_bytes(text)
    np.testing.assert_array_equal(load_pickle(tmp_path / "old.pickle")["a"], array)


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"no pickle", bytes(200)])
def test_no_pickle(tmp_path, content):
    (tmp_path / "x.pickle").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.pickle"):
        load_pickle(tmp_path / "x.pickle")
    with pytest.raises(UserError, match="does not exist"):
        load_pickle(tmp_path / "y.pickle")
