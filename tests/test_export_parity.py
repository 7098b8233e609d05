"""The parity check of exported files: its report by hand, limits, and the layer group to blame."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_exports import (
    LOOSE,
    SCALE_BONE,
    described,
    export,
    random_model,
    small_config,
    small_hands,
)

from kerashand import exporting
from kerashand.exporting import formats, layer_groups, parity
from kerashand.exporting.parity import Limit
from kerashand.geometry.pose import scale_from_joints

config = pytest.fixture(scope="module")(small_config)
model = pytest.fixture(scope="module")(random_model)
metadata = pytest.fixture(scope="module")(described)
hands = pytest.fixture(scope="module")(small_hands)

SOME_GROUPS = ["network_down2", "regressor_conv2", "regressor_dense1", "regressor_dense3"]


def shifted(outputs, signatures=("serving_default",)):
    """A file that says that every joint is 3 px right and 4 px below, and 0.1 bones deeper."""

    def call(signature, inputs):
        row = outputs.pop(0)
        return {
            "uv_px": row["uv_px"] + np.float32([3.0, 4.0]),
            "z_relative": row["z_relative"] + np.float32(0.1), "confidence": row["confidence"],
        }  # fmt: skip

    return SimpleNamespace(call=call, signatures=signatures)


def test_the_report_by_hand(model, hands):
    expected = parity.reference(model, hands)
    rows = [{name: expected[name][n] for name in expected} for n in range(len(hands))]
    report = parity.compare(model, shifted(rows), hands)
    parts = report["difference"]["serving_default"]
    assert parts["uv_px"] == {"max": pytest.approx(5.0), "mean": pytest.approx(5.0)}
    assert parts["z_relative"]["max"] == pytest.approx(0.1, abs=1e-3)
    assert parts["confidence"] == {"max": 0.0, "mean": 0.0}
    # 5 px at some depth by the focal length, and 0.1 bones.
    before = parity.in_3d(expected, hands)
    scale = scale_from_joints(hands.xyz_mm, SCALE_BONE)[:, None]
    depth = before[..., 2] + 0.1 * scale
    moved = {
        "uv_px": expected["uv_px"] + [3.0, 4.0], "z_relative": expected["z_relative"] + 0.1,
    }  # fmt: skip
    after = parity.in_3d(moved, hands)
    np.testing.assert_allclose(after[..., 2], depth, rtol=1e-6)
    apart = np.linalg.norm(after - before, axis=-1)
    assert parts["xyz_mm"]["max"] == pytest.approx(apart.max(), rel=0.01)
    assert parts["xyz_mm"]["mean"] == pytest.approx(apart.mean(), rel=0.01)


def test_a_file_that_is_right_has_the_quality_of_its_model(model, hands):
    true = hands.xyz_mm
    projected = np.einsum("nij,nkj->nki", hands.intrinsics, true)
    scale = scale_from_joints(true, SCALE_BONE)[:, None]
    outputs = {
        "uv_px": projected[..., :2] / projected[..., 2:],
        "z_relative": (true[..., 2] - true[:, :1, 2]) / scale,
    }
    np.testing.assert_allclose(parity.in_3d(outputs, hands), true, atol=1e-6)
    assert parity._quality(parity.in_3d(outputs, hands), hands) == {
        "auc": 1.0,
        "mean_error_mm": 0.0,
    }


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ({"a": 0.01, "b": 0.02, "c": 0.5, "d": 0.51}, "c"),
        ({"a": 0.3, "b": 0.31}, "a"),
        ({"a": 0.1, "b": 0.02, "c": 0.15}, "a"),
        ({"a": 0.1, "b": float("nan"), "c": 0.5}, "b"),
        ({"a": 0.0, "b": 0.0}, layer_groups.FILE_ITSELF),
    ],
)
def test_blame(groups, name):
    assert parity.blamed(groups) == name


@pytest.mark.slow
def test_above_the_limit_nothing_is_written_and_a_group_is_blamed(
    model, metadata, hands, tmp_path, monkeypatch
):
    """The dense layer of the regressor is damaged on its way into the file."""
    (tmp_path / "hand.tflite").write_bytes(b"what was there")
    real = formats.to_tflite
    dense = model.get_layer("depth_regressor").get_layer("dense1")
    whole = np.asarray(dense.kernel)

    def damaged(served, precision, calibration=None):
        dense.kernel.assign(whole * np.linspace(-2.0, 2.0, whole.shape[1]))
        try:
            return real(served, precision, calibration)
        finally:
            dense.kernel.assign(whole)

    monkeypatch.setattr(formats, "to_tflite", damaged)
    monkeypatch.setattr(formats, "carried_weights", lambda *_: None)
    probes = [probe for probe in layer_groups._probes(model, metadata) if probe[0] in SOME_GROUPS]
    assert [name for name, _ in probes] == SOME_GROUPS
    monkeypatch.setattr(layer_groups, "_probes", lambda *_: probes)
    limits = {"fp32": Limit("mean_error_increase_mm", -1e9)}
    with pytest.raises(exporting.ParityError, match=r"Layer group: regressor_dense1\."):
        export(model, tmp_path, "tflite", "fp32", hands, metadata, limits=limits)
    assert (tmp_path / "hand.tflite").read_bytes() == b"what was there"
    report = json.loads((tmp_path / "hand.tflite.parity.json").read_text())
    assert report["passed"] is False
    assert report["blamed"] == "regressor_dense1"
    groups = report["layer_groups"]
    assert list(groups) == SOME_GROUPS
    assert groups["network_down2"] < 1e-4
    assert groups["regressor_conv2"] < 1e-4
    assert groups["regressor_dense1"] > 0.1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_limit_in_pixels(model, metadata, hands, tmp_path, monkeypatch):
    monkeypatch.setattr(layer_groups, "_probes", lambda *_: [])
    limits = {**LOOSE, "dynamic_int8": Limit("max_px", 1e-6)}
    with pytest.raises(exporting.ParityError, match=r"off by .* px, the limit of dynamic_int8 is"):
        export(model, tmp_path, "onnx", "dynamic_int8", hands.first(2), metadata, limits=limits)
    assert [p.name for p in tmp_path.iterdir()] == ["hand.onnx.parity.json"]


def test_numbers_that_are_none_fail(model, metadata, hands, tmp_path):
    broken = {**parity.reference(model, hands)}
    rows = [{name: broken[name][n] * np.nan for name in broken} for n in range(len(hands))]
    report = parity.compare(model, shifted(rows), hands)
    assert parity._measured(report, Limit("max_px", 0.01)) == float("inf")
    assert parity._measured(report, Limit("mean_error_increase_mm", 0.5)) == float("inf")
