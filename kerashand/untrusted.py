"""Files from outside, read with limits: JSON, numbers, zip archives and the arrays in them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

UNPACKED_BYTES, UNPACKED_TIMES = 64 << 20, 20
"""What an archive may unpack to: so many bytes, and so many times its size if that is more. Zeros
pack a thousand times, weights hardly at all."""


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: if it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def as_numbers(values: Any, dtype: type = np.float32) -> NDArray:
    """Nested lists, or an array, as real numbers; infinite where one is too large for its type.

    Raises:
        ValueError: if they are of different lengths, or no numbers.
    """
    try:
        with np.errstate(over="ignore"):
            return np.asarray(values, dtype)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def read_member(path: Path, name: str) -> bytes:
    """One file of a zip archive.

    Raises:
        OSError: if the archive cannot be opened.
        KeyError: if it holds no such file.
        ValueError: if it is damaged, or unpacks to too much.
    """
    with open(path, "rb") as file, _archive(file) as archive:
        info = archive.getinfo(name)
        _check_size(archive, info.file_size)
        try:
            return archive.read(info)
        except Exception as error:
            raise ValueError(f"{name}: {error or type(error).__name__}") from error


def read_arrays(source: Path | bytes, *, only: Sequence[str] | None = None) -> dict[str, NDArray]:
    """The arrays of an .npz file, by name; objects are refused.

    Args:
        source: the file, or its content.
        only: names of the arrays that are read, if they are there; None: all.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is damaged, holds anything else, or unpacks to too much.
    """
    with (
        open(source, "rb") if isinstance(source, Path) else io.BytesIO(source) as file,
        _archive(file) as archive,
    ):
        _check_size(archive, sum(info.file_size for info in archive.infolist()))
        return {
            name: _array(archive, info)
            for info in archive.infolist()
            if (name := info.filename.removesuffix(".npy")) in (only or (name,))
        }


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # of many classes, for damage of many kinds
        raise ValueError(f"no zip archive: {error}") from error


def _check_size(archive: zipfile.ZipFile, unpacked: int) -> None:
    """Refuse bombs by what the archive says: no member gives more than that."""
    assert archive.fp is not None  # it is open
    most = max(UNPACKED_BYTES, UNPACKED_TIMES * archive.fp.seek(0, os.SEEK_END))
    if unpacked > most:
        raise ValueError(f"it unpacks to {unpacked:,} bytes, {most:,} are the most allowed")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray:
    name = info.filename[:60]
    if not info.filename.endswith(".npy"):
        raise ValueError(f"{name} is no array")
    try:
        with archive.open(info) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        raise ValueError(f"{name}: {error or type(error).__name__}") from error
    if array.size > info.file_size:  # elements without bytes
        raise ValueError(f"{name} claims {array.size} elements")
    return array
