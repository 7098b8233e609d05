"""The fuzzer: some hundred inputs of each entrance, findings, and crashes that it survives."""

import os

import fuzz
import pytest

from kerashand.errors import UserError

NAMES = (
    *("yaml", "override", "recording", "points", "freihand", "rhd", "mat", "hand3d", "labels"),
    *("image", "depth", "video", "onnx", "tflite", "weights", "checkpoint", "tfrecord", "report"),
    *("boxes", "bag", "record3d"),
)
INPUTS = 200


@pytest.mark.parametrize("name", NAMES)
def test_entrance(name):
    """No input of an entrance gives anything but a result or a message."""
    needed = {"mat": ["scipy"], "onnx": ["onnx", "onnxruntime"], "bag": ["rosbags"]}
    for package in {**needed, "record3d": ["lzfse"]}.get(name, ()):
        pytest.importorskip(package)
    result = fuzz.fuzz(name, INPUTS, seed=1)
    assert result.refused_valid == []
    assert result.findings == []
    assert result.inputs == INPUTS == result.accepted + result.refused
    assert result.refused > INPUTS // 4


def test_every_entrance_is_tried():
    assert set(NAMES) == set(fuzz.ENTRANCES)


# ---------------------------------------------------------------------------------- the tool


def case(call, **options):
    return fuzz.Case(".txt", call, [b"a: 1"], **options)


@pytest.mark.parametrize(
    ("call", "outcome", "text"),
    [
        (lambda path: None, "accepted", ""),
        (lambda path: (_ for _ in ()).throw(UserError("a.txt is none")), "refused", "a.txt is no"),
        (lambda path: (_ for _ in ()).throw(UserError("")), "finding", "a message of 0"),
        (lambda path: {}["x"], "finding", "KeyError"),
        (lambda path: int("x"), "finding", "ValueError"),
        (lambda path: open(os.environ["KERASHAND_FUZZ_CANARY"], "w").close(), "finding", "code"),
    ],
)
def test_what_a_finding_is(tmp_path, monkeypatch, call, outcome, text):
    monkeypatch.setenv(fuzz.CANARY, str(tmp_path / "canary"))
    found = fuzz.try_input(case(call), tmp_path / "a.txt")
    assert found[0] == outcome
    assert text in found[1]


def test_slow_input_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "MOST_SECONDS", -1.0)
    assert fuzz.try_input(case(lambda path: None), tmp_path)[0] == "finding"


def test_crashes_and_hangs_are_named(tmp_path, monkeypatch):
    """A process that dies at input 1 and hangs at input 3 is started again after each."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, signal, sys, time\n"
        "first = int(sys.argv[sys.argv.index('--first') + 1])\n"
        "print(json.dumps({'ready': 'yaml', 'refused': []}), flush=True)\n"
        "for n in range(first, 5):\n"
        "    if n == 1: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if n == 3: time.sleep(60)\n"
        "    print(json.dumps({'number': n, 'outcome': 'refused', 'text': 'x'}), flush=True)\n"
    )
    monkeypatch.setattr(fuzz, "__file__", str(script))
    monkeypatch.setattr(fuzz, "HANGS_SECONDS", 0.5)
    result = fuzz.fuzz("yaml", 5, 0)
    assert (result.inputs, result.refused) == (5, 3)
    assert [finding.number for finding in result.findings] == [1, 3]
    assert "SIGSEGV" in result.findings[0].what
    assert "without an answer" in result.findings[1].what


def test_the_same_numbers_give_the_same_inputs():
    valid = [b"a: [1, 2]\nb: {c: d}\n", b"e: 1\n"]
    same = [
        fuzz.make(fuzz.Case(".txt", print, valid, value={"a": [1]}, dump=str.encode), 3, number)
        for number in (7, 7)
    ]
    assert same[0] == same[1]
    inputs = [fuzz.make(fuzz.Case(".txt", print, valid), 3, number) for number in range(50)]
    assert len(set(inputs)) > 40
