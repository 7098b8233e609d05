"""How `kerashand-predict` draws hands."""

from __future__ import annotations

import cv2

from kerashand.visualize.images import enlarge, plot_skeleton

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
    size = max(height / 1000.0, 0.5)
    thick = max(round(1.5 * size), 1)
    for (number, hand), uv_px in zip(numbered, places, strict=True):
        text = f"{number} {hand.handedness} {hand.score:.2f}"
        (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        left = int(min(max(uv_px[:, 0].min(), 0), max(width - wide - 4, 0)))
        # Above the hand, or below where there is no room.
        top = int(uv_px[:, 1].min() - high - below - 12 * size)
        top = top if top >= 0 else min(int(uv_px[:, 1].max() + 12 * size), height - high - below)
        corner = (left + wide + 4, top + high + below)
        cv2.rectangle(drawing, (left, top), corner, (0, 0, 0), cv2.FILLED)
        colour = (255, 255, 255) if hand.score >= SURE_SCORE else (255, 176, 0)
        cv2.putText(
            drawing, text, (left + 2, top + high + below // 2), cv2.FONT_HERSHEY_SIMPLEX, size,
            colour, thick, cv2.LINE_AA,
        )  # fmt: skip
    return drawing
