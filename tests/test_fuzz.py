"""Hostile input: some hundred generated files for each entrance, the bombs, and mended mistakes."""

import copy
import json
import os
import pickle
import struct
import sys

import cv2
import fuzz
import numpy as np
import pytest

from kerashand.cli.data import main as data_main
from kerashand.cli.media import read_picture
from kerashand.cli.predict import main as predict_main
from kerashand.config import load_config
from kerashand.data.cache import check_shards
from kerashand.data.kinds import freihand, rgbd, stb
from kerashand.data.kinds.photos import load_labels
from kerashand.errors import UserError
from kerashand.pickles import load_pickle
from kerashand.runtime.backends import load_backend
from kerashand.runtime.model_file import METADATA_FILE, with_description
from kerashand.training.checkpoint import load_state, save_checkpoint
from kerashand.untrusted import read_arrays, read_member
from kerashand.video.film import Film
from kerashand.yaml_files import YamlError, parse_yaml

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


# -------------------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    "text",
    [
        "!!int ''",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "!!python/name:os.system",
        "2024-13-45",
    ],
)
def test_yaml_tags_have_a_place(text):
    with pytest.raises(YamlError, match="line 1, column 7"):
        parse_yaml(f"seed: {text}")


def test_yaml_that_is_too_long(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n" * 30_000)
    with pytest.raises(UserError, match="more than 100,000 bytes"):
        load_config(tmp_path / "a.yaml")


def test_home_of_nobody(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("extends: ~nobody-here/x.yaml\n")
    with pytest.raises(UserError, match="neither a file beside"):
        load_config(tmp_path / "a.yaml")
    assert predict_main(["~nobody-here/a.jpg"]) == 2
    assert "~nobody-here/a.jpg does not exist" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- pickles


def test_pickle_bombs(tmp_path, monkeypatch):
    """None runs code, and none takes long, much memory or the process with it."""
    monkeypatch.setenv(fuzz.CANARY, str(tmp_path / "canary"))
    bombs = fuzz.pickle_bombs()
    harmless = {"shared lists", "deep list", "memo index", "array on an array"}
    for name in sorted(set(bombs) - harmless):
        (tmp_path / "a.pickle").write_bytes(bombs[name])
        with pytest.raises(UserError, match=r"a\.pickle"):
            print(name, load_pickle(tmp_path / "a.pickle"))
    for name in harmless:
        (tmp_path / "a.pickle").write_bytes(bombs[name])
        load_pickle(tmp_path / "a.pickle")
    assert not (tmp_path / "canary").exists()
    pickle.loads(bombs["exec"])
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_all_kinds_are_read(tmp_path, protocol):
    held = {
        "float": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "big": np.arange(4, dtype=">i4"),
        "strided": np.arange(20)[::3],
        "text": np.array(["ab", "c"]),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "whole": np.uint8(7),
        "half": np.float32(0.5),
        "plain": [1, (2.5, "x", None), b"bytes", {3: True}],
    }
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(held, protocol))
    found = load_pickle(tmp_path / "a.pickle")
    trusted = pickle.loads((tmp_path / "a.pickle").read_bytes())
    assert found["plain"] == held["plain"]
    for name in set(held) - {"plain"}:
        np.testing.assert_array_equal(found[name], held[name])
        assert found[name].dtype == trusted[name].dtype, name
    found["float"][0, 0] = 5.0  # as any array


@pytest.mark.parametrize("value", [np.array([object()]), np.zeros(2, "f4,f4"), {(1, 2): 3}, {1, 2}])
def test_what_is_no_array_or_container(tmp_path, value):
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(value, 4))
    with pytest.raises(UserError, match=r"a\.pickle"):
        load_pickle(tmp_path / "a.pickle")


# ------------------------------------------------------------------------- pictures, videos


