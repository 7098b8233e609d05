"""tools/benchmarks/beside_torch.py: what PyTorch is told of a network, and that it computes it."""

import ast
import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_docs import ROOT

from kerashand.errors import UserError
from kerashand.models.blocks import FusedBatchNormalization
from kerashand.models.lite import build_lite

SIZE_PX = 40
"""Not a multiple of 16: a coarse level is rounded up, and cropped."""


@pytest.fixture
def beside(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from benchmarks import beside_torch

    return beside_torch


def makers():
    """Classes that PyTorch's side knows, read without PyTorch."""
    text = (ROOT / "tools" / "benchmarks" / "torch_side.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "MAKERS":
            return {key.value for key in node.value.keys}
    raise AssertionError("torch_side.py has no MAKERS")


def small_model():
    """A model inside a model, with inputs and outputs whose order is not that of their names."""
    b, a = keras.Input((4, 4, 2), name="b"), keras.Input((4, 4, 2), name="a")
    inner = keras.Model(
        {"b": b, "a": a},
        {
            "y": keras.layers.Concatenate(name="both")([a, b]),
            "x": keras.ops.sum(b * 2.0, axis=(1, 2)),
        },
        name="inner",
    )
    image = keras.Input((8, 8, 3), name="image")
    down = keras.layers.Conv2D(2, 3, 2, padding="same", use_bias=False, name="down")(image)
    norm = FusedBatchNormalization(name="norm")(down)
    found = inner({"a": down, "b": norm})
    tail = found["x"][:, :1] + tf.constant([[3.0]])
    return keras.Model(image, {"maps": found["y"], "tail": tail})


def test_a_description_says_what_the_layers_compute(beside):
    net = small_model()
    found = json.loads(json.dumps(beside.described(net)))
    names = [step["name"] for step in found["steps"]]
    by_class = {step["class"]: step for step in found["steps"]}
    inner = {kind: by_class[kind]["name"] for kind in ("Multiply", "Sum", "GetItem", "Add")}
    assert inner["Multiply"].startswith("inner/")
    assert found["outputs"] == {"maps": "inner/both", "tail": inner["Add"]}
    expected = {
        "Conv2D": ("down", {"strides": [2, 2], "padding": [[0, 1], [0, 1]]}, ["image"]),
        "FusedBatchNormalization": ("norm", {"momentum": 0.99, "epsilon": 0.001}, ["down"]),
        "Concatenate": ("inner/both", {}, ["down", "norm"]),
        "Multiply": (inner["Multiply"], {}, ["norm", 2.0]),
        "Sum": (inner["Sum"], {"axis": [1, 2], "keepdims": False}, [inner["Multiply"]]),
        "GetItem": (
            inner["GetItem"],
            {},
            [inner["Sum"], {"slice": [None, None, None]}, {"slice": [None, 1, None]}],
        ),
        "Add": (inner["Add"], {}, [inner["GetItem"], {"tensor": [[3.0]]}]),
    }
    assert {k: (s["name"], s["options"], s["inputs"]) for k, s in by_class.items()} == expected
    for step in found["steps"]:
        used = {value for value in step["inputs"] if isinstance(value, str)} - {"image"}
        assert used <= set(names[: names.index(step["name"])])
    shapes = {name: array.shape for name, array in beside.weights_of(net).items()}
    assert shapes == {
        "down/kernel": (3, 3, 3, 2), "norm/gamma": (2,), "norm/beta": (2,),
        "norm/moving_mean": (2,), "norm/moving_variance": (2,),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "kernel", "stride", "expected"),
    [(8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (9, 7, 1, (3, 3)), (5, 1, 1, (0, 0)), (4, 1, 2, (0, 0))],
)
def test_padding_is_tensorflows(beside, cells, kernel, stride, expected):
    config = {"padding": "same", "kernel_size": (kernel, 3), "strides": (stride, 1)}
    assert beside._padding(config, (None, cells, 6, 2)) == [expected, (1, 1)]
    assert beside._padding({"padding": "valid"}, (None, cells, 6, 2)) == [(0, 0), (0, 0)]


def test_every_class_of_both_networks_is_known(beside):
    assert set(beside.OPTIONS) == makers()
    used = set()
    for network in beside.NETWORKS:
        net = beside.build(network, SIZE_PX)
        found = beside.described(net)
        used |= {step["class"] for step in found["steps"]}
        names = {step["name"] for step in found["steps"]}
        arrays = beside.weights_of(net)
        assert sum(array.size for array in arrays.values()) == net.count_params()
        assert {name.rpartition("/")[0] for name in arrays} <= names
        assert list(found["outputs"]) == list(net.output)
        assert "features" not in found["outputs"]
    # `weak.yaml` has no drop-out, which the regressor may have.
    assert used == set(beside.OPTIONS) - {"Dropout"}


def test_an_unknown_class_is_named(beside):
    net = build_lite(image_size_px=32, block="separable")
    with pytest.raises(UserError, match=r"layer down4_dw is of the class DepthwiseConv2D, which"):
        beside.described(net)


def test_outputs_that_differ_are_named(beside):
    ours = {"a": np.array([1.0, 2.0]), "b": np.array([4.0, -100.0])}
    close = {"a": np.array([1.0, 2.001]), "b": np.array([4.01, -100.0])}
    assert beside.most_apart(ours, close) == pytest.approx(0.001 / 2.001)
    with pytest.raises(UserError, match=r"b is 0\.04 apart"):
        beside.most_apart(ours, {**close, "b": np.array([8.0, -100.0])})
    with pytest.raises(UserError, match="a is nan apart"):
        beside.most_apart({**ours, "a": np.array([np.nan, 2.0])}, close)


def interpreter(folder, lines):
    """A program that stands for a Python with PyTorch."""
    path = folder / "python"
    path.write_text("\n".join([f"#!{sys.executable}", "import json, sys", *lines]))
    path.chmod(0o755)
    return SimpleNamespace(torch_python=str(path), threads=2)


def test_the_process_with_pytorch(beside, tmp_path):
    lines = [
        'print(json.dumps({"torch": sys.argv[1:]}), flush=True)',
        "for line in sys.stdin:",
        '    print(json.dumps({"seconds": line.split()}), flush=True)',
    ]
    torch = beside.Torch(interpreter(tmp_path, lines), tmp_path)
    script = ROOT / "tools" / "benchmarks" / "torch_side.py"
    assert torch.version == [str(script), "2", str(tmp_path)]
    assert torch("training", 3) == ["training", "3"]
    torch.end()
    assert torch.process.returncode == 0
    torch.process.stdout.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pipes left open
@pytest.mark.parametrize(
    ("line", "message"),
    [("print(json.dumps({'error': 'no module'}))", r"has no PyTorch \(no module\): pip install"),
     ("sys.exit(1)", "ended early")],
)  # fmt: skip
def test_a_process_without_pytorch_is_told(beside, tmp_path, line, message):
    with pytest.raises(UserError, match=message):
        beside.Torch(interpreter(tmp_path, [line]), tmp_path)


def test_an_interpreter_that_does_not_start_is_told(beside, tmp_path):
    args = SimpleNamespace(torch_python=str(tmp_path / "none"), threads=1)
    with pytest.raises(UserError, match="none did not start"):
        beside.Torch(args, tmp_path)


@pytest.fixture
def ours(beside, monkeypatch, tmp_path):
    """Steps of the network of `weak`, which learns and decays fast, and its outputs."""
    monkeypatch.setitem(beside.OPTIMIZER, "lr", 1e-3)
    monkeypatch.setitem(beside.OPTIMIZER, "weight_decay", 100.0)
    args = SimpleNamespace(network="weak", batch=2, size=SIZE_PX)
    return beside.tensorflow_steps(args, tmp_path)


def losses_of(training):
    return [float(training()) for _ in range(4)]


@pytest.mark.slow
def test_steps_of_tensorflow(ours, tmp_path):
    jobs, outputs = ours
    assert outputs["heatmaps_2"].shape == (2, 5, 5, 21)
    assert outputs["z_relative"].shape == (2, 21)
    with np.load(tmp_path / "weights.npz") as arrays:
        assert arrays["lite/down2_conv/kernel"].shape == (3, 3, 3, 16)
    assert json.loads((tmp_path / "network.json").read_text())["optimizer"]["lr"] == 1e-3
    first = jobs["inference"]["TensorFlow"]().numpy()
    np.testing.assert_allclose(first, outputs["heatmaps_0"], rtol=1e-4, atol=1e-4)
    losses = losses_of(jobs["training"]["TensorFlow"])
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
def test_pytorch_computes_and_trains_the_same(beside, ours, load_script, tmp_path):
    pytest.importorskip("torch")
    jobs, outputs = ours
    theirs = load_script("tools/benchmarks/torch_side.py").Jobs(tmp_path)
    theirs.net.eval()
    found = {name: value.numpy() for name, value in theirs.inference().items()}
    found = {
        name: np.moveaxis(value, 1, -1) if value.ndim == 4 else value
        for name, value in found.items()
    }
    assert beside.most_apart(outputs, found) < 1e-5
    theirs.net.train()
    losses = losses_of(jobs["training"]["TensorFlow"])
    np.testing.assert_allclose(losses_of(theirs.training), losses, rtol=5e-3)
    theirs.net.eval()  # by the moving statistics of these steps
    trained = jobs["inference"]["TensorFlow"]().numpy()
    found = np.moveaxis(theirs.inference()["heatmaps_0"].numpy(), 1, -1)
    np.testing.assert_allclose(found, trained, rtol=0, atol=0.02 * np.abs(trained).max())
