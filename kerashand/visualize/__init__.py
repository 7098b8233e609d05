"""Pictures of samples and results: skeletons, depth maps, contact sheets, curves.

`images` draws single pictures out of `marks`, `space` skeletons from other sides, `panels` hands in
space beside a picture, `sheets` arranges pictures, `files` writes. They need NumPy and Pillow;
depth is coloured, and hands in space are drawn, by OpenCV. `pages` adds text and axes and is
imported by itself, since it needs Matplotlib: each page is a `Figure` of its own, so that no global
state of pyplot is touched. No TensorFlow.

Convention: images are RGB; pixel centres lie at integers, so enlarging an image by `scale` moves a
point p to (p + 0.5) * scale - 0.5.
"""

from kerashand.visualize.files import save_png
from kerashand.visualize.images import colour_depth, plot_skeleton
from kerashand.visualize.sheets import contact_sheet, sample_sheet
from kerashand.visualize.space import draw_skeleton_3d

__all__ = [
    "colour_depth",
    "contact_sheet",
    "draw_skeleton_3d",
    "plot_skeleton",
    "sample_sheet",
    "save_png",
]
