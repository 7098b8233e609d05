"""The mean of the weights of a run and of those that it started from, as a run folder to export.

    kerashand-export --model fifth.tflite --format weights --out fifth.npz
    python tools/average_weights.py --run runs/photographs_fists --weights fifth.npz \
        --out runs/photographs_mean

Weights of one training, before and after a further round, average well: the mean keeps what the
round would forget. Parts that the file does not hold stay those of the run.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.files import written_beside
from kerashand.untrusted import read_arrays

LAST_WEIGHTS = "weights_finetune.npz"
NEEDED = ("config.yaml", "versions.json")


def main(argv: list[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="finished run folder")
    parser.add_argument("--weights", type=Path, required=True, help=".npz of the same network")
    parser.add_argument("--share", type=float, default=0.5, help="of the run in the mean, 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    return exit_code("average_weights", lambda: average(args))


def average(args: argparse.Namespace) -> None:
    """Read both and write the folder."""
    for path in (args.run / LAST_WEIGHTS, *(args.run / name for name in NEEDED), args.weights):
        if not path.is_file():
            raise UserError(f"no such file: {path}")
    if not 0.0 <= args.share <= 1.0:
        raise UserError(f"--share must be 0 to 1. Received: {args.share}")
    if args.out.exists():
        raise UserError(f"{args.out} exists already; delete it or choose another folder")
    run, others = (_arrays(path) for path in (args.run / LAST_WEIGHTS, args.weights))
    means = mean_of(run, others, args.share)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(args.out, folder=True) as beside:
        beside.mkdir()
        np.savez(beside / LAST_WEIGHTS, **means)
        for name in NEEDED:
            shutil.copyfile(args.run / name, beside / name)
    print(f"{args.out}: {len(others)} of {len(run)} arrays averaged")


def mean_of(
    run: dict[str, np.ndarray], others: dict[str, np.ndarray], share: float
) -> dict[str, np.ndarray]:
    """Arrays of `run`, averaged with those of `others` that have the same name; `share` is its own.

    Raises:
        UserError: if `others` holds an array that is not of the same network.
    """
    for name, array in others.items():
        if name not in run or run[name].shape != array.shape:
            ours = run[name].shape if name in run else "no such array"
            raise UserError(
                f"the weights are of another network: {name} is {array.shape} there, {ours} in "
                "the run"
            )
    means = dict(run)
    for name, array in others.items():
        mean = share * run[name].astype(np.float64) + (1.0 - share) * array.astype(np.float64)
        means[name] = mean.astype(run[name].dtype)
    return means


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no .npz of weights: {error}") from error


if __name__ == "__main__":
    raise SystemExit(main())
