"""Install the wheel in a fresh environment on every supported Python here, and use it.

    python tools/check_install.py                       # newest releases of all dependencies
    python tools/check_install.py --lowest --python 3.13
    python tools/check_install.py --extras              # the base install: prediction alone

The wheel is built from the sdist. Each environment gets it with its dependencies from the registry
and finds the hand in a picture. With the extras that it needs, it also finds one in a film, exports
the model and tries a step of each stage of `weak.yaml`. Extras that a Python cannot have are left
out. Environments hold about 2 GB and are deleted one by one. Needs `build` (`pip install -e
".[test]"`).
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from kerashand.extras import NEWEST_PYTHON

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
FILM = """
from pathlib import Path
from kerashand.synthetic.scene import render_sample
from kerashand.video import Frame
from kerashand.video.writing import film_writer
rgb = render_sample("varied", "test", seed=0, index=3, size_px=256).image
with film_writer(Path("film.mp4"), size_px=(256, 256), fps=30.0) as write:
    for number in range(5):
        write(Frame(rgb, number / 30, 1 / 30))
"""
HAND = str(ROOT / "docs" / "images" / "hand.jpg")


class Step(NamedTuple):
    """What is done in an environment, in a folder of its own.

    Attributes:
        extras: without which it is left out.
        commands: one after the other.
        output: a file that is there afterwards.
    """

    extras: set[str]
    commands: tuple[tuple[str, ...], ...]
    output: str | None = None


STEPS = {
    "predict": Step(set(), (("kerashand-predict", HAND, "--out", "hand.png"),), "hand.png"),
    "film": Step(
        {"opencv", "video"},
        (("python", "-c", FILM), ("kerashand-predict", "film.mp4")),
        "film_pose.mp4",
    ),
    "export": Step(
        {"export"},
        (("kerashand-export", "--precision", "fp16", "--out", "hand.tflite"),),
        "hand.tflite",
    ),
    "train": Step({"export"}, (("kerashand-train", "--config", "weak.yaml", "--dry-run"),)),
}


def main(argv: list[str] | None = None) -> int:
    """Check each Python and print one line of a table for each."""
    setup = configparser.ConfigParser(interpolation=configparser.BasicInterpolation())
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    versions = re.findall(r":: (3\.\d+)", setup["metadata"]["classifiers"])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="+", default=versions, choices=versions, metavar="3.X",
                        help="only these versions")  # fmt: skip
    parser.add_argument("--extras", nargs="*", default=["export", "opencv", "video"],
                        help="default: export opencv video; without a name: none")  # fmt: skip
    parser.add_argument("--lowest", action="store_true",
                        help="with the lowest series of each direct dependency")  # fmt: skip
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(lowest(setup, args.extras) if args.lowest else "", encoding="utf-8")
        wheel = build_wheel(Path(folder))
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
        heads = ("Python", "install", *STEPS, "size", "result")
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
        good = [
            check(version, wheel, constraints=constraints, extras=possible(args.extras, version))
            for version in args.python
        ]
    return 0 if all(good) else 1


def lowest(setup: configparser.ConfigParser, extras: list[str]) -> str:
    """Constraints that hold every direct dependency at the lowest series allowed."""
    lines = [setup["options"]["install_requires"]]
    lines += [setup["options.extras_require"][extra] for extra in extras]
    bound = re.compile(r"^([\w-]+)>=([\d.]+)[^;\n]*(;.*)?$", re.MULTILINE)
    # What an extra says of a dependency of the package itself comes later, and is narrower.
    found = {(name, marker): version for name, version, marker in bound.findall("\n".join(lines))}
    return "\n".join(f"{name}=={version}.*{marker}" for (name, marker), version in found.items())


def build_wheel(folder: Path) -> Path:
    """The wheel, built from the sdist in an environment of its own."""
    command = [sys.executable, "-m", "build", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return next(folder.glob("*.whl"))


def find_python(version: str) -> str | None:
    """A Python of this version that starts and can make environments, on PATH or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [sys.executable, shutil.which(f"python{version}"),
             *map(str, pyenv.glob(f"{version}.*/{SCRIPTS}/python*{version}"))]  # fmt: skip
    test = f"import sys, ssl, venv, ensurepip; assert '%d.%d' % sys.version_info[:2] == '{version}'"
    for python in filter(None, found):
        if subprocess.run([python, "-c", test], capture_output=True, check=False).returncode == 0:
            return python
    return None


def possible(extras: list[str], version: str) -> list[str]:
    """The extras that a Python can have."""
    python = tuple(map(int, version.split(".")))
    return [extra for extra in extras if python <= NEWEST_PYTHON.get(extra, python)]


def check(version: str, wheel: Path, *, constraints: Path, extras: list[str]) -> bool:
    """Install and use the package on one Python, print its line, and say whether all went well."""
    python = find_python(version)
    what = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    if python is None:
        print(f"| {version} | {'| ' * len(STEPS)}| | not here |", flush=True)
        return True
    with tempfile.TemporaryDirectory() as folder:
        scripts, work = Path(folder) / "venv" / SCRIPTS, Path(folder) / "work"
        work.mkdir()
        environment = os.environ | {
            "KERASHAND_CACHE": str(Path(folder) / "cache"),
            "CUDA_VISIBLE_DEVICES": "-1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        environment.pop("PYTHONPATH", None)
        # A program that is named by its whole path is not looked for in the environment.
        install = (
            (python, "-m", "venv", str(scripts.parent)),
            ("pip", "install", "--quiet", "--constraint", str(constraints), what),
        )
        cells, result = [], "good"
        for name, step in {"install": Step(set(), install), **STEPS}.items():
            if not step.extras <= set(extras):
                cells.append("")
                continue
            start = time.monotonic()
            commands = [(scripts / program, *rest) for program, *rest in step.commands]
            error = run(commands, cwd=work, env=environment)
            cells.append(f"{time.monotonic() - start:.0f} s")
            if not error and step.output and not (work / step.output).is_file():
                error = f"{step.output} was not written"
            if error:
                result = f"{name} failed"
                break
        cells += [""] * (1 + len(STEPS) - len(cells))
        files = (path for path in scripts.parent.rglob("*") if path.is_file())
        size = sum(path.lstat().st_size for path in files) / 1e9
    print(f"| {version} | {' | '.join(cells)} | {size:.2f} GB | {result} |", flush=True)
    if error:
        print(error, file=sys.stderr)
    return result == "good"


def run(commands, **settings) -> str:
    """Run commands one after the other; the end of what the first that fails said."""
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
        if done.returncode:
            return (done.stdout + done.stderr)[-3000:] or f"exit code {done.returncode}"
    return ""


if __name__ == "__main__":
    raise SystemExit(main())
