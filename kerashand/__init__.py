"""3D hand pose from one RGB image, trained with depth maps as weak supervision.

The method is Cai et al., "Weakly-supervised 3D Hand Pose Estimation from Monocular RGB Images"
(ECCV 2018), in Keras 3. Imports point downward only; modules of one row do not import each other:

    cli                                           the commands
    training | exporting                          the three stages; files for other runtimes
    evaluation                                    predictor + data set -> table and curves
    runtime                                       runs an exported model
    terms                                         the terms of the loss, each one entry
    models | data | losses | metrics | visualize  components; they take plain arguments
    synthetic                                     the hand generator, NumPy only
    geometry                                      cameras, heat maps, depth; the conventions page
    skeleton                                      the 21 joints

`config` stands beside the rows: only cli, training.run, training.stages, evaluation and exporting
read it. `errors` is below all. This module imports nothing, so that `import kerashand` is
immediate.
"""

__version__ = "0.1.0"
