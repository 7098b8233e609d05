"""Hostile texts: YAML with tags, too much of it, and reports whose numbers are none."""

import json

import pytest
from fuzz_texts import report_case

from kerashand.cli.predict import main as predict_main
from kerashand.config import load_config
from kerashand.errors import UserError
from kerashand.yaml_files import YamlError, parse_yaml

# -------------------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    "text",
    [
        "!!int ''",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "!!python/name:os.system",
        "2024-13-45",
    ],
)
def test_yaml_tags_have_a_place(text):
    with pytest.raises(YamlError, match="line 1, column 7"):
        parse_yaml(f"seed: {text}")


def test_yaml_that_is_too_long(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: 1\n" * 30_000)
    with pytest.raises(UserError, match="more than 100,000 bytes"):
        load_config(tmp_path / "a.yaml")


def test_home_of_nobody(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("extends: ~nobody-here/x.yaml\n")
    with pytest.raises(UserError, match="neither a file beside"):
        load_config(tmp_path / "a.yaml")
    assert predict_main(["~nobody-here/a.jpg"]) == 2
    assert "~nobody-here/a.jpg does not exist" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ reports


@pytest.mark.parametrize(
    ("name", "value"),
    [("auc", "0.5"), ("auc", [0.5]), ("auc", 10**400), ("auc", None), ("pck", [0.1]), ("pck", {}),
     ("samples", True)],
)  # fmt: skip
def test_summaries_that_are_none(tmp_path, name, value):
    from kerashand.reports import records

    good = report_case(tmp_path).value
    (tmp_path / "a.json").write_text(json.dumps(good))
    assert records.from_json(tmp_path / "a.json").numbers == good["numbers"]
    bad = {**good, "numbers": {**good["numbers"], name: value}}
    (tmp_path / "a.json").write_text(json.dumps(bad))
    with pytest.raises(UserError, match=r"a\.json is no report"):
        records.from_json(tmp_path / "a.json")
