"""Files of the configuration: what they extend, and the place of a mistake in a broken one."""

import dataclasses

import pytest
from config_checks import assert_problem, config_writer

from kerashand.config import load_config

write = pytest.fixture(config_writer)


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
        ("name: a\nseed: 010", r"line 2, column 7: 010 can mean two numbers"),
        ("seed: 1:30", r"line 1, column 7: 1:30 can mean two numbers"),
        ("augment: {noise: 1:30.5}", r"1:30.5 can mean two numbers"),
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
