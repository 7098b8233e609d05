"""What an install costs: MB to load and MB on disk, of the base and of each extra.

The wheel is built, and each choice is installed in a fresh environment of this Python, from files
that pip loads first. Counted are the blocks on disk of what the environment holds afterwards
beside pip and setuptools, with the modules that pip compiles.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from check_install import SCRIPTS, build_wheel

from kerashand.errors import UserError

CHOICES = ("", "video", "opencv", "edge", "datasets", "train", "export")
"""Extras; the base has none."""
BLOCK_BYTES = 512
"""Unit of `st_blocks`."""
ALWAYS_THERE = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument(
        "--extras", nargs="+", default=CHOICES, choices=CHOICES, metavar="EXTRA",
        help="only these; '' is the base",
    )  # fmt: skip


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Install each choice and print its line."""
    print(f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}")
    print(f"| extra | packages | MB to load | MB on disk |\n|{'---|' * 4}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        for extra in args.extras:
            row = _installed(wheel, extra)
            cells = row["extra"], row["packages"], f"{row['load_mb']:.0f}", f"{row['disk_mb']:.0f}"
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            rows.append(row)
    return {"rows": rows}


def _installed(wheel: Path, extra: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        files, place = Path(folder) / "files", Path(folder) / "venv"
        venv.create(place, with_pip=True)
        python = place / SCRIPTS / "python"
        what = f"{wheel}[{extra}]" if extra else str(wheel)
        _pip(python, "download", "--dest", files, what)
        _pip(python, "install", "--no-index", "--find-links", files, what)
        (site,) = {path.parent for path in place.rglob("site-packages/kerashand")}
        return {
            "extra": extra,
            "packages": len(list(files.iterdir())),
            "load_mb": round(sum(path.stat().st_size for path in files.iterdir()) / 1e6, 1),
            "disk_mb": round(disk_mb(site), 1),
        }


def disk_mb(site: Path) -> float:
    """What a folder of packages takes on disk, in MB, without what every environment has."""
    held = [path for path in site.iterdir() if not path.name.startswith(ALWAYS_THERE)]
    files = [path for one in held for path in (one, *one.rglob("*"))]
    return sum(path.lstat().st_blocks * BLOCK_BYTES for path in files) / 1e6


def _pip(python: Path, *arguments: str | Path) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    # Packages of PYTHONPATH would count as installed.
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    if done.returncode:
        raise UserError(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    if "ERROR" in done.stderr:  # conflicts, which pip does not count as a failure
        print(done.stderr.strip(), file=sys.stderr)
