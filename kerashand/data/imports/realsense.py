"""A RealSense camera, live, by the package `pyrealsense2`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.data.imports.lens import Lens
from kerashand.data.imports.ros_messages import model_of
from kerashand.data.imports.source import Cameras, Transform
from kerashand.errors import UserError
from kerashand.extras import check

WAIT_MS = 5000
DARK_FRAMES = 15
"""Left out at first: the camera still finds its exposure."""


class RealSense:
    """An open camera.

    Attributes:
        cameras: of its pictures; depth is as the depth camera sees it.
    """

    def __init__(self, pipeline: Any, cameras: Cameras):
        self._pipeline, self.cameras = pipeline, cameras

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint16]]]:
        """Colour [H, W, 3] and depth [h, w] of the same moment, without end.

        Raises:
            UserError: if the camera gives no more pictures.
        """
        left_out = 0
        while True:
            try:
                both = self._pipeline.wait_for_frames(WAIT_MS)
            except RuntimeError as error:
                raise UserError(f"The camera gives no more pictures: {error}.") from error
            colour, depth = both.get_color_frame(), both.get_depth_frame()
            if not colour or not depth:
                continue
            if left_out < DARK_FRAMES:
                left_out += 1
                continue
            yield np.array(colour.get_data()), np.array(depth.get_data())


@contextlib.contextmanager
def opened(size_px: tuple[int, int], fps: int) -> Iterator[RealSense]:
    """Start the first camera; the block stops it.

    Args:
        size_px: width and height of colour and depth.
        fps: pictures a second.

    Raises:
        UserError: if the package is missing, or no camera gives such pictures.
    """
    check("a RealSense camera")
    import pyrealsense2 as rs

    pipeline, config = rs.pipeline(), rs.config()
    config.enable_stream(rs.stream.color, *size_px, rs.format.rgb8, fps)
    config.enable_stream(rs.stream.depth, *size_px, rs.format.z16, fps)
    try:
        profile = pipeline.start(config)
    except RuntimeError as error:
        raise UserError(
            f"No RealSense camera gives colour and depth of {size_px[0]} x {size_px[1]} pixels "
            f"with {fps} pictures a second: {error}."
        ) from error
    try:
        yield RealSense(pipeline, _cameras(rs, profile))
    finally:
        pipeline.stop()


def _cameras(rs: Any, profile: Any) -> Cameras:
    colour, depth = (
        profile.get_stream(kind).as_video_stream_profile()
        for kind in (rs.stream.color, rs.stream.depth)
    )
    move = depth.get_extrinsics_to(colour)  # nine numbers by columns, and metres
    rotation = np.array(move.rotation, np.float64).reshape(3, 3).T
    transform = Transform(rotation, 1000.0 * np.array(move.translation, np.float64))
    unit_mm = round(1000.0 * profile.get_device().first_depth_sensor().get_depth_scale(), 6)
    colour_lens = _lens(colour.get_intrinsics(), of_depth=False)
    depth_lens = _lens(depth.get_intrinsics(), of_depth=True)
    return Cameras(colour_lens, depth_lens, unit_mm, transform)


def _lens(held: Any, *, of_depth: bool) -> Lens:
    matrix = np.array([[held.fx, 0.0, held.ppx], [0.0, held.fy, held.ppy], [0.0, 0.0, 1.0]])
    bent = tuple(map(float, held.coeffs))
    said = str(held.model).rpartition(".")[2].replace("_", " ")
    model = model_of("The camera", said, bent, of_depth=of_depth)
    return Lens((held.width, held.height), matrix, model, bent)
