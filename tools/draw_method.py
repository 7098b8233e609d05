"""Draw docs/images/method.png, the figure of docs/method.md.

python tools/draw_method.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

COLOURS = 64
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "method.png"
NETWORK, DATA, LABEL, LOSS, INK = "#cfe2f3", "#f3f3f3", "#fff2cc", "#f4cccc", "#222222"
CUT, TO_LOSS = "#b45309", "#777777"


def main() -> None:
    """Draw and write the figure."""
    figure, axes = pyplot.subplots(figsize=(11, 5.6), dpi=110)
    axes.set_xlim(0, 112)
    axes.set_ylim(0, 56)
    axes.axis("off")
    axes.add_patch(
        Rectangle((1, 18.5), 75, 36.5, fill=False, linestyle="--", edgecolor="#555555", lw=1.2)
    )
    axes.text(2, 52.5, "what is exported and what the runtime keeps", fontsize=9, color="#555555")

    draw_boxes(axes)
    draw_arrows(axes)
    stages = (
        "stage 1: 2D loss and joint depth loss, source     |     stage 2: depth map loss, "
        "source, from true joints     |     stage 3: all losses, source and target"
    )
    axes.text(56, 1.5, stages, fontsize=8.5, ha="center")
    figure.savefig(FIGURE, bbox_inches="tight", pad_inches=0.08)
    # Few colours: a third of the size.
    Image.open(FIGURE).convert("RGB").quantize(COLOURS, dither=0).save(FIGURE, optimize=True)
    print(f"{FIGURE}: {FIGURE.stat().st_size / 1024:.0f} KB")


def draw_boxes(axes) -> None:
    """Data, networks, labels and losses."""
    box(axes, 3, 36, width=13, height=9, text="RGB crop of\na right hand", colour=DATA)
    box(axes, 21, 36, width=13, height=9, text="2D network", colour=NETWORK, bold=True)
    box(axes, 41, 42, width=15, height=7, text="21 heat maps", colour=DATA)
    box(axes, 41, 31, width=15, height=7, text="image features", colour=DATA)
    box(axes, 62, 42, width=12, height=7, text="2D joints\n(expectation)", colour=DATA)
    box(axes, 41, 20, width=15, height=7, text="depth\nregressor", colour=NETWORK, bold=True)
    box(axes, 62, 20, width=12, height=7, text="joint depth", colour=DATA)
    box(axes, 81, 20, width=13, height=7, text="depth\nregularizer", colour=NETWORK, bold=True)
    box(axes, 99, 20, width=12, height=7, text="generated\ndepth map", colour=DATA)
    box(axes, 81, 42, width=13, height=7, text="2D labels of\nboth domains", colour=LABEL)
    box(axes, 18, 7, width=19, height=7, text="2D loss\n(needs 2D labels)", colour=LOSS)
    box(axes, 58.5, 7, width=19, height=7, text="joint depth loss\n(needs 3D labels)", colour=LOSS)
    box(axes, 92, 7, width=19, height=7, text="depth map loss\n(needs depth maps)", colour=LOSS)


def draw_arrows(axes) -> None:
    """What goes where, and the two notes on gradients."""
    arrow(axes, (16, 40.5), (21, 40.5))
    arrow(axes, (34, 42.5), (41, 45.5))
    arrow(axes, (34, 38.5), (41, 34.5))
    arrow(axes, (56, 45.5), (62, 45.5))
    arrow(axes, (48.5, 31), (48.5, 27), color=CUT)
    arrow(axes, (58.5, 45.5), (58.5, 29), plain=True, color=CUT)
    arrow(axes, (58.5, 29), (53, 29), plain=True, color=CUT)
    arrow(axes, (53, 29), (53, 27), color=CUT)
    arrow(axes, (56, 23.5), (62, 23.5))
    arrow(axes, (74, 23.5), (81, 23.5))
    arrow(axes, (94, 23.5), (99, 23.5))
    arrow(axes, (87.5, 42), (87.5, 27))
    # To the losses.
    arrow(axes, (41, 47), (37.5, 47), plain=True, color=TO_LOSS)
    arrow(axes, (37.5, 47), (37.5, 16.5), plain=True, color=TO_LOSS)
    arrow(axes, (37.5, 16.5), (27.5, 16.5), plain=True, color=TO_LOSS)
    arrow(axes, (27.5, 16.5), (27.5, 14), color=TO_LOSS)
    arrow(axes, (68, 20), (68, 14), color=TO_LOSS)
    arrow(axes, (105, 20), (105, 14), color=TO_LOSS)
    axes.text(
        88.5, 33.5, "true 2D positions: the depth\nmap moves joints in depth alone", fontsize=8
    )
    axes.text(
        61,
        33.5,
        "the gradient of the\ndepth map loss\nends here",
        fontsize=8,
        color=CUT,
        va="center",
    )


def box(
    axes: Axes, left: float, bottom: float, *, width: float, height: float, text: str, colour: str,
    bold: bool = False,
) -> None:  # fmt: skip
    """A named box."""
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=1",
            facecolor=colour,
            edgecolor=INK,
            lw=1,
        )
    )
    axes.text(
        left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=9,
        fontweight="bold" if bold else "normal",
    )  # fmt: skip


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, plain: bool = False,
    color: str = INK,
) -> None:  # fmt: skip
    """A line, with a head unless `plain`."""
    style = "-" if plain else "-|>"
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=12,
            color=color,
            lw=1.3,
            shrinkA=0,
            shrinkB=0,
        )
    )


if __name__ == "__main__":
    main()
