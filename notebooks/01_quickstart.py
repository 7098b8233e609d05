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
# The packaged models find hands and their 21 joints. Then you see the inside: score maps, the second
# pass, and the hand from another side. Everything runs on a CPU in seconds.

# %%
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

# A placeholder until the project is published, see notebooks/README.md.
REPOSITORY = "https://github.com/kerashand/kerashand"
EXTRA, NEEDED = "[train]", ("kerashand", "cv2", "tensorflow")


def install():
    """Install a clone around or beside this notebook, an archive, or what REPOSITORY holds."""
    here = Path.cwd()
    places = (here, *here.parents, *here.glob("kerashand*"))
    clones = [d for d in places if (d / "kerashand" / "__init__.py").is_file()]
    archives = [a for end in ("whl", "tar.gz", "zip") for a in here.glob(f"kerashand*.{end}")]
    if clones:
        wanted = ["-e", f"{clones[0]}{EXTRA}"]
        sys.path.insert(0, str(clones[0]))  # an editable install is seen by the next kernel only
    elif archives:
        wanted = [f"{archives[0]}{EXTRA}"]
    else:
        wanted = [f"kerashand{EXTRA} @ git+{REPOSITORY}"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *wanted], check=True)
    importlib.invalidate_caches()


# A clone beside this notebook is found by its name too, but it has no `origin`: it is no package.
if not all(getattr(importlib.util.find_spec(name), "origin", None) for name in NEEDED):
    install()

# %% [markdown]
# ## A picture
#
# These hands are rendered by the package, in front of a photograph. For a picture of your own:
# `picture = picture_files.read("photo.jpg")`, after `from kerashand import picture_files`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kerashand import visualize
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

picture = np.concatenate(
    [
        render_sample("varied", "test", seed=0, index=number, size_px=256).image
        for number in (1017, 1011)
    ],
    axis=1,
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
# Here a box and the handedness (`handedness`) are given. Without them the detector looks for hands. A hand
# has a handedness, a score, joints in pixels, and depth behind the wrist in lengths of wrist - middle
# knuckle. With intrinsics and that length it also has millimetres.

# %%
pose = HandPose.load()
half = picture.shape[1] // 2
hands = [
    pose.predict(picture, box=(left + 24, 24, left + half - 24, 232), handedness="right")[0]
    for left in (0, half)
]
overlay = picture
for hand in hands:
    overlay = visualize.plot_skeleton(overlay, hand.uv_px, scale=1)
    print(
        f"{hand.handedness}, score {hand.score:.2f}, depth behind the wrist:",
        hand.z_relative.round(2),
    )
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
# This is a Keras model with the weights of the packaged file. A joint is the expectation over its
# map. The crop of the second pass is cut where the joints of the first pass lie,
# a little closer, with the fingers up.

# %%
from kerashand.cli.startup import tensorflow_start

with tensorflow_start():  # without its notes
    from kerashand.exporting import load_exportable

from kerashand.geometry.heatmaps import normalise_maps
from kerashand.runtime.crop import crop_from_image, cut
from kerashand.runtime.views import view_of_joints

model, description = load_exportable("lite")
size = description["image_size_px"]
centre, side, angle = view_of_joints(hands[0].uv_px, margin=pose.recipe.margin)
crop = cut(picture, crop_from_image(centre, side, size, angle_rad=angle), size)
outputs = model(crop[None].astype("float32"))
maps = np.asarray(normalise_maps(outputs["heatmaps"], "softmax"))[0]

figure, places = plt.subplots(1, 6, figsize=(12, 2.4))
places[0].imshow(visualize.plot_skeleton(crop, np.asarray(outputs["uv_px"])[0]))
places[0].set_title("second pass")
for place, joint in zip(places[1:], (0, 4, 8, 12, 20), strict=True):
    place.imshow(crop, extent=(-0.5, size - 0.5, size - 0.5, -0.5))
    place.imshow(maps[..., joint], extent=(-0.5, size - 0.5, size - 0.5, -0.5), alpha=0.6)
    place.set_title(description["joint_names"][joint])
for place in places:
    place.axis("off")
plt.show()

# %% [markdown]
# ## Next
#
# `kerashand-predict photo.jpg` and `kerashand-predict clip.mp4 --out clip_pose.mp4` do this from a
# terminal. `02_weak_supervision.ipynb` shows the method on one page. `03_your_own_rgbd.ipynb` adapts the
# model to a camera. `04_export_to_edge.ipynb` takes it to phones and browsers.
