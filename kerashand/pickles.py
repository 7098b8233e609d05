"""Pickles from outside, read without running them.

A pickle is a program: loading a foreign one with `pickle.load` can do anything. Here only NumPy
arrays and scalars in lists, tuples and dicts are built; any other name or instruction is refused.
Not even NumPy's own functions are called, since made-up states of arrays and types crash them, and
the reader is the one in Python: that in C allocates whatever memory a file asks for.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kerashand.errors import UserError
from kerashand.files import user_path

_KINDS = "biufcSU"
"""Of the values in arrays: numbers and text, no objects."""
_MOST_KEY = 1 << 60
"""Larger whole numbers can share their hash, and dicts of them take hours."""


class _Dtype:
    """Stands for a `numpy.dtype` that is being built."""

    def __init__(self, name: Any, *_):
        if type(name) is not str:
            raise pickle.UnpicklingError("a type of values that is no text")
        self.dtype = _checked(np.dtype(name))

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("a type of values with parts")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array that takes its state by way of checks."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        array = _from_bytes(data, dtype, shape, "F" if fortran else "C")
        state = (1, array.shape, array.dtype, bool(fortran), array.tobytes("A"))
        super().__setstate__(state)


def _checked(dtype: np.dtype) -> np.dtype:
    if dtype.kind not in _KINDS or (not dtype.itemsize and dtype.kind not in "SU"):
        raise pickle.UnpicklingError(f"it holds values of type {dtype}")
    return dtype


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Literal["C", "F"] = "C") -> np.ndarray:
    if isinstance(data, str):  # bytes of Python 2
        data = data.encode("latin1")
    if not isinstance(dtype, _Dtype) or not dtype.dtype.itemsize:
        raise pickle.UnpicklingError("an array without a type of values")
    flat = np.frombuffer(data, dtype.dtype) if len(data) else np.empty(0, dtype.dtype)
    return flat.reshape(shape, order=order).copy("A")


def _reconstruct(*_: Any) -> _Array:
    return np.ndarray.__new__(_Array, (0,), np.uint8)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    return _from_bytes(data, dtype, (1,))[0]


def _encode(text: str, coding: str = "latin1") -> bytes:
    if coding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the coding {coding}")
    return text.encode(coding)


def _no_bytes() -> bytes:
    return b""


_ALLOWED = {
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_bytes),  # protocol 5
        )
    },
    ("numpy", "ndarray"): None,  # an argument, never called
    ("numpy", "dtype"): _Dtype,
    # What protocol 2 of Python 3 turns bytes into.
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}

_INSTRUCTIONS = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK,
    pickle.DUP, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT,
    pickle.BININT1, pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT,
    pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE,
    pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINBYTES,
    pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.BYTEARRAY8, pickle.TUPLE, pickle.EMPTY_TUPLE,
    pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.LIST, pickle.EMPTY_LIST, pickle.APPEND,
    pickle.APPENDS, pickle.DICT, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS, pickle.PUT,
    pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.GET, pickle.BINGET,
    pickle.LONG_BINGET, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD,
)  # fmt: skip
"""Those that arrays and containers need: no objects, sets, extensions or names of other files."""


class _Whole(io.BytesIO):
    """Bytes that say so when they end too early."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if size is not None and len(data) < size:
            raise pickle.UnpicklingError("pickle data was truncated")
        return data


class _Instructions(dict):
    def __missing__(self, code: int) -> None:
        raise pickle.UnpicklingError(f"it holds the instruction {code}, which no array needs")


class _Restricted(pickle._Unpickler):
    dispatch = _Instructions(
        {code[0]: pickle._Unpickler.dispatch[code[0]] for code in _INSTRUCTIONS}
    )

    # What type stubs do not tell of it.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    load_build: Callable[[], None]
    load_dict: Callable[[], None]
    load_setitem: Callable[[], None]
    load_setitems: Callable[[], None]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}"[:200])
        return _ALLOWED[module, name]

    def _bytearray8(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    def _build(self) -> None:
        if not isinstance(self.stack[-2], (_Array, _Dtype)):
            raise pickle.UnpicklingError("it sets the state of what has none")
        self.load_build()

    def _setitem(self) -> None:
        _check_keys(self.stack[-2:-1])
        self.load_setitem()

    def _setitems(self) -> None:
        _check_keys(self.stack[::2])
        self.load_setitems()

    def _dict(self) -> None:
        _check_keys(self.stack[::2])
        self.load_dict()

    dispatch[pickle.BYTEARRAY8[0]] = _bytearray8
    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.SETITEM[0]] = _setitem
    dispatch[pickle.SETITEMS[0]] = _setitems
    dispatch[pickle.DICT[0]] = _dict


def _check_keys(keys: list) -> None:
    """Refuse keys that can be slow or deep: any but text and numbers of usual size."""
    for key in keys:
        if type(key) is not str and (type(key) is not int or abs(key) > _MOST_KEY):
            raise pickle.UnpicklingError(f"a key of type {type(key).__name__}")


def is_numeric(value: Any) -> bool:
    """Whether this is an array of real numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"


def load_pickle(path: str | Path) -> Any:
    """The arrays and containers of a pickle.

    Strings that Python 2 wrote as bytes are read as Latin-1, as NumPy's arrays need it.

    Raises:
        UserError: if the file is missing, is no pickle, or asks for anything but arrays.
    """
    path = user_path(path)
    try:
        return _Restricted(_Whole(path.read_bytes()), encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no whole pickle of arrays: {error}. Nothing of it was run; get it from its "
            "authors again."
        ) from error
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as a pickle ({type(error).__name__}: {str(error)[:200]}). It "
            "may be cut short; get it again."
        ) from error
