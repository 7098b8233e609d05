# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/kerashand/kerashand/blob/main/notebooks/01_quickstart.ipynb)
#
# # Hands in a picture, in a minute
#
# The packaged models find hands and their 21 joints; then a look inside: score maps, the second
# look, the hand from another side. Everything runs on a CPU in seconds.

# %%
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("kerashand") is None:
    if not os.path.exists("setup.cfg"):
        repository = "https://github.com/kerashand/kerashand"
        subprocess.run(["git", "clone", "-q", "--depth", "1", repository], check=True)
        os.chdir("kerashand")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", "."], check=True)
    sys.path.insert(0, os.getcwd())  # an editable install is seen by the next kernel only

# %% [markdown]
# ## A picture
#
# Hands drawn by the package, in front of a photograph. For one of your own:
# `picture = cv2.imread("photo.jpg")[:, :, ::-1].copy()`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kerashand import visualize
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import draw_sample

picture = np.concatenate(
    [draw_sample("varied", "test", 0, number, size_px=256).image for number in (1017, 1011)], axis=1
)


def show(image, width=7.5, title=""):
    """A picture under a cell."""
    plt.figure(figsize=(width, width * image.shape[0] / image.shape[1]))
    plt.imshow(image)
    plt.title(title)
    plt.axis("off")
    plt.show()


show(picture)

# %% [markdown]
# ## Joints
#
# A box and a side are given here; without them the finder looks for hands. A hand has its side, a
# score, joints in pixels, and depth behind the wrist in lengths of wrist - middle knuckle; with
# intrinsics and that length also millimetres.

# %%
pose = HandPose.load()
half = picture.shape[1] // 2
hands = [
    pose.predict(picture, box=(left + 24, 24, left + half - 24, 232), side="right")[0]
    for left in (0, half)
]
overlay = picture
for hand in hands:
    overlay = visualize.draw_skeleton(overlay, hand.uv_px, scale=1)
    print(f"{hand.side}, score {hand.score:.2f}, depth behind the wrist:", hand.z_relative.round(2))
show(overlay)

# %% [markdown]
# ## The hand from another side

# %%
view = (30, 20)
turned = [
    visualize.draw_skeleton_3d(hand.xyz_relative * 90.0, size_px=380, view_deg=view)
    for hand in hands
]
show(np.concatenate(turned, axis=1), title="from 30 degrees to the right, 20 above")

# %% [markdown]
# ## Inside: score maps
#
# The same weights as a Keras model, out of the packaged file. A joint is the expectation over its
# map. The second look is cut where the joints of the first say, a little closer, with the fingers up.

# %%
from kerashand.cli.startup import tensorflow_start

with tensorflow_start():  # without its notes
    from kerashand.exporting import load_exportable

from kerashand.geometry.heatmaps import normalise_maps
from kerashand.runtime.crop import crop_from_image, cut
from kerashand.runtime.hand_pose import CLOSER, view_of_joints

model, description = load_exportable("lite")
size = description["image_size_px"]
centre, side, angle = view_of_joints(hands[0].uv_px)
crop = cut(picture, crop_from_image(centre, CLOSER * side, size, angle_rad=angle), size)
outputs = model(crop[None].astype("float32"))
maps = np.asarray(normalise_maps(outputs["heatmaps"], "softmax"))[0]

figure, places = plt.subplots(1, 6, figsize=(12, 2.4))
places[0].imshow(visualize.draw_skeleton(crop, np.asarray(outputs["uv_px"])[0]))
places[0].set_title("second look")
for place, joint in zip(places[1:], (0, 4, 8, 12, 20), strict=True):
    place.imshow(crop, extent=(-0.5, size - 0.5, size - 0.5, -0.5))
    place.imshow(maps[..., joint], extent=(-0.5, size - 0.5, size - 0.5, -0.5), alpha=0.6)
    place.set_title(description["joint_names"][joint])
for place in places:
    place.axis("off")
plt.show()

# %% [markdown]
# ## On
#
# `kerashand-predict photo.jpg` and `kerashand-predict clip.mp4 --out clip_pose.mp4` do this from a
# terminal. `02_weak_supervision.ipynb` is the method on one page,
# `03_your_own_rgbd.ipynb` adapts the model to a camera, `04_export_to_edge.ipynb` takes it to phones and browsers.
