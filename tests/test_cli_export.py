"""`kerashand-export` as a command."""

import json
import os
import re
import subprocess
import sys

import pytest

from kerashand import exporting
from kerashand.cli import export as command
from kerashand.runtime import HandPose
from kerashand.runtime.hand_pose import POSE_FILE, packaged_model


@pytest.mark.slow
def test_the_packaged_model_in_another_precision(tmp_path, capsys, caplog):
    out = tmp_path / "hand.tflite"
    code = command.main(
        ["--model", "lite", "--format", "tflite", "--precision", "fp16", "--out", str(out),
         "--hands", "3"]
    )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr().out
    assert "hand.tflite: tflite fp16" in printed
    assert "3 rendered hands" in printed
    # Once, of both signatures.
    assert printed.count("from the model: largest joint error ") == 1
    assert "px of 128 and" in printed
    # Packaged weights are in half precision already, so that the difference may be none at all.
    measured = re.search(r"limit of fp16: a joint is off by 0.1 px at most; here (\S+)", printed)
    assert float(measured[1]) <= 0.1
    said = [record.getMessage() for record in caplog.records if record.name[:9] == "kerashand"]
    assert [text.split(" ")[0] for text in said] == [
        "starting", "loading", "rendering", "converting", "comparing"
    ]  # fmt: skip
    report = json.loads((tmp_path / "hand.tflite.parity.json").read_text())
    assert report["passed"]
    assert report["difference"]["serving_default"]["uv_px"]["max"] < 0.1
    assert HandPose.load(out).backend.metadata["precision"] == "fp16"


def test_a_whole_program_from_a_checkout(tmp_path):
    """As a process: what is printed, and nothing else."""
    done = subprocess.run(
        [sys.executable, "export/export_model.py", "--out", "hand.onnx"],
        capture_output=True, text=True, check=False, cwd=os.path.dirname(os.path.dirname(__file__)),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "kerashand-export: --out must end in .tflite for --format tflite. Received: hand.onnx\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "hand.onnx"], r"--out must end in .tflite for --format tflite. Received:"),
        (["--format", "saved_model", "--out", "a.tflite"], "name a folder, without a suffix"),
        (["--out", "nowhere/hand.tflite"], "the folder nowhere does not exist"),
        (["--out", "folder.tflite"], "folder.tflite is a folder"),
        (["--out", "a.tflite", "--hands", "0"], "--hands must be at least 1. Received: 0"),
        (["--out", "a.tflite", "--calibration", "-3"], "--calibration must be at least 1"),
        (["--out", "a.tflite", "--signature", "xyz_mm"], "--signature is for --format onnx"),
        (["--out", "a.tflite", "--backgrounds", "none"], "the folder none does not exist"),
        (
            ["--out", "a.tflite", "--model", "runs/none"],
            "A model is `lite`, `detector`, a run folder",
        ),
        (["--out", "a.tflite", "--model", "cpm"], "No weights of the CPM are in the package"),
        (["--out", "a.tflite", "--model", "empty"], "A run folder holds a config.yaml"),
        (["--out", "a.tflite", "--model", "half.tflite"], "was not exported by kerashand"),
        (["--out", "a.tflite", "--model", "text.tflite"], "was not exported by kerashand"),
        (["--format", "saved_model", "--precision", "int8", "--out", "a"], "exists in fp32"),
        (["--format", "saved_model", "--out", "empty2"], "is not a SavedModel"),
        (["--model", "half.tflite", "--out", "half.tflite"], "half.tflite is the model that is re"),
        (["--model", "half.tflite", "--out", "linked.tflite"], "linked.tflite is the model that"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("folder.tflite", "empty", "empty2"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty2" / "kept").touch()
    whole = packaged_model(POSE_FILE).read_bytes()
    (tmp_path / "half.tflite").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.tflite").write_text("no model")
    (tmp_path / "linked.tflite").symlink_to("half.tflite")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "weights", "--out", "a.npz"], "--format weights is for pose models"),
        (
            ["--format", "onnx", "--signature", "xyz_mm", "--out", "a.onnx"],
            "--signature xyz_mm is for pose models",
        ),
        (
            ["--precision", "int8", "--out", "a.tflite"],
            "int8 exists for pose models; a detector can be dynamic_int8",
        ),
    ],
)
def test_what_a_detector_does_not_have(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    detector = (None, {"task": "hand_detector", "image_size_px": 192})
    monkeypatch.setattr(exporting, "load_exportable", lambda name: detector)
    assert command.main(["--model", "detector", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "precision", "module", "words"),
    [
        ("onnx", "fp32", "tf2onnx", "export to ONNX needs tf2onnx"),
        ("onnx", "fp16", "onnxruntime", "export to ONNX needs ONNX Runtime"),
        ("tflite", "int8", "ai_edge_quantizer", "export in 8 bits needs the LiteRT quantizer"),
        ("tflite", "dynamic_int8", "ai_edge_quantizer", "export in 8 bits needs the LiteRT"),
        ("tflite", "fp16", "tensorflow", "export needs TensorFlow"),
    ],
)
def test_what_is_missing_is_said_at_once(form, precision, module, words, monkeypatch, capsys):
    """Before TensorFlow starts and anything is rendered."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(command, "tensorflow_start", None)
    arguments = ["--format", form, "--precision", precision, "--out", f"hand.{form}"]
    assert command.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"kerashand-export: {words}")
    assert said.endswith(', which the base install leaves out: pip install "kerashand[export]"\n')


def test_weights_to_train_on_from(tmp_path):
    from kerashand.models.hand_pose import parts_in_npz

    assert command.main(["--format", "weights", "--out", str(tmp_path / "w.npz")]) == 0
    assert set(parts_in_npz(tmp_path / "w.npz")) == {"network", "regressor"}


def test_the_command_offers_what_can_be_exported():
    choices = {action.dest: action.choices for action in command.build_parser()._actions}
    assert tuple(choices["precision"]) == ("fp32", "fp16", "dynamic_int8", "int8")
    assert set(choices["format"]) == {"tflite", "onnx", "saved_model", command.WEIGHTS}
