"""Interfaces of other packages, so that programs written for those run on kerashand.

`from kerashand.compat import mediapipe as mp` stands in for `mediapipe.solutions.hands`, which
MediaPipe removed in its release 0.10.30.
"""
