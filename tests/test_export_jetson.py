"""export/jetson: what check_onnx.py finds in small graphs; run_tensorrt.py without a GPU."""

import ctypes
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from kerashand.errors import UserError
from kerashand.runtime import HandPose
from kerashand.runtime.backends import HEADS, POSE_SHAPES, TASKS, load_backend
from kerashand.runtime.hand_pose import POSE_FILE, packaged_model
from kerashand.synthetic.scene import render_sample
from kerashand.video import Frame

DESCRIPTION = {"task": "hand_pose", "image_size_px": 4}


@pytest.fixture(scope="module")
def onnx():
    return pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def check_onnx(onnx, load_script):
    return load_script("export/jetson/check_onnx.py")


@pytest.fixture
def build(onnx):
    """A function that makes a model: uint8 image, Cast, some nodes from x to y, float output."""
    helper, kinds = onnx.helper, onnx.TensorProto

    def build(
        *nodes, constants=(), opset=17, shape=(1, 4, 4, 3), cast=True, domain="", described=True
    ):
        image = helper.make_tensor_value_info("image", kinds.UINT8, shape)
        output = helper.make_tensor_value_info("y", kinds.FLOAT, shape)
        first = [helper.make_node("Cast", ["image"], ["x"], to=kinds.FLOAT)] if cast else []
        graph = helper.make_graph(
            [*first, *(nodes or [helper.make_node("Relu", ["x"], ["y"])])],
            "hand", [image], [output],
            [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in constants],
        )  # fmt: skip
        opsets = [
            helper.make_opsetid("", opset),
            *([helper.make_opsetid(domain, 1)] * bool(domain)),
        ]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        if described:
            helper.set_model_props(model, {"kerashand.json": json.dumps(DESCRIPTION)})
        return model

    return build


def refusals(check_onnx, model):
    return [(f.kind, f.what) for f in check_onnx.check(model) if f.refused]


def notes(check_onnx, model):
    return [f"{f.kind} {f.name} {f.what}" for f in check_onnx.check(model) if not f.refused]


