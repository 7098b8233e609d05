"""Keras models: the 2D networks, the depth regressor, the depth regularizer, and the three joined.

Import the builders from their modules (``from kerashand.models.lite import build_lite``); this page
re-exports nothing. It sets Keras up, which every network needs.

Shape letters: B batch, S image side in px, h w heat-map cells, K = 21 joints, C feature channels,
D side of the depth image in px.
"""

from kerashand import keras_setup  # noqa: F401  before anything here imports Keras
