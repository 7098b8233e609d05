"""Exported files: what they say, give, carry and cost; and what is refused."""

import dataclasses
import json
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerashand import exporting, picture_files
from kerashand.carried import WEIGHTS_FILE
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.exporting import formats, parity, quantization
from kerashand.exporting.parity import Limit
from kerashand.exporting.pictures import difference
from kerashand.geometry.pose import scale_from_joints, xyz_from_uv_z
from kerashand.models.hand_pose import PART_NAMES, build_parts, load_parts_npz
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend, open_backend
from kerashand.runtime.detector import Detector
from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model
from kerashand.runtime.litert import open_interpreter
from kerashand.runtime.model_file import METADATA_FILE

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "hand.jpg"
SIZE = 32
SCALE_BONE = "wrist_middle_mcp"
SUFFIXES = {"tflite": ".tflite", "onnx": ".onnx", "saved_model": ""}
KINDS = [(form, p) for form in exporting.FORMATS for p in exporting.FORMATS[form].precisions]
SOME_GROUPS = ["network_down2", "regressor_conv2", "regressor_dense1", "regressor_dense3"]
LOOSE = dict.fromkeys(exporting.PRECISIONS, Limit("mean_error_increase_mm", 1e9))


@pytest.fixture(scope="module")
def config():
    return load_config(
        "weak.yaml",
        [
            f"data.image_size_px={SIZE}", f"model.scale_bone={SCALE_BONE}",
            "model.lite={width: 0.25, stages: 2, block: dense}",
            "model.regressor={conv_channels: [16, 16], hidden_units: [32, 32]}",
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(config):
    """Random weights, with statistics in the normalisation that are not those of a new layer."""
    import keras

    keras.utils.set_random_seed(1)
    model = build_parts(**config.parts_arguments()).build_inference_model()
    rng = np.random.default_rng(2)
    for layer in model.get_layer("lite").layers:
        if layer.name.endswith("_bn"):
            count = layer.gamma.shape[0]
            layer.gamma.assign(rng.uniform(0.5, 1.5, count))
            layer.beta.assign(rng.normal(0, 0.2, count))
            layer.moving_mean.assign(rng.normal(0, 0.2, count))
            layer.moving_variance.assign(rng.uniform(0.3, 2.0, count))
    # Maps with peaks, and depths beyond the wrist's.
    last = model.get_layer("lite").get_layer("heatmaps_1")
    last.kernel.assign(np.asarray(last.kernel) * 20)
    return model


@pytest.fixture(scope="module")
def metadata(config):
    return exporting.describe(config)


@pytest.fixture(scope="module")
def hands():
    return exporting.rendered_hands("varied", "test", 4, size_px=SIZE, scale_bone=SCALE_BONE)


@pytest.fixture(scope="module")
def pictures():
    return exporting.rendered_pictures("test", 3, size_px=192)


def export(model, path, form, precision, hands, metadata, **options):
    return exporting.checked_export(
        model, path / f"hand{SUFFIXES[form]}", form, precision=precision, metadata=metadata,
        hands=hands, calibration=hands, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(model, metadata, hands, tmp_path_factory):
    """A function that gives a file of a kind, written once, and the report on it."""
    root, written = tmp_path_factory.mktemp("exported"), {}

    def of(form, precision="fp32"):
        if (form, precision) not in written:
            folder = root / f"{form}-{precision}"
            folder.mkdir()
            # Random weights suffer more from 8 bits than trained ones.
            limits = parity.LIMITS | {p: LOOSE[p] for p in ("dynamic_int8", "int8")}
            report = export(model, folder, form, precision, hands, metadata, limits=limits)
            written[form, precision] = folder / f"hand{SUFFIXES[form]}", report
        return written[form, precision]

    return of


@pytest.fixture
def own(exported, tmp_path):
    """A function that gives a copy of such a file, which a test may damage."""

    def of(form="tflite", precision="fp32"):
        path, _ = exported(form, precision)
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        return Path(copy(path, tmp_path / path.name))

    return of


@pytest.mark.parametrize(("form", "precision"), KINDS)
def test_a_file_gives_what_its_model_gives(form, precision, model, hands, exported):
    path, report = exported(form, precision)
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        [path.name, f"{path.name}.parity.json"]
    )
    assert json.loads(exporting.report_path(path).read_text()) == report
    assert report["passed"] is True
    size = sum(p.stat().st_size for p in [path, *path.rglob("*")] if p.is_file())
    assert report["bytes"] == size
    backend = load_backend(path, task="hand_pose")
    assert backend.metadata["precision"] == precision
    assert backend.metadata["format"] == form
    expected = parity.reference(model, hands)
    limits_px = {"fp32": 0.01, "fp16": 0.1, "dynamic_int8": 3.0, "int8": 6.0}
    for number, image in enumerate(hands.images):
        given = backend.run(image[None])
        assert set(given) == set(exporting.OUTPUTS)
        assert given["uv_px"].shape == (21, 2)
        assert given["z_relative"].shape == given["confidence"].shape == (21,)
        apart = np.linalg.norm(given["uv_px"] - expected["uv_px"][number], axis=-1).max()
        assert apart < limits_px[precision]
        if precision == "fp32":
            for name in ("z_relative", "confidence"):
                np.testing.assert_allclose(given[name], expected[name][number], atol=1e-3)
    if form != "onnx":
        assert backend.signatures == exporting.SIGNATURES


@pytest.mark.parametrize(
    ("form", "along"),
    [
        *((form, "optical_axis") for form in ("tflite", "onnx", "saved_model")),
        *((form, "line_of_sight") for form in ("tflite", "onnx")),
    ],
)
def test_the_second_signature_gives_millimetres(
    form, along, model, metadata, hands, tmp_path, exported
):
    path, _ = exported(form)
    if form == "onnx" or along != "optical_axis":
        path = tmp_path / f"hand.{form}"
        described = {**metadata, "depth_along": along}
        signature = {"signature": "xyz_mm"} if form == "onnx" else {}
        exporting.export(model, path, form, metadata=described, **signature)
    backend = open_backend(path)
    expected = parity.reference(model, hands)
    for number, inputs in enumerate(hands.inputs("xyz_mm")):
        given = backend.call("xyz_mm", inputs)
        wanted = xyz_from_uv_z(
            expected["uv_px"][number].astype(np.float64), expected["z_relative"][number],
            hands.intrinsics[number], root_depth_mm=hands.xyz_mm[number, 0, 2],
            scale_mm=scale_from_joints(hands.xyz_mm[number], SCALE_BONE), depth_along=along,
        )  # fmt: skip
        assert given["xyz_mm"].shape == (21, 3)
        np.testing.assert_allclose(given["xyz_mm"], wanted, atol=0.05)
        # The root lies at the depth that was given.
        np.testing.assert_allclose(
            given["xyz_mm"][0, 2] - inputs["root_depth_mm"],
            given["z_relative"][0] * inputs["scale_mm"], atol=0.05,
        )  # fmt: skip
    if form == "onnx":
        with pytest.raises(UserError, match="the signature xyz_mm alone"):
            HandPose.load(path)


def test_precisions_take_less_room(model, exported):
    sizes = {p: exported("tflite", p)[1]["bytes"] for p in exporting.PRECISIONS}
    weights = 4 * sum(int(np.prod(w.shape)) for w in model.weights)
    held = {p: size - sizes["fp32"] + weights for p, size in sizes.items()}
    assert held["fp16"] < 0.6 * weights
    assert held["dynamic_int8"] < 0.5 * weights
    assert held["int8"] < 0.5 * weights


@pytest.mark.parametrize(
    ("name", "is_score"),
    [
        ("hand_pose_1/lite_1/heatmaps_1_1/convolution", True),
        ("hand_pose_1/cpm_1/conv5_2_1/convolution", True),
        ("StatefulPartitionedCall/hand_pose_1/cpm_1/conv7_7_1/BiasAdd", True),
        ("hand_pose_1/cpm_1/conv7_6_1/convolution", False),
        ("hand_pose_1/lite_1/stage1_fuse_conv_1/convolution", False),
        ("hand_pose_1/depth_regressor_1/conv1_1/convolution", False),
    ],
)
def test_score_maps_of_all_networks_are_not_computed_in_8_bits(name, is_score):
    assert bool(re.match(quantization.SCORE_MAPS, name)) == is_score


def test_onnx_weights_do_not_saturate_on_processors_without_vnni(exported):
    """Two products of 8 bits do not fit into 16 there; with weights of 7 bits they do."""
    onnx = pytest.importorskip("onnx")
    path, _ = exported("onnx", "int8")
    kernels = [
        array
        for tensor in onnx.load(path).graph.initializer
        if (array := onnx.numpy_helper.to_array(tensor)).dtype == np.int8 and array.ndim == 4
    ]
    assert len(kernels) > 10
    largest = max(int(np.abs(kernel.astype(int)).max()) for kernel in kernels)
    assert largest == 64
    assert 2 * 255 * largest < 2**15


@pytest.mark.parametrize("precision", exporting.PRECISIONS)
def test_only_built_in_operations(precision, exported):
    path, _ = exported("tflite", precision)
    interpreter = open_interpreter(path.read_bytes(), plain=True)
    names = {operation["op_name"] for operation in interpreter._get_ops_details()}
    assert {"CONV_2D", "FULLY_CONNECTED"} <= names
    assert not [name for name in names if "flex" in name.lower() or "custom" in name.lower()]


def test_a_file_describes_itself(exported, config):
    with zipfile.ZipFile(exported("tflite")[0]) as archive:
        described = json.loads(archive.read(METADATA_FILE))
    assert described["joint_names"][0] == "wrist"
    assert len(described["joint_names"]) == 21
    assert described["image_size_px"] == SIZE
    assert described["config"] == config.name
    assert len(described["config_hash"]) >= 8
    assert set(described["signatures"]) == set(exporting.SIGNATURES)
    for key in ("kerashand", "input", "outputs", "normalisation", "units", "scale_bone"):
        assert described[key], key


# ---------------------------------------------------------------------------------- parity


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
        ({"a": 0.0, "b": 0.0}, parity.FILE_ITSELF),
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
    probes = [probe for probe in parity._probes(model, metadata) if probe[0] in SOME_GROUPS]
    assert [name for name, _ in probes] == SOME_GROUPS
    monkeypatch.setattr(parity, "_probes", lambda *_: probes)
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
    monkeypatch.setattr(parity, "_probes", lambda *_: [])
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


# --------------------------------------------------------------------------------- carried


@pytest.mark.parametrize("precision", exporting.PRECISIONS)
def test_a_file_carries_its_weights(precision, model, metadata, hands, tmp_path, exported):
    path, _ = exported("tflite", precision)
    again, described = exporting.load_exportable(str(path))
    assert described["architecture"] == json.loads(json.dumps(metadata["architecture"]))
    for wanted, given in zip(model.weights, again.weights, strict=True):
        wanted, given = np.asarray(wanted), np.asarray(given)
        assert given.shape == wanted.shape
        if wanted.ndim == 1:
            np.testing.assert_array_equal(given, wanted)
        else:
            step = {"fp32": 1e-6, "fp16": 1e-3}.get(precision, 0.6 / 127)
            per_channel = np.abs(wanted).max(axis=tuple(range(wanted.ndim - 1)))
            assert (np.abs(given - wanted) <= step * per_channel.max()).all()
    exporting.save_weights(again, tmp_path / "w.npz")
    parts = build_parts(**metadata["architecture"])
    inference = {name: parts.models[name] for name in ("network", "regressor")}
    load_parts_npz(tmp_path / "w.npz", inference, only=tuple(inference))
    outputs = parity.reference(parts.build_inference_model(), hands)
    np.testing.assert_allclose(outputs["uv_px"], parity.reference(again, hands)["uv_px"], atol=1e-3)


def rewritten(path, **members):
    """The same file with other members in its archive; None leaves one out.

    Another description keeps the checksum of the network.
    """
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    if METADATA_FILE in members:
        checksum = json.loads(held[METADATA_FILE])["checksum"]
        described = {**json.loads(members[METADATA_FILE]), "checksum": checksum}
        members[METADATA_FILE] = json.dumps(described)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"PK\x03\x04")])
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in {**held, **members}.items():
            if content is not None:
                archive.writestr(name, content)


