"""The parts of a hand pose model, the model that joins them, and their weights file."""

import numpy as np
import pytest
from small_models import random_inputs, small_parts, small_regressor

from kerashand.models import hand_pose


def test_parts_of_cpm_fit_together():
    parts = hand_pose.build_parts(network="cpm", image_size_px=64, decode="relu")
    assert parts.heatmap_stride == 8
    assert parts.regressor.input["heatmaps"].shape == (None, 8, 8, 21)
    assert parts.regressor.input["features"].shape == (None, 8, 8, 128)
    assert list(parts.models) == ["network", "regressor", "regularizer"]


@pytest.mark.parametrize("stride", [4, 8])
def test_parts_know_the_stride(stride):
    lite = {"width": 0.25, "stages": 1, "heatmap_stride": stride}
    assert small_parts(lite=lite).heatmap_stride == stride


@pytest.mark.parametrize("decode", hand_pose.DECODES)
def test_inference_matches_the_parts(decode):
    parts = small_parts(decode=decode)
    image = random_inputs(parts.network)
    outputs = parts.build_inference_model()(image, training=False)
    network = parts.network(image, training=False)
    maps = hand_pose.stage_maps(network)[-1]
    seen = hand_pose.regressor_inputs(maps, network["features"], decode)
    z_relative = parts.regressor(seen, training=False)["z_relative"]
    np.testing.assert_allclose(outputs["z_relative"], z_relative, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(outputs["heatmaps"], maps, rtol=1e-5, atol=1e-5)
    confidence = np.clip(np.max(seen["heatmaps"], axis=(1, 2)), 0, 1)
    np.testing.assert_allclose(outputs["confidence"], confidence, rtol=1e-5, atol=1e-5)
    uv_px = np.asarray(outputs["uv_px"])
    assert np.all((uv_px >= -0.5) & (uv_px <= 31.5))
    assert np.all(np.asarray(outputs["z_relative"])[:, 0] == 0.0)


def test_regressor_sees_a_target_map_with_peak_one():
    """A soft-max map equal to the Gaussian target of sigma = 1 cell peaks at 1."""
    cells = np.arange(16.0)
    logits = -0.5 * ((cells[:, None] - 8.0) ** 2 + (cells[None] - 8.0) ** 2)
    maps = logits[None, ..., None].astype(np.float32)
    seen = hand_pose.regressor_inputs(maps, None, "softmax")["heatmaps"]
    assert np.max(seen) == pytest.approx(1.0, abs=1e-3)
    assert hand_pose.regressor_inputs(maps, None, "relu")["heatmaps"] is maps


@pytest.mark.parametrize(("half", "tolerance"), [(False, 0.0), (True, 1e-3)])
def test_npz_round_trip(tmp_path, half, tolerance):
    saved, loaded = small_parts().models, small_parts().models
    hand_pose.save_parts_npz(tmp_path / "new" / "weights.npz", saved, half=half)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["weights.npz"]
    hand_pose.load_parts_npz(tmp_path / "new" / "weights.npz", loaded)
    for part, model in saved.items():
        for one, other in zip(model.weights, loaded[part].weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    with np.load(tmp_path / "new" / "weights.npz", allow_pickle=False) as file:
        assert "network/down2_conv/kernel" in file.files
        assert file["network/down2_conv/kernel"].dtype == (np.float16 if half else np.float32)
        assert file["network/down2_bn/moving_variance"].dtype == np.float32


def test_npz_loads_chosen_parts(tmp_path):
    parts = small_parts()
    hand_pose.save_parts_npz(tmp_path / "w.npz", {"network": parts.network})
    before = [np.asarray(weight) for weight in parts.regressor.weights]
    with pytest.raises(ValueError, match="do not fit: missing regressor/conv1/kernel"):
        hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models)
    hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models, only=["network"])
    for one, other in zip(before, parts.regressor.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="`only` must name parts of"):
        hand_pose.load_parts_npz(tmp_path / "w.npz", parts.models, only=["decoder"])


def _write(path, arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_inference_tells_the_probabilities_of_the_heads():
    regressor = {"conv_channels": (8, 8), "hidden_units": (16, 8), "heads": True}
    parts = small_parts(regressor=regressor)
    image = random_inputs(parts.network)
    network = parts.network(image, training=False)
    maps = hand_pose.stage_maps(network)[-1]
    seen = hand_pose.regressor_inputs(maps, network["features"], parts.decode)
    answers = parts.regressor(seen, training=False)
    outputs = parts.build_inference_model()(image, training=False)
    for name, logit in (("p_right", "right"), ("p_hand", "hand"), ("confidence", "precise")):
        expected = 1.0 / (1.0 + np.exp(-np.asarray(answers[f"{logit}_logit"])))
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-5, atol=1e-5)


def test_npz_rejects_what_does_not_fit(tmp_path):
    parts = {"regressor": small_regressor()}
    path = tmp_path / "weights.npz"
    hand_pose.save_parts_npz(path, parts)
    with np.load(path) as file:
        good = dict(file)
    key = "regressor/dense1/kernel"
    before = [np.asarray(weight) for weight in parts["regressor"].weights]
    for arrays, message in [
        ({**good, key: good[key][:-1]}, rf"{key} is \(49, 16\), not \(50, 16\)"),
        ({**good, key: good[key] * np.nan}, f"{key} is not finite"),
        ({**good, key: np.array(["text"])}, f"{key} holds <U4"),
        ({**good, "regressor/dense9/bias": np.zeros(3)}, "unexpected regressor/dense9/bias"),
        ({k: v for k, v in good.items() if k != key}, f"missing {key}"),
        ({**good, key: np.array([None])}, "Not a readable weights file"),
    ]:
        _write(path, arrays)
        with pytest.raises(ValueError, match=message):
            hand_pose.load_parts_npz(path, parts)
    for one, other in zip(before, parts["regressor"].weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_npz_rejects_damage(tmp_path):
    parts = {"regressor": small_regressor()}
    path = tmp_path / "weights.npz"
    hand_pose.save_parts_npz(path, parts)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - b for b in whole[middle : middle + 64])
    for damaged in [whole[:middle], b"", b"text", flipped + whole[middle + 64 :]]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="Not a readable weights file"):
            hand_pose.load_parts_npz(path, parts)
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(ValueError, match="no zip archive"):
        hand_pose.load_parts_npz(tmp_path / "bare.npy", parts)
    with pytest.raises(FileNotFoundError):
        hand_pose.load_parts_npz(tmp_path / "none.npz", parts)


def test_options_are_of_a_network_that_has_some():
    for name in ("light", "cpm"):
        with pytest.raises(TypeError, match=f"build_parts takes no {name}"):
            small_parts(**{name: {"width": 0.5}})
