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
# model. Depth maps are the weak supervision. No joint is labelled in 3D. The adapted model then runs on colour alone.
# The recording is simulated here. So the notebook runs anywhere, and the true joints show in the end what was gained.
# Put your own folder in its place.
#
# Some minutes on a CPU.

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
#   colour/0001.jpg ...
#   depth/0001.png ...    16 bit, 0 = no measurement
#   points.jsonl          2D points, filled in below
# ```
#
# This cell writes one: hands of the target domain before one camera, with the noise and the holes of a depth sensor.
# Your recorder writes the same files. `docs/recording.md` says how to describe a depth camera beside the colour camera.

# %%
import cv2
import matplotlib.pyplot as plt
import numpy as np

from kerashand import visualize
from kerashand.synthetic.scene import render_sample

FRAMES = 24 if SMOKE else 600
WIDTH, HEIGHT, FOCAL = 640, 480, 600.0
PALM_MM = 92.0  # wrist to the middle knuckle, measured once with a ruler
CAMERA = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def record(folder):
    """Write a recording; returns the true joints of each frame [21, 3] in mm."""
    for name in ("colour", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    camera = f"width: {WIDTH}, height: {HEIGHT}, fx: {FOCAL}, fy: {FOCAL}"
    (folder / "recording.yaml").write_text(
        f"colour: {{{camera}, cx: {WIDTH / 2}, cy: {HEIGHT / 2}}}\n"
        f"depth: {{{camera}, cx: {WIDTH / 2}, cy: {HEIGHT / 2}, unit_mm: 1.0}}\n"
        f"hand: {{wrist_middle_mcp_mm: {PALM_MM}}}\n"
    )
    truth = {}
    for number in range(FRAMES):
        sample = render_sample("target", "train", 7, number, size_px=224)
        # A hand of another size at another distance gives the same picture.
        scale = PALM_MM / np.linalg.norm(sample.xyz_mm[9] - sample.xyz_mm[0])
        turn = CAMERA @ np.linalg.inv(sample.intrinsics)
        # What the sample's picture does not reach is blurred.
        colour = cv2.GaussianBlur(cv2.resize(sample.image, (WIDTH, HEIGHT)), (0, 0), 60)
        cv2.warpPerspective(
            sample.image, turn, (WIDTH, HEIGHT), dst=colour, borderMode=cv2.BORDER_TRANSPARENT
        )
        depth = cv2.warpPerspective(
            sample.depth_mm * scale, turn, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST
        )
        name = f"{number:04d}"
        cv2.imwrite(str(folder / f"colour/{name}.jpg"), colour[:, :, ::-1])
        cv2.imwrite(str(folder / f"depth/{name}.png"), np.rint(depth).astype(np.uint16))
        truth[name] = sample.xyz_mm * scale
    return truth


recording = Path("recording")
truth = record(recording)

# %% [markdown]
# ## 2D points
#
# `kerashand-data label recording` asks the packaged model and keeps hands that it is sure of. Look at the sheet of
# `kerashand-data check`. Delete lines of points.jsonl that are wrong, because the model would learn them.

# %%
from kerashand.cli import data as kerashand_data

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
# This is stage 3 of `weak.yaml` from the packaged weights. Half of a batch is rendered hands with full labels, the
# other half is frames of the recording with points and depth. The last fifth of the frames is kept for the test.
# `depth_map_l1`, printed at the end, needs no 3D labels. It says how far the depth map made from the predicted joints
# is from the measured one.

# %%
from kerashand.cli.startup import tensorflow_start

with tensorflow_start():  # without its notes
    from kerashand.config import load_config
    from kerashand.training.run import run

STEPS = 2 if SMOKE else 150
CHANGES = [
    "data.source.train=3000", "data.source.val=64", "data.source.test=64",
    "data.target.kind=rgbd", f"data.target.path={recording}",
    *(f"data.target.{split}=null" for split in ("train", "val", "test")),
    "stages.pretrain.epochs=0", "stages.regularizer.epochs=0",
    f"stages.finetune.steps_per_epoch={STEPS}", "evaluation.pictures=4",
    "data.target.max_bad_share=0.2",  # frames whose wrist fell into a hole of the depth
]  # fmt: skip
if SMOKE:
    CHANGES += ["data.source.train=64", "data.source.val=8", "data.source.test=8"]
    CHANGES += ["stages.finetune.optimizer.warmup_steps=0", "stages.finetune.batch_size=8"]
before = run(load_config("weak.yaml", [*CHANGES, "stages.finetune.epochs=0", "name=unadapted"]))
EPOCHS = 1 if SMOKE else 3
after = run(
    load_config("weak.yaml", [*CHANGES, f"stages.finetune.epochs={EPOCHS}", "name=adapted"])
)
for name, results in (("before", before), ("after", after)):
    print(f"{name}: depth maps off by {results['test']['target']['depth_map_l1']:.4f} windows")

# %%
for picture in ("skeletons", "depth_maps"):
    image = plt.imread(f"runs/adapted/pictures/{picture}.png")
    plt.figure(figsize=(10, 10 * image.shape[0] / image.shape[1]))
    plt.imshow(image)
    plt.axis("off")
    plt.show()

# %% [markdown]
# ## What was gained
#
# The recording is simulated, so the error in 3D on the test frames is known here, with the true depth of the wrist.

# %%
from kerashand import picture_files
from kerashand.data.readers.recording import Pictures, load_points
from kerashand.exporting.models import load_run
from kerashand.geometry.camera import HAND_MARGIN, crop_affine
from kerashand.geometry.pose import xyz_from_uv_z

rows, pictures = load_points(recording), Pictures.of(recording)
held_out = [row for row in rows if int(row["frame"]) >= 0.8 * FRAMES]


def errors_mm(folder):
    """Mean error of each held-out hand, its square cut around the labelled points."""
    model, config = load_run(Path(folder))
    size = config.data.image_size_px
    found = []
    for row in held_out:
        picture = picture_files.read(pictures.colour_path(row["frame"]))
        uv = np.array(row["uv_px"])
        low, high = uv.min(axis=0), uv.max(axis=0)
        crop = crop_affine((low + high) / 2, (high - low).max() * HAND_MARGIN, size)
        image = cv2.warpAffine(picture, crop[:2], (size, size))
        pose = model(image[None].astype("float32"))
        true = truth[row["frame"]]
        bone = np.linalg.norm(true[10] - true[9])
        xyz = xyz_from_uv_z(
            np.asarray(pose["uv_px"], float), np.asarray(pose["z_relative"], float),
            (crop @ CAMERA)[None], true[:1, 2], np.array([bone]),
            depth_along=config.model.depth_along,
        )[0]  # fmt: skip
        if row["handedness"] == "right":  # a hand that was labelled as a left one is not counted
            found.append(np.linalg.norm(xyz - true, axis=1).mean())
    return np.array(found)


for name in ("unadapted", "adapted"):
    errors = errors_mm(f"runs/{name}")
    print(f"{name}: {errors.mean():.1f} mm (median {np.median(errors):.1f}, {len(errors)} frames)")

# %% [markdown]
# ## Take it along
#
# One file is for phones, boards and browsers. The call is the same as for the packaged model.

# %%
from kerashand.cli import export as kerashand_export
from kerashand.runtime import HandPose

HANDS = "8" if SMOKE else "64"  # rendered, on which the file is compared
kerashand_export.main(
    ["--model", "runs/adapted", "--precision", "fp16", "--hands", HANDS, "--out", "adapted.tflite"]
)
pose = HandPose.load("adapted.tflite")
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
