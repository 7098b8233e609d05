"""The operators of LiteRT that networks of kerashand are made of; files with others are not run.

Each kind of operator is a program that reads sizes and places from the file. Those that no network
here uses would only widen what a hostile file can reach. The programs in `export/` hold the same
numbers; `tests/test_model_files.py` compares them.
"""

from __future__ import annotations

import struct

OPERATORS = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4,
    "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19,
    "RESHAPE": 22, "RESIZE_BILINEAR": 23, "MEAN": 40, "SUB": 41, "DIV": 42, "STRIDED_SLICE": 45,
    "EXP": 47, "CAST": 53, "MAXIMUM": 55, "MINIMUM": 57, "NEG": 59, "TILE": 69, "SUM": 74,
    "SQRT": 75, "RSQRT": 76, "REDUCE_MAX": 82, "PACK": 83, "LEAKY_RELU": 98,
    "SQUARED_DIFFERENCE": 99, "QUANTIZE": 114,
}  # fmt: skip
"""Name -> number in TensorFlow Lite's schema (`BuiltinOperator`): what exports of every network,
precision and signature were seen to hold."""
CUSTOM = 32
# Fields of the schema's tables, counted from 0.
MODEL_OPERATOR_CODES = 1
OLD_CODE, CUSTOM_CODE, CODE = 0, 1, 3


def operators_in(network: bytes) -> set[int]:
    """Numbers of the operators that a .tflite network declares; `CUSTOM` for one with a name.

    Raises:
        ValueError: if it is no such network.
    """
    try:
        model = _number(network, 0, "I")
        place = _field(network, model, MODEL_OPERATOR_CODES)
        if place is None:
            return set()
        vector = place + _number(network, place, "I")
        return {
            _operator(network, entry + _number(network, entry, "I"))
            for entry in range(vector + 4, vector + 4 + 4 * _number(network, vector, "I"), 4)
        }
    except struct.error as error:
        raise ValueError("it is cut short, or no TFLite model") from error


def foreign_operators(network: bytes) -> list[str]:
    """What a network declares that is not in `OPERATORS`, as numbers; raises as `operators_in`."""
    return [str(code) for code in sorted(operators_in(network) - set(OPERATORS.values()))]


def _operator(network: bytes, table: int) -> int:
    """The number of an entry; one above 127 stands in a field of its own."""
    if _field(network, table, CUSTOM_CODE) is not None:
        return CUSTOM
    old, new = _field(network, table, OLD_CODE), _field(network, table, CODE)
    return max(
        0 if old is None else _number(network, old, "b"),
        0 if new is None else _number(network, new, "i"),
    )


def _field(network: bytes, table: int, index: int) -> int | None:
    """Where a field of a FlatBuffers table lies; None where it has its default."""
    layout = table - _number(network, table, "i")
    entry = 4 + 2 * index
    if entry + 2 > _number(network, layout, "H"):
        return None
    offset = _number(network, layout + entry, "H")
    return table + offset if offset else None


def _number(network: bytes, place: int, kind: str) -> int:
    if place < 0:  # would count from the end
        raise struct.error("a place before the first byte")
    return struct.unpack_from(f"<{kind}", network, place)[0]
