"""Round the kernels of a run to 16 bits, so that its fp16 file is the same model.

    python tools/recipe/round_kernels.py runs/pose --out runs/pose_16

A file in fp16 then differs from the model only by the kernels of 8 bits that it has outside of the
2D network. The new folder holds what `kerashand-export` reads: the configuration and the weights.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.files import written_beside
from kerashand.untrusted import read_arrays

WEIGHTS, CONFIG = "weights_finetune.npz", "config.yaml"


def main(argv: list[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    args = parser.parse_args(argv)
    return exit_code("round_kernels", lambda: write(args.run, args.out))


def write(run: Path, out: Path) -> None:
    """The folder with the rounded weights."""
    arrays = read_arrays(run / WEIGHTS)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(run / CONFIG, out / CONFIG)
    with written_beside(out / WEIGHTS) as path, path.open("wb") as file:
        np.savez(file, **{name: rounded(name, array) for name, array in arrays.items()})


def rounded(name: str, array: np.ndarray) -> np.ndarray:
    """A kernel in float32 with the values of float16; another array as it is."""
    return array.astype(np.float16).astype(array.dtype) if name.endswith("kernel") else array


if __name__ == "__main__":
    raise SystemExit(main())
