"""For tools that measure each row of a table in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerashand.errors import UserError


def measured_apart(script: str, arguments: Sequence[Any], *, what: str) -> dict[str, float]:
    """Run a script in a process of its own, and read the JSON of its last line.

    Args:
        script: its file.
        arguments: of its command line.
        what: stands before what it says if it fails.

    Raises:
        UserError: if it fails.
    """
    command = [sys.executable, str(Path(script).resolve()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{what}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def memory_mb() -> float:
    """The most memory that this process held, or its GPU."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says begins with the parent's
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(held.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
