"""Pages that are made from code are up to date, and links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.rglob("docs/*.md"), *ROOT.rglob("notebooks/*.md"),
                 *ROOT.glob("export/*.md"), *ROOT.glob("export/*/README.md")]
)  # fmt: skip


def test_the_config_reference_is_what_the_code_says(load_script):
    tool = load_script("tools/write_config_reference.py")
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == tool.page()


STEP = re.compile(r"^(\d+)\. `(kerashand/[\w/]+\.py)` ((?:`[\w.]+`(?:, )?)+): ", re.MULTILINE)
WALKS = sorted(ROOT.glob("docs/walk_*.md"))
MOST_STEPS = 15


def names_in(path):
    """Functions, classes and constants of a file, and methods as Class.method."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
def test_walks_lead_through_functions_that_exist_and_never_back(path):
    text = path.read_text(encoding="utf-8")
    steps = STEP.findall(text)
    numbers = [int(number) for number, _, _ in steps]
    assert numbers == list(range(1, len(re.findall(r"^\d+\. ", text, re.MULTILINE)) + 1))
    assert 5 <= len(steps) <= MOST_STEPS
    files = [file for _, file, _ in steps]
    assert len(set(files)) == len(files)
    for _, file, functions in steps:
        named = re.findall(r"`([\w.]+)`", functions)
        assert set(named) <= names_in(ROOT / file), file


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing
