"""`kerashand-data check`: data sets and recordings on disk, before training."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from kerashand import picture_files, visualize
from kerashand.agreement import Agreement
from kerashand.cli import agreeing
from kerashand.cli.arguments import writing
from kerashand.cli.startup import show_messages
from kerashand.data.kinds import KINDS, photos, rgbd
from kerashand.data.kinds.kind import Kind
from kerashand.data.readers.checks import check_depth, find_problems
from kerashand.data.readers.recording import (
    Pictures,
    load_points,
    load_recording,
)
from kerashand.data.readers.table import HandTable, depth_seen
from kerashand.data.readers.units import check_units
from kerashand.errors import UserError, number_of
from kerashand.files import check_folder, natural_order, user_path
from kerashand.geometry.camera import HAND_MARGIN, apply_affine
from kerashand.progress import progress
from kerashand.synthetic import SPLITS

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
    agreement = _agreement(arguments.folder) if kind is rgbd.KIND else None
    if arguments.sheet:
        write_sheets(drawings, user_path(arguments.sheet), all_hands=arguments.all)
    agreeing.raise_if_wrong(agreement)
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
    wrong = 0
    drawings: list[Drawing] = []
    assert kind.read is not None
    lines = _lines(folder) if kind is rgbd.KIND else {}
    for split in ("train", "test"):
        table = kind.read(folder, split)
        problems = find_problems(table)
        wrong += len(problems)
        print_listed(text for _, text in problems)
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
            if measure.doubt:
                print(f"  {measure.doubt}")
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
    print_listed(f"{user_path(folder) / name}: {reason}" for name, reason in bad.items())
    for split in SPLITS:
        print(f"{split}: {number_of(int((labels['split'] == split).sum()), 'hand')}")
    if others := sorted(set(labels["split"].tolist()) - set(SPLITS)):
        print(f"splits that nothing reads: {', '.join(others)}")
    drawings: list[Drawing] = [
        (partial(_photo_panels, folder, labels, row), [f"row {row}: {Path(name).name}"])
        for row, name in enumerate(labels["name"].tolist())
        if name not in bad
    ]
    return len(labels["name"]) - len(drawings), drawings


def print_listed(texts: Iterable[str]) -> None:
    """Print texts, a line each, and of many how many more there are."""
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
    """What frames lack, and what a recording of one hand does not have."""
    rows = load_points(folder)
    hands = Counter(row["frame"] for row in rows)
    named = set(hands)
    pictures = Pictures.of(folder)
    held, depth = set(pictures.colour), set(pictures.depth)
    for frames, what in (
        (held - named, "frames without points (kerashand-data label fills them in)"),
        (named - held, "frames in points.jsonl without a colour picture"),
        (held - depth, "frames without a depth picture"),
        (
            {frame for frame, count in hands.items() if count > 1},
            "frames with several lines in points.jsonl, though a recording shows one hand",
        ),
    ):
        if frames:
            print(f"{what}: {len(frames)}, such as {min(frames, key=natural_order)}")
    sides = Counter(row["handedness"] for row in rows)
    if len(sides) > 1:
        told = ", ".join(f"{side} {count}" for side, count in sorted(sides.items()))
        print(f"hands of both sides, though a recording shows one hand: {told}")


def _agreement(folder: str) -> Agreement | None:
    """Compare the points with depth; what is in doubt is printed."""
    model = agreeing.depth_reader()
    if model is None:
        return None
    found = agreeing.compare_recording(
        agreeing.hands_of(load_points(folder)),
        recording=load_recording(folder),
        pictures=Pictures.of(folder),
        model=model,
    )
    if found is not None and not found.is_wrong:
        print(
            f"points by depth lie {100 * found.apart:.0f} % of the hand's box from the points "
            f"(median of {found.frames} frames)"
        )
        if found.text:
            print(f"WARNING: {found.text}")
    return found


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
