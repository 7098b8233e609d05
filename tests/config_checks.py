"""Writes configurations for tests, and gives the problems that loading them names."""

import re

import pytest

from kerashand.config import ConfigError, load_config


def config_writer(tmp_path):
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
