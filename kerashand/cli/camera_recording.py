"""`kerashand-data record`: what a RealSense sees, as the folder of a recording."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerashand import visualize
from kerashand.cli.arguments import writing
from kerashand.cli.startup import show_messages
from kerashand.cli.window import Window
from kerashand.data.imports import realsense, writer
from kerashand.data.imports.pairing import Selection
from kerashand.data.imports.source import Shot, Source
from kerashand.errors import UserError
from kerashand.progress import progress

REMINDER = """\
Show one hand, 30 to 60 cm from the camera, for one to two minutes:
  - fingers spread, then closed; a fist; each finger alone; the thumb to each finger
  - the palm, the back, both edges of the hand, and all between by turning it slowly
  - near and far, and in each corner of the picture
Keep the other hand, and things, away from it. Stop with q in the window, or Ctrl-C."""
SHOWN_MM = (200.0, 1000.0)
"""Depth that the window colours."""
SHOWN_PX = 480


def record(
    arguments: argparse.Namespace, selection: Selection, palm_mm: float
) -> tuple[Path, writer.Report]:
    """Record until the user stops it; the folder, and what became of the pictures.

    Raises:
        UserError: if an argument is wrong, or no camera answers.
    """
    match = re.fullmatch("([1-9][0-9]{1,3})x([1-9][0-9]{1,3})", arguments.size)
    if match is None:
        raise UserError(f"--size must be such as 640x480. Received: {arguments.size!r}")
    if not 1 <= arguments.fps <= 300:
        raise UserError(f"--fps must be 1 to 300. Received: {arguments.fps}")
    out = writer.check_out(arguments.out)
    show_messages()
    with contextlib.ExitStack() as at_end:
        size_px = (int(match[1]), int(match[2]))
        camera = at_end.enter_context(realsense.opened(size_px, arguments.fps))
        print(REMINDER)
        window = None if arguments.no_window else _window(at_end)
        stopped = at_end.enter_context(_ctrl_c())
        colour, depth = itertools.tee(_shown(camera, window, stopped))
        note = "recorded with a RealSense; cameras and unit are those of the camera."
        source = Source(
            camera.cameras,
            (Shot(n, f"colour picture {n}", partial(_kept, both[0])) for n, both in colour),
            (Shot(n, f"depth picture {n}", partial(_kept, both[1])) for n, both in depth),
            (note,),
            timed=False,
        )
        at_end.enter_context(writing(out))
        advance = at_end.enter_context(progress("recording", selection.count, "frames"))
        report = writer.write_recording(
            source,
            out,
            wrist_middle_mcp_mm=palm_mm,
            limit_s=0.0,
            selection=selection,
            advance=advance,
        )
    return out, report


def _window(at_end: contextlib.ExitStack) -> Window | None:
    try:
        return at_end.enter_context(Window("kerashand-data record"))
    except UserError as error:
        print(f"Nothing is shown: {error}")
        return None


@contextlib.contextmanager
def _ctrl_c() -> Iterator[list[bool]]:
    """A list that gets an entry at the first Ctrl-C; the second one interrupts as ever.

    What was recorded until then is kept, so nothing may be interrupted in the middle.
    """
    pressed: list[bool] = []

    def press(number: int, frame: object) -> None:
        pressed.append(True)
        # Not `before`: a process that was started in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, press)
    except ValueError:  # not the main thread
        yield pressed
        return
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _kept(picture: NDArray) -> NDArray:
    """What a `Shot` reads: the camera gave it already."""
    return picture


def _shown(camera: realsense.RealSense, window: Window | None, stopped: list[bool]):
    """Number, colour and depth of each moment, until the user stops it."""
    unit_mm = camera.cameras.unit_mm
    for number, (rgb, depth) in enumerate(camera.frames()):
        if stopped or (window and not window.show(_both(rgb, depth * unit_mm))):
            return
        yield number, (rgb, depth)


def _both(rgb: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
    """Colour beside depth, small enough for a screen."""
    near, far = SHOWN_MM
    closeness = np.clip((far - depth_mm) / (far - near), 0.0, 1.0)
    coloured = visualize.colour_depth(closeness.astype(np.float32), depth_mm > 0)
    step = max(rgb.shape[0] // SHOWN_PX, 1)
    rgb, coloured = rgb[::step, ::step], coloured[::step, ::step]
    height = min(len(rgb), len(coloured))
    return np.concatenate([rgb[:height], coloured[:height]], axis=1)
