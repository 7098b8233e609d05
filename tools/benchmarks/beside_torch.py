"""Time a network in TensorFlow beside the same network in PyTorch, in turns.

    pip install torch
    python tools/benchmark.py beside_torch --network weak --threads 2
    python tools/benchmark.py beside_torch --network cpm --batch 8

`weak` is the 2D network and the depth regressor of weak.yaml, `cpm` the paper's CPM. Both sides
hold the same random weights, and their outputs are compared first. PyTorch runs in a process of its
own (`--torch-python` names another interpreter, which needs torch and NumPy alone), and the two
take turns, block by block: a machine whose speed drifts treats both alike. Printed are images/s of
inference and of a training step (the mean square of every output, gradients of all weights, AdamW),
without and with XLA (`runtime.jit_compile`), and the ratio of TensorFlow to PyTorch: above 1,
TensorFlow is faster. PyTorch runs eagerly, with its fused AdamW. It has no convolution with
TensorFlow's uneven padding, and pads in a step of its own there.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import in_turns, seconds, show, spread
from kerashand.cli.startup import tensorflow_start
from kerashand.errors import UserError

NETWORKS = {"weak": (32, 96), "cpm": (1, 256)}
"""Network -> batch and side of the pictures where the options do not say them."""
OPTIMIZER = {"lr": 1e-6, "weight_decay": 5e-4}
"""AdamW of both. The rate is small, so that the weights hardly move."""
MOST_APART = 1e-3
"""An output of both may differ so much, in units of its largest value."""
WARM_UP = 2
XLA = {"TensorFlow": False, "TensorFlow, XLA": True}
COLUMNS = {
    "task": "task text", "batch": "batch 0", "XLA": "xla yes", "images/s": "images_s 2",
    "PyTorch": "torch_images_s 2", "ratio": "median 3", "least": "least 3", "most": "most 3",
}  # fmt: skip
OPTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Add", "Cast", "Concatenate", "Dense", "Exp", "Flatten", "GetItem"), ()),
    **dict.fromkeys(("Multiply", "ReLU", "Relu", "StopGradient", "Subtract", "TrueDivide"), ()),
    "Conv2D": ("strides",),
    "Cropping2D": ("cropping",),
    "Dropout": ("rate",),
    "FusedBatchNormalization": ("momentum", "epsilon"),
    "LayerNormalization": ("epsilon",),
    "LeakyReLU": ("negative_slope",),
    "Max": ("axis", "keepdims"),
    "MaxPooling2D": ("pool_size",),
    "Rescaling": ("scale", "offset"),
    "Stack": ("axis",),
    "Sum": ("axis", "keepdims"),
    "UpSampling2D": ("size", "interpolation"),
}
"""Classes of Keras that `torch_side.MAKERS` knows, and what it needs of their configuration."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its own."""
    defaults = "; ".join(f"{name}: {batch}, {px} px" for name, (batch, px) in NETWORKS.items())
    parser.add_argument("--network", choices=NETWORKS, default="weak")
    parser.add_argument("--batch", type=int, help=f"default by network ({defaults})")
    parser.add_argument("--size", type=int, help="side of the pictures, default by network")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of a block")
    parser.add_argument("--torch-python", default=sys.executable, metavar="FILE")


def measure(args: argparse.Namespace) -> list[dict]:
    """Run both in turns.

    Raises:
        UserError: without PyTorch, or where the two networks are not the same.
    """
    batch, size = NETWORKS[args.network]
    args.batch, args.size = args.batch or batch, args.size or size
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(args.threads), "TF_NUM_INTEROP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, outputs = tensorflow_steps(args, folder)
        torch = Torch(args, folder)
        with np.load(folder / "outputs.npz") as theirs:
            off = most_apart(outputs, theirs)
        print(
            f"{args.network}: outputs {off:.1e} of their largest value apart; PyTorch "
            f"{torch.version}, batch {args.batch} at {args.size} px, {args.threads} threads"
        )
        rows = (row for job in ours for row in rows_of(job, ours[job], torch, args=args))
        rows = show(COLUMNS, rows)
        torch.end()
    return rows


