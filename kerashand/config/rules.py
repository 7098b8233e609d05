"""Rules between the fields of a configuration that is sound field by field."""

from collections.abc import Iterator

from kerashand.config.schema import (
    DOMAINS,
    STAGES,
    Config,
    DomainConfig,
    OptimizerConfig,
    StageConfig,
)
from kerashand.data.kinds import KINDS, OPTIONS
from kerashand.networks import NETWORKS
from kerashand.terms import PARTS, TERMS

Finding = tuple[tuple[str, ...], str]
"""The dotted paths that a rule looked at, the one to blame first, and what is wrong."""


def find_conflicts(config: Config) -> Iterator[Finding]:
    """Yields every conflict between fields."""
    yield from find_data_conflicts(config)
    active = [name for name in STAGES if config.stages[name].epochs > 0]
    if not active and config.model.initial_weights is None:
        yield (
            ("stages", "model.initial_weights"),
            "every stage has 0 epochs and `model.initial_weights` is null: there is nothing to do",
        )
    for name in active:
        stage, path = config.stages[name], f"stages.{name}"
        if stage.domains:
            yield from _batch_conflicts(config, stage, path)
            yield from _kind_conflicts(config, stage, path)
            yield from _label_conflicts(stage, path)
            yield from _head_conflicts(config, stage, path)
        else:
            yield (
                (f"{path}.labels", f"{path}.epochs"),
                "both lists are empty: the stage has no samples. Name labels or set epochs to 0",
            )
        yield from _rate_conflicts(stage, path)
        yield from _schedule_conflicts(stage.optimizer, f"{path}.optimizer")
    yield from _order_conflicts(config)
    if active and config.model.initial_weights is None:
        yield from _average_of_nothing(config, active[0])
    if config.evaluation.choose == "label_free":
        yield from _choice_conflicts(config)
    if active and config.model.regressor.heads and config.model.initial_weights is None:
        yield from _untrained_heads(config, active)


def find_data_conflicts(config: Config) -> Iterator[Finding]:
    """Yields the conflicts that matter without a training too."""
    size, network = config.data.image_size_px, config.model.network
    option = NETWORKS[network].stride
    stride = 1 if option is None else config.model[network][option]
    if size % stride:
        path = f"model.{network}.{option}"
        yield (
            ("data.image_size_px", path, "model.network"),
            f"must be a multiple of `{path}`. Received: {size}, stride {stride}",
        )
    regularizer = config.model.regularizer
    ratio = regularizer.output_size_px / regularizer.grid_cells
    if regularizer.encoding == "heatmaps" and ratio not in (1, 2, 4, 8, 16, 32):
        yield (
            ("model.regularizer.grid_cells", "model.regularizer.output_size_px"),
            "`model.regularizer.output_size_px` must be 1, 2, 4, 8, 16 or 32 times as large. "
            f"Received: {regularizer.grid_cells}, output {regularizer.output_size_px}",
        )
    for domain in DOMAINS:
        yield from _domain_conflicts(config.data[domain], f"data.{domain}")


def _domain_conflicts(data: DomainConfig, path: str) -> Iterator[Finding]:
    """What a kind of data does not take."""
    kind = KINDS[data.kind]

    def paths(key: str) -> tuple[str, ...]:
        return f"{path}.{key}", f"{path}.kind"

    if not kind.on_disk and data.path is not None:
        yield (
            paths("path"),
            f"must be null for kind {kind.name}, which makes its samples (see `data.cache_dir`). "
            f"Received: {data.path!r}",
        )
    for split in ("train", "val", "test"):
        if data[split] is None and not kind.on_disk:
            yield paths(split), f"is null, but kind {kind.name} needs a number"
    if kind.on_disk and data.path is None:
        yield (
            paths("path"),
            f"is null, but kind {kind.name} reads a folder: name it, as in "
            f"`--set {path}.path=FOLDER`",
        )
    defaults = DomainConfig()
    for option in OPTIONS:
        if option in kind.options or data[option] == defaults[option]:
            continue
        if defaults[option] is None:
            text = f"must be null for kind {kind.name}"
        else:
            owners = [other.name for other in KINDS.values() if option in other.options]
            text = f"is for kinds {' and '.join(owners)}; kind {kind.name} does not read it"
        yield paths(option), f"{text}. Received: {data[option]!r}"


def _batch_conflicts(config: Config, stage: StageConfig, path: str) -> Iterator[Finding]:
    paths = (f"{path}.batch_size", f"{path}.target_share", f"{path}.labels")
    target = stage.batch_size * stage.target_share
    if len(stage.domains) == 2 and (abs(target - round(target)) > 1e-6 or target < 1):
        yield (
            paths,
            f"times `{path}.target_share` must be a whole number of target samples. "
            f"Received: {stage.batch_size} x {stage.target_share:g} = {target:g}",
        )
    for domain, share in stage.shares.items():
        train = config.data[domain].train
        if train is not None and train < share:
            yield (
                (*paths, f"data.{domain}.train"),
                f"takes {share} {domain} samples for a batch, but `data.{domain}.train` is {train}",
            )


def _kind_conflicts(config: Config, stage: StageConfig, path: str) -> Iterator[Finding]:
    for domain in stage.domains:
        kind = config.data[domain].kind
        missing = set(stage.labels[domain]) - set(KINDS[kind].labels)
        if missing:
            yield (
                (f"{path}.labels.{domain}", f"data.{domain}.kind"),
                f"names {' and '.join(f'`{m}`' for m in sorted(missing))}, which kind {kind} does "
                "not give",
            )


