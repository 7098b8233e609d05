"""`kerashand-predict`: finds hands in pictures, videos or a camera's picture and draws them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerashand import __version__
from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError

ASSUMED_SCALE_MM = {"wrist_middle_mcp": 92.0, "middle_mcp_pip": 45.0}
"""Length of the scale bone of a hand of middling size, where the user gives none."""
_MAX_HANDS = 16


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="kerashand-predict",
        description="Finds hands and their 21 joints in pixels and millimetres, and draws them.",
        epilog="Millimetres are those about the wrist. With --intrinsics and --scale-mm they are "
        "also given in the camera's frame.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures, folders, videos, or camera:0"
    )
    parser.add_argument(
        "--out", metavar="PATH", help="picture, video or folder to draw into (default: beside the "
        "input, NAME_pose.png or NAME_pose.mp4)",
    )  # fmt: skip
    parser.add_argument("--no-drawing", action="store_true", help="write no picture or video")
    parser.add_argument(
        "--json", metavar="FILE", help="write the hands, one line for each picture or frame"
    )
    parser.add_argument("--box", metavar="L,T,R,B", help="look in this box, in pixels, for a hand")
    parser.add_argument("--side", default="auto", choices=("auto", "left", "right"))
    parser.add_argument("--max-hands", type=int, default=2, help="(default: 2)")
    parser.add_argument(
        "--intrinsics", metavar="FX,FY,CX,CY", help="of the camera, in pixels of the picture"
    )
    parser.add_argument(
        "--scale-mm", type=float, metavar="MM", help="length of the hand from the wrist to the "
        "knuckle of the middle finger (default: that of a middling hand)",
    )  # fmt: skip
    parser.add_argument("--no-smoothing", action="store_true", help="videos: joints as measured")
    parser.add_argument("--show", action="store_true", help="videos: show them while they run")
    parser.add_argument("--model", metavar="FILE", help="another pose model, .tflite or .onnx")
    parser.add_argument("--finder", metavar="FILE", help="another finder, .tflite or .onnx")
    parser.add_argument("--threads", type=int, default=1, help="of the runtime (default: 1)")
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = build_parser().parse_args(argv)
    return exit_code("kerashand-predict", lambda: _Prediction(arguments).run())


class _Prediction:
    """One call of the command: its checked arguments, and what it does with each input."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        for name, low, high in (("max_hands", 1, _MAX_HANDS), ("threads", 1, 256)):
            value = getattr(arguments, name)
            if not low <= value <= high:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} must be {low} to {high}. Received: {value}")
        self.box = _numbers("--box", arguments.box, 4)
        if self.box and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise UserError(
                f"--box must be left,top,right,bottom with left < right and top < bottom. "
                f"Received: {arguments.box}"
            )
        self.intrinsics = _matrix(_numbers("--intrinsics", arguments.intrinsics, 4))
        if arguments.scale_mm is not None and not 0 < arguments.scale_mm < 1000:
            raise UserError(f"--scale-mm must be 0 to 1000. Received: {arguments.scale_mm}")
        if self.intrinsics is not None and arguments.scale_mm is None:
            raise UserError("--intrinsics needs --scale-mm: how large the hand is says how far.")

    def run(self) -> None:
        """Every input; the list of hands appears under its name when it is whole.

        Raises:
            UserError: For an input or output that cannot be read or written.
        """
        from kerashand.cli import media  # loads OpenCV
        from kerashand.files import write_text

        self.media = media
        inputs = self._inputs()
        self._check_outputs(inputs)
        from kerashand.runtime import HandPose

        arguments = self.arguments
        self.pose = HandPose.load(
            arguments.model, finder=arguments.finder, threads=arguments.threads
        )
        self.scale_mm = arguments.scale_mm or ASSUMED_SCALE_MM[self.pose.scale_bone]
        self.lines: list[str] = []
        for name, is_film in inputs:
            if is_film:
                self._film(name)
            else:
                self._picture(Path(name))
        if arguments.json:
            try:
                write_text(arguments.json, "".join(line + "\n" for line in self.lines))
            except OSError as error:
                raise UserError(
                    f"{arguments.json} cannot be written: {error.strerror or error}."
                ) from error
            print(f"{arguments.json}: {len(self.lines)} lines")

    def _inputs(self) -> list[tuple[str, bool]]:
        """(name, whether it is a video or camera) of everything to look at."""
        found: list[tuple[str, bool]] = []
        for name in self.arguments.inputs:
            if self.media.camera_number(name) is not None or self.media.is_video(name):
                found.append((name, True))
            else:
                found += [(str(path), False) for path in self.media.pictures_of(name)]
        return found

    def _check_outputs(self, inputs: list[tuple[str, bool]]) -> None:
        """Refuse before the work what could not be written after it."""
        arguments = self.arguments
        if arguments.out and arguments.no_drawing:
            raise UserError("--out and --no-drawing exclude each other.")
        if arguments.out and len(inputs) > 1:
            folder = Path(arguments.out).expanduser()
            if folder.suffix and not folder.is_dir():
                raise UserError(
                    f"--out must name a folder for {len(inputs)} inputs. Received: {arguments.out}"
                )
            folder.mkdir(parents=True, exist_ok=True)
        if arguments.json and not Path(arguments.json).expanduser().absolute().parent.is_dir():
            raise UserError(f"--json: the folder of {arguments.json} does not exist.")

    def _target(self, name: str, suffix: str) -> Path | None:
        """Where the drawing of an input goes."""
        if self.arguments.no_drawing:
            return None
        path = Path(name).expanduser()
        own = f"{path.stem or 'camera'}_pose{suffix}".replace(":", "")
        if self.arguments.out is None:
            return path.with_name(own)
        out = Path(self.arguments.out).expanduser()
        return out / own if out.is_dir() else out

    # ------------------------------------------------------------------------------ pictures

    def _picture(self, path: Path) -> None:
        rgb = self.media.read_picture(path)
        hands = self.pose.predict(
            rgb,
            box=self.box,
            side=self.arguments.side,
            intrinsics=self.intrinsics,
            scale_mm=self.arguments.scale_mm,
            max_hands=self.arguments.max_hands,
        )
        numbered = list(enumerate(hands))
        self.lines.append(json.dumps({"input": str(path), "hands": self._records(numbered)}))
        print(f"{path}: {_count(len(hands))}")
        for number, hand in numbered:
            print(self._table(number, hand))
        target = self._target(str(path), ".png")
        if target is not None:
            from kerashand import visualize

            try:
                visualize.save_png(target, draw(rgb, numbered))
            except (OSError, ValueError) as error:
                raise UserError(f"{target} cannot be written: {error}") from error
            print(f"drawn in {target}")

    def _table(self, number: int, hand) -> str:
        """The joints of a hand in pixels and millimetres."""
        from kerashand.skeleton import JOINT_NAMES

        assumed = "" if self.arguments.scale_mm else f" of a hand of {self.scale_mm:.0f} mm"
        rows = [
            f"hand {number}: {hand.side}, score {hand.score:.2f}; pixels u v, millimetres x y z "
            f"about the wrist{assumed}"
        ]
        if hand.root_depth_mm is not None:
            rows[0] += f"; the wrist is {hand.root_depth_mm:.0f} mm away"
        xyz = hand.xyz_relative * self.scale_mm
        for name, (u, v), (x, y, z) in zip(JOINT_NAMES, hand.uv_px, xyz, strict=True):
            rows.append(f"  {name:<11} {u:8.1f} {v:8.1f} {x:9.1f} {y:7.1f} {z:7.1f}")
        return "\n".join(rows)

    def _records(self, numbered) -> list[dict[str, Any]]:
        """Hands as JSON has them."""
        records = []
        for number, hand in numbered:
            record = {
                "number": number,
                "side": hand.side,
                "score": round(hand.score, 4),
                "box": [round(value, 2) for value in hand.box],
                "uv_px": _rounded(hand.uv_px, 2),
                "joint_scores": _rounded(hand.joint_scores, 4),
                "z_relative": _rounded(hand.z_relative, 4),
                "xyz_about_wrist_mm": _rounded(hand.xyz_relative * self.scale_mm, 2),
                "scale_bone": self.pose.scale_bone,
                "scale_mm": self.scale_mm,
                "scale_assumed": self.arguments.scale_mm is None,
            }
            if hand.xyz_mm is not None:
                record["xyz_camera_mm"] = _rounded(hand.xyz_mm, 2)
                record["root_depth_mm"] = round(hand.root_depth_mm, 2)
            records.append(record)
        return records

    # -------------------------------------------------------------------------------- videos

    def _film(self, name: str) -> None:
        from contextlib import ExitStack

        from rich.progress import Progress

        from kerashand.runtime.tracker import HandTracker

        if self.box:
            raise UserError("--box is for pictures. Received: a video")
        video = self.media.Video(name)
        live = video.camera is not None
        tracker = HandTracker(
            self.pose,
            max_hands=self.arguments.max_hands,
            smooth=not self.arguments.no_smoothing,
            intrinsics=self.intrinsics,
            scale_mm=self.arguments.scale_mm,
        )
        target = None if live and not self.arguments.out else self._target(name, ".mp4")
        count, seen, working, last = 0, 0, 0.0, time.monotonic()
        with ExitStack() as stack:
            write = show = None
            if self.arguments.show or live:
                from kerashand.cli.window import Window

                show = stack.enter_context(Window(f"kerashand: {name}")).show
            progress = stack.enter_context(Progress(disable=not sys.stderr.isatty()))
            task = progress.add_task("frames", total=video.frames or None)
            try:
                for rgb in video:
                    now = time.monotonic()
                    hands = tracker.update(rgb, now - last if live else 1.0 / video.fps)
                    working += time.monotonic() - now
                    last = now
                    line = {"input": name, "frame": count, "hands": self._records(hands)}
                    self.lines.append(json.dumps(line))
                    count, seen = count + 1, seen + bool(hands)
                    if target is not None or show is not None:
                        drawing = draw(rgb, hands)
                        if target is not None and write is None:
                            size = drawing.shape[1::-1]
                            write = stack.enter_context(
                                self.media.video_writer(target, fps=video.fps, size_px=size)
                            )
                        if write is not None:
                            write(drawing)
                        if show is not None and not show(drawing):
                            break
                    progress.advance(task)
            except KeyboardInterrupt:
                if not live:
                    raise
        speed = count / max(working, 1e-9)
        print(f"{name}: {count} frames, hands in {seen}, {speed:.1f} frames a second")
        if target is not None:
            print(f"drawn in {target}")