def npz_with(path, **arrays):
    import io

    with zipfile.ZipFile(path) as archive:
        held = dict(np.load(io.BytesIO(archive.read(WEIGHTS_FILE))))
    with io.BytesIO() as file:
        np.savez(file, **{**held, **arrays})
        return file.getvalue()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: {WEIGHTS_FILE: None}, "carries no weights"),
        (lambda p: {WEIGHTS_FILE: b"PK no archive"}, "carries no weights, or they are damaged"),
        (
            lambda p: {WEIGHTS_FILE: npz_with(p, **{"network/down2_bn/gamma": np.ones(3)})},
            "does not fit: other shapes",
        ),
        (
            lambda p: {WEIGHTS_FILE: npz_with(p, **{"network/down2_conv/kernel": np.int64(10**6)})},
            "does not fit: other shapes",
        ),
        (
            lambda p: {
                WEIGHTS_FILE: npz_with(
                    p, **{"regressor/dense3/bias": np.full(21, np.nan, np.float32)}
                )
            },
            "is not finite",
        ),
        (
            lambda p: {WEIGHTS_FILE: npz_with(p, a=np.array([{}], object))},
            "carries no weights, or they are damaged",
        ),
    ],
)
def test_damaged_weights_are_refused(damage, message, own):
    path = own()
    rewritten(path, **damage(path))
    with pytest.raises(UserError, match=message):
        exporting.load_exportable(str(path))
    HandPose.load(path)  # it still runs


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"network": "lite", "lite": {"width": -1.0}}},
        {"architecture": {"network": "transformer"}},
        {"architecture": {"image_size_px": "large"}},
        {"architecture": {"unknown": 1}},
        {"architecture": None},
    ],
)
def test_an_architecture_that_is_none(change, metadata, own):
    path = own()
    rewritten(path, **{METADATA_FILE: json.dumps({**metadata, **change})})
    with pytest.raises(UserError, match=r"architecture that is none|carries its weights"):
        exporting.load_exportable(str(path))


