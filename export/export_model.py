"""Write the RGB-only model of a training run: image in, 2D joints and joint depth out.

    python export/export_model.py --run runs/weak --format saved_model --out hand_pose
    python export/export_model.py --run runs/weak --format keras --out hand_pose.keras

The depth regularizer is not part of it. Input: `image` [B, S, S, 3] float32 RGB 0..255, a square
crop around the hand. Outputs: `uv_px` [B, 21, 2], `z_relative` [B, 21] in lengths of the scale
bone, `confidence` [B, 21] and the last heat maps.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras

from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.files import written_beside
from kerashand.models.hand_pose import build_parts, load_parts_npz

FORMATS = ("keras", "saved_model", "onnx")


def load_run(folder: Path) -> keras.Model:
    """The inference model of a run folder with the weights after its last stage.

    Raises:
        UserError: when the folder holds no finished stage.
    """
    if not (folder / "config.yaml").exists():
        raise UserError(f"`--run` must be a run folder with a config.yaml. Received: {folder}")
    config = load_config(folder / "config.yaml")
    stages = ("finetune", "regularizer", "pretrain")
    paths = [folder / f"weights_{stage}.npz" for stage in stages]
    weights = next((path for path in paths if path.exists()), None)
    if weights is None:
        raise UserError(f"{folder} holds no weights yet: no stage of it is finished.")
    model = config.model
    parts = build_parts(
        network=model.network,
        lite=model.lite,
        regressor=model.regressor,
        decoder=model.decoder,
        image_size_px=config.data.image_size_px,
        decode=model.decode,
    )
    load_parts_npz(weights, parts.models)
    return parts.build_inference_model()


def export(model: keras.Model, path: Path, form: str) -> None:
    """Write beside `path`, then rename."""
    with written_beside(path) as beside:
        if form == "keras":
            model.save(beside)
        elif form == "onnx":
            model.export(beside, format="onnx", verbose=False)
        else:
            model.export(beside, verbose=False)


def main(argv: list[str] | None = None) -> int:
    """Export one run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="a run folder")
    parser.add_argument("--format", choices=FORMATS, default="saved_model")
    parser.add_argument("--out", type=Path, required=True, help="the file or folder to write")
    args = parser.parse_args(argv)
    try:
        if args.format == "keras" and args.out.suffix != ".keras":
            raise UserError(f"`--out` must end in .keras for this format. Received: {args.out}")
        export(load_run(args.run), args.out, args.format)
    except UserError as error:
        print(f"export_model: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: {args.format} of {args.run}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
