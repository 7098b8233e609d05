"""What all converters need: their packages, and silence."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from kerashand.errors import UserError
from kerashand.stderr import native_stderr_held


@contextlib.contextmanager
def needs_extra(what: str, package: str) -> Iterator[None]:
    """Say how to install what an import in the block does not find."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            f'{what} needs {package}: pip install -e ".[export]" in the folder of the project, or '
            f"pip install {package}."
        ) from error


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back the progress and advice that converters print."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with native_stderr_held():
            yield
    finally:
        logging.disable(before)
