"""What is said of the machine."""

import re
import subprocess
import sys

from kerashand import machine


def test_the_machine_is_named(monkeypatch):
    monkeypatch.setattr(machine, "processor", lambda: "Abacus 3000")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 6)
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine, "gpus", list)
    assert machine.machine() == "6 cores of Abacus 3000 (Linux), no GPU"
    monkeypatch.setattr(machine, "gpus", lambda: ["A", "B"])
    assert machine.machine().endswith("GPU A, B")


def test_no_gpu_where_tensorflow_was_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert machine.gpus() == []


GROWTH = """
from kerashand.machine import memory_mb
before = memory_mb()
taken = b"x" * 200_000_000
print(memory_mb() - before)
"""


def test_memory_grows_by_what_is_taken():
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, check=True, text=True
    )
    assert 150 < float(done.stdout) < 250


def test_versions_of_what_is_installed():
    assert {"python", "keras", "numpy", "kerashand"} <= set(machine.versions())


def test_when_and_with_what(monkeypatch):
    monkeypatch.setattr(machine, "machine", lambda: "2 cores of Abacus")
    monkeypatch.setattr(machine, "versions", lambda: {"python": "3.12", "keras": "3.15"})
    assert re.fullmatch(
        r"Made on \d{4}-\d\d-\d\d at \d\d:\d\d \S+ with 2 cores of Abacus; python 3.12, "
        r"keras 3.15\.",
        machine.made(),
    )
