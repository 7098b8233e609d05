"""The three stages of training: trainer, optimisers, checkpoints, log, and the run as a whole."""