def most_apart(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> float:
    """How far the outputs differ, in units of the largest value of each.

    Raises:
        UserError: where an output differs by more than `MOST_APART`.
    """
    off = {name: float(np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max())
           for name in ours}  # fmt: skip
    for name, value in off.items():
        if not value <= MOST_APART:
            raise UserError(f"The two networks are not the same: {name} is {value:.2g} apart.")
    return max(off.values())


def rows_of(
    job: str, ours: dict[str, Callable], torch: Torch, *, args: argparse.Namespace
) -> list[dict]:
    """Time a job; a row without and one with XLA."""
    runs = {name: functools.partial(seconds, function) for name, function in ours.items()}
    runs["PyTorch"] = functools.partial(torch, job)
    times = in_turns(runs, args, warm_up=WARM_UP, back_and_forth=True)
    speed = {name: args.batch * args.steps / float(np.median(t)) for name, t in times.items()}
    return [
        {"network": args.network, "task": job, "batch": args.batch, "xla": xla,
         **spread(times["PyTorch"] / times[name]), "images_s": speed[name],
         "torch_images_s": speed["PyTorch"]}
        for name, xla in XLA.items()
    ]  # fmt: skip


class Torch:
    """The process with PyTorch."""

    def __init__(self, args: argparse.Namespace, folder: Path):
        script = Path(__file__).with_name("torch_side.py")
        command = [args.torch_python, *map(str, (script, args.threads, folder))]
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
    args: argparse.Namespace, folder: Path
) -> tuple[dict[str, dict[str, Callable]], dict[str, np.ndarray]]:
    """Steps of our network, which is written to a folder; and its outputs."""
    with tensorflow_start():  # with the settings of the commands
        import keras
        import tensorflow as tf

        from kerashand.training.optimizers import build_optimizers

    keras.utils.set_random_seed(0)
    net = build(args.network, args.size)
    shape = (args.batch, args.size, args.size, 3)
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    write(net, image, folder)
    fed = tf.constant(image)
    optimizer = build_optimizers(
        {"net": 1.0}, name="adamw", learning_rate_peak=OPTIMIZER["lr"],
        weight_decay=OPTIMIZER["weight_decay"], schedule="constant", warmup_steps=0,
        final_fraction=0.0, clip_norm=None, steps=1,
    )["net"]  # fmt: skip
    optimizer.build(net.trainable_variables)

    def inference():
        return net(fed, training=False)

    def training():
        with tf.GradientTape() as tape:
            outputs = net(fed, training=True)
            loss = sum(tf.reduce_mean(tf.square(output)) for output in outputs.values())
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return {"loss": loss}

    def compiled(function: Callable, xla: bool) -> Callable:
        step = tf.function(function, jit_compile=xla, autograph=False)
        return lambda: next(iter(step().values()))  # one is waited for; all come together

    jobs = {
        function.__name__: {name: compiled(function, xla) for name, xla in XLA.items()}
        for function in (inference, training)
    }
    return jobs, {name: output.numpy() for name, output in inference().items()}


def build(network: str, size: int) -> Any:
    """The Keras model, image -> dict of outputs."""
    import keras

    from kerashand.config import load_config
    from kerashand.models.cpm import build_cpm
    from kerashand.models.hand_pose import build_parts, regressor_inputs, stage_maps

    if network == "cpm":
        net = build_cpm(image_size_px=size)
        return keras.Model(net.input, _maps(net.output), name=network)
    config = load_config("weak.yaml", [f"data.image_size_px={size}"])
    parts = build_parts(**config.parts_arguments())
    image = keras.Input((size, size, 3), name="image")
    found = parts.network(image)
    seen = regressor_inputs(stage_maps(found)[-1], found["features"], parts.decode)
    return keras.Model(image, {**_maps(found), **parts.regressor(seen)}, name=network)


