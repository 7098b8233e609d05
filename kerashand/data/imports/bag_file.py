"""Messages of ROS bags, by the library `rosbags`: ROS 1 (.bag), ROS 2 (folders, .db3, .mcap).

Messages are read with the types that the library brings. The definitions in a file are not used, so
that nothing is built from its text.
"""

from __future__ import annotations

import bz2
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kerashand.errors import UserError

STATIC_TYPE, STATIC_TEXT = (
    "tf2_msgs/msg/TFMessage",
    "geometry_msgs/TransformStamped[] transforms",
)
"""The messages of /tf_static, which not every set of types has."""
LZ4_MARK, BZIP2_MARK = b"\x04\x22\x4d\x18", b"BZh"
MOST_CHUNK_BYTES = 1 << 28
"""Of a part of a bag that is packed as a whole; usual are less than 1 MB and a picture more."""


class BagFile:
    """An open bag.

    Attributes:
        path: as the user gave it.
        types: topic -> the type of its messages.
    """

    def __init__(self, path: Path, reader: Any, store: Any, *, ros1: bool):
        self.path, self._reader, self._store, self._ros1 = path, reader, store, ros1
        self.types: dict[str, str] = {c.topic: c.msgtype for c in reader.connections}

    def messages(self, topic: str) -> Iterator[tuple[float, Any]]:
        """Time of recording in s and message, in the order of these times.

        Messages of types that are none of ROS are bytes.

        Raises:
            UserError: if the bag is damaged.
        """
        connections = [c for c in self._reader.connections if c.topic == topic]
        messages = self._reader.messages(connections=connections)
        kind = self.types[topic]
        read = self._store.deserialize_ros1 if self._ros1 else self._store.deserialize_cdr
        while True:
            try:
                found = next(messages, None)
                if found is None:
                    return
                time_s, content = found[1] * 1e-9, bytes(found[2])
                message = read(content, kind) if kind in self._store.fielddefs else content
            except Exception as error:  # of many classes, for damage of many kinds
                raise _damaged(self.path, error) from error
            yield time_s, message

    def first(self, topic: str) -> Any:
        """The first message of a topic, None if there is none."""
        return next((message for _, message in self.messages(topic)), None)

    def count(self, topic: str) -> int:
        """How many messages a topic has."""
        return sum(c.msgcount for c in self._reader.connections if c.topic == topic)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BagFile]:
    """Open a bag; the block closes it.

    Raises:
        UserError: if it cannot be read.
    """
    from rosbags import rosbag1, rosbag2
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    ros1 = path.suffix.lower() == ".bag"
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.LATEST)
    if STATIC_TYPE not in store.fielddefs:
        store.register(get_types_from_msg(STATIC_TEXT, STATIC_TYPE))
    try:
        reader = rosbag1.Reader(path) if ros1 else rosbag2.Reader(path)
        reader.open()
    except Exception as error:  # of many classes, for damage of many kinds
        raise _damaged(path, error) from error
    if ros1:
        _bound_chunks(reader)
    try:
        yield BagFile(path, reader, store, ros1=ros1)
    finally:
        with contextlib.suppress(Exception):
            reader.close()


def _bound_chunks(reader: Any) -> None:
    """Let chunks of a ROS 1 bag unpack to `MOST_CHUNK_BYTES` at most, which `rosbags` does not."""
    for place, chunk in reader.chunks.items():
        unpack = partial(_unpacked, chunk.decompressor)
        reader.chunks[place] = chunk._replace(decompressor=unpack)


def _unpacked(plain: Callable[[bytes], bytes], content: bytes) -> bytes:
    import lz4.frame

    if content.startswith(LZ4_MARK):
        unpacker: Any = lz4.frame.LZ4FrameDecompressor()
    elif content.startswith(BZIP2_MARK):
        unpacker = bz2.BZ2Decompressor()
    else:
        return plain(content)
    unpacked = unpacker.decompress(content, max_length=MOST_CHUNK_BYTES)
    if not unpacker.eof:
        raise ValueError(
            f"a chunk is cut short, or unpacks to more than {MOST_CHUNK_BYTES:,} bytes"
        )
    return unpacked


def _damaged(path: Path, error: Exception) -> UserError:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(f"{path} cannot be read as a ROS bag: {text}")
