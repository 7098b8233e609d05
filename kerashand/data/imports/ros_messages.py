"""Messages of ROS as pictures, cameras and transforms.

Messages are objects with the fields of sensor_msgs and geometry_msgs, of ROS 1 (`K`, `D`) or ROS 2
(`k`, `d`).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kerashand import picture_files
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Transform, from_metres
from kerashand.data.imports.stills import checked_depth
from kerashand.errors import UserError
from kerashand.picture_files import PictureError

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA, TRANSFORM = "sensor_msgs/msg/CameraInfo", "geometry_msgs/msg/Transform"
MOST_PIXELS = 1 << 26
COLOURS = {
    "rgb8": (3, None),
    "8uc3": (3, cv2.COLOR_BGR2RGB),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
}
"""Encoding in small letters -> bytes a pixel, and how it becomes RGB."""
DEPTHS = {"16uc1": "u2", "mono16": "u2", "z16": "u2", "32fc1": "f4"}
"""Encoding -> NumPy's type; whole numbers are units, the others metres (ROS REP 118)."""
CONFIG_BYTES = 12
"""Of compressed_depth_image_transport, before a PNG file: format, and two numbers for 32FC1."""
EXTRINSICS_BYTES = 12 * 8
MODELS = {
    "": "opencv", "plumb_bob": "opencv", "rational_polynomial": "opencv", "brown conrady": "opencv",
    "none": "opencv", "modified brown conrady": "modified", "inverse brown conrady": "modified",
    "equidistant": "fisheye", "kannala brandt4": "fisheye",
}  # fmt: skip
"""Distortion as ROS and RealSense name it -> a key of `lens.COEFFICIENTS`.

Colour cameras of the D400 say "inverse", but their numbers lead from rays to pixels: librealsense
treats them so since 2.44 (rsutil.h).
"""
INVERSE = "inverse brown conrady"
"""Of a depth camera, which only the SR300 has, it means what it says."""


def is_metres(message: Any) -> bool:
    """Whether depth of this message is in metres."""
    if hasattr(message, "encoding"):
        return message.encoding.lower() == "32fc1"
    return message.format.lower().startswith("32fc1")


def size_of(name: str, message: Any) -> tuple[int, int]:
    """Width and height of a picture.

    Raises:
        PictureError: if they cannot be known.
    """
    if hasattr(message, "encoding"):
        return message.width, message.height
    content = bytes(message.data)
    if "compresseddepth" in message.format.lower():
        content = content[CONFIG_BYTES:]
    return picture_files.head_of(name, content).size_px


def colour_of(name: str, message: Any) -> NDArray[np.uint8]:
    """RGB [H, W, 3] of an Image or CompressedImage.

    Raises:
        PictureError: if it is damaged or of a rare encoding.
    """
    if not hasattr(message, "encoding"):
        return picture_files.decoded(name, bytes(message.data))
    encoding = message.encoding.lower()
    if encoding not in COLOURS:
        raise PictureError(
            name, f"has the encoding {encoding[:40]!r}, not one of {', '.join(COLOURS)}"
        )
    channels, code = COLOURS[encoding]
    pixels = _rows(name, message, dtype=np.dtype("u1"), channels=channels)
    if code is None:
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), code), np.uint8)


def depth_of(name: str, message: Any, unit_mm: float) -> NDArray[np.uint16]:
    """Depth [H, W] of an Image or CompressedImage; metres become units.

    Raises:
        PictureError: if it is damaged or of a rare encoding.
    """
    if not hasattr(message, "encoding"):
        return _compressed_depth(name, message, unit_mm)
    kind = DEPTHS.get(message.encoding.lower())
    if kind is None:
        raise PictureError(
            name, f"has the encoding {message.encoding[:40]!r}, not one of {', '.join(DEPTHS)}"
        )
    dtype = np.dtype((">" if message.is_bigendian else "<") + kind)
    values = _rows(name, message, dtype=dtype, channels=1)[..., 0]
    return from_metres(values, unit_mm, name) if kind == "f4" else values.astype(np.uint16)


