"""3D hand pose from one RGB image, trained with depth maps as weak supervision.

The method is Cai et al., "Weakly-supervised 3D Hand Pose Estimation from Monocular RGB Images"
(ECCV 2018), in Keras 3. Imports point downward only; modules of one row do not import each other:

    cli                                    the commands
    compat                                 interfaces of other packages, such as MediaPipe's
    reports                                models on a data set, as one HTML page
    training | exporting                   the three stages; files for other runtimes
    evaluation                             predictor + data set -> table and curves
    carried | labelling | agreement        the weights in an exported file; points of recordings
    runtime                                runs an exported model
    terms                                  the terms of the loss, each one entry
    models | data | losses | metrics | metrics_keras | metrics_detection | metrics_calibration |
        metrics_offsets | reference_curves | visualize | gestures | animation
                                           components; they take plain arguments
    synthetic                              the hand generator, in NumPy and OpenCV
    geometry                               cameras, heat maps, depth, joint angles; the conventions
    networks | skeleton                    the 2D networks by name; the 21 joints
    picture_files | pickles | yaml_files | keras_setup | video
                                           files from outside; how Keras is set up
    files | extras | orientation           files that appear whole or not at all; what extras bring;
                                           how pictures are turned upright
    errors | progress | sequences | stderr | untrusted | replicas | machine
                                           messages, limits, and other small pieces

`config` stands beside the rows: only cli, four modules of training (run, stages, initial_weights,
extension), evaluation and exporting read it, and of the rows it reads `terms`, `networks` and
`data.kinds` alone. This module imports nothing, so that `import kerashand` is immediate.
"""

__version__ = "0.1.0"
