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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/kerashand/kerashand/blob/main/notebooks/03_your_own_rgbd.ipynb)
#
# # From your own RGB-D recording to a model for your camera
#
# A consumer depth camera (RealSense, Kinect, a phone) records colour and depth. 2D points come from the packaged
# model. Depth is the weak supervision. No joint is labelled in 3D. The adapted model then runs on colour alone.
# The recording is simulated here. So the notebook runs anywhere, and the true joints show in the end what was gained.
# Put your own folder in its place.
#
# About fifteen minutes on a CPU.

# %%
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

# A placeholder until the project is published, see notebooks/README.md.
REPOSITORY = "https://github.com/kerashand/kerashand"
EXTRA, NEEDED = "[export]", ("kerashand", "ai_edge_quantizer")


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

SMOKE = bool(os.environ.get("KERASHAND_SMOKE"))  # the tests run everything on a few samples

# %% [markdown]
# ## A recording
#
# ```
# recording/
#   recording.yaml        cameras, and one measure of the hand
#   colour/00001.jpg ...
#   depth/00001.png ...   16 bit, 0 = no measurement
#   points.jsonl          2D points, filled in below
# ```
#
# `kerashand-data import FILE recording` makes this folder from the file of a camera: a RealSense or ROS bag, an Azure
# Kinect's .mkv, a Record3D .r3d and others. `docs/recording.md` lists them. This cell renders a recording instead: a hand
# over a table, with the noise and the holes of a depth sensor. The true joints are in `truth.npz`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kerashand import visualize
from kerashand.cli import data as kerashand_data

FRAMES = "24" if SMOKE else "400"
recording = Path("recording")
kerashand_data.main(
    ["simulate", str(recording), "--scene", "table", "--frames", FRAMES, "--seed", "3001"]
)

# %% [markdown]
# ## 2D points
#
# `kerashand-data label recording` finds the hand and follows it forwards and backwards. A hand counts where its size fits
# its measured distance. Look at the sheet of `kerashand-data check`. Delete lines of points.jsonl that are wrong, because
# the model would learn them.

# %%
kerashand_data.main(["label", str(recording)])
kerashand_data.main(["check", str(recording), "--kind", "rgbd", "--sheet", "sheet.png"])
sheet = plt.imread("sheet.png")
sheet = sheet[: sheet.shape[0] // 3]
plt.figure(figsize=(12, 12 * sheet.shape[0] / sheet.shape[1]))
plt.imshow(sheet)
plt.axis("off")
plt.show()

# %% [markdown]
# ## Adapt
#
# `kerashand-train --config adapt.yaml --set data.target.path=recording` starts from the packaged model. Half of a batch is
# rendered hands with full labels, the other half is frames of the recording with points and depth. After each epoch a
# score without 3D labels is measured on frames that are held out. The run ends with the best epoch.

# %%
from kerashand.cli.startup import tensorflow_start

with tensorflow_start():  # without its notes
    from kerashand.config import load_config
    from kerashand.training.run import run

CHANGES = [f"data.target.path={recording}"]
if SMOKE:
    CHANGES += [
        *(
            "data.source.train=64",
            "data.source.val=8",
            "data.source.test=8",
            "evaluation.pictures=2",
        ),
        *("stages.regularizer.epochs=1", "stages.finetune.epochs=1"),
        *("stages.regularizer.batch_size=8", "stages.finetune.batch_size=8"),
    ]
results = run(load_config("adapt.yaml", CHANGES))

# %%
for picture in ("skeletons", "depth_maps"):
    image = plt.imread(f"runs/adapt/pictures/{picture}.png")
    plt.figure(figsize=(10, 10 * image.shape[0] / image.shape[1]))
    plt.imshow(image)
    plt.axis("off")
    plt.show()

# %% [markdown]
# ## What was gained
#
# The recording is simulated, so the error in 3D on the test frames is known here: the last fifth, which training has not
# seen. The depth of the wrist and the length of the palm are given, as the paper does it.

# %%
from kerashand import picture_files
from kerashand.cli import export as kerashand_export
from kerashand.data.readers.recording import Pictures, load_points, load_recording
from kerashand.runtime import HandPose

HANDS = "8" if SMOKE else "64"  # rendered, on which the file is compared
kerashand_export.main(
    ["--model", "runs/adapt", "--precision", "fp16", "--hands", HANDS, "--out", "adapted.tflite"]
)
rows, pictures = load_points(recording), Pictures.of(recording)
true = np.load(recording / "truth.npz")
joints = dict(zip(true["frame"].tolist(), true["xyz_mm"], strict=True))
camera = load_recording(recording).intrinsics
held_out = rows[round(0.8 * len(rows)) :]


def errors_mm(pose):
    """Mean error of the joints of each held-out hand."""
    found = []
    for row in held_out:
        xyz, uv = joints[row["frame"]], np.array(row["uv_px"])
        hand = pose.predict(
            picture_files.read(pictures.colour_path(row["frame"])),
            box=(*uv.min(axis=0), *uv.max(axis=0)), handedness=row["handedness"], passes=1,
            intrinsics=camera, scale_mm=float(np.linalg.norm(xyz[9] - xyz[0])),
            root_depth_mm=float(xyz[0, 2]),
        )[0]  # fmt: skip
        found.append(np.linalg.norm(hand.xyz_mm - xyz, axis=1).mean())
    return np.array(found)


for name, pose in (("packaged", HandPose.load()), ("adapted", HandPose.load("adapted.tflite"))):
    errors = errors_mm(pose)
    print(f"{name}: {errors.mean():.1f} mm (median {np.median(errors):.1f}, {len(errors)} frames)")

# %% [markdown]
# ## Take it along
#
# `adapted.tflite` is for phones, boards and browsers. The call is the same as for the packaged model.

# %%
row = held_out[0]
picture = picture_files.read(pictures.colour_path(row["frame"]))
uv = np.array(row["uv_px"])
hand = pose.predict(picture, box=(*uv.min(axis=0), *uv.max(axis=0)), handedness=row["handedness"])[
    0
]
plt.imshow(visualize.plot_skeleton(picture, hand.uv_px, scale=1))
plt.axis("off")
plt.show()
print("depth behind the wrist:", hand.z_relative.round(2))
