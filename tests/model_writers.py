"""Model files for tests: the packaged ones taken apart, changed, and made whole again."""

import struct
import zipfile

from kerashand.runtime.hand_pose import packaged_model
from kerashand.runtime.model_file import METADATA_FILE, read_metadata

TILE, SIN = 69, 66
"""Numbers of TensorFlow Lite's schema. No network here has a SIN."""


def parts_of(name):
    """The network of a packaged model, and its description without the checksum."""
    path = packaged_model(name)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(METADATA_FILE).header_offset
    described = {key: value for key, value in read_metadata(path).items() if key != "checksum"}
    return path.read_bytes()[:start], described


def with_operator(network, old, new):
    """A network that declares one operator in the place of another; both numbers below 128.

    An entry of the list holds such a number as a byte and, in newer files, in 32 bits too.
    """
    changed = bytearray(network)
    vector = _followed(network, _field(network, _number(network, 0, "I"), 1))
    for entry in range(vector + 4, vector + 4 + 4 * _number(network, vector, "I"), 4):
        table = _followed(network, entry)
        short, long = _field(network, table, 0), _field(network, table, 3)
        if short is not None and _number(network, short, "b") == old:
            changed[short] = new
        if long is not None and _number(network, long, "i") == old:
            struct.pack_into("<i", changed, long, new)
    assert changed != network
    return bytes(changed)


def with_lost_subgraphs(network):
    """A network whose list of subgraphs leads beyond the file; its operators can be read."""
    changed = bytearray(network)
    place = _field(network, _number(network, 0, "I"), 2)
    struct.pack_into("<I", changed, place, 0x7FFFFFFF)
    return bytes(changed)


def _number(network, place, kind):
    return struct.unpack_from(f"<{kind}", network, place)[0]


def _followed(network, place):
    return place + _number(network, place, "I")


def _field(network, table, index):
    """Where a field of a table lies, by the layout that the table names; None without it."""
    layout, entry = table - _number(network, table, "i"), 4 + 2 * index
    if entry + 2 > _number(network, layout, "H"):
        return None
    offset = _number(network, layout + entry, "H")
    return table + offset if offset else None
