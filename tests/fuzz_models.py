"""Entrances of the fuzzer that read models: weights, checkpoints and exported files."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_bombs import npz, npz_bombs, pickle_bombs, zip_bomb, zipped
from fuzz_inputs import Case, nested

from kerashand.errors import UserError


def hand3d_case(work: Path) -> Case:
    """A pickle of hand3d, as model.initial_weights names it."""
    import types

    from kerashand.models.hand3d import load_hand3d

    shapes = {"conv1_1": (3, 3, 3, 4), "conv1_2": (3, 3, 4, 4), "conv5_2": (1, 1, 4, 21)}
    layers = [
        types.SimpleNamespace(
            name=name, weights=[np.zeros(shape), np.zeros(shape[-1])], set_weights=lambda w: None
        )
        for name, shape in shapes.items()
    ]
    held = {"global_step": np.int64(3)}
    for name, shape in shapes.items():
        held[f"PoseNet2D/{name}/weights"] = np.ones(shape, np.float32)
        held[f"PoseNet2D/{name}/biases"] = np.ones(shape[-1], np.float32)
    network = types.SimpleNamespace(layers=layers)
    shared = pickle_bombs()["shared lists"][:-6]
    key = b"PoseNet2D/conv1_1/weights"
    return Case(
        ".pickle", lambda path: load_hand3d(path, network),
        [pickle.dumps(held, protocol) for protocol in (2, 4, 5)],
        bombs={
            **pickle_bombs(),
            "shared lists for arrays":
                shared + b"}X" + struct.pack("<I", len(key)) + key + b"h\x0bs.",
            "no layer": pickle.dumps({"PoseNet2D/conv": np.zeros(3), "PoseNet2D/conv/": 1}),
        },
        value=held, dump=lambda value: pickle.dumps(value, 2),
    )  # fmt: skip


def weights_case(work: Path) -> Case:
    """Weights by name, .npz or what calls itself .keras, as model.initial_weights names them."""
    import keras

    from kerashand.models.hand_pose import load_parts_npz, parts_in_npz

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="dense")(inputs))
    arrays = {
        "network/dense/kernel": np.zeros((4, 3), np.float32),
        "network/dense/bias": np.zeros(3, np.float32),
    }
    layer = {"class_name": "Lambda", "config": {"function": "os.system('touch x')"}}
    keras_file = zipped(
        {"config.json": json.dumps(layer).encode(), "metadata.json": b"{}",
         "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(500)}
    )  # fmt: skip

    def call(path: Path) -> None:
        held = parts_in_npz(path)
        load_parts_npz(path, {"network": model}, only=held)

    return Case(
        ".npz", call, [npz(arrays)],
        bombs={**npz_bombs("network/dense/kernel", arrays), "keras": keras_file},
        value=arrays, dump=npz, refusals=(UserError, ValueError),
    )  # fmt: skip


def checkpoint_case(work: Path) -> Case:
    """Where a run stands, in its folder."""
    from kerashand.training.checkpoint import load_state, restore_variables

    class Variable:
        shape = (4,)

        def assign(self, value: np.ndarray) -> None:
            np.zeros(4)[:] = value

    def call(path: Path) -> None:
        load_state(path, like=state)
        restore_variables(path, {"a": Variable()})

    def dump(value: Any) -> bytes:
        text = json.dumps(value["state"]).encode()
        return npz({"a": value["a"], "state_json": np.frombuffer(text, np.uint8)})

    state = {"config_hash": "x", "stage": "finetune", "epoch": 1, "step": 0, "finished": False}
    value = {"a": np.zeros(4, np.float32), "state": state}
    deep = {"a": value["a"], "state_json": np.frombuffer(nested(b"[", b"]", 100_000), np.uint8)}
    return Case(
        ".npz", call, [dump(value)],
        bombs={**npz_bombs("state_json", {"a": value["a"]}), "deep": npz(deep),
               "no state": dump({**value, "state": []}),
               "empty state": dump({**value, "state": {}})},
        value=value, dump=dump,
    )  # fmt: skip


def detector_content() -> tuple[bytes, dict[str, Any]]:
    """The network of the packaged detector, and its description."""
    from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model
    from kerashand.runtime.model_file import METADATA_FILE

    path = packaged_model(DETECTOR_FILE)
    with zipfile.ZipFile(path) as archive:
        first = min(info.header_offset for info in archive.infolist())
        metadata = json.loads(archive.read(METADATA_FILE))
    return path.read_bytes()[:first], metadata


def look(path: Path, picture: np.ndarray) -> None:
    from kerashand.runtime.detector import Detector

    Detector.load(path).detect(picture, max_hands=2)


def tflite_case(work: Path) -> Case:
    """A .tflite file, as --detector names it."""
    from kerashand.runtime.model_file import METADATA_FILE, with_description

    content, metadata = detector_content()
    metadata = {key: value for key, value in metadata.items() if key != "checksum"}
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    whole = with_description(content, metadata)

    def described(value: Any) -> bytes:
        """Rightly checked, with another description."""
        if isinstance(value, dict):
            return with_description(content, value)
        return content + zipped({METADATA_FILE: json.dumps(value).encode()})

    return Case(
        ".tflite", lambda path: look(path, picture), [whole],
        bombs={
            "deep description": content + zipped({METADATA_FILE: nested(b"[", b"]", 100_000)}),
            "zip bomb": content + zip_bomb(METADATA_FILE), "description alone":
                zipped({METADATA_FILE: json.dumps(metadata).encode()}),
            "no description": content + zipped({"x": b""}), "none": content,
        },
        value=metadata, dump=described,
    )  # fmt: skip


def onnx_case(work: Path) -> Case:
    """An .onnx file, as --detector names it."""
    import onnx
    from onnx import TensorProto, helper

    from kerashand.runtime.model_file import METADATA_FILE

    metadata = {"task": "hand_detector", "image_size_px": 32, "threshold": 0.5}
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)

    def dump(value: Any, *, cells: int = 2, external: bool = False) -> bytes:
        def constant(name: str, shape: list[int]) -> Any:
            size = helper.make_tensor(f"{name}_size", TensorProto.INT64, [len(shape)], shape)
            return size, helper.make_node("ConstantOfShape", [f"{name}_size"], [name])

        shapes = {"score": [1, cells, cells], "box": [1, cells, cells, 4],
                  "p_right": [1, cells, cells]}  # fmt: skip
        sizes, nodes = zip(*(constant(*item) for item in shapes.items()), strict=True)
        sizes = list(sizes)
        if external:
            outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
            outside.data_location = TensorProto.EXTERNAL
            outside.external_data.add(key="location", value="../../../../etc/passwd")
            sizes.append(outside)
        graph = helper.make_graph(
            list(nodes), "g",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 32, 3])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
            sizes,
        )  # fmt: skip
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        model.metadata_props.add(key=METADATA_FILE, value=json.dumps(value))
        return model.SerializeToString()

    return Case(
        ".onnx", lambda path: look(path, picture), [dump(metadata)],
        bombs={"outside": dump(metadata, external=True), "empty": b""},
        value=metadata, dump=dump,
    )  # fmt: skip
