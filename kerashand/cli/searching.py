"""How `kerashand-predict` looks for hands: boxes, how many, tiles, and from which score on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerashand.cli.boxes import AUTO, HANDEDNESSES, GivenBox, assigned, checked_box, read_boxes
from kerashand.errors import UserError, number_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kerashand.cli.jobs import Job  # loads NumPy
    from kerashand.runtime import Hand, HandPose

MOST_HANDS, MOST_TILES = 16, 16


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of where and how hands are looked for."""
    parser.add_argument(
        "--box", action="append", default=[], metavar="L,T,R,B", help="pictures: look in this box "
        "for one hand, in pixels of the upright picture (--box=-5,... if the first number is "
        "negative); may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--boxes", metavar="FILE", help="pictures: a file with the box of each hand; lines of "
        "CSV (input,left,top,right,bottom,handedness) or of JSON (input, box, handedness)",
    )  # fmt: skip
    parser.add_argument(
        "--handedness", default=AUTO, choices=HANDEDNESSES,
        help="pictures: the anatomical handedness (default: as the models predict)",
    )  # fmt: skip
    parser.add_argument(
        "--max-hands",
        type=int,
        default=2,
        metavar="N",
        help=f"most hands, 1 to {MOST_HANDS} (default: 2)",
    )
    parser.add_argument(
        "--tiles", metavar="N", help="also search N overlapping tiles along the longer side, for "
        f"small hands: 1 to {MOST_TILES}, or {AUTO} (default: 1, the whole picture alone, for up "
        "to 3 hands, else 4)",
    )  # fmt: skip
    parser.add_argument(
        "--min-score", type=float, metavar="X", help="leave out hands of a lower score, 0 to 1 "
        "(default: all that the models take for hands)",
    )  # fmt: skip


class Search:
    """The checked options, and the hands of a picture by them.

    Args:
        arguments: of the command.

    Raises:
        UserError: For an option that is out of range.
    """

    def __init__(self, arguments: argparse.Namespace):
        if not 1 <= arguments.max_hands <= MOST_HANDS:
            raise UserError(
                f"--max-hands must be 1 to {MOST_HANDS}. Received: {arguments.max_hands}"
            )
        if arguments.min_score is not None and not 0.0 <= arguments.min_score <= 1.0:
            raise UserError(f"--min-score must be 0 to 1. Received: {arguments.min_score}")
        self.handedness, self.max_hands = arguments.handedness, arguments.max_hands
        self.tiles = _tiles(arguments.tiles)
        self.min_score = arguments.min_score or 0.0
        self._boxes = [_box(text, self.handedness) for text in arguments.box]
        self._file = arguments.boxes
        self._of_input: dict[str, list[GivenBox]] | None = None
        self.left_out = 0
        if self._file and self._boxes:
            raise UserError("--box and --boxes exclude each other.")
        if self.tiles is not None and (self._file or self._boxes):
            raise UserError("--tiles says where to look for hands, and so does a box: give one.")

    def check(self, jobs: Sequence[Job]) -> None:
        """Read the file of boxes, and refuse options that these inputs cannot have.

        Raises:
            UserError: For a video with a box, or a wrong line of the file.
        """
        for flag, given in (
            ("--box", self._boxes), ("--boxes", self._file),
            ("--handedness", self.handedness != AUTO),
        ):  # fmt: skip
            if given and (films := [job.name for job in jobs if job.is_film]):
                raise UserError(f"{flag} is for pictures. Received: the video {films[0]}")
        if self._file:
            self._of_input = assigned(read_boxes(self._file), jobs)

    def hands(
        self, pose: HandPose, job: Job, rgb: NDArray[np.uint8], *, camera: Mapping[str, Any]
    ) -> list[Hand]:
        """The hands of a picture: one for each of its boxes, or those that are found.

        Raises:
            UserError: For a box that is not in the picture.
        """
        boxes = self._boxes if self._of_input is None else self._of_input[job.name]
        if not boxes and self._of_input is None:
            return self.kept(
                pose.predict(
                    rgb, handedness=self.handedness, max_hands=self.max_hands, tiles=self.tiles,
                    **camera,
                )
            )  # fmt: skip
        found: list[Hand] = []
        for given in boxes:
            side = self.handedness if given.handedness == AUTO else given.handedness
            try:
                found += pose.predict(rgb, box=given.box, handedness=side, **camera)
            except ValueError as error:  # a box that is not in this picture
                origin = f" ({given.origin})" if given.origin else ""
                raise UserError(f"{job.name}{origin}: {error}") from error
        return self.kept(found)

    def kept(self, hands: Sequence[Hand]) -> list[Hand]:
        """Those whose score is not below `--min-score`."""
        kept = [hand for hand in hands if hand.score >= self.min_score]
        self.left_out += len(hands) - len(kept)
        return kept

    def kept_numbered(self, numbered: Sequence[tuple[int, Hand]]) -> list[tuple[int, Hand]]:
        """The same of hands with their numbers."""
        kept = {id(hand) for hand in self.kept([hand for _, hand in numbered])}
        return [(number, hand) for number, hand in numbered if id(hand) in kept]

    def summary(self) -> list[str]:
        """What is said at the end."""
        told = []
        if self._of_input is not None:
            without = sum(not boxes for boxes in self._of_input.values())
            if without:
                told.append(f"{number_of(without, 'input')} without a box in {self._file}")
        if self.left_out:
            told.append(
                f"{number_of(self.left_out, 'hand')} below --min-score {self.min_score:g} left out"
            )
        return told


def _tiles(text: str | None) -> int | str | None:
    """What `--tiles` says; None without it."""
    if text is None or text == AUTO:
        return text
    digits = text.isascii() and text.isdecimal() and len(text) <= 2
    if not digits or not 1 <= int(text) <= MOST_TILES:
        raise UserError(f"--tiles must be 1 to {MOST_TILES}, or {AUTO}. Received: {text}")
    return int(text)


def _box(text: str, handedness: str) -> GivenBox:
    try:
        return GivenBox(checked_box(text.split(",")), handedness)
    except UserError as error:
        raise UserError(f"--box {error}. Received: {text}") from error
