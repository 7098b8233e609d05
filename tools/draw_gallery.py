"""Draw the pictures of docs/gallery.md: docs/images/*.jpg.

    python tools/draw_gallery.py
    python tools/draw_gallery.py --photographs DATA

Without a folder all hands are rendered by this package. DATA is the folder of photographs that
tools/recipe/prepare_photographs.py reads; with it the picture of the README is drawn, and no other.
The packaged models find all joints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from kerashand import picture_files, visualize
from kerashand.cli.arguments import exit_code
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
JPEG_QUALITY = 75
DOMAINS = ("source", "target", "varied")
FIRST = {"source": 0, "target": 4, "varied": 1013}
"""Of each domain the number of the first sample that is shown."""
OPEN_HAND = 3054
"""Number of a sample of the style `varied` that shows an open hand."""
TURNED_DEG = ((0, 0), (45, 15), (90, 15))
PHOTOGRAPHS = (
    "fingers/images/train_0306.jpg",
    "ti1k/images/0952.jpg",
    "fingers/images/valid_0587.jpg",
    "fingers/images/train_0532.jpg",
)
"""Of the test split of tools/recipe/prepare_photographs.py, whatever the names say: both hands,
four people, rooms and poses."""
PHOTOGRAPH_PX, GAP_PX = 300, 4
AROUND = 1.45
"""Side of what is shown of a photograph, in longer sides of the box of its joints."""
SPACE_DEG, SPACE_PX = (50, 20), 240
"""The view of the same joints below a photograph, and how much of its height is shown."""


def main(argv: list[str] | None = None) -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--photographs", type=Path, metavar="DATA", help="draw the picture of the README from here"
    )
    args = parser.parse_args(argv)
    return exit_code("draw_gallery", lambda: draw(args.photographs))


def draw(photographs: Path | None) -> None:
    """Write the picture of photographs, or all others."""
    if photographs is not None:
        save("photographs", in_photographs(photographs))
        return
    save("hand_joints", joints())
    save("hand_3d", turned())
    save("joints", numbered())
    for domain in DOMAINS:
        samples = [
            render_sample(domain, "test", seed=0, index=FIRST[domain] + number, size_px=128)
            for number in range(2)
        ]
        save(f"domain_{domain}", visualize.sample_sheet(samples, scale=2, samples_per_row=1))


def in_photographs(folder: Path) -> np.ndarray:
    """Four photographs with their joints, and below them the joints from another side."""
    pose = HandPose.load()
    columns = []
    for name in PHOTOGRAPHS:
        rgb = picture_files.read(folder / name)
        hand = pose.predict(rgb)[0]
        left, top, side = shown_square(hand.uv_px, rgb.shape[:2])
        factor = PHOTOGRAPH_PX / side
        part = Image.fromarray(rgb[top : top + side, left : left + side])
        part = part.resize((PHOTOGRAPH_PX, PHOTOGRAPH_PX), Image.Resampling.BICUBIC)
        uv_px = (hand.uv_px - (left, top) + 0.5) * factor - 0.5
        space = visualize.draw_skeleton_3d(
            hand.xyz_relative * 92.0, size_px=PHOTOGRAPH_PX, view_deg=SPACE_DEG
        )
        cut = (PHOTOGRAPH_PX - SPACE_PX) // 2
        drawing = visualize.plot_skeleton(part, uv_px, scale=1)
        columns.append(np.concatenate([drawing, space[cut : cut + SPACE_PX]]))
        columns.append(np.full((len(columns[0]), GAP_PX, 3), 255, np.uint8))
    return np.concatenate(columns[:-1], axis=1)


def shown_square(uv_px: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Left, top and side of a square about the joints inside a picture."""
    low, high = uv_px.min(axis=0), uv_px.max(axis=0)
    side = min(round(AROUND * float((high - low).max())), *shape)
    corner = np.rint((low + high - side) / 2).astype(int)
    left, top = np.clip(corner, 0, np.array(shape[::-1]) - side).tolist()
    return left, top, side


def joints() -> np.ndarray:
    """The rendered hand of the guides with its joints."""
    drawing = picture = read("hand.jpg")
    for hand in HandPose.load().predict(picture):
        drawing = visualize.plot_skeleton(drawing, hand.uv_px, scale=1)
    return drawing


def numbered() -> np.ndarray:
    """An open rendered hand with the numbers of its joints."""
    sample = render_sample("varied", "test", seed=0, index=OPEN_HAND, size_px=480)
    drawing = visualize.plot_skeleton(sample.image, sample.uv_px, scale=1)
    for number, place in enumerate(np.rint(sample.uv_px).astype(int).tolist()):
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                drawing, str(number), (place[0] + 6, place[1] + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5,
                colour, width, cv2.LINE_AA,
            )  # fmt: skip
    return drawing


def turned() -> np.ndarray:
    """The same hand from three sides."""
    (hand,) = HandPose.load().predict(read("hand.jpg"), max_hands=1)
    return np.concatenate(
        [
            visualize.draw_skeleton_3d(hand.xyz_relative * 92.0, size_px=320, view_deg=view)
            for view in TURNED_DEG
        ],
        axis=1,
    )


def read(name: str) -> np.ndarray:
    """A picture of the folder as RGB."""
    return np.ascontiguousarray(cv2.imread(str(FOLDER / name))[:, :, ::-1])


def save(name: str, rgb: np.ndarray) -> None:
    """Write a JPEG file."""
    path = FOLDER / f"{name}.jpg"
    cv2.imwrite(str(path), rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    print(f"{path.name}: {rgb.shape[1]} x {rgb.shape[0]} px, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    raise SystemExit(main())
