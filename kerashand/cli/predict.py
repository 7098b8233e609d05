"""`kerashand-predict`: finds hands in pictures, videos or a camera's picture and draws them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from kerashand import __version__
from kerashand.cli import camera_options
from kerashand.cli.arguments import exit_code, writing
from kerashand.cli.hand_lines import HandLines, HandRows, records_of
from kerashand.cli.motion_files import MotionFiles, add_export_arguments
from kerashand.cli.rerun_log import RerunLog, add_rerun_argument, check_target, file_of
from kerashand.cli.searching import Search, add_search_arguments
from kerashand.errors import UserError, number_of
from kerashand.extras import check

_MAX_THREADS = 256


def build_parser(prog: str = "kerashand-predict") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Finds hands and their 21 joints in pixels and millimetres, and draws them.",
        epilog="Example: %(prog)s photo.jpg clip.mp4 --out drawings --json hands.jsonl. "
        "Joints are the wrist, then thumb, index, middle, ring and little finger, four each from "
        "the palm to the tip. Millimetres are those about the wrist (x right, y down, z away); "
        "with --intrinsics and --scale-mm they are also given in the camera's frame.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders, videos, or 0 (or camera:0) for the first camera",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="also read the folders inside a folder"
    )
    parser.add_argument(
        "--out", metavar="PATH", help="picture (.png), video or folder to draw into (default: "
        "beside the input, NAME_pose.png or NAME_pose.mp4); small pictures are enlarged",
    )  # fmt: skip
    parser.add_argument("--no-drawing", action="store_true", help="write no picture or video")
    parser.add_argument(
        "--json", metavar="FILE", help="write a line of JSON for each picture or frame; "
        "- for the terminal",
    )  # fmt: skip
    add_export_arguments(parser)
    add_rerun_argument(parser)
    add_search_arguments(parser)
    parser.add_argument(
        "--intrinsics", metavar="FX,FY,CX,CY", help="intrinsics of the camera, in pixels of the "
        "upright picture; needs --scale-mm",
    )  # fmt: skip
    parser.add_argument(
        "--scale-mm", type=float, metavar="MM", help="length of the person's hand from the wrist "
        "to the knuckle of the middle finger (default: average, 92 for the packaged model)",
    )  # fmt: skip
    parser.add_argument(
        "--view", default="2d", choices=("2d", "3d"), help="3d: also draw the hands in 3D, in a "
        "panel beside the picture; in videos it turns (default: 2d)",
    )  # fmt: skip
    parser.add_argument("--no-smoothing", action="store_true", help="videos: do not smooth joints")
    parser.add_argument("--show", action="store_true", help="videos: also show them in a window")
    parser.add_argument("--model", metavar="FILE", help="another pose model, .tflite or .onnx")
    parser.add_argument("--detector", metavar="FILE", help="another detector, .tflite or .onnx")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads of the runtime (default: 1)"
    )
    parser.add_argument("--version", action="version", version=f"kerashand {__version__}")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand-predict") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    return exit_code(prog, lambda: _Prediction(arguments, prog).run())


class _Prediction:
    """One call of the command: its checked arguments, and what it does with each input."""

    def __init__(self, arguments: argparse.Namespace, prog: str):
        self.arguments, self.prog = arguments, prog
        if not 1 <= arguments.threads <= _MAX_THREADS:
            raise UserError(f"--threads must be 1 to {_MAX_THREADS}. Received: {arguments.threads}")
        self.search = Search(arguments)
        self.intrinsics = camera_options.intrinsics_of(arguments.intrinsics)
        if self.intrinsics is not None and arguments.scale_mm is None:
            raise UserError("--intrinsics needs --scale-mm: how large the hand is says how far.")

    def run(self) -> None:
        """Every input; what goes wrong with one of several does not stop the others.

        Raises:
            UserError: For an input or output that cannot be read or written.
        """
        os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
        from kerashand.cli import jobs  # loads Pillow
        from kerashand.cli.drawing import Drawer
        from kerashand.runtime import HandPose

        arguments, skipped = self.arguments, Counter[str]()
        planned = self._planned(skipped)
        self.pose = HandPose.load(
            arguments.model, detector=arguments.detector, threads=arguments.threads
        )
        self.scale_mm = camera_options.scale_of(arguments.scale_mm, self.pose.scale_bone)
        self.drawer = Drawer(
            arguments.view, scale_bone=self.pose.scale_bone, scale_mm=self.scale_mm
        )
        # Every joint of one picture; of several, and beside JSON in the terminal, hands alone.
        self.joints_told = len(planned) == 1 and arguments.json != "-"
        self.recording = RerunLog(
            arguments.rerun, planned, scale_mm=self.scale_mm, intrinsics=self.intrinsics
        )
        with (
            HandLines(arguments.json) as self.lines,
            HandRows(arguments.csv) as self.rows,
            self.recording,
        ):
            try:
                failed = self._each(planned)
                self.lines.done()
                self.rows.done()
            finally:  # also of what an error or Ctrl-C ends
                told = (
                    self.lines.summary,
                    self.rows.summary,
                    self.recording.summary,
                    jobs.skipped_text(skipped),
                )
                for summary in (*told, *self.search.summary()):
                    if summary is not None:
                        self._say(summary)
        if failed:
            raise UserError(f"{failed} of {len(planned)} inputs could not be used.")

    def _planned(self, skipped: Counter[str]) -> list:
        """A job for each input; all that can be checked before the models are loaded is."""
        from kerashand.cli import jobs
        from kerashand.cli.drawing import check_view

        arguments = self.arguments
        planned = jobs.plan(
            arguments.inputs,
            out=arguments.out,
            drawing=not arguments.no_drawing,
            recursive=arguments.recursive,
            skipped=skipped,
            files={
                "--json": arguments.json,
                "--csv": arguments.csv,
                "--rerun": file_of(arguments.rerun),
                **MotionFiles.named(arguments),
            },
            read={
                "--boxes": arguments.boxes,
                "--model": arguments.model,
                "--detector": arguments.detector,
            },
        )
        MotionFiles.check(arguments, planned)
        check_target(arguments.rerun)
        check_view(arguments.view, planned, show=arguments.show)
        if arguments.show and (still := [job.name for job in planned if not job.is_film]):
            raise UserError(f"--show is for videos and cameras. Received: the picture {still[0]}")
        self.search.check(planned)
        for job in planned:
            if job.is_film:
                check("a video" if job.path else "a camera", job.name)
        if any(job.is_film and job.target is not None for job in planned):
            from kerashand.video.writing import check_encoder

            check_encoder()
        return planned

    def _each(self, planned) -> int:
        """Work through the inputs; of several, how many could not be used."""
        failed = 0
        for job in planned:
            try:
                (self._film if job.is_film else self._picture)(job)
            except UserError as error:
                if len(planned) == 1:
                    raise
                failed += 1
                self._warn(str(error))
                self.lines.add({"input": job.name, "error": str(error)})
        return failed

    def _warn(self, text: str) -> None:
        print(f"{self.prog}: {text}", file=sys.stderr)

    def _say(self, text: str) -> None:
        """Tell people; the terminal belongs to the list of hands if that goes there."""
        print(text, file=sys.stderr if self.arguments.json == "-" else sys.stdout)

    # ------------------------------------------------------------------------------ pictures

    def _picture(self, job) -> None:
        from kerashand.cli.media import read_picture
        from kerashand.gestures import gesture_of

        rgb = read_picture(job.path)
        camera_options.check_whole(self.intrinsics, rgb)
        camera = {"intrinsics": self.intrinsics, "scale_mm": self.arguments.scale_mm}
        before = self.search.left_out
        hands = self.search.hands(self.pose, job, rgb, camera=camera)
        numbered = list(enumerate(hands))
        gestures = {number: gesture_of(hand) for number, hand in numbered}
        self._add({"input": job.name, "hands": self._records(numbered, gestures)})
        self.recording.add(job.name, rgb, numbered)
        self._say(f"{job.name}: {_number(len(hands), 'hand')}")
        if not hands and self.search.left_out == before:
            self._say("  --box L,T,R,B says where one is.")
        for number, hand in numbered:
            self._say(self._line(number, hand, gestures[number]))
            if self.joints_told:
                self._say(self._table(hand))
        if job.target is not None:
            from kerashand import visualize

            with writing(job.target):
                visualize.save_png(job.target, self.drawer.picture(rgb, numbered))
            self._say(f"drawn in {job.target}")

    def _add(self, record: dict[str, Any]) -> None:
        self.lines.add(record)
        self.rows.add(record)

    def _line(self, number: int, hand, gesture) -> str:
        """What is known of a hand beside its joints."""
        from kerashand.cli.drawing import SURE_SCORE
        from kerashand.geometry.root_depth import MIN_DEPTH_MM
        from kerashand.gestures import in_words

        unsure = "" if hand.score >= SURE_SCORE else " (unsure)"
        away = hand.root_depth_mm
        far = "" if away is None else f"; the wrist is {away:.0f} mm away"
        if away == MIN_DEPTH_MM:
            far = f"; nearer than {away:.0f} mm, so --intrinsics or --scale-mm is wrong"
        shown = f"; {in_words(gesture)}"
        return f"  hand {number}: {hand.handedness}, score {hand.score:.2f}{unsure}{shown}{far}"

    def _table(self, hand) -> str:
        """The joints of a hand in pixels and millimetres."""
        from kerashand.skeleton import JOINT_NAMES

        assumed = "" if self.arguments.scale_mm else f" of a hand of {self.scale_mm:.0f} mm"
        rows = [f"  pixels u v; millimetres x y z about the wrist{assumed}"]
        xyz = hand.xyz_relative * self.scale_mm
        for name, (u, v), (x, y, z) in zip(JOINT_NAMES, hand.uv_px, xyz, strict=True):
            rows.append(f"  {name:<11} {u:8.1f} {v:8.1f} {x:9.1f} {y:7.1f} {z:7.1f}")
        return "\n".join(rows)

    def _records(self, numbered, gestures) -> list[dict[str, Any]]:
        return records_of(
            numbered,
            gestures,
            scale_bone=self.pose.scale_bone,
            scale_mm=self.scale_mm,
            scale_assumed=self.arguments.scale_mm is None,
        )

    # -------------------------------------------------------------------------------- videos

    def _film(self, job) -> None:
        from contextlib import ExitStack

        from kerashand.progress import progress
        from kerashand.runtime.tracker import HandTracker
        from kerashand.video import open_video

        video = open_video(job.name)
        tracker = HandTracker(
            self.pose,
            max_hands=self.search.max_hands,
            tiles=self.search.tiles,
            smooth=not self.arguments.no_smoothing,
            intrinsics=self.intrinsics,
            scale_mm=self.arguments.scale_mm,
        )
        from kerashand.gestures import GestureFilter

        gestures, motions = GestureFilter(), MotionFiles(self.arguments, self.scale_mm)
        count, seen, working, last_s = 0, 0, 0.0, None
        with ExitStack() as stack:
            take = self._taker(job, video, stack)
            advance = stack.enter_context(progress(job.name, video.frames or None, "frames"))
            try:
                for frame in camera_options.checked(self.intrinsics, video):
                    start = time.monotonic()
                    seconds = frame.duration_s if last_s is None else frame.time_s - last_s
                    hands, last_s = tracker.update(frame.rgb, seconds), frame.time_s
                    hands = self.search.kept_numbered(hands)
                    working += time.monotonic() - start
                    self._add(
                        {
                            "input": job.name, "frame": count, "time_s": round(frame.time_s, 6),
                            "hands": self._records(hands, gestures.update(hands)),
                        }
                    )  # fmt: skip
                    motions.add(frame, hands)
                    self.recording.add(
                        job.name, frame.rgb, hands, number=count, time_s=frame.time_s
                    )
                    count, seen = count + 1, seen + bool(hands)
                    if not take(frame, hands):
                        break
                    advance(1)
            except KeyboardInterrupt:
                if not video.live:
                    for told in motions.write(stopped=True):
                        self._say(told)
                    raise
        speed = count / max(working, 1e-9)
        self._say(
            f"{job.name}: {_number(count, 'frame')}, hands in {seen}, {speed:.1f} frames a second"
        )
        if video.complaint is not None:
            self._warn(video.complaint)
        for told in motions.write():
            self._say(told)
        if job.target is not None:
            self._say(f"drawn in {job.target}")

    def _taker(self, job, video, stack) -> Callable[[Any, Any], bool]:
        """A function that draws a frame with its hands; False once the window has been closed."""
        show = write = None
        if self.arguments.show or video.live:
            from kerashand.cli.window import Window

            show = stack.enter_context(Window(f"kerashand: {job.name}")).show

        def take(frame, hands) -> bool:
            nonlocal write
            if job.target is None and show is None:
                return True
            from kerashand.video.writing import film_writer

            drawn = self.drawer.frame(frame.rgb, hands, time_s=frame.time_s)
            drawing = dataclasses.replace(frame, rgb=drawn)
            if job.target is not None and write is None:
                size_px = drawing.rgb.shape[1::-1]
                write = stack.enter_context(film_writer(job.target, size_px=size_px, fps=video.fps))
            if write is not None:
                write(drawing)
            return show is None or show(drawing.rgb)

        return take


def _number(count: int, what: str) -> str:
    return number_of(count, what) if count else f"no {what}"


if __name__ == "__main__":
    raise SystemExit(main())
