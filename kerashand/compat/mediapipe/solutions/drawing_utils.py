"""Draws landmarks into BGR pictures, and into a plot in 3D where Matplotlib is installed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerashand.extras import check
from kerashand.visualize.marks import disc, line, ring

WHITE_COLOR = (224, 224, 224)
BLACK_COLOR = (0, 0, 0)
RED_COLOR = (0, 0, 255)
GREEN_COLOR = (0, 128, 0)
BLUE_COLOR = (255, 0, 0)
LEAST_SHOWN = 0.5
"""Landmarks that say that they are less visible or less present are not drawn."""
Connections = Collection[tuple[int, int]] | None


@dataclasses.dataclass
class DrawingSpec:
    """How points or lines are drawn.

    Attributes:
        color: BGR of 0..255.
        thickness: of lines and rims in pixels; below 0 fills circles.
        circle_radius: in pixels.
    """

    color: tuple[int, int, int] = WHITE_COLOR
    thickness: int = 2
    circle_radius: int = 2


Style = DrawingSpec | Mapping[Any, DrawingSpec] | None
RED_POINTS, WHITE_LINES = DrawingSpec(color=RED_COLOR), DrawingSpec()
RED_DOTS = DrawingSpec(color=RED_COLOR, thickness=5)
BLACK_LINES = DrawingSpec(color=BLACK_COLOR, thickness=5)


def draw_landmarks(
    image: NDArray[np.uint8],
    landmark_list: Any,
    connections: Connections = None,
    landmark_drawing_spec: Style = RED_POINTS,
    connection_drawing_spec: Style = WHITE_LINES,
    is_drawing_landmarks: bool = True,
) -> None:
    """Draw landmarks and their connections into a BGR picture.

    Arguments may be given by position, as MediaPipe's. Landmarks beyond the picture are left out.

    Args:
        image: [H, W, 3] uint8, which is changed.
        landmark_list: a `NormalizedLandmarkList`; nothing is drawn of None.
        connections: pairs of landmarks that lines join.
        landmark_drawing_spec: one for all, or one for each landmark; None draws no points.
        connection_drawing_spec: one for all, or one for each connection; None draws no lines.
        is_drawing_landmarks: False draws no points.

    Raises:
        ValueError: If the picture has not three channels, or a connection no landmark.
    """
    if not landmark_list:
        return
    if getattr(image, "ndim", 0) != 3 or image.shape[2] != 3:
        raise ValueError(
            "Input image must contain three channel bgr data. Received: "
            f"{getattr(image, 'shape', type(image).__name__)}"
        )
    height, width = image.shape[:2]
    places = {
        number: pixel
        for number, point in _shown(landmark_list)
        if (pixel := _normalized_to_pixel_coordinates(point.x, point.y, width, height))
    }
    for pair in _checked(connections, landmark_list):
        spec = _spec(connection_drawing_spec, pair)
        if spec is not None and pair[0] in places and pair[1] in places:
            line(
                image, places[pair[0]], places[pair[1]], layers=[(spec.thickness / 2.0, spec.color)]
            )
    for number, pixel in places.items() if is_drawing_landmarks else ():
        spec = _spec(landmark_drawing_spec, number)
        if spec is not None:
            rim = max(spec.circle_radius + 1, int(spec.circle_radius * 1.2))
            _circle(image, pixel, rim, color=WHITE_COLOR, thickness=spec.thickness)
            _circle(image, pixel, spec.circle_radius, color=spec.color, thickness=spec.thickness)


def plot_landmarks(
    landmark_list: Any,
    connections: Connections = None,
    landmark_drawing_spec: DrawingSpec = RED_DOTS,
    connection_drawing_spec: DrawingSpec = BLACK_LINES,
    elevation: int = 10,
    azimuth: int = 10,
) -> None:
    """Show landmarks in a window of Matplotlib, in 3D: x right, y down and z away, as seen.

    Args:
        landmark_list: a `LandmarkList` or `NormalizedLandmarkList`; nothing is shown of None.
        connections: pairs of landmarks that lines join.
        landmark_drawing_spec: colour and thickness of points.
        connection_drawing_spec: colour and thickness of lines.
        elevation: of the eye above the hand in degrees.
        azimuth: of the eye round the hand in degrees.

    Raises:
        UserError: If Matplotlib is not installed.
        ValueError: If a connection has no landmark.
    """
    check("plot_landmarks")
    import matplotlib.pyplot as plt

    if not landmark_list:
        return
    axes = plt.figure(figsize=(10, 10)).add_subplot(projection="3d")
    axes.view_init(elev=elevation, azim=azimuth)
    # Matplotlib's axes are depth towards the eye, right, and up.
    places = {n: (-point.z, point.x, -point.y) for n, point in _shown(landmark_list)}
    dots, lines = landmark_drawing_spec, connection_drawing_spec
    if places:
        axes.scatter(
            *zip(*places.values(), strict=True), color=_rgb(dots), linewidth=dots.thickness
        )
    for start, end in _checked(connections, landmark_list):
        if start in places and end in places:
            ends = zip(places[start], places[end], strict=True)
            axes.plot(*ends, color=_rgb(lines), linewidth=lines.thickness)
    plt.show()


def _normalized_to_pixel_coordinates(
    normalized_x: float, normalized_y: float, image_width: int, image_height: int
) -> tuple[int, int] | None:
    """The pixel of a point in shares of the picture; None beyond it. Programs call it."""
    pixel = []
    for share, size in ((normalized_x, image_width), (normalized_y, image_height)):
        if not (0.0 <= share <= 1.0 or math.isclose(share, 1.0)):
            return None
        pixel.append(min(math.floor(share * size), size - 1))
    return pixel[0], pixel[1]


def _shown(landmark_list: Any) -> Iterator[tuple[int, Any]]:
    for number, point in enumerate(landmark_list.landmark):
        hidden = point.HasField("visibility") and point.visibility < LEAST_SHOWN
        absent = point.HasField("presence") and point.presence < LEAST_SHOWN
        if not hidden and not absent:
            yield number, point


def _checked(connections: Connections, landmark_list: Any) -> Iterator[tuple[int, int]]:
    count = len(landmark_list.landmark)
    for pair in connections or ():
        if not all(0 <= number < count for number in pair):
            raise ValueError(
                "Landmark index is out of range. Invalid connection from landmark "
                f"#{pair[0]} to landmark #{pair[1]}, of {count} landmarks."
            )
        yield pair


def _circle(
    image: NDArray[np.uint8], centre: tuple[int, int], radius: int, *, color: Any, thickness: int
) -> None:
    """A circle as OpenCV draws it: its radius reaches to the middle of the last pixels."""
    if thickness < 0:
        disc(image, centre, [(radius + 0.5, color)])
    else:
        ring(image, centre, radius, width=thickness, colour=color)


def _spec(style: Style, key: Any) -> DrawingSpec | None:
    return style[key] if isinstance(style, Mapping) else style


def _rgb(spec: DrawingSpec) -> tuple[float, ...]:
    return tuple(value / 255.0 for value in reversed(spec.color))
