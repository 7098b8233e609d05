"""`kerashand-data import` and `record`: recordings from RGB-D cameras and their files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kerashand.data.imports import FORMATS
from kerashand.errors import UserError, number_of
from kerashand.extras import check
from kerashand.files import left_beside, user_path

if TYPE_CHECKING:
    from kerashand.data.imports.pairing import Selection
    from kerashand.data.imports.source import Options
    from kerashand.data.imports.writer import Report

_PALM_MM = (50.0, 150.0)
_STOPPED = "Stopped: nothing was written."
_PINHOLE = ("fx", "fy", "cx", "cy")


def add_parsers(commands: argparse._SubParsersAction) -> None:
    """The subcommands `import` and `record`."""
    _add_import(commands)
    _add_record(commands)


def _add_import(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "import",
        help="make a recording from the file of an RGB-D camera",
        description="Turns a ROS or RealSense bag, a recording of the Azure Kinect or of Record3D, "
        "a folder of Open3D or of the TUM benchmark, or a pair of colour and depth into the folder "
        "of a recording. Prints what it found and what it assumed. Then run label and check.",
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="FILE|FOLDER")
    parser.add_argument("out", metavar="OUT", help="the folder to write, a new one or an empty one")
    parser.add_argument("--format", choices=FORMATS, help="(default: recognised from the file)")
    parser.add_argument(
        "--depth", metavar="PATH", help="video or folder of depth, if FILE is that of colour"
    )
    parser.add_argument("--colour-topic", metavar="TOPIC", help="topic of a bag, if several fit")
    parser.add_argument("--depth-topic", metavar="TOPIC", help="the same for depth")
    cameras = parser.add_argument_group("cameras, instead of those of the file")
    cameras.add_argument("--camera", metavar="YAML", help="a file with the keys of recording.yaml")
    for name in _PINHOLE:
        cameras.add_argument(
            f"--{name}",
            type=float,
            metavar="PX",
            help="of the colour camera, instead of its matrix and distortion; all four together",
        )
    cameras.add_argument(
        "--unit-mm", type=float, metavar="MM", help="millimetres of a depth value of 1"
    )
    _add_frames(parser, every=1)
    parser.add_argument(
        "--most-apart-ms", type=float, default=20.0, metavar="MS",
        help="largest difference between the times of colour and depth (default: 20)",
    )  # fmt: skip
    parser.add_argument(
        "--turn", type=int, default=0, choices=(0, 90, 180, 270),
        help="turn pictures by so many degrees clockwise",
    )  # fmt: skip
    parser.set_defaults(run=run_import, stopped=_STOPPED)


def _add_frames(parser: argparse.ArgumentParser, *, every: int) -> None:
    parser.add_argument(
        "--every", type=int, default=every, metavar="N",
        help=f"take every N-th picture (default: {every})",
    )  # fmt: skip
    parser.add_argument("--first", type=int, default=0, metavar="N", help="begin with picture N")
    parser.add_argument("--count", type=int, metavar="N", help="write N frames at most")
    parser.add_argument(
        "--wrist-middle-mcp-mm", type=float, metavar="MM",
        help="from the crease of the wrist to the knuckle of the middle finger of the hand that is "
        "seen (default: that of an average adult, 92)",
    )  # fmt: skip


def _add_record(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "record",
        help="make a recording with a RealSense camera",
        description="Shows what a RealSense sees and writes it as the folder of a recording until "
        "the window is closed (q), --count frames are there, or Ctrl-C is pressed.",
        allow_abbrev=False,
    )
    parser.add_argument("out", metavar="OUT", help="the folder to write, a new one or an empty one")
    parser.add_argument(
        "--size", default="640x480", metavar="WxH", help="size of both pictures (default: 640x480)"
    )
    parser.add_argument("--fps", type=int, default=30, help="pictures a second (default: 30)")
    parser.add_argument("--no-window", action="store_true", help="open no window")
    _add_frames(parser, every=3)
    parser.set_defaults(run=run_record, stopped=_STOPPED)


def run_import(arguments: argparse.Namespace) -> None:
    """Turn a file into a recording.

    Raises:
        UserError: if an argument is wrong, or the file cannot be used.
    """
    selection, options = _selection(arguments), _options(arguments)
    if not 0.0 < arguments.most_apart_ms <= 10_000.0:
        raise UserError(f"--most-apart-ms must be 0 to 10000. Received: {arguments.most_apart_ms}")
    from kerashand.data import imports

    form = imports.find_format(
        arguments.path, name=arguments.format, paired=arguments.depth is not None
    )
    from kerashand.cli.arguments import writing
    from kerashand.cli.startup import show_messages
    from kerashand.data.imports import writer
    from kerashand.progress import progress

    out = writer.check_out(arguments.out)
    palm_mm, of_hand = _palm_mm(arguments, options.wrist_middle_mcp_mm)
    show_messages()
    with imports.open_source(form, arguments.path, options) as source:
        total = selection.most_of(source.frames)
        with writing(out), progress("importing", total, "frames") as advance:
            report = writer.write_recording(
                source,
                out,
                wrist_middle_mcp_mm=palm_mm,
                limit_s=arguments.most_apart_ms / 1000.0,
                selection=selection,
                turn=arguments.turn,
                advance=advance,
            )
    print(f"{arguments.path} is {form.what}.")
    _tell(out, report, of_hand)


def run_record(arguments: argparse.Namespace) -> None:
    """Record with a camera.

    Raises:
        UserError: if an argument is wrong, or no camera answers.
    """
    check("a RealSense camera")
    from kerashand.cli import camera_recording

    selection = _selection(arguments)
    palm_mm, of_hand = _palm_mm(arguments)
    out, report = camera_recording.record(arguments, selection, palm_mm)
    _tell(out, report, of_hand)


def _tell(out: Path, report: Report, of_hand: str | None) -> None:
    for note in [*report.notes, *filter(None, [of_hand])]:
        print(f"  {note}")
    for left in left_beside(out):
        print(f"  {left} was left by a command that was killed: delete it, if none still runs.")
    print(
        f"{out}: {number_of(report.written, 'frame')}. Next: kerashand-data label {out}, then "
        f"kerashand-data check {out} --sheet sheet.png"
    )


def _palm_mm(
    arguments: argparse.Namespace, written_mm: float | None = None
) -> tuple[float, str | None]:
    """The measure of the hand, and a sentence if no option gives it.

    Args:
        arguments: of the command.
        written_mm: the measure that stands in the file of --camera, if any.
    """
    given, (low, high) = arguments.wrist_middle_mcp_mm, _PALM_MM
    if given is not None:
        if not low <= given <= high:
            raise UserError(
                f"--wrist-middle-mcp-mm must be {low:g} to {high:g}. Received: {given:g}"
            )
        return given, None
    if written_mm is not None:
        return written_mm, f"the measure of the hand, {written_mm:g} mm, is that of --camera."
    from kerashand.runtime.hand import ASSUMED_SCALE_MM

    palm_mm = ASSUMED_SCALE_MM["wrist_middle_mcp"]
    return palm_mm, (
        f"assumed: {palm_mm:g} mm from the wrist to the knuckle of the middle finger, as an "
        "average adult has. Measure the hand and give --wrist-middle-mcp-mm."
    )


def _selection(arguments: argparse.Namespace) -> Selection:
    for name, least in (("every", 1), ("first", 0), ("count", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UserError(f"--{name} must be at least {least}. Received: {value}")
    from kerashand.data.imports.pairing import Selection

    return Selection(arguments.first, arguments.every, arguments.count)


def _options(arguments: argparse.Namespace) -> Options:
    pinhole = tuple(getattr(arguments, name) for name in _PINHOLE)
    given = [value for value in pinhole if value is not None]
    if given and len(given) < len(pinhole):
        raise UserError("--fx, --fy, --cx and --cy belong together: give all four.")
    if given and arguments.camera:
        raise UserError("Give --camera or --fx --fy --cx --cy, not both.")
    if given and not (all(10.0 <= f <= 1e5 for f in given[:2]) and max(map(abs, given)) <= 1e5):
        raise UserError(f"--fx and --fy must be 10 to 100000 pixels. Received: {given}")
    unit_mm = arguments.unit_mm
    if unit_mm is not None and not 0.001 <= unit_mm <= 100.0:
        raise UserError(f"--unit-mm must be 0.001 to 100. Received: {unit_mm}")
    from kerashand.data.imports.camera_file import read_cameras
    from kerashand.data.imports.source import Options

    written = read_cameras(arguments.camera) if arguments.camera else None
    if written is not None and unit_mm is None:
        unit_mm = written.unit_mm
    return Options(
        cameras=None if written is None else written.cameras,
        pinhole=pinhole if given else None,
        unit_mm=unit_mm,
        wrist_middle_mcp_mm=None if written is None else written.wrist_middle_mcp_mm,
        colour_topic=arguments.colour_topic,
        depth_topic=arguments.depth_topic,
        depth=user_path(arguments.depth) if arguments.depth else None,
    )
