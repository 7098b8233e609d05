"""Files and functions are short enough to be read at once."""

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("kerashand", "tests", "tools")
LINES_OF_FILE, LINES_OF_FUNCTION = 400, 60
MEDIAN_LINES, SHORT_LINES, SHORT_SHARE = 180, 300, 0.85


def python_files():
    """Of the package, its tests and its tools."""
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def body_lines(function):
    """Lines of a function without its docstring."""
    first, lines = function.body[0], function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    return lines - (first.end_lineno - first.lineno + 1)


def long_functions(source):
    """Names of the functions that are too long."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and body_lines(node) > LINES_OF_FUNCTION
    ]


def test_files_and_functions_are_short():
    lengths = {}
    for path in python_files():
        source = path.read_text(encoding="utf-8")
        lengths[path] = len(source.splitlines())
        assert not long_functions(source), path
    assert not [path for path, lines in lengths.items() if lines > LINES_OF_FILE]
    assert median(lengths.values()) <= MEDIAN_LINES
    short = sum(lines < SHORT_LINES for lines in lengths.values())
    assert short >= SHORT_SHARE * len(lengths)


@pytest.mark.parametrize(("lines", "found"), [(58, []), (59, ["long"])])
def test_docstrings_do_not_count(lines, found):
    body = "    x = 1\n" * lines + "    return x\n"
    assert long_functions('def long():\n    """Say.\n\n    More.\n    """\n' + body) == found
