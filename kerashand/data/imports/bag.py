"""ROS bags with colour and depth: of RealSense's own programs, of realsense2_camera and others.

Drivers publish /camera/color/image_raw with /camera/color/camera_info beside it; RealSense's own
topics are those of `bag_realsense`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kerashand.data.imports import bag_realsense as realsense
from kerashand.data.imports import ros_messages as ros
from kerashand.data.imports.bag_file import STATIC_TYPE, BagFile, opened
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import METRES_UNIT_MM, Cameras, Options, Shot, Source, Transform
from kerashand.errors import UserError

COLOUR_WORDS, DEPTH_WORD = {"color", "colour", "rgb"}, "depth"
REGISTERED = re.compile("aligned_depth|depth_registered|registered_depth|depth_to_(rgb|color)")
OTHER_VIEW = re.compile("(rgb|color)_to_depth|infra|confidence|theora|points")
TRANSPORTS = ("compressed", "compressedDepth")
EXTRINSICS, STATIC = "extrinsics/depth_to_color", "/tf_static"
MOST_TRANSFORMS = 10_000
SAME_CLOCK_S = 1.0
"""Headers of colour and depth begin no farther apart if they are of one clock."""
MOST_LISTED = 20


@contextlib.contextmanager
def open_source(path: Path, options: Options) -> Iterator[Source]:
    """Open a bag.

    Raises:
        UserError: if topics, cameras or the transform between them are missing.
    """
    options.refuse("a ROS bag", "depth")
    with opened(path) as bag, opened(path) as other:  # one for each camera: both go through
        colour = _topic(bag, options.colour_topic, kind="colour", rank=_colour_rank)
        depth = _topic(bag, options.depth_topic, kind="depth", rank=_depth_rank)
        notes = [f"colour is {colour}, depth is {depth}."]
        first = {t: _picture(bag, t, _first(bag, t)) for t in (colour, depth)}
        sizes = {topic: ros.size_of(topic, message) for topic, message in first.items()}
        metres = ros.is_metres(first[depth])

        cameras = options.choose(
            lambda given: _cameras(
                bag, (colour, depth), first, given=given, sizes=sizes, notes=notes
            ),
            colour_px=sizes[colour],
            depth_px=sizes[depth],
            unit_mm=lambda: METRES_UNIT_MM if metres else _unit_mm(bag, depth, notes),
            notes=notes,
        )
        if metres:
            notes.append(f"depth was in metres: written in units of {cameras.unit_mm:g} mm.")
        stamps = [ros.stamp_s(message) for message in first.values()]
        headers = min(stamps) > 0 and abs(stamps[0] - stamps[1]) <= SAME_CLOCK_S
        if not headers:
            notes.append("times are those of recording: the headers have none of one clock.")
        yield Source(
            cameras,
            _shots(bag, colour, ros.colour_of, headers=headers),
            _shots(other, depth, partial(_depth, cameras.unit_mm), headers=headers),
            tuple(notes),
            bag.count(colour),
        )


def _depth(unit_mm: float, name: str, message: Any) -> NDArray:
    return ros.depth_of(name, message, unit_mm)


def _shots(
    bag: BagFile, topic: str, read: Callable[[str, Any], NDArray], *, headers: bool
) -> Iterator[Shot]:
    for time_s, message in bag.messages(topic):
        message = _picture(bag, topic, message)
        name = f"{topic} at {time_s:.3f} s"
        time_s = ros.stamp_s(message) if headers else time_s
        yield Shot(time_s, name, partial(read, name, message))


def _first(bag: BagFile, topic: str) -> Any:
    message = bag.first(topic)
    if message is None:
        raise UserError(f"{bag.path}: {topic} holds no messages.")
    return message


def _picture(bag: BagFile, topic: str, message: Any) -> Any:
    return realsense.picture_of(bag, topic, message) if isinstance(message, bytes) else message


# ------------------------------------------------------------------------------------- topics


def _topic(
    bag: BagFile, given: str | None, *, kind: str, rank: Callable[[str, str], int | None]
) -> str:
    """The topic of colour or depth pictures."""
    pictures = {
        topic: name
        for topic, name in bag.types.items()
        if name in (ros.IMAGE, ros.COMPRESSED) or realsense.is_bare(topic, name)
    }
    if given is not None:
        if given in pictures:
            return given
        raise UserError(f"{bag.path} has no pictures in {given}.{_listed(pictures)}")
    places = {topic: rank(topic, name) for topic, name in pictures.items() if bag.count(topic)}
    ranks = {topic: place for topic, place in places.items() if place is not None}
    best = [topic for topic, place in ranks.items() if place == min(ranks.values())]
    if len(best) == 1:
        return best[0]
    why = "no topic" if not best else f"{len(best)} topics"
    raise UserError(
        f"{bag.path} has {why} that may be {kind}. Name it by --{kind}-topic.{_listed(pictures)}"
    )


def _listed(topics: Iterable[str]) -> str:
    names = sorted(topics)
    if not names:
        return " It holds no pictures at all."
    return f" Pictures are in: {', '.join(names[:MOST_LISTED])}"


def _words(topic: str) -> set[str]:
    return set(re.split("[/_]", topic.lower()))


def _packed(kind: str) -> int:
    """Raw pictures come before packed ones, which may have lost something."""
    return 1 if kind == ros.COMPRESSED else 0


def _colour_rank(topic: str, kind: str) -> int | None:
    words = _words(topic)
    if not words & COLOUR_WORDS or DEPTH_WORD in words or OTHER_VIEW.search(topic.lower()):
        return None
    straight = "rect" in words
    return 2 * _packed(kind) + (not straight)


def _depth_rank(topic: str, kind: str) -> int | None:
    if DEPTH_WORD not in _words(topic) or OTHER_VIEW.search(topic.lower()):
        return None
    packed = 0 if kind != ros.COMPRESSED else 1 if topic.endswith("compressedDepth") else 2
    return packed + (0 if REGISTERED.search(topic.lower()) else 3)


# ------------------------------------------------------------------------------------- cameras


def _cameras(
    bag: BagFile,
    topics: tuple[str, str],
    first: dict[str, Any],
    *,
    given: Lens | None,
    sizes: dict[str, tuple[int, int]],
    notes: list[str],
) -> Cameras:
    """The cameras of topics of colour and depth, with that of colour if one is given."""
    colour, depth = topics
    lens = given or _lens(bag, colour, sizes[colour])
    frames = [first[topic].header.frame_id.strip("/") for topic in topics]
    registered = _registered(bag, topics, frames, sizes=sizes)
    if registered is not None:
        notes.append(registered)
        return Cameras.registered(lens, sizes[depth])
    depth_lens = _lens(bag, depth, sizes[depth])
    return Cameras(lens, depth_lens, 1.0, _between(bag, topics, frames, notes=notes))


def _registered(
    bag: BagFile,
    topics: tuple[str, str],
    frames: list[str],
    *,
    sizes: dict[str, tuple[int, int]],
) -> str | None:
    """A sentence that says why depth is registered to colour; None if it is not.

    It is if its topic says so, or if it is in colour's frame and no camera says otherwise.
    """
    if REGISTERED.search(topics[1].lower()):
        return "depth is registered to colour, as its topic says."
    if not frames[0] == frames[1] != "" or realsense.is_own(topics[1]):
        return None
    why = f"both topics name the frame {frames[0]!r}"
    try:
        colour, depth = (_lens(bag, topic, sizes[topic]) for topic in topics)
    except UserError:
        return f"assumed: depth is registered to colour, for {why}."
    if not colour.is_like(depth):
        return None
    return f"depth is registered to colour: {why}, and their cameras agree."


def _lens(bag: BagFile, topic: str, size_px: tuple[int, int]) -> Lens:
    if realsense.is_own(topic):
        lens = realsense.lens_of(bag, topic)
    else:
        *parts, picture = topic.split("/")
        if picture in TRANSPORTS:
            *parts, picture = parts
        name = "/".join([*parts, "camera_info"])
        info = bag.first(name) if bag.types.get(name) == ros.CAMERA else None
        if info is None:
            raise UserError(f"{bag.path} has no {name}, the camera of {topic}. Give --camera.")
        lens = ros.lens_of(name, info, rectified="rect" in _words(picture))
    if lens.size_px != size_px:
        raise UserError(
            f"{bag.path}: the camera of {topic} takes pictures of {lens.size_px}, there are those "
            f"of {size_px}."
        )
    return lens


def _unit_mm(bag: BagFile, depth: str, notes: list[str]) -> float:
    unit_mm = realsense.unit_mm(bag, depth) if realsense.is_own(depth) else None
    if unit_mm is None:
        notes.append("assumed: a depth value of 1 is 1 mm, as ROS has it (--unit-mm).")
        return 1.0
    notes.append(f"a depth value of 1 is {unit_mm:g} mm, as the camera was set.")
    return unit_mm


def _between(
    bag: BagFile, topics: tuple[str, str], frames: list[str], *, notes: list[str]
) -> Transform:
    """Where the depth camera stands beside the colour camera."""
    if all(map(realsense.is_own, topics)):
        notes.append("cameras, and the transform between them, are those in the file.")
        return realsense.between(bag, *topics)
    colour, depth = frames
    known = colour != depth and bag.types.get(STATIC) == STATIC_TYPE
    static = _static(bag, *frames) if known else None
    topic = _extrinsics_topic(bag, topics[1])
    if topic is None:
        if colour == depth != "":
            notes.append(
                "assumed: the depth camera stands where the colour camera does, for both topics "
                f"name the frame {colour!r}; their cameras differ."
            )
            return Transform.still()
        if static is None:
            raise UserError(
                f"{bag.path} does not say where the depth camera stands beside the colour camera "
                f"(no {EXTRINSICS}, no {STATIC} from {depth!r} to {colour!r}). Record "
                "aligned depth, or give the cameras by --camera."
            )
        notes.append(f"the transform between the cameras is that of {STATIC}.")
        return static
    notes.append(f"the transform between the cameras is that of {topic}.")
    found = ros.extrinsics_of(_first(bag, topic))
    if static is None:
        notes.append(
            "assumed: it leads from depth to colour. realsense2_camera 4.0 (2022) wrote the way "
            "back: look whether depth and colour meet (kerashand-data check --sheet)."
        )
    elif not found.is_like(static):
        raise UserError(
            f"{bag.path}: {topic} and {STATIC} do not agree: {_shift(found)} and {_shift(static)} "
            "mm from depth to colour. realsense2_camera of 2022 and early 2023 wrote one of them "
            "the wrong way round. `rs-enumerate-devices -c` says what is right: give --camera."
        )
    return found


def _extrinsics_topic(bag: BagFile, depth: str) -> str | None:
    """RealSense's topic of the transform, beside a topic of depth."""
    for topic, kind in bag.types.items():
        own = topic.endswith(EXTRINSICS) and kind.startswith("realsense2_camera")
        if own and depth.startswith(topic.removesuffix(EXTRINSICS)):
            return topic
    return None


def _shift(move: Transform) -> str:
    return ", ".join(f"{value:.1f}" for value in move.translation_mm)


def _static(bag: BagFile, colour: str, depth: str) -> Transform | None:
    """Through /tf_static, in which a transform leads from a child frame to its parent."""
    steps: dict[str, list[tuple[str, Transform]]] = {}
    count = 0
    for _, message in bag.messages(STATIC):
        for stamped in message.transforms:
            move = ros.transform_of(stamped.transform)
            parent, child = (
                n.strip("/") for n in (stamped.header.frame_id, stamped.child_frame_id)
            )
            steps.setdefault(child, []).append((parent, move))
            steps.setdefault(parent, []).append((child, move.inverse()))
            count += 1
            if count > MOST_TRANSFORMS:
                return None
    known, waiting = {depth: Transform.still()}, [depth]
    while waiting:
        frame = waiting.pop()
        for neighbour, move in steps.get(frame, []):
            if neighbour not in known:
                known[neighbour] = move.after(known[frame])
                waiting.append(neighbour)
    return known.get(colour)
