"""Prediction with exported models: NumPy and the runtime of their format, no TensorFlow.

`HandPose.load("hand.tflite", detector="detector.tflite").predict(rgb)` gives a list of `Hand`.
"""

from kerashand.runtime.hand_pose import Hand, HandPose
from kerashand.runtime.tracker import HandTracker

__all__ = ["Hand", "HandPose", "HandTracker"]
