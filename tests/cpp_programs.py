"""Compiles the program of export/cpp and runs it, for tests.

Needs a C++17 compiler (CXX names another one than c++, g++ or clang++); what runs a network also
needs the libLiteRt.so of the package ai-edge-litert.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from shared_folders import shared_folder

import kerashand

CPP = Path(__file__).parents[1] / "export" / "cpp"
WEIGHTS = Path(kerashand.__file__).parent / "weights"
MODEL = WEIGHTS / "hand_pose.tflite"
FLAGS = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

PRINTED = {"uv_px": 0.005, "z_relative": 0.0005, "confidence": 0.0005}
"""Largest differences: what is printed, and a little of rounding."""


def find_compiler() -> str | None:
    """The program that CXX names, or one on the path."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


def find_litert() -> Path | None:
    """LiteRT's library in the Python package."""
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = [] if spec is None else spec.submodule_search_locations or []
    files = [Path(folder) / "libLiteRt.so" for folder in folders]
    return next((file for file in files if file.is_file()), None)


COMPILER, LITERT = find_compiler(), find_litert()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def compiled(source, program, *, litert=True):
    if litert and LITERT is None:
        pytest.skip("no libLiteRt.so: pip install ai-edge-litert")
    link = [LITERT, f"-Wl,-rpath,{LITERT.parent}"] if litert else []
    command = [COMPILER, *FLAGS, "-I", CPP, source, *link, "-o", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def said_by(source, folder, text):
    """The lines that a program without a network prints."""
    (folder / "own.cpp").write_text(source)
    program = compiled(folder / "own.cpp", folder / "own", litert=False)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def compiled_program(tmp_path_factory):
    def fill(folder):
        compiled(CPP / "hand_pose.cpp", folder / "hand_pose")

    return shared_folder(tmp_path_factory, "cpp_program", fill) / "hand_pose"


def write_ppm(path, rgb, *, head="P6\n{width} {height}\n255\n"):
    height, width = rgb.shape[:2]
    path.write_bytes(head.format(width=width, height=height).encode() + rgb.tobytes())
    return path


def run(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)
