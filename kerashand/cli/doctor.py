"""`kerashand doctor`: what is installed, what works, and what is missing for what.

It runs where packages are absent or broken: nothing heavy is imported in its own process.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import kerashand
from kerashand import extras
from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError

BASE = ("numpy", "ai-edge-litert", "pillow", "protobuf", "PyYAML", "rich")
"""Packages of the base install; those of extras stand in `kerashand.extras`."""
INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd")
"""What makes a processor fast here, by the names of /proc/cpuinfo."""
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
PREDICTION = """
import kerashand.cli.drawing, kerashand.cli.jobs, kerashand.gestures
from kerashand.runtime import HandPose
import numpy
HandPose.load().predict(numpy.zeros((64, 64, 3), numpy.uint8))
"""
"""What `kerashand-predict` does with a picture, in a process of its own."""
TENSORFLOW = """
import tensorflow as tf
print(*(device.device_type for device in tf.config.list_physical_devices()))
"""
LIMIT_S, GPU_LIMIT_S = 60, 10
"""How long other programs may take."""
WIDTH = 26


def build_parser(prog: str = "kerashand doctor") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Prints the installed versions, the machine, the cache, whether the packaged "
        "models are whole, and which packages are missing. The exit code is 0 if prediction "
        "works, else 2.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--devices", action="store_true", help="also ask TensorFlow for its devices (slow)"
    )
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand doctor") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    return exit_code(prog, lambda: _report(devices=arguments.devices))


def _report(*, devices: bool) -> None:
    """Print all of it.

    Raises:
        UserError: If prediction does not work.
    """
    print(f"kerashand {kerashand.__version__} in {Path(kerashand.__file__).parent}")
    print(f"Python {platform.python_version()} at {sys.executable}, {platform.platform()}")
    _section("Packages", versions())
    _section("Machine", machine())
    if devices:
        _section("TensorFlow", [("devices", _answer(TENSORFLOW)[1])])
    _section("Cache of samples", cache())
    _section("Packaged models", models())
    works, why = _answer(PREDICTION)
    _section("Purposes", [("prediction", "works" if works else why), *purposes()])
    if not works:
        raise UserError(f"prediction does not work: {why}")


def _section(title: str, rows: Sequence[tuple[str, str]]) -> None:
    print(f"\n{title}")
    for name, what in rows:
        print(f"  {name:<{WIDTH}} {what}")


def versions() -> list[tuple[str, str]]:
    """Each package with its version."""
    return [(name, _version(name)) for name in dict.fromkeys((*BASE, *extras.PACKAGES))]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        held = extras.PACKAGES.get(package)  # such as cv2 of opencv-python
        if held is None or importlib.util.find_spec(held.module) is None:
            return "not installed"
        return f"not installed; {held.module} is from another package"


def purposes() -> list[tuple[str, str]]:
    """What needs more packages, and whether they are installed; none is tried."""
    rows = []
    for purpose, (_, extra) in extras.PURPOSES.items():
        told = "installed"
        if lacking := extras.missing(purpose):
            told = f"needs {', '.join(lacking)}: {extras.remedy(extra)}"
        rows.append((purpose, told))
    return rows


def machine() -> list[tuple[str, str]]:
    """Cores, GPUs, and what the processor computes with."""
    cores = os.cpu_count() or 1
    with contextlib.suppress(AttributeError):  # not on every system
        cores = len(os.sched_getaffinity(0))
    flags = _flags()
    here = [name for name in INSTRUCTIONS if name in flags]
    said = os.environ.get(ONEDNN)
    return [
        ("cores", str(cores)),
        ("GPUs", _gpus()),
        ("processor", " ".join(here) if flags else f"{platform.machine()}, not known closer"),
        ("oneDNN", f"{ONEDNN} is {'not set: the commands set 1' if said is None else said}"),
    ]


def _flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return set()
    return next(
        (
            set(line.partition(":")[2].split())
            for line in text.splitlines()
            if line.lower().startswith(("flags", "features"))
        ),
        set(),
    )


def _gpus() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "none known (there is no nvidia-smi)"
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, check=False, timeout=GPU_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi fails: {_last_line(str(error))}"
    if done.returncode:
        return f"nvidia-smi fails: {_last_line(done.stdout + done.stderr)}"
    return "; ".join(line.partition(" (UUID")[0] for line in done.stdout.splitlines()) or "none"


def cache() -> list[tuple[str, str]]:
    """The folder, its size, and the room on its disk."""
    from kerashand.data.shards import cache_root

    try:
        root = cache_root(None)
    except UserError as error:
        return [("folder", str(error))]
    there = next((path for path in (root, *root.absolute().parents) if path.exists()), None)
    free = "not known" if there is None else _size(shutil.disk_usage(there).free)
    size = _size(sum(_sizes(root))) if root.exists() else "not made yet"
    return [("folder", str(root)), ("size", size), ("free", free)]


def _sizes(root: Path) -> Iterator[int]:
    for folder, _, files in os.walk(root):
        for name in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                yield os.lstat(os.path.join(folder, name)).st_size


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def models() -> list[tuple[str, str]]:
    """The packaged models and whether they are as the export wrote them."""
    try:
        from kerashand.runtime.hand_pose import PACKAGED_FILES, packaged_model
        from kerashand.runtime.model_file import checked_network, read_metadata
    except Exception as error:  # whatever a broken NumPy raises
        return [("not looked at", f"{type(error).__name__}: {_last_line(str(error))}")]
    rows = []
    for path in map(packaged_model, PACKAGED_FILES):
        try:
            said = read_metadata(path)
            checked_network(path, path.read_bytes(), said)
            told = f"whole: its checksum is right ({_size(path.stat().st_size)})"
        except (UserError, OSError) as error:
            told = str(error)
        rows.append((path.name, told))
    return rows


def _answer(program: str) -> tuple[bool, str]:
    """Whether a program of Python ends well, and its output or the last line of its error."""
    here = str(Path(kerashand.__file__).parents[1])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "2"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, errors="replace",
            check=False, timeout=LIMIT_S, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"it did not end in {LIMIT_S} s"
    except OSError as error:
        return False, f"Python cannot be started: {error}"
    if done.returncode < 0:
        return False, f"it was ended by signal {-done.returncode}"
    if done.returncode:
        return False, _last_line(done.stderr) or f"it ended with {done.returncode}"
    return True, " ".join(done.stdout.split())


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


if __name__ == "__main__":
    raise SystemExit(main())
