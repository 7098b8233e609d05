"""`kerashand-data label`: 2D points for the frames of a recording, by a machine."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerashand import picture_files
from kerashand.agreement import size_doubt
from kerashand.cli.agreeing import compare_recording, depth_reader
from kerashand.cli.arguments import writing
from kerashand.cli.boxes import checked_box
from kerashand.cli.recordings import print_listed
from kerashand.cli.startup import show_messages
from kerashand.data.kinds import rgbd
from kerashand.data.readers.checks import find_problems
from kerashand.data.readers.recording import (
    POINTS_FILE,
    Pictures,
    Recording,
    load_points,
    load_recording,
    point_lines,
)
from kerashand.data.readers.table import depth_seen, picture_problem
from kerashand.data.readers.units import Measure, check_units
from kerashand.errors import UserError
from kerashand.files import user_path, write_text
from kerashand.labelling import Camera, Finder, Labeller, Points
from kerashand.progress import progress
from kerashand.runtime import HandPose
from kerashand.runtime.hand import Hand
from kerashand.skeleton import NUM_JOINTS

MOST_HANDS = 3
"""Of a frame that are compared with depth."""


def label(arguments: argparse.Namespace) -> None:
    """Add points to the frames of a recording that have none.

    Raises:
        UserError: if the folder is no recording, or the predictor is not there.
    """
    folder = user_path(arguments.folder)
    if not 0.0 <= arguments.least_score <= 1.0:
        raise UserError(f"--least-score must be 0 to 1. Received: {arguments.least_score}")
    box = _start_box(arguments.box)
    recording, pictures = load_recording(folder), Pictures.of(folder)
    path = folder / POINTS_FILE
    lines = _lines(folder)
    named = {row["frame"] for row in load_points(folder)} if lines else set()
    missing = [frame for frame in pictures.colour if frame not in named]
    reader = FrameReader(recording, pictures)
    readable = [frame for frame in missing if reader.can_read(frame)]
    show_messages()
    with contextlib.ExitStack() as at_end:
        finder, unit = PREDICTORS[arguments.predictor](arguments, at_end)
        labeller = Labeller(
            dataclasses.replace(finder, by_depth=depth_reader()),
            _camera(recording, *unit),
            least_score=arguments.least_score,
            handedness=arguments.handedness,
        )
        stopped, kept = True, list[str]()
        try:
            _follow_both_ways(labeller, readable, reader, box=box)
            stopped = False
        finally:  # what was found is kept when somebody stops it
            found = labeller.points()
            rows = {frame: _row(frame, found[frame]) for frame in missing if frame in found}
            problems = _problems(rows, recording, pictures)
            good = {frame: row for frame, row in rows.items() if frame not in problems}
            fault, doubts = _doubts(labeller, good, reader, stopped=stopped)
            if good and fault is None:
                kept = _add(path, good, lines)
            if stopped:  # else it is said at the end
                print_listed([f"No points were written: {fault}"] if fault else doubts)
    print_listed(f"left out: {text}" for text in (*reader.unreadable.values(), *problems.values()))
    if not (kept or named) and labeller.misfits and fault is None:
        _check_units_of(labeller.misfits, recording, pictures)
    seen = [frame for frame in readable if frame not in reader.unreadable]
    for reason, count in labeller.left_out(seen).most_common():
        print(f"frames left out because {reason}: {count}")
    if fault is not None:
        raise UserError(f"{folder}: {fault} No points were written.")
    for doubt in doubts:
        print(f"WARNING: {doubt}")
    print(
        f"{path}: hands in {len(kept)} of {len(missing)} frames without points, {len(named)} had "
        f"some. Look at them: kerashand-data check {folder} --sheet sheet.png"
    )


def _add(path: Path, rows: dict[str, dict], lines: list[str]) -> list[str]:
    """Add rows to points.jsonl; returns the frames that were added.

    Args:
        path: of points.jsonl.
        rows: frame -> its row.
        lines: of the file as it was read before.
    """
    now = _lines(path.parent)
    given = _frames_of(set(now) - set(lines))  # in the meantime, by somebody else
    kept = [frame for frame in rows if frame not in given]
    new = [json.dumps(rows[frame]) for frame in kept]
    with writing(path):
        write_text(path, "\n".join([*now, *new]) + "\n")
    return kept


def _doubts(
    labeller: Labeller, rows: dict[str, dict], reader: FrameReader, *, stopped: bool
) -> tuple[str | None, list[str]]:
    """Why depth does not belong to colour, None if nothing says so; and what is in doubt."""
    model, seen = labeller.finder.by_depth, labeller.seen_twice()
    doubts = [text for text in [_side_doubt(labeller), size_doubt(labeller.size_ratios)] if text]
    if model is None:
        return None, doubts
    found = compare_recording(
        labeller.misfits | {frame: hand for frame, (hand, _) in seen.items()},
        recording=reader.recording,
        pictures=reader.pictures,
        model=model,
        depth_px={frame: uv for frame, (_, uv) in seen.items()},
        again=not stopped,
    )
    if found is None or found.text is None:
        return None, doubts
    if found.is_wrong:
        return found.text, doubts
    if found.is_gross and not stopped:
        hands = {frame: seen[frame][0] for frame in rows if frame in seen}
        measure = _check_units_of(hands, reader.recording, reader.pictures)
        if measure is not None and measure.doubt is not None:
            return f"{found.text} Also, {measure.doubt}.", doubts
        if len(labeller.misfits) > len(seen):
            return f"{found.text} Also, most hands do not fit their distance.", doubts
    return None, [found.text]  # hands of a wrong size follow from it


def _side_doubt(labeller: Labeller) -> str | None:
    """What is said where most frames show a hand of the other side than the one asked for."""
    others, sure = len(labeller.other_side), len(labeller.sure)
    if others <= sure:
        return None
    return (
        f"--handedness {labeller.handedness} may be wrong: a hand of the other side was found in "
        f"{others} frames, one of this side in {sure}. It is that of the person, not as in a mirror"
    )


def _lines(folder: Path) -> list[str]:
    """The lines of points.jsonl; none where it is not there."""
    return [line for _, line in point_lines(folder)] if (folder / POINTS_FILE).exists() else []


def _frames_of(lines: Iterable[str]) -> set[str]:
    """The frames that lines of points.jsonl name; one that is wrong names none."""
    frames = set()
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            frames.add(json.loads(line)["frame"])
    return frames


def _follow_both_ways(labeller: Labeller, frames: list[str], reader: FrameReader, *, box) -> None:
    with progress("looking for the hand", len(frames), "frames") as advance:
        for _ in labeller.forwards(frames, reader.read, box=box):
            advance(1)
    if labeller.finder.follow is not None:
        with progress("following it backwards", len(frames), "frames") as advance:
            for _ in labeller.backwards(frames, reader.read):
                advance(1)


def _start_box(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else checked_box(text.split(","))
    except UserError as error:
        raise UserError(f"--box {error}. Received: {text}") from error


class FrameReader:
    """Pictures and depth of frames.

    Attributes:
        unreadable: frames whose picture cannot be used, and what is wrong with it.
    """

    def __init__(self, recording: Recording, pictures: Pictures):
        self.recording, self.pictures = recording, pictures
        self.unreadable: dict[str, str] = {}

    def can_read(self, frame: str) -> bool:
        """Whether the picture of a frame is whole and of the right size, by its head."""
        path = self.pictures.colour[frame]
        try:
            problem = picture_problem(picture_files.read_head(path), self.recording.size_px)
        except picture_files.PictureError as error:
            problem = error.reason
        if problem:
            self.unreadable[frame] = f"{path}: {problem}"
        return not problem

    def read(self, frame: str):
        """Picture [H, W, 3] uint8, and depth [H, W] in mm or None; None where no picture is."""
        try:
            rgb = picture_files.read(self.pictures.colour[frame])
        except picture_files.PictureError as error:  # damaged behind its head
            self.unreadable.setdefault(frame, f"{self.pictures.colour[frame]}: {error.reason}")
            return None
        try:
            table = rgbd.frames_table(
                self.pictures.root, self.recording, [frame], pictures=self.pictures
            )
            return rgb, depth_seen(table, 0)
        except picture_files.PictureError:
            return rgb, None  # named when the row is checked


def _camera(recording: Recording, scale_bone: str, depth_along: str) -> Camera:
    lengths = {
        "wrist_middle_mcp": recording.wrist_middle_mcp_mm,
        "middle_mcp_pip": recording.middle_mcp_pip_mm,
    }
    return Camera(
        intrinsics=recording.intrinsics,
        palm_mm=recording.wrist_middle_mcp_mm,
        scale_bone=scale_bone,
        scale_mm=lengths[scale_bone],
        depth_along=depth_along,
    )


def _row(frame: str, points: Points) -> dict[str, Any]:
    row = {
        "frame": frame,
        "handedness": points.handedness,
        "score": round(float(points.score), 4),
        "uv_px": np.round(points.uv_px, 2).tolist(),
        "weight": np.round(np.clip(points.weight, 0.0, 1.0), 3).tolist(),
    }
    if points.z_mm is not None:
        row["z_mm"] = np.round(points.z_mm, 1).tolist()
    return row


def _problems(rows: dict[str, dict], recording: Recording, pictures: Pictures) -> dict[str, str]:
    """Why training could not use rows that were found, by frame."""
    if not rows:
        return {}
    keys = ("uv_px", "weight", "z_mm")
    checked = [
        {**row, **{key: np.array(row[key]) for key in keys if key in row}} for row in rows.values()
    ]
    table = rgbd.table_of(pictures.root, recording, checked, pictures=pictures, split="train")
    frames = list(rows)
    return {frames[number]: text for number, text in find_problems(table)}


def _check_units_of(
    hands: dict[str, Hand], recording: Recording, pictures: Pictures
) -> Measure | None:
    """Measure hands; raise UserError where they are implausible, with what would explain it.

    Args:
        hands: of frames; they were found in colour.
        recording: its cameras.
        pictures: of its frames.
    """
    if not hands:
        return None
    rows = [
        {
            "frame": frame,
            "handedness": hand.handedness,
            "uv_px": hand.uv_px,
            "weight": np.ones(NUM_JOINTS),
        }
        for frame, hand in hands.items()
    ]
    return check_units(
        rgbd.table_of(pictures.root, recording, rows, pictures=pictures, split="train")
    )


# -------------------------------------------------------------------------------- predictors


Unit = tuple[str, str]
"""The scale bone of a predictor's relative depth, and what it is measured along."""


