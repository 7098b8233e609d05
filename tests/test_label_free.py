"""The score without 3D labels, and the weights that a run keeps by it."""

import numpy as np
import pytest
from stick_hand import PALM_SEEN

from kerashand.evaluation.label_free import LEAST_SURE, SPREAD_WEIGHT, label_free
from kerashand.evaluation.predictions import Predictor
from kerashand.evaluation.run import table
from kerashand.geometry.flesh import load_flesh
from kerashand.geometry.surface import SURE_SPREAD

SIZE, PALM_PX, PALM_MM, DEPTH_MM, HALF = 128, 30.0, 90.0, 600.0, 2.5
UV = np.array([64.0, 100.0]) + PALM_PX * PALM_SEEN
"""A right hand with its palm to the camera; every joint lies 600 mm away."""


def batch(skin_mm, count=2):
    """Frames whose skin is measured at one depth: [64, 64] cells, of 200 focal pixels."""
    focal = PALM_PX * DEPTH_MM / PALM_MM
    far_mm, width_mm = DEPTH_MM + HALF * PALM_MM, 2 * HALF * PALM_MM
    depth = np.full((count, 64, 64, 1), (far_mm - skin_mm) / width_mm, np.float32)
    intrinsics = np.array([[focal, 0, 64], [0, focal, 64], [0, 0, 1]], np.float32)
    return {
        "image": np.zeros((count, SIZE, SIZE, 3), np.float32),
        "uv_px": np.tile(UV, (count, 1, 1)).astype(np.float32),
        "uv_weight": np.ones((count, 21), np.float32),
        "is_right": np.ones(count, np.float32),
        "depth_map": depth,
        "depth_weight": np.ones_like(depth),
        "intrinsics": np.tile(intrinsics, (count, 1, 1)),
        "root_depth_mm": np.full(count, DEPTH_MM, np.float32),
        "scale_mm": np.full(count, PALM_MM, np.float32),
    }


def predictor(z_relative, uv=UV):
    """Says the same of each picture, or what is in rows of `z_relative`."""

    def run(images):
        count = len(images)
        return {
            "uv_px": np.tile(uv, (count, 1, 1)),
            "z_relative": np.broadcast_to(z_relative, (count, 21)),
            "confidence": np.ones((count, 21)),
        }

    return Predictor("one", run, SIZE, "wrist_middle_mcp", half_width_scales=HALF)


def test_joints_behind_the_skin():
    """Skin at 580 mm: a tip expected at 580 + 0.056 x 90 mm and predicted at 600 is 15 mm off."""
    numbers = label_free(predictor(np.zeros(21)), [batch(580.0)])
    palm, spread = load_flesh().depth[-1], load_flesh().spread[-1]
    sure = 1.0 / (1.0 + (spread / SURE_SPREAD) ** 2) >= LEAST_SURE
    off = np.abs(580.0 + PALM_MM * palm - 600.0)[sure]
    assert numbers["surface_mm"] == pytest.approx(np.median(off), abs=0.5)
    assert numbers["points_px"] == pytest.approx(0.0, abs=1e-4)
    assert numbers["bone_spread_mm"] == pytest.approx(0.0, abs=1e-3)
    right = (580.0 - 600.0) / PALM_MM + palm
    assert label_free(predictor(right), [batch(580.0)])["surface_mm"] < 0.5


def test_bones_that_change_their_lengths():
    """The index tip at 600 mm, then at 582: its last bone is 18 mm long, then 24 mm."""
    bent = np.zeros((2, 21))
    bent[1, 8] = -0.2
    numbers = label_free(predictor(bent), [batch(580.0)])
    joint, tip = ((UV[k] - 64.0) / 200.0 for k in (7, 8))  # by the focal length of 200 px
    lengths = [
        np.linalg.norm(np.append(tip, 1.0) * depth - np.append(joint, 1.0) * 600.0)
        for depth in (600.0, 582.0)
    ]
    assert lengths == pytest.approx([18.0, 24.2], abs=0.1)
    assert numbers["bone_spread_mm"] == pytest.approx(np.std(lengths) / 20, rel=1e-3)
    assert numbers["score"] == pytest.approx(
        numbers["surface_mm"] + SPREAD_WEIGHT * numbers["bone_spread_mm"]
    )


def test_without_depth_points_are_the_score():
    frames = batch(580.0)
    frames["depth_weight"] = np.zeros_like(frames["depth_weight"])
    numbers = label_free(predictor(np.zeros(21), uv=UV + np.array([3.0, 4.0])), [frames])
    assert numbers == {"points_px": pytest.approx(5.0), "score": pytest.approx(5.0)}


def test_points_at_their_depth_are_the_score():
    """One joint half a palm nearer than its point: 45 mm along its ray, among 21 joints."""
    held = batch(580.0)
    held["point_depth"] = np.zeros((2, 21), np.float32)
    held["point_depth_weight"] = np.ones((2, 21), np.float32)
    nearer = np.zeros(21)
    nearer[8] = -0.5
    numbers = label_free(predictor(nearer), [held])
    along = np.linalg.norm([*((UV[8] - 64.0) / 200.0), 1.0])
    assert numbers["points_mm"] == pytest.approx(45.0 * along / 21, rel=1e-4)
    assert numbers["score"] == numbers["points_mm"]
    held["point_depth_weight"][:, 8] = 0.0
    assert label_free(predictor(nearer), [held])["score"] == pytest.approx(0.0, abs=1e-3)


def test_what_a_run_prints_of_a_split_without_3d_labels():
    numbers = {"samples": 4, "mean_error_px": 3.0, "points_mm": 11.26, "bone_spread_mm": 3.04}
    printed = table({"test": {"target": numbers}, "protocol": "cai2018", "conditions": ""})
    assert (
        "target: predicted joints are 11.3 mm off the labelled points at their depth (points_mm; "
        "needs no 3D labels).\ntarget: lengths of bones vary by 3.0 mm over the frames "
        "(bone_spread_mm; needs no 3D labels)."
    ) in printed
    assert "surface_mm" not in printed
