"""Inputs of the fuzzer: an entrance with its valid files, and how these are damaged."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError

SIDE = 100_000
"""Of pictures that only their headers claim."""
CANARY = "KERASHAND_FUZZ_CANARY"
"""Names the file that code in an input writes, if it runs."""


@dataclass
class Case:
    """An entrance with its inputs.

    Attributes:
        suffix: of its files.
        call: does with a file what a command does.
        valid: contents that are in order.
        bombs: contents that are known to be dangerous, by name.
        value: what `dump` makes a valid file of; parts of it are exchanged.
        dump: bytes of a value.
        refusals: errors that commands turn into a message here; OSError everywhere.
    """

    suffix: str
    call: Callable[[Path], Any]
    valid: list[bytes]
    bombs: dict[str, bytes] = field(default_factory=dict)
    value: Any = None
    dump: Callable[[Any], bytes] | None = None
    refusals: tuple[type[Exception], ...] = (UserError,)


EXTREMES = (0, 1, 255, 0x7FFF, 0xFFFF, SIDE, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
TOKENS = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"9" * 400, b"9" * 5000, b"null", b"~", b"''"),
    *(b"[]", b"{}", b"[[[[[[]]]]]]", b"true", b"!!python/name:os.system", b"!!int ''", b"&a [*a]"),
    *(b"*x", b"<<: {a: 1}", b"!!bool x", b"!!timestamp x", b"!!float ''", b"? [a]", b"\xff\xfe"),
    *(b"0x", b"1:1:1:1", b'"\\u0000"', b"~nobody/x.yaml", b"\x00", b"a" * 300, b"../" * 200),
)


def make(case: Case, seed: int, number: int) -> bytes:
    """Input `number` of an entrance."""
    bombs = list(case.bombs.values())
    if number < len(bombs):
        return bombs[number]
    rng = np.random.default_rng([seed, number])
    if case.dump is not None and rng.random() < 0.4:
        with contextlib.suppress(Exception):  # not everything can be written down
            return case.dump(exchanged(copy.deepcopy(case.value), rng))
    return damaged(case.valid[int(rng.integers(len(case.valid)))], rng, case.valid)


def damaged(content: bytes, rng: np.random.Generator, others: Sequence[bytes] = ()) -> bytes:
    """Some bytes of a file changed, lost, doubled, or taken from another one."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        # Heads of files hold most of what is read first.
        size = len(data) if rng.random() < 0.5 else min(len(data), 256)
        place = int(rng.integers(size + 1))
        length = int(rng.integers(1, 64))
        kind = int(rng.integers(8))
        if kind == 0:
            for _ in range(int(rng.integers(1, 9))):
                if data:
                    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = rng.bytes(length)
        elif kind == 4:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 50))
        elif kind == 5:
            value, width = EXTREMES[int(rng.integers(len(EXTREMES)))], int(rng.choice([2, 4, 8]))
            order = ("little", "big")[int(rng.integers(2))]
            data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, order)
        elif kind == 6 and others:
            other = others[int(rng.integers(len(others)))]
            data[place:] = other[int(rng.integers(len(other) + 1)) :]
        else:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            data[place : place + (length if rng.random() < 0.5 else 0)] = token
    return bytes(data)


def exchanged(value: Any, rng: np.random.Generator) -> Any:
    """One part of nested lists, mappings and arrays exchanged for something of a wrong kind."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = list(keys)[int(rng.integers(len(keys)))]
        kind = rng.random()
        if kind < 0.05:
            del value[key]
        elif kind < 0.1 and isinstance(value, dict):
            value[("x", 10**30, -1, "", "\x00")[int(rng.integers(5))]] = value.pop(key)
        else:
            value[key] = exchanged(value[key], rng)
        return value
    if isinstance(value, np.ndarray) and rng.random() < 0.7:
        number = int(rng.integers(8))
        if number == 0:
            return value.astype(rng.choice(["f2", "f8", "i8", "u1", "c8", "U5", "O", "?"]))
        if number == 1:
            return value.reshape(-1)[: int(rng.integers(value.size + 1))]
        if number == 2:
            return np.full_like(value, (np.nan, np.inf, -1e30, 1e30, 0)[int(rng.integers(5))])
        if number == 3 and value.size:
            flat = value.reshape(-1).copy()
            flat[int(rng.integers(flat.size))] = (np.nan, np.inf, -1e30)[int(rng.integers(3))]
            return flat.reshape(value.shape)
        return (value[None], value[:0], value.T, value.tolist())[number % 4]
    return copy.deepcopy(HOSTILE[int(rng.integers(len(HOSTILE)))])


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf")),
    *("", "x", "\x00", "../../x", "1e400", "nan", "x" * 5000, b"x", [], {}, [[]], [None], {"a": 1}),
    [0.0] * 21, [[0.0] * 3] * 21, [[1e400] * 2] * 21, [[10**400] * 2] * 21, [["a"] * 3] * 21,
    [[[]]], {"a": {"b": {"c": {}}}}, list(range(1000)), (1, 2), np.zeros((3, 3)), np.float32(2),
    np.zeros((0, 21, 3)), np.array(["a"]), np.zeros(3, [("a", "f4")]),
)  # fmt: skip


def nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    """The same bracket again and again."""
    return opening * depth + closing * depth
