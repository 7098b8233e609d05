"""Arguments and exit codes that the commands share."""

import argparse

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""128 + the number of SIGINT, as shells report it."""


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
