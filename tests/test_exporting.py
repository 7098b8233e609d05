import json
import zipfile

import numpy as np
import pytest

from kerashand import exporting
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.models.hand_pose import build_parts
from kerashand.runtime import HandPose
from kerashand.runtime.backends import METADATA_FILE, load_backend

SIZE = 32


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(1)
    parts = build_parts(image_size_px=SIZE, lite={"width": 0.5, "stages": 2})
    return parts.build_inference_model()


@pytest.fixture(scope="module")
def metadata():
    return exporting.describe(load_config("weak.yaml", [f"data.image_size_px={SIZE}"]))


@pytest.mark.parametrize(("precision", "limit_px"), [("fp32", 0.01), ("fp16", 0.1)])
def test_tflite_gives_what_keras_gives(model, metadata, tmp_path, rng, precision, limit_px):
    path = tmp_path / "hand.tflite"
    exporting.export(model, path, "tflite", metadata=metadata, precision=precision)
    backend = load_backend(path, task="hand_pose")
    assert backend.metadata["joint_names"][0] == "wrist"
    for _ in range(3):
        image = rng.integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.uint8)
        expected = model(image.astype(np.float32))
        given = backend.run(image)
        assert set(given) == set(exporting.OUTPUTS)
        assert np.abs(given["uv_px"] - expected["uv_px"]).max() < limit_px
        assert np.abs(given["z_relative"] - expected["z_relative"]).max() < limit_px
        assert np.abs(given["confidence"] - expected["confidence"]).max() < limit_px
    assert [path.name] == [p.name for p in tmp_path.iterdir()]


def test_fp16_takes_half_the_room(model, metadata, tmp_path):
    for precision in exporting.PRECISIONS:
        path = tmp_path / f"{precision}.tflite"
        exporting.export(model, path, "tflite", metadata=metadata, precision=precision)
    full, half = (
        (tmp_path / f"{precision}.tflite").stat().st_size for precision in exporting.PRECISIONS
    )
    assert half < 0.6 * full


def test_the_runtime_runs_the_exported_file(model, metadata, tmp_path, rng):
    path = tmp_path / "hand.tflite"
    exporting.export(model, path, "tflite", metadata=metadata)
    picture = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
    (hand,) = HandPose.load(path).predict(picture, box=(20, 10, 60, 50), side="right", passes=1)
    assert hand.uv_px.shape == (21, 2)
    assert np.isfinite(hand.uv_px).all()
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read(exporting.METADATA_FILE))["image_size_px"] == SIZE


def test_what_cannot_be_written(model, metadata, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="fp16 exists for tflite only"):
        exporting.export(model, tmp_path / "a.onnx", "onnx", metadata=metadata, precision="fp16")
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"pip install 'kerashand\[export\]'"):
        exporting.export(model, tmp_path / "a.onnx", "onnx", metadata=metadata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "hand_finder"}, "is not a pose model. It says that it is: hand_finder"),
        ({"image_size_px": 64}, "does not hold what it says"),
        ({"image_size_px": None}, "does not hold what it says"),
        ({"scale_bone": "tail"}, "measures depth by tail"),
    ],
)
def test_a_file_that_is_not_what_it_says(model, metadata, tmp_path, change, message):
    path = tmp_path / "hand.tflite"
    exporting.export(model, path, "tflite", metadata={**metadata, "task": "hand_pose"})
    with zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read(METADATA_FILE))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"PK\x03\x04")])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, json.dumps({**described, **change}))
    with pytest.raises(UserError, match=message):
        HandPose.load(path)


def test_a_description_that_is_no_dictionary(model, metadata, tmp_path):
    path = tmp_path / "hand.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA_FILE, "[1, 2]")
    with pytest.raises(UserError, match="its description is list"):
        HandPose.load(path)


def test_a_saved_model_takes_the_place_of_nothing_else(model, metadata, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "kept.jpg").touch()
    with pytest.raises(UserError, match="is not a SavedModel"):
        exporting.export(model, tmp_path / "photos", "saved_model", metadata=metadata)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["kept.jpg"]
