"""`kerashand-data check` and `label`: data sets and recordings on disk, before training."""

import argparse
import contextlib
import json
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from kerashand import picture_files, visualize
from kerashand.cli.arguments import writing
from kerashand.data.readers import rgbd
from kerashand.data.readers.table import HandTable, check_depth, depth_seen, find_problems
from kerashand.data.splits import READERS
from kerashand.errors import UserError
from kerashand.files import user_path, write_text
from kerashand.geometry.camera import HAND_MARGIN, apply_affine, crop_affine
from kerashand.runtime import HandPose

MOST_LISTED = 50
SHEET_PX, SHEET_ROWS = 224, 12
DEPTH_HALF_WINDOW_MM = 200.0


def check(arguments: argparse.Namespace) -> None:
    """Report on a folder.

    Raises:
        UserError: if anything is wrong with it.
    """
    read = READERS[arguments.kind]
    wrong = 0
    tables = [read(arguments.folder, split) for split in ("train", "test")]
    for table in tables:
        problems = find_problems(table)
        wrong += len(problems)
        for _, text in problems[:MOST_LISTED]:
            print(text)
        if len(problems) > MOST_LISTED:
            print(f"and {len(problems) - MOST_LISTED} more")
        print(f"{table.dataset}: {len(table)} hands, {len(problems)} cannot be used.")
        print(f"  {table.conditions}")
        bad = {row for row, _ in problems}
        good = table.select([row for row in range(len(table)) if row not in bad])
        check_depth(good)
    if arguments.kind == "rgbd":
        _report_frames(Path(arguments.folder))
    if arguments.sheet:
        write_sheet(tables, user_path(arguments.sheet))
    if wrong:
        raise UserError(
            f"{wrong} hands cannot be used. Mend them, or train without them: --skip-bad"
        )


def _report_frames(folder: Path) -> None:
    """What frames lack."""
    named = {row["frame"] for row in rgbd.load_points(folder)}
    held = set(rgbd.frames(folder))
    depth = {path.stem for path in (folder / "depth").glob("*.png")}
    for frames, what in (
        (held - named, "frames have no points (kerashand-data label fills them in)"),
        (named - held, "lines of points.jsonl name frames without a colour picture"),
        (held - depth, "frames have no depth picture"),
    ):
        if frames:
            print(f"{len(frames)} {what}, such as {min(frames)}.")


