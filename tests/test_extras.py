"""What the base install leaves out: said in one line, before the work, with the right extra."""

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kerashand import extras
from kerashand.errors import UserError

ROOT = Path(__file__).parents[1]
LEFT_OUT = [package.module for package in extras.PACKAGES.values()]


def packages_of(section, name):
    """The packages of a list of setup.cfg, by their names on PyPI."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return {Requirement(line).name for line in filter(None, setup[section][name].splitlines())}


def test_each_extra_brings_what_its_purposes_need_and_the_base_does_not():
    base = packages_of("options", "install_requires")
    for purpose, (packages, extra) in extras.PURPOSES.items():
        assert set(packages) <= packages_of("options.extras_require", extra), purpose
    assert not base & extras.PACKAGES.keys()
    assert {package for one in extras.PURPOSES.values() for package in one.packages} == set(
        extras.PACKAGES
    )


def test_the_packages_of_the_design_are_declared():
    declared = packages_of("options", "install_requires") | packages_of(
        "options.extras_require", "test"
    )
    assert {"tensorflow", "keras", "tf2onnx", "numpy", "opencv-python-headless", "pytest"} <= (
        declared
    )


@pytest.mark.parametrize(
    "purpose",
    [name for name, one in extras.PURPOSES.items() if one.extra not in ("rerun", "realsense")],
)
def test_here_nothing_is_missing(purpose):
    """The extra `test` brings what the tests of each purpose need; two are tested by stand-ins."""
    assert extras.missing(purpose) == []
    extras.check(purpose)


def test_the_first_package_that_is_missing_is_named(monkeypatch):
    for module in ("keras", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    assert extras.missing("training") == ["keras", "matplotlib"]
    message = 'needs Keras, which the base install leaves out: pip install "kerashand[train]"'
    with pytest.raises(UserError, match=re.escape(f"training {message}")):
        extras.check("training")
    with pytest.raises(UserError, match=re.escape(f"weak.yaml {message}")):
        extras.check("training", "weak.yaml")


@pytest.mark.parametrize(("python", "has_it"), [((3, 13, 9), True), ((3, 14, 0), False)])
def test_an_extra_that_this_python_cannot_have(monkeypatch, python, has_it):
    monkeypatch.setattr(sys, "version_info", python)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    install = 'pip install "kerashand[train]"'
    other = "use Python 3.13, since TensorFlow has no release for 3.14 yet"
    message = f"which the base install leaves out: {install if has_it else other}"
    with pytest.raises(UserError, match=rf"training needs TensorFlow, {re.escape(message)}$"):
        extras.check("training")
    assert extras.remedy("video") == 'pip install "kerashand[video]"'


def test_a_module_that_cannot_be_imported_leads_to_its_extra():
    assert extras.needs_module("av") == (
        'needs PyAV, which the base install leaves out: pip install "kerashand[video]"'
    )
    # The smallest that brings it.
    assert extras.needs_module("cv2").endswith('pip install "kerashand[opencv]"')
    assert extras.needs_module("of_a_bug") is None


BASE = """
import json, sys
for module in json.loads(sys.argv.pop(1)):
    sys.modules[module] = None
import importlib
name, _, function = sys.argv.pop(1).partition(":")
raise SystemExit(getattr(importlib.import_module(name), function)(sys.argv[1:]))
"""


def run_in_base(command, *arguments, cwd):
    """A command where nothing can be imported that the base install leaves out."""
    program = [sys.executable, "-c", BASE, json.dumps(LEFT_OUT), f"kerashand.cli.{command}:main"]
    return subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("train", ["--config", "weak.yaml"], "training needs TensorFlow"),
        ("eval", ["nowhere.tflite"], "evaluation needs TensorFlow"),
        ("export", ["--out", "hand.tflite"], "export needs TensorFlow"),
        ("data", ["render", "--config", "weak"], "the sample cache needs TensorFlow"),
        (
            "data",
            ["sheet", "--domain", "source", "--out", "b.png"],
            "a sheet of hands needs OpenCV",
        ),
        ("data", ["check", ".", "--sheet", "a.png"], "a sheet of hands needs OpenCV"),
        ("data", ["import", "tum", "out"], "a TUM RGB-D sequence needs OpenCV"),
        (
            "data",
            ["import", "clip.mp4", "out", "--depth", "clip.mp4"],
            "a pair of colour and depth needs OpenCV",
        ),
        ("predict", ["camera:0"], "camera:0 needs OpenCV"),
        ("predict", ["clip.mp4"], "clip.mp4 needs PyAV"),
        ("predict", ["a.png", "--model", "hand.onnx"], "hand.onnx needs ONNX Runtime"),
    ],
)
def test_a_command_says_at_once_what_it_lacks(command, arguments, said, tmp_path):
    for name in ("clip.mp4", "a.png", "hand.onnx", "tum/rgb.txt", "tum/depth.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    done = run_in_base(command, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    line = f"kerashand-{command}: {said}, which the base install leaves out: pip install "
    assert re.fullmatch(re.escape(line) + r'"kerashand\[\w+\]"\n', done.stderr), done.stderr


def test_recordings_are_checked_and_labelled_in_the_base_install(tmp_path):
    """Both come as far as the missing recording.yaml of an empty folder."""
    for command in ("check", "label"):
        done = run_in_base("data", command, ".", cwd=tmp_path)
        assert done.returncode == 2
        assert "recording.yaml" in done.stderr, done.stderr


def test_a_picture_is_drawn_in_the_base_install(tmp_path):
    picture = ROOT / "docs" / "images" / "hand.jpg"
    done = run_in_base("predict", str(picture), "--out", "drawn.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hand.jpg: 1 hand" in done.stdout
    assert (tmp_path / "drawn.png").stat().st_size > 10_000


def test_modules_that_need_keras_say_so():
    code = "import sys; sys.modules['keras'] = None; import kerashand.models"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "a Keras model needs Keras, which the base install leaves out" in done.stderr
