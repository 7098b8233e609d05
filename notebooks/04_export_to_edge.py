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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/kerashand/kerashand/blob/main/notebooks/04_export_to_edge.ipynb)
#
# # To the edge: TFLite, ONNX, parity, speed, a web page
#
# One trained model becomes files for phones, boards and browsers. Every file is compared with its model before it is
# written. Here the sizes, differences and times of the files stand side by side.
#
# A minute or two on a CPU.

# %%
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

# A placeholder until the project is published, see notebooks/README.md.
REPOSITORY = "https://github.com/kerashand/kerashand"
EXTRA, NEEDED = "[export]", ("kerashand", "ai_edge_quantizer", "onnxruntime", "tf2onnx")


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
# ## Export
#
# `lite` is the packaged model. A run folder of `kerashand-train` can take its place. On the command line it is
# `kerashand-export --model lite --format tflite --precision fp16 --out hand.tflite`. `int8` calibrates on rendered
# hands. `--backgrounds DIR` puts pictures of yours behind them.

# %%
from kerashand.cli import export as kerashand_export
from kerashand.extras import check_export

HANDS = "24" if SMOKE else "64"  # rendered, on which each file is compared
FILES = {
    "tflite fp32": "fp32.tflite",
    "tflite fp16": "fp16.tflite",
    "tflite dynamic_int8": "dynamic_int8.tflite",
    "tflite int8": "int8.tflite",
    "onnx fp32": "fp32.onnx",
    "onnx fp16": "fp16.onnx",
}
if SMOKE:
    FILES = {name: FILES[name] for name in ("tflite fp16", "tflite int8", "onnx fp16")}
for name in FILES:
    check_export(*name.split())  # says what is not installed, before anything is rendered
for name, file in FILES.items():
    kind, precision = name.split()
    options = ["--format", kind, "--precision", precision, "--hands", HANDS, "--out", file]
    kerashand_export.main(["--model", "lite", *options])

# %% [markdown]
# ## Parity
#
# Beside each file lies a report, `NAME.parity.json`. It compares the joints of the file with those of the model on the
# same rendered hands, and gives the errors of both.

# %%
import json

reports = {
    name: json.loads(Path(f"{file}.parity.json").read_text()) for name, file in FILES.items()
}
for name, report in reports.items():
    off = report["difference"]["serving_default"]["uv_px"]["max"]
    errors = [report[when]["mean_error_mm"] for when in ("before", "after")]
    print(
        f"{name:20} {report['bytes'] / 1e6:5.1f} MB, joints at most {off:8.5f} px off, "
        f"error {errors[0]:.2f} -> {errors[1]:.2f} mm"
    )
print("on", reports["tflite fp16"]["hands"])

# %% [markdown]
# ## Speed
#
# One pass, one thread, all in turns, so that a busy machine slows all alike. A hand in a picture takes the
# detector and one pass or two. A hand that is followed through a video takes one pass a frame.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from kerashand.runtime.backends import load_backend

backends = {name: load_backend(Path(file), task="hand_pose") for name, file in FILES.items()}
size = int(backends["tflite fp16"].metadata["image_size_px"])
crop = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
times = {name: [] for name in FILES}
for _ in range(3 if SMOKE else 100):
    for name, backend in backends.items():
        start = time.perf_counter()
        backend.run(crop)
        times[name].append(1000.0 * (time.perf_counter() - start))

figure, axes = plt.subplots(figsize=(7, 3))
median = [np.median(times[name]) for name in FILES]
axes.bar_label(axes.barh(list(FILES), median), fmt="%.2f ms", padding=3)
axes.invert_yaxis()
axes.set_xlabel("ms a pass, median")
axes.margins(x=0.15)
plt.show()

# %% [markdown]
# ## The same call for every file

# %%
from kerashand import visualize
from kerashand.runtime import HandPose
from kerashand.synthetic.scene import render_sample

picture = render_sample("varied", "test", seed=0, index=1017, size_px=256).image
figure, places = plt.subplots(1, 3, figsize=(10, 3.6))
for place, name in zip(places, ("tflite fp16", "tflite int8", "onnx fp16"), strict=True):
    pose = HandPose.load(FILES[name])
    hand = pose.predict(picture, box=(24, 24, 232, 232), handedness="right")[0]
    place.imshow(visualize.plot_skeleton(picture, hand.uv_px, scale=1))
    place.set_title(name)
    place.axis("off")
    print(f"{name}: depth behind the wrist:", hand.z_relative[[4, 8, 12, 16, 20]].round(3))
plt.show()

# %% [markdown]
# ## What is in a file
#
# The description that the runtimes read is in the file: sizes, joint names, the unit of depth. A program in another
# language needs nothing else.

# %%
held = backends["tflite int8"].metadata
for key in ("image_size_px", "scale_bone", "joint_names"):
    print(f"{key}: {held[key]}")

# %% [markdown]
# ## In a browser, on a board, in an app
#
# `export/web` is a static page that runs these .tflite files with LiteRT.js. Run `cd export/web && npm install && npm
# start`, then open http://127.0.0.1:8000. Add `?pose=models/mine.tflite` for a model of yours. `export/` has programs for
# Python on a Raspberry Pi, C++, Jetson (ONNX to TensorRT), Android and iOS, each with its steps.
