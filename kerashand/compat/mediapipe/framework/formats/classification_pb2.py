"""Classifications, such as left and right, and lists of them."""

from kerashand.compat.messages import Classification, ClassificationList

__all__ = ["Classification", "ClassificationList"]
