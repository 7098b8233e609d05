"""Time our models beside MediaPipe's hand landmark models, in turns.

    python tools/benchmark.py speed
    python tools/benchmark.py speed --models hand.tflite --threads 1
    python tools/benchmark.py speed --cpm --blocks 5 --runs 3

Without `--models` the packaged model is exported in every format and precision. A row for each file
and number of threads: median and least time of a picture, the ratio to `hand_landmark_lite` on as
many threads (median over pairs of neighbouring blocks, which noise of the machine hardly moves),
size, and multiply-adds of convolutions and matrix products. `--cpm` adds the paper's network at
256 px, and for all rows the share that they reach of what this machine was measured to multiply.

MediaPipe's files (Apache-2.0) are taken out of the wheel mediapipe 0.10.21, which pip downloads to
a temporary folder; later wheels hold none. Nothing of it is installed or imported: they run on the
same LiteRT as ours. A SavedModel runs on TensorFlow, whose threads are the process's: the parity
report of its export has its time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.measuring import in_turns, seconds, show
from kerashand.cli.startup import tensorflow_start
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.runtime.backends import FORMATS, open_backend
from kerashand.runtime.litert import open_interpreter
from kerashand.stderr import native_stderr_held

with tensorflow_start():
    from kerashand import exporting
    from kerashand.models.hand_pose import build_parts

WHEEL = "mediapipe==0.10.21"
WHEEL_PYTHON = "3.11"
FOLDER = "mediapipe/modules/hand_landmark"
OTHERS = ("hand_landmark_lite", "hand_landmark_full")
SUFFIXES = {form: FORMATS[form].suffix for form in ("tflite", "onnx")}
"""Of the formats whose runtime can be asked for one thread."""
CPM = "cpm, 256 px"
CPM_CONFIG = "paper/weak.yaml"
WARM_UP = 3
FILE_COLUMNS = {"file": "file text", "MB": "mb 2", "M multiply-adds": "multiply_adds_m 1"}
TIMES = {"ms": "ms 2", "least ms": "least_ms 2", "ratio": "ratio 2", "of peak": "of_peak %0"}
"""Columns for each number of threads."""
PEAK = """
import time, numpy as np
a, b = (np.random.default_rng(0).random((2048, 2048), np.float32) for _ in range(2))
best = 1e9
for _ in range(8):
    start = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - start)
