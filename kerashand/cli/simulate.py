"""`kerashand-data simulate`: a recording of a rendered hand, with its true joints."""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from kerashand.cli.arguments import writing
from kerashand.errors import UserError
from kerashand.files import user_path, write_text
from kerashand.progress import progress
from kerashand.synthetic.recording import SIZE_PX, SimulatedRecording

TRUTH_FILE = "truth.npz"
JPEG_QUALITY = 92
MOST_FRAMES = 100_000


def simulate(arguments: argparse.Namespace) -> None:
    """Write a recording.

    Raises:
        UserError: if the folder holds files, or cannot be written.
    """
    folder = user_path(arguments.folder)
    if not 2 <= arguments.frames <= MOST_FRAMES:
        raise UserError(f"--frames must be 2 to {MOST_FRAMES}. Received: {arguments.frames}")
    if arguments.seed < 0:
        raise UserError(f"--seed must be at least 0. Received: {arguments.seed}")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds files already. Name an empty or a new folder.")
    recording = SimulatedRecording(
        arguments.scene, arguments.seed, arguments.frames, backgrounds=arguments.backgrounds
    )
    with writing(folder):
        write_simulated(folder, recording)
    print(
        f"{folder}: {recording.frames} frames of a hand, scene {recording.scene}. {TRUTH_FILE} "
        f"holds the true joints. Next: kerashand-data label {folder}"
    )


def write_simulated(folder: Path, recording: SimulatedRecording) -> None:
    """Write all frames, the cameras and the truth: `frame` [N], `uv_px`, `xyz_mm`."""
    for name in ("colour", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (
        progress("rendering frames", recording.frames, "frames") as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        truth = list(pool.map(lambda n: _write_frame(folder, recording, n, advance),
                              range(recording.frames)))  # fmt: skip
    np.savez_compressed(
        folder / TRUTH_FILE,
        frame=np.array([frame_name(number) for number in range(recording.frames)]),
        uv_px=np.array([uv for uv, _ in truth], np.float32),
        xyz_mm=np.array([xyz for _, xyz in truth], np.float32),
    )
    camera = recording.intrinsics
    numbers = (
        f"width: {SIZE_PX[0]}, height: {SIZE_PX[1]}, fx: {camera[0, 0]:.3f}, "
        f"fy: {camera[1, 1]:.3f}, cx: {camera[0, 2]:.3f}, cy: {camera[1, 2]:.3f}"
    )
    write_text(
        folder / "recording.yaml",
        f"# Simulated: scene {recording.scene}, seed {recording.seed}\n"
        f"colour: {{{numbers}}}\n"
        f"depth: {{{numbers}, unit_mm: 1.0}}\n"
        f"hand: {{wrist_middle_mcp_mm: {recording.palm_mm:.1f}}}\n",
    )


def frame_name(number: int) -> str:
    """Name of a frame."""
    return f"{number:05d}"


def _write_frame(folder: Path, recording: SimulatedRecording, number: int, advance):
    frame, name = recording.frame(number), frame_name(number)
    cv2.imwrite(
        str(folder / f"colour/{name}.jpg"),
        frame.image[:, :, ::-1],
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    )
    cv2.imwrite(str(folder / f"depth/{name}.png"), frame.depth_mm)
    advance(1)
    return frame.uv_px, frame.xyz_mm