def _label_conflicts(stage: StageConfig, path: str) -> Iterator[Finding]:
    labels, weights = f"{path}.labels", f"{path}.loss_weights"
    for term in TERMS:
        weight, lists = stage.loss_weights[term.name], [stage.labels[d] for d in stage.domains]
        with_label = [names for names in lists if term.label in names]
        if weight > 0 and not with_label:
            yield (
                (f"{weights}.{term.name}", labels),
                f"needs the label `{term.label}` in one of the lists of `{labels}`. "
                f"Received: weight {weight:g}",
            )
        elif weight > 0 and all(term.unless in names for names in with_label):
            yield (
                (f"{weights}.{term.name}", labels),
                f"counts hands with the label `{term.label}` and without `{term.unless}` alone, "
                f"which no list of `{labels}` asks for. Received: weight {weight:g}",
            )
    by_depth = [term.name for term in TERMS if term.label == "depth"]
    if "depth" in stage.labels.target and not any(stage.loss_weights[name] for name in by_depth):
        yield (
            (f"{labels}.target", *(f"{weights}.{name}" for name in by_depth)),
            f"names `depth`, but {' and '.join(f'`{weights}.{name}`' for name in by_depth)} are 0, "
            "so it would not be used",
        )
    needed = {"uv"} | ({"xyz"} if stage.regularizer_input == "ground_truth" else set())
    for domain in stage.domains:
        missing = needed - set(stage.labels[domain])
        if stage.loss_weights["depth_map"] > 0 and "depth" in stage.labels[domain] and missing:
            advice = " (or set `regularizer_input: predicted`)" if "xyz" in missing else ""
            yield (
                (f"{labels}.{domain}", f"{path}.regularizer_input", f"{weights}.depth_map"),
                f"must name {' and '.join(f'`{m}`' for m in sorted(missing))} beside `depth`: "
                f"the regularizer's input is made of it{advice}",
            )


def _head_conflicts(config: Config, stage: StageConfig, path: str) -> Iterator[Finding]:
    for term in TERMS:
        weight = stage.loss_weights[term.name]
        if term.needs_heads and weight > 0 and not config.model.regressor.heads:
            yield (
                (f"{path}.loss_weights.{term.name}", "model.regressor.heads"),
                "is about an answer of the regressor's heads, which it has with "
                f"`model.regressor.heads: true` alone. Received: weight {weight:g}",
            )


def _choice_conflicts(config: Config) -> Iterator[Finding]:
    stage, target = config.stages.finetune, config.data.target
    if stage.epochs == 0 or "uv" not in stage.labels.target or not KINDS[target.kind].on_disk:
        yield (
            ("evaluation.choose", "stages.finetune", "data.target.kind"),
            "`label_free` scores held-out hands of a target on disk whose `uv` stage 3 uses. "
            f"Received: kind {target.kind}, {stage.epochs} epochs, labels "
            f"{list(stage.labels.target)}",
        )


def _average_of_nothing(config: Config, first: str) -> Iterator[Finding]:
    """Before the first stage there are no weights, if nothing is loaded."""
    if share := config.stages[first].start_share:
        yield (
            (f"stages.{first}.start_share", "model.initial_weights"),
            "averages with the weights from before the stage, and there are none: it is the first "
            f"one, and `model.initial_weights` is null. Received: {share:g}",
        )


def _untrained_heads(config: Config, active: list[str]) -> Iterator[Finding]:
    for term in TERMS:
        weights = [config.stages[name].loss_weights[term.name] for name in active]
        if term.needs_heads and not any(weights):
            losses = (f"stages.{name}.loss_weights.{term.name}" for name in active)
            yield (
                ("model.regressor.heads", *losses),
                f"is true, but the loss `{term.name}` is 0 in every stage and "
                "`model.initial_weights` is null: what that head says would stay random",
            )


def _schedule_conflicts(optimizer: OptimizerConfig, path: str) -> Iterator[Finding]:
    unset = OptimizerConfig().final_fraction
    if optimizer.schedule != "cosine" and optimizer.final_fraction != unset:
        yield (
            (f"{path}.final_fraction", f"{path}.schedule"),
            f"has no effect with `schedule: {optimizer.schedule}`: leave it out, or at {unset:g}. "
            f"Received: {optimizer.final_fraction:g}",
        )


def _rate_conflicts(stage: StageConfig, path: str) -> Iterator[Finding]:
    rates, weights = f"{path}.rates", f"{path}.loss_weights"
    if not any(stage.rates.values()):
        yield (rates, f"{path}.epochs"), "are all 0, so the stage would train nothing"
    for part in PARTS:
        losses = [term.name for term in TERMS if part in term.trains]
        names = ", ".join(f"`{weights}.{loss}`" for loss in losses)
        if stage.rates[part] > 0 and not any(stage.loss_weights[loss] for loss in losses):
            yield (
                (f"{rates}.{part}", weights),
                f"is {stage.rates[part]:g}, but no loss of this stage trains the {part}. "
                f"Set it to 0, or raise one of {names}",
            )


def _order_conflicts(config: Config) -> Iterator[Finding]:
    finetune = config.stages.finetune
    if (
        finetune.epochs > 0
        and finetune.loss_weights["depth_map"] > 0
        and finetune.rates.regularizer == 0
        and config.stages.regularizer.epochs == 0
        and config.model.initial_weights is None
    ):
        yield (
            ("stages.finetune.rates.regularizer", "stages.regularizer.epochs"),
            "is 0 (frozen), but `stages.regularizer.epochs` is 0 too: it would stay random",
        )
