"""Finds, merges and checks configurations, and writes them."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kerashand.config.rules import Finding, find_conflicts, find_data_conflicts
from kerashand.config.schema import STAGES, Config
from kerashand.config.sections import ConfigError, Section, read_section
from kerashand.errors import did_you_mean, shown
from kerashand.files import RUN_CONFIG, user_path
from kerashand.networks import NETWORKS
from kerashand.terms import TERMS
from kerashand.yaml_files import YamlError, parse_yaml, read_yaml_file

_PACKAGE = Path(__file__).resolve().parent.parent
_CONFIGS = _PACKAGE / "configs"
_WEIGHTS = _PACKAGE / "weights"
PACKAGED = "packaged"
"""The name of the packaged pose model among starting weights."""
_FIRST_LOSSES = ("heatmap", "coordinate", "joint_depth", "bone_length", "depth_map")
_LATER = {
    "data.shards": False,
    "data.source.wrist_from_palm": "hand3d",
    "data.target.wrist_from_palm": "hand3d",
    "model.lite.residuals": None,
    **{
        f"model.{name}.{key}": option.default
        for name, spec in NETWORKS.items()
        for key, option in spec.options.items()
        if name != "lite"  # the others came after it
    },
    "model.regressor.heads": False,
    "augment.mirrored": 0.0,
    **{f"stages.{stage}.micro_batches": 1 for stage in STAGES},
    **{f"stages.{stage}.start_share": 0.0 for stage in STAGES},
    **{
        f"stages.{stage}.loss_weights.{term.name}": 0.0
        for stage in STAGES
        for term in TERMS
        if term.name not in _FIRST_LOSSES
    },
}
"""Keys that came later: at these values older runs, which had none of them, can go on."""


def packaged_configs() -> dict[str, Path]:
    """The configurations that ship with the package: name such as `paper/weak.yaml` -> file."""
    files = sorted(_CONFIGS.rglob("*.yaml"), key=lambda file: (len(file.parts), file.name))
    return {file.relative_to(_CONFIGS).as_posix(): file for file in files}


def packaged_weights() -> dict[str, Path]:
    """What ships with the package to start from: `packaged`, the pose model, and starting weights.

    Those are named as their files are, such as `lite_source`.
    """
    files = sorted(_WEIGHTS.glob("*.npz")) if _WEIGHTS.is_dir() else []
    return {PACKAGED: _WEIGHTS / "hand_pose.tflite", **{file.stem: file for file in files}}


def find_initial_weights(name_or_path: str) -> Path:
    """The file of `model.initial_weights`: a file, the best weights of a run, or packaged ones.

    Args:
        name_or_path: a file; the folder of a run, whose last stage counts; a packaged name.

    Raises:
        ConfigError: if there is none of these, or the run has no weights yet.
    """
    path = user_path(name_or_path)
    if path.is_file():
        return path
    packaged = packaged_weights()
    if (path / RUN_CONFIG).is_file():
        best = [path / f"best_{stage}.npz" for stage in reversed(STAGES)]
        found = next((file for file in best if file.is_file()), None)
        problem = f"{path} holds no weights of its own: no epoch of that run is finished"
    else:
        found = packaged.get(name_or_path)
        problem = (
            f"neither a file, nor the folder of a run, nor packaged weights. Received: "
            f"{shown(name_or_path)}.{did_you_mean(name_or_path, packaged)} Packaged: "
            f"{', '.join(packaged)}"
        )
    if found is None:
        raise ConfigError("configuration", [f"model.initial_weights: {problem}"])
    return found


def load_config(
    name_or_path: str | Path, overrides: Sequence[str] = (), *, trains: bool = True
) -> Config:
    """Reads a configuration and checks it whole.

    Args:
        name_or_path: an existing file, else the name of a packaged configuration with or without
            its ending: `weak`, `weak.yaml`, `paper/weak.yaml`. A file may name another as
            `extends: base.yaml` (beside it, or packaged) and hold only what differs.
        overrides: texts `a.b.c=value`, the value in YAML, applied last and in order.
        trains: whether stages have to fit the data too.

    Raises:
        ConfigError: with every problem that was found.
    """
    file, label = _find_config(name_or_path)
    content = _read_chain(file, label, ())
    # Not inherited through `extends`: two configurations must not share a run folder by accident.
    content.setdefault("name", re.sub(r"[^A-Za-z0-9_-]+", "_", file.stem) or "unnamed")
    problems: dict[str, str] = {}
    for override in overrides:
        _apply_override(content, override, problems)
    config = read_section(Config(), content, "", problems=problems)
    find = find_conflicts if trains else find_data_conflicts
    config_problems = [*problems.values(), *_conflicts(config, problems, find)]
    if config_problems:
        raise ConfigError(label, config_problems)
    return config


def check_config(config: Config, label: str) -> None:
    """Check what must fit between fields, once counts that were null are known.

    Raises:
        ConfigError: with `label` before the problems.
    """
    if problems := _conflicts(config, {}, find_conflicts):
        raise ConfigError(label, problems)


def dump_yaml(config: Config) -> str:
    """The whole configuration as YAML text; reading it gives the same configuration."""
    return yaml.safe_dump(config.to_dict(), sort_keys=False, default_flow_style=None, width=100)


def config_hash(config: Config) -> str:
    """Twelve hexadecimal digits of what decides the result.

    Leaves out what does not: `name`, `run_dir`, `distribute`, `data.cache_dir` and `data.workers`.
    """
    text = json.dumps(_deciding(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(one: Config, other: Config) -> list[str]:
    """Where two configurations differ in what decides the result: `key: VALUE, not VALUE`."""
    values, others = (flat(_deciding(config)) for config in (one, other))
    return [
        f"{key}: {shown(values.get(key))}, not {shown(others.get(key))}"
        for key in {**values, **others}
        if values.get(key) != others.get(key)
    ]


def flat(section: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The values of a section and of those in it by their dotted paths."""
    found: dict[str, Any] = {}
    for key, value in section.items():
        is_section = isinstance(value, Mapping)
        found |= flat(value, f"{above}{key}.") if is_section else {f"{above}{key}": value}
    return found


