"""What all converters need: silence."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from kerashand.stderr import native_stderr_held


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
