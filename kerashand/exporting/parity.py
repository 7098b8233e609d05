"""An exported file run by the runtime of its format, beside the Keras model that it was made of."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import summary
from kerashand.exporting.formats import export, write
from kerashand.exporting.hands import Hands
from kerashand.exporting.pictures import Pictures, difference, difference_text, largest_and_mean
from kerashand.exporting.served import Served, image_spec, pose_outputs
from kerashand.files import write_text
from kerashand.geometry.pose import scale_from_joints, xyz_from_uv_z
from kerashand.machine import machine, versions
from kerashand.models.hand_pose import PART_NAMES, regressor_inputs, stage_maps
from kerashand.runtime.backends import (
    FORMATS,
    JOINTS_SIGNATURE,
    Backend,
    SavedModelBackend,
    open_backend,
)
from kerashand.skeleton import ROOT
from kerashand.stderr import native_stderr_held

LOGGER = logging.getLogger(__name__)
REPORT_SUFFIX = ".parity.json"
PROTOCOL = "cai2018"
BATCH = 16
BLAME_HANDS = 8
FILE_ITSELF = "none: each layer group is as near as it should be"


@dataclass(frozen=True)
class Limit:
    """The most that a precision may cost.

    Attributes:
        name: "max_px", the largest distance of a joint; "mean_error_increase_mm", that of the mean
            error in 3D; or "max_score", the largest difference of a detector's scores.
        value: in pixels of the model's input, mm, or of 0..1.
    """

    name: str
    value: float


LIMIT_WORDS = {
    "max_px": ("a joint is off by", "px"),
    "mean_error_increase_mm": ("the mean error grows by", "mm"),
    "max_score": ("a score is off by", "of 0 to 1"),
}
"""Name of a limit -> what it holds down, and its unit."""
LIMITS = {
    "fp32": Limit("max_px", 0.01),
    "fp16": Limit("max_px", 0.1),
    "dynamic_int8": Limit("mean_error_increase_mm", 0.5),
    "int8": Limit("mean_error_increase_mm", 0.5),
}
DETECTOR_LIMITS = {
    "fp32": Limit("max_score", 0.001),
    "fp16": Limit("max_score", 0.01),
    "dynamic_int8": Limit("max_score", 0.1),
}


class ParityError(UserError):
    """An exported file does not give what its model gives."""


def checked_export(
    model: keras.Model,
    path: Path,
    form: str,
    *,
    metadata: Mapping[str, Any],
    hands: Hands | Pictures,
    precision: str = "fp32",
    signature: str = JOINTS_SIGNATURE,
    calibration: Hands | None = None,
    limits: Mapping[str, Limit] | None = None,
) -> dict[str, Any]:
    """`export`, and a report beside the file: `NAME.parity.json`.

    Args:
        model: of `load_exportable`.
        path: see `export`.
        form: see `export`.
        metadata: see `export`.
        hands: on which the file is run; of a detector, pictures.
        precision: see `export`.
        signature: see `export`.
        calibration: see `export`.
        limits: precision -> what it may cost; None for `LIMITS`, of a detector `DETECTOR_LIMITS`.

    Returns:
        The report.

    Raises:
        ParityError: above a limit. No file appears under its name; the report does, and says which
            layer group does it.
        UserError: as `export`.
    """
    report: dict[str, Any] = {}
    detector = isinstance(hands, Pictures)
    limit = (limits or (DETECTOR_LIMITS if detector else LIMITS))[precision]

    def check(written: Path) -> None:
        backend = open_backend(written)
        what = "pictures" if detector else "hands"
        LOGGER.info("comparing the file with the model on %d %s", len(hands), what)
        report.update(compare(model, backend, hands))
        measured = _measured(report, limit)
        report.update(
            file=path.name, format=form, precision=precision, bytes=_size_of(written),
            limit={limit.name: limit.value}, measured={limit.name: measured},
            passed=measured <= limit.value,
        )  # fmt: skip
        if report["passed"]:
            return
        if isinstance(hands, Hands):
            LOGGER.info("the file is too far off; looking for the layers")
            report["layer_groups"] = layer_groups(
                model,
                metadata,
                form=form,
                precision=precision,
                hands=hands,
                calibration=calibration,
            )
            report["blamed"] = blamed(report["layer_groups"])
        raise ParityError(_failure(report))

    try:
        export(
            model, path, form, metadata=metadata, precision=precision, signature=signature,
            calibration=calibration, check=check,
        )  # fmt: skip
    finally:
        if report:
            write_text(report_path(path), json.dumps(report, indent=2) + "\n")
    return report


def report_path(path: Path) -> Path:
    """Where the report on an exported file lies."""
    return path.with_name(path.name + REPORT_SUFFIX)


def compare(model: keras.Model, backend: Backend, hands: Hands | Pictures) -> dict[str, Any]:
    """What a file gives beside what its model gives; hands in 3D with true root depth and scale.

    Args:
        model: gives the reference, in float32.
        backend: the file.
        hands: on which; of a detector, pictures.
    """
    clock = Clock(backend)
    if isinstance(hands, Pictures):
        compared = _compare_pictures(model, clock, hands)
    else:
        compared = _compare_hands(model, clock, hands)
    return {
        **compared,
        "ms_per_image": clock.report(),
        "image_size_px": hands.images.shape[1],
        "machine": machine(),
        "versions": versions(),
    }


class Clock:
    """A file whose first signature is timed."""

    def __init__(self, backend: Backend):
        self.backend = backend
        self.milliseconds: list[float] = []

    def call(self, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, NDArray]:
        """What the signature gives."""
        start = time.perf_counter()
        given = self.backend.call(signature, inputs)
        if signature == self.backend.signatures[0]:
            self.milliseconds.append((time.perf_counter() - start) * 1e3)
        return given

    def report(self) -> dict[str, Any]:
        """Median and least time, and the threads."""
        return {
            "median": round(float(np.median(self.milliseconds)), 3),
            "min": round(min(self.milliseconds), 3),
            "threads": "chosen by TensorFlow" if isinstance(self.backend, SavedModelBackend) else 1,
        }


def _compare_pictures(model: keras.Model, clock: Clock, pictures: Pictures) -> dict[str, Any]:
    signature = clock.backend.signatures[0]
    apart = difference(
        model, lambda image: clock.call(signature, {"image": image}), pictures,
        threshold=float(clock.backend.metadata["threshold"]),
    )  # fmt: skip
    return {"difference": {signature: apart}, "pictures": pictures.conditions}


def _compare_hands(model: keras.Model, clock: Clock, hands: Hands) -> dict[str, Any]:
    before, signatures = reference(model, hands), clock.backend.signatures
    after = {}
    for signature in signatures:
        rows = [clock.call(signature, inputs) for inputs in hands.inputs(signature)]
        after[signature] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    xyz_before = in_3d(before, hands)
    apart = {}
    for signature, outputs in after.items():
        outputs.setdefault("xyz_mm", in_3d(outputs, hands))
        apart[signature] = {
            **{name: _apart(outputs[name], before[name]) for name in before if name != "uv_px"},
            "uv_px": _apart(outputs["uv_px"], before["uv_px"], vectors=True),
            "xyz_mm": _apart(outputs["xyz_mm"], xyz_before, vectors=True),
        }
    return {
        "difference": apart,
        "before": _quality(xyz_before, hands),
        "after": _quality(after[signatures[0]]["xyz_mm"], hands),
        "hands": hands.conditions,
        "protocol": f"{PROTOCOL}: known root depth and length of {hands.scale_bone}",
    }


def reference(model: keras.Model, hands: Hands) -> dict[str, NDArray[np.float32]]:
    """What the Keras model gives: its `pose_outputs` with a leading axis of hands."""
    names = pose_outputs(model)
    batches = [
        model(hands.images[start : start + BATCH].astype(np.float32), training=False)
        for start in range(0, len(hands), BATCH)
    ]
    return {name: np.concatenate([np.asarray(b[name]) for b in batches]) for name in names}


def in_3d(outputs: Mapping[str, NDArray], hands: Hands) -> NDArray[np.float64]:
    """[N, 21, 3] mm with the true root depth and scale."""
    return xyz_from_uv_z(
        outputs["uv_px"].astype(np.float64), outputs["z_relative"].astype(np.float64),
        hands.intrinsics, root_depth_mm=hands.xyz_mm[:, ROOT, 2],
        scale_mm=scale_from_joints(hands.xyz_mm, hands.scale_bone), depth_along=hands.depth_along,
    )  # fmt: skip


def _quality(xyz_mm: NDArray, hands: Hands) -> dict[str, float]:
    if not np.isfinite(xyz_mm).all():
        return {"auc": 0.0, "mean_error_mm": float("inf")}
    numbers = summary(Predictions(xyz_mm=xyz_mm, xyz_true_mm=hands.xyz_mm), PROTOCOL)
    return {name: round(float(numbers[name]), 4) for name in ("auc", "mean_error_mm")}


def _apart(given: NDArray, wanted: NDArray, *, vectors: bool = False) -> dict[str, float]:
    apart = np.linalg.norm(given - wanted, axis=-1) if vectors else np.abs(given - wanted)
    return largest_and_mean(apart)


def _measured(report: Mapping[str, Any], limit: Limit) -> float:
    """The quantity that a limit is for; not a number counts as infinite."""
    if limit.name == "max_px":
        value = max(part["uv_px"]["max"] for part in report["difference"].values())
    elif limit.name == "max_score":
        value = max(part["score"]["max"] for part in report["difference"].values())
    else:
        value = report["after"]["mean_error_mm"] - report["before"]["mean_error_mm"]
    return round(value, 4) if np.isfinite(value) else float("inf")


# ------------------------------------------------------------------------------ layer groups


def layer_groups(
    model: keras.Model, metadata: Mapping[str, Any], *, form: str, precision: str, hands: Hands,
    calibration: Hands | None,
) -> dict[str, float]:  # fmt: skip
    """How far the output of each group of layers is off in an export of the same kind.

    Each group is written to a file of its own, up to its last layer: as one more output of a file
    it would keep layers apart that are computed as one.

    Returns:
        group, in the order of computation -> root mean square difference over that of the output.
    """
    described = {**metadata, "task": "probe"}
    images = hands.images[:BLAME_HANDS]
    errors = {}
    for name, function in _probes(model, metadata):
        probe = Served(model, {JOINTS_SIGNATURE: (function, [image_spec(model)])})
        with tempfile.TemporaryDirectory() as folder, native_stderr_held():
            path = Path(folder) / f"probe{FORMATS[form].suffix}"
            write(
                probe, path, form, described=described, precision=precision,
                calibration=calibration and calibration.first(BLAME_HANDS),
            )  # fmt: skip
            backend = open_backend(path)
            given = np.array([backend.run(image[None])["output"] for image in images])
        wanted = np.array([function(image[None])["output"] for image in images])
        apart = np.sqrt(np.square(given - wanted.reshape(given.shape)).sum())
        errors[name] = float(f"{apart / np.sqrt(np.square(wanted).sum()):.3g}")
        LOGGER.info("%s: off by %.3g of its output", name, errors[name])
    return errors


def blamed(groups: Mapping[str, float]) -> str:
    """The group at which the error grows most over what came before."""
    most, growth, before = FILE_ITSELF, 0.0, 0.0
    for name, error in groups.items():
        if not np.isfinite(error):
            return name
        if error - before > growth:
            most, growth = name, error - before
        before = max(before, error)
    return most


def _probes(
    model: keras.Model, metadata: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[tf.Tensor], dict[str, tf.Tensor]]]]:
    """Each group of layers, with the function from an image to its last tensor."""
    network = next(layer for layer in model.layers if PART_NAMES.get(layer.name) == "network")
    regressor = model.get_layer("depth_regressor")
    decode = metadata["architecture"]["decode"]

    def in_network(part):
        return lambda image: {"output": part(tf.cast(image, tf.float32), training=False)}

    def in_regressor(part):
        def function(image: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = network(tf.cast(image, tf.float32), training=False)
            seen = regressor_inputs(stage_maps(outputs)[-1], outputs["features"], decode)
            return {"output": part(seen, training=False)}

        return function

    for whole, through in ((network, in_network), (regressor, in_regressor)):
        for group, tensor in _cut_points(whole):
            # By its name quantisation knows what it is.
            part = keras.Model(whole.input, tensor, name=whole.name)
            yield f"{PART_NAMES[whole.name]}_{group}", through(part)


def _cut_points(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Group (the first word of its layers' names) and the output of its last layer."""
    groups: dict[str, list[keras.Layer]] = {}
    for layer in model.layers:
        found = re.match(r"[a-zA-Z]*\d*", layer.name)
        assert found is not None  # it fits every name
        groups.setdefault(found[0], []).append(layer)
    for name, layers in groups.items():
        if any(layer.weights for layer in layers):
            yield name, layers[-1].output


