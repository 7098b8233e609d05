"""Pictures of samples and results: skeletons, depth maps, contact sheets, curves.

`images` draws single pictures, `space` skeletons from other sides, `panels` hands in space beside a
picture, `sheets` arranges pictures, `pages` adds text and axes, `files` writes.
Images are drawn with OpenCV, pages on a Matplotlib `Figure` of their own, so that no global state
of pyplot is touched. No TensorFlow.

Convention: images are RGB; pixel centres lie at integers, so enlarging an image by `scale` moves a
point p to (p + 0.5) * scale - 0.5.
"""

from kerashand.visualize.files import save_png
from kerashand.visualize.images import colour_depth, plot_skeleton
from kerashand.visualize.pages import (
    figure_depth_maps,
    figure_history,
    figure_pck,
    figure_skeletons,
)
from kerashand.visualize.sheets import contact_sheet, sample_sheet
from kerashand.visualize.space import draw_skeleton_3d

__all__ = [
    "colour_depth",
    "contact_sheet",
    "draw_skeleton_3d",
    "figure_depth_maps",
    "figure_history",
    "figure_pck",
    "figure_skeletons",
    "plot_skeleton",
    "sample_sheet",
    "save_png",
]
