"""The notebooks run, and what is opened is what was tested."""

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
