"""`kerashand-train`: trains the stages of a configuration, or goes on with a run that stopped."""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence

from kerashand import __version__
from kerashand.cli.arguments import EXIT_INTERRUPTED, EXIT_USER_ERROR, add_config_arguments
from kerashand.config import dump_yaml, find_initial_weights, load_config, packaged_configs
from kerashand.errors import UserError


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
        "--dry-run", action="store_true", help="build everything, run one step of a stage and stop"
    )
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns 0, or 2 for a mistake of the user, or 130 for Ctrl-C."""
    arguments = build_parser().parse_args(argv)
    try:
        config = load_config(arguments.config, arguments.overrides)
        if arguments.run_dir is not None:
            config = config.with_run_dir(_checked_run_dir(arguments.run_dir))
        if config.model.initial_weights is not None:
            find_initial_weights(config.model.initial_weights)
        if arguments.print_config:
            sys.stdout.write(dump_yaml(config))
            return 0
        _prepare_tensorflow()
        with _native_stderr_held():
            from kerashand.training.run import run, start_tensorflow

            start_tensorflow()
        run(config, dry_run=arguments.dry_run)
    except UserError as error:
        print(f"kerashand-train: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("\nStopped: run the same command again to go on.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _checked_run_dir(run_dir: str) -> str:
    if not run_dir.strip():
        raise UserError("--run-dir must name a folder. Received: an empty text")
    return run_dir


@contextlib.contextmanager
def _native_stderr_held() -> Iterator[None]:
    """Holds back what native code writes to stderr, and shows it only after an exception.

    TensorFlow 2.21 prints a screen of notes about oneDNN and absent GPUs at import, whatever
    TF_CPP_MIN_LOG_LEVEL says.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _prepare_tensorflow() -> None:
    """Sets what TensorFlow and Keras read when they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The trainer and the pipelines are TensorFlow's, whatever ~/.keras/keras.json prefers.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    logging.basicConfig(format="%(message)s")
    logging.getLogger("kerashand").setLevel(logging.INFO)


if __name__ == "__main__":
    raise SystemExit(main())