def encoded(suffix, shape=(30, 40, 3)):
    return cv2.imencode(suffix, np.full(shape, 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_header_of_100_000_pixels(tmp_path, capsys, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(fuzz.resized(encoded(suffix), 100_000, 100_000))
    assert predict_main([str(path), "--no-drawing"]) == 2
    message = capsys.readouterr().err
    assert "far more pixels; 120 million are the most" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_largest_header_of_small_formats(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(fuzz.resized(encoded(suffix), 65535, 65535))
    with pytest.raises(UserError, match=r"million are the most|not a picture|cut short"):
        read_picture(path)


def test_large_webp(tmp_path):
    path = tmp_path / "a.webp"
    path.write_bytes(fuzz.resized(encoded(".webp"), 10_000, 9_000))
    with pytest.raises(UserError, match="10000 x 9000 pixels; 50 million"):
        read_picture(path)


def test_picture_as_large_as_cameras_give_is_not_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(fuzz.resized(encoded(".png"), 12_000, 9_000))
    with pytest.raises(UserError, match=r"damaged|cut short"):  # its pixels are missing
        read_picture(path)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((30, 40), np.uint8), ((30, 40, 3), np.uint16), ((30, 40, 4), np.uint8)]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_kinds_of_pictures_stay_readable(tmp_path, suffix, shape, dtype):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.full(shape, np.iinfo(dtype).max, dtype))
    assert read_picture(path).shape == (30, 40, 3)
    assert read_picture(path).min() == 255


def test_a_picture_is_no_film(tmp_path):
    (tmp_path / "a.mp4").write_bytes(fuzz.png(9_000, 9_000, 9_000))
    with pytest.raises(UserError, match="it is not a video"):
        Film(str(tmp_path / "a.mp4"))


# ----------------------------------------------------------------------------------- archives


def test_zip_bombs(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(fuzz.zip_bomb("name.npy", fuzz.npy_head((1 << 26,)), 1 << 28))
    for read in (read_arrays, lambda path: read_member(path, "name.npy")):
        with pytest.raises(ValueError, match=r"it unpacks to 268,435,5.. bytes"):
            read(path)
    with pytest.raises(UserError, match=r"The checkpoint .* it unpacks to"):
        load_state(path)
    path.rename(tmp_path / "labels.npz")
    with pytest.raises(UserError, match="it unpacks to"):
        load_labels(str(tmp_path))


def test_many_small_members_are_one_bomb(tmp_path):
    arrays = {f"a{n}": np.zeros(1 << 21) for n in range(6)}  # 16 MB each
    (tmp_path / "a.npz").write_bytes(fuzz.npz(arrays))
    with pytest.raises(ValueError, match="it unpacks to"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "name", ["shape beyond memory", "shape of no bytes", "object array", "no array inside",
             "bare array", "not a header"],
)  # fmt: skip
def test_archives_that_hold_no_arrays(tmp_path, monkeypatch, name):
    monkeypatch.setenv(fuzz.CANARY, str(tmp_path / "canary"))
    (tmp_path / "a.npz").write_bytes(fuzz.npz_bombs("x", {"y": np.zeros(3)})[name])
    with pytest.raises(ValueError, match=r"no array|no zip|\.npy"):
        read_arrays(tmp_path / "a.npz")
    assert not (tmp_path / "canary").exists()


def test_weights_that_compress_well_are_read(tmp_path):
    arrays = {"a": np.zeros(1 << 23, np.float32), "b": np.arange(5.0)}  # 32 MB of zeros
    (tmp_path / "a.npz").write_bytes(fuzz.npz(arrays))
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["b"], arrays["b"])
    assert list(read_arrays(tmp_path / "a.npz", only=["b"])) == ["b"]


def test_state_of_another_kind(tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, {"a": np.zeros(3)}, {"epoch": 3, "stage": 1})
    assert load_state(path, like={"epoch": 0}) == {"epoch": 3, "stage": 1}
    with pytest.raises(UserError, match="its state has no `stage`"):
        load_state(path, like={"stage": ""})


# ------------------------------------------------------------------------------------- models


@pytest.fixture(scope="module")
def detector():
    """The network of the packaged detector, and its description."""
    content, metadata = fuzz._detector_content()
    return content, {key: value for key, value in metadata.items() if key != "checksum"}


@pytest.mark.parametrize("place", [40, 5000, 700_000])
def test_changed_byte_of_a_network(detector, tmp_path, place):
    """Without the checksum some of these end the process."""
    content, metadata = detector
    path = tmp_path / "a.tflite"
    path.write_bytes(with_description(content, metadata))
    load_backend(path, task="hand_detector")
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(UserError, match="does not have the checksum that the export wrote"):
        load_backend(path, task="hand_detector")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "high"}, "A detector says `threshold` of 0 to 1. Received: 'high'"),
        ({"least_score": float("nan")}, "`least_score` of 0 to 1"),
        ({"checksum": [1]}, None),  # is written anew
        ({"task": ["hand_detector"]}, "is not a detector"),
    ],
)
def test_wrong_descriptions(detector, tmp_path, change, message):
    content, metadata = detector
    path = tmp_path / "a.tflite"
    path.write_bytes(with_description(content, {**metadata, **change}))
    picture = np.zeros((40, 40, 3), np.uint8)
    if message is None:
        fuzz._look(path, picture)
        return
    with pytest.raises(UserError, match=message):
        fuzz._look(path, picture)


