"""Time our models beside MediaPipe's hand landmark models, all in one run, in turns.

    python tools/benchmark_speed.py
    python tools/benchmark_speed.py --models hand.tflite --threads 1
    python tools/benchmark_speed.py --cpm --blocks 5 --runs 3

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
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kerashand import exporting
from kerashand.cli.arguments import exit_code
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.files import write_text
from kerashand.models.hand_pose import build_parts
from kerashand.runtime.backends import BACKENDS, open_backend
from kerashand.runtime.litert import open_interpreter
from kerashand.stderr import native_stderr_held

WHEEL = "mediapipe==0.10.21"
WHEEL_PYTHON = "3.11"
FOLDER = "mediapipe/modules/hand_landmark"
OTHERS = ("hand_landmark_lite", "hand_landmark_full")
SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx"}
CPM = "cpm, 256 px"
CPM_CONFIG = "paper/weak.yaml"
WARM_UP = 3
PEAK = """
import time, numpy as np
a, b = (np.random.default_rng(0).random((2048, 2048), np.float32) for _ in range(2))
best = 1e9
for _ in range(8):
    start = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - start)
print(2048 ** 3 / best)
"""


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", type=Path, nargs="+", metavar="FILE",
        help=".tflite or .onnx files (default: the packaged model in every format and precision)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--runs", type=int, default=40, help="pictures of a block")
    parser.add_argument("--cpm", action="store_true", help="the paper's network too; slow")
    parser.add_argument("--out", type=Path, help="file of results, .json")
    args = parser.parse_args(argv)
    return exit_code("benchmark_speed", lambda: benchmark(args))


def benchmark(args: argparse.Namespace) -> None:
    """Collect the files, time them in turns, print."""
    for flag in ("blocks", "runs"):
        if getattr(args, flag) < 1:
            raise UserError(f"--{flag} must be at least 1. Received: {getattr(args, flag)}")
    with tempfile.TemporaryDirectory() as folder:
        files = dict(others(Path(folder)))
        if args.models:
            files |= {path.name: checked(path) for path in args.models}
        else:
            files |= dict(ours(Path(folder)))
        if args.cpm:
            files[CPM] = cpm(Path(folder))
        with native_stderr_held():
            timers = {(n, t): timer(path, t) for t in args.threads for n, path in files.items()}
        blocks: dict[tuple[str, int], list[float]] = {key: [] for key in timers}
        for _ in range(args.blocks):
            for key, run in timers.items():
                blocks[key].append(run(args.runs))
        macs = {n: multiply_adds(path) for n, path in files.items() if path.suffix == ".tflite"}
        peaks = {threads: peak(threads) for threads in args.threads} if args.cpm else {}
        print(f"{args.blocks} blocks of {args.runs} pictures each, in turns; milliseconds")
        print(f"{'file':<28}threads  median     min  of {OTHERS[0]}   MB    M MACs  of peak")
        results: dict[str, dict] = {}
        for (name, threads), times in blocks.items():
            ratio = np.median(np.array(times) / np.array(blocks[OTHERS[0], threads]))
            count = macs.get(name, macs.get(name.replace("onnx", "tflite")))
            row = {"ms": float(np.median(times)), "ratio": float(ratio)}
            share = ""
            if count and threads in peaks:
                row["of_peak"] = float(count / (np.median(times) / 1e3) / peaks[threads])
                share = f"{row['of_peak']:7.0%}"
            held = results.setdefault(name, {"file": name, "mb": files[name].stat().st_size / 1e6})
            if count is not None:
                held["multiply_adds_m"] = count / 1e6
            held.setdefault("threads", {})[str(threads)] = row
            print(
                f"{name:<28}{threads:>7}{np.median(times):>8.2f}{min(times):>8.2f}{ratio:>19.2f}"
                f"{files[name].stat().st_size / 1e6:>9.2f}"
                f"{'' if count is None else f'{count / 1e6:10.1f}':>10}{share:>9}"
            )
        for threads, value in peaks.items():
            print(
                f"measured peak on {threads} thread(s): {value / 1e9:.0f} G multiply-adds a second "
                "(NumPy, float32, 2048 x 2048)"
            )
    if args.out:
        write_text(args.out, json.dumps(list(results.values()), indent=2))


def checked(path: Path) -> Path:
    """A file that can be timed."""
    if path.suffix not in BACKENDS or not path.is_file():
        raise UserError(f"--models takes {' or '.join(BACKENDS)} files. Received: {path}")
    return path


def ours(folder: Path) -> list[tuple[str, Path]]:
    """The packaged model in each format and precision that one thread can be asked of."""
    model, metadata = exporting.load_exportable("lite")
    hands = exporting.rendered_hands(
        metadata["style"], "train", 64, size_px=metadata["image_size_px"],
        scale_bone=metadata["scale_bone"],
    )  # fmt: skip
    files = []
    for form, suffix in SUFFIXES.items():
        for precision in exporting.PRECISIONS_OF[form]:
            path = folder / f"{precision}{suffix}"
            exporting.export(
                model, path, form, metadata=metadata, precision=precision, calibration=hands
            )
            files.append((f"lite {form} {precision}", path))
    return files


def cpm(folder: Path) -> Path:
    """The faithful network with the regressor, fp32; untrained, which takes the same time."""
    config = load_config(CPM_CONFIG, ["data.source.path=.", "data.target.path=."])
    model = build_parts(**config.parts_arguments()).build_inference_model()
    path = folder / "cpm.tflite"
    exporting.export(model, path, "tflite", metadata=exporting.describe(config))
    return path


def timer(path: Path, threads: int) -> Callable[[int], float]:
    """A function that runs a number of pictures and gives the median milliseconds of one."""
    run = _litert(path, threads) if path.suffix == ".tflite" else _onnx(path, threads)
    for _ in range(WARM_UP):
        run()

    def milliseconds(runs: int) -> float:
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return float(np.median(times) * 1e3)

    return milliseconds


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


def others(folder: Path) -> list[tuple[str, Path]]:
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
    return [(name, folder / FOLDER / f"{name}.tflite") for name in OTHERS]


if __name__ == "__main__":
    raise SystemExit(main())
