"""MediaPipe's messages for landmarks and classifications, made at import time without its files.

They are protobuf messages, because programs copy them, compare them, print them and turn them into
dictionaries with protobuf's own functions. Names, fields and numbers are MediaPipe's, so that
stored bytes can be read. They lie in a pool of their own: the real MediaPipe may be imported too.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "mediapipe"
_FLOAT = descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT
_INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
_STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_POINT = tuple((name, _FLOAT) for name in ("x", "y", "z", "visibility", "presence"))
_CLASS = (("index", _INT32), ("score", _FLOAT), ("label", _STRING), ("display_name", _STRING))
_FIELDS = {"Landmark": _POINT, "NormalizedLandmark": _POINT, "Classification": _CLASS}
_LISTS = {
    "LandmarkList": ("landmark", "Landmark"),
    "NormalizedLandmarkList": ("landmark", "NormalizedLandmark"),
    "ClassificationList": ("classification", "Classification"),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    """The description of all messages."""
    file = descriptor_pb2.FileDescriptorProto(name="kerashand/compat.proto", package=PACKAGE)
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
            message.field.add(name=field, number=number, type=kind, label=optional)
    for name, (field, element) in _LISTS.items():
        file.message_type.add(name=name).field.add(
            name=field,
            number=1,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            type_name=f".{PACKAGE}.{element}",
            label=descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
        )
    return file


def _message_class(pool: descriptor_pool.DescriptorPool, name: str) -> type:
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
    made.__module__ = __name__  # where pickle finds it
    return made


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())
Landmark = _message_class(_pool, "Landmark")
NormalizedLandmark = _message_class(_pool, "NormalizedLandmark")
Classification = _message_class(_pool, "Classification")
LandmarkList = _message_class(_pool, "LandmarkList")
NormalizedLandmarkList = _message_class(_pool, "NormalizedLandmarkList")
ClassificationList = _message_class(_pool, "ClassificationList")
