"""Hands before a camera or in a picture, as JSON lines: NumPy and LiteRT, without TensorFlow.

    python hand_on_camera.py --camera 0
    python hand_on_camera.py --picture hand.jpg

Each line holds the hands of one frame. How fast it went stands on the standard error output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.runtime import Hand, HandPose
from kerashand.runtime.tracker import HandTracker
from kerashand.skeleton import BONE_COLOURS, BONES
from kerashand.video import Frame


def build_parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--camera", type=int, metavar="NUMBER", help="0 is the first camera")
    source.add_argument("--picture", type=Path, help="a picture, or .npy: uint8 RGB [H, W, 3]")
    parser.add_argument("--model", type=Path, help="an exported pose model (default: the packaged)")
    parser.add_argument("--detector", type=Path, help="a detector (default: the packaged)")
    parser.add_argument(
        "--threads", type=at_least_one, default=1, help="of the runtime (default: 1)"
    )
    parser.add_argument("--max-hands", type=at_least_one, default=2, help="default: 2")
    parser.add_argument(
        "--frames", type=at_least_one, help="stop after so many; a picture is read so often"
    )
    parser.add_argument(
        "--show", action="store_true", help="draw in a window (OpenCV); Esc ends it"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return exit_code("hand_on_camera.py", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    """Read frames until they end, somebody stops it or `frames` is reached."""
    pose = HandPose.load(arguments.model, detector=arguments.detector, threads=arguments.threads)
    if arguments.picture is not None:
        frames = [Frame(read_picture(arguments.picture), 0.0, 0.0)] * (arguments.frames or 1)
        tracker = None
    else:
        frames = islice(camera_frames(arguments.camera), arguments.frames)
        tracker = HandTracker(pose, max_hands=arguments.max_hands)
    count, working, last_s, first = 0, 0.0, 0.0, time.perf_counter()
    try:
        for frame in frames:
            start = time.perf_counter()
            if tracker is None:
                hands = list(enumerate(pose.predict(frame.rgb, max_hands=arguments.max_hands)))
            else:
                hands = tracker.update(frame.rgb, frame.time_s - last_s)
            last_s, end = frame.time_s, time.perf_counter()
            print(json.dumps(line_of(count, hands, milliseconds=1000 * (end - start))), flush=True)
            count, working = count + 1, working + end - start
            if arguments.show and not show(frame.rgb, hands):
                break
    except KeyboardInterrupt:
        pass
    if count:
        print(
            f"{count} frames, {count / (time.perf_counter() - first):.1f} a second; hands took "
            f"{1000 * working / count:.1f} ms a frame",
            file=sys.stderr,
        )


def line_of(frame: int, hands: list[tuple[int, Hand]], *, milliseconds: float) -> dict:
    """What is printed about a frame: its hands with the numbers under which they are followed."""
    return {
        "frame": frame,
        "milliseconds": round(milliseconds, 2),
        "hands": [
            {
                "number": number,
                "handedness": hand.handedness,
                "p_right": None if hand.p_right is None else round(hand.p_right, 4),
                "score": round(hand.score, 4),
                "box": [round(value, 2) for value in hand.box],
                "uv_px": hand.uv_px.round(2).tolist(),
                "z_relative": hand.z_relative.round(4).tolist(),
                "confidence": hand.confidence.round(4).tolist(),
            }
            for number, hand in hands
        ],
    }


def read_picture(path: Path) -> np.ndarray:
    """A picture [H, W, 3] uint8 RGB, upright.

    Raises:
        UserError: if it cannot be read, or Pillow is missing.
    """
    if path.suffix.lower() == ".npy":
        try:
            rgb = np.lib.format.open_memmap(path, mode="r")  # a head alone takes no memory
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
            raise UserError(f"{path} must hold uint8 [H, W, 3]. It holds: {rgb.dtype} {rgb.shape}")
        return np.array(rgb)
    try:
        from kerashand import picture_files
    except ImportError as error:
        raise UserError("A picture needs Pillow (pip install pillow), or give .npy.") from error
    return picture_files.read(path)


def camera_frames(number: int) -> Iterator[Frame]:
    """Frames of a camera.

    Raises:
        UserError: if it cannot be opened or gives nothing more, or OpenCV is missing.
    """
    _opencv("A camera")
    from kerashand.video.camera import Camera

    camera = Camera(f"camera:{number}")
    yield from camera
    raise UserError(camera.complaint)


def show(rgb: np.ndarray, hands: list[tuple[int, Hand]]) -> bool:
    """Draw hands in a window; False once somebody pressed Esc."""
    cv2 = _opencv("--show")
    drawing = np.ascontiguousarray(rgb[:, :, ::-1])
    width = max(round(rgb.shape[0] / 200), 1)
    for _, hand in hands:
        ends = hand.uv_px.round().astype(int).tolist()
        for (parent, child), colour in zip(BONES, BONE_COLOURS.tolist(), strict=True):
            cv2.line(drawing, ends[parent], ends[child], colour[::-1], width, cv2.LINE_AA)
    try:
        cv2.imshow("hands", drawing)
        return cv2.waitKey(1) != 27
    except cv2.error as error:
        raise UserError("--show needs OpenCV with windows: pip install opencv-python") from error


def _opencv(what: str):
    try:
        import cv2
    except ImportError as error:
        raise UserError(f"{what} needs OpenCV: pip install opencv-python") from error
    return cv2


def at_least_one(text: str) -> int:
    """The number that an argument is."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {value}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
