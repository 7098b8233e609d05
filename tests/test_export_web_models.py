"""Model files that the page of export/web loads or refuses, in headless Chromium.

`browser_pages.py` says what it needs.
"""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from browser_pages import WEIGHTS, needs_browser, packaged_pose, page_runner
from model_writers import SIN, TILE, parts_of, with_lost_subgraphs, with_operator

pytestmark = needs_browser
run_page = pytest.fixture(page_runner)
pose = pytest.fixture(scope="module")(packaged_pose)


def model_with(description, *, model=None, packing=zipfile.ZIP_DEFLATED) -> bytes:
    """A model file with another description; without `model` the packaged pose model."""
    model = parts_of("hand_pose.tflite")[0] if model is None else model
    if isinstance(description, dict):
        checksum = {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
        description = {**description, "checksum": checksum}
    content = io.BytesIO(model)
    with zipfile.ZipFile(content, "a", packing) as archive:
        archive.writestr("other.txt", "not this one")
        archive.writestr("kerashand.json", json.dumps(description))
    return content.getvalue()


def two_signatures(side, folder) -> bytes:
    """A pose model with heads whose outputs have no leading 1, with a second signature."""
    import tensorflow as tf

    image = tf.TensorSpec((1, side, side, 3), tf.uint8, name="image")
    scale = tf.TensorSpec((1,), tf.float32, name="scale_mm")
    weight = tf.range(1.0, 22.0)

    @tf.function(input_signature=[image], autograph=False)
    def serve(image):
        mean = tf.reduce_mean(tf.cast(image, tf.float32))
        values = mean * weight
        return {
            "uv_px": tf.stack([values, -values], axis=-1), "z_relative": values + 1.0,
            "confidence": values / 10000.0, "p_right": mean / 400.0, "p_hand": mean / 200.0,
        }  # fmt: skip

    @tf.function(input_signature=[image, scale], autograph=False)
    def in_mm(image, scale_mm):
        return {"xyz_mm": serve(image)["uv_px"] * scale_mm}

    # In the file, signatures stand in the order of their names.
    signatures = {"serving_default": serve, "a_first_one": in_mm}
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=sorted(signatures)
    )
    return converter.convert()


def test_model_files(run_page, pose):
    """Descriptions that are packed; files that are missing, damaged or of another kind."""
    described = dict(pose.backend.metadata)
    network, _ = parts_of("hand_pose.tflite")
    whole, half = model_with(described), len(network) // 2
    stored = model_with(described, packing=zipfile.ZIP_STORED)
    files = {
        "packed.tflite": model_with(described),
        "stored.tflite": stored,
        "bare.tflite": (WEIGHTS / "hand_pose.tflite").read_bytes()[:-900],
        "detector.tflite": model_with({**described, "task": "hand_detector"}),
        "size.tflite": model_with({**described, "image_size_px": 96}),
        "list.tflite": model_with([1]),
        "noise.tflite": model_with(described, model=b"\x00noise" * 400),
        "broken.tflite": model_with(described, model=with_lost_subgraphs(network)),
        "changed.tflite": whole[:half] + bytes([whole[half] ^ 64]) + whole[half + 1 :],
        "unchecked.tflite": stored.replace(b'"checksum"', b'"Checksum"'),
        "foreign.tflite": model_with(described, model=with_operator(network, TILE, SIN)),
    }
    answer = run_page(
        f"""
        const {{ Backend }} = await import('/backend.js');
        const {{ UserError }} = await import('/errors.js');
        const answer = {{}};
        for (const name of {json.dumps([*files, "missing.tflite"])}) {{
          try {{
            const backend = await Backend.load(`/test/${{name}}`, 'hand_pose');
            answer[name] = backend.description;
          }} catch (error) {{
            if (!(error instanceof UserError)) throw error;
            answer[name] = error.message;
          }}
        }}
        return answer;
        """,
        files,
    )
    assert answer["packed.tflite"] == answer["stored.tflite"] == described
    assert "holds no description" in answer["bare.tflite"]
    assert "is not a pose model. It says that it is: hand_detector" in answer["detector.tflite"]
    assert "does not hold what it says, a pose model for 96 px" in answer["size.tflite"]
    assert "its description is not an object" in answer["list.tflite"]
    assert "is not a model that LiteRT.js can load" in answer["noise.tflite"]
    assert "is not a model that LiteRT.js can load" in answer["broken.tflite"]
    assert "does not have the checksum" in answer["changed.tflite"]
    assert "does not have the checksum" in answer["unchecked.tflite"]
    assert "is not run: it holds operators" in answer["foreign.tflite"]
    assert "(numbers 66)" in answer["foreign.tflite"]
    assert "is not there (404)" in answer["missing.tflite"]


def test_the_right_one_of_two_signatures(run_page, pose, tmp_path):
    model = two_signatures(8, tmp_path / "saved")
    described = {**pose.backend.metadata, "image_size_px": 8}
    answer = run_page(
        """
        const { Backend } = await import('/backend.js');
        const backend = await Backend.load('/test/two.tflite', 'hand_pose');
        const outputs = await backend.run(new Uint8Array(8 * 8 * 3).fill(100));
        const told = Object.entries(outputs).map(([name, values]) => [name, [...values]]);
        return { ...Object.fromEntries(told), names: [...backend.outputs] };
        """,
        {"two.tflite": model_with(described, model=model)},
    )
    values = 100.0 * np.arange(1, 22)
    np.testing.assert_allclose(np.reshape(answer["uv_px"], (21, 2)), np.c_[values, -values])
    np.testing.assert_allclose(answer["z_relative"], values + 1)
    assert (answer["p_right"], answer["p_hand"]) == ([0.25], [0.5])
    names = {"uv_px", "z_relative", "confidence", "p_right", "p_hand"}
    assert set(answer.pop("names")) == set(answer) == names
