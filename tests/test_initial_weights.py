"""What a run starts from: runs, files, the packaged model; networks that differ are named."""

import logging

import keras
import numpy as np
import pytest
from tiny_runs import TINY

from kerashand.config import dump_yaml, load_config
from kerashand.errors import UserError
from kerashand.models.hand_pose import build_parts, save_parts_npz
from kerashand.training.initial_weights import load_initial_weights

OF_PACKAGED = [
    "data.image_size_px=128",
    "model.depth_along=line_of_sight",
    "model.lite={width: 1.25, stages: 2}",
    "model.regressor={conv_channels: [64, 96], hidden_units: [256, 256], heads: true}",
]


def parts_of(config, seed=0):
    keras.utils.set_random_seed(seed)
    return build_parts(**config.parts_arguments())


@pytest.fixture
def run_folder(tmp_path):
    """The folder of a tiny run, as far as starting weights are concerned."""
    config = load_config("weak", TINY)
    parts = parts_of(config, seed=1)
    (tmp_path / "config.yaml").write_text(dump_yaml(config))
    save_parts_npz(tmp_path / "best_finetune.npz", parts.models)
    return tmp_path, parts


def test_the_best_weights_of_a_run(run_folder):
    folder, theirs = run_folder
    config = load_config("weak", [*TINY, f"model.initial_weights={folder}"])
    parts = parts_of(config)
    held, words = load_initial_weights(config, parts)
    assert held == ["network", "regressor", "regularizer"]
    assert words == f"{folder / 'best_finetune.npz'}: network, regressor, regularizer"
    for name in held:
        for ours, other in zip(
            parts.models[name].weights, theirs.models[name].weights, strict=True
        ):
            np.testing.assert_array_equal(ours, other)


def test_another_network_is_named(run_folder):
    folder, _ = run_folder
    changes = [f"model.initial_weights={folder}", "model.lite.width=0.5", "model.decode=relu"]
    config = load_config("weak", [*TINY, *changes])
    with pytest.raises(UserError) as raised:
        load_initial_weights(config, parts_of(config))
    assert str(raised.value).splitlines() == [
        f"model.initial_weights: {folder / 'best_finetune.npz'} holds weights of a network `lite` "
        "that is not the `lite` of this configuration. There:",
        "  model.lite.width: 0.25, not 0.5",
        "Give other weights, or the same network: --set 'model.lite.width=0.25'",
    ]
    config = load_config("weak", [*TINY, *changes[:1], "model.network=cpm"])
    parts = parts_of(load_config("weak", [*TINY, "model.lite.stages=2"]))  # the CPM is large
    with pytest.raises(UserError, match=r"a network `lite` that is not the `cpm` of this conf"):
        load_initial_weights(config, parts)


def test_the_packaged_model(caplog):
    config = load_config("weak", ["model.initial_weights=packaged", *OF_PACKAGED])
    with caplog.at_level(logging.INFO):
        held, words = load_initial_weights(config, parts_of(config))
    assert (held, words) == (["network", "regressor"], "hand_pose.tflite: network, regressor")
    assert [m for m in caplog.messages if m.startswith("note")] == [
        "note: model.scale_bone was wrist_middle_mcp where hand_pose.tflite was trained and is "
        "middle_mcp_pip here: what that changes has to be learnt anew"
    ]


def test_the_message_about_the_packaged_model_says_what_to_set():
    config = load_config("weak", ["model.initial_weights=packaged"])
    with pytest.raises(UserError, match=r"\n  model.lite.width: 1.25, not 1.0\n") as raised:
        load_initial_weights(config, parts_of(config))
    settings = str(raised.value).split("--set ")[1].replace("'", "").replace(", ", ",").split()
    same = load_config("weak", ["model.initial_weights=packaged", *settings])
    load_initial_weights(same, parts_of(same))
