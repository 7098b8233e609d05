"""The loaded configuration: its hash, differences, notes, steps, initial weights and builders."""

import dataclasses
import hashlib
import importlib
import inspect
import json
import pickle
import re

import pytest

from kerashand.config import (
    STAGES,
    Config,
    ConfigError,
    config_hash,
    differences,
    find_initial_weights,
    find_notes,
    load_config,
)
from kerashand.config.loading import _LATER


def test_hash_leaves_out_what_does_not_change_the_result():
    weak = load_config("weak")
    same = load_config(
        "weak",
        [
            "name=x",
            "run_dir=/x",
            "distribute=mirrored",
            "data.workers=2",
            "data.cache_dir=/y",
            "seed=0",
        ],
    )
    assert config_hash(weak) == config_hash(same)
    assert re.fullmatch("[0-9a-f]{12}", config_hash(weak))
    assert config_hash(weak) != config_hash(load_config("weak", ["seed=1"]))


def test_runs_of_before_a_key_came_can_go_on():
    content = load_config("full").to_dict()
    for path in ("name", "run_dir", "distribute", "data.cache_dir", "data.workers", *_LATER):
        *above, key = path.split(".")
        section = content
        for name in above:
            section = section[name]
        del section[key]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    old = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert config_hash(load_config("full")) == old
    assert config_hash(load_config("full", ["data.shards=true"])) != old


def test_differences_are_those_that_decide_the_result():
    one, other = load_config("weak"), load_config("weak", ["seed=3", "model.lite.width=0.5"])
    assert differences(one, other) == ["seed: 0, not 3", "model.lite.width: 1.0, not 0.5"]
    assert differences(one, load_config("weak", ["data.workers=2", "run_dir=there"])) == []


def test_stages_need_not_fit_where_nothing_trains():
    overrides = ["data.source.train=4"]
    with pytest.raises(ConfigError, match=r"stages.pretrain.batch_size: takes 32 source samples"):
        load_config("weak", overrides)
    assert load_config("weak", overrides, trains=False).data.source.train == 4
    with pytest.raises(ConfigError, match=r"data.source.path: must be null"):
        load_config("weak", [*overrides, "data.source.path=/x"], trains=False)


def test_a_warm_up_fits_into_its_stage():
    config = load_config("weak", ["stages.pretrain.steps_per_epoch=50", "data.source.train=12000"])
    assert config.warmup_steps("pretrain") == 5  # of 50 steps, all of which would be warm-up
    assert config.warmup_steps("finetune") == 100
    assert find_notes(config)[0] == (
        "stages.pretrain.optimizer.warmup_steps is 50, but the stage has 50 steps: the warm-up "
        "takes 5 of them"
    )
    assert load_config("weak").warmup_steps("pretrain") == 50
    short = load_config("weak", ["stages.pretrain.steps_per_epoch=51"])
    assert short.warmup_steps("pretrain") == 50


def test_steps_per_epoch_of_other_data_are_named():
    """16 of 32 samples are the target's: 375 x 16 / 50 = 120 passes, 4 steps for one."""
    assert find_notes(load_config("weak", ["data.target.train=50"])) == [
        "stages.finetune.steps_per_epoch is 375, so an epoch takes 6000 hands from the 50 of "
        "data.target.train, each of them 120 times. One pass over them is 4 steps: "
        "--set stages.finetune.steps_per_epoch=4"
    ]
    assert find_notes(load_config("weak", ["data.source.train=100000"])) == [
        "stages.finetune.steps_per_epoch is 375, so all epochs together see 30000 of the 100000 "
        "hands of data.source.train. One pass over them is 6250 steps: "
        "--set stages.finetune.steps_per_epoch=6250"
    ]


def test_a_missing_blank_after_a_colon_is_named():
    with pytest.raises(ConfigError) as raised:
        load_config("weak", ["data.source={train:40,val:8}"])
    assert [problem.split(" Allowed")[0] for problem in raised.value.problems] == [
        f"data.source.{key}: unknown key. A blank belongs after the colon: `{name}: ...`."
        for key, name in (("train:40", "train"), ("val:8", "val"))
    ]


def test_the_wrist_formula_is_for_stb():
    data = ["data.target.kind=stb-sk", "data.target.path=/x", "data.target.wrist_from_palm=bihand"]
    assert load_config("weak", data).data.target.wrist_from_palm == "bihand"
    with pytest.raises(ConfigError, match="wrist_from_palm: is for kinds stb-sk and stb-bb; kind"):
        load_config("weak", ["data.target.wrist_from_palm=bihand"])
    with pytest.raises(ConfigError, match="wrist_from_palm: must be one of hand3d, bihand"):
        load_config("weak", ["data.target.wrist_from_palm=palm"])


def test_config_is_frozen_hashable_and_picklable():
    config = load_config("weak")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 3
    assert hash(config) == hash(load_config("weak"))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(KeyError):
        config["to_dict"]


def test_steps_per_epoch_is_one_pass_over_the_larger_domain():
    config = load_config(
        "weak",
        [f"stages.{stage}.optimizer.warmup_steps=0" for stage in STAGES]
        + ["data.source.train=1000"],
    )
    assert config.steps_per_epoch("pretrain") == 32  # 1000 / 32 = 31.25
    assert config.steps_per_epoch("finetune") == 375  # 6000 of the target / 16
    config = load_config("weak", ["stages.pretrain.steps_per_epoch=600"])
    assert config.steps_per_epoch("pretrain") == 600


def test_initial_weights_are_a_file_or_packaged(tmp_path):
    file = tmp_path / "w.weights.h5"
    file.write_bytes(b"")
    assert find_initial_weights(str(file)) == file
    assert find_initial_weights("packaged").name == "hand_pose.tflite"
    assert find_initial_weights("lite_source").name == "lite_source.npz"
    with pytest.raises(ConfigError, match=r"nor packaged weights.*Did you mean `lite_source`\?"):
        find_initial_weights("lite_sauce")


def test_initial_weights_of_a_run_are_the_best_of_its_last_stage(tmp_path):
    message = "neither a file, nor the folder of a run"
    with pytest.raises(ConfigError, match=message):
        find_initial_weights(str(tmp_path))
    (tmp_path / "config.yaml").write_text("seed: 1")
    with pytest.raises(ConfigError, match="no epoch of that run is finished"):
        find_initial_weights(str(tmp_path))
    for name in ("best_pretrain.npz", "weights_finetune.npz", "best_regularizer.npz"):
        (tmp_path / name).touch()
    assert find_initial_weights(str(tmp_path)).name == "best_regularizer.npz"
    (tmp_path / "best_finetune.npz").touch()
    assert find_initial_weights(str(tmp_path)).name == "best_finetune.npz"


@pytest.mark.parametrize(
    ("section", "builder"),
    [
        ("model.lite", "kerashand.models.lite.build_lite"),
        ("model.regressor", "kerashand.models.depth_regressor.build_depth_regressor"),
        ("model.regularizer", "kerashand.models.depth_regularizer.build_depth_regularizer"),
        ("augment", "kerashand.data.augment.AugmentParameters"),
    ],
)
def test_section_binds_to_its_builder(section, builder):
    values = Config()
    for name in section.split("."):
        values = values[name]
    module, name = builder.rsplit(".", 1)
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    bound = signature.bind_partial(**values)
    assert set(bound.arguments) == set(values)
