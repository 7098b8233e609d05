"""Published PCK curves on the Stereo Hand Pose Tracking Benchmark (STB), for plots and tests.

Source: the code published with Zimmermann & Brox, "Learning to Estimate 3D Hand Pose from Single
RGB Images" (ICCV 2017), repository lmb-freiburg/hand3d, `utils/general.py`; values read there from
Zhang et al., "3D Hand Pose Tracking and Estimation Using Stereo Matching" (2016), figure of
sequence B1. The numbers are data (points of a published figure); no code was taken.

Conditions: STB, stereo methods of 2016, palm centre as joint 0. Not comparable to a number whose
protocol differs, see `kerashand.metrics.PROTOCOLS`.
"""

import numpy as np

STB_THRESHOLDS_MM = np.array([20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0])
"""Error thresholds of the three curves, in mm."""

# fmt: off
STB_CURVES = {
    "PSO": np.array(
        [0.32236842, 0.53947368, 0.67434211, 0.75657895, 0.80921053, 0.86513158, 0.89473684]
    ),
    "ICPPSO": np.array(
        [0.51973684, 0.64473684, 0.71710526, 0.77302632, 0.80921053, 0.84868421, 0.86842105]
    ),
    "CHPR": np.array(
        [0.56578947, 0.71710526, 0.82236842, 0.88157895, 0.91447368, 0.9375, 0.96052632]
    ),
}
"""Method -> share of correct key points at `STB_THRESHOLDS_MM`."""
# fmt: on

STB_AUC = {"PSO": 0.709, "ICPPSO": 0.748, "CHPR": 0.839}
"""Method -> normalised area under its curve, to three digits."""
