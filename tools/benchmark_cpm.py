"""Time the paper's CPM in TensorFlow beside the same network in PyTorch, in turns, in one run.

    pip install torch
    python tools/benchmark_cpm.py --batch 1 --threads 2

Both networks hold the same random weights, and their score maps are compared first. PyTorch runs in
a process of its own (`--torch-python` names another interpreter, which needs torch and NumPy
alone), and the two take turns, block by block: a machine whose speed drifts treats both alike.
Printed are images/s of inference and of a training step (all three stages under the L2 loss,
gradients of all weights, SGD), without and with XLA (`runtime.jit_compile`), and the ratio of
TensorFlow to PyTorch: 1 and more is the bar.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError

JOBS = ("inference", "training")
LEARNING_RATE = 1e-6
MOST_APART = 1e-3
"""Score maps of both may differ so much, in units of their largest value."""

OTHER = """
import json, os, sys, time
threads, batch, size, path = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
try:
    import numpy as np, torch
except ImportError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    raise SystemExit(0)
from torch import nn
torch.set_num_threads(threads)
held = np.load(path)
convolutions = nn.ModuleDict()
for name in sorted({key.split("/")[0] for key in held.files if "/" in key}):
    kernel = torch.from_numpy(held[name + "/kernel"]).permute(3, 2, 0, 1).contiguous()
    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], padding="same")
    layer.weight.data, layer.bias.data = kernel, torch.from_numpy(held[name + "/bias"])
    convolutions[name] = layer
convolutions = convolutions.to(memory_format=torch.channels_last)
act = nn.functional.leaky_relu

class Cpm(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = convolutions

    def forward(self, image):
        on = lambda name, x: act(self.layers[name](x), 0.01)
        x = image / 255.0 - 0.5
        for group, count in ((1, 2), (2, 2), (3, 4), (4, 7)):
            for i in range(1, count + 1):
                x = on(f"conv{group}_{i}", x)
            if group < 4:
                x = nn.functional.max_pool2d(x, 2)
        scores = [self.layers["conv5_2"](on("conv5_1", x))]
        for stage in (6, 7):
            y = torch.cat([scores[-1], x], 1)
            for i in range(1, 7):
                y = on(f"conv{stage}_{i}", y)
            scores.append(self.layers[f"conv{stage}_7"](y))
        return scores

net = Cpm()
image = torch.from_numpy(held["image"]).permute(0, 3, 1, 2)
image = image.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(net.parameters(), lr=float(held["rate"]))

def inference():
    with torch.inference_mode():
        return net(image)

def training():
    optimizer.zero_grad()
    loss = sum((score**2).sum() for score in net(image)) / batch
    loss.backward()
    optimizer.step()

np.save(path + ".npy", inference()[-1].permute(0, 2, 3, 1).numpy())
print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    job, steps = line.split()
    started = time.perf_counter()
    for _ in range(int(steps)):
        {"inference": inference, "training": training}[job]()
    print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
"""
"""The other side: reads lines "JOB STEPS", answers with seconds."""


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=256, help="side of the pictures")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of a block")
    parser.add_argument("--torch-python", default=sys.executable, metavar="FILE")
    args = parser.parse_args(argv)
    return exit_code("benchmark_cpm", lambda: compare(args))


def compare(args: argparse.Namespace) -> None:
    """Run both sides in turns.

    Raises:
        UserError: without PyTorch, or where the two networks are not the same.
    """
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(args.threads), "TF_NUM_INTEROP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cpm.npz"
        ours, maps = our_side(args, path)
        other = Other(args, path)
        theirs = np.load(f"{path}.npy")
        apart = float(np.abs(maps - theirs).max() / np.abs(theirs).max())
        if apart > MOST_APART:
            raise UserError(f"The two networks are not the same: maps {apart:.2g} apart.")
        print(
            f"score maps {apart:.1e} of their largest value apart; PyTorch {other.version}, "
            f"batch {args.batch} at {args.size} px, {args.threads} threads"
        )
        for job in JOBS:
            sides = {**ours[job], "PyTorch": lambda steps, job=job: other(job, steps)}
            for run in sides.values():
                run(2)
            times = {name: [] for name in sides}
            for block in range(args.blocks):
                order = list(sides) if block % 2 else list(reversed(sides))
                for name in order:
                    times[name].append(sides[name](args.steps))
            speed = {n: args.batch * args.steps / np.median(t) for n, t in times.items()}
            print(f"{job}: PyTorch {speed['PyTorch']:.2f} images/s")
            for name in ours[job]:
                ratios = np.array(times["PyTorch"]) / np.array(times[name])
                print(
                    f"{job}: {name} {speed[name]:.2f} images/s, ratio {np.median(ratios):.3f} "
                    f"({ratios.min():.3f} to {ratios.max():.3f})", flush=True,
                )  # fmt: skip
        other.end()


class Other:
    """The process with PyTorch."""

    def __init__(self, args: argparse.Namespace, path: Path):
        command = [
            args.torch_python, "-c", OTHER, *map(str, (args.threads, args.batch, args.size, path))
        ]  # fmt: skip
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


def our_side(
    args: argparse.Namespace, path: Path
) -> tuple[dict[str, dict[str, Callable[[int], float]]], np.ndarray]:
    """Our network on random weights, which are written to `path` for the other side."""
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
        return net(fed, training=False)

    def training():
        with tf.GradientTape() as tape:
            outputs = net(fed, training=True)
            loss = sum(tf.reduce_sum(outputs[f"heatmaps_{s}"] ** 2) for s in range(3)) / args.batch
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    def timed(function: Callable, read: Callable) -> Callable[[int], float]:
        def run(steps: int) -> float:
            started = time.perf_counter()
            for _ in range(steps):
                result = function()
            read(result)  # waits for the device
            return time.perf_counter() - started

        return run

    reads = {"inference": lambda result: result["heatmaps_2"].numpy(), "training": float}
    compiled = {
        job: {
            name: timed(tf.function(function, jit_compile=xla, autograph=False), reads[job])
            for name, xla in (("TensorFlow", False), ("TensorFlow, XLA", True))
        }
        for job, function in (("inference", inference), ("training", training))
    }
    return compiled, inference()["heatmaps_2"].numpy()


if __name__ == "__main__":
    raise SystemExit(main())
