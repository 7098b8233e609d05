"""`kerashand-data check` and `label`: data sets and recordings on disk, before training."""

import argparse
import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from kerashand import picture_files, visualize
from kerashand.cli.arguments import writing
from kerashand.cli.startup import show_messages
from kerashand.data.kinds import KINDS, photos, rgbd
from kerashand.data.kinds.kind import Kind
from kerashand.data.readers.checks import check_depth, find_problems
from kerashand.data.readers.recording import (
    POINTS_FILE,
    Pictures,
    Recording,
    load_points,
    load_recording,
    point_lines,
)
from kerashand.data.readers.table import HandTable, depth_seen, picture_problem
from kerashand.data.readers.units import check_units
from kerashand.data.sample import SPLITS
from kerashand.errors import UserError, number_of
from kerashand.files import check_folder, natural_order, user_path, write_text
from kerashand.geometry.camera import HAND_MARGIN, apply_affine
from kerashand.progress import progress
from kerashand.runtime import HandPose

MOST_LISTED = 50
SHEET_PX, SHEET_HANDS = 224, 24
DEPTH_HALF_WINDOW_MM = 200.0


def check(arguments: argparse.Namespace) -> None:
    """Report on a folder.

    Raises:
        UserError: if anything is wrong with it.
    """
    if arguments.all and not arguments.sheet:
        raise UserError("--all draws every hand on sheets: give `--sheet PNG` too.")
    check_folder(arguments.folder)
    print(f"{arguments.folder} as kind {arguments.kind}:")
    kind = KINDS[arguments.kind]
    if kind.read:
        wrong, drawings = _check_tables(arguments.folder, kind)
    else:
        wrong, drawings = _check_photos(arguments.folder)
    if arguments.sheet:
        write_sheets(drawings, user_path(arguments.sheet), all_hands=arguments.all)
    if wrong:
        raise UserError(
            f"{number_of(wrong, 'hand')} cannot be used. Mend what is wrong"
            + (
                ", or train without: --skip-bad SHARE leaves out up to that share of a split."
                if kind.read
                else "."
            )
        )


Drawing = tuple[Callable[[], list[np.ndarray]], list[str]]
"""What draws the pictures of a hand on a sheet, and what stands below each."""


def _check_tables(folder: str, kind: Kind) -> tuple[int, list[Drawing]]:
    """How many hands cannot be used, and drawings of the others."""
    wrong, drawings = 0, []
    lines = _lines(folder) if kind is rgbd.KIND else {}
    for split in ("train", "test"):
        table = kind.read(folder, split)
        problems = find_problems(table)
        wrong += len(problems)
        _list(text for _, text in problems)
        print(f"{table.dataset}: {number_of(len(table), 'hand')}, {len(problems)} cannot be used.")
        print(f"  {table.conditions}")
        bad = {row for row, _ in problems}
        for row, path in enumerate(map(Path, table.images)):
            line = f"line {next(lines[path.stem])}: " if lines else ""
            captions = [f"{line}{path.name}", f"wrist {table.xyz_mm[row, 0, 2]:.0f} mm"]
            if row not in bad:
                drawings.append((partial(_panels, table, row), captions))
        if table.has_xyz:
            check_depth(table.select([row for row in range(len(table)) if row not in bad]))
        elif measure := check_units(table):  # of hands without depth too: it may say why
            print(
                f"  wrist to middle knuckle measures {measure.palm_mm:.0f} mm, hands are "
                f"{measure.distance_mm:.0f} mm away (medians of {measure.hands})"
            )
    if kind is rgbd.KIND:
        _report_frames(user_path(folder))
    return wrong, drawings


