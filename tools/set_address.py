"""Change the address of the repository everywhere it stands.

    python tools/set_address.py OWNER/NAME

The address is the `url` of setup.cfg. Pages, notebooks and CITATION.cff repeat it, since they are
read where there is no package. `tests/test_docs.py` fails when one of them differs.
"""

from __future__ import annotations

import argparse
import configparser
import re
from pathlib import Path

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.files import write_text

ROOT = Path(__file__).resolve().parents[1]
HOLDERS = ("setup.cfg", "CITATION.cff", "README.md", "docs/*.md", "notebooks/*")
"""Files that may hold the address."""
PREFIX = "https://github.com/"


def main(argv: list[str] | None = None) -> int:
    """Replace the address that setup.cfg has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", metavar="OWNER/NAME", help="on github.com")
    args = parser.parse_args(argv)
    return exit_code("set_address", lambda: change(args.repository))


def change(new: str, root: Path = ROOT) -> None:
    """Write a new OWNER/NAME into every file that has the old one.

    Raises:
        UserError: when it is no OWNER/NAME.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", new):
        raise UserError(f"The address must be OWNER/NAME, as on github.com. Received: {new}")
    old = repository(root)
    # Not a longer name, nor a module of the package such as kerashand/kerashand/cli.
    places = re.compile(r"(github(?:\.com)?/)" + re.escape(old) + r"(?![\w-])")
    for path in holders(root):
        text = path.read_text(encoding="utf-8")
        changed = places.sub(rf"\g<1>{new}", text)
        if changed != text:
            write_text(path, changed)
            print(path.relative_to(root))


def repository(root: Path = ROOT) -> str:
    """OWNER/NAME as setup.cfg has it."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    return config["metadata"]["url"].removeprefix(PREFIX)


def holders(root: Path = ROOT) -> list[Path]:
    """The files that may hold the address."""
    return [path for pattern in HOLDERS for path in sorted(root.glob(pattern)) if path.is_file()]


if __name__ == "__main__":
    raise SystemExit(main())