def _own_predictor(
    arguments: argparse.Namespace, at_end: contextlib.ExitStack
) -> tuple[Finder, Unit]:
    model = HandPose.load(arguments.model, detector=arguments.detector)
    passes = model.recipe.passes  # also where one is sure: labels are to be as good as they can be

    def read_box(rgb, box, handedness: str) -> Hand:
        return model.predict(rgb, box=box, handedness=handedness, passes=passes)[0]

    finder = Finder(
        find=lambda rgb: model.predict(rgb, max_hands=MOST_HANDS, passes=passes),
        follow=model.follow,
        read_box=read_box,
    )
    return finder, (model.scale_bone, model.depth_along)


def _mediapipe_predictor(
    arguments: argparse.Namespace, at_end: contextlib.ExitStack
) -> tuple[Finder, Unit]:
    """MediaPipe's Hand Landmarker, which names sides as they are, not as in a mirror."""
    if arguments.model is None or arguments.detector is not None:
        raise UserError(
            "--with mediapipe needs `--model hand_landmarker.task`, a file that MediaPipe's Hand "
            "Landmarker page offers, and takes no --detector."
        )
    if not user_path(arguments.model).is_file():
        raise UserError(f"--model: {arguments.model} does not exist.")
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise UserError(
            f"--with mediapipe: {error}. It needs MediaPipe 0.10.30 or later: `pip install "
            "--no-deps mediapipe` (what this needs of its dependencies is here already, and its "
            "own OpenCV would overwrite the one that is). Points of any other program do too: "
            "docs/recording.md shows how."
        ) from error
    base = BaseOptions(model_asset_path=str(user_path(arguments.model)))
    try:
        hands = vision.HandLandmarker.create_from_options(
            vision.HandLandmarkerOptions(base_options=base, num_hands=1)
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"MediaPipe cannot read {arguments.model}: {error}") from error
    at_end.callback(hands.close)  # it fails when it is left to the end of Python

    def find(rgb: np.ndarray) -> Sequence[Hand]:
        found = hands.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
        if not found.hand_landmarks:
            return []
        landmarks = found.hand_landmarks[0]
        width = rgb.shape[1]
        points = np.array([[point.x, point.y] for point in landmarks])
        # Its z has the scale of x: pixels of the picture's width.
        depth = np.array([point.z for point in landmarks]) * width
        uv = points * np.array(rgb.shape[1::-1], float) - 0.5
        palm_px = max(float(np.linalg.norm(np.append(uv[9] - uv[0], depth[9] - depth[0]))), 1.0)
        handedness = found.handedness[0][0]
        return [
            Hand(
                handedness=handedness.category_name.lower(),
                uv_px=uv,
                z_relative=(depth - depth[0]) / palm_px,
                confidence=np.ones(NUM_JOINTS),
                xyz_relative=np.zeros((NUM_JOINTS, 3)),
                score=float(handedness.score),
            )
        ]

    return Finder(find), ("wrist_middle_mcp", "line_of_sight")


PREDICTORS = {"kerashand": _own_predictor, "mediapipe": _mediapipe_predictor}
"""(arguments, what closes at the end) -> what finds hands, and its unit."""
