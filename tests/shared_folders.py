"""Folders that one test fills and that all tests of a run read, whatever process runs them."""

import os
import shutil
import time


def shared_folder(tmp_path_factory, name, fill, timeout_s=300):
    """The folder `name` of this run of the tests; the first that asks for it calls `fill(folder)`.

    Do not change what it holds.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers
    folder, filled = root / name, root / f"{name}.filled"
    deadline = time.monotonic() + timeout_s
    while not filled.exists():
        try:
            folder.mkdir()
        except FileExistsError:
            assert time.monotonic() < deadline, f"nobody fills {folder}: see the other process"
            time.sleep(0.2)
            continue
        try:
            fill(folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        filled.touch()
    return folder
