"""Colour and depth in two videos or two folders of pictures, with cameras that the user gives."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerashand.data.imports import stills, tracks
from kerashand.data.imports.source import Options, Shot, Source
from kerashand.errors import UserError
from kerashand.files import user_path
from kerashand.video import Frame
from kerashand.video.film import Film

LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def open_source(colour: Path, options: Options) -> Iterator[Source]:
    """Open colour, and depth from `options.depth`.

    Raises:
        UserError: if one cannot be read, or there is no camera.
    """
    options.refuse("a pair", "colour_topic", "depth_topic")
    if options.depth is None:
        raise UserError("A pair needs --depth: the video or folder of depth pictures.")
    depth = user_path(options.depth)
    if colour.is_dir() != depth.is_dir():
        raise UserError(
            f"{colour} and {depth} must be two videos, or two folders of pictures: those have "
            "times, these have numbers."
        )
    if colour.is_dir():
        pairs, notes = _folders(colour, depth)
    else:
        pairs, notes = _films(colour, depth)
    (colour_px, colour_shots), (depth_px, depth_shots) = pairs
    cameras = options.choose(
        None,
        colour_px=colour_px,
        depth_px=depth_px,
        unit_mm=lambda: _unit_mm(notes),
        notes=notes,
    )
    if options.cameras is None:
        notes.append("assumed: depth is registered to colour.")
    yield Source(cameras, colour_shots, depth_shots, tuple(notes), timed=not colour.is_dir())


def _unit_mm(notes: list[str]) -> float:
    notes.append("assumed: a depth value of 1 is 1 mm (--unit-mm).")
    return 1.0


Stream = tuple[tuple[int, int], Iterable[Shot]]
"""Width and height of pictures, and these."""


def _folders(colour: Path, depth: Path) -> tuple[tuple[Stream, Stream], list[str]]:
    colours = stills.list_pictures(colour, stills.COLOUR_SUFFIXES)
    depths = stills.list_pictures(depth, stills.DEPTH_SUFFIXES)
    *shots, note = stills.both_by_name(colours, depths)
    sizes = stills.size_of(colours[0]), stills.size_of(depths[0])
    return ((sizes[0], shots[0]), (sizes[1], shots[1])), [note]


def _films(colour: Path, depth: Path) -> tuple[tuple[Stream, Stream], list[str]]:
    """Both from their first picture on, by the times in the files."""
    frames = _frames(colour)
    first = next(frames)
    shots = (_shot(colour, frame) for frame in itertools.chain([first], frames))
    depths = tracks.depth_shots(depth)
    first_depth = next(depths, None)
    if first_depth is None:
        raise UserError(f"{depth} holds no picture that FFmpeg can read.")
    size = first_depth.read().shape[1::-1]
    both = (first.rgb.shape[1::-1], shots), (size, itertools.chain([first_depth], depths))
    return both, ["colour and depth pictures of the same time belong together."]


def _shot(path: Path, frame: Frame) -> Shot:
    return Shot(frame.time_s, f"{path} at {frame.time_s:.3f} s", lambda: frame.rgb)


def _frames(path: Path) -> Iterator[Frame]:
    film = Film(str(path))
    yield from film
    if film.complaint:
        LOGGER.warning(film.complaint)
