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
# # 3D hand pose from RGB, with depth maps as weak supervision
#
# The method of Cai et al. (ECCV 2018) on two domains of rendered hands: **source** hands with full
# labels, **target** hands with 2D points and the depth map of a consumer camera. Trained so, the
# model needs nothing but a colour picture. On two CPU cores this takes about ten minutes; Colab's
# machines differ.
#
# In Colab, first get the project and enter its folder; this cell then installs it.

# %%
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("kerashand") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", "."], check=True)
    sys.path.insert(0, os.getcwd())  # an editable install is seen by the next kernel only

SMOKE = bool(os.environ.get("KERASHAND_SMOKE"))  # the tests run everything on a few samples

# %% [markdown]
# ## The two domains
#
# Each sample: picture, joints, depth (grey: not measured) and mask. The camera of the target has
# noise, holes and rough edges, as a real one has.

# %%
import matplotlib.pyplot as plt

from kerashand import visualize
from kerashand.synthetic.scene import draw_sample


def show(picture, width=12):
    """A picture under a cell."""
    plt.figure(figsize=(width, width * picture.shape[0] / picture.shape[1]))
    plt.imshow(picture)
    plt.axis("off")
    plt.show()


for domain in ("source", "target"):
    samples = [draw_sample(domain, "train", 0, number, size_px=128) for number in range(4)]
    show(visualize.sample_sheet(samples, scale=2, samples_per_row=2))

# %% [markdown]
# ## Training
#
# `weak.yaml` starts from weights that were trained on the source (`source.yaml` makes them). Its
# three stages: 2D network and depth regressor on the source; the depth regularizer, which draws a
# depth map of joints; and all together on both domains, where the target has no joints in 3D, and
# the regularizer compares what it draws of the predicted joints with what the camera measured.
#
# Interrupted, the cell goes on from the last checkpoint when it runs again.

# %%
from kerashand.config import load_config
from kerashand.training.run import run

changes = []  # such as "stages.finetune.epochs=8"
if SMOKE:
    changes = [
        "name=smoke",
        *(f"data.{d}={{train: 32, val: 8, test: 8}}" for d in ("source", "target")),
        *(
            f"stages.{s}.{change}"
            for s in ("pretrain", "regularizer", "finetune")
            for change in ("steps_per_epoch=2", "batch_size=8", "optimizer.warmup_steps=0")
        ),
        "stages.finetune.epochs=1",
        "evaluation.pictures=2",
    ]
config = load_config("weak.yaml", changes)
results = run(config)

# %% [markdown]
# ## What it learned
#
# Skeletons over the pictures and from a new view, with the truth in grey; then measured depth maps
# beside those that the regularizer draws of the predicted joints; then the share of joints within a
# distance.

# %%
from pathlib import Path

pictures = Path("runs") / config.name / "pictures"
for path in sorted(pictures.glob("*.png")):
    show(plt.imread(path))

# %% [markdown]
# ## The model on a picture
#
# Only the part from RGB to joints is left. It takes a square around a right hand (mirror a left
# one) and gives pixels and depth in lengths of a bone.

# %%
import numpy as np

from kerashand.models.hand_pose import build_parts, load_parts_npz

parts = build_parts(**config.parts_arguments())
load_parts_npz(Path("runs") / config.name / "weights_finetune.npz", parts.models)
model = parts.build_inference_model()
sample = draw_sample("target", "test", 0, 3, size_px=config.data.image_size_px)
pose = model(sample.image[None].astype("float32"))
joints_px, depth = np.asarray(pose["uv_px"][0]), np.asarray(pose["z_relative"][0])
show(visualize.draw_skeleton(sample.image, joints_px, scale=4), width=5)
print("depth behind the wrist in middle MCP-PIP bones:", np.round(depth, 2))