def _rows(name: str, message: Any, *, dtype: np.dtype, channels: int) -> NDArray:
    """The values [H, W, channels] of an Image, whose rows may be longer than its pixels."""
    width, height, step = message.width, message.height, message.step
    row = width * channels * dtype.itemsize
    data = np.asarray(message.data, np.uint8)
    if not 0 < width * height <= MOST_PIXELS or step < row or data.size < step * height:
        raise PictureError(
            name, f"claims {width} x {height} pixels and holds {data.size} bytes: damaged"
        )
    rows = np.ascontiguousarray(data[: step * height].reshape(height, step)[:, :row])
    return rows.view(dtype).reshape(height, width, channels)


def _compressed_depth(name: str, message: Any, unit_mm: float) -> NDArray[np.uint16]:
    content, form = bytes(message.data), message.format.lower()
    if "compresseddepth" not in form:
        return checked_depth(name, picture_files.decoded_values(name, content))
    if "rvl" in form:
        raise PictureError(name, "is packed by RVL, which is not read; record raw or PNG")
    head, content = content[:CONFIG_BYTES], content[CONFIG_BYTES:]
    values = checked_depth(name, picture_files.decoded_values(name, content))
    if not form.startswith("32fc1"):
        return values
    near, far = np.frombuffer(head, "<f4", 2, 4)
    with np.errstate(all="ignore"):
        metres = near / (values.astype(np.float64) - far)
    return from_metres(np.where(values > 0, metres, 0.0), unit_mm, name)


def model_of(name: str, said: str, bent: tuple[float, ...], *, of_depth: bool) -> str:
    """The model of a distortion, a key of `lens.COEFFICIENTS`.

    Args:
        name: of the camera, for messages.
        said: the model as ROS or RealSense names it.
        bent: its coefficients.
        of_depth: whether the camera is RealSense's for depth.

    Raises:
        UserError: if it is of a rare model.
    """
    said = said.lower()
    if not any(bent):
        return "none"
    if said not in MODELS:
        raise UserError(f"{name}: the distortion is of the model {said[:40]!r}, not known here.")
    return "inverse" if of_depth and said == INVERSE else MODELS[said]


def lens_of(name: str, info: Any, *, rectified: bool, of_depth: bool = False) -> Lens:
    """The camera of a CameraInfo.

    Args:
        name: of the topic.
        info: the message.
        rectified: whether its pictures are straightened already, so that P describes them.
        of_depth: whether it is RealSense's depth camera.

    Raises:
        UserError: if it is not calibrated, or of a rare model.
    """
    size = (info.width, info.height)
    if rectified:
        matrix, model, bent = _field(info, "p").reshape(3, 4)[:, :3], "none", ()
    else:
        matrix = _field(info, "k").reshape(3, 3)
        bent = tuple(_field(info, "d").tolist())
        model = model_of(name, info.distortion_model, bent, of_depth=of_depth)
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise UserError(f"{name}: the camera is not calibrated. Give it by --camera.")
    return Lens(size, np.array(matrix, np.float64), model, bent)


def _field(info: Any, name: str) -> NDArray[np.float64]:
    """A field that ROS 1 writes with a capital letter."""
    value = getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())
    return np.asarray(value, np.float64)


def transform_of(message: Any) -> Transform:
    """A geometry_msgs/Transform, which is in metres."""
    q, t = message.rotation, message.translation
    quaternion = np.array([q.x, q.y, q.z, q.w])
    length = np.linalg.norm(quaternion)
    if not 0.5 < length < 2.0:
        raise UserError(f"A transform between the cameras is none: rotation {quaternion}.")
    x, y, z, w = quaternion / length
    rotation = np.array(
        [[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
         [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
         [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]
    )  # fmt: skip
    return Transform(rotation, 1000.0 * np.array([t.x, t.y, t.z]))


def extrinsics_of(content: bytes) -> Transform:
    """The Extrinsics of realsense2_camera, as bytes, with or without a header before them.

    They end with nine numbers of the rotation by columns and three of the translation in metres.

    Raises:
        UserError: if they are too short.
    """
    if len(content) < EXTRINSICS_BYTES:
        raise UserError("The transform extrinsics/depth_to_color is damaged.")
    numbers = np.frombuffer(content[-EXTRINSICS_BYTES:], "<f8")
    return Transform(numbers[:9].reshape(3, 3).T.copy(), 1000.0 * numbers[9:])


def stamp_s(message: Any) -> float:
    """The time in the header of a message, in seconds; 0 if it has none."""
    stamp = message.header.stamp
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)
