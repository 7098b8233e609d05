"""What `mkdocs build` adds to docs/: pages from elsewhere, and the reference of the API.

MkDocs calls the functions `on_...` (mkdocs.yml, `hooks`). Links of every page are those of the
repository, so that they work there too; here they become links of the site.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = ("CHANGELOG.md", "export/README.md", "export/*/README.md", "notebooks/README.md")
"""Pages outside of docs/, which keep their paths in the site."""
PACKAGE = "kerashand"
API = "api"
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Take the address from setup.cfg, and put the pages of the API into the menu."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    config.repo_url = setup["metadata"]["url"]
    config.repo_name = "/".join(config.repo_url.split("/")[-2:])
    config.edit_uri = ""
    for tab in config.nav:
        for entries in tab.values():
            for entry in entries if isinstance(entries, list) else []:
                if entry == {"API": f"{API}/"}:
                    entry["API"] = [{name: page} for name, page in api_pages().items()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from elsewhere and those of the API."""
    for pattern in ELSEWHERE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    for name, page in api_pages().items():
        files.append(File.generated(config, page, content=api_page(name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Make links of the repository links of the site."""
    here = page.file.src_uri
    source = here if (ROOT / here).is_file() else f"docs/{here}"

    def changed(match: re.Match) -> str:
        target, anchor = match[2], match[3] or ""
        if "://" in target or target.startswith(("mailto:", "/")):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        page_there = path.removeprefix("docs/")
        if files.get_file_from_path(page_there) is None:
            return f"{match[1]}{config.repo_url}/tree/main/{path}{anchor})"
        return f"{match[1]}{posixpath.relpath(page_there, posixpath.dirname(here))}{anchor})"

    return LINK.sub(changed, markdown)


def api_pages() -> dict[str, str]:
    """Titles and pages of the reference: the parts of the package, each on one page."""
    folder = ROOT / PACKAGE
    parts = {path.parent.name for path in folder.glob("*/__init__.py")} - {"cli"}
    parts |= {path.stem for path in folder.glob("*.py")} - {"__init__"}
    pages = {"Overview": f"{API}/README.md"}
    return pages | {part: f"{API}/{part}.md" for part in sorted(parts)}


def api_page(name: str) -> str:
    """The text of a page of the reference."""
    if name == "Overview":
        rows = [
            f"| [`{PACKAGE}.{part}`]({PurePosixPath(page).name}) | {first_line(part)} |"
            for part, page in api_pages().items()
            if part != name
        ]
        return "\n".join(
            ["# API", "", "This reference is made from the docstrings.", "",
             "| module | what it is for |", "|---|---|", *rows, ""]
        )  # fmt: skip
    modules = [f"{PACKAGE}.{name}"]
    if (ROOT / PACKAGE / name).is_dir():
        inside = sorted((ROOT / PACKAGE / name).rglob("*.py"))
        dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in inside]
        modules = [module.removesuffix(".__init__") for module in dotted]
    blocks = [f"::: {module}\n    options: {{show_submodules: false}}\n" for module in modules]
    return "\n".join([f"# {PACKAGE}.{name}", "", *blocks])


def first_line(part: str) -> str:
    """What a module says it is for, without importing it."""
    path = ROOT / PACKAGE / part
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]