def draw(rgb, numbered):
    """A picture with the skeletons and sides of its hands: uint8 RGB."""
    import cv2

    from kerashand.visualize import draw_skeleton

    drawing = rgb
    for _, hand in reversed(numbered):
        drawing = draw_skeleton(drawing, hand.uv_px, scale=1)
    if not numbered:
        return rgb.copy()
    size = max(drawing.shape[0] / 500.0, 0.35)
    for number, hand in numbered:
        place = (round(hand.box[0]), max(round(hand.box[1] - 6 * size), round(14 * size)))
        text = f"{number} {hand.side} {hand.score:.2f}"
        for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            thickness = max(round(width * size), 1)
            cv2.putText(
                drawing, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * size, colour, thickness,
                cv2.LINE_AA,
            )  # fmt: skip
    return drawing


def _rounded(array, digits: int):
    return [
        [round(float(v), digits) for v in row] if getattr(row, "ndim", 0) else
        round(float(row), digits)
        for row in array
    ]  # fmt: skip


def _count(hands: int) -> str:
    return "no hand" if hands == 0 else "1 hand" if hands == 1 else f"{hands} hands"


def _numbers(flag: str, text: str | None, count: int) -> list[float] | None:
    """Comma-separated finite numbers of an argument."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(abs(value) < 1e9 for value in values):
        raise UserError(f"{flag} must be {count} numbers with commas between. Received: {text!r}")
    return values


def _matrix(values: list[float] | None) -> list[list[float]] | None:
    """Intrinsics [3][3] of fx, fy, cx, cy."""
    if values is None:
        return None
    fx, fy, cx, cy = values
    if not (fx > 0 and fy > 0):
        raise UserError(f"--intrinsics must have positive fx and fy. Received: {fx:g}, {fy:g}")
    return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]


if __name__ == "__main__":
    raise SystemExit(main())
