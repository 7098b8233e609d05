"""Pickles from outside, read without running them.

A pickle is a program: loading a foreign one with `pickle.load` can do anything. Here only NumPy
arrays and scalars in lists, tuples, dicts and sets are built; any other name is refused.
"""

from __future__ import annotations

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

from kerashand.errors import UserError

_ALLOWED = {
    **{
        (f"numpy.{core}.multiarray", name): getattr(multiarray, name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    # Protocol 5.
    ("numpy.core.numeric", "_frombuffer"): numeric._frombuffer,
    ("numpy._core.numeric", "_frombuffer"): numeric._frombuffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # What protocol 2 of Python 3 turns bytes into.
    ("_codecs", "encode"): codecs.encode,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]


def load_pickle(path: str | Path) -> Any:
    """The arrays and containers of a pickle.

    Strings that Python 2 wrote as bytes are read as Latin-1, as NumPy's arrays need it.

    Raises:
        UserError: if the file is missing, is no pickle, or asks for anything but arrays.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            return _Restricted(file, encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no whole pickle of arrays: {error}. Nothing of it was run; get it from its "
            "authors again."
        ) from error
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as a pickle ({type(error).__name__}: {error}). It may be cut "
            "short; get it again."
        ) from error
