"""A user's ~/.keras/keras.json changes nothing, in the commands and in Python."""

import json
import os
import subprocess
import sys

import pytest

SAID = """
import json, keras, numpy as np
print(json.dumps([keras.config.backend(), keras.config.floatx(), keras.config.epsilon(),
                  keras.config.image_data_format()]))
"""
COMMAND = """
from kerashand.cli.startup import tensorflow_start
with tensorflow_start():
    from kerashand import exporting
"""
LIBRARY = """
from kerashand import exporting
"""
NETWORK = """
model, metadata = exporting.load_exportable("lite")
size = metadata["image_size_px"]
outputs = model(np.zeros((1, size, size, 3), np.float32))
print(json.dumps(sorted({v.dtype.name for v in outputs.values()})))
"""
USUAL = ["tensorflow", "float32", 1e-7, "channels_last"]


def run(folder, text, code):
    (folder / "keras.json").write_text(text)
    environment = {**os.environ, "KERAS_HOME": str(folder)}
    environment.pop("KERAS_BACKEND", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("start", [COMMAND, LIBRARY], ids=["command", "library"])
def test_settings_of_others_do_not_count(start, tmp_path):
    other = {"floatx": "float16", "epsilon": 0.1, "backend": "jax",
             "image_data_format": "channels_first"}  # fmt: skip
    done = run(tmp_path, json.dumps(other), start + SAID + NETWORK)
    assert done.returncode == 0, done.stderr[-2000:]
    said, types = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert said == USUAL
    assert types == ["float32"]


def test_a_file_that_keras_cannot_read_is_named(tmp_path):
    code = (
        "from kerashand.cli import export as command\n"
        "raise SystemExit(command.main(['--format', 'weights', '--out', 'w.npz']))"
    )
    done = run(tmp_path, json.dumps({"floatx": "bfloat16"}), code)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Keras cannot read ~/.keras/keras.json" in done.stderr.splitlines()[-1]
