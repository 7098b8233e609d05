"""Values of the configuration: overrides, wrong values, and conflicts between fields."""

import pytest
from config_checks import assert_problem, config_writer, problems_of

from kerashand.config import STAGES, load_config
from kerashand.errors import UserError

write = pytest.fixture(config_writer)

ALL_HEADS = "{handedness: 1, presence: 1, confidence: 1}"


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
