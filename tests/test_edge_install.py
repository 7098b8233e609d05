"""The runtime where neither TensorFlow, Keras nor OpenCV is installed."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

ROOT = Path(__file__).parents[1]
EDGE = ("numpy", "ai-edge-litert")
PROGRAM = """
import time
start = time.perf_counter()
import importlib.util, json, sys
import numpy as np
absent = [n for n in ("tensorflow", "keras", "cv2", "matplotlib", "PIL", "yaml", "rich")
          if importlib.util.find_spec(n) is None]
from kerashand.runtime import HandPose
picture = np.load(sys.argv[1])
pose = HandPose.load()
(hand, *_) = pose.predict(picture, max_hands=1)
seconds = time.perf_counter() - start
k = [[500.0, 0.0, 128.0], [0.0, 500.0, 128.0], [0.0, 0.0, 1.0]]
(same,) = pose.predict_batch([picture], max_hands=1, intrinsics=k, scale_mm=90.0)[0]
frames = list(pose.stream([picture] * 3, max_hands=1, smooth=False))
print(json.dumps({
    "absent": absent, "seconds": seconds, "uv_px": hand.uv_px.tolist(),
    "handedness": hand.handedness,
    "again": same.uv_px.tolist(), "xyz_mm": same.xyz_mm.tolist(),
    "numbers": [[number for number, _ in hands] for hands in frames],
}))
"""


@pytest.fixture(scope="module")
def edge_python(tmp_path_factory):
    """An environment with kerashand, NumPy and LiteRT alone."""
    folder = tmp_path_factory.mktemp("edge")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for what in (["setuptools>=78.1.1", *EDGE],
                 ["--no-deps", "--no-build-isolation", str(ROOT)]):  # fmt: skip
        done = subprocess.run([*install, *what], capture_output=True, text=True, check=False)
        if done.returncode and "--no-deps" not in what:
            pytest.skip(f"no packages to be had: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr
    return python


@pytest.mark.slow
def test_hands_without_tensorflow_in_a_second(edge_python, tmp_path):
    sample = render_sample("varied", "test", 0, 3, size_px=256)
    np.save(tmp_path / "picture.npy", sample.image)
    (tmp_path / "program.py").write_text(PROGRAM)

    def run():
        done = subprocess.run(
            [edge_python, "program.py", "picture.npy"], capture_output=True, text=True,
            check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    results = [run() for _ in range(3)]
    first = results[0]
    assert len(first["absent"]) == 7
    (hand, *_) = HandPose.load().predict(sample.image, max_hands=1)
    assert first["handedness"] == hand.handedness
    np.testing.assert_allclose(first["uv_px"], hand.uv_px, atol=0.05)
    np.testing.assert_allclose(first["again"], first["uv_px"], atol=1e-3)
    assert np.isfinite(first["xyz_mm"]).all()
    assert first["numbers"] == [[0], [0], [0]]
    # Import, load and first result; the first run also compiles the modules.
    assert min(result["seconds"] for result in results) < 1.0
