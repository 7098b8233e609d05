"""Pages that are made from code are up to date, and links lead somewhere."""

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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing
