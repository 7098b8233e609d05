"""Arguments and exit codes that the commands share."""

import argparse
import sys
from collections.abc import Callable

from kerashand.errors import UserError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""128 + the number of SIGINT, as shells report it."""
RESUMABLE = "Stopped: run the same command again to go on."
"""What a command that resumes says after Ctrl-C."""


def add_config_arguments(parser: argparse.ArgumentParser, *, example: str) -> None:
    """`--config` and `--set`; `example` stands in the help of the latter."""
    parser.add_argument(
        "--config", required=True, metavar="NAME", help="a YAML file, or a packaged name: weak.yaml"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help=f"change values of the configuration: --set {example}",
    )


def exit_code(program: str, action: Callable[[], None], *, stopped: str = "Stopped.") -> int:
    """Run a command; its exit code: 0, 2 for a mistake of the user, 130 for Ctrl-C.

    Args:
        program: stands before the message of a mistake.
        action: the command.
        stopped: said after Ctrl-C.
    """
    try:
        action()
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0
