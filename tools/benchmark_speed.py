"""Time an exported pose model against MediaPipe's hand landmark models, in turns, on one thread.

    python tools/benchmark_speed.py --model hand.tflite

MediaPipe's files (Apache-2.0) are taken out of the wheel mediapipe 0.10.21, which pip downloads to
a temporary folder; later wheels hold none. Nothing of it is installed or imported. Prints the
median time of one picture and the ratio of each pair of blocks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

WHEEL = "mediapipe==0.10.21"
WHEEL_PYTHON = "3.11"
FOLDER = "mediapipe/modules/hand_landmark"
OTHERS = ("hand_landmark_lite", "hand_landmark_full")


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, nargs="+", required=True, help=".tflite files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--runs", type=int, default=40, help="pictures of a block")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        files = {path.stem: path for path in args.model}
        files |= others(Path(folder))
        timers = {name: Timer(path, args.threads) for name, path in files.items()}
        blocks = {name: [] for name in timers}
        for _ in range(args.blocks):
            for name, timer in timers.items():
                blocks[name].append(timer.milliseconds(args.runs))
    print(f"{args.threads} thread(s), {args.blocks} blocks of {args.runs} pictures, milliseconds")
    base = np.array(blocks[OTHERS[0]])
    for name, values in blocks.items():
        ratio = np.array(values) / base
        print(
            f"{name:<24} median {np.median(values):6.2f}  (min {min(values):.2f}, max "
            f"{max(values):.2f}); of {OTHERS[0]}: {np.median(ratio):.2f}"
        )
    return 0


class Timer:
    """A .tflite file with a random picture in it."""

    def __init__(self, path: Path, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self.interpreter.allocate_tensors()
        rng = np.random.default_rng(0)
        for detail in self.interpreter.get_input_details():
            high = 255 if detail["dtype"] == np.uint8 else 1
            picture = rng.uniform(0, high, detail["shape"]).astype(detail["dtype"])
            self.interpreter.set_tensor(detail["index"], picture)
        self.interpreter.invoke()

    def milliseconds(self, runs: int) -> float:
        """Median time of a picture in a block."""
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            self.interpreter.invoke()
            times.append(time.perf_counter() - start)
        return float(np.median(times) * 1e3)


def others(folder: Path) -> dict[str, Path]:
    """MediaPipe's landmark models."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", WHEEL_PYTHON, "--platform", "manylinux_2_28_x86_64", "--dest",
        str(folder), WHEEL,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in OTHERS:
            wheel.extract(f"{FOLDER}/{name}.tflite", folder)
    return {name: folder / FOLDER / f"{name}.tflite" for name in OTHERS}


if __name__ == "__main__":
    raise SystemExit(main())
