"""Small installs: the runtime on NumPy and LiteRT alone, and the wheel without extras."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerashand.extras import PACKAGES
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

ROOT = Path(__file__).parents[1]
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
LARGEST_MB = 250
"""What prediction may take on disk."""
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
    python = folder / SCRIPTS / "python"
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
    sample = render_sample("varied", "test", seed=0, index=3, size_px=256)
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


# ------------------------------------------------------------------------------ the base install

SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "kerashand")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The wheel, installed by one command in an environment of its own.

    `run` runs a command there, and `installed` is what pip came back with.
    """
    folder = tmp_path_factory.mktemp("base")
    (folder / "tree").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / "tree" / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    done = subprocess.run([*command, folder / "tree"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / SCRIPTS
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program, *arguments):
        return subprocess.run(
            [scripts / program, *arguments], capture_output=True, text=True, check=False,
            cwd=folder, env=alone,
        )  # fmt: skip

    (wheel,) = folder.glob("*.whl")
    installed = run("python", "-m", "pip", "install", "--disable-pip-version-check", wheel)
    if "Could not find a version" in installed.stderr:
        pytest.skip(f"no packages to be had: {installed.stderr[-200:]}")
    (site,) = {path.parent for path in (folder / "venv").rglob("site-packages/kerashand")}
    return SimpleNamespace(run=run, installed=installed, site=site, folder=folder)


@pytest.mark.slow
def test_one_command_installs_it_without_complaints(base):
    assert base.installed.returncode == 0, base.installed.stderr
    assert "ERROR" not in base.installed.stderr
    checked = base.run("python", "-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_the_base_install_is_small(base):
    assert not any((base.site / package.module).exists() for package in PACKAGES.values())
    beside = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    held = [path for path in base.site.iterdir() if not path.name.startswith(beside)]
    files = [path for one in held for path in (one, *one.rglob("*"))]
    size_mb = sum(path.lstat().st_blocks * 512 for path in files) / 1e6
    assert 50 < size_mb < LARGEST_MB


@pytest.mark.slow
def test_the_base_install_predicts(base):
    picture = ROOT / "docs" / "images" / "hand.jpg"
    done = base.run("kerashand-predict", picture, "--out", "drawn.png", "--json", "hands.jsonl")
    assert done.returncode == 0, done.stderr
    assert (base.folder / "drawn.png").is_file()
    (hand,) = json.loads((base.folder / "hands.jsonl").read_text())["hands"]
    program = """
import sys
from kerashand import picture_files
from kerashand.compat import mediapipe as mp
rgb = picture_files.read(sys.argv[1])
with mp.solutions.hands.Hands(static_image_mode=True) as hands:
    (landmarks,) = hands.process(rgb).multi_hand_landmarks
mp.solutions.drawing_utils.draw_landmarks(rgb, landmarks, mp.solutions.hands.HAND_CONNECTIONS)
print(landmarks.landmark[8].x * rgb.shape[1])
"""
    done = base.run("python", "-c", program, picture)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(hand["uv_px"][8][0] + 0.5, abs=2.0)


@pytest.mark.slow
def test_the_base_install_says_what_training_needs(base):
    done = base.run("kerashand-train", "--config", "weak.yaml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "kerashand-train: training needs TensorFlow, which the base install leaves out: "
        'pip install "kerashand[train]"\n'
    )
    # What it says is satisfied by the package that is there: no index has to know it.
    done = base.run("python", "-m", "pip", "install", "--dry-run", "--no-index", "kerashand")
    assert done.returncode == 0, done.stderr
