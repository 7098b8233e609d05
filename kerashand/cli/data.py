"""`kerashand-data`: looks at the embedded benchmark, and renders it ahead of a training."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from kerashand import __version__
from kerashand.cli.arguments import RESUMABLE, add_config_arguments, exit_code, writing
from kerashand.cli.startup import tensorflow_start
from kerashand.config import LOOKS, load_config, packaged_configs
from kerashand.errors import UserError

_SPLITS = ("train", "val", "test")
_MIN_SIZE_PX, _MAX_SIZE_PX = 32, 512
_MAX_SHEET_SAMPLES = 200


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="kerashand-data",
        description="The rendered hands of the embedded benchmark.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sheet = commands.add_parser(
        "sheet",
        help="draw a contact sheet: picture, joints, depth, mask",
        description="Draws samples beside their joints, depth and mask into one PNG file. In the "
        "depth, warm is near, dark is background and grey was not measured.",
        allow_abbrev=False,
    )
    sheet.add_argument("--domain", required=True, choices=LOOKS)
    sheet.add_argument("--split", default="train", choices=_SPLITS)
    sheet.add_argument("--seed", type=int, default=0, help="of the generator (default: 0)")
    sheet.add_argument("--first", type=int, default=0, help="number of the first sample")
    sheet.add_argument("--count", type=int, default=24, help="samples to draw (default: 24)")
    sheet.add_argument("--size", type=int, default=128, help="side of a picture in px")
    sheet.add_argument("--out", required=True, metavar="PNG", help="the file to write")
    sheet.set_defaults(run=run_sheet)

    render = commands.add_parser(
        "render",
        help="fill the sample cache for a configuration",
        description="Renders all splits of a configuration that the cache lacks. Training does "
        "the same by itself; when stopped, the same command goes on.",
        epilog=f"Packaged configurations: {', '.join(packaged_configs())}.",
        allow_abbrev=False,
    )
    add_config_arguments(render, example="data.cache_dir=DIR data.workers=2")
    render.set_defaults(run=run_render)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return exit_code("kerashand-data", lambda: arguments.run(arguments), stopped=RESUMABLE)


def run_sheet(arguments: argparse.Namespace) -> None:
    """Draw and write a contact sheet.

    Raises:
        UserError: If a number is out of range or the file cannot be written.
    """
    for name, low, high in (
        ("seed", 0, None),
        ("first", 0, None),
        ("count", 1, _MAX_SHEET_SAMPLES),
        ("size", _MIN_SIZE_PX, _MAX_SIZE_PX),
    ):
        value = getattr(arguments, name)
        if value < low or (high is not None and value > high):
            limits = f"at least {low}" if high is None else f"{low} to {high}"
            raise UserError(f"--{name} must be {limits}. Received: {value}")
    out = Path(arguments.out).expanduser()
    if out.suffix.lower() != ".png":
        raise UserError(f"--out must name a .png file. Received: {arguments.out!r}")
    from kerashand import visualize  # these load OpenCV and Matplotlib
    from kerashand.synthetic.scene import draw_sample

    numbers = range(arguments.first, arguments.first + arguments.count)
    samples = [
        draw_sample(arguments.domain, arguments.split, arguments.seed, n, size_px=arguments.size)
        for n in numbers
    ]
    scale = max(round(256 / arguments.size), 1)
    sheet = visualize.sample_sheet(
        samples, scale=scale, samples_per_row=min(2, arguments.count), first=arguments.first
    )
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        visualize.save_png(out, sheet)
    print(f"{out}: {len(samples)} samples, {sheet.shape[1]} x {sheet.shape[0]} px")


def run_render(arguments: argparse.Namespace) -> None:
    """Fill the cache and report the rate.

    Raises:
        UserError: If the configuration is wrong or the cache cannot be written.
    """
    config = load_config(arguments.config, arguments.overrides)
    with tensorflow_start():
        from kerashand.data.cache import cache_root, ensure_splits, shard_path
        from kerashand.data.splits import all_cached_splits

    splits = all_cached_splits(config.data)
    root = cache_root(config.data.cache_dir)
    missing = sum(
        count
        for split in splits
        for first, count in split.shards()
        if not shard_path(root, split, first, count).exists()
    )
    start = time.monotonic()
    ensure_splits(splits, cache_dir=config.data.cache_dir, workers=config.data.workers)
    seconds = time.monotonic() - start
    total = sum(split.samples for split in splits)
    if missing:
        rate = missing / max(seconds, 1e-9)
        print(f"{root}: {missing} of {total} samples in {seconds:.0f} s, {rate:.0f} images/s")
    else:
        print(f"{root}: all {total} samples were there already")


if __name__ == "__main__":
    raise SystemExit(main())
