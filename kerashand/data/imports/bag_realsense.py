"""Topics of the bags that RealSense's own programs write.

A camera has the topics /device_0/sensor_1/Color_0/... image/data, info/camera_info and tf/0; the
latter leads from a reference to the camera (librealsense, media/ros). Newer files (.db3) hold texts
such as `fx=600;fy=600` instead of some messages, in topics named camera_info and tf/ref_0, and the
first of these hold bare pixels instead of pictures.
"""

from __future__ import annotations

import functools
import re
from types import SimpleNamespace
from typing import Any

import numpy as np

from kerashand.data.imports import ros_messages as ros
from kerashand.data.imports.bag_file import BagFile
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Transform
from kerashand.errors import UserError

PICTURES = re.compile(r"((/device_\d+/sensor_\d+)/[^/]+_\d+)/image/data")
"""The camera's part of the name, and the sensor's."""
RAW = "librealsense/raw_frame"
INFOS, TRANSFORM, STREAM = ("info/camera_info", "camera_info"), r"tf/(ref_)?\d+", "info"
UNITS = r"option/depth[ _]units/value"


def is_own(topic: str) -> bool:
    """Whether RealSense's own programs name a topic of pictures like this."""
    return PICTURES.fullmatch(topic) is not None


def is_bare(topic: str, kind: str) -> bool:
    """Whether messages of a topic, of a type, are bare pixels."""
    return is_own(topic) and kind in (RAW, RAW.replace("/", "/msg/"))


def lens_of(bag: BagFile, topic: str) -> Lens:
    """The camera of a topic of pictures.

    Raises:
        UserError: if the bag lacks it.
    """
    camera, _ = _parts(topic)
    name = next((f"{camera}/{name}" for name in INFOS if f"{camera}/{name}" in bag.types), None)
    info = None if name is None else bag.first(name)
    if name is None or info is None:
        raise UserError(f"{bag.path} has no camera of {topic}. Give it by --camera.")
    text, of_depth = _text(info), "/Depth_" in topic
    if text is None and bag.types[name] == ros.CAMERA:
        return ros.lens_of(name, info, rectified=False, of_depth=of_depth)
    text = text or ""
    held = _fields(text)
    try:
        size = int(held["width"]), int(held["height"])
        fx, fy, cx, cy = (float(held[key]) for key in ("fx", "fy", "ppx", "ppy"))
        bent = _numbers(held["coeffs"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{bag.path}: {name} cannot be read: {text[:120]!r}") from error
    info = SimpleNamespace(
        width=size[0], height=size[1], k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0], d=bent,
        distortion_model=held.get("model", ""),
    )  # fmt: skip
    return ros.lens_of(name, info, rectified=False, of_depth=of_depth)


def between(bag: BagFile, colour: str, depth: str) -> Transform:
    """From the depth camera's frame to the colour camera's.

    Raises:
        UserError: if the bag lacks a transform.
    """
    return _reference(bag, colour).after(_reference(bag, depth).inverse())


def unit_mm(bag: BagFile, depth: str) -> float | None:
    """What a depth value of 1 is; None if the bag does not say it."""
    _, sensor = _parts(depth)
    for topic in bag.types:
        if re.fullmatch(f"{sensor}/{UNITS}", topic, re.IGNORECASE):
            message = bag.first(topic)
            text = _text(message)
            try:
                metres = float(message.data if text is None else text)
            except (AttributeError, ValueError):
                return None
            return round(1000.0 * metres, 6)
    return None


def picture_of(bag: BagFile, topic: str, content: bytes) -> Any:
    """Bare pixels as a message of a picture.

    Raises:
        UserError: if the bag does not say what they are.
    """
    width, height, encoding = _layout(bag, topic)
    stamp = SimpleNamespace(sec=0, nanosec=0)
    return SimpleNamespace(
        width=width, height=height, step=len(content) // height, encoding=encoding,
        data=np.frombuffer(content, np.uint8), is_bigendian=0,
        header=SimpleNamespace(stamp=stamp, frame_id=""),
    )  # fmt: skip


@functools.lru_cache(maxsize=8)
def _layout(bag: BagFile, topic: str) -> tuple[int, int, str]:
    """Width, height and encoding of bare pixels."""
    name = f"{_parts(topic)[0]}/{STREAM}"
    text = _text(bag.first(name)) if name in bag.types else None
    encoding = _fields(text or "").get("encoding", "")
    if not encoding:
        raise UserError(f"{bag.path} does not say how pixels of {topic} are coded.")
    return (*lens_of(bag, topic).size_px, encoding)


def _reference(bag: BagFile, topic: str) -> Transform:
    """What leads from the reference of a file to the camera of a topic."""
    pattern = f"{_parts(topic)[0]}/{TRANSFORM}"
    names = [name for name in bag.types if re.fullmatch(pattern, name)]
    message = bag.first(names[0]) if len(names) == 1 else None
    if message is None:
        raise UserError(f"{bag.path} has no transform of {topic}. Give the cameras by --camera.")
    text = _text(message)
    if text is None and bag.types[names[0]] == ros.TRANSFORM:
        return ros.transform_of(message)
    text = text or ""
    held = _fields(text)
    try:
        rotation = np.array(_numbers(held["rotation"])).reshape(3, 3).T  # it comes by columns
        shift = np.array(_numbers(held["translation"])).reshape(3)
    except (KeyError, ValueError) as error:
        raise UserError(f"{bag.path}: {names[0]} cannot be read: {text[:120]!r}") from error
    return Transform(rotation, 1000.0 * shift)


def _parts(topic: str) -> tuple[str, str]:
    """The camera's and the sensor's part of the name of a topic that `is_own` knows."""
    match = PICTURES.fullmatch(topic)
    assert match is not None
    return match[1], match[2]


def _text(message: Any) -> str | None:
    """What a message of text, or of bytes, says; None for others."""
    if isinstance(message, bytes):
        return message.decode("utf-8", errors="replace")
    data = getattr(message, "data", None)
    return data if isinstance(data, str) else None


def _fields(text: str) -> dict[str, str]:
    """`key=value` parts of a text."""
    parts = (part.partition("=") for part in text.split(";"))
    return {key.strip(): value.strip() for key, _, value in parts}


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