def test_what_can_be_exported(tmp_path):
    for name, message in (
        ("cpm", "No weights of the CPM"),
        ("hand.h5", "A model is `lite`"),
        (str(tmp_path), r"holds a config\.yaml"),
        (str(tmp_path / "none.tflite"), "does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            exporting.load_exportable(name)


# --------------------------------------------------------------------------------- refused


def test_what_cannot_be_written(model, metadata, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"saved_model exists in fp32\. Received: fp16"):
        exporting.export(model, tmp_path / "a", "saved_model", metadata=metadata, precision="fp16")
    with pytest.raises(UserError, match="int8 needs hands"):
        exporting.export(model, tmp_path / "a.onnx", "onnx", metadata=metadata, precision="int8")
    for package, form, precision in (
        ("tf2onnx", "onnx", "fp32"), ("ai_edge_quantizer", "tflite", "dynamic_int8"),
        ("onnxruntime", "onnx", "fp16"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setitem(__import__("sys").modules, package, None)
            with pytest.raises(UserError, match=r"pip install \"kerashand\[export\]\""):
                exporting.export(
                    model, tmp_path / "a", form, metadata=metadata, precision=precision
                )
    assert not list(tmp_path.iterdir())


def test_a_detector_as_onnx_finds_what_the_packaged_file_finds(tmp_path, pictures):
    detector, described = exporting.load_exportable("detector")
    path = tmp_path / "detector.onnx"
    report = exporting.checked_export(detector, path, "onnx", metadata=described, hands=pictures)
    assert report["passed"]
    assert report["limit"] == {"max_score": 0.001}
    assert "from the model, at most: score" in exporting.parity_text(report)
    rgb = picture_files.read(PICTURE)
    (hand,) = Detector.load(path).detect(rgb, max_hands=1)
    (packaged,) = Detector.load(packaged_model(DETECTOR_FILE)).detect(rgb, max_hands=1)
    assert hand.box == pytest.approx(packaged.box, abs=0.1)
    assert hand.score == pytest.approx(packaged.score, abs=1e-3)
    assert hand.upright_rad == pytest.approx(packaged.upright_rad, abs=1e-2)


def test_a_detector_that_is_too_far_off_is_not_written(tmp_path, pictures):
    detector, described = exporting.load_exportable("detector")
    strict = {"dynamic_int8": Limit("max_score", 1e-6)}
    with pytest.raises(exporting.ParityError, match=r"not written: a score is off by .* of 0 to 1"):
        exporting.checked_export(
            detector, tmp_path / "d.tflite", "tflite", precision="dynamic_int8",
            metadata=described, hands=pictures, limits=strict,
        )  # fmt: skip
    assert not (tmp_path / "d.tflite").exists()


def test_how_far_a_detector_is_off(pictures):
    """By hand: scores count everywhere, boxes in the one cell where the model sees a hand."""
    score_logit = np.full((1, 2, 2), -20.0, np.float32)
    score_logit[0, 0, 1] = 20.0

    def model(image, training):
        return {"score_logit": score_logit, "box": np.zeros((1, 2, 2, 4), np.float32),
                "right_logit": np.zeros((1, 2, 2), np.float32)}  # fmt: skip

    def run(image):
        box = np.full((2, 2, 4), 100.0)
        box[0, 1] = 3.0
        return {"score": np.array([[0.25, 1.0], [0.0, 0.0]]), "box": box,
                "p_right": np.full((2, 2), 0.5)}  # fmt: skip

    found = difference(model, run, pictures, threshold=0.5)
    assert found["score"] == {"max": 0.25, "mean": 0.0625}
    assert found["box"] == {"max": 3.0, "mean": 3.0}
    assert found["p_right"] == {"max": 0.0, "mean": 0.0}


def test_half_without_the_quantizer(model, metadata, hands, tmp_path, monkeypatch):
    """The base install has fp16, as good as that of the extra."""
    for package in ("ai_edge_quantizer", "tf2onnx", "onnx", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    report = export(model, tmp_path, "tflite", "fp16", hands, metadata)
    assert report["difference"]["serving_default"]["uv_px"]["max"] < 0.05
    exporting.load_exportable(str(tmp_path / "hand.tflite"))


def test_which_constants_have_16_bits(model, metadata, tmp_path):
    """Kernels, but for the first layer's; biases and the scaling of pictures are as they were."""
    exporting.export(model, tmp_path / "a.tflite", "tflite", metadata=metadata, precision="fp16")
    details = open_interpreter(
        (tmp_path / "a.tflite").read_bytes(), plain=True
    ).get_tensor_details()
    halves = [d for d in details if d["dtype"] == np.float16]
    assert {len(d["shape"]) for d in halves} == {2, 4}
    assert not any("down2_conv" in d["name"] for d in halves)
    parts = [part for part in model.layers if part.name in PART_NAMES]
    kernels = [layer for part in parts for layer in part.layers if hasattr(layer, "kernel")]
    assert len(halves) == len(kernels) - 1


def test_a_crash_leaves_what_was_there(model, metadata, hands, tmp_path, monkeypatch):
    path = tmp_path / "hand.tflite"
    path.write_bytes(b"what was there")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parity, "compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        export(model, tmp_path, "tflite", "fp32", hands, metadata)
    assert [p.name for p in tmp_path.iterdir()] == ["hand.tflite"]
    assert path.read_bytes() == b"what was there"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "hand_detector"}, "is not a pose model. It says that it is: hand_detector"),
        ({"image_size_px": 64}, "does not hold what it says"),
        ({"image_size_px": None}, "does not hold what it says"),
        ({"scale_bone": "tail"}, "measures depth by tail"),
    ],
)
def test_a_file_that_is_not_what_it_says(metadata, own, change, message):
    path = own()
    rewritten(path, **{METADATA_FILE: json.dumps({**metadata, **change})})
    with pytest.raises(UserError, match=message):
        HandPose.load(path)


def test_a_description_that_is_no_dictionary(tmp_path):
    path = tmp_path / "hand.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA_FILE, "[1, 2]")
    with pytest.raises(UserError, match="its description is list"):
        HandPose.load(path)


@pytest.mark.parametrize("form", ["tflite", "onnx", "saved_model"])
def test_damaged_files_are_refused(form, own):
    path = own(form)
    file = path / "saved_model.pb" if form == "saved_model" else path
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"\x00" * 64, whole[::-1], b"{}"):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match="hand"):
            HandPose.load(path)


