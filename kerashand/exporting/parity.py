"""An exported file run by the runtime of its format, beside the Keras model that it was made of."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerashand.errors import UserError
from kerashand.evaluation.predictions import Predictions
from kerashand.evaluation.summary import summary
from kerashand.exporting.formats import export
from kerashand.exporting.hands import Hands
from kerashand.exporting.layer_groups import blamed, layer_groups
from kerashand.exporting.pictures import Pictures, difference, difference_text, largest_and_mean
from kerashand.exporting.served import pose_outputs
from kerashand.files import write_text
from kerashand.geometry.pose import scale_from_joints, xyz_from_uv_z
from kerashand.machine import machine, versions
from kerashand.runtime.backends import (
    JOINTS_SIGNATURE,
    Backend,
    SavedModelBackend,
    open_backend,
)
from kerashand.skeleton import ROOT

LOGGER = logging.getLogger(__name__)
REPORT_SUFFIX = ".parity.json"
PROTOCOL = "cai2018"
BATCH = 16


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
    if limits is None:
        limits = DETECTOR_LIMITS if isinstance(hands, Pictures) else LIMITS
    limit = limits[precision]

    def check(written: Path) -> None:
        compared = _compared(model, written, hands, limit=limit)
        report.update(
            compared, file=path.name, format=form, precision=precision, bytes=_size_of(written)
        )
        if report["passed"]:
            return
        if isinstance(hands, Hands):
            LOGGER.info("the file is too far off; looking for the layers")
            groups = layer_groups(
                model, metadata, form=form, precision=precision, hands=hands,
                calibration=calibration,
            )  # fmt: skip
            report.update(layer_groups=groups, blamed=blamed(groups))
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


def _compared(
    model: keras.Model, written: Path, hands: Hands | Pictures, *, limit: Limit
) -> dict[str, Any]:
    """What `compare` gives, and whether it is within the limit."""
    what = "pictures" if isinstance(hands, Pictures) else "hands"
    LOGGER.info("comparing the file with the model on %d %s", len(hands), what)
    compared = compare(model, open_backend(written), hands)
    measured = _measured(compared, limit)
    return compared | {
        "limit": {limit.name: limit.value},
        "measured": {limit.name: measured},
        "passed": measured <= limit.value,
    }


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