def test_a_good_graph(check_onnx, build, onnx):
    nodes = [
        onnx.helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("QuantizeLinear", ["t", "scale", "zero"], ["q"]),
        onnx.helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        onnx.helper.make_node("MaxPool", ["d"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        onnx.helper.make_node("Resize", ["p", "", "scales"], ["r"], mode="linear"),
        onnx.helper.make_node("ReduceSum", ["r", "axes"], ["s"]),
        onnx.helper.make_node("Add", ["r", "s"], ["a"]),
        onnx.helper.make_node("Transpose", ["a"], ["y"], perm=[0, 2, 3, 1]),
    ]
    model = build(
        *nodes,
        constants=[
            ("scale", np.float32(0.1)), ("zero", np.int8(0)),
            ("scales", np.float32([1, 1, 2, 2])), ("axes", np.int64([1])),
        ],
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    assert refusals(check_onnx, model) == []
    assert notes(check_onnx, model) == [
        "file  constants of INT64: TensorRT 10 takes them, 8 makes INT32 of them and warns"
    ]
    assert check_onnx.check(build()) == []


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "constants", "message"),
    [
        ("Unique", ["x"], {}, [], "has no such operator"),
        ("DynamicQuantizeLinear", ["x"], {}, [], "export fp32 or fp16 instead"),
        ("Transpose", ["image"], {}, [], "takes the UINT8 input image; only Cast may"),
        ("Cast", ["image"], {"to": 6}, [], "casts the UINT8 input image to other than float"),
        (
            "QuantizeLinear", ["x", "scale", "zero"], {},
            [("scale", np.float32(1)), ("zero", np.int8(3))], "zero point is not 0",
        ),
        (
            "QuantizeLinear", ["x", "scale", "zero"], {},
            [("scale", np.float32(1)), ("zero", np.uint8(0))], "zero point is UINT8; use INT8",
        ),
        ("QuantizeLinear", ["x", "x"], {}, [], "its scale is not a constant"),
        (
            "DequantizeLinear", ["bias", "scale", "zero"], {},
            [("bias", np.int32([1])), ("scale", np.float32(1)), ("zero", np.int32(0))],
            "dequantizes INT32 (a bias)",
        ),
        ("Resize", ["x", "", "by"], {"mode": "cubic"}, [("by", np.ones(4, "f"))], "mode cubic"),
        (
            "Resize", ["x", "", "by"], {"coordinate_transformation_mode": "tf_crop_and_resize"},
            [("by", np.ones(4, "f"))], "coordinate_transformation_mode tf_crop_and_resize",
        ),
        ("MaxPool", ["x"], {"kernel_shape": [1, 1], "dilations": [2, 2]}, [], "dilations"),
        ("ReduceSum", ["x", "axes_of_x"], {}, [], "its axes are not a constant"),
    ],
)  # fmt: skip
def test_what_is_refused(check_onnx, build, onnx, op, inputs, attributes, constants, message):
    nodes = [
        onnx.helper.make_node(op, inputs, ["bad"], name="odd", **attributes),
        onnx.helper.make_node("Relu", ["x"], ["y"]),
    ]
    found = check_onnx.check(build(*nodes, constants=constants))
    named = [f for f in found if f.refused and f.name == "odd"]
    assert [f.kind for f in named] == [op]
    assert message in named[0].what
    assert f"refused: {op} odd: " in check_onnx.report(found)


def test_indices_of_pooling(check_onnx, build, onnx):
    pooling = onnx.helper.make_node("MaxPool", ["x"], ["y", "indices"], kernel_shape=[1, 1])
    assert refusals(check_onnx, build(pooling)) == [("MaxPool", "gives indices too")]


def test_operators_of_others_and_of_branches(check_onnx, build, onnx):
    make = onnx.helper.make_node
    model = build(make("FusedConv", ["x"], ["y"], domain="com.microsoft"), domain="com.microsoft")
    ((kind, what),) = refusals(check_onnx, model)
    assert kind == "FusedConv"
    assert "com.microsoft" in what

    def branch(op):
        value = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, (1, 4, 4, 3))
        return onnx.helper.make_graph([make(op, ["x"], ["out"])], op, [], [value])

    choice = make("If", ["yes"], ["y"], then_branch=branch("Relu"), else_branch=branch("Det"))
    model = build(choice, constants=[("yes", np.bool_(True))])
    assert refusals(check_onnx, model) == [("Det", "TensorRT has no such operator")]


def test_types(check_onnx, build, onnx):
    make, kinds = onnx.helper.make_node, onnx.TensorProto
    model = build(
        make("Cast", ["x"], ["bytes"], to=kinds.UINT8),
        make("Cast", ["bytes"], ["short"], to=kinds.INT16),
        make("Cast", ["short"], ["wide"], to=kinds.DOUBLE),
        make("Cast", ["wide"], ["y"], to=kinds.FLOAT),
        constants=[("table", np.uint8([1]))],
    )
    found = refusals(check_onnx, model)
    assert ("tensor", "UINT8 may only be an input or output of the network") in found
    assert ("constant", "UINT8 cannot be a constant") in found
    assert ("tensor", "TensorRT has no INT16") in found
    assert "tensor wide DOUBLE is made FLOAT, its values clamped to that range" in notes(
        check_onnx, model
    )


def test_the_file(check_onnx, build, onnx):
    assert refusals(check_onnx, build(opset=8)) == [("file", "opset 8, but TensorRT reads 9 to 24")]
    (note,) = notes(check_onnx, build(opset=18))
    assert "too new for TensorRT 8.5" in note
    (note,) = notes(check_onnx, build(described=False))
    assert "no kerashand.json in it" in note
    assert all(
        "its shape is open" in note for note in notes(check_onnx, build(shape=("N", 4, 4, 3)))
    )
    assert len(notes(check_onnx, build(shape=("N", 4, 4, 3)))) == 2


def test_order_of_nodes(check_onnx, build, onnx):
    make = onnx.helper.make_node
    (note,) = notes(check_onnx, build(make("Relu", ["a"], ["y"]), make("Abs", ["x"], ["a"])))
    assert "not in order" in note
    ring = build(make("Relu", ["b"], ["a"]), make("Abs", ["a"], ["b"]), make("Abs", ["x"], ["y"]))
    assert ("file", "its nodes form a ring") in refusals(check_onnx, ring)
    twice = build(make("Relu", ["x"], ["y"]), make("Abs", ["x"], ["y"]))
    assert ("tensor", "several nodes give it") in refusals(check_onnx, twice)


