"""`kerashand-train`: trains the stages of a configuration, or goes on with a run that stopped."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kerashand import __version__
from kerashand.cli.arguments import (
    RESUMABLE,
    add_config_arguments,
    add_skip_bad,
    exit_code,
    overrides_of,
)
from kerashand.cli.startup import tensorflow_start
from kerashand.config import (
    PACKAGED,
    dump_yaml,
    find_initial_weights,
    lengthened,
    load_config,
    packaged_configs,
)
from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import RUN_CONFIG


def build_parser(prog: str = "kerashand-train") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Trains a 3D hand pose model. If a run is stopped, the same command "
        "continues it.",
        epilog=f"Packaged configurations: {', '.join(packaged_configs())}.",
        allow_abbrev=False,
    )
    add_config_arguments(parser, example="seed=1 stages.finetune.epochs=3", required=False)
    parser.add_argument(
        "--run-dir", metavar="DIR", help="the folder of results (default: runs/ and the name)"
    )
    parser.add_argument(
        "--extend",
        metavar="stages.STAGE.epochs=N",
        help="continue the finished run in --run-dir for more epochs of its last stage",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the whole configuration and stop"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build everything, run one step of each stage and stop",
    )
    parser.add_argument(
        "--init-from",
        metavar="WEIGHTS",
        help=f"start from the weights of another run's folder (its best ones), of a file (.tflite, "
        f".npz), or of the `{PACKAGED}` model; the same as model.initial_weights",
    )
    add_skip_bad(parser)
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand-train") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    parser = build_parser(prog)
    arguments = parser.parse_args(argv)
    if (arguments.config is None) == (arguments.extend is None):
        parser.error("give --config, or --extend with --run-dir")
    stopped = "Stopped." if arguments.dry_run else RESUMABLE
    return exit_code(prog, lambda: _train(arguments), stopped=stopped)


def _train(arguments: argparse.Namespace) -> None:
    if not arguments.print_config:
        check("training")
    if arguments.extend is not None:
        _go_on(arguments)
        return
    overrides = overrides_of(arguments)
    if arguments.init_from is not None:
        overrides.append(f"model.initial_weights={json.dumps(arguments.init_from)}")
    config = load_config(arguments.config, overrides)
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


def _go_on(arguments: argparse.Namespace) -> None:
    """Lengthen a finished run."""
    for name in ("overrides", "init_from", "skip_bad", "print_config", "dry_run"):
        if getattr(arguments, name):
            flag = "--set" if name == "overrides" else f"--{name.replace('_', '-')}"
            raise UserError(f"--extend takes all but the epochs from the run, so no {flag}.")
    if arguments.run_dir is None:
        raise UserError("--extend needs --run-dir: the folder of the finished run.")
    path = Path(_checked_run_dir(arguments.run_dir))
    if not (path / RUN_CONFIG).is_file():
        raise UserError(f"--run-dir must be the folder of a finished run. Received: {path}")
    before = load_config(path / RUN_CONFIG).with_run_dir(arguments.run_dir)
    after = lengthened(before, arguments.extend)
    if after.distribute == "multi_worker":
        raise UserError(f"--extend works in one process: set `distribute` in {path / RUN_CONFIG}.")
    with tensorflow_start():
        from kerashand.training.extension import reopen
        from kerashand.training.run import run
    reopen(path, before, after)
    run(after)


def _checked_run_dir(run_dir: str) -> str:
    if not run_dir.strip():
        raise UserError("--run-dir must name a folder. Received: an empty text")
    return run_dir


if __name__ == "__main__":
    raise SystemExit(main())
