"""What a .tflite file has to be before it runs: whole, of our operators, and of a right structure.

The programs in `export/` hold the same list of operators.
"""

import io
import json
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from model_writers import SIN, TILE, parts_of, with_lost_subgraphs, with_operator

from kerashand.carried import load_carried
from kerashand.errors import UserError
from kerashand.runtime.backends import load_backend
from kerashand.runtime.model_file import METADATA_FILE, with_description
from kerashand.runtime.operators import OPERATORS, foreign_operators, operators_in

ROOT = Path(__file__).parents[1]
PORTS = {
    "export/cpp/model_file.h": r"kOperators\[\] = \{([^}]*)\}",
    "export/web/model_file.js": r"OPERATORS = new Set\(\[([^\]]*)\]\)",
    "export/android/app/src/main/kotlin/kerashand/ModelFile.kt": r"OPERATORS = setOf\(([^)]*)\)",
    "export/ios/Hands/ModelFile.swift": r"operators: Set<Int> = \[([^\]]*)\]",
}


@pytest.fixture(scope="module")
def pose():
    return parts_of("hand_pose.tflite")


@pytest.fixture
def written(tmp_path):
    """A function that writes a pose model and gives its path."""

    def write(content):
        path = tmp_path / "hand.tflite"
        path.write_bytes(content)
        return path

    return write


def by_hand(*entries):
    """The smallest model that declares operators: (old number, new number, has a name) each.

    A root table with field 1, a vector of tables, and for each table its layout, laid out by the
    rules of FlatBuffers: offsets of 32 bits count forwards from where they stand, a table begins
    with how far back its layout lies, a layout holds its size, that of the table, and offsets.
    """
    root = struct.pack("<I", 12) + struct.pack("<HHHH", 8, 8, 0, 4) + struct.pack("<iI", 8, 4)
    vector = struct.pack("<I", len(entries))
    tables, first = [], 4 * len(entries)
    for number, (old, new, named) in enumerate(entries):
        layout = struct.pack("<HHHHHH", 12, 16, 4, 12 if named else 0, 0, 8)
        table = struct.pack("<ib3xiI", 12, old, new, 0)
        place = first + 28 * number + 12
        vector += struct.pack("<I", place - 4 * number)
        tables.append(layout + table)
    return root + vector + b"".join(tables)


def test_operators_of_a_file_by_hand():
    assert operators_in(by_hand((3, 3, False), (127, 150, False), (9, 0, False))) == {3, 150, 9}
    assert operators_in(by_hand((0, 0, True))) == {32}  # a name makes it a custom one
    assert foreign_operators(by_hand((3, 3, False), (127, 150, False))) == ["150"]
    for wrong in (b"", b"TFL3", b"\xff" * 40, by_hand((3, 3, False))[:30]):
        with pytest.raises(ValueError, match="cut short, or no TFLite model"):
            operators_in(wrong)


def test_numbers_are_those_of_the_schema():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated").BuiltinOperator
    assert {name: getattr(schema, name) for name in OPERATORS} == OPERATORS


@pytest.mark.parametrize(
    "name", ["hand_pose.tflite", "hand_detector.tflite", "hand_pose_by_depth.tflite"]
)
def test_packaged_models_hold_these_alone(name):
    network, _ = parts_of(name)
    assert len(operators_in(network)) > 10
    assert foreign_operators(network) == []


@pytest.mark.parametrize("port", PORTS)
def test_every_program_holds_the_same_list(port):
    listed = re.search(PORTS[port], (ROOT / port).read_text())[1]
    assert [int(number) for number in listed.split(",")] == sorted(OPERATORS.values())


@pytest.mark.parametrize("load", [lambda p: load_backend(p, task="hand_pose"), load_carried])
def test_other_operators_are_not_run(pose, written, load):
    network, metadata = pose
    path = written(with_description(with_operator(network, TILE, SIN), metadata))
    with pytest.raises(UserError, match=r"hand.tflite is not run: .* \(numbers 66\)"):
        load(path)


@pytest.mark.parametrize("place", [70, 700, 20_000, 95_500, 2_500_000])
def test_a_changed_byte(pose, written, place):
    content = bytearray(with_description(*pose))
    content[place] ^= 0x40
    with pytest.raises(UserError, match="does not have the checksum that the export wrote"):
        load_backend(written(content), task="hand_pose")


@pytest.mark.parametrize("checksum", [None, [1], {}, {"bytes": -1}, {"bytes": 5}])
def test_a_description_without_a_right_checksum(pose, written, checksum):
    network, metadata = pose
    content = io.BytesIO(network)
    with zipfile.ZipFile(content, "a") as archive:
        said = {} if checksum is None else {"checksum": checksum}
        archive.writestr(METADATA_FILE, json.dumps({**metadata, **said}))
    with pytest.raises(UserError, match="does not have the checksum that the export wrote"):
        load_backend(written(content.getvalue()), task="hand_pose")


def test_a_wrong_structure_with_a_right_checksum(pose, written):
    """LiteRT verifies it."""
    network, metadata = pose
    path = written(with_description(with_lost_subgraphs(network), metadata))
    with pytest.raises(UserError, match="is not a model that LiteRT can load"):
        load_backend(path, task="hand_pose")


def test_what_is_appended_to_a_network_is_not_run(pose, written):
    """The interpreter gets the bytes that the checksum covers, and no more."""
    network, metadata = pose
    path = written(with_description(network, metadata, {"more.bin": b"\x00" * 1000}))
    backend = load_backend(path, task="hand_pose")
    assert backend._interpreters._network == network
    assert np.isfinite(backend.run(np.zeros((1, 128, 128, 3), np.uint8))["uv_px"]).all()
