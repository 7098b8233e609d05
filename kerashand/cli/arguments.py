"""Arguments, exit codes and messages that the commands share."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from kerashand.errors import TryAgainError, UserError
from kerashand.extras import needs_module

EXIT_USER_ERROR = 2
EXIT_TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a loop that starts the command again on this code is right."""
EXIT_INTERRUPTED = 130
"""128 + the number of SIGINT, as shells report it."""
EXIT_BROKEN_PIPE = 141
"""128 + the number of SIGPIPE."""
EXIT_TERMINATED = 143
"""128 + the number of SIGTERM."""
INSTALLED_WITH = {"yaml": "PyYAML", "PIL": "pillow", "rich": "rich"}
"""Packages that are missing after `pip install --no-deps`, by the names of their modules."""
RESUMABLE = "Stopped: run the same command again to go on."
"""What a command that resumes says after Ctrl-C or SIGTERM."""


def add_config_arguments(
    parser: argparse.ArgumentParser, *, example: str, required: bool = True
) -> None:
    """`--config` and `--set`; `example` stands in the help of the latter."""
    parser.add_argument(
        "--config", required=required, metavar="NAME",
        help="a YAML file, or a packaged name: weak.yaml",
    )  # fmt: skip
    parser.add_argument(
        "--set",
        dest="overrides",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help=f"change values of the configuration: --set {example}",
    )


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """`--skip-bad`, which `overrides_of` turns into settings."""
    parser.add_argument(
        "--skip-bad", metavar="SHARE", nargs="?", const="0.01",
        help="leave out and list damaged hands of data sets on disk, up to this share of each "
        "split (without a number: 0.01); the same as data.*.max_bad_share",
    )  # fmt: skip


def add_backgrounds(parser: argparse.ArgumentParser, what: str) -> None:
    """`--backgrounds`, for `check_backgrounds`; `what` is where the photographs stand."""
    parser.add_argument(
        "--backgrounds", metavar="DIR", help=f"photographs {what} (default: those in the package)"
    )


def check_backgrounds(folder: str | None) -> None:
    """Raise UserError if `--backgrounds` names no folder of pictures; None is the packaged ones.

    Only some of what is rendered shows a photograph, so that this would be seen late or never.
    """
    if folder is None:
        return
    from kerashand.synthetic.backgrounds import picture_files

    try:
        picture_files(folder)
    except UserError as error:
        raise UserError(f"--backgrounds: the folder {error}") from None


def overrides_of(arguments: argparse.Namespace) -> list[str]:
    """What `--set` and `--skip-bad` change."""
    from kerashand.config import DOMAINS  # reads YAML, which a small install has not

    overrides = list(arguments.overrides)
    if arguments.skip_bad is not None:
        overrides += [f"data.{d}.max_bad_share={arguments.skip_bad}" for d in DOMAINS]
    return overrides


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is written in the block into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: worker processes are put away."""


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def exit_code(program: str, action: Callable[[], None], *, stopped: str = "Stopped.") -> int:
    """Run a command; its exit code: 0, 2 for a mistake of the user, 130 for Ctrl-C.

    75 is for what goes on when it is run again, 141 where nobody reads the output any more (as
    after `head`), 143 for SIGTERM.

    What the system refuses (a full disk, a folder that may not be written) is such a mistake too.

    Args:
        program: stands before the message of a mistake.
        action: the command.
        stopped: said after Ctrl-C or SIGTERM, unless the exception says more.
    """
    _prepare_streams()
    if not {"IPython", "matplotlib"} & sys.modules.keys():
        # Commands draw into files. Jupyter names its own backend, which need not be here.
        os.environ["MPLBACKEND"] = "agg"
    try:
        code = _code_of(program, action, stopped)
        sys.stdout.flush()
    except OSError as error:  # of the action, or of what is printed
        gone = isinstance(error, BrokenPipeError)
        if not gone:
            with contextlib.suppress(OSError):
                print(f"{program}: {error}", file=sys.stderr)
        _drop_unread_streams()
        return EXIT_BROKEN_PIPE if gone else EXIT_USER_ERROR
    return code


def _code_of(program: str, action: Callable[[], None], stopped: str) -> int:
    try:
        with _sigterm_raises():
            action()
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN if isinstance(error, TryAgainError) else EXIT_USER_ERROR
    except ModuleNotFoundError as error:
        if error.name in INSTALLED_WITH:
            package = INSTALLED_WITH[error.name]
            print(
                f"{program} needs {package}, which is not installed: pip install {package}, or "
                "`pip install .` in the repository for all of kerashand.",
                file=sys.stderr,
            )
            return EXIT_USER_ERROR
        if error.name is not None and (needs := needs_module(error.name)) is not None:
            print(f"{program} {needs}", file=sys.stderr)
            return EXIT_USER_ERROR
        raise
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or stopped}", file=sys.stderr)
        return EXIT_TERMINATED if isinstance(stop, _Terminated) else EXIT_INTERRUPTED
    return 0


def _prepare_streams() -> None:
    """Let names of files be printed that a terminal may not show; closed streams lead nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would take its place
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _drop_unread_streams() -> None:
    """Lead streams that take nothing more nowhere: Python flushes them once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
