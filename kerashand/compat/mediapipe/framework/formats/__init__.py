"""Messages by the names of MediaPipe's modules."""

from kerashand.compat.mediapipe.framework.formats import classification_pb2, landmark_pb2

__all__ = ["classification_pb2", "landmark_pb2"]