def test_texts_of_onnx_that_are_no_text(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    whole = fuzz.onnx_case(tmp_path).valid[0]
    path = tmp_path / "a.onnx"
    path.write_bytes(whole)
    load_backend(path, task="hand_detector")
    path.write_bytes(whole.replace(b"threshold", b"\xff\xfe23456789"[:9]))
    with pytest.raises(UserError, match="is not a model that ONNX Runtime can load"):
        load_backend(path, task="hand_detector")


def test_description_that_is_a_bomb(detector, tmp_path):
    path = tmp_path / "a.tflite"
    for bomb in (
        fuzz.zip_bomb(METADATA_FILE, size=1 << 28),
        fuzz.zipped({METADATA_FILE: b"[" * 100_000}),
    ):
        path.write_bytes(bomb)
        with pytest.raises(UserError, match=r"holds no description|not JSON"):
            load_backend(path, task="hand_detector")


# ---------------------------------------------------------------------------------- data sets


@pytest.mark.parametrize("length", [1 << 33, 1 << 50, (1 << 64) - 8])
def test_lengths_of_records(tmp_path, length):
    head = struct.pack("<Q", length)
    (tmp_path / "a.tfrecord").write_bytes(head + fuzz._masked_crc(head) + bytes(99))
    with pytest.raises(UserError, match=r"a\.tfrecord is damaged: it does not end with a record"):
        check_shards([tmp_path / "a.tfrecord"])


def test_checksum_of_a_length():
    """CRC-32C of "123456789" is 0xE3069283, masked by rotating 15 bits and adding a constant."""
    rotated = ((0xE3069283 >> 15) | (0xE3069283 << 17)) & 0xFFFFFFFF
    assert fuzz._masked_crc(b"123456789") == struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def test_packed_zeros_in_a_matlab_file(tmp_path):
    (tmp_path / "a.mat").write_bytes(fuzz.mat_case(tmp_path).bombs["packed zeros"])
    with pytest.raises(UserError, match="unpacks to more than 67,108,864 bytes"):
        stb._labels(tmp_path / "a.mat")


@pytest.fixture
def recording(tmp_path):
    return fuzz._recording(tmp_path)


def with_points(folder, uv):
    lines = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    lines[2]["uv_px"] = uv
    (folder / "points.jsonl").write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.parametrize(
    ("uv", "message"),
    [
        ([[10**400] * 2] * 21, "too large"),
        ([["a", "b"]] * 21, "could not convert"),
        ({"a": 1}, "float"),
    ],
)
def test_points_that_are_none(recording, capsys, uv, message):
    with_points(recording, uv)
    assert data_main(["check", str(recording)]) == 2
    text = capsys.readouterr().err
    assert "points.jsonl, line 3: " in text
    assert message in text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "joints or camera are not finite"),
        (float("inf"), "joints or camera are not finite"),
        (1e30, "no hand, only 0 of its points"),
    ],
)
def test_points_far_away_are_left_to_the_check(recording, capsys, value, message):
    with_points(recording, [[value] * 2] * 21)
    assert data_main(["check", str(recording)]) == 2
    assert f"002.png: {message}" in capsys.readouterr().out


@pytest.mark.parametrize("frame", ["a\0b", "../000", "", "a/b"])
def test_frames_that_are_no_names(recording, frame):
    lines = (recording / "points.jsonl").read_text().splitlines()
    held = {**json.loads(lines[0]), "frame": frame}
    (recording / "points.jsonl").write_text("\n".join([*lines, json.dumps(held)]))
    with pytest.raises(UserError, match=r"line 7: `frame` must be the name of a picture"):
        rgbd.load_points(recording)


def test_deep_line(recording):
    (recording / "points.jsonl").write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(UserError, match="line 1: nested too deeply"):
        rgbd.load_points(recording)


def test_recordings_that_are_none(recording, tmp_path):
    path = recording / "recording.yaml"
    laughs = fuzz.yaml_case(tmp_path).bombs["aliases"]
    huge = copy.deepcopy(fuzz.RECORDING)
    huge["depth"] |= {"width": 20_000, "height": 20_000}
    for content, message in (
        (laughs, "more than 10,000 values"),
        (b"a: !!int ''", "cannot read the value"),
        (json.dumps(huge).encode(), "`depth` must have at most 8,388,608 pixels. Received: 20000"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            rgbd.load_recording(recording)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "nested too deeply"),
        ("[[[1, 2, 3]], [[1]]]", "must hold numbers alone"),
        ('{"a": 1}', "must hold numbers alone"),
        (f"[[[{'9' * 400}, 1, 1]]]", "must hold numbers alone"),
    ],
)
def test_labels_of_freihand_that_are_none(tmp_path, text, message):
    (tmp_path / "training_xyz.json").write_text(text)
    with pytest.raises(UserError, match=message):
        freihand.read(tmp_path, "train")


# ------------------------------------------------------------------------------------ reports


@pytest.mark.parametrize(
    ("name", "value"),
    [("auc", "0.5"), ("auc", [0.5]), ("auc", 10**400), ("auc", None), ("pck", [0.1]), ("pck", {}),
     ("samples", True)],
)  # fmt: skip
def test_summaries_that_are_none(tmp_path, name, value):
    from kerashand.reports import records

    good = fuzz.report_case(tmp_path).value
    (tmp_path / "a.json").write_text(json.dumps(good))
    assert records.from_json(tmp_path / "a.json").numbers == good["numbers"]
    bad = {**good, "numbers": {**good["numbers"], name: value}}
    (tmp_path / "a.json").write_text(json.dumps(bad))
    with pytest.raises(UserError, match=r"a\.json is no report"):
        records.from_json(tmp_path / "a.json")


def test_messages_show_little_of_what_was_received(recording):
    (recording / "points.jsonl").write_text(json.dumps(["x" * 100_000] * 100))
    with pytest.raises(UserError) as error:
        rgbd.load_points(recording)
    assert len(str(error.value)) < 1000
    assert sys.getrecursionlimit() >= 1000