def _check_photos(folder: str) -> tuple[int, list[Drawing]]:
    """The same of a folder of photographs, whose pictures are all read."""
    labels = photos.load_labels(folder)
    names = sorted(set(labels["name"].tolist()))
    show_messages()
    with progress("reading pictures", len(names), "pictures") as advance:
        bad = {}
        for name in names:
            try:
                picture_files.read(user_path(folder) / name)
            except picture_files.PictureError as error:
                bad[name] = error.reason
            advance(1)
    _list(f"{user_path(folder) / name}: {reason}" for name, reason in bad.items())
    for split in SPLITS:
        print(f"{split}: {number_of(int((labels['split'] == split).sum()), 'hand')}")
    if others := sorted(set(labels["split"].tolist()) - set(SPLITS)):
        print(f"splits that nothing reads: {', '.join(others)}")
    drawings = [
        (partial(_photo_panels, folder, labels, row), [f"row {row}: {Path(name).name}"])
        for row, name in enumerate(labels["name"].tolist())
        if name not in bad
    ]
    return len(labels["name"]) - len(drawings), drawings


def _list(texts: Iterable[str]) -> None:
    texts = list(texts)
    for text in texts[:MOST_LISTED]:
        print(text)
    if len(texts) > MOST_LISTED:
        print(f"and {len(texts) - MOST_LISTED} more")


def _lines(folder: str) -> dict[str, Iterator[int]]:
    """Frame -> the numbers of its lines in points.jsonl, in the order of the tables' rows."""
    numbers: dict[str, list[int]] = {}
    load_recording(folder)
    for row in load_points(folder):
        numbers.setdefault(row["frame"], []).append(row["line"])
    return {frame: iter(found) for frame, found in numbers.items()}


def _report_frames(folder: Path) -> None:
    """What frames lack."""
    named = {row["frame"] for row in load_points(folder)}
    pictures = Pictures.of(folder)
    held, depth = set(pictures.colour), set(pictures.depth)
    for frames, what in (
        (held - named, "frames without points (kerashand-data label fills them in)"),
        (named - held, "frames in points.jsonl without a colour picture"),
        (held - depth, "frames without a depth picture"),
    ):
        if frames:
            print(f"{what}: {len(frames)}, such as {min(frames, key=natural_order)}")


