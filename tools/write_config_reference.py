"""Write docs/config.md, the reference of every configuration key, from the code.

    python tools/write_config_reference.py

Sections, defaults, limits and descriptions are those of `kerashand.config.schema`; what the keys of
a component mean is read from the docstring of what they build, without importing it. The packaged
files are listed with the first sentence of each. `tests/test_docs.py` holds the page to it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from kerashand.config import STAGES, Config, packaged_configs
from kerashand.config.sections import Limits, Section
from kerashand.data.kinds import KINDS
from kerashand.networks import NETWORKS, NetworkSpec
from kerashand.terms import TERMS, Term


def builder_of(spec: NetworkSpec) -> tuple[str, str]:
    """File in the package and name of what builds a network."""
    module, function = spec.builder.split(":")
    return module.removeprefix("kerashand.").replace(".", "/") + ".py", function


PAGE = Path(__file__).resolve().parents[1] / "docs" / "config.md"
PACKAGE = Path(__file__).resolve().parents[1] / "kerashand"
BUILT = {
    "augment": ("data/augment.py", "AugmentParameters"),
    **{f"model.{name}": builder_of(spec) for name, spec in NETWORKS.items() if spec.options},
    "model.regressor": ("models/depth_regressor.py", "build_depth_regressor"),
    "model.regularizer": ("models/depth_regularizer.py", "build_depth_regularizer"),
    "losses": ("training/trainer.py", "StageSettings"),
}
"""Path of a section -> file and name of what its keys are arguments of."""
RENAMED = {"losses.heatmap": "heatmap_loss"}
"""Keys that the trainer knows by another name."""
WORDS = {int: "whole number", float: "number", bool: "true, false", str: "text"}

HEAD = """\
# Configuration

This page lists every key of a configuration. `kerashand-train --config` takes a YAML file, or the
name of a packaged file. A key that is left out has the default below. Unknown keys and wrong values
are refused before anything starts, all in one message.

```sh
kerashand-train --config weak.yaml --print-config                  # every value of a run
kerashand-train --config weak.yaml --set stages.finetune.epochs=3 data.workers=2
kerashand-train --config weak.yaml --dry-run                       # one step of each stage
```

