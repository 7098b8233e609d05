"""PyTorch's part of `benchmark.py cpm`: reads lines "JOB STEPS", answers with seconds.

It runs in a process of its own, of a Python that needs torch and NumPy alone.
"""

import json
import sys
import time

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    raise SystemExit(0) from error

threads, batch, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
held = np.load(path)


class Cpm(nn.Module):
    """`kerashand.models.cpm`, with its weights."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict()
        for name in sorted({key.split("/")[0] for key in held.files if "/" in key}):
            kernel = torch.from_numpy(held[f"{name}/kernel"]).permute(3, 2, 0, 1).contiguous()
            layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], padding="same")
            layer.weight.data, layer.bias.data = kernel, torch.from_numpy(held[f"{name}/bias"])
            self.layers[name] = layer

    def forward(self, image):
        """Score maps of the three stages."""
        x = image / 255.0 - 0.5
        for group, count in ((1, 2), (2, 2), (3, 4), (4, 7)):
            x = self._convolved(x, [f"conv{group}_{i}" for i in range(1, count + 1)])
            if group < 4:
                x = nn.functional.max_pool2d(x, 2)
        scores = [self.layers["conv5_2"](self._convolved(x, ["conv5_1"]))]
        for stage in (6, 7):
            names = [f"conv{stage}_{i}" for i in range(1, 7)]
            y = self._convolved(torch.cat([scores[-1], x], 1), names)
            scores.append(self.layers[f"conv{stage}_7"](y))
        return scores

    def _convolved(self, x, names):
        for name in names:
            x = nn.functional.leaky_relu(self.layers[name](x), 0.01)
        return x


net = Cpm().to(memory_format=torch.channels_last)
image = torch.from_numpy(held["image"]).permute(0, 3, 1, 2)
image = image.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(net.parameters(), lr=float(held["rate"]))


def _inference():
    with torch.inference_mode():
        return net(image)


def _training():
    optimizer.zero_grad()
    loss = sum((score**2).sum() for score in net(image)) / batch
    loss.backward()
    optimizer.step()


np.save(f"{path}.npy", _inference()[-1].permute(0, 2, 3, 1).numpy())
print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    job, steps = line.split()
    started = time.perf_counter()
    for _ in range(int(steps)):
        {"inference": _inference, "training": _training}[job]()
    print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