print(2048 ** 3 / best)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its own."""
    parser.add_argument(
        "--models", type=Path, nargs="+", metavar="FILE",
        help=".tflite or .onnx files (default: the packaged model in every format and precision)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument(
        "--runs", dest="steps", type=int, default=40, metavar="RUNS", help="pictures of a block"
    )
    parser.add_argument("--cpm", action="store_true", help="the paper's network too; slow")


def measure(args: argparse.Namespace) -> list[dict]:
    """Collect the files and time them in turns."""
    for flag, value in (("blocks", args.blocks), ("runs", args.steps)):
        if value < 1:
            raise UserError(f"--{flag} must be at least 1. Received: {value}")
    with tempfile.TemporaryDirectory() as folder:
        files = files_of(args, Path(folder))
        with native_stderr_held():
            runs = {
                (name, threads): median_ms(path, threads)
                for threads in args.threads
                for name, path in files.items()
            }
        times = in_turns(runs, args)
        peaks = {threads: peak(threads) for threads in args.threads} if args.cpm else {}
        macs = {n: multiply_adds(path) for n, path in files.items() if path.suffix == ".tflite"}
        megabytes = {name: path.stat().st_size / 1e6 for name, path in files.items()}
    print(f"{args.blocks} blocks of {args.steps} pictures each, in turns")
    columns = dict(FILE_COLUMNS)
    for t in args.threads:
        columns |= {f"{title}, {t} thread(s)": f"threads/{t}/{c}" for title, c in TIMES.items()}

    def row(name: str) -> dict:
        counted = name if name in macs else name.replace("onnx", "tflite")
        held = {"file": name, "mb": megabytes[name], "threads": {}}
        if counted in macs:
            held["multiply_adds_m"] = macs[counted] / 1e6
        for t in args.threads:
            ms = times[name, t]
            ratio = np.median(ms / times[OTHERS[0], t])
            found = {"ms": np.median(ms), "least_ms": ms.min(), "ratio": ratio}
            if t in peaks and counted in macs:
                found["of_peak"] = macs[counted] / (found["ms"] / 1e3) / peaks[t]
            held["threads"][str(t)] = {key: float(value) for key, value in found.items()}
        return held

    rows = show(columns, map(row, files))
    for threads, value in peaks.items():
        print(
            f"measured peak on {threads} thread(s): {value / 1e9:.0f} G multiply-adds a second "
            "(NumPy, float32, 2048 x 2048)"
        )
    return rows


def files_of(args: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """All files to time, by name."""
    files = others(folder)
    files |= {path.name: checked(path) for path in args.models} if args.models else ours(folder)
    return {**files, CPM: cpm(folder)} if args.cpm else files


def checked(path: Path) -> Path:
    """A file that can be timed."""
    if path.suffix not in SUFFIXES.values() or not path.is_file():
        raise UserError(f"--models takes {' or '.join(SUFFIXES.values())} files. Received: {path}")
    return path


def ours(folder: Path) -> dict[str, Path]:
    """The packaged model in each format and precision that one thread can be asked of."""
    model, metadata = exporting.load_exportable("lite")
    hands = exporting.rendered_hands(
        metadata["style"], "train", 64, size_px=metadata["image_size_px"],
        scale_bone=metadata["scale_bone"],
    )  # fmt: skip
    files = {}
    for form, suffix in SUFFIXES.items():
        for precision in exporting.FORMATS[form].precisions:
            path = folder / f"{precision}{suffix}"
            exporting.export(
                model, path, form, metadata=metadata, precision=precision, calibration=hands
            )
            files[f"lite {form} {precision}"] = path
    return files


def cpm(folder: Path) -> Path:
    """The faithful network with the regressor, fp32; untrained, which takes the same time."""
    config = load_config(CPM_CONFIG, ["data.source.path=.", "data.target.path=."])
    model = build_parts(**config.parts_arguments()).build_inference_model()
    path = folder / "cpm.tflite"
    exporting.export(model, path, "tflite", metadata=exporting.describe(config))
    return path


def median_ms(path: Path, threads: int) -> Callable[[int], float]:
    """A function that runs a number of pictures and gives the median milliseconds of one."""
    run = _litert(path, threads) if path.suffix == ".tflite" else _onnx(path, threads)
    for _ in range(WARM_UP):
        run()
    return lambda runs: 1e3 * float(np.median([seconds(run, 1) for _ in range(runs)]))


def _litert(path: Path, threads: int) -> Callable[[], object]:
    interpreter = open_interpreter(path.read_bytes(), name=str(path), threads=threads)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], _noise(detail["shape"], detail["dtype"]))
    return interpreter.invoke


def _onnx(path: Path, threads: int) -> Callable[[], object]:
    backend = open_backend(path, threads=threads)
    image = _noise(backend.input_shape, np.uint8)
    return lambda: backend.run(image)


def _noise(shape: Sequence[int], dtype) -> np.ndarray:
    high = 255 if dtype == np.uint8 else 1
    return np.random.default_rng(0).uniform(0, high, shape).astype(dtype)


def multiply_adds(path: Path) -> int:
    """Of the convolutions and matrix products in the first graph of a .tflite file."""
    interpreter = open_interpreter(path.read_bytes(), name=str(path), plain=True)
    shapes = {d["index"]: d["shape"] for d in interpreter.get_tensor_details()}
    total = 0
    for operation in interpreter._get_ops_details():  # what its profiler is built on
        name, inputs = operation["op_name"], operation["inputs"]
        if name == "CONV_2D":
            per_output = np.prod(shapes[inputs[1]][1:])
        elif name == "DEPTHWISE_CONV_2D":
            per_output = np.prod(shapes[inputs[1]][1:3])
        elif name == "FULLY_CONNECTED":
            per_output = shapes[inputs[1]][-1]
        else:
            continue
        total += int(np.prod(shapes[operation["outputs"][0]]) * per_output)
    return total


def peak(threads: int) -> float:
    """Multiply-adds a second of a large float32 matrix product, in a process of its own."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    done = subprocess.run(
        [sys.executable, "-c", PEAK], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)


def others(folder: Path) -> dict[str, Path]:
    """MediaPipe's landmark models."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", WHEEL_PYTHON, "--platform", "manylinux_2_28_x86_64", "--dest",
        str(folder), WHEEL,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"pip could not download {WHEEL}: {done.stderr.strip()[-300:]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in OTHERS:
            wheel.extract(f"{FOLDER}/{name}.tflite", folder)
    return {name: folder / FOLDER / f"{name}.tflite" for name in OTHERS}
