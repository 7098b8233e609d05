"""How `kerashand-predict` draws hands."""

from __future__ import annotations

from kerashand.visualize.images import enlarge, plot_skeleton
from kerashand.visualize.marks import text_size, write

SURE_SCORE = 0.8
"""Below it a hand is called unsure and written in amber."""
LEAST_DRAWN_PX = 640
"""Pictures of about half this side and less are drawn enlarged by a whole number."""


def draw(rgb, numbered):
    """A picture with the skeletons and sides of its hands: uint8 RGB, small ones enlarged.

    Of hands whose score is low the words are amber.
    """
    scale = max(round(LEAST_DRAWN_PX / max(rgb.shape[:2])), 1)
    drawing = enlarge(rgb, scale)
    places = [(hand.uv_px + 0.5) * scale - 0.5 for _, hand in numbered]
    for uv_px in reversed(places):
        drawing = plot_skeleton(drawing, uv_px, scale=1)
    height, width = drawing.shape[:2]
    size_px = max(height / 32.0, 16.0)
    pad = max(round(size_px / 6), 2)
    for (number, hand), uv_px in zip(numbered, places, strict=True):
        text = f"{number} {hand.handedness} {hand.score:.2f}"
        wide, above, below = text_size(text, size_px)
        left = int(min(max(uv_px[:, 0].min(), 0), max(width - wide - 2 * pad, 0)))
        # Above the hand, or below where there is no room.
        room = above + below + round(size_px / 2)
        top = int(uv_px[:, 1].min()) - room
        top = top if top >= 0 else min(int(uv_px[:, 1].max() + size_px / 2), height - room)
        top = max(top, 0)
        drawing[top : top + above + below, left : left + wide + 2 * pad] = 0
        colour = (255, 255, 255) if hand.score >= SURE_SCORE else (255, 176, 0)
        write(drawing, text, (left + pad, top + above), size_px=size_px, colour=colour)
    return drawing