def _deciding(config: Config) -> dict[str, Any]:
    """The content of a configuration without what does not decide the result."""
    content = config.to_dict()
    for key in ("name", "run_dir", "distribute"):
        del content[key]
    for key in ("cache_dir", "workers"):
        del content["data"][key]
    for path, default in _LATER.items():
        *above, key = path.split(".")
        section = functools.reduce(dict.__getitem__, above, content)
        if section[key] == default:
            del section[key]
    return content


def _find_config(name_or_path: str | Path) -> tuple[Path, str]:
    name = str(name_or_path)
    path = user_path(name)
    try:
        if path.exists() and not path.is_dir():
            return path, name
        is_folder = path.is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        is_folder = False
    packaged = _find_packaged(name)
    if packaged is not None:
        return packaged, name
    what = "is a folder, not a file" if is_folder else "neither a file nor a packaged configuration"
    raise ConfigError(shown(name), [f"{what}.{_packaged_hint(name)}"])


def _find_packaged(name: str) -> Path | None:
    names = packaged_configs()
    name = name.replace("\\", "/")
    return names.get(name) or names.get(f"{name}.yaml")


def _packaged_hint(name: str) -> str:
    names = packaged_configs()
    hint = did_you_mean(name if name.endswith(".yaml") else f"{name}.yaml", names)
    return f"{hint} Packaged: {', '.join(names)}"


def _read_chain(file: Path, label: str, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The content of a file, merged over the files that it extends."""
    seen = (*seen, file.resolve())
    try:
        content = read_yaml_file(file)
    except YamlError as error:
        raise ConfigError(label, [str(error)]) from error
    if not isinstance(content, Mapping) or not content:
        what = "the file is empty" if not content else "must be `key: value` lines"
        raise ConfigError(label, [f"{what}. Received: {shown(content)}"])
    content = dict(content)
    if "extends" not in content:
        return content
    base_name = content.pop("extends")
    base = _find_base(file, base_name, label)
    if base.resolve() in seen:
        chain = " -> ".join(str(entry.name) for entry in (*seen, base))
        raise ConfigError(label, [f"extends: goes in a circle: {chain}"])
    base_content = _read_chain(base, f"{label} (extends {base_name})", seen)
    base_content.pop("name", None)
    return _merged(base_content, content)


def _find_base(file: Path, base_name: Any, label: str) -> Path:
    if not isinstance(base_name, str) or not base_name.strip():
        raise ConfigError(label, [f"extends: must be one file name. Received: {shown(base_name)}"])
    beside = file.parent / user_path(base_name)
    packaged = _find_packaged(base_name)
    # A user's own weak.yaml may extend the packaged weak.yaml.
    if beside.is_file() and (packaged is None or beside.resolve() != file.resolve()):
        return beside
    if packaged is None:
        what = "extends: neither a file beside this one nor a packaged configuration. Received: "
        raise ConfigError(label, [f"{what}{shown(base_name)}.{_packaged_hint(base_name)}"])
    return packaged


def _merged(base: Any, changes: Any) -> Any:
    """Mappings merge key by key; any other value of `changes` replaces that of `base`."""
    if not (isinstance(base, Mapping) and isinstance(changes, Mapping)):
        return changes
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = _merged(base[key], value) if key in base else value
    return merged


def _apply_override(content: dict[str, Any], override: str, problems: dict[str, str]) -> None:
    """Merges `a.b.c=value` into `content`, or notes what is wrong with it."""
    path, equals, text = override.partition("=")
    path = path.strip()
    if not equals or not path:
        problems[override] = f"override must be `a.b.c=value`. Received: {shown(override)}"
        return
    keys = path.split(".")
    section: Any = Config()
    for depth, key in enumerate(keys):
        place = ".".join(keys[: depth + 1])
        if not isinstance(section, Section):
            above = ".".join(keys[:depth])
            problems[path] = f"{path}: `{above}` is a value and has no keys below it (override)"
            return
        if key not in section:
            problems[path] = (
                f"{place}: unknown key (override).{did_you_mean(key, section)} "
                f"Allowed here: {', '.join(section)}"
            )
            return
        section = section[key]
    try:
        value = parse_yaml(text)
    except YamlError as error:
        problems[path] = f"{path}: cannot read {shown(text)} (override): {error}"
        return
    for key in reversed(keys):
        value = {key: value}
    merged = _merged(content, value)
    content.clear()
    content.update(merged)


def _conflicts(
    config: Config, problems: Mapping[str, str], find: Callable[[Config], Iterable[Finding]]
) -> list[str]:
    """The conflicts between fields that are themselves sound."""

    def touches_problem(path: str) -> bool:
        return any(
            bad == path or bad.startswith(f"{path}.") or path.startswith(f"{bad}.")
            for bad in problems
        )

    return [
        f"{paths[0]}: {text}"
        for paths, text in find(config)
        if not any(touches_problem(path) for path in paths)
    ]
