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
    dump_yaml,
    find_initial_weights,
    find_notes,
    load_config,
    packaged_configs,
)
from kerashand.config.loading import _LATER
from kerashand.config.rules import find_conflicts
from kerashand.errors import UserError

ALL_HEADS = "{handedness: 1, presence: 1, confidence: 1}"
SETTINGS = ("weak", "source_only", "labels_2d", "full", "full_no_regularizer")


def packaged(name):
    """A packaged configuration; the paper's need the folders of their data."""
    paths = ["data.source.path=RHD", "data.target.path=STB"]
    return load_config(name, paths if name.startswith("paper/") else [])


@pytest.fixture
def write(tmp_path):
    def write_config(content, name="mine.yaml"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write_config


def problems_of(name, *overrides):
    with pytest.raises(ConfigError) as caught:
        load_config(name, overrides)
    return caught.value.problems


def assert_problem(text, name, *overrides):
    problems = problems_of(name, *overrides)
    assert len(problems) == 1, problems
    assert re.search(text, problems[0]), problems[0]


# Packaged files


@pytest.mark.parametrize("name", packaged_configs())
def test_every_packaged_config_loads_and_round_trips(name, write):
    config = packaged(name)
    assert load_config(write(dump_yaml(config))) == config
    file = packaged_configs()[name]
    header = file.read_text("utf-8").splitlines()[:4]
    assert any(line.startswith(f"#   kerashand-train --config {name}") for line in header), header


def test_packaged_configs_are_those_of_the_issue():
    names = {f"{folder}{name}.yaml" for name in SETTINGS for folder in ("", "paper/")}
    assert set(packaged_configs()) == names | {"source.yaml", "adapt.yaml"}


def test_packaged_names_are_distinct_since_they_name_run_folders():
    names = [packaged(name).name for name in packaged_configs()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["weak", "weak.yaml", "paper/weak", "paper/weak.yaml"])
def test_packaged_config_is_found_with_and_without_ending(name):
    assert packaged(name).model.network == ("cpm" if "paper" in name else "lite")


@pytest.mark.parametrize("folder", ["", "paper/"])
def test_settings_differ_from_weak_only_in_labels_and_what_follows(folder):
    weak = packaged(f"{folder}weak")
    for name in SETTINGS[1:]:
        config = packaged(f"{folder}{name}")
        assert dataclasses.replace(config, name=weak.name, stages=weak.stages) == weak
        assert config.stages.pretrain == weak.stages.pretrain
        finetune = config.stages.finetune
        if finetune.epochs:
            assert finetune.optimizer == weak.stages.finetune.optimizer
            assert ("depth" in finetune.labels.source) == (finetune.loss_weights.depth_map > 0)


def test_paper_values():
    stages = packaged("paper/weak").stages
    assert [stages[name].epochs for name in STAGES] == [60, 40, 20]
    assert {stages[name].batch_size for name in STAGES} == {8}
    assert stages.finetune.loss_weights.depth_map == pytest.approx(64 * 64 / 21, rel=0.01)


def test_defaults_have_no_conflict():
    assert list(find_conflicts(Config())) == []


def test_existing_file_comes_before_packaged_name(tmp_path, monkeypatch, write):
    write("seed: 77", "weak.yaml")
    monkeypatch.chdir(tmp_path)
    assert load_config("weak.yaml").seed == 77
    assert load_config("weak").seed == 0


def test_unknown_name_suggests_and_lists():
    with pytest.raises(ConfigError, match=r"'weka'.*\n.*Did you mean `weak.yaml`.*paper/full.yaml"):
        load_config("weka")
    assert_problem("is a folder", "/")
    assert_problem("neither a file nor", "x" * 5000)
    assert_problem("neither a file nor", "../configs/weak")


# Values


def test_overrides_are_yaml_values_and_come_last_in_order():
    config = load_config(
        "weak",
        [
            "seed=1",
            "seed=2",
            "stages.finetune.optimizer.learning_rate=1e-4",
            "model.regressor.conv_channels=[8, 16]",
            "data.workers=null",
            "augment={noise: 1, scale: 0}",
            "runtime.jit_compile=true",
            "name=a=b".replace("=b", "_b"),
        ],
    )
    assert config.seed == 2
    assert config.stages.finetune.optimizer.learning_rate == pytest.approx(1e-4)
    assert config.model.regressor.conv_channels == (8, 16)
    assert config.data.workers is None
    assert (config.augment.noise, config.augment.rotation_deg) == (1.0, 30.0)
    assert isinstance(config.augment.noise, float)
    assert config.runtime.jit_compile is True
    assert config.name == "a_b"


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("seed=true", r"^seed: must be a whole number, .*Received: True"),
        ("seed=1.0", r"^seed: must be a whole number"),
        ("seed=-1", r"^seed: .*at least 0.*Received: -1"),
        ("seed=", r"^seed: .*Received: null \(empty\)"),
        ("name=7", r"^name: must be text. Received: 7"),
        ("name=a/b", r"^name: must be letters.*Received: 'a/b'"),
        ("augment.noise=true", r"^augment.noise: must be a number"),
        ("augment.noise=.nan", r"^augment.noise: must be a number"),
        ("augment.noise=1e999", r"^augment.noise: must be a number"),
        ("augment.noise=four", r"^augment.noise: .*Received: 'four'"),
        ("runtime.jit_compile=1", r"^runtime.jit_compile: must be true or false. Received: 1"),
        ("data.workers=0", r"^data.workers: must be a whole number or null, at least 1"),
        ("model.network=lit", r"must be one of lite, cpm. Received: 'lit'. Did you mean `lite`"),
        ("model.network=[lite]", r"must be one of lite, cpm. Received: \['lite'\]"),
        ("stages.pretrain.labels.source=[uv, xy]", r"Received: 'xy'. Did you mean `xyz`"),
        ("stages.pretrain.labels.source=uv", r"must be a list of uv, xyz, depth. Received: 'uv'"),
        ("stages.pretrain.labels.source=[uv, uv, xyz]", r"names an entry twice"),
        ("model.regularizer.channels=[8, 8]", r"model.regularizer.channels: must have 5 entries"),
        ("model.regularizer.output_size_px=48", r"a multiple of 32.*Received: 48"),
        ("data.image_size_px=250", r"^data.image_size_px: .*a multiple of 8.*Received: 250"),
        ("augment=3", r"^augment: must be a mapping"),
        ("augmnt.noise=3", r"^augmnt: unknown key.*Did you mean `augment`"),
        ("stages.finetune.epoch=3", r"^stages.finetune.epoch: unknown key.*Did you mean `epochs`"),
        ("augment={nois: 3}", r"^augment.nois: unknown key.*Did you mean `noise`"),
        ("seed.x=3", r"^seed.x: `seed` is a value"),
        ("seed", r"must be `a.b.c=value`. Received: 'seed'"),
        ("=3", r"must be `a.b.c=value`"),
        ("seed=[1", r"^seed: cannot read '\[1'.*line 1, column 3"),
    ],
)
def test_wrong_value_is_reported_with_path_and_what_is_allowed(override, text):
    assert_problem(text, "weak", override)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ["stages.finetune.batch_size=33"],
            r"^stages.finetune.batch_size: times .* 33 x 0.5 = 16.5",
        ),
        (["stages.finetune.target_share=0.01"], r"must be a whole number of .* 32 x 0.01 = 0.32"),
        (
            ["data.target.train=4"],
            r"stages.finetune.batch_size: takes 16 target samples .*`data.target.train` is 4",
        ),
        (["data.image_size_px=136", "model.lite.heatmap_stride=8", "data.source.path=x"], "null"),
        (
            [
                "stages.finetune.loss_weights.depth_map=0",
                "stages.finetune.rates.regularizer=0",
                "stages.finetune.loss_weights.joint_surface=0",
            ],
            r"names `depth`, but .*depth_map` and .*joint_surface` and .*point_depth` are 0",
        ),
        (
            ["stages.pretrain.labels.source=[uv]"],
            r"loss_weights.joint_depth: needs the label `xyz`",
        ),
        (
            ["stages.pretrain.loss_weights.bone_length=1"],
            r"loss_weights.bone_length: counts hands .*without `xyz`",
        ),
        (
            ["stages.finetune.loss_weights.handedness=1"],
            r"loss_weights.handedness: is about .*`model.regressor.heads: true` alone.*weight 1",
        ),
        (
            [
                "model.regressor.heads=true",
                f"stages.pretrain.loss_weights={ALL_HEADS}",
                "stages.pretrain.labels.source=[xyz]",
                "stages.pretrain.loss_weights.heatmap=0",
                "stages.pretrain.loss_weights.coordinate=0",
                "stages.pretrain.loss_weights.presence=0",
                "stages.pretrain.loss_weights.confidence=0",
            ],
            r"loss_weights.handedness: needs the label `uv`",
        ),
        (
            [
                "model.regressor.heads=true",
                "model.initial_weights=null",
                "stages.pretrain.loss_weights={handedness: 1, confidence: 1}",
            ],
            r"model.regressor.heads: is true, but the loss `presence` is 0 in every stage",
        ),
        (
            [
                "model.regressor.heads=true",
                "stages.pretrain.loss_weights={heatmap: 0, coordinate: 0, joint_depth: 0, "
                "confidence: 1}",
            ],
            r"rates.network: is 1, but no loss of this stage trains the network.*"
            r"`stages.pretrain.loss_weights.presence`",
        ),
        (
            ["stages.finetune.regularizer_input=ground_truth"],
            r"labels.target: must name `xyz` beside `depth`.*predicted",
        ),
        (["stages.finetune.labels.target=[depth]"], r"must name `uv` beside `depth`"),
        (["stages.pretrain.labels.source=[]"], r"stages.pretrain.labels: both lists are empty"),
        (["stages.pretrain.rates={network: 0, regressor: 0}"], r"rates: are all 0"),
        (
            ["stages.regularizer.rates.network=1"],
            r"rates.network: is 1, but no loss of this stage trains the network",
        ),
        (
            [
                "stages.finetune.rates.regularizer=0",
                "stages.regularizer.epochs=0",
                "model.initial_weights=null",
            ],
            r"rates.regularizer: is 0 \(frozen\)",
        ),
        (
            [
                "stages.finetune.optimizer.schedule=step",
                "stages.finetune.optimizer.final_fraction=0.1",
            ],
            r"finetune.optimizer.final_fraction: has no effect with `schedule: step`: leave it "
            r"out, or at 0.02. Received: 0.1",
        ),
        (
            ["model.initial_weights=null", *(f"stages.{stage}.epochs=0" for stage in STAGES)],
            r"every stage has 0 epochs",
        ),
    ],
)
def test_conflict_between_fields(overrides, text):
    assert_problem(text, "weak", *overrides)


