"""Strict reading of small YAML files: no repeated keys, no bombs, errors with line and column."""

import re
from pathlib import Path
from typing import Any

import yaml

from kerashand.files import decode_text

MAX_BYTES = 100_000
"""The largest takes about a second; a configuration has some thousand."""
MAX_VALUES = 10_000
"""Values of one document with every alias written out; a "billion laughs" file has 10^9."""


NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OLD_NUMBER = re.compile(r"[-+]?(0[0-9_]+$|[0-9_.]+:)")
"""Octal numbers and numbers to the base of 60 of YAML 1.1: 010 is 8, 1:30 is 90."""


class YamlError(ValueError):
    """What is wrong with a YAML text, with line and column where they are known."""


class _StrictLoader(yaml.SafeLoader):
    """Reports repeated keys and unreadable scalars at their place."""

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, _ in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    continue
                if key_node.value in seen:
                    raise _marked(f"the key `{key_node.value}` stands twice", key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node, deep=False):
        if node.tag in NUMBERS and OLD_NUMBER.match(node.value):
            raise _marked(
                f"{node.value} can mean two numbers: write it without 0 before it, and without :",
                node.start_mark,
            )
        try:
            return super().construct_object(node, deep=deep)
        except (YamlError, yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # of many classes: the date 2024-13-45, `!!int ''`, `!!bool x`
            raise _marked(f"cannot read the value: {error}", node.start_mark) from error


def read_yaml_file(path: Path) -> Any:
    """Reads one YAML document from a file.

    Raises:
        YamlError: if the file cannot be read, is too large, is not UTF-8 or is not valid YAML.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise YamlError(f"cannot read the file: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise YamlError(f"the file has more than {MAX_BYTES:,} bytes, which no such file needs")
    try:
        return parse_yaml(decode_text(data))
    except YamlError:
        raise
    except ValueError as error:
        raise YamlError(str(error)) from error


def parse_yaml(text: str) -> Any:
    """Reads one YAML document of plain values from a text; an empty text gives None.

    Raises:
        YamlError: with line and column.
    """
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        place = _place(text[: error.position])
        raise YamlError(f"{place}: the character {error.character!r} is not allowed") from error
    except yaml.MarkedYAMLError as error:
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise _marked(what, error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from error
    except RecursionError as error:
        raise YamlError("the values are nested too deeply") from error


def _check_size(root: yaml.Node) -> None:
    """Refuses documents that hold themselves or are too large with their aliases written out."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise _marked("a value that holds itself", node.start_mark)
            return known
        sizes[id(node)] = None
        total = 1
        if isinstance(node, yaml.SequenceNode):
            total += sum(size(child) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            total += sum(size(key) + size(value) for key, value in node.value)
        if total > MAX_VALUES:
            raise _marked(
                f"more than {MAX_VALUES:,} values with the aliases written out", node.start_mark
            )
        sizes[id(node)] = total
        return total

    size(root)


def _marked(what: str, mark: Any) -> YamlError:
    if mark is None:
        return YamlError(what)
    return YamlError(f"line {mark.line + 1}, column {mark.column + 1}: {what}")


def _place(text_before: str) -> str:
    line = text_before.count("\n") + 1
    column = len(text_before) - (text_before.rfind("\n") + 1) + 1
    return f"line {line}, column {column}"
