"""Batches of noise and their assessments, for tests of reports."""

import numpy as np

from kerashand.evaluation.predictions import Predictor
from kerashand.reports.assessment import assess

SIZE, COUNT, SCALE_MM, HALF_WIDTH = 64, 12, 80.0, 2.5  # the last one of what models draw
CAMERA = np.array([[300.0, 0.0, 31.5], [0.0, 300.0, 31.5], [0.0, 0.0, 1.0]])


def batch(rng, *, count=COUNT, in_3d=True):
    """Hands of noise about 500 mm away, projected exactly; depth is measured at their joints."""
    xyz = rng.normal((0.0, 0.0, 500.0), 25.0, (count, 21, 3))
    projected = xyz @ CAMERA.T
    uv = projected[..., :2] / projected[..., 2:]
    return {
        "image": rng.uniform(0, 255, (count, SIZE, SIZE, 3)).astype(np.float32),
        "uv_px": uv.astype(np.float32),
        "uv_weight": np.ones((count, 21), np.float32),
        "z_relative": ((xyz[..., 2] - xyz[:, :1, 2]) / SCALE_MM).astype(np.float32),
        "z_weight": np.full(count, float(in_3d), np.float32),
        "xyz_mm": xyz.astype(np.float32) * in_3d,
        "intrinsics": np.tile(CAMERA, (count, 1, 1)).astype(np.float32),
        "root_depth_mm": xyz[:, 0, 2].astype(np.float32),
        "scale_mm": np.full(count, SCALE_MM, np.float32),
        "depth_map": np.zeros((count, 64, 64, 1), np.float32),
        "depth_weight": np.zeros((count, 64, 64, 1), np.float32),
        "own_depth_map": np.zeros((count, 32, 32, 1), np.float32),
        "own_depth_weight": np.zeros((count, 32, 32, 1), np.float32),
    }


def predictor_of(rows, name="model", *, off_px=0.0, off_scales=0.0, confidence=1.0, **options):
    """Gives the truth, moved; it finds the batch by its pictures."""

    def run(images):
        same = (rows["image"][None] == np.asarray(images)[:, None]).all(axis=(2, 3, 4))
        places = same.argmax(axis=1)
        return {
            "uv_px": rows["uv_px"][places] + np.float32([off_px, 0.0]),
            "z_relative": rows["z_relative"][places] + np.float32(off_scales),
            "confidence": np.full((len(images), 21), confidence),
        }

    return Predictor(name, run, SIZE, "wrist_middle_mcp", HALF_WIDTH, 32, **options)


def assessed(rows, **options):
    split = [{k: v[:5] for k, v in rows.items()}, {k: v[5:] for k, v in rows.items()}]
    predictor = predictor_of(rows, **options)
    return assess(predictor, split, data="hands of noise", protocol="cai2018", gallery=2)


def many(rng, count=45):
    """Enough hands for groups and offsets: the same one before other noise, all points labelled."""
    rows = batch(rng, count=count)
    flat = np.array([[0.0, 0.0], *rng.uniform(-30, 30, (20, 2))])
    flat[[5, 9, 17]] = (25.0, -60.0), (0.0, -70.0), (-25.0, -60.0)
    rows["xyz_mm"][:] = np.pad(flat, [(0, 0), (0, 1)], constant_values=500.0)
    projected = rows["xyz_mm"] @ CAMERA.T
    rows["uv_px"][:] = projected[..., :2] / projected[..., 2:]
    rows["z_relative"][:] = 0.0
    rows["root_depth_mm"][:] = 500.0
    return rows