def test_a_saved_model_takes_the_place_of_nothing_else(model, metadata, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "kept.jpg").touch()
    with pytest.raises(UserError, match="is not a SavedModel"):
        exporting.export(model, tmp_path / "photos", "saved_model", metadata=metadata)
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["kept.jpg"]
    with pytest.raises(UserError, match=r"folder without a saved_model\.pb"):
        HandPose.load(tmp_path / "photos")


def test_one_call_for_all_formats(exported, rng):
    picture = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
    results = {}
    for form in SUFFIXES:
        pose = HandPose.load(exported(form)[0])
        (results[form],) = pose.predict(picture, box=(20, 10, 60, 50), handedness="left", passes=1)
    for form, hand in results.items():
        np.testing.assert_allclose(hand.uv_px, results["tflite"].uv_px, atol=0.02, err_msg=form)
        np.testing.assert_allclose(hand.z_relative, results["tflite"].z_relative, atol=1e-3)


def test_models_trained_in_mixed_precision_export_the_same(config, hands, tmp_path):
    import keras

    from kerashand.models.hand_pose import save_parts_npz

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(3)
        parts = build_parts(**config.parts_arguments())
        save_parts_npz(tmp_path / "w.npz", parts.models)
        mixed = dataclasses.replace(config.runtime, precision="mixed_bfloat16")
        model = exporting.load_model(dataclasses.replace(config, runtime=mixed), tmp_path / "w.npz")
    finally:
        keras.config.set_dtype_policy("float32")
    (tmp_path / "w.npz").unlink()
    report = export(model, tmp_path, "tflite", "fp32", hands, exporting.describe(config))
    assert report["difference"]["serving_default"]["uv_px"]["max"] < 0.01
