"""Holding back what native code writes to stderr, and Python's warnings, also in threads."""

import contextlib
import os
import sys
import tempfile
import threading
import warnings
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


class _WarningsHeld:
    """Holds Python's warnings back while any thread is inside, such as those of Pillow.

    `warnings.catch_warnings` alone would leave the filters of one thread to another.
    """

    def __init__(self):
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._kept = warnings.catch_warnings()
                self._kept.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._kept.__exit__(None, None, None)


WARNINGS_HELD = _WarningsHeld()
