"""What an exported .tflite file says of itself, and whether it is what the export wrote."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerashand.errors import UserError
from kerashand.runtime.operators import foreign_operators
from kerashand.untrusted import parse_json, read_member

METADATA_FILE = "kerashand.json"
CHECKSUM = "checksum"
"""In the description of a .tflite file: its bytes before the archive, and their SHA-256."""


def read_metadata(path: Path) -> dict[str, Any]:
    """The description that the export appended to a .tflite file as a zip archive.

    Raises:
        UserError: If there is none.
    """
    try:
        return described(path, read_member(path, METADATA_FILE))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (ValueError, KeyError) as error:
        raise undescribed(path) from error


def with_description(
    network: bytes, metadata: Mapping[str, Any], more: Mapping[str, bytes] | None = None
) -> bytes:
    """A .tflite file with an archive at its end that describes it.

    Args:
        network: what the converter gave.
        metadata: the description; a checksum of the network is added.
        more: other files of the archive, by name.
    """
    checksum = {"bytes": len(network), "sha256": hashlib.sha256(network).hexdigest()}
    text = json.dumps({**metadata, CHECKSUM: checksum}, indent=2)
    files: dict[str, str | bytes] = {METADATA_FILE: text, **(more or {})}
    with io.BytesIO(network) as file:
        with zipfile.ZipFile(file, "a") as archive:
            for name, held in files.items():
                archive.writestr(zipfile.ZipInfo(name), held)  # without the time of day
        return file.getvalue()


def checked_network(path: Path, content: bytes, metadata: Mapping[str, Any]) -> bytes:
    """The network of a .tflite file, if it is whole and made of operators that are used here.

    LiteRT verifies the structure of what it is given in memory, and neither values nor indices: a
    changed byte can end the process.

    Args:
        path: of the file, for errors.
        content: the whole file.
        metadata: its description.

    Raises:
        UserError: if it does not have the checksum in the description, or holds other operators.
    """
    said = metadata.get(CHECKSUM)
    said = said if isinstance(said, dict) else {}
    count = said.get("bytes")
    whole = isinstance(count, int) and 0 <= count <= len(content)
    network = content[:count] if whole else b""
    if not whole or hashlib.sha256(network).hexdigest() != said.get("sha256"):
        raise UserError(
            f"{path} is damaged: it does not have the checksum that the export wrote. Copy it "
            "again, as a whole."
        )
    try:
        foreign = foreign_operators(network)
    except ValueError as error:
        raise not_loaded(path, "LiteRT", error) from error
    if foreign:
        raise UserError(
            f"{path} is not run: it holds operators that networks of kerashand do not use (numbers "
            f"{', '.join(foreign[:10])}). kerashand/runtime/operators.py lists those that they do."
        )
    return network


def described(path: Path, text: str | bytes) -> dict[str, Any]:
    """A description, read.

    Raises:
        UserError: if it is no JSON object.
    """
    try:
        values = parse_json(text)
    except ValueError as error:
        raise UserError(f"{path} is damaged: its description is not JSON.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged: its description is {type(values).__name__}.")
    return values


def undescribed(path: Path) -> UserError:
    """The error for a file without a description."""
    return UserError(f"{path} was not exported by kerashand: it holds no description.")


def not_loaded(path: Path | str, runtime: str, why: object) -> UserError:
    """The error for a file that its runtime does not take."""
    return UserError(f"{path} is not a model that {runtime} can load: {str(why)[:300]}")
