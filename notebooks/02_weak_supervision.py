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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/kerashand/kerashand/blob/main/notebooks/02_weak_supervision.ipynb)
#
# # The paper in one page: depth maps as weak supervision
#
# Cai et al. (ECCV 2018) on two domains of rendered hands. **Source** hands have full labels. **Target** hands stand
# for real pictures: they have 2D points and the depth map of a consumer camera, but no joint in 3D. First the depth
# regularizer learns to make depth maps. Then one model is adapted with 2D points alone and one with depth maps too,
# and both are compared. The trained model needs nothing but a colour picture.
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

SMOKE = bool(os.environ.get("KERASHAND_SMOKE"))  # the tests run everything on a few samples

# %% [markdown]
# ## The two domains
#
# Each sample shows the picture, joints, depth (grey: not measured) and mask. The depth of the target
# has noise, holes and rough edges, as that of a real camera.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kerashand import visualize
from kerashand.cli.startup import tensorflow_start
from kerashand.synthetic.scene import render_sample

with tensorflow_start():  # without its notes
    import keras

    from kerashand.config import find_initial_weights, load_config
    from kerashand.models.hand_pose import (
        build_parts,
        generate_depth_map,
        load_parts_npz,
        save_parts_npz,
    )
    from kerashand.training.run import run


def show(picture, width=12):
    """A picture under a cell."""
    plt.figure(figsize=(width, width * picture.shape[0] / picture.shape[1]))
    plt.imshow(picture)
    plt.axis("off")
    plt.show()


for domain in ("source", "target"):
    samples = [
        render_sample(domain, "train", seed=0, index=number, size_px=128) for number in range(4)
    ]
    show(visualize.sample_sheet(samples, scale=2, samples_per_row=2))

# %% [markdown]
# ## Three models, three stages
#
# The 2D network gives a score map for each joint. The depth regressor gives depths from maps and features. The depth
# regularizer makes a depth map from joints. Stage 1 trains the first two on the source. This takes more than an hour
# (`source.yaml`), so its weights come with the package. Stage 2 trains the regularizer on true joints of the source.
# Stage 3 trains the first two on both domains; the regularizer is frozen.

# %%
COUNTS = {"train": 3000, "val": 128, "test": 512}
STEPS = 200
if SMOKE:
    COUNTS, STEPS = {"train": 64, "val": 8, "test": 16}, 2
DATA = [f"data.{d}.{split}={n}" for d in ("source", "target") for split, n in COUNTS.items()]


def config_of(name, *changes):
    """A packaged configuration, shortened."""
    short = [f"stages.{stage}.optimizer.warmup_steps=0" for stage in ("regularizer", "finetune")]
    return load_config(f"{name}.yaml", [*DATA, *short, "stages.pretrain.epochs=0", *changes])


parts = build_parts(**config_of("weak").parts_arguments())
load_parts_npz(find_initial_weights("lite_source"), parts.models)
for part, model in parts.models.items():
    print(f"{part:12} {model.count_params() / 1e6:.2f} million parameters")
trained = {part: parts.models[part] for part in ("network", "regressor")}
save_parts_npz("runs/stage1.npz", trained)  # without the regularizer, which is to learn now

# %% [markdown]
# ## Stage 2: the regularizer learns
#
# After each epoch the regularizer makes the depth maps of four hands of the test split from their true joints.

# %%
seen = [
    render_sample("source", "test", seed=0, index=number, size_px=96) for number in (1, 4, 6, 9)
]
palm = np.array([np.linalg.norm(s.xyz_mm[9] - s.xyz_mm[10]) for s in seen])  # middle MCP - PIP
true_uv = np.stack([s.uv_px for s in seen]).astype("float32")
true_z = np.stack([(s.xyz_mm[:, 2] - s.xyz_mm[0, 2]) / p for s, p in zip(seen, palm, strict=True)])


