"""Hostile data sets: records, labels and recordings that are damaged on purpose."""

import copy
import json
import struct
import sys

import pytest
from fuzz_data_sets import RECORDING, masked_crc, mat_case, small_recording
from fuzz_texts import yaml_case

from kerashand.cli.data import main as data_main
from kerashand.data.cache import check_shards
from kerashand.data.kinds import freihand, rgbd, stb
from kerashand.errors import UserError


@pytest.mark.parametrize("length", [1 << 33, 1 << 50, (1 << 64) - 8])
def test_lengths_of_records(tmp_path, length):
    head = struct.pack("<Q", length)
    (tmp_path / "a.tfrecord").write_bytes(head + masked_crc(head) + bytes(99))
    with pytest.raises(UserError, match=r"a\.tfrecord is damaged: it does not end with a record"):
        check_shards([tmp_path / "a.tfrecord"])


def test_checksum_of_a_length():
    """CRC-32C of "123456789" is 0xE3069283, masked by rotating 15 bits and adding a constant."""
    rotated = ((0xE3069283 >> 15) | (0xE3069283 << 17)) & 0xFFFFFFFF
    assert masked_crc(b"123456789") == struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def test_packed_zeros_in_a_matlab_file(tmp_path):
    (tmp_path / "a.mat").write_bytes(mat_case(tmp_path).bombs["packed zeros"])
    with pytest.raises(UserError, match="unpacks to more than 67,108,864 bytes"):
        stb._labels(tmp_path / "a.mat")


@pytest.fixture
def recording(tmp_path):
    return small_recording(tmp_path)


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
    laughs = yaml_case(tmp_path).bombs["aliases"]
    huge = copy.deepcopy(RECORDING)
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


def test_messages_show_little_of_what_was_received(recording):
    (recording / "points.jsonl").write_text(json.dumps(["x" * 100_000] * 100))
    with pytest.raises(UserError) as error:
        rgbd.load_points(recording)
    assert len(str(error.value)) < 1000
    assert sys.getrecursionlimit() >= 1000
