"""The notebooks run, and what is opened is what was tested."""

import configparser
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))


def cells(source):
    """Kind and text of the cells of a percent script."""
    found = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            found.append(("markdown" if "[markdown]" in line else "code", []))
        elif found:
            kind, lines = found[-1]
            lines.append(line.removeprefix("#").removeprefix(" ") if kind == "markdown" else line)
    return [(kind, "\n".join(lines).strip()) for kind, lines in found]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_has_the_cells_of_its_source(source):
    notebook = json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))
    held = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in notebook["cells"]]
    assert held == cells(source)


NEEDED = {
    "01_quickstart": ("[train]", ("kerashand", "cv2", "tensorflow")),
    "02_weak_supervision": ("[train]", ("kerashand", "cv2", "tensorflow")),
    "03_your_own_rgbd": ("[export]", ("kerashand", "ai_edge_quantizer")),
    "04_export_to_edge": (
        "[export]", ("kerashand", "ai_edge_quantizer", "onnxruntime", "tf2onnx"),
    ),
}  # fmt: skip


@pytest.fixture
def installer(tmp_path, monkeypatch):
    """A function that runs the first cell of a notebook, where nothing is installed.

    It gives what pip was asked for. `found` is what Python says of a package.
    """

    def run(source, folder, found=None):
        asked = []
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
        monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(command))
        text = next(text for kind, text in cells(source) if kind == "code")
        variables = {}
        exec(text, variables)
        assert (variables["EXTRA"], variables["NEEDED"]) == NEEDED[source.stem]
        ((*pip, wanted),) = asked
        return pip[1:], wanted

    return run


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_installs_the_clone_around_it(source, installer):
    pip, wanted = installer(source, NOTEBOOKS)
    assert pip == ["-m", "pip", "install", "-q", "-e"]
    assert wanted == f"{NOTEBOOKS.parent}{NEEDED[source.stem][0]}"


@pytest.mark.parametrize("folder", ["kerashand", "kerashand-main"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_installs_the_clone_beside_it(source, folder, installer, tmp_path):
    """Python takes a folder of that name for a package without code."""
    (tmp_path / folder / "kerashand").mkdir(parents=True)
    (tmp_path / folder / "kerashand" / "__init__.py").touch()
    without_code = importlib.machinery.ModuleSpec("kerashand", None, is_package=True)
    pip, wanted = installer(source, tmp_path, without_code)
    assert pip == ["-m", "pip", "install", "-q", "-e"]
    assert wanted == f"{tmp_path / folder}{NEEDED[source.stem][0]}"


@pytest.mark.parametrize("archive", ["kerashand-main.zip", "kerashand-0.1.0.tar.gz"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_installs_an_uploaded_archive(source, archive, installer, tmp_path):
    (tmp_path / archive).touch()
    pip, wanted = installer(source, tmp_path)
    assert pip == ["-m", "pip", "install", "-q"]
    assert wanted == f"{tmp_path / archive}{NEEDED[source.stem][0]}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_asks_the_address_last(source, installer, tmp_path):
    setup = configparser.ConfigParser()
    setup.read(NOTEBOOKS.parent / "setup.cfg", encoding="utf-8")
    _, wanted = installer(source, tmp_path)
    assert wanted == f"kerashand{NEEDED[source.stem][0]} @ git+{setup['metadata']['url']}"


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs(source, tmp_path):
    environment = {
        **os.environ, "KERASHAND_SMOKE": "1", "KERASHAND_CACHE": str(tmp_path / "cache"),
        "MPLBACKEND": "agg",
    }  # fmt: skip
    # As text, like a notebook's kernel: the renderer's workers have no file to run again.
    done = subprocess.run(
        [sys.executable, "-c", source.read_text(encoding="utf-8")], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "depth behind the wrist" in done.stdout
