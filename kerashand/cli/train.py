"""`kerashand-train`: trains the stages of a configuration, or goes on with a run that stopped."""

import argparse
import sys
from collections.abc import Sequence

from kerashand import __version__
from kerashand.cli.arguments import (
    RESUMABLE,
    add_config_arguments,
    add_skip_bad,
    exit_code,
    overrides_of,
)
from kerashand.cli.startup import tensorflow_start
from kerashand.config import dump_yaml, find_initial_weights, load_config, packaged_configs
from kerashand.errors import UserError
from kerashand.extras import check


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="kerashand-train",
        description="Trains a 3D hand pose model. A run that was stopped goes on when the same "
        "command is given again.",
        epilog=f"Packaged configurations: {', '.join(packaged_configs())}.",
        allow_abbrev=False,
    )
    add_config_arguments(parser, example="seed=1 stages.finetune.epochs=3")
    parser.add_argument(
        "--run-dir", metavar="DIR", help="the folder of results (default: runs/ and the name)"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the whole configuration and stop"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build everything, run one step of each stage and stop",
    )
    add_skip_bad(parser)
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    stopped = "Stopped." if arguments.dry_run else RESUMABLE
    return exit_code("kerashand-train", lambda: _train(arguments), stopped=stopped)


def _train(arguments: argparse.Namespace) -> None:
    if not arguments.print_config:
        check("training")
    config = load_config(arguments.config, overrides_of(arguments))
    if arguments.run_dir is not None:
        config = config.with_run_dir(_checked_run_dir(arguments.run_dir))
    if config.model.initial_weights is not None:
        find_initial_weights(config.model.initial_weights)
    if arguments.print_config:
        sys.stdout.write(dump_yaml(config))
        return
    with tensorflow_start():
        from kerashand.training.run import run
    run(config, dry_run=arguments.dry_run)


def _checked_run_dir(run_dir: str) -> str:
    if not run_dir.strip():
        raise UserError("--run-dir must name a folder. Received: an empty text")
    return run_dir


if __name__ == "__main__":
    raise SystemExit(main())