def _maps(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The score maps. No loss is about the features beside them."""
    return {name: output for name, output in outputs.items() if name != "features"}


def write(net: Any, image: np.ndarray, folder: Path) -> None:
    """Write what PyTorch needs: network.json (of `described`, and `OPTIMIZER`), weights.npz, image.

    Raises:
        UserError: as `described`.
    """
    network = {**described(net), "optimizer": OPTIMIZER}
    (folder / "network.json").write_text(json.dumps(network), encoding="utf-8")
    np.savez(folder / "weights.npz", **weights_of(net))
    np.save(folder / "image.npy", image)


def weights_of(net: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays by the names of `described`, a slash, and the name of the variable."""
    arrays: dict[str, np.ndarray] = {}
    for layer in net.layers:
        name = prefix + layer.name
        if hasattr(layer, "layers"):
            arrays |= weights_of(layer, f"{name}/")
        else:
            arrays |= {f"{name}/{v.name}": np.asarray(v) for v in layer.weights}
    return arrays


def described(net: Any) -> dict[str, Any]:
    """What a functional model computes, as plain values.

    Returns:
        `steps` in their order, those of models inside it among them: `name`, `class`, `options`
        (of `OPTIONS`, and the `padding` of a convolution), and `inputs`. An input is the name of a
        step or "image", a number, or a dict of a constant (`tensor` or `slice`). `outputs` has the
        names of steps by the names of the outputs.

    Raises:
        UserError: for a layer of a class that is not in `OPTIONS`.
    """
    steps: list[dict[str, Any]] = []
    outputs = _walk(net.get_config(), ["image"], prefix="", steps=steps)
    return {"steps": steps, "outputs": outputs}


def _walk(
    config: Mapping[str, Any], feeds: list[str], *, prefix: str, steps: list[dict[str, Any]]
) -> dict[str, str]:
    """Append the steps of a model that is fed with `feeds`; gives the names of its outputs."""
    inputs = _leaves(config["input_layers"])
    known = {(name, 0): fed for (name, _, _), fed in zip(inputs, feeds, strict=True)}
    for layer in config["layers"]:
        name, kind = layer["name"], layer["class_name"]
        if kind == "InputLayer":
            continue
        leaves = list(_leaves(layer["inbound_nodes"][0]["args"]))
        values = [_input(leaf, known) for leaf in leaves]
        if kind == "Functional":
            made = _walk(layer["config"], values, prefix=f"{prefix}{name}/", steps=steps)
            known |= {(name, index): made[key] for index, key in enumerate(sorted(made))}
            continue
        if kind not in OPTIONS:
            raise UserError(
                f"The layer {prefix}{name} is of the class {kind}, which this benchmark does not "
                "know: it needs entries in `beside_torch.OPTIONS` and `torch_side.MAKERS`."
            )
        options = {key: layer["config"][key] for key in OPTIONS[kind]}
        if kind == "Conv2D":
            options["padding"] = _padding(layer["config"], leaves[0]["config"]["shape"])
        known[name, 0] = prefix + name
        steps.append({"name": prefix + name, "class": kind, "options": options, "inputs": values})
    return {key: known[name, index] for key, (name, _, index) in config["output_layers"].items()}


def _leaves(value: Any) -> Iterator[Any]:
    """Layers, tensors and constants inside lists and dicts of a configuration, in Keras's order."""
    if isinstance(value, dict) and "class_name" not in value:
        for key in sorted(value):
            yield from _leaves(value[key])
    elif isinstance(value, list | tuple) and not isinstance(value[0], str):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _input(leaf: Any, known: Mapping[tuple[str, int], str]) -> Any:
    kind = leaf["class_name"] if isinstance(leaf, dict) else None
    if kind == "__keras_tensor__":
        name, _, index = leaf["config"]["keras_history"]
        return known[name, index]
    if kind == "__tensor__":
        return {"tensor": leaf["config"]["value"]}
    if kind == "__slice__":
        return {"slice": [leaf["config"][key] for key in ("start", "stop", "step")]}
    return leaf


def _padding(config: Mapping[str, Any], shape: tuple) -> list[tuple[int, int]]:
    """Cells before and after, of rows and of columns: TensorFlow puts the odd one after."""
    if config["padding"] == "valid":
        return [(0, 0), (0, 0)]
    sides = []
    for cells, kernel, stride in zip(
        shape[1:3], config["kernel_size"], config["strides"], strict=True
    ):
        total = max((-(-cells // stride) - 1) * stride + kernel - cells, 0)
        sides.append((total // 2, total - total // 2))
    return sides
