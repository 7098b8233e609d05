"""Writing of exported files: what cannot be written, 16-bit constants, and what a crash leaves."""

import dataclasses

import numpy as np
import pytest
from small_exports import described, export, random_model, small_config, small_hands

from kerashand import exporting
from kerashand.errors import UserError
from kerashand.exporting import parity
from kerashand.models.hand_pose import PART_NAMES, build_parts
from kerashand.runtime import HandPose
from kerashand.runtime.litert import open_interpreter

config = pytest.fixture(scope="module")(small_config)
model = pytest.fixture(scope="module")(random_model)
metadata = pytest.fixture(scope="module")(described)
hands = pytest.fixture(scope="module")(small_hands)


def test_what_cannot_be_written(model, metadata, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"saved_model exists in fp32\. Received: fp16"):
        exporting.export(model, tmp_path / "a", "saved_model", metadata=metadata, precision="fp16")
    with pytest.raises(UserError, match="int8 needs hands"):
        exporting.export(model, tmp_path / "a.onnx", "onnx", metadata=metadata, precision="int8")
    for package, form, precision in (
        ("tf2onnx", "onnx", "fp32"), ("ai_edge_quantizer", "tflite", "dynamic_int8"),
        ("onnxruntime", "onnx", "fp16"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, package, None)
            with pytest.raises(UserError, match=r"pip install \"kerashand\[export\]\""):
                exporting.export(
                    model, tmp_path / "a", form, metadata=metadata, precision=precision
                )
    assert not list(tmp_path.iterdir())


def test_half_without_the_quantizer(model, metadata, hands, tmp_path, monkeypatch):
    """The base install has fp16, as good as that of the extra."""
    for package in ("ai_edge_quantizer", "tf2onnx", "onnx", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    report = export(model, tmp_path, "tflite", "fp16", hands, metadata)
    assert report["difference"]["serving_default"]["uv_px"]["max"] < 0.05
    exporting.load_exportable(str(tmp_path / "hand.tflite"))


def test_which_constants_have_16_bits(model, metadata, tmp_path):
    """Kernels, but for the first layer's; biases and the scaling of pictures are as they were."""
    exporting.export(model, tmp_path / "a.tflite", "tflite", metadata=metadata, precision="fp16")
    details = open_interpreter(
        (tmp_path / "a.tflite").read_bytes(), plain=True
    ).get_tensor_details()
    halves = [d for d in details if d["dtype"] == np.float16]
    assert {len(d["shape"]) for d in halves} == {2, 4}
    assert not any("down2_conv" in d["name"] for d in halves)
    parts = [part for part in model.layers if part.name in PART_NAMES]
    kernels = [layer for part in parts for layer in part.layers if hasattr(layer, "kernel")]
    assert len(halves) == len(kernels) - 1


def test_a_crash_leaves_what_was_there(model, metadata, hands, tmp_path, monkeypatch):
    path = tmp_path / "hand.tflite"
    path.write_bytes(b"what was there")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parity, "compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(model, tmp_path, "tflite", "fp32", hands, metadata)
    assert [p.name for p in tmp_path.iterdir()] == ["hand.tflite"]
    assert path.read_bytes() == b"what was there"


def test_a_saved_model_takes_the_place_of_nothing_else(model, metadata, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "kept.jpg").touch()
    with pytest.raises(UserError, match="is not a SavedModel"):
        exporting.export(model, tmp_path / "photos", "saved_model", metadata=metadata)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["kept.jpg"]
    with pytest.raises(UserError, match=r"folder without a saved_model\.pb"):
        HandPose.load(tmp_path / "photos")


def test_models_trained_in_mixed_precision_export_the_same(config, hands, tmp_path):
    import keras

    from kerashand.models.hand_pose import save_parts_npz

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(3)
        parts = build_parts(**config.parts_arguments())
        save_parts_npz(tmp_path / "w.npz", parts.models)
        mixed = dataclasses.replace(config.runtime, precision="mixed_bfloat16")
        model = exporting.load_model(dataclasses.replace(config, runtime=mixed), tmp_path / "w.npz")
    finally:
        keras.config.set_dtype_policy("float32")
    (tmp_path / "w.npz").unlink()
    report = export(model, tmp_path, "tflite", "fp32", hands, exporting.describe(config))
    assert report["difference"]["serving_default"]["uv_px"]["max"] < 0.01
