"""What a result was made with: processor, cores, GPU, versions of packages, and memory in use."""

from __future__ import annotations

import os
import platform
import re
import sys
from datetime import datetime
from importlib import metadata as installed
from pathlib import Path

VERSIONS_OF = ("kerashand", "keras", "tensorflow", "ai-edge-litert", "ai-edge-quantizer",
               "onnx", "onnxruntime", "tf2onnx", "numpy")  # fmt: skip


def versions() -> dict[str, str]:
    """Of Python and of the packages that may take part, by name."""
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        for package in (name, f"{name}-cpu"):
            try:
                found[name] = installed.version(package)
                break
            except installed.PackageNotFoundError:
                continue
    return found


def made() -> str:
    """When and with what something was made: now, here, in sentences."""
    now = datetime.now().astimezone()
    packages = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"Made on {now:%Y-%m-%d} at {now:%H:%M %Z} with {machine()}; {packages}."


def machine() -> str:
    """Processor, cores and GPUs in words, such as "2 cores of AMD EPYC 7B13 (Linux), no GPU"."""
    names = gpus()
    shown = f"GPU {', '.join(names)}" if names else "no GPU"
    return f"{os.cpu_count()} cores of {processor()} ({platform.system()}), {shown}"


def processor() -> str:
    """Name of the processor where Linux tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    named = re.search(r"model name\s*:\s*(.+)", text)
    return named[1].strip() if named else platform.processor() or "unknown processor"


def gpus() -> list[str]:
    """Names of the GPUs that TensorFlow uses; none where it was not imported."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return []
    details = tensorflow.config.experimental.get_device_details
    return [
        details(device).get("device_name", "of unknown name")
        for device in tensorflow.config.list_physical_devices("GPU")
    ]


def memory_mb() -> float | None:
    """The most memory that the first GPU held, or else this process; None where nobody tells."""
    if gpus():
        info = sys.modules["tensorflow"].config.experimental.get_memory_info("GPU:0")
        return info["peak"] / 1e6
    try:  # first, since what getrusage says begins with the parent's
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        if found := re.search(r"VmHWM:\s*(\d+) kB", status):
            return int(found[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
