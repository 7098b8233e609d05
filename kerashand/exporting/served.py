"""A model behind the signatures that exported files have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from kerashand.geometry.pose import OPTICAL_AXIS, xyz_from_uv_z
from kerashand.runtime.backends import HEADS, JOINTS_SIGNATURE, TASKS, XYZ_SIGNATURE

OUTPUTS = ("uv_px", "z_relative", "confidence")
"""Of every pose model; those with heads also have `kerashand.runtime.backends.HEADS`."""
SIGNATURES = (JOINTS_SIGNATURE, XYZ_SIGNATURE)

Outputs = Mapping[str, tf.Tensor]
Specs = Sequence[tf.TensorSpec]


class Served:
    """A Keras model with functions that are exported.

    Attributes:
        model: it holds the weights.
        signatures: name -> (function of tensors, what these are).
    """

    def __init__(
        self, model: keras.Model, signatures: Mapping[str, tuple[Callable[..., Outputs], Specs]]
    ):
        self.model, self.signatures = model, dict(signatures)

    def only(self, signature: str) -> Served:
        """With one of its signatures."""
        return Served(self.model, {signature: self.signatures[signature]})


def image_spec(model: keras.Model) -> tf.TensorSpec:
    """The picture [1, S, S, 3] uint8 that a model's files take."""
    side = model.input.shape[1]
    return tf.TensorSpec((1, side, side, 3), tf.uint8, name="image")


def pose_outputs(model: keras.Model) -> tuple[str, ...]:
    """Names of the outputs that the files of a pose model have."""
    return (*OUTPUTS, *sorted(HEADS & set(model.output)))


def serve(model: keras.Model, task: str, *, depth_along: str = OPTICAL_AXIS) -> Served:
    """The signatures of a task, a key of `kerashand.runtime.backends.TASKS`.

    Args:
        model: for inference.
        task: what it does.
        depth_along: what relative depth of a pose model is measured along.
    """
    if task == "hand_detector":
        return _serve_detector(model)
    assert task in TASKS, task
    served = _serve_pose(model, depth_along)
    # One signature does where nothing but `kerashand-data label` reads the file; it is smaller.
    return served.only(JOINTS_SIGNATURE) if task == "hand_pose_by_depth" else served


def _serve_pose(model: keras.Model, depth_along: str) -> Served:
    names = pose_outputs(model)

    def joints(image: tf.Tensor) -> Outputs:
        outputs = model(tf.cast(image, tf.float32), training=False)
        return {name: outputs[name][0] for name in names}

    def xyz(image, intrinsics, root_depth_mm, scale_mm) -> Outputs:
        outputs = joints(image)
        # tf2onnx has no scalar[..., None], which a single hand would come to.
        xyz_mm = xyz_from_uv_z(
            outputs["uv_px"][None], outputs["z_relative"][None], intrinsics[None],
            root_depth_mm=tf.reshape(root_depth_mm, (1,)), scale_mm=tf.reshape(scale_mm, (1,)),
            depth_along=depth_along,
        )  # fmt: skip
        return {**outputs, "xyz_mm": xyz_mm[0]}

    image = image_spec(model)
    camera = [
        tf.TensorSpec((3, 3), tf.float32, name="intrinsics"),
        tf.TensorSpec((), tf.float32, name="root_depth_mm"),
        tf.TensorSpec((), tf.float32, name="scale_mm"),
    ]
    return Served(
        model, {JOINTS_SIGNATURE: (joints, [image]), XYZ_SIGNATURE: (xyz, [image, *camera])}
    )


def _serve_detector(model: keras.Model) -> Served:
    def detect(image: tf.Tensor) -> Outputs:
        return detector_outputs(model, image)

    return Served(model, {JOINTS_SIGNATURE: (detect, [image_spec(model)])})


def detector_outputs(model: keras.Model, image: tf.Tensor) -> Outputs:
    """What the files of a detector say of a picture [1, S, S, 3], without the leading axis."""
    outputs = model(tf.cast(image, tf.float32), training=False)
    told = {
        "score": tf.sigmoid(outputs["score_logit"])[0],
        "box": outputs["box"][0],
        "p_right": tf.sigmoid(outputs["right_logit"])[0],
    }
    if "up" in outputs:  # detectors of before lack it
        told["up"] = outputs["up"][0]
    return told
