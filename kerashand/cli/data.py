"""`kerashand-data`: rendered hands and data sets on disk, before a training."""

import argparse
import time
from collections.abc import Sequence

from kerashand import __version__
from kerashand.cli import imports
from kerashand.cli.arguments import (
    RESUMABLE,
    add_backgrounds,
    add_config_arguments,
    add_skip_bad,
    exit_code,
    overrides_of,
    writing,
)
from kerashand.cli.startup import tensorflow_start
from kerashand.config import STYLES, load_config, packaged_configs
from kerashand.data.kinds import ON_DISK
from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import user_path
from kerashand.synthetic import SCENES, SPLITS

_MIN_SIZE_PX, _MAX_SIZE_PX = 32, 512
_MAX_SHEET_SAMPLES = 200
_PREDICTORS = ("kerashand", "mediapipe")


def build_parser(prog: str = "kerashand-data") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Renders hands, and makes, checks and labels data before a training.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_sheet,
        _add_render,
        _add_shards,
        _add_simulate,
        _add_check,
        _add_label,
        _add_correct,
    ):
        add(commands)
    imports.add_parsers(commands)
    return parser


def _add_sheet(commands) -> None:
    sheet = commands.add_parser(
        "sheet",
        help="draw a contact sheet: picture, joints, depth, mask",
        description="Draws samples beside their joints, depth and mask into one PNG file. In the "
        "depth, warm is near, dark is background and grey was not measured.",
        allow_abbrev=False,
    )
    sheet.add_argument("--domain", required=True, choices=STYLES, help="style of the hands")
    sheet.add_argument("--split", default="train", choices=SPLITS)
    sheet.add_argument("--seed", type=int, default=0, help="seed of the hands (default: 0)")
    sheet.add_argument("--first", type=int, default=0, help="number of the first sample")
    sheet.add_argument("--count", type=int, default=24, help="samples to draw (default: 24)")
    sheet.add_argument("--size", type=int, default=128, help="side of a picture in px")
    sheet.add_argument("--out", required=True, metavar="PNG", help="the file to write")
    sheet.set_defaults(run=run_sheet)


def _add_render(commands) -> None:
    render = commands.add_parser(
        "render",
        help="fill the sample cache for a configuration",
        description="Renders all splits of a configuration that the cache lacks. Training does "
        "the same by itself. If it is stopped, the same command continues.",
        epilog=f"Packaged configurations: {', '.join(packaged_configs())}.",
        allow_abbrev=False,
    )
    add_config_arguments(render, example="data.cache_dir=DIR data.workers=2")
    add_skip_bad(render)
    render.set_defaults(run=lambda arguments: run_render(arguments, []))


def _add_shards(commands) -> None:
    shards = commands.add_parser(
        "shards",
        help="cut the hands of data sets on disk once, into shards that training reads faster",
        description="The same as render with data.shards=true: crops every hand of the data sets "
        "of a configuration, registers its depth, and writes the crops as TFRecord shards into the "
        "sample cache. Existing shards are kept. If it is stopped, the same command continues. "
        "Train with --set data.shards=true.",
        allow_abbrev=False,
    )
    add_config_arguments(shards, example="data.source.path=/data/RHD data.target.path=/data/STB")
    add_skip_bad(shards)
    shards.set_defaults(run=lambda arguments: run_render(arguments, ["data.shards=true"]))


def _add_simulate(commands) -> None:
    simulate = commands.add_parser(
        "simulate",
        help="write a recording of a rendered hand, for trials without a camera",
        description="Renders a hand that moves in front of a depth camera, and writes it as a "
        "recording: colour, depth, cameras, and the true joints in truth.npz.",
        allow_abbrev=False,
    )
    simulate.add_argument("folder", help="a new or empty folder")
    simulate.add_argument(
        "--scene", default="table", choices=SCENES,
        help="what is around the hand (default: table)",
    )  # fmt: skip
    simulate.add_argument("--frames", type=int, default=300, help="number of frames (default: 300)")
    simulate.add_argument(
        "--every", type=int, default=1, metavar="N",
        help="write every Nth frame of the motion, which has a new pose after 18 (default: 1)",
    )  # fmt: skip
    simulate.add_argument(
        "--seed", type=int, default=0, help="seed of person, room, camera, motion (default: 0)"
    )
    add_backgrounds(simulate, "for walls and tables")
    simulate.set_defaults(run=run_simulate)


def _add_check(commands) -> None:
    check = commands.add_parser(
        "check",
        help="say what is wrong with a data set or recording on disk",
        description="Reads every label and the head and end of every picture, compares depth with "
        "joints, and lists the problems of each frame. With --sheet it also draws hands beside "
        "their depth, as the colour camera sees it, with their line numbers in points.jsonl.",
        allow_abbrev=False,
    )
    check.add_argument("folder")
    check.add_argument(
        "--kind", default="rgbd", choices=ON_DISK, help="kind of data (default: rgbd)"
    )
    check.add_argument("--sheet", metavar="PNG", help="a contact sheet to write: 24 hands")
    check.add_argument(
        "--all",
        action="store_true",
        help="draw every hand, on further sheets NAME_2.png ...",
    )
    check.set_defaults(run=run_check)


