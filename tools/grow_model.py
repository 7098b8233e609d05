"""Give a trained `lite` network more residual blocks without changing what it gives.

    python tools/grow_model.py --weights runs/photographs_finetune/weights_finetune.npz \
        --config larger.yaml --out grown.npz

The model of the config takes every weight of the file. What the file has no weights for must be
residual blocks: the last normalisation of each gets scale 0, so that the block adds nothing until
it is trained. `model.initial_weights` of the config (`extends: photographs_finetune.yaml`,
`model: {lite: {residuals: [0, 0, 2, 3, 3]}}`) takes the file written here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kerashand.cli.arguments import exit_code
from kerashand.cli.startup import tensorflow_start
from kerashand.errors import UserError

with tensorflow_start():
    from kerashand.config import load_config
    from kerashand.models.hand_pose import build_parts, grow_parts_npz, save_parts_npz


def main(argv: list[str] | None = None) -> int:
    """Write the larger model's weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help=".npz of the smaller model")
    parser.add_argument("--config", required=True, help="of the larger model")
    parser.add_argument("--out", type=Path, required=True, help=".npz to write")
    args = parser.parse_args(argv)
    return exit_code("grow_model", lambda: grow(args))


def grow(args: argparse.Namespace) -> None:
    """Build the larger model, load, and save."""
    if not args.weights.is_file():
        raise UserError(f"--weights: no such file. Received: {args.weights}")
    parts = build_parts(**load_config(args.config).parts_arguments())
    try:
        new = grow_parts_npz(args.weights, parts.models)
    except ValueError as error:
        raise UserError(str(error)) from error
    save_parts_npz(args.out, parts.models)
    print(f"{args.out}: {len(new)} new blocks ({', '.join(new)})")


if __name__ == "__main__":
    raise SystemExit(main())