`--set` takes dotted paths. With `extends: weak.yaml` a file takes all keys that it leaves out from
`weak.yaml`. A run folder belongs to one configuration, see [Train](training.md#change-a-run).

`python tools/write_config_reference.py` writes this page from `kerashand/config/schema.py`. The
equations are those of the paper, see [Method](method.md).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {len(page().splitlines())} lines")


def page() -> str:
    """The page as it has to be."""
    blocks = [HEAD, _packaged(), _kinds()]
    blocks += [_section(*found) for found in sections()]
    return "\n".join(blocks)


def sections() -> Iterator[tuple[list[str], Section]]:
    """Every section once, with the dotted paths at which it stands, in the order of the schema.

    Sections of one class stand together: their defaults may differ.
    """
    found: dict[type, dict[str, Section]] = {}

    def walk(section: Section, path: str) -> None:
        found.setdefault(type(section), {})[path] = section
        for name, value in section.items():
            if isinstance(value, Section):
                walk(value, f"{path}.{name}" if path else name)

    walk(Config(), "")
    for of_path in found.values():
        yield list(of_path), next(iter(of_path.values()))


def _section(paths: list[str], section: Section) -> str:
    title = ", ".join(f"`{path}`" for path in paths) if paths != [""] else "Top level"
    if len(paths) > 2:  # one of each stage
        title = f"`stages.*.{paths[0].split('.')[-1]}`"
    if len(paths) == len(STAGES) and paths[0].count(".") == 1:
        title = "`stages.pretrain`, `stages.regularizer`, `stages.finetune`"
    lines = [f"## {title}", "", _prose(section), ""]
    settings = [field for field in dataclasses.fields(section) if "limits" in field.metadata]
    if not settings:
        return "\n".join(lines)
    meanings = described(*BUILT[paths[0]]) if paths[0] in BUILT else {}
    if paths[0].endswith(".loss_weights"):
        meanings = {term.name: _meaning(term) for term in TERMS}
    more = " meaning |" if meanings else ""
    lines += [f"| key | default | allowed |{more}", "|---|---|---|" + ("---|" if more else "")]
    hints = typing.get_type_hints(type(section))
    for field in settings:
        defaults = {path: _value(_at(path)[field.name]) for path in paths}
        known_as = RENAMED.get(f"{paths[0]}.{field.name}", field.name)
        lines.append(
            f"| `{field.name}` | {_defaults(defaults)} | "
            f"{allowed(hints[field.name], field.metadata['limits'])} |"
            + (f" {meanings[known_as]} |" if meanings else "")
        )
    return "\n".join([*lines, ""])


def _meaning(term: Term) -> str:
    """What a term of the loss asks for, of whom, and what learns from it."""
    label = f"`{term.label}`" + (f" without `{term.unless}`" if term.unless else "")
    heads = " and `model.regressor.heads`" if term.needs_heads else ""
    parts = ", ".join(f"the {part}" for part in term.trains)
    meaning = term.meaning[0].upper() + term.meaning[1:]
    return f"{meaning}. Needs {label}{heads}. Trains {parts}. Unit: {term.unit}"


def _at(path: str) -> Any:
    place: Any = Config()
    for name in filter(None, path.split(".")):
        place = place[name]
    return place


def _defaults(of_path: dict[str, str]) -> str:
    """One default, or what it is at each place where they differ."""
    if len(set(of_path.values())) == 1:
        return f"`{next(iter(of_path.values()))}`"
    short = {path: path.split(".")[1] for path in of_path}
    return ", ".join(f"{short[path]} `{value}`" for path, value in of_path.items())


def _value(value: Any) -> str:
    """As YAML writes it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def allowed(kind: Any, limits: Limits) -> str:
    """What a field may hold, in words."""
    null = isinstance(kind, types.UnionType)
    if null:
        (kind,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
    is_list = typing.get_origin(kind) is tuple
    entry = typing.get_args(kind)[0] if is_list else kind
    if limits.choices:
        text = ", ".join(f"`{choice}`" for choice in limits.choices)
    else:
        text = ", ".join(filter(None, [WORDS[entry], limits.number_rule()]))
        if limits.pattern is not None:
            text = limits.pattern[1]
    if is_list:
        count = f"{limits.count} times: " if limits.count is not None else "a list of: "
        text = count + text
    return text + (", or null" if null else "")


@functools.cache
def described(file: str, name: str) -> dict[str, str]:
    """What the docstring of a function or class says of each argument or attribute."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if getattr(node, "name", None) == name)
    text = ast.get_docstring(found)
    block = re.search(r"^(?:Args|Attributes):\n((?:(?: .*)?\n?)+)", text, re.MULTILINE)[1]
    meanings = {}
    for names, words in re.findall(r"^    (\w[\w, ]*): ((?:.*\n?(?:     +.*\n?)*))", block, re.M):
        for entry in names.split(", "):
            meanings[entry] = " ".join(words.split()).rstrip(".")
    return meanings


def _prose(section: Section) -> str:
    """The docstring with its line breaks inside paragraphs kept out."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(type(section).__doc__))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _packaged() -> str:
    lines = ["## Packaged files", "", "| `--config` | what |", "|---|---|"]
    folder = resources.files("kerashand") / "configs"
    for name in packaged_configs():
        text = (folder / name).read_text(encoding="utf-8")
        comment = []
        for line in text.splitlines():
            if not line.startswith("# "):
                break
            comment.append(line[2:].strip())
        sentence = re.match(r".*?\.(?=\s|$)(?<!al\.)", " ".join(comment))
        lines.append(f"| `{name}` | {sentence[0] if sentence else ' '.join(comment)} |")
    return "\n".join([*lines, ""])


def _kinds() -> str:
    lines = [
        "## Kinds of data", "",
        "A stage can use only the labels that its kind of data has. See [Data sets](data.md).",
        "",
        "| `data.*.kind` | what | `stages.*.labels` | training split | test split |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| `{kind.name}` | {kind.what} | {', '.join(kind.labels)} | {' | '.join(kind.splits)} |"
        for kind in KINDS.values()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
