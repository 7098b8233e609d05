"""What is published: the sdist, the wheel built from it, their metadata, and the lock of CI."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import kerashand

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "tools" / "requirements-lock.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
NOT_LOCKED = {"rerun", "realsense"}
"""Extras that CI does not install: rerun-sdk is 170 MB, and pyrealsense2 has no wheel for macOS."""
LARGEST_WHEEL_MB, LARGEST_SDIST_MB = 11, 13.5
SOURCES = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE",
           "CITATION.cff", "mkdocs.yml", ".ci", "docs", "export", "kerashand", "notebooks",
           "tests", "tools")  # fmt: skip
LEFT_BY_WORK = ("__pycache__", ".*_cache", ".ipynb_checkpoints", "build", "runs", "node_modules",
                "package-lock.json", "export/web/models", ".gradle", "local.properties", "Pods",
                "Hands/*.tflite", "src/main/assets")  # fmt: skip
RUBBISH = (
    "kerashand/__pycache__/errors.cpython-310.pyc",
    "tests/__pycache__/conftest.cpython-310.pyc",
    "tests/.pytest_cache/README.md",
    "export/web/node_modules/package/index.js",
    "export/web/models/hand_pose.tflite",
    "export/cpp/build/hand_pose",
    "notebooks/runs/weak/weights.npz",
    "notebooks/.ipynb_checkpoints/01.ipynb",
    "runs/weak/weights.npz",
    ".venv/lib/module.py",
)
"""What lies about where people work: none of it is published."""


@pytest.fixture(scope="module")
def setup():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both files and their names, built offline from a tree where work has left things."""
    folder = tmp_path_factory.mktemp("supply")
    tree = folder / "tree"
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=left_by_work)
        else:
            tree.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tree)
    sources = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    for name in RUBBISH:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("left behind")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, tree]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
        metadata, entry_points = (
            archive.read(next(name for name in in_wheel if name.endswith(f".dist-info/{file}")))
            for file in ("METADATA", "entry_points.txt")
        )
    with tarfile.open(sdist) as archive:
        in_sdist = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    return SimpleNamespace(
        wheel=wheel, sdist=sdist, in_wheel=in_wheel, in_sdist=in_sdist, sources=sources,
        metadata=message_from_bytes(metadata), entry_points=entry_points.decode(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The wheel alone in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--no-index", "--target", folder, built.wheel]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def left_by_work(folder, names):
    return {n for n in names if any(Path(folder, n).match(pattern) for pattern in LEFT_BY_WORK)}


def package_files(names):
    return {name for name in names if name.startswith("kerashand/")}


def test_the_wheel_holds_the_whole_package_and_nothing_else(built):
    assert package_files(built.in_wheel) == package_files(built.sources)
    (info,) = {name.split("/")[0] for name in built.in_wheel - package_files(built.in_wheel)}
    assert info == f"kerashand-{kerashand.__version__}.dist-info"
    assert {f"{info}/licenses/LICENSE",
            f"{info}/licenses/kerashand/assets/LICENSE.webxr.txt"} <= built.in_wheel  # fmt: skip
    assert {"kerashand/cli/train.py", "kerashand/configs/paper/weak.yaml",
            "kerashand/assets/backgrounds.npz", "kerashand/reports/page.html",
            "kerashand/weights/hand_pose.tflite"} <= built.in_wheel  # fmt: skip


def test_the_sdist_holds_every_source_and_nothing_that_work_leaves(built):
    made = {name for name in built.in_sdist if name == "PKG-INFO" or ".egg-info/" in name}
    assert built.in_sdist - made == built.sources
    assert {"tests/conftest.py", "docs/method.md", "tools/requirements-lock.txt", "LICENSE",
            "CHANGELOG.md", "export/web/index.html"} <= built.in_sdist  # fmt: skip


def test_sizes(built):
    assert built.wheel.stat().st_size < LARGEST_WHEEL_MB * 1e6
    assert built.sdist.stat().st_size < LARGEST_SDIST_MB * 1e6


def test_metadata(built):
    metadata = built.metadata
    assert (metadata["Name"], metadata["Version"]) == ("kerashand", kerashand.__version__)
    assert metadata["License-Expression"].startswith("Apache-2.0")
    supported = SpecifierSet(metadata["Requires-Python"])
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}.1" in supported] == list(PYTHONS)
    classifiers = metadata.get_all("Classifier")
    named = [line.split(" :: ")[-1] for line in classifiers if ":: Python :: 3." in line]
    assert named == list(PYTHONS)
    assert metadata.get_payload().startswith("# kerashand")
    extras = {"train", "gpu", "opencv", "video", "edge", "export", "datasets", "rerun", "camera"}
    extras |= {"realsense", "docs", "test"}
    assert set(metadata.get_all("Provides-Extra")) == extras


@pytest.mark.parametrize("section", ["options", "options.extras_require"])
def test_every_dependency_has_both_bounds(setup, section):
    values = setup[section]
    lines = values["install_requires"] if section == "options" else "\n".join(values.values())
    for requirement in map(Requirement, filter(None, lines.splitlines())):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, requirement


def test_entry_points_lead_to_functions(built, setup):
    entry_points = configparser.ConfigParser(delimiters="=")
    entry_points.read_string(built.entry_points)
    scripts = dict(entry_points["console_scripts"])
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    assert [f"{name} = {value}" for name, value in scripts.items()] == sorted(lines)
    for name, value in scripts.items():
        assert callable(EntryPoint(name, value, "console_scripts").load())
        assert f"{value.partition(':')[0].replace('.', '/')}.py" in built.in_wheel


def test_the_wheel_alone_is_imported_and_finds_its_files(built, installed):
    program = f"""
import sys
sys.path.insert(0, {str(installed)!r})
from importlib import resources
import kerashand
print(kerashand.__file__)
root = resources.files("kerashand")
for name in sys.stdin.read().split():
    if not root.joinpath(name).read_bytes() and not name.endswith("__init__.py"):
        print("empty:", name)
"""
    names = "\n".join(name.partition("/")[2] for name in package_files(built.sources))
    # Without site-packages: an editable install of this repository would be found there.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], input=names,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(installed / "kerashand" / "__init__.py")]


def test_a_command_of_the_wheel_starts(installed):
    program = """
import kerashand.cli.train as train
print(train.__file__)
raise SystemExit(train.main(["--config", "weak.yaml", "--print-config"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        cwd=installed, env=os.environ | {"PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
    assert "stages:" in done.stdout


def lock_entries():
    """The lock's requirements, each with its number of hashes."""
    lines = [line for line in LOCK.read_text().splitlines() if not line.lstrip().startswith("#")]
    entries = re.split(r"\n(?=\S)", "\n".join(lines))
    return [(Requirement(entry.partition("\\")[0].strip()), entry.count("--hash=sha256:"))
            for entry in entries]  # fmt: skip


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_lock_fits_the_ranges(setup, python, system):
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.14",
        "sys_platform": system,
        "os_name": "nt" if system == "win32" else "posix",
    }
    pins = {}
    for requirement, _ in lock_entries():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in pins, requirement.name
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins[requirement.name] = pin.version
    extras = setup["options.extras_require"]
    lines = [setup["options"]["install_requires"]]
    lines += [extras[name] for name in extras if name not in NOT_LOCKED]
    for requirement in map(Requirement, filter(None, "\n".join(lines).splitlines())):
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        pin = pins.get(requirement.name.lower())
        assert pin is not None, requirement.name
        assert pin in requirement.specifier, (requirement, pin)


def test_the_lock_has_hashes_and_names_no_place():
    assert all(hashes for _, hashes in lock_entries())
    lock = LOCK.read_text(encoding="utf-8")
    assert "://" not in lock
    assert "index" not in lock
    assert lock.startswith("# This file was autogenerated by uv via the following command:\n")