class Drawn(keras.callbacks.Callback):
    """Keeps what the regularizer draws after each epoch."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        maps = generate_depth_map(
            self.model.parts.regularizer, true_uv, true_z.astype("float32"),
            image_size_px=96, half_width_scales=5.0,
        )  # fmt: skip
        self.rows.append((epoch + 1, logs["depth_map"], np.asarray(maps)[..., 0]))


drawn = Drawn()
stage_2 = config_of(
    "weak", "name=stage2", "model.initial_weights=runs/stage1.npz", "stages.finetune.epochs=0",
    f"stages.regularizer.epochs={2 if SMOKE else 6}", f"stages.regularizer.steps_per_epoch={STEPS // 2}",
    "evaluation.pictures=0",
)  # fmt: skip
run(stage_2, callbacks=[drawn])

columns = [*drawn.rows[::2], drawn.rows[-1]]
figure, axes = plt.subplots(len(seen), len(columns) + 1, figsize=(2.2 * (len(columns) + 1), 9))
for row, sample in zip(axes, seen, strict=True):
    row[0].imshow(sample.image)
for place, (epoch, loss, maps) in enumerate(columns, start=1):
    axes[0, place].set_title(f"epoch {epoch}: L1 {loss:.3f}", fontsize=9)
    for row, depth in zip(axes, maps, strict=True):
        row[place].imshow(visualize.colour_depth(depth))
for place in axes.flat:
    place.axis("off")
plt.show()

# %% [markdown]
# ## Stage 3: with and without depth maps
#
# Both models start from the same weights and see the same target pictures with the same 2D points. One of them also
# compares two depth maps: the one that the regularizer makes from its joints, and the measured one. The regularizer is
# frozen.

# %%
stage_3 = [
    "stages.regularizer.epochs=0", "model.initial_weights=runs/stage2/weights_regularizer.npz",
    f"stages.finetune.epochs={1 if SMOKE else 2}", f"stages.finetune.steps_per_epoch={STEPS}",
    "evaluation.pictures=4",
]  # fmt: skip
before = run(
    config_of("weak", "name=before", *stage_3, "stages.finetune.epochs=0", "evaluation.pictures=0")
)
with_points = run(config_of("labels_2d", "name=with_points", *stage_3))
with_depth = run(config_of("weak", "name=with_depth", *stage_3))

# %%
figure, axes = plt.subplots(figsize=(7, 4.5))
for name, results in (
    ("source labels alone", before),
    ("and 2D points of the target", with_points),
    ("and depth maps of the target", with_depth),
):
    target = results["test"]["target"]
    axes.plot(target["thresholds_mm"], target["pck"], label=f"{name}: AUC {target['auc']:.3f}")
    print(f"{name}: {target['mean_error_mm']:.1f} mm, in depth {target['mean_depth_error_mm']:.1f}")
axes.set_xlabel("error threshold (mm)")
axes.set_ylabel("share of target joints within (3D PCK)")
axes.grid(alpha=0.3)
axes.legend()
plt.show()

# %% [markdown]
# These runs are short. `kerashand-train --config weak.yaml` trains longer on more pictures.
# `tools/ablation.py` repeats all settings over several seeds.
#
# ## What the adapted model gives
#
# Skeletons from a new view, with the truth in grey; and measured depth maps beside those that the regularizer makes
# from the predicted joints.

# %%
for name in ("skeletons", "depth_maps"):
    show(plt.imread(f"runs/with_depth/pictures/{name}.png"))

# %% [markdown]
# ## From RGB alone
#
# The trained model takes a crop of a right hand (mirror a left one). It gives joints in pixels, and their depth in
# lengths of a bone.

# %%
load_parts_npz("runs/with_depth/weights_finetune.npz", parts.models)
model = parts.build_inference_model()
sample = render_sample("target", "test", seed=0, index=3, size_px=96)
pose = model(sample.image[None].astype("float32"))
show(visualize.plot_skeleton(sample.image, np.asarray(pose["uv_px"][0]), scale=4), width=4)
depth = np.asarray(pose["z_relative"][0])
print("depth behind the wrist in lengths of middle MCP - PIP:", depth.round(2))
