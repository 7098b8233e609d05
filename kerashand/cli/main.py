"""`kerashand`: one name in front of all commands, which are imported when they are asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from kerashand import __version__
from kerashand.cli.arguments import EXIT_USER_ERROR, exit_code
from kerashand.errors import did_you_mean

PROG = "kerashand"
COMMANDS = {
    "train": "train a model, or continue a stopped run",
    "predict": "find hands in pictures, videos or camera pictures, and draw them",
    "eval": "measure models on a data set, and compare them",
    "export": "write a trained model as one file for other runtimes",
    "data": "render hands, and make, check and label data before a training",
    "doctor": "say what is installed, what works, and which packages are missing",
    "completion": "print a completion script for a shell",
}
"""What each does; a module of `kerashand.cli` each, with `main(argv, prog=...)`."""
SCRIPTS = ("train", "predict", "eval", "export", "data")
"""Those that are also programs of their own, `kerashand-NAME`."""


def build_parser() -> argparse.ArgumentParser:
    """The arguments before those of a command."""
    lines = "\n".join(f"  {name:<12}{what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=f"3D hand pose from one RGB image.\n\ncommands:\n{lines}",
        epilog="`kerashand COMMAND --help` has the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="one of these")
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that comes first with the arguments after it; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        build_parser().print_help(sys.stderr)
        return EXIT_USER_ERROR
    name = arguments[0]
    if name not in COMMANDS:
        parser = build_parser()
        if name.startswith("-"):
            parser.parse_args(arguments)  # --help and --version end here, others are refused
        parser.error(f"there is no command {name!r}.{did_you_mean(name, COMMANDS)}")
    prog = f"{PROG} {name}"
    if code := exit_code(prog, lambda: _import(name)):
        return code
    return _import(name).main(arguments[1:], prog=prog)


def _import(name: str):
    return importlib.import_module(f"kerashand.cli.{name}")


if __name__ == "__main__":
    raise SystemExit(main())
