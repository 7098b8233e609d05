"""The part of MediaPipe's framework that programs for hands import: its messages."""

from kerashand.compat.mediapipe.framework import formats

__all__ = ["formats"]
