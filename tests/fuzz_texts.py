"""Entrances of the fuzzer that read text: configurations, overrides, reports and boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_inputs import Case, nested


def yaml_case(work: Path) -> Case:
    """A configuration, as --config names it."""
    from kerashand.config import load_config, packaged_configs

    packaged = packaged_configs()
    valid = [path.read_bytes() for name, path in packaged.items() if "/" not in name]
    laughs = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (k + 1, k + 1, b", ".join([b"*%c" % k] * 9)) for k in range(97, 110)
    )
    tags = (
        b"!!python/object/apply:os.system [touch x]", b"!!python/name:os.system",
        b"!!int ''", b"!!float ''", b"!!bool x", b"!!timestamp x", b"!!binary x", b"!!null x",
        b"!!set {a, b}", b"!!omap [a: 1]", b"!!pairs [a: 1]", b"!!str [a]", b"!!map x", b"= ",
    )  # fmt: skip
    return Case(
        ".yaml", lambda path: load_config(path), valid,
        bombs={
            "aliases": laughs, "itself": b"a: &a [*a]\n",
            "merged": b"a: &a {k: 1}\n" + b"".join(
                b"%c: &%c {<<: [%s]}\n" % (k + 1, k + 1, b", ".join([b"*%c" % k] * 9))
                for k in range(97, 110)
            ),
            "deep flow": b"a: " + nested(b"[", b"]", 50_000),
            "deep maps": b"a: " + nested(b"{a: ", b"}", 20_000),
            "deep block": b"".join(b" " * k + b"a:\n" for k in range(1400)),
            "long": b"a: 1\n" * 199_000, "too long": b"#" * 2_000_000,
            "long flow": b"a: [" + b"1," * 499_000 + b"]",
            "long number": b"seed: " + b"9" * 900_000,
            "sixties": b"seed: " + b"1:" * 400_000 + b"1",
            "extends nobody": b"extends: ~nobody-here/x.yaml\n",
            "extends NUL": b'extends: "a\\0b"\n',
            "extends long": b"extends: " + b"x" * 5000 + b"\n",
            **{tag.decode(): b"seed: " + tag + b"\n" for tag in tags},
        },
    )  # fmt: skip


def override_case(work: Path) -> Case:
    """A value of --set."""
    from kerashand.config import load_config

    def call(path: Path) -> None:
        load_config("weak.yaml", [path.read_bytes().decode("latin-1")])

    valid = [b"stages.finetune.epochs=3", b"seed=5", b"stages={finetune: {epochs: 2}}"]
    return Case(".txt", call, valid, bombs={"deep": b"model=" + nested(b"[", b"]", 5000)})


def report_case(work: Path) -> Case:
    """A report of kerashand-eval --json, compared with itself."""
    import warnings

    from kerashand.reports import breakdown, page, records

    joints = np.random.default_rng(0).uniform(1, 20, (3, 21)).round(2).tolist()
    flat = [0.5, 0.6, 0.7]
    numbers = {"samples": 3, "auc": 0.6, "mean_error_mm": 10.35, "mean_error_px": 3.0,
               "pck": [0.5, 1.0], "thresholds_mm": [20.0, 50.0], "depth_map_mm": 0.1}  # fmt: skip
    value = {
        "format": records.FORMAT, "model": "m", "data": "d", "protocol": "cai2018",
        "scale_bone": "b", "versions": {}, "numbers": numbers,
        "samples": dict.fromkeys(records.PER_JOINT, joints)
        | dict.fromkeys(records.PER_SAMPLE, flat),
    }  # fmt: skip

    def call(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = records.from_json(path)
            page.table([held, held], ["a", "b"])
            breakdown.compared(held, held)

    return Case(
        ".json", call, [json.dumps(value).encode(), json.dumps(value, indent=1).encode()],
        bombs={"deep": nested(b"[", b"]", 200_000), "digits": b"9" * 900_000,
               "large": json.dumps(value).replace("0.5", "1" + "0" * 400).encode(),
               "markup": json.dumps({**value, "model": "<script>"}).encode()},
        value=value, dump=lambda held: json.dumps(held).encode(),
    )  # fmt: skip


def boxes_case(work: Path) -> Case:
    """A file of kerashand-predict --boxes, of one picture."""
    from kerashand.cli.boxes import assigned, read_boxes
    from kerashand.cli.jobs import Job

    jobs = [Job(str(work / "a.jpg"), False)]
    rows = [{"input": "a.jpg", "box": [1, 2.5, 30, 40], "handedness": "left"},
            {"input": "a.jpg", "box": [-1, 0, 5, 6]}]  # fmt: skip

    def dump(value: Any) -> bytes:
        lines = value if isinstance(value, list) else [value]
        return "\n".join(json.dumps(line) for line in lines).encode()

    return Case(
        ".jsonl",
        lambda path: assigned(read_boxes(str(path)), jobs),
        [dump(rows), b"input,left,top,right,bottom,handedness\na.jpg,1,2,3,4,\na.jpg,1,2,3,4.5"],
        bombs={
            "deep": nested(b"[", b"]", 200_000), "deep maps": nested(b'{"a":', b"}", 100_000),
            "large": dump([{**rows[0], "box": [1, 2, 3, 10**400]}]),
            "no name": dump([{**rows[0], "input": "\0"}]),
            "long name": dump([{**rows[0], "input": "~/" + "n" * 100_000}]),
            "quotes": b'"' * 200_001, "commas": b"," * 2_000_000,
        },
        value=rows, dump=dump,
    )  # fmt: skip