def write_sheet(tables: list[HandTable], out: Path) -> None:
    """Hands of all tables, evenly spread: the crop with its points, and depth about the wrist.

    Raises:
        UserError: if the file cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"--sheet must name a .png file. Received: {str(out)!r}")
    panels, captions = [], []
    for table in tables:
        bad = {row for row, _ in find_problems(table)}
        good = [row for row in range(len(table)) if row not in bad]
        step = max(len(good) // (SHEET_ROWS // len(tables) * 2), 1)
        for row in good[::step][: SHEET_ROWS // len(tables) * 2]:
            panels.append(_panels(table, row))
            name = Path(table.images[row]).name
            captions.append([name, f"wrist {table.xyz_mm[row, 0, 2]:.0f} mm"])
    pairs = [list(chain(*panels[k : k + 2])) for k in range(0, len(panels), 2)]
    texts = [list(chain(*captions[k : k + 2])) for k in range(0, len(captions), 2)]
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        visualize.save_png(out, visualize.contact_sheet(pairs, captions=texts))
    print(f"{out}: {len(panels)} hands")


def _panels(table: HandTable, row: int) -> list[np.ndarray]:
    uv = table.uv_px[row][table.uv_weight[row] > 0]
    low, high = uv.min(axis=0), uv.max(axis=0)
    side = max(float((high - low).max()), 4.0) * HAND_MARGIN
    affine = crop_affine((low + high) / 2, side, SHEET_PX)
    size = (SHEET_PX, SHEET_PX)
    picture = picture_files.read(table.images[row])[:, :, ::-1]
    crop = cv2.warpAffine(np.ascontiguousarray(picture), affine[:2], size)
    points = apply_affine(table.uv_px[row].astype(np.float64), affine)
    panels = [visualize.draw_skeleton(crop, points, scale=1)]
    if table.depths is not None:
        depth = cv2.warpAffine(depth_seen(table, row), affine[:2], size, flags=cv2.INTER_NEAREST)
        root = table.xyz_mm[row, 0, 2]
        shown = np.clip(0.5 + (root - depth) / (2 * DEPTH_HALF_WINDOW_MM), 0.0, 1.0)
        coloured = visualize.colour_depth(shown, depth > 0)
        panels.append(visualize.draw_skeleton(coloured, points, scale=1))
    return panels


# ------------------------------------------------------------------------------------- label


def label(arguments: argparse.Namespace) -> None:
    """Add points to the frames of a recording that have none.

    Raises:
        UserError: if the folder is no recording, or the predictor is not there.
    """
    folder = user_path(arguments.folder)
    if not 0.0 <= arguments.least_score <= 1.0:
        raise UserError(f"--least-score must be 0 to 1. Received: {arguments.least_score}")
    rgbd.load_recording(folder)
    path = folder / rgbd.POINTS_FILE
    lines = []
    if path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        named = {row["frame"] for row in rgbd.load_points(folder)} if lines else set()
    else:
        named = set()
    missing = [frame for frame in rgbd.frames(folder) if frame not in named]
    found = 0
    with contextlib.ExitStack() as at_end:
        predict = PREDICTORS[arguments.predictor](arguments, at_end)
        try:
            for frame in track(missing, description="looking for hands"):
                rgb = _read_rgb(rgbd.colour_path(folder, frame))
                hand = predict(rgb)
                if hand is None or hand["score"] < arguments.least_score:
                    continue
                found += 1
                lines.append(json.dumps({"frame": frame, **hand}))
        finally:  # what was found is kept when somebody stops it
            if found:
                write_text(path, "\n".join(lines) + "\n")
    print(
        f"{path}: hands in {found} of {len(missing)} frames without points, {len(named)} had some. "
        f"Look at them: kerashand-data check {folder} --sheet sheet.png"
    )


def _read_rgb(path: Path) -> np.ndarray:
    picture = picture_files.read(path)
    if picture is None:
        raise UserError(f"{path} is not a picture that can be read.")
    return np.ascontiguousarray(picture[:, :, ::-1])


def _own_predictor(arguments: argparse.Namespace, at_end: contextlib.ExitStack):
    model = HandPose.load(arguments.model, finder=arguments.finder)

    def predict(rgb: np.ndarray) -> dict | None:
        hands = model.predict(rgb, max_hands=1)
        if not hands:
            return None
        return _row(hands[0].side, hands[0].score, hands[0].uv_px, hands[0].joint_scores)

    return predict


def _mediapipe_predictor(arguments: argparse.Namespace, at_end: contextlib.ExitStack):
    """MediaPipe's Hand Landmarker, which names sides as they are, not as in a mirror."""
    if arguments.model is None or arguments.finder is not None:
        raise UserError(
            "--with mediapipe needs `--model hand_landmarker.task`, a file that MediaPipe's Hand "
            "Landmarker page offers, and takes no --finder."
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
            "docs/data.md shows how."
        ) from error
    base = BaseOptions(model_asset_path=str(user_path(arguments.model)))
    try:
        hands = vision.HandLandmarker.create_from_options(
            vision.HandLandmarkerOptions(base_options=base, num_hands=1)
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"MediaPipe cannot read {arguments.model}: {error}") from error
    at_end.callback(hands.close)  # it fails when it is left to the end of Python

    def predict(rgb: np.ndarray) -> dict | None:
        found = hands.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
        if not found.hand_landmarks:
            return None
        size = np.array(rgb.shape[1::-1], float)
        uv = np.array([[point.x, point.y] for point in found.hand_landmarks[0]]) * size - 0.5
        side = found.handedness[0][0]
        return _row(side.category_name.lower(), side.score, uv, np.ones(21))

    return predict


def _row(side: str, score: float, uv_px: np.ndarray, weight: np.ndarray) -> dict:
    return {
        "side": side,
        "score": round(float(score), 4),
        "uv_px": np.round(uv_px, 2).tolist(),
        "weight": np.round(np.clip(weight, 0.0, 1.0), 3).tolist(),
    }


PREDICTORS = {"kerashand": _own_predictor, "mediapipe": _mediapipe_predictor}
"""(arguments, what closes at the end) -> a function from RGB [H, W, 3] to a row, or None."""