def write_sheets(drawings: Sequence[Drawing], out: Path, *, all_hands: bool) -> None:
    """Draw hands, evenly spread over all, two side by side.

    Args:
        drawings: of all hands.
        out: the first file.
        all_hands: whether every hand is drawn, on as many files as it takes.

    Raises:
        UserError: if a file cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"--sheet must name a .png file. Received: {str(out)!r}")
    if not drawings:
        return
    if not all_hands:
        count = min(SHEET_HANDS, len(drawings))
        drawings = [drawings[k * len(drawings) // count] for k in range(count)]
    for first in range(0, len(drawings), SHEET_HANDS):
        some = drawings[first : first + SHEET_HANDS]
        drawn = [(draw(), captions) for draw, captions in some]
        pairs = [drawn[k : k + 2] for k in range(0, len(drawn), 2)]
        page = out if first == 0 else out.with_stem(f"{out.stem}_{first // SHEET_HANDS + 1}")
        sheet = visualize.contact_sheet(
            [list(chain(*(panels for panels, _ in pair))) for pair in pairs],
            column_titles=["points", "depth"][: len(drawn[0][0])] * 2,
            captions=[list(chain(*(c[: len(p)] for p, c in pair))) for pair in pairs],
        )
        with writing(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            visualize.save_png(page, sheet)
        print(f"{page}: {number_of(len(some), 'hand')}")


def _photo_panels(folder: str, labels: dict[str, np.ndarray], row: int) -> list[np.ndarray]:
    from kerashand.data.crops import cut_hand  # loads OpenCV

    picture = picture_files.read(user_path(folder) / str(labels["name"][row]))
    weight = labels["uv_weight"][row]
    uv = labels["uv_px"][row]
    crop, affine = cut_hand(picture, uv, weight, margin=photos.MARGIN, size_px=SHEET_PX)
    return [visualize.plot_skeleton(crop, apply_affine(uv, affine), scale=1)]


def _panels(table: HandTable, row: int) -> list[np.ndarray]:
    from kerashand.data.crops import cut_depth, cut_hand  # loads OpenCV

    picture = picture_files.read(table.images[row])
    crop, affine = cut_hand(
        picture, table.uv_px[row], table.uv_weight[row], margin=HAND_MARGIN, size_px=SHEET_PX
    )
    points = apply_affine(table.uv_px[row].astype(np.float64), affine)
    panels = [visualize.plot_skeleton(crop, points, scale=1)]
    if table.depths is not None:
        depth = cut_depth(depth_seen(table, row), affine, size_px=SHEET_PX)
        root = table.xyz_mm[row, 0, 2]
        shown = np.clip(0.5 + (root - depth) / (2 * DEPTH_HALF_WINDOW_MM), 0.0, 1.0)
        coloured = visualize.colour_depth(shown, depth > 0)
        panels.append(visualize.plot_skeleton(coloured, points, scale=1))
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
    recording, pictures = load_recording(folder), Pictures.of(folder)
    path = folder / POINTS_FILE
    lines = [line for _, line in point_lines(folder)] if path.exists() else []
    named = {row["frame"] for row in load_points(folder)} if lines else set()
    missing = [frame for frame in pictures.colour if frame not in named]
    found, left_out = 0, []
    show_messages()
    with contextlib.ExitStack() as at_end:
        predict = PREDICTORS[arguments.predictor](arguments, at_end)
        advance = at_end.enter_context(progress("looking for hands", len(missing), "frames"))
        try:
            for frame in missing:
                try:
                    hand = predict(_read_rgb(pictures.colour[frame], recording.size_px))
                except picture_files.PictureError as error:
                    hand = None
                    left_out.append(f"{pictures.colour[frame]}: {error.reason}")
                advance(1)
                if hand is None or hand["score"] < arguments.least_score:
                    continue
                row = {"frame": frame, **hand}
                if problem := _problem(row, recording, pictures):
                    left_out.append(problem)
                    continue
                found += 1
                lines.append(json.dumps(row))
        finally:  # what was found is kept when somebody stops it
            if found:
                write_text(path, "\n".join(lines) + "\n")
    _list(f"left out: {text}" for text in left_out)
    print(
        f"{path}: hands in {found} of {len(missing)} frames without points, {len(named)} had some. "
        f"Look at them: kerashand-data check {folder} --sheet sheet.png"
    )


def _problem(row: dict, recording: Recording, pictures: Pictures) -> str | None:
    """Why training could not use a row that was found; None if it can."""
    arrays = {key: np.array(row[key]) for key in ("uv_px", "weight")}
    table = rgbd.table_of(
        pictures.root, recording, [{**row, **arrays}], pictures=pictures, split="train"
    )
    problems = find_problems(table)
    return problems[0][1] if problems else None


def _read_rgb(path: Path, size_px: tuple[int, int]) -> np.ndarray:
    """The picture of a frame, if it is of the size of the recording's pictures."""
    if problem := picture_problem(picture_files.read_head(path), size_px):
        raise picture_files.PictureError(path, problem)
    return picture_files.read(path)


def _own_predictor(arguments: argparse.Namespace, at_end: contextlib.ExitStack):
    model = HandPose.load(arguments.model, detector=arguments.detector)

    def predict(rgb: np.ndarray) -> dict | None:
        hands = model.predict(rgb, max_hands=1)
        if not hands:
            return None
        return _row(hands[0].handedness, hands[0].score, hands[0].uv_px, hands[0].confidence)

    return predict


def _mediapipe_predictor(arguments: argparse.Namespace, at_end: contextlib.ExitStack):
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

    def predict(rgb: np.ndarray) -> dict | None:
        found = hands.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
        if not found.hand_landmarks:
            return None
        size = np.array(rgb.shape[1::-1], float)
        uv = np.array([[point.x, point.y] for point in found.hand_landmarks[0]]) * size - 0.5
        handedness = found.handedness[0][0]
        return _row(handedness.category_name.lower(), handedness.score, uv, np.ones(21))

    return predict


def _row(handedness: str, score: float, uv_px: np.ndarray, weight: np.ndarray) -> dict:
    return {
        "handedness": handedness,
        "score": round(float(score), 4),
        "uv_px": np.round(uv_px, 2).tolist(),
        "weight": np.round(np.clip(weight, 0.0, 1.0), 3).tolist(),
    }


PREDICTORS = {"kerashand": _own_predictor, "mediapipe": _mediapipe_predictor}
"""(arguments, what closes at the end) -> a function from RGB [H, W, 3] to a row, or None."""