# ------------------------------------------------------------------------------------ words


def parity_text(report: Mapping[str, Any]) -> str:
    """A report in a few lines."""
    ((limited, limit),) = report["limit"].items()
    head = (
        f"{report['file']}: {report['format']} {report['precision']}, "
        f"{report['bytes'] / 2**20:.2f} MiB, {report['ms_per_image']['median']:.2f} ms an image "
        f"(min {report['ms_per_image']['min']:.2f}, threads: {report['ms_per_image']['threads']})"
    )
    lines = difference_text(report) if "pictures" in report else _hands_text(report)
    what, unit = LIMIT_WORDS[limited]
    measured = report["measured"][limited]
    tail = f"  limit of {report['precision']}: {what} {limit:g} {unit} at most; here {measured:.2g}"
    return "\n".join([head, *lines, tail])


def _hands_text(report: Mapping[str, Any]) -> list[str]:
    before, after = report["before"], report["after"]
    most, mean = (
        {
            name: max(part[name][of] for part in report["difference"].values())
            for name in ("uv_px", "xyz_mm")
        }
        for of in ("max", "mean")
    )
    return [
        f"  {report['hands']}, {report['protocol']}",
        f"  AUC 20-50 mm {before['auc']:.4f} -> {after['auc']:.4f}, mean error "
        f"{before['mean_error_mm']:.2f} -> {after['mean_error_mm']:.2f} mm",
        f"  from the model: largest joint error {most['uv_px']:.2g} px of "
        f"{report['image_size_px']} and {most['xyz_mm']:.2g} mm, mean {mean['uv_px']:.2g} px and "
        f"{mean['xyz_mm']:.2g} mm",
    ]


def _failure(report: Mapping[str, Any]) -> str:
    ((name, limit),) = report["limit"].items()
    what, unit = LIMIT_WORDS[name]
    layers = f"Layer group: {report['blamed']}. " if "blamed" in report else ""
    return (
        f"{report['file']} was not written: {what} {report['measured'][name]:.3g} {unit}, the "
        f"limit of {report['precision']} is {limit:g} {unit}. {layers}"
        f"Everything that was measured is in {report_path(Path(report['file'])).name}; try another "
        "--precision."
    )


def _size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