def _add_label(commands) -> None:
    label = commands.add_parser(
        "label",
        help="fill in the 2D points of a recording",
        description="Looks for the hand in each frame that has no line in points.jsonl, follows it "
        "forwards and backwards, and adds a line with a weight for each point. A hand is accepted "
        "if its size fits its measured distance. The points are predictions: look at them (check "
        "--sheet PNG --all) and correct or delete wrong ones (correct).",
        allow_abbrev=False,
    )
    label.add_argument("folder")
    label.add_argument(
        "--model", metavar="FILE",
        help="pose model (default: the packaged one), or MediaPipe's hand_landmarker.task",
    )  # fmt: skip
    label.add_argument("--detector", metavar="FILE", help="detector (default: the packaged one)")
    label.add_argument(
        "--with", dest="predictor", default="kerashand", choices=_PREDICTORS,
        help="what gives the points (default: kerashand)",
    )  # fmt: skip
    label.add_argument(
        "--least-score", type=float, default=0.8,
        help="hands of a lower score are not followed to other frames (default: 0.8)",
    )  # fmt: skip
    label.add_argument(
        "--handedness", choices=("left", "right"),
        help="handedness of the hand (default: that of most frames)",
    )  # fmt: skip
    label.add_argument(
        "--box", metavar="LEFT,TOP,RIGHT,BOTTOM",
        help="box of the hand in the first frame without points, in pixels, to start from",
    )  # fmt: skip
    label.set_defaults(run=run_label)


def _add_correct(commands) -> None:
    corrected = commands.add_parser(
        "correct",
        help="correct the points of a recording in the browser",
        description="Opens a page in the browser. There you drag points, delete hands, change "
        "their handedness, and save points.jsonl. Only this machine can open the page.",
        allow_abbrev=False,
    )
    corrected.add_argument("folder")
    corrected.add_argument(
        "--port", type=int, default=0, help="port of the page (default: any free port)"
    )
    corrected.add_argument("--no-browser", action="store_true", help="print the address only")
    corrected.set_defaults(run=run_correct)


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand-data") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    stopped = getattr(arguments, "stopped", RESUMABLE)
    return exit_code(prog, lambda: arguments.run(arguments), stopped=stopped)


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
    out = user_path(arguments.out)
    if out.suffix.lower() != ".png":
        raise UserError(f"--out must name a .png file. Received: {arguments.out!r}")
    check("a sheet of hands")
    from kerashand import visualize  # these load OpenCV and Pillow
    from kerashand.synthetic.scene import render_sample

    numbers = range(arguments.first, arguments.first + arguments.count)
    samples = [
        render_sample(
            arguments.domain, arguments.split, seed=arguments.seed, index=n, size_px=arguments.size
        )
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


def run_simulate(arguments: argparse.Namespace) -> None:
    """Write a simulated recording."""
    check("a recording")
    from kerashand.cli import simulate  # loads OpenCV

    simulate.simulate(arguments)


def run_check(arguments: argparse.Namespace) -> None:
    """Report on a data set or recording on disk."""
    if arguments.sheet:
        check("a sheet of hands")
    from kerashand.cli import recordings  # loads Pillow and the runtime

    recordings.check(arguments)


def run_label(arguments: argparse.Namespace) -> None:
    """Fill in the points of a recording."""
    from kerashand.cli import label

    label.label(arguments)


def run_correct(arguments: argparse.Namespace) -> None:
    """Serve the page on which points are corrected."""
    from kerashand.cli import correct

    correct.correct(arguments)


def run_render(arguments: argparse.Namespace, more: list[str]) -> None:
    """Fill the cache and report the rate.

    Args:
        arguments: of the command.
        more: settings beside those of `arguments`.

    Raises:
        UserError: If the configuration is wrong or the cache cannot be written.
    """
    check("the sample cache")
    overrides = [*overrides_of(arguments), *more]
    data = load_config(arguments.config, overrides, trains=False).data
    with tensorflow_start():
        from kerashand.data.cache import ensure_splits
        from kerashand.data.shards import cache_root, shard_path
        from kerashand.data.sources import check_depths
        from kerashand.data.splits import all_cached_splits, counted

    splits = all_cached_splits(counted(data))
    check_depths(splits)
    root = cache_root(data.cache_dir)
    missing = sum(
        count
        for split in splits
        for first, count in split.shards()
        if not shard_path(root, split, first=first, count=count).exists()
    )
    start = time.monotonic()
    ensure_splits(splits, cache_dir=data.cache_dir, workers=data.workers)
    seconds = time.monotonic() - start
    total = sum(split.samples for split in splits)
    if missing:
        rate = missing / max(seconds, 1e-9)
        print(f"{root}: {missing} of {total} samples in {seconds:.0f} s, {rate:.0f} images/s")
    else:
        print(f"{root}: all {total} samples were there already")


if __name__ == "__main__":
    raise SystemExit(main())
