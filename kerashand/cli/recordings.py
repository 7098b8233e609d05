"""`kerashand-data check`: data sets and recordings on disk, before training."""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from kerashand import picture_files, visualize
from kerashand.agreement import Agreement
from kerashand.cli import agreeing, seen_hands
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
from kerashand.files import check_folder, identity, natural_order, user_path
from kerashand.geometry.camera import HAND_MARGIN, apply_affine
from kerashand.progress import progress
from kerashand.sequences import evenly
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
    if arguments.sheet and Path(arguments.sheet).suffix.lower() != ".png":
        raise UserError(f"--sheet must name a .png file. Received: {arguments.sheet!r}")
    check_folder(arguments.folder)
    print(f"{arguments.folder} as kind {arguments.kind}:")
    kind = KINDS[arguments.kind]
    found = _check_tables(arguments.folder, kind) if kind.read else _check_photos(arguments.folder)
    agreement = _agreement(arguments.folder) if kind is rgbd.KIND else None
    if arguments.sheet:
        pages = _pages(found.drawings, user_path(arguments.sheet), all_hands=arguments.all)
        _refuse_inputs((path for path, _ in pages), found.files)
        write_sheets(pages)
    agreeing.raise_if_wrong(agreement)
    if found.wrong:
        raise UserError(
            f"{number_of(found.wrong, 'hand')} cannot be used. Mend what is wrong"
            + (
                ", or train without: --skip-bad SHARE leaves out up to that share of a split."
                if kind.read
                else "."
            )
        )


Drawing = tuple[Callable[[], list[np.ndarray]], list[str]]
"""What draws the pictures of a hand on a sheet, and what stands below each."""
Page = tuple[Path, Sequence[Drawing]]
"""The file of a sheet, and its hands."""


@dataclasses.dataclass
class Checked:
    """What was found: how many hands cannot be used, drawings of the others, and all pictures."""

    wrong: int = 0
    drawings: list[Drawing] = dataclasses.field(default_factory=list)
    files: list[Path] = dataclasses.field(default_factory=list)


def _check_tables(folder: str, kind: Kind) -> Checked:
    found = Checked()
    assert kind.read is not None
    lines = _lines(folder) if kind is rgbd.KIND else {}
    for split in ("train", "test"):
        table = kind.read(folder, split)
        problems = find_problems(table)
        found.wrong += len(problems)
        found.files += map(Path, (*table.images, *(table.depths or ())))
        print_listed(text for _, text in problems)
        print(f"{table.dataset}: {number_of(len(table), 'hand')}, {len(problems)} cannot be used.")
        print(f"  {table.conditions}")
        bad = {row for row, _ in problems}
        for row, path in enumerate(map(Path, table.images)):
            line = f"line {next(lines[path.stem])}: " if lines else ""
            captions = [f"{line}{path.name}", f"wrist {table.xyz_mm[row, 0, 2]:.0f} mm"]
            if row not in bad:
                found.drawings.append((partial(_panels, table, row), captions))
        if split == "train":
            _print_doubts(seen_hands.of_table(table, sorted(set(range(len(table))) - bad)))
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
    return found


def _print_doubts(hands: Sequence[seen_hands.GivenHand]) -> None:
    for doubt in seen_hands.doubts([hand for hand in hands if hand.weight.any()]):
        print(f"WARNING: {doubt}.")


def _check_photos(folder: str) -> Checked:
    """Of a folder of photographs, whose pictures are all read."""
    labels = photos.load_labels(folder)
    names = sorted(set(labels["name"].tolist()))
    show_messages()
    with progress("reading pictures", len(names), "pictures") as advance:
        bad: dict[int, str] = {}
        for name in names:
            rows = np.flatnonzero(labels["name"] == name).tolist()
            try:
                size = picture_files.read(user_path(folder) / name).shape[1::-1]
                bad |= {row: photos.OUTSIDE for row in rows if _is_outside(labels, row, size)}
            except picture_files.PictureError as error:
                bad |= dict.fromkeys(rows, error.reason)
            advance(1)
    print_listed(
        dict.fromkeys(
            f"{user_path(folder) / str(labels['name'][row])}: {reason}"
            for row, reason in bad.items()
        )
    )
    for split in SPLITS:
        print(f"{split}: {number_of(int((labels['split'] == split).sum()), 'hand')}")
    if others := sorted(set(labels["split"].tolist()) - set(SPLITS)):
        print(f"splits that nothing reads: {', '.join(others)}")
    good = [row for row in range(len(labels["name"])) if row not in bad]
    paths = {name: user_path(folder) / name for name in names}
    _print_doubts(
        [
            seen_hands.GivenHand(
                paths[str(labels["name"][row])], labels["uv_px"][row], labels["uv_weight"][row],
                bool(labels["is_right"][row]),
            )
            for row in good
        ]
    )  # fmt: skip
    return Checked(
        wrong=len(bad),
        drawings=[
            (
                partial(_photo_panels, folder, labels, row),
                [f"row {row}: {paths[str(labels['name'][row])].name}"],
            )
            for row in good
        ],
        files=list(paths.values()),
    )


def _is_outside(labels: dict[str, np.ndarray], row: int, size_px: tuple[int, int]) -> bool:
    return photos.is_outside(labels["uv_px"][row], labels["uv_weight"][row], size_px)


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


def _pages(drawings: Sequence[Drawing], out: Path, *, all_hands: bool) -> list[Page]:
    """Hands, evenly spread over all, or all of them on as many sheets as it takes.

    Args:
        drawings: of all hands.
        out: the first file; others get numbers.
        all_hands: whether every hand is drawn.
    """
    if not all_hands:
        drawings = evenly(drawings, SHEET_HANDS)
    return [
        (
            out if first == 0 else out.with_stem(f"{out.stem}_{first // SHEET_HANDS + 1}"),
            drawings[first : first + SHEET_HANDS],
        )
        for first in range(0, len(drawings), SHEET_HANDS)
    ]


def _refuse_inputs(pages: Iterable[Path], files: Sequence[Path]) -> None:
    """Raise UserError where a sheet would replace a picture of the data."""
    there = {identity(page): page for page in pages if page.exists()}
    for path in files if there else ():
        if page := there.get(identity(path)):
            raise UserError(f"--sheet: {page} is a picture of the data: choose another name.")


def write_sheets(pages: Iterable[Page]) -> None:
    """Draw sheets, two hands side by side.

    Raises:
        UserError: if a file cannot be written.
    """
    for path, drawings in pages:
        drawn = [(draw(), captions) for draw, captions in drawings]
        pairs = [drawn[k : k + 2] for k in range(0, len(drawn), 2)]
        sheet = visualize.contact_sheet(
            [list(chain(*(panels for panels, _ in pair))) for pair in pairs],
            column_titles=["points", "depth"][: len(drawn[0][0])] * 2,
            captions=[list(chain(*(c[: len(p)] for p, c in pair))) for pair in pairs],
        )
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            visualize.save_png(path, sheet)
        print(f"{path}: {number_of(len(drawn), 'hand')}")


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
