"""Settings that turn `weak.yaml` into a run of seconds, and the run that tests share."""

import dataclasses
import pickle
from pathlib import Path

import keras

from kerashand.config import load_config
from kerashand.files import write_bytes
from kerashand.training.run import run

# One residual block of three: each kind of layer is trained, and a step is traced sooner.
RESIDUALS = (0, 0, 0, 0, 1)

TINY = [
    "data.image_size_px=32",
    "data.source={train: 32, val: 8, test: 8}",
    "data.target={train: 32, val: 8, test: 8}",
    "data.workers=1",
    "model.initial_weights=null",
    f"model.lite={{width: 0.25, stages: 1, residuals: {list(RESIDUALS)}}}",
    "model.regressor={conv_channels: [8, 8], hidden_units: [16, 16]}",
    "model.regularizer={output_size_px: 32, channels: [16, 16, 8, 8, 8]}",
    "evaluation.pictures=0",
    "stages.pretrain.epochs=2",
    "stages.regularizer.epochs=2",
    "stages.finetune.epochs=2",
    "stages.finetune.steps_per_epoch=8",
    *(f"stages.{s}.batch_size=8" for s in ("pretrain", "regularizer", "finetune")),
    *(f"stages.{s}.optimizer.warmup_steps=0" for s in ("pretrain", "regularizer", "finetune")),
]


class Epochs(keras.callbacks.Callback):
    """What a caller sees of a run."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, self.model.parts.image_size_px, "depth_map" in logs))


@dataclasses.dataclass(frozen=True)
class TinyRun:
    """A finished run: its folder, results, cache setting, and what a callback saw."""

    folder: Path
    results: dict
    cache: str
    epochs: list


def tiny_run(root):
    """Train `weak.yaml` in its tiny form."""
    cache, epochs = f"data.cache_dir={root / 'cache'}", Epochs()
    config = load_config("weak.yaml", [*TINY, cache]).with_run_dir(str(root / "unbroken"))
    found = TinyRun(root / "unbroken", run(config, callbacks=[epochs]), cache, epochs.seen)
    write_bytes(root / "tiny_run.pickle", pickle.dumps(found))
