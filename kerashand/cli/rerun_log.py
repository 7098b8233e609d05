"""`--rerun`: pictures and hands for the viewer of rerun (rerun.io)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerashand.cli.arguments import writing
from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.files import user_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerashand.cli.jobs import Job  # loads OpenCV
    from kerashand.runtime.hand import Hand

SUFFIX = ".rrd"
VIEWER = True
"""What `--rerun` without a file means; argparse would take a text for the name of a file."""
JPEG_QUALITY = 85
PICTURES = "pictures"
"""The entity of several pictures, which are steps in its time."""
PIXEL_MIDDLE = 0.5
"""rerun counts pixels from the edge of the first one, this package from its middle."""


def add_rerun_argument(
    parser: argparse.ArgumentParser, *, what: str = "pictures, joints and hands in space"
) -> None:
    """`--rerun`, which logs `what`."""
    parser.add_argument(
        "--rerun", nargs="?", const=VIEWER, type=_recording_name, metavar="FILE.rrd",
        help=f"log {what} for rerun: into the file or, without one, into its viewer. Needs "
        "rerun-sdk. Without a file, write it after the inputs",
    )  # fmt: skip


def _recording_name(name: str) -> str:
    if not name.lower().endswith(SUFFIX):
        raise argparse.ArgumentTypeError(
            f"a recording must end in {SUFFIX}. Received: {name}. Without a file, put --rerun "
            "behind the inputs"
        )
    return name


def file_of(target: str | bool | None) -> str | None:
    """The file that is written; None for the viewer."""
    return target if isinstance(target, str) else None


def check_target(target: str | bool | None) -> None:
    """Refuse at once what would fail later.

    Raises:
        UserError: If rerun-sdk is not installed, or the viewer has no screen.
    """
    if target is None:
        return
    check("--rerun")
    linux = sys.platform.startswith("linux")
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if target is VIEWER and linux and not screen:
        raise UserError(
            "--rerun opens a viewer, and there is no screen: name a file, --rerun hands.rrd"
        )


def started(target: str | bool, program: str) -> Any:
    """A stream of rerun into the viewer or a new file.

    Raises:
        UserError: If the file cannot be written.
    """
    import rerun

    stream = rerun.RecordingStream(program)
    name = file_of(target)
    if name is None:
        stream.spawn()
    else:
        path = user_path(name)
        with writing(path):
            path.open("wb").close()  # says more about what cannot be written
            stream.save(path)
    return stream


def ended(stream: Any) -> None:
    """Write what waits, and close the file."""
    stream.flush()
    stream.disconnect()


def log_skeleton(
    stream: Any, place: list[str], points: NDArray, *more: Any, colour: Any = None
) -> None:
    """Log bones and joints below a place.

    Args:
        stream: of rerun.
        place: the parts of an entity's path.
        points: [21, 2] pixels as rerun counts them, or [21, 3] mm.
        more: components of the joints.
        colour: RGB of 0..255 of all; None for that of each finger.
    """
    import rerun

    from kerashand.skeleton import BONE_COLOURS, BONES, JOINT_COLOURS, JOINT_NAMES

    flat = points.shape[1] == 2
    lines, dots = (
        (rerun.LineStrips2D, rerun.Points2D) if flat else (rerun.LineStrips3D, rerun.Points3D)
    )
    strips = points[[list(bone) for bone in BONES]]
    bones = lines(
        strips, colors=BONE_COLOURS if colour is None else [colour], radii=1.0 if flat else 1.5
    )
    joints = dots(
        points, colors=JOINT_COLOURS if colour is None else [colour], radii=3.0,
        labels=JOINT_NAMES, show_labels=False,
    )  # fmt: skip
    stream.log([*place, "bones"], bones)
    stream.log([*place, "joints"], joints, *more)


class RerunLog:
    """A context manager that logs pictures and frames; without `--rerun` it does nothing.

    Each video is an entity of its own, and all pictures are one, `PICTURES`, or of a single picture
    its name. Below it lie `input`, the name; `picture` with the joints in pixels; `space`
    with the hands in mm; and `scores`. Axes of `space` are those of the camera: x right, y down,
    z away. With intrinsics its origin is the camera, and the picture is `space/camera`. Else hands
    are placed by where they are in the picture, at depth 0, with the picture's middle as origin.

    Args:
        target: a file, `VIEWER`, or None.
        jobs: what is worked through, for the order of the panes.
        scale_mm: length of the scale bone.
        intrinsics: [3][3] or None.
    """

    def __init__(
        self, target: str | bool | None, jobs: Sequence[Job], *, scale_mm: float, intrinsics: Any
    ):
        self._target = target
        self._pictures = [job.name for job in jobs if not job.is_film]
        several = len(self._pictures) > 1
        self._entities = {
            job.name: PICTURES if several and not job.is_film else job.name for job in jobs
        }
        self._scale_mm, self._intrinsics = scale_mm, intrinsics
        self._rr: Any = None
        self._stream: Any = None
        self._hands: dict[str, set[int]] = {}

    def __enter__(self) -> RerunLog:
        return self

    def __exit__(self, *_) -> None:
        if self._stream is not None:
            ended(self._stream)

    @property
    def summary(self) -> str | None:
        """What is said at the end of a file; None without one."""
        if self._stream is None or self._target is VIEWER:
            return None
        return f"{self._target}: open it with `rerun {self._target}`"

    def add(
        self, name: str, rgb: NDArray, numbered: Sequence[tuple[int, Hand]], *, number: int = 0,
        time_s: float | None = None,
    ) -> None:  # fmt: skip
        """Log a picture or frame and its hands.

        Args:
            name: of the input.
            rgb: [H, W, 3] uint8.
            numbered: hands with their numbers.
            number: of the frame.
            time_s: of the frame; None for a picture.

        Raises:
            UserError: If the file cannot be written.
        """
        if self._target is None:
            return
        self._start()
        stream, entity = self._stream, self._entities[name]
        stream.reset_time()
        if time_s is None:
            stream.set_time("picture", sequence=self._pictures.index(name))
        else:
            stream.set_time("frame", sequence=number)
            stream.set_time("time", duration=time_s)
        if entity not in self._hands:
            stream.log([entity, "space"], self._rr.ViewCoordinates.RDF, static=True)
            self._hands[entity] = set()
        if time_s is None:
            stream.log([entity, "input"], self._rr.TextLog(name))
        place, size_px = self._picture(entity), (rgb.shape[1], rgb.shape[0])
        if self._intrinsics is not None:
            (fx, skew, cx), (_, fy, cy), last = self._intrinsics
            matrix = [[fx, skew, cx + PIXEL_MIDDLE], [0.0, fy, cy + PIXEL_MIDDLE], last]
            stream.log(place, self._rr.Pinhole(image_from_camera=matrix, resolution=size_px))
        stream.log(place, self._rr.Image(rgb).compress(jpeg_quality=JPEG_QUALITY))
        for one, hand in numbered:
            self._hand(entity, one, hand, size_px=size_px)
        shown = {one for one, _ in numbered}
        for gone in self._hands[entity] - shown:
            for parent in (place, [entity, "space"]):
                stream.log([*parent, f"hand {gone}"], self._rr.Clear(recursive=True))
        self._hands[entity] = shown

    def _start(self) -> None:
        if self._stream is None:
            import rerun

            self._rr = rerun
            assert self._target is not None
            self._stream = started(self._target, "kerashand-predict")
            self._stream.send_blueprint(self._blueprint())

    def _picture(self, entity: str) -> list[str]:
        return [entity, "picture"] if self._intrinsics is None else [entity, "space", "camera"]

    def _blueprint(self) -> Any:
        """Of each entity a tab: the picture, the space, the scores."""
        from rerun import blueprint as rrb

        def pane(entity: str) -> Any:
            def origin(parts):
                return self._rr.new_entity_path(parts)

            return rrb.Vertical(
                rrb.Horizontal(
                    rrb.Spatial2DView(origin=origin(self._picture(entity)), name="picture"),
                    rrb.Spatial3DView(origin=origin([entity, "space"]), name="space, in mm"),
                ),
                rrb.TimeSeriesView(origin=origin([entity, "scores"]), name="scores"),
                row_shares=[4, 1],
                name=entity,
            )

        panes = [pane(entity) for entity in dict.fromkeys(self._entities.values())]
        return rrb.Blueprint(panes[0] if len(panes) == 1 else rrb.Tabs(*panes))

    def _hand(self, entity: str, number: int, hand: Hand, *, size_px: tuple[int, int]) -> None:
        child, stream = f"hand {number}", self._stream
        known = self._rr.AnyValues(
            handedness=hand.handedness, score=hand.score, confidence=hand.confidence
        )
        uv_px = hand.uv_px + PIXEL_MIDDLE
        flat = [*self._picture(entity), child]
        log_skeleton(stream, flat, uv_px, known)
        words = f"{number} {hand.handedness} {hand.score:.2f}"
        stream.log([*flat, "words"], self._rr.Points2D(uv_px[:1], labels=[words], show_labels=True))
        xyz_mm = placed_mm(hand, scale_mm=self._scale_mm, size_px=size_px)
        log_skeleton(stream, [entity, "space", child], xyz_mm, known)
        for of, value in (("score", hand.score), ("p_right", hand.p_right)):
            if value is not None:
                stream.log([entity, "scores", child, of], self._rr.Scalars(value))


def placed_mm(hand: Hand, *, scale_mm: float, size_px: tuple[int, int]) -> NDArray:
    """Joints [21, 3] in mm about the camera, or else about the middle of the picture.

    Without a camera the distance of a hand is not known. Hands keep their places in the picture
    then, in mm by the scale of each hand, and their wrists are at depth 0.
    """
    import numpy as np

    if hand.xyz_mm is not None:
        return hand.xyz_mm
    xyz_mm = hand.xyz_relative * scale_mm
    spread_px = float(np.linalg.norm(hand.uv_px - hand.uv_px[0]))
    mm_per_px = np.linalg.norm(xyz_mm[:, :2] - xyz_mm[0, :2]) / max(spread_px, 1e-9)
    wrist_px = hand.uv_px[0] - (np.array(size_px) - 1) / 2.0
    return xyz_mm + np.append(wrist_px * mm_per_px, 0.0)
