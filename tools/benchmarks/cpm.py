"""Time the paper's CPM in TensorFlow beside the same network in PyTorch, in turns.

    pip install torch
    python tools/benchmark.py cpm --batch 1 --threads 2

Both networks hold the same random weights, and their score maps are compared first. PyTorch runs in
a process of its own (`--torch-python` names another interpreter, which needs torch and NumPy
alone), and the two take turns, block by block: a machine whose speed drifts treats both alike.
Printed are images/s of inference and of a training step (all three stages under the L2 loss,
gradients of all weights, SGD), without and with XLA (`runtime.jit_compile`), and the ratio of
TensorFlow to PyTorch: 1 and more is the bar.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measuring import in_turns, seconds, show, spread
from kerashand.errors import UserError

LEARNING_RATE = 1e-6
MOST_APART = 1e-3
"""Score maps of both may differ so much, in units of their largest value."""
WARM_UP = 2
XLA = {"TensorFlow": False, "TensorFlow, XLA": True}
COLUMNS = {
    "task": "task text", "batch": "batch 0", "XLA": "xla yes", "images/s": "images_s 2",
    "PyTorch": "torch_images_s 2", "ratio": "median 3", "least": "least 3", "most": "most 3",
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=256, help="side of the pictures")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of a block")
    parser.add_argument("--torch-python", default=sys.executable, metavar="FILE")


def measure(args: argparse.Namespace) -> list[dict]:
    """Run both in turns.

    Raises:
        UserError: without PyTorch, or where the two networks are not the same.
    """
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(args.threads), "TF_NUM_INTEROP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cpm.npz"
        ours, maps = tensorflow_steps(args, path)
        torch = Torch(args, path)
        theirs = np.load(f"{path}.npy")
        off = float(np.abs(maps - theirs).max() / np.abs(theirs).max())
        if off > MOST_APART:
            raise UserError(f"The two networks are not the same: maps {off:.2g} apart.")
        print(
            f"score maps {off:.1e} of their largest value apart; PyTorch {torch.version}, "
            f"batch {args.batch} at {args.size} px, {args.threads} threads"
        )
        rows = (row for job in ours for row in rows_of(job, ours[job], torch, args=args))
        rows = show(COLUMNS, rows)
        torch.end()
    return rows


def rows_of(
    job: str, ours: dict[str, Callable], torch: Torch, *, args: argparse.Namespace
) -> list[dict]:
    """Time a job; a row without and one with XLA."""
    runs = {name: functools.partial(seconds, function) for name, function in ours.items()}
    runs["PyTorch"] = functools.partial(torch, job)
    times = in_turns(runs, args, warm_up=WARM_UP, back_and_forth=True)
    speed = {name: args.batch * args.steps / float(np.median(t)) for name, t in times.items()}
    return [
        {"task": job, "batch": args.batch, "xla": xla, **spread(times["PyTorch"] / times[name]),
         "images_s": speed[name], "torch_images_s": speed["PyTorch"]}
        for name, xla in XLA.items()
    ]  # fmt: skip


class Torch:
    """The process with PyTorch."""

    def __init__(self, args: argparse.Namespace, path: Path):
        script = Path(__file__).with_name("cpm_torch.py")
        command = [args.torch_python, *map(str, (script, args.threads, args.batch, path))]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise UserError(f"--torch-python {args.torch_python} did not start: {error}") from error
        answer = self._answer()
        if "error" in answer:
            raise UserError(
                f"{args.torch_python} has no PyTorch ({answer['error']}): pip install torch, or "
                "--torch-python FILE."
            )
        self.version = answer["torch"]

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise UserError("The process with PyTorch ended early; what it said is above.")
        return json.loads(line)

    def __call__(self, job: str, steps: int) -> float:
        """Seconds of so many steps."""
        self.process.stdin.write(f"{job} {steps}\n")
        self.process.stdin.flush()
        return self._answer()["seconds"]

    def end(self) -> None:
        """Stop it."""
        self.process.stdin.close()
        self.process.wait(30)


def tensorflow_steps(
    args: argparse.Namespace, path: Path
) -> tuple[dict[str, dict[str, Callable]], np.ndarray]:
    """Steps of our network on random weights, which are written to `path`; and its score maps."""
    import keras
    import tensorflow as tf

    from kerashand.models.cpm import build_cpm

    keras.utils.set_random_seed(0)
    net = build_cpm(image_size_px=args.size)
    rng = np.random.default_rng(0)
    shape = (args.batch, args.size, args.size, 3)
    image = rng.integers(0, 256, shape).astype(np.float32)
    arrays = {"image": image, "rate": np.array(LEARNING_RATE)}
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            arrays[f"{layer.name}/kernel"] = np.asarray(layer.kernel)
            arrays[f"{layer.name}/bias"] = np.asarray(layer.bias)
    np.savez(path, **arrays)
    fed = tf.constant(image)
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    optimizer.build(net.trainable_variables)

    def inference():
        return net(fed, training=False)["heatmaps_2"]

    def training():
        with tf.GradientTape() as tape:
            outputs = net(fed, training=True)
            loss = sum(tf.reduce_sum(outputs[f"heatmaps_{s}"] ** 2) for s in range(3)) / args.batch
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    steps = {
        function.__name__: {
            name: tf.function(function, jit_compile=xla, autograph=False)
            for name, xla in XLA.items()
        }
        for function in (inference, training)
    }
    return steps, inference().numpy()
