"""Holding back what native code writes to stderr, which Python's own redirection misses."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_ONE_AT_A_TIME = threading.RLock()
"""There is one stderr: a second thread would save the file in which the first one holds it."""


@contextlib.contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold back what native code writes to stderr in the block; shown only after an exception.

    One thread at a time; others wait.
    """
    with _ONE_AT_A_TIME, _held():
        yield


@contextlib.contextmanager
def _held() -> Iterator[None]:
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a program without a terminal has closed it
        yield
        return
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
