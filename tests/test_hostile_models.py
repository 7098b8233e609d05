"""Hostile models: changed bytes of a network, and descriptions of wrong kinds."""

import numpy as np
import pytest
from fuzz_bombs import zip_bomb, zipped
from fuzz_models import detector_content, look, onnx_case

from kerashand.errors import UserError
from kerashand.runtime.backends import load_backend
from kerashand.runtime.model_file import METADATA_FILE, with_description


@pytest.fixture(scope="module")
def detector():
    """The network of the packaged detector, and its description."""
    content, metadata = detector_content()
    return content, {key: value for key, value in metadata.items() if key != "checksum"}


@pytest.mark.parametrize("place", [40, 5000, 700_000])
def test_changed_byte_of_a_network(detector, tmp_path, place):
    """Without the checksum some of these end the process."""
    content, metadata = detector
    path = tmp_path / "a.tflite"
    path.write_bytes(with_description(content, metadata))
    load_backend(path, task="hand_detector")
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(UserError, match="does not have the checksum that the export wrote"):
        load_backend(path, task="hand_detector")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "high"}, "A detector says `threshold` of 0 to 1. Received: 'high'"),
        ({"least_up": float("nan")}, "`least_up` of 0 to 1"),
        ({"checksum": [1]}, None),  # is written anew
        ({"task": ["hand_detector"]}, "is not a detector"),
    ],
)
def test_wrong_descriptions(detector, tmp_path, change, message):
    content, metadata = detector
    path = tmp_path / "a.tflite"
    path.write_bytes(with_description(content, {**metadata, **change}))
    picture = np.zeros((40, 40, 3), np.uint8)
    if message is None:
        look(path, picture)
        return
    with pytest.raises(UserError, match=message):
        look(path, picture)


def test_texts_of_onnx_that_are_no_text(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    whole = onnx_case(tmp_path).valid[0]
    path = tmp_path / "a.onnx"
    path.write_bytes(whole)
    load_backend(path, task="hand_detector")
    path.write_bytes(whole.replace(b"threshold", b"\xff\xfe23456789"[:9]))
    with pytest.raises(UserError, match="is not a model that ONNX Runtime can load"):
        load_backend(path, task="hand_detector")


def test_description_that_is_a_bomb(detector, tmp_path):
    path = tmp_path / "a.tflite"
    for bomb in (
        zip_bomb(METADATA_FILE, size=1 << 28),
        zipped({METADATA_FILE: b"[" * 100_000}),
    ):
        path.write_bytes(bomb)
        with pytest.raises(UserError, match=r"holds no description|not JSON"):
            load_backend(path, task="hand_detector")
