"""Evaluation: predictor -> predictions -> summary -> groups -> table or report.

predictions    what a model gives on squares around hands, beside what is known of them
errors         distances of joints, from predictions
summary        the numbers: 3D, 2D, Procrustes, handedness, presence, calibration, detection
groups         summaries of kinds of hands, and the worst of them
tables         numbers as rows of text
samples        single hands with their pictures
photographs    a pose model of the runtime on labelled photographs and whole pictures
run            the end of a training: test splits, table and pictures (the only one with TensorFlow)

Every error that the package prints or writes comes from `summary`, of commands and tools alike.
This module imports nothing.
"""
