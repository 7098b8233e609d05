"""Reading cameras by OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.video import ASSUMED_FPS, Frame, camera_number


class Camera:
    """The frames of a camera, until it stops giving them; attributes as of `Film`.

    Raises:
        UserError: If no camera answers.
    """

    live, frames, fps = True, 0, ASSUMED_FPS

    def __init__(self, name: str):
        check("a camera", name)
        import cv2

        self.name = name
        self.complaint: str | None = None
        self._capture = cv2.VideoCapture(camera_number(name) or 0)
        if not self._capture.isOpened():
            raise UserError(f"{name} cannot be opened: no camera answers there.")
        # Else frames that wait are older than what the hand does now.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def __iter__(self) -> Iterator[Frame]:
        """The frames, with the times at which they came.

        Raises:
            UserError: If there is not one.
        """
        first = last = None
        try:
            while True:
                good, bgr = self._capture.read()
                if not good or bgr is None:
                    break
                now = time.monotonic()
                first = now if first is None else first
                step_s = 1.0 / self.fps if last is None else now - last
                last = now
                yield Frame(np.ascontiguousarray(bgr[:, :, ::-1]), now - first, step_s)
        finally:
            self._capture.release()
        self.complaint = f"{self.name} gives no more pictures."
        if first is None:
            raise UserError(self.complaint)
