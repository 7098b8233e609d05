"""Tables and sentences that tools/write_figures.py puts into pages, from docs/figures/*.json."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import figure_mediapipe
import figure_paper
from figure_forms import ROOT, figures, number, results, table, titled

WEIGHTS = {
    "hand_pose.tflite": "pose model: crop of one hand to 21 joints",
    "hand_detector.tflite": "detector: whole picture to boxes of hands",
    "hand_pose_by_depth.tflite": "pose model by depth: depth picture of one hand to 21 joints",
    "lite_source.npz": "starting weights of `weak.yaml`",
}
"""Files of kerashand/weights and what they are."""
GROUPS = {
    "fingers": "set: fingers",
    "sign_digits": "set: sign_digits",
    "stereo": "set: the two clips",
    "ti1k": "set: ti1k",
}
"""Groups of tools/recipe/evaluate_model.py that pages call otherwise."""
FORMATS = {"tflite": "TFLite", "onnx": "ONNX", "saved_model": "SavedModel"}
SPEED_ROWS = {
    **figure_mediapipe.MODELS,
    "cpm, 256 px": "the paper's CPM, 256 px, TFLite fp32",
}
INSTALLS = {
    "": "prediction on pictures, MediaPipe scripts, gestures",
    "video": "and videos",
    "opencv": "and cameras, sheets of hands, OpenCV for scripts",
    "edge": "and `.onnx` models",
    "datasets": "and labels of STB",
    "train": "training and evaluation",
    "export": "training and export to all formats",
}
"""Extras of setup.cfg and what they are for; the base has none."""
PACKAGED = "lite tflite dynamic_int8"
"""Of the rows of speed, the packaged pose model."""
PACKAGED_ROWS = ("hand_landmark_lite", "hand_landmark_full", PACKAGED)
"""Of the table of speed, those that the model card shows."""
MEASURED = (
    "evaluation", "gestures", "speed", "ablation", "step", "bfloat16", "onednn", "growth",
    "kills", "mediapipe", "mediapipe_time", "scripts", "tips", "adaptation", "beside_torch",
)  # fmt: skip
"""Files of figures whose command and machine pages state: `NAME-by`."""
LABELLED_BY = "hand_landmark_full"
"""The model inside the landmarker that labelled the clips."""


def _chosen(rows: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict]:
    return titled({name: rows[name] for name in titles}, titles)


def _files(names: Iterable[str]) -> list[dict]:
    folder = ROOT / "kerashand" / "weights"
    return [
        {"title": f"kerashand/weights/{name}", "what": WEIGHTS[name],
         "mb": (folder / name).stat().st_size / 1e6}
        for name in names
    ]  # fmt: skip


def _photographs() -> list[dict]:
    groups = results("evaluation")["photographs"]
    return titled({name: row for name, row in groups.items() if row.get("hands")}, GROUPS)


def _joints_3d() -> list[dict]:
    return _chosen(results("evaluation"), {
        "photographs in 3D": "the two clips",
        "the labeller's own depth": "the labeller itself on them",
        "rendered hands": "rendered hands, all views",
    })  # fmt: skip


def _passes() -> list[dict]:
    names = ("evaluation_passes_1", "evaluation_passes_2", "evaluation")
    return [results(name) for name in names]


def _speed(chosen: Sequence[str] = ()) -> list[dict]:
    rows = []
    for row in results("speed"):
        name = row["file"]
        if chosen and name not in chosen:
            continue
        if name.startswith("lite "):
            form, precision = name.split()[1:]
            name = f"{FORMATS[form]} {precision}"
        rows.append({**row, "title": SPEED_ROWS.get(name, name)})
    return rows


def _models() -> list[dict]:
    """The packaged pose model first, then those of MediaPipe."""
    speed = {row["file"]: row for row in results("speed")}
    tips = {row["model"]: row for row in results("tips")["rows"]}
    clips = results("evaluation")
    ours = {
        "title": "kerashand `hand_pose`",
        "mb": (ROOT / "kerashand" / "weights" / "hand_pose.tflite").stat().st_size / 1e6,
        "ms": speed[PACKAGED]["threads"]["1"]["ms"],
        **tips["kerashand"],
        "mean_mm": clips["photographs in 3D"]["mean_mm"],
    }
    theirs = [
        {"title": SPEED_ROWS[name], "mb": speed[name]["mb"],
         "ms": speed[name]["threads"]["1"]["ms"], **tips[name]}
        | ({"mean_mm": clips["the labeller's own depth"]["mean_mm"]} if name == LABELLED_BY else {})
        for name in ("hand_landmark_full", "hand_landmark_lite")
    ]  # fmt: skip
    return [ours, *theirs]


def _exports() -> list[dict]:
    held = results("exports")
    rows = [{"title": f"{FORMATS[row['format']]} {row['precision']}", **row}
            for row in held["files"]]  # fmt: skip
    return [{"title": "the model", **held["model"]}, *rows]


def _step_parts() -> list[dict]:
    titles = {"input": "input, when nothing else runs", "step": "the whole step"}
    parts = results("step")["parts_ms"]
    return [{"title": titles.get(name, name), "ms": ms} for name, ms in parts.items()]


def _installs() -> list[dict]:
    rows = []
    for row in results("install")["rows"]:
        what = f'".[{row["extra"]}]"' if row["extra"] else "."
        rows.append({**row, "title": INSTALLS[row["extra"]], "command": f"pip install -e {what}"})
    return rows


def _recordings() -> list[dict]:
    """Errors and training times by recording and setting, means over the seeds."""
    found: dict[int, dict[str, list[dict]]] = {}
    for row in results("adaptation")["rows"]:
        found.setdefault(row["recording"], {}).setdefault(row["setting"], []).append(row)
    return [
        {"recording": name, **{
            setting: {
                "minutes": fmean(run.get("seconds", 0.0) / 60 for run in runs),
                **{split: {"mean_mm": fmean(run[split]["mean_mm"] for run in runs)}
                   for split in ("train", "test")},
            }
            for setting, runs in settings.items()
        }}
        for name, settings in found.items()
    ]  # fmt: skip


def _detector() -> list[dict]:
    titles = {"photographs": "photographs", "rendered pictures": "rendered pictures"}
    return _chosen(results("detector"), titles)


SPEED_COLUMNS = {
    "file": "title text", "MB": "mb mb", "M multiply-adds": "multiply_adds_m 0",
    "ms, 1 thread": "threads/1/ms short", "ratio": "threads/1/ratio short",
    "of peak": "threads/1/of_peak %0", "ms, 2 threads": "threads/2/ms short",
    "ratio, 2 threads": "threads/2/ratio short",
}  # fmt: skip
FILE_COLUMNS = {"file": "title code", "what it is": "what text", "MB": "mb mb"}
TABLES: dict[str, tuple[Callable[[], Iterable[Mapping[str, Any]]], dict[str, str]]] = {
    "files": (lambda: _files(name for name in WEIGHTS if name.endswith(".tflite")), FILE_COLUMNS),
    "all-files": (lambda: _files(WEIGHTS), FILE_COLUMNS),
    "training": (
        lambda: results("training")["weak"]["minutes"],
        {"machine": "machine text", "minutes, with the installation": "minutes 1"},
    ),
    "ablation": (
        figure_paper.settings,
        {"trained with": "title text", "AUC 20-50 mm": "auc/mean 3", "±": "auc/deviation 3",
         "mean mm": "mean_error_mm/mean 1", "depth mm": "mean_depth_error_mm/mean 1",
         "2D px of 96": "mean_error_px/mean 1"},
    ),
    "paper": (
        figure_paper.settings,
        {"trained with": "title text", "the paper, STB": "stb 3", "target": "auc/mean 3",
         "± of the target": "auc/deviation 3", "source": "source/auc/mean 3",
         "± of the source": "source/auc/deviation 3"},
    ),
    "regularizer": (
        figure_paper.regularizer,
        {"test data": "title text", "AUC with less AUC without": "gain signed",
         "depth mm with": "depth_with 1", "depth mm without": "depth_without 1"},
    ),
    "photographs": (
        _photographs,
        {"group": "title text", "hands": "hands 0", "mean px": "mean_px 1",
         "median px": "median_px 1", "PCK 0.1": "pck 3", "above 15 px": "hands_above_15px %0",
         "ECE": "calibration_error 3", "handedness": "handedness 3",
         "handedness, worst": "handedness_worst 3"},
    ),
    "joints-3d": (
        _joints_3d,
        {"pictures": "title text", "hands": "hands 0", "mean px": "mean_px 1",
         "AUC 20-50 mm": "auc 3", "mean mm": "mean_mm 1", "median mm": "median_mm 1",
         "depth mm": "depth_mm 1", "Procrustes mm": "procrustes_mm 1",
         "depth slope": "depth_slope 2",
         "wrist mean mm": "root_mean_mm 0", "wrist median mm": "root_median_mm 0",
         "wrist share of the distance": "root_share %1"},
    ),
    "whole-pictures": (
        lambda: [results("evaluation")["whole pictures"]],
        {"photographs": "photographs 0", "pictures without hands": "without+hands 0",
         "precision": "precision 3", "recall": "recall 3",
         "handedness, of the hands found": "handedness 3",
         "pictures without hands where one is found": "share_of_empty_with_a_hand %1"},
    ),
    "passes": (
        _passes,
        {"passes": "passes text",
         "photographs px": "photographs/all/mean_px 1", "PCK 0.1": "photographs/all/pck 3",
         "rendered px": "rendered+hands/mean_px 1",
         "AUC": "rendered+hands/auc 3", "mean mm": "rendered+hands/mean_mm 1",
         "precision": "whole+pictures/precision 3", "recall": "whole+pictures/recall 3",
         "pictures without hands where one is found":
             "whole+pictures/share_of_empty_with_a_hand %1"},
    ),
    "detector": (
        _detector,
        {"pictures": "title text", "precision": "precision 3", "recall": "recall 3",
         "handedness": "handedness+accuracy 3"},
    ),
    "gestures": (
        lambda: results("gestures")["gestures"],
        {"gesture": "gesture code", "photographs that show it": "photographs 0",
         "right": "right 0", "photographs of others that seem to": "wrong 0"},
    ),
    "gestures-sets": (
        lambda: results("gestures")["sets"],
        {"set": "set code", "photographs": "photographs 0", "hands found": "found 0",
         "gesture right": "gesture %0", "fingers right": "fingers %0",
         "number of fingers right": "count %0"},
    ),
    "speed": (_speed, SPEED_COLUMNS),
    "speed-packaged": (lambda: _speed(PACKAGED_ROWS), SPEED_COLUMNS),
    "models": (
        _models,
        {"model": "title text", "MB": "mb mb", "ms": "ms 1", "found": "found 0",
         "px": "mean_px 1", "mm": "mean_mm 1"},
    ),
    "exports": (
        _exports,
        {"file": "title text", "MB": "mb mb", "largest px": "largest_px 2g",
         "mean px": "mean_px 2g", "AUC 20-50 mm": "auc 4", "mean mm": "mean_error_mm 2"},
    ),
    "step-parts": (_step_parts, {"part": "title text", "ms": "ms 0"}),
    "step-rates": (
        lambda: results("step")["rows"],
        {"picture px": "size_px 0", "width": "width 1", "batch": "batch 0",
         "images/s": "images_s 0", "MB": "memory_mb 0"},
    ),
    "bfloat16": (
        lambda: results("bfloat16"), {"precision": "precision code", "s": "step_s text"},
    ),
    "onednn": (
        lambda: results("onednn"), {"`TF_ENABLE_ONEDNN_OPTS`": "value 0", "ms": "step_ms 0"},
    ),
    "install": (
        _installs,
        {"what you want": "title text", "command": "command code", "MB to load": "load_mb 0",
         "MB on disk": "disk_mb 0"},
    ),
    "adaptation": (
        _recordings,
        {"recording": "recording text", "packaged": "packaged/train/mean_mm 1",
         "points alone": "points/train/mean_mm 1", "depth": "depth/train/mean_mm 1",
         "packaged, last fifth": "packaged/test/mean_mm 1",
         "points alone, last fifth": "points/test/mean_mm 1",
         "depth, last fifth": "depth/test/mean_mm 1",
         "training with depth, minutes": "depth/minutes 1"},
    ),
    "recorded-points": (
        lambda: results("adaptation")["labels"],
        {"recording": "recording text", "frames with points": "labelled %0",
         "points off, px of 128": "mean_px 1", "points with a weight": "used %0",
         "of these wrong": "wrong %1", "points in 3D, mm": "mean_mm 1"},
    ),
    "growth": (
        lambda: results("growth"),
        {"hands": "hands 0", "first batch, s": "first_batch_s 1", "images/s read": "images_s 0",
         "resuming in the middle, s": "resumed_s 1", "MB": "memory_mb 0"},
    ),
    "beside_torch": (
        lambda: results("beside_torch"),
        {"network": "network code", "task": "task text", "batch": "batch 0", "XLA": "xla yes",
         "median": "median 2", "least": "least 2", "most": "most 2"},
    ),
    "kills": (
        lambda: results("kills"),
        {"`--job`": "job code", "runs that ended before a kill": "ended 0",
         "compared": "compared text", "problems": "problems 0"},
    ),
    **figure_mediapipe.TABLES,
}  # fmt: skip
"""Name of a block -> its rows and columns."""


def _accuracy() -> str:
    found = results("evaluation")["photographs"]["all"]
    return (
        f"Mean 2D error on {found['hands']} photographs: {number(found['mean_px'], 1)} px in a "
        "256 px crop."
    )


def _models_of() -> str:
    """What each column of the models is."""
    tips, frames = results("tips"), results("evaluation")["photographs in 3D"]["hands"]
    return (
        "| column | what it is |\n| --- | --- |\n"
        "| ms | one pass on one thread; a hand in a picture takes one pass of kerashand, or two |\n"
        f"| found | hands found in {tips['pictures']} test photographs of TI1K, one in each |\n"
        "| px | mean error of the tips of thumb and index, set by people, in a 256 px crop, over "
        f"{tips['found by all']} of these |\n"
        f"| mm | mean error of the joints in {frames} frames of two clips of one hand, with known "
        "scale and wrist depth; not measured for `hand_landmark_lite` |"
    )


def _training_needs() -> str:
    held = results("training")
    source = held["source"]
    return (
        f"It needs {held['weak']['memory_gb']} GB of memory. It starts from packaged weights that "
        f"`source.yaml` made in {source['pretrain_minutes']} + {source['regularizer_minutes']} "
        "minutes (stages 1 and 2)."
    )


def _install_base() -> str:
    base = results("install")["rows"][0]
    return f"The installation loads {base['load_mb']:.0f} MB and takes {base['disk_mb']:.0f} MB."


def _install_by() -> str:
    held = figures("install")
    return (
        f"Measured by `{held['command']}`, on {held['machine']}, with the newest releases and "
        "without pip itself."
    )


def _exports_of() -> str:
    held = figures("exports")
    return (
        f"The figures are of {held['model']}. They were measured on {held['machine']} by\n"
        f"`{held['command']}`."
    )


def measured_by(name: str) -> str:
    """Which command measured the figures of a JSON file, where, and of what."""
    held = figures(name)
    where = f", on {held['machine']}" if "machine" in held else ""
    return f"Measured by `{held['command']}`{where}. Model: {held['model']}."


SENTENCES: dict[str, Callable[[], str]] = {
    "accuracy": _accuracy,
    "models-of": _models_of,
    "paper-gap": figure_paper.gap,
    "training-needs": _training_needs,
    "exports-of": _exports_of,
    "install-base": _install_base,
    "install-by": _install_by,
    **figure_mediapipe.SENTENCES,
    **{f"{name}-by": functools.partial(measured_by, name) for name in MEASURED},
}
"""Name of a block -> its text."""


def block(name: str) -> str | None:
    """The text of a block; None for an unknown name."""
    if name in TABLES:
        rows, columns = TABLES[name]
        return table(columns, rows())
    return SENTENCES[name]() if name in SENTENCES else None
