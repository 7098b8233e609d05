"""How `kerashand-predict` draws hands."""

from __future__ import annotations

import numpy as np

from kerashand.errors import UserError
from kerashand.extras import check
from kerashand.runtime.hand import ASSUMED_SCALE_MM
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


class Drawer:
    """Draws pictures and frames as `--view` says.

    Args:
        view: "2d" for the picture alone, "3d" for a panel beside it that shows hands in space.
        scale_bone, scale_mm: the scale bone of the pose model, and its length in the hand.
    """

    def __init__(self, view: str, *, scale_bone: str, scale_mm: float):
        self._in_space, self._scale_mm = view == "3d", scale_mm
        palm_scales = ASSUMED_SCALE_MM["wrist_middle_mcp"] / ASSUMED_SCALE_MM[scale_bone]
        self._palm_mm = palm_scales * scale_mm

    def picture(self, rgb, numbered):
        """A picture with its hands: uint8 RGB, small ones enlarged; in space from fixed sides."""
        drawing = draw(rgb, numbered)
        if not self._in_space:
            return drawing
        from kerashand.visualize.panels import still_panel  # loads OpenCV

        return self._joined(drawing, numbered, still_panel)

    def frame(self, rgb, numbered, *, time_s: float):
        """The same of a video's frame; in space from a side that turns with the time."""
        drawing = draw(rgb, numbered)
        if not self._in_space:
            return drawing
        from kerashand.visualize.panels import turn_at, turning_panel

        return self._joined(drawing, numbered, turning_panel, turn_deg=turn_at(time_s))

    def _joined(self, drawing, numbered, panel, **view):
        from kerashand.visualize.panels import panel_size

        hands_mm = [
            hand.xyz_relative * self._scale_mm if hand.xyz_mm is None else hand.xyz_mm
            for _, hand in numbered
        ]
        beside = panel(
            hands_mm,
            size_px=panel_size(drawing.shape[1], drawing.shape[0]),
            palm_mm=self._palm_mm,
            captions=[f"{number} {hand.handedness}" for number, hand in numbered],
            **view,
        )
        return np.concatenate([drawing, beside], axis=1)


def check_view(view: str, jobs, *, show: bool) -> None:
    """Refuse `--view 3d` where nothing is drawn.

    Raises:
        UserError: If no input has a drawing or a window, or OpenCV is missing.
    """
    drawn = show or any(job.target is not None or job.path is None for job in jobs)
    if view == "3d" and not drawn:
        raise UserError("--view 3d is of drawings: leave out --no-drawing, or show a video: --show")
    if view == "3d":
        check("--view 3d")
