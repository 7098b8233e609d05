"""`kerashand-data simulate`: a recording of a rendered hand, with its true joints."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from kerashand.cli.arguments import check_backgrounds, writing
from kerashand.data.cache import encode_jpeg
from kerashand.data.imports.lens import Lens
from kerashand.data.imports.source import Cameras
from kerashand.data.imports.writer import recording_text
from kerashand.data.readers.recording import RECORDING_FILE
from kerashand.errors import UserError
from kerashand.files import check_replaceable, user_path, write_text, written_beside
from kerashand.progress import progress
from kerashand.synthetic.recording import SIZE_PX, SimulatedRecording

TRUTH_FILE = "truth.npz"
MOST_FRAMES = 100_000


def simulate(arguments: argparse.Namespace) -> None:
    """Write a recording.

    Raises:
        UserError: if the folder holds files, or cannot be written.
    """
    folder = user_path(arguments.folder)
    if not 2 <= arguments.frames <= MOST_FRAMES:
        raise UserError(f"--frames must be 2 to {MOST_FRAMES}. Received: {arguments.frames}")
    if not 1 <= arguments.every <= MOST_FRAMES // arguments.frames:
        raise UserError(
            f"--every must be 1 to {MOST_FRAMES // arguments.frames}, for --frames "
            f"{arguments.frames}. Received: {arguments.every}"
        )
    if arguments.seed < 0:
        raise UserError(f"--seed must be at least 0. Received: {arguments.seed}")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds files already. Name an empty or a new folder.")
    check_replaceable(folder)
    check_backgrounds(arguments.backgrounds)
    recording = SimulatedRecording(
        arguments.scene, arguments.seed, arguments.frames, every=arguments.every,
        backgrounds=arguments.backgrounds,
    )  # fmt: skip
    with writing(folder):
        write_simulated(folder, recording)
    print(
        f"{folder}: {recording.frames} frames of a hand, scene {recording.scene}. {TRUTH_FILE} "
        f"holds the true joints. Next: kerashand-data label {folder}"
    )


def write_simulated(folder: Path, recording: SimulatedRecording) -> None:
    """Write all frames, the cameras and the truth: `frame` [N], `uv_px`, `xyz_mm`.

    The folder appears when it is whole.
    """
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with written_beside(folder, folder=True, empty=True) as beside:
        for name in ("colour", "depth"):
            (beside / name).mkdir(parents=True)
        with progress("rendering frames", recording.frames, "frames") as advance:
            truth = [
                _write_frame(beside, recording, number, advance=advance)
                for number in range(recording.frames)
            ]
        np.savez_compressed(
            beside / TRUTH_FILE,
            frame=np.array([frame_name(number) for number in range(recording.frames)]),
            uv_px=np.array([uv for uv, _ in truth], np.float32),
            xyz_mm=np.array([xyz for _, xyz in truth], np.float32),
        )
        lens = Lens(SIZE_PX, np.round(recording.intrinsics, 3))
        text = recording_text(
            Cameras(lens, lens, 1.0, None), round(recording.palm_mm, 1),
            [f"Simulated: scene {recording.scene}, seed {recording.seed}, every {recording.every}"],
        )  # fmt: skip
        write_text(beside / RECORDING_FILE, text)


def frame_name(number: int) -> str:
    """Name of a frame."""
    return f"{number:05d}"


def _write_frame(folder: Path, recording: SimulatedRecording, number: int, *, advance):
    frame, name = recording.frame(number), frame_name(number)
    (folder / f"colour/{name}.jpg").write_bytes(encode_jpeg(frame.image))
    cv2.imwrite(str(folder / f"depth/{name}.png"), frame.depth_mm)
    advance(1)
    return frame.uv_px, frame.xyz_mm
