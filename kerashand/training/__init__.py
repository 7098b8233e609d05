"""The three stages of training: trainer, optimisers, checkpoints, log, and the run as a whole."""

from kerashand import keras_setup  # noqa: F401  before anything here imports Keras
