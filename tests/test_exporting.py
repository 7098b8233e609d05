"""Exported files: what they say, give, carry and cost; and damaged ones that are refused."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_exports import (
    LOOSE,
    SCALE_BONE,
    SIZE,
    SUFFIXES,
    described,
    export,
    random_model,
    small_config,
    small_hands,
)

from kerashand import exporting
from kerashand.carried import WEIGHTS_FILE
from kerashand.errors import UserError
from kerashand.exporting import parity, quantization
from kerashand.geometry.pose import scale_from_joints, xyz_from_uv_z
from kerashand.models.hand_pose import build_parts, load_parts_npz
from kerashand.runtime import HandPose
from kerashand.runtime.backends import load_backend, open_backend
from kerashand.runtime.litert import open_interpreter
from kerashand.runtime.model_file import METADATA_FILE, checked_network, read_metadata

config = pytest.fixture(scope="module")(small_config)
model = pytest.fixture(scope="module")(random_model)
metadata = pytest.fixture(scope="module")(described)
hands = pytest.fixture(scope="module")(small_hands)

KINDS = [(form, p) for form in exporting.FORMATS for p in exporting.FORMATS[form].precisions]


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


def test_dynamic_int8_leaves_fine_maps_in_float(exported):
    path, _ = exported("tflite", "dynamic_int8")
    network = checked_network(path, path.read_bytes(), read_metadata(path))
    types = {"int8": set(), "float16": set()}
    for held in open_interpreter(network, plain=True).get_tensor_details():
        layer = re.search(r"/lite_\d+/(\w+?)(_conv)?_\d+/", held["name"])
        if layer and len(held["shape"]) == 4 and held["dtype"].__name__ in types:
            types[held["dtype"].__name__].add(layer[1])
    assert types["int8"] == {"down16", "down32", "res32_0_a", "res32_0_b"}
    laterals, stages = {"lateral32", "lateral16", "lateral8"}, {"stage0_fuse", "stage1_fuse"}
    fine = {"down4", "down8", "encode", "stage1_refine", "heatmaps_0", "heatmaps_1"}
    assert types["float16"] == fine | laterals | stages


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


def test_one_call_for_all_formats(exported, rng):
    picture = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
    results = {}
    for form in SUFFIXES:
        pose = HandPose.load(exported(form)[0])
        (results[form],) = pose.predict(picture, box=(20, 10, 60, 50), handedness="left", passes=1)
    for form, hand in results.items():
        np.testing.assert_allclose(hand.uv_px, results["tflite"].uv_px, atol=0.02, err_msg=form)
        np.testing.assert_allclose(hand.z_relative, results["tflite"].z_relative, atol=1e-3)
