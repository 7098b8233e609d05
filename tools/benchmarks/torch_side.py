"""PyTorch's part of `benchmark.py beside_torch`: reads lines "JOB STEPS", answers with seconds.

It runs in a process of its own, of a Python that needs torch and NumPy alone. What it is given, and
in which files, says `beside_torch.write`. Tensors of four axes are [B, C, h, w] in PyTorch's
memory format channels_last; all others have Keras's order.
"""

import json
import sys
import time
from pathlib import Path

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    raise SystemExit(0) from error


def _keras_order(x):
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _torch_order(x):
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def _reduced(function):
    """A maker of a sum or a maximum over axes of Keras's order."""

    def maker(options, held):
        axes, keep = options["axis"], options["keepdims"]
        return lambda x: _torch_order(function(_keras_order(x), axes, keepdim=keep))

    return maker


def _filled(layer, **arrays):
    for name, array in arrays.items():
        getattr(layer, name).data = array.contiguous()
    return layer


def _conv(options, held):
    kernel = held.pop("kernel").permute(3, 2, 0, 1)
    (top, bottom), (left, right) = options["padding"]
    even = (top, left) == (bottom, right)
    layer = nn.Conv2d(
        kernel.shape[1], kernel.shape[0], kernel.shape[2:], stride=options["strides"],
        padding=(top, left) if even else 0, bias="bias" in held,
    )  # fmt: skip
    _filled(layer, weight=kernel, **held)
    return layer if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer)


def _dense(options, held):
    kernel = held.pop("kernel").T
    layer = nn.Linear(kernel.shape[1], kernel.shape[0], bias="bias" in held)
    return _filled(layer, weight=kernel, **held)


def _batch_norm(options, held):
    gamma = held["gamma"]
    # Keras's momentum is the share of what was, PyTorch's that of what is new.
    layer = nn.BatchNorm2d(len(gamma), options["epsilon"], momentum=1.0 - options["momentum"])
    mean, variance = held["moving_mean"], held["moving_variance"]
    return _filled(layer, weight=gamma, bias=held["beta"], running_mean=mean, running_var=variance)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels."""

    def forward(self, x):
        """Normalise a tensor of two or four axes."""
        return _torch_order(super().forward(_keras_order(x)))


def _layer_norm(options, held):
    gamma = held["gamma"]
    return _filled(ChannelNorm(len(gamma), options["epsilon"]), weight=gamma, bias=held["beta"])


def _up_sampling(options, held):
    return nn.Upsample(scale_factor=tuple(options["size"]), mode=options["interpolation"])


def _cropping(options, held):
    (top, bottom), (left, right) = options["cropping"]
    return nn.ZeroPad2d((-left, -right, -top, -bottom))


MAKERS = {
    "Add": lambda options, held: lambda x, y: x + y,
    "Cast": lambda options, held: lambda x: x.float(),
    "Concatenate": lambda options, held: lambda *x: torch.cat(x, 1),
    "Conv2D": _conv,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "Dropout": lambda options, held: nn.Dropout(options["rate"]),
    "Exp": lambda options, held: torch.exp,
    "Flatten": lambda options, held: lambda x: _keras_order(x).flatten(1),
    "FusedBatchNormalization": _batch_norm,
    "GetItem": lambda options, held: lambda x, *key: x[key],
    "LayerNormalization": _layer_norm,
    "LeakyReLU": lambda options, held: nn.LeakyReLU(options["negative_slope"]),
    "Max": _reduced(torch.amax),
    "MaxPooling2D": lambda options, held: nn.MaxPool2d(options["pool_size"]),
    "Multiply": lambda options, held: lambda x, y: x * y,
    "ReLU": lambda options, held: nn.ReLU(),
    "Relu": lambda options, held: torch.relu,
    "Rescaling": lambda options, held: lambda x: x * options["scale"] + options["offset"],
    "Stack": lambda options, held: lambda *x: torch.stack(x, options["axis"]),
    "StopGradient": lambda options, held: torch.detach,
    "Subtract": lambda options, held: lambda x, y: x - y,
    "Sum": _reduced(torch.sum),
    "TrueDivide": lambda options, held: lambda x, y: x / y,
    "UpSampling2D": _up_sampling,
}
"""Class of Keras -> function of options and weights, which gives a function of tensors."""


class Net(nn.Module):
    """The network that a description says, with its weights."""

    def __init__(self, described, weights):
        super().__init__()
        self.layers = nn.ModuleDict()
        self.held = {}
        self.outputs = described["outputs"]
        self.steps = []
        last = {}
        for number, step in enumerate(described["steps"]):
            name = step["name"]
            held = {key.removeprefix(f"{name}/"): torch.from_numpy(array)
                    for key, array in weights.items() if key.startswith(f"{name}/")}  # fmt: skip
            function = MAKERS[step["class"]](step["options"], held)
            if isinstance(function, nn.Module):
                self.layers[name] = function
            inputs = [self._constant(value) for value in step["inputs"]]
            self.steps.append((name, function, inputs, []))
            last.update(dict.fromkeys(inputs, number))
        for name, number in last.items():
            if name not in self.held and name not in self.outputs.values():
                self.steps[number][-1].append(name)

    def _constant(self, value):
        """The name of an input; constants get one."""
        if isinstance(value, str):
            return value
        name = f"constant {len(self.held)}"
        if isinstance(value, dict) and "slice" in value:
            value = slice(*value["slice"])
        elif isinstance(value, dict):
            value = torch.tensor(value["tensor"])
        self.held[name] = value
        return name

    def forward(self, image):
        """The outputs by their names. What no later step needs is let go."""
        held = {**self.held, "image": image}
        for name, function, inputs, done in self.steps:
            held[name] = function(*[held[key] for key in inputs])
            for key in done:
                del held[key]
        return {name: held[key] for name, key in self.outputs.items()}


class Jobs:
    """What is timed."""

    def __init__(self, folder):
        described = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        with np.load(folder / "weights.npz") as file:
            self.net = Net(described, dict(file))
        self.net.to(memory_format=torch.channels_last)
        self.image = torch.from_numpy(np.load(folder / "image.npy")).permute(0, 3, 1, 2)
        # As kerashand trains, kernels alone are decayed.
        kernels = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim == 1]
        groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, eps=1e-7, fused=True, **described["optimizer"])

    def inference(self):
        """The outputs."""
        with torch.inference_mode():
            return self.net(self.image)

    def training(self):
        """One step; gives its loss."""
        self.optimizer.zero_grad()
        loss = sum(output.square().mean() for output in self.net(self.image).values())
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def seconds(self, job, steps):
        """Of so many steps."""
        self.net.train(job == "training")
        started = time.perf_counter()
        for _ in range(steps):
            getattr(self, job)()
        return time.perf_counter() - started


def main():
    """Write the outputs, then time what the lines ask for."""
    torch.set_num_threads(int(sys.argv[1]))
    folder = Path(sys.argv[2])
    jobs = Jobs(folder)
    jobs.net.eval()
    outputs = {name: _keras_order(output).numpy() for name, output in jobs.inference().items()}
    np.savez(folder / "outputs.npz", **outputs)
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        job, steps = line.split()
        print(json.dumps({"seconds": jobs.seconds(job, int(steps))}), flush=True)


if __name__ == "__main__":
    main()
