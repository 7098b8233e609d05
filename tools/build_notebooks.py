"""Run the notebooks and write what is opened: .ipynb with outputs, from the .py beside each.

    pip install jupytext nbclient ipykernel && python tools/build_notebooks.py 01_quickstart

Each runs in an empty folder. Kept of its outputs are printed text and pictures, as JPEG; progress
bars and notes on the machine are left out, and so are paths. After a change of words alone,
`--keep-outputs` writes the cells anew without running them.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import time
from pathlib import Path

import cv2
import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient

from kerashand.files import write_text

FOLDER = Path(__file__).parents[1] / "notebooks"
WIDEST_PX = 1100
JPEG_QUALITY = 82


def main(argv: list[str] | None = None) -> None:
    """Run and write the notebooks that are named, or all."""
    names = [path.stem for path in sorted(FOLDER.glob("*.py"))]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=names, metavar="NAME", help="default: all")
    parser.add_argument(
        "--keep-outputs", action="store_true",
        help="run nothing; cells keep the outputs that they have, for changes that alter none",
    )  # fmt: skip
    args = parser.parse_args(argv)
    for name in args.names:
        notebook = jupytext.read(FOLDER / f"{name}.py")
        if args.keep_outputs:
            keep_outputs(FOLDER / f"{name}.ipynb", notebook)
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            place = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=3600, kernel_name="python3", resources=place).execute()
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.outputs = cleaned(cell.outputs, folder)
                    cell.metadata = {}
        path = FOLDER / f"{name}.ipynb"
        write_text(path, nbformat.writes(notebook) + "\n")
        size = path.stat().st_size / 1e6
        print(f"{path.name}: {time.monotonic() - started:.0f} s, {size:.2f} MB", flush=True)


def keep_outputs(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Write the sources of a notebook's cells into its .ipynb file, which keeps the rest.

    Raises:
        ValueError: when a cell was added, removed or moved, which only a run can follow.
    """
    held = nbformat.read(path, as_version=4)
    kinds, new_kinds = ([cell.cell_type for cell in one.cells] for one in (held, notebook))
    if kinds != new_kinds:
        raise ValueError(f"{path.name} has other cells than its source: run it without the option.")
    for cell, new in zip(held.cells, notebook.cells, strict=True):
        cell.source = new.source
    write_text(path, nbformat.writes(held) + "\n")


def cleaned(outputs: list, folder: str) -> list:
    """What of a cell's outputs is kept."""
    kept = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            output.text = output.text.replace(f"{folder}/", "").replace(str(Path.home()), "~")
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(output)
        elif "image/png" in output.get("data", {}):
            output.data = {"image/jpeg": as_jpeg(output.data["image/png"])}
            output.metadata = {}
            kept.append(output)
    return kept


def as_jpeg(png: str) -> str:
    """A picture in base64, smaller."""
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    if width > WIDEST_PX:
        size = (WIDEST_PX, round(height * WIDEST_PX / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(content.tobytes()).decode()


if __name__ == "__main__":
    main()
