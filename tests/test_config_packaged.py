"""Packaged configurations: each loads, has its own name, and differs from `weak` as it says."""

import dataclasses

import pytest
from config_checks import assert_problem, config_writer

from kerashand.config import (
    STAGES,
    Config,
    ConfigError,
    dump_yaml,
    find_notes,
    load_config,
    packaged_configs,
)
from kerashand.config.rules import find_conflicts

write = pytest.fixture(config_writer)

SETTINGS = ("weak", "source_only", "labels_2d", "full", "full_no_regularizer")


def packaged(name):
    """A packaged configuration; the paper's need the folders of their data."""
    paths = ["data.source.path=RHD", "data.target.path=STB"]
    return load_config(name, paths if name.startswith("paper/") else [])


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


@pytest.mark.parametrize("name", packaged_configs())
def test_packaged_configs_need_no_notes(name):
    config = packaged(name)
    counted = {
        domain: dataclasses.replace(config.data[domain], train=config.data[domain].train or 15000)
        for domain in ("source", "target")
    }
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, **counted))
    assert find_notes(config) == []