def test_types_that_contradict_each_other(check_onnx, build, onnx):
    odd = onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["y"])  # has three outputs
    found = refusals(check_onnx, build(odd))
    assert any(kind == "file" and "do not fit together" in what for kind, what in found)


def test_the_command(check_onnx, build, onnx, tmp_path, capsys):
    bad = onnx.helper.make_node("Unique", ["x"], ["y"])
    onnx.save(build(), tmp_path / "good.onnx")
    onnx.save(build(bad, described=False), tmp_path / "bad.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    good, description = str(tmp_path / "good.onnx"), tmp_path / "hand.json"
    assert check_onnx.main([good, "--description", str(description)]) == 0
    assert "nothing that TensorRT refuses" in capsys.readouterr().out
    assert json.loads(description.read_text()) == DESCRIPTION
    assert check_onnx.main([str(tmp_path / "bad.onnx")]) == 1
    assert "refused: Unique" in capsys.readouterr().out
    assert check_onnx.main([str(tmp_path / "text.onnx")]) == 2
    assert check_onnx.main([str(tmp_path / "bad.onnx"), "--description", str(description)]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_exported_files_pass(check_onnx, precision, tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    from kerashand.cli import export

    path = str(tmp_path / "hand.onnx")
    arguments = ["--format", "onnx", "--precision", precision, "--hands", "32", "--out", path]
    assert export.main([*arguments, "--calibration", "8"]) == 0
    assert check_onnx.main([path, "--description", str(tmp_path / "hand.json")]) == 0
    assert json.loads((tmp_path / "hand.json").read_text())["image_size_px"] == 128


class Cuda(ModuleType):
    """The part of cuda-python that is used, with the memory of this process for that of a GPU."""

    cudaError_t = SimpleNamespace(cudaSuccess=0)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self):
        super().__init__("runtime")
        self.memory = {}

    def cudaStreamCreate(self):
        return 0, 7

    def cudaMalloc(self, size):
        buffer = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(buffer)] = buffer
        return 0, ctypes.addressof(buffer)

    def cudaMemcpyAsync(self, to, source, size, kind, stream):
        assert stream == 7
        assert (to in self.memory) == (kind == 1)
        ctypes.memmove(to, source, size)
        return (0,)

    def cudaStreamSynchronize(self, stream):
        return (0,)


class Engine:
    """An engine and its context that run the packaged model, with these outputs in addition."""

    def __init__(self, side=128, **more):
        self.model = load_backend(packaged_model(POSE_FILE), task="hand_pose")
        self.more = more
        names = TASKS["hand_pose"][1] | (self.model.outputs & HEADS) | set(more)
        self.shapes = {"image": (1, side, side, 3)} | {name: POSE_SHAPES[name] for name in names}
        self.num_io_tensors = len(self.shapes)
        self.addresses = {}

    def create_execution_context(self):
        return self

    def get_tensor_name(self, number):
        return list(self.shapes)[number]

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name="UINT8" if name == "image" else "FLOAT")

    def get_tensor_mode(self, name):
        return "input" if name == "image" else "output"

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        image = np.zeros(self.shapes["image"], np.uint8)
        ctypes.memmove(image.ctypes.data, self.addresses["image"], image.nbytes)
        for name, values in {**self.model.run(image), **self.more}.items():
            values = np.ascontiguousarray(values, np.float32)
            ctypes.memmove(self.addresses[name], values.ctypes.data, values.nbytes)
        return True