def test_all_mistakes_stand_in_one_message_and_conflicts_only_of_sound_fields(write):
    file = write(
        "model: {network: cmp}\nsead: 1\ndata: {image_size_px: 250}\n"
        "stages: {finetune: {batch_size: 33, epochs: x}, pretrain: {batch_size: many}}\n"
    )
    problems = problems_of(file, "augment.nois=1")
    assert len(problems) == 7, problems
    assert any("Did you mean `cpm`" in problem for problem in problems)
    assert any("33 x 0.5" in problem for problem in problems)
    with pytest.raises(UserError, match=r"mine.yaml: 7 problems\n  "):
        load_config(file, ["augment.nois=1"])


# Files


def test_extends_merges_and_does_not_inherit_the_name(write):
    write("name: base\nseed: 3\naugment: {noise: 1, scale: 0.1}\n", "base.yaml")
    write("extends: base.yaml\naugment: {noise: 2}\n", "middle.yaml")
    config = load_config(write("extends: middle.yaml\nseed: 4\n", "my run.yaml"))
    assert (config.name, config.seed) == ("my_run", 4)
    assert (config.augment.noise, config.augment.scale) == (2.0, 0.1)
    mine = load_config(write("extends: weak.yaml\nseed: 5\n", "weak.yaml"))
    assert dataclasses.replace(mine, seed=0) == load_config("weak")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("extends: b.yaml", r"extends: goes in a circle: a.yaml -> b.yaml -> a.yaml"),
        ("extends: a.yaml", r"extends: neither a file|goes in a circle"),
        ("extends: weka", r"Received: 'weka'.*Did you mean `weak.yaml`"),
        ("extends: [weak]", r"extends: must be one file name"),
        ("", r"the file is empty"),
        ("# only a comment", r"the file is empty"),
        ("- 1\n- 2", r"must be `key: value` lines"),
        ("weak", r"must be `key: value` lines"),
        ("seed: 1\nname: a\nseed: 2", r"line 3, column 1: the key `seed` stands twice"),
        ("augment:\n  noise: 1\n  noise: 2", r"line 3, column 3: the key `noise` stands twice"),
        ("seed: 1\n  name: [", r"line 2, column \d+: "),
        ("seed: 1\n---\nseed: 2", r"line 2, column 1: .*another document"),
        ("seed: !!python/object:os.system x", r"line 1, column 7: could not determine"),
        ("seed: 2024-13-45", r"line 1, column 7: cannot read the value"),
        ("seed: &a [*a]", r"line 1, column 7: a value that holds itself"),
        ("seed: " + "[" * 5000, r"nested too deeply|line 1"),
        (b"seed: 1\nname: \xff\xfe", r"line 2, column 7: the file is not UTF-8"),
        ("seed: 1\nname: \x00", r"line 2, column 7: .*not allowed"),
        ("#" * 1_000_001, r"more than 100,000 bytes"),
        ("1: 2", r"^1: unknown key"),
        ("[a]: 2", r"^\('a',\): unknown key|unhashable"),
        ("augment:", r"augment: must be a mapping.*null"),
    ],
)
def test_broken_file_gives_its_place(content, text, write):
    write("extends: a.yaml", "b.yaml")
    assert_problem(text, write(content, "a.yaml"))


def test_alias_bomb_is_refused_at_once(write):
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert_problem("more than 10,000 values", write("\n".join(levels)))


def test_a_few_aliases_a_merge_key_and_a_byte_order_mark_are_fine(write):
    text = (
        "\ufeffstages:\n  pretrain: {optimizer: &fast {learning_rate: 2e-3}}\n"
        "  finetune: {optimizer: {<<: *fast, warmup_steps: 1}}\n"
    )
    stages = load_config(write(text)).stages
    assert stages.pretrain.optimizer.learning_rate == 2e-3
    assert stages.finetune.optimizer.learning_rate == 2e-3
    assert stages.finetune.optimizer.warmup_steps == 1


def test_unreadable_file(tmp_path):
    link = tmp_path / "loop.yaml"
    link.symlink_to(link)
    assert_problem("neither a file nor|cannot read", link)


# The object


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


@pytest.mark.parametrize("name", packaged_configs())
def test_packaged_configs_need_no_notes(name):
    config = packaged(name)
    counted = {
        domain: dataclasses.replace(config.data[domain], train=config.data[domain].train or 15000)
        for domain in ("source", "target")
    }
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, **counted))
    assert find_notes(config) == []


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
