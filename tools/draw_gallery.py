"""Draw the pictures of docs/gallery.md: docs/images/*.jpg.

    python tools/draw_gallery.py

All hands are rendered by this package; the packaged models find their joints.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from kerashand import visualize
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
JPEG_QUALITY = 75
DOMAINS = ("source", "target", "varied")
FIRST = {"source": 0, "target": 4, "varied": 1000}
"""Of each domain the number of the first sample that is shown."""
OPEN_HAND = 3054
"""Number of a sample of the style `varied` that shows an open hand."""
TURNED_DEG = ((0, 0), (45, 15), (90, 15))


def main() -> None:
    """Write every picture."""
    save("hand_joints", joints())
    save("hand_3d", turned())
    save("joints", numbered())
    for domain in DOMAINS:
        samples = [
            render_sample(domain, "test", seed=0, index=FIRST[domain] + number, size_px=128)
            for number in range(2)
        ]
        save(f"domain_{domain}", visualize.sample_sheet(samples, scale=2, samples_per_row=1))


def joints() -> np.ndarray:
    """The picture of the README with its joints."""
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
    main()