@pytest.fixture
def run_tensorrt(load_script, monkeypatch, tmp_path):
    """The program with stand-ins for TensorRT and CUDA; its engines are those of `content`."""
    content = {b"engine": Engine(), b"small": Engine(side=64)}
    content[b"heads"] = Engine(p_right=0.9, p_hand=0.75)
    tensorrt = ModuleType("tensorrt")
    tensorrt.__version__ = "10"
    tensorrt.Logger = type("Logger", (), {"WARNING": 1, "__init__": lambda self, level: None})
    tensorrt.TensorIOMode = SimpleNamespace(OUTPUT="output")
    tensorrt.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=content.get)
    bindings = ModuleType("cuda.bindings")
    bindings.runtime = Cuda()
    for name, module in {
        "tensorrt": tensorrt, "cuda": ModuleType("cuda"), "cuda.bindings": bindings,
        "cuda.bindings.runtime": bindings.runtime,
    }.items():  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "export" / "python"))
    metadata = dict(load_backend(packaged_model(POSE_FILE), task="hand_pose").metadata)
    (tmp_path / "hand.json").write_text(json.dumps(metadata))
    for name in ("engine", "small", "heads", "other"):
        (tmp_path / name).write_bytes(name.encode())
    return load_script("export/jetson/run_tensorrt.py")


def test_an_engine_gives_the_hands_of_the_runtime(run_tensorrt, tmp_path, capsys):
    """Buffers, addresses and outputs; TensorRT and the GPU are stand-ins."""
    sample = render_sample("varied", "test", seed=5, index=0, size_px=192)
    backend = run_tensorrt.TensorRTBackend(tmp_path / "engine", tmp_path / "hand.json")
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    (hand,) = HandPose(backend, None).predict(sample.image, box=box, handedness="left")
    alone = HandPose(load_backend(packaged_model(POSE_FILE), task="hand_pose"), None)
    (expected,) = alone.predict(sample.image, box=box, handedness="left")
    np.testing.assert_allclose(hand.uv_px, expected.uv_px, atol=1e-4)
    np.save(tmp_path / "hand.npy", sample.image)
    arguments = ["--description", str(tmp_path / "hand.json"), "--picture", f"{tmp_path}/hand.npy"]
    assert run_tensorrt.main(["--engine", str(tmp_path / "engine"), *arguments]) == 0
    hands = json.loads(capsys.readouterr().out)["hands"]
    assert len(hands) == len(HandPose.load().predict(sample.image))
    assert run_tensorrt.main(["--engine", str(tmp_path / "other"), *arguments]) == 2
    assert "is no engine of TensorRT 10" in capsys.readouterr().err


def test_an_engine_with_heads(run_tensorrt, tmp_path):
    """Its scalars say the handedness and the score."""
    sample = render_sample("varied", "test", seed=5, index=0, size_px=192)
    backend = run_tensorrt.TensorRTBackend(tmp_path / "heads", tmp_path / "hand.json")
    box = (*sample.uv_px.min(axis=0), *sample.uv_px.max(axis=0))
    (hand,) = HandPose(backend, None).predict(sample.image, box=box)
    assert hand.handedness == "right"
    assert hand.p_right == pytest.approx(0.9)
    assert hand.score == pytest.approx(0.75)


def test_a_camera_is_followed(run_tensorrt, tmp_path, monkeypatch, capsys):
    frames = [Frame(np.zeros((48, 64, 3), np.uint8), 0.1 * number, 0.1) for number in range(2)]
    monkeypatch.setattr(run_tensorrt, "camera_frames", lambda number: iter(frames))
    files = ["--engine", str(tmp_path / "engine"), "--description", str(tmp_path / "hand.json")]
    assert run_tensorrt.main([*files, "--camera", "0"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1]


def test_engines_of_another_kind(run_tensorrt, tmp_path):
    with pytest.raises(UserError, match=r"does not take image \[1, 128, 128, 3\] uint8 alone"):
        run_tensorrt.TensorRTBackend(tmp_path / "small", tmp_path / "hand.json")
    with pytest.raises(UserError, match="cannot be read"):
        run_tensorrt.TensorRTBackend(tmp_path / "missing", tmp_path / "hand.json")


def test_pictures_are_those_of_the_package(run_tensorrt, tmp_path):
    """A camera of 12 bits: 255 x 2048 / 4095 = 127.5."""
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 4095 \x08\x00\x0f\xff")
    picture = run_tensorrt.read_picture(tmp_path / "a.pgm")
    np.testing.assert_array_equal(picture, [[[128] * 3, [255] * 3]])
