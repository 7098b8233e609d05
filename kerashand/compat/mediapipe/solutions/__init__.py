"""MediaPipe's solutions, of which kerashand has that for hands."""

from kerashand.compat.mediapipe.solutions import (
    drawing_styles,
    drawing_utils,
    hands,
    hands_connections,
)

__all__ = ["drawing_styles", "drawing_utils", "hands", "hands_connections"]


def __getattr__(name: str):
    raise AttributeError(
        f"kerashand.compat.mediapipe.solutions has no `{name}`: it holds {', '.join(__all__)}."
    )
