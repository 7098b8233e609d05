"""Pages that are made from code are up to date, and what they say of the code is true."""

import ast
import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

import kerashand

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.rglob("docs/*.md"), *ROOT.rglob("notebooks/*.md"),
                 *ROOT.glob("export/*.md"), *ROOT.glob("export/*/README.md"),
                 *ROOT.glob("kerashand/*/README.md")]
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
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        if "://" in target:
            continue
        file = path.parent / target if target else path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), (target, anchor)


def anchors(markdown):
    """The names of a page's headings, as GitHub and MkDocs make them."""
    titles = re.findall(r"^#+ (.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def layers():
    """The rows of the import contract of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^layers = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    return [re.findall(r"\w+", row) for row in re.findall(r'"([^"]*)"', block)]


def test_the_layer_picture_of_the_package_is_the_contract():
    block = re.search(r"\n\n(    cli .*?)\n\n", kerashand.__doc__, re.DOTALL)[1]
    block = re.sub(r" \|\n +", " | ", block)  # long rows go on in the next line
    rows = [re.match(r"    (\w+(?: \| \w+)*)(?:  |$)", line) for line in block.splitlines()]
    assert [row[1].split(" | ") for row in rows if row] == layers()


def test_the_layers_of_contributing_are_the_contract():
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    section = text.partition("\n## Layers\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \d+ \| (.*) \|$", section, re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers()


POSITIONAL = 3
MEDIAPIPE = "kerashand/compat/mediapipe/solutions/"
FIXED = {
    MEDIAPIPE + "drawing_utils.py draw_landmarks": "MediaPipe's signature",
    MEDIAPIPE + "drawing_utils.py plot_landmarks": "MediaPipe's signature",
    MEDIAPIPE + "drawing_utils.py _normalized_to_pixel_coordinates": "MediaPipe's signature",
    MEDIAPIPE + "hands.py Hands.__init__": "MediaPipe's signature",
    "kerashand/exporting/served.py _serve_pose.xyz": "TensorFlow calls it with the file's inputs",
    "kerashand/pickles.py _from_bytes": "pickle calls it, as it calls NumPy's",
    "tools/docs_site.py on_page_markdown": "MkDocs's hook",
}
"""Functions with more than `POSITIONAL` positional parameters, and who fixed their signature."""


def functions_in(path):
    """Name with what it stands in, and number of positional parameters without `self` or `cls`."""
    found, waiting = {}, [("", ast.parse(path.read_text(encoding="utf-8")))]
    while waiting:
        inside, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{inside}.{child.name}".lstrip(".")
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names = [entry.arg for entry in child.args.posonlyargs + child.args.args]
                found[name] = len(names) - (names[:1] in (["self"], ["cls"]))
            waiting.append((name, child))
    return found


def test_more_than_three_parameters_are_keyword_only():
    """Rule 6 of the style in docs/contributing.md."""
    found = {
        f"{path.relative_to(ROOT)} {name}"
        for folder in ("kerashand", "tools", "export", "notebooks")
        for path in ROOT.glob(f"{folder}/**/*.py")
        for name, count in functions_in(path).items()
        if count > POSITIONAL and "node_modules" not in path.parts
    }
    assert found == set(FIXED)


def test_protocols_prints_its_table():
    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    section = text.partition("## What each choice does")[2]
    assert printed.getvalue().split() == re.findall(r"^\| `\S+` \| (\S+) \|", section, re.MULTILINE)


def code_of_readme(title):
    """The blocks of code of a section of README.md: language and lines."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [(language, block.splitlines()) for language, block in blocks]


@pytest.mark.parametrize(
    "title", ["A picture", "A webcam", "Train", "Adapt to your depth camera", "Export"]
)
def test_the_code_of_the_readme_is_short(title):
    blocks = code_of_readme(title)
    assert blocks
    assert all(len(lines) <= 12 for _, lines in blocks)


def test_the_program_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    ((_, lines),) = [block for block in code_of_readme("A picture") if block[0] == "python"]
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), {})
    assert capsys.readouterr().out.startswith("right 0.9")
    assert (tmp_path / "joints.png").stat().st_size > 10_000


def test_the_model_card_is_short():
    text = (ROOT / "docs" / "model_card.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150


ADDRESS = re.compile(r"github(?:\.com)?/([\w.-]+/kerashand)(?![\w-])")


def test_one_address_of_the_repository(load_script):
    tool = load_script("tools/set_address.py")
    known = tool.holders()
    assert ROOT / "README.md" in known
    for path in [*known, *PAGES, *ROOT.glob("*.yml"), *ROOT.glob("kerashand/**/*.py"),
                 *ROOT.glob("export/**/*.*s")]:  # fmt: skip
        if "node_modules" in path.parts or not path.is_file():
            continue
        found = set(ADDRESS.findall(path.read_text(encoding="utf-8")))
        assert found <= {tool.repository()}, path
        assert not found or path in known, path


def test_the_address_is_changed_everywhere(load_script, tmp_path):
    tool = load_script("tools/set_address.py")
    for path in tool.holders():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    tool.change("some.one/kerashand", tmp_path)
    assert tool.repository(tmp_path) == "some.one/kerashand"
    for path in tool.holders(tmp_path):
        text = path.read_text(encoding="utf-8")
        assert set(ADDRESS.findall(text)) <= {"some.one/kerashand"}
        original = (ROOT / path.relative_to(tmp_path)).read_text(encoding="utf-8")
        assert text.replace("some.one/kerashand", tool.repository()) == original
    assert tool.main(["nowhere"]) == 2
