"""Hands and predictions made by hand, for tests of the evaluation."""

import numpy as np

from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import OFFSET_HANDS


def turns(rng, count):
    """Rotations [N, 3, 3]."""
    matrices = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    return matrices * np.linalg.det(matrices)[:, None, None]


def hands(rng, count=2 * OFFSET_HANDS):
    """Hands of other sizes, poses and turns, 500 mm away."""
    flat = np.zeros((count, 21, 3))
    flat[:, 5], flat[:, 9], flat[:, 17] = (25.0, -85.0, 0.0), (5.0, -90.0, 0.0), (-35.0, -75.0, 0.0)
    others = [joint for joint in range(1, 21) if joint not in (5, 9, 17)]
    flat[:, others] = rng.normal((0.0, -100.0, 0.0), 40.0, (count, len(others), 3))
    sizes = rng.uniform(0.8, 1.2, (count, 1, 1))
    turned = np.einsum("nij,nkj->nki", turns(rng, count), sizes * flat)
    return turned + rng.normal((0.0, 0.0, 500.0), 30.0, (count, 1, 3))


def squares(count=4, **more):
    """Hands whose box is 100 px of a square of 130, with no error."""
    uv = np.zeros((count, 21, 2))
    uv[:, 1] = 100.0
    return Predictions(
        **{"uv_px": uv.copy(), "uv_true_px": uv, "side_px": np.full(count, 130.0), **more}
    )
