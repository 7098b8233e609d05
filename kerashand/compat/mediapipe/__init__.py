"""MediaPipe's interface for hands, on kerashand: `from kerashand.compat import mediapipe as mp`.

It holds `solutions.hands`, `solutions.drawing_utils`, `solutions.drawing_styles` and the messages
of `framework.formats`. docs/mediapipe.md says what differs. No TensorFlow is imported.
"""

from kerashand import __version__
from kerashand.compat.mediapipe import framework, solutions

__all__ = ["__version__", "framework", "solutions"]


def __getattr__(name: str):
    raise AttributeError(
        f"kerashand.compat.mediapipe has no `{name}`: it holds `solutions` and `framework` for "
        "hands alone."
    )
