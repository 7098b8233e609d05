"""The sections of a configuration, their defaults and what each field allows.

A section's field names are the keyword names of what it builds: `build_lite(**config.model.lite)`.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kerashand.config.sections import Section, setting
from kerashand.data.kinds import KINDS
from kerashand.data.kinds.stb import WRISTS
from kerashand.data.sample import LABELS
from kerashand.networks import NETWORKS
from kerashand.terms import TERMS

DOMAINS = ("source", "target")
STYLES = ("source", "target", "varied", "depth")
"""What rendered hands can look like."""
STAGES = ("pretrain", "regularizer", "finetune")
"""In the order in which they run."""

_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class DomainConfig(Section):
    """Where the samples of one domain come from, and how many each split has.

    `style` is the look of rendered hands; null is the name of the domain. `backgrounds` is a folder
    of photographs that are drawn behind them; null uses the few in the package. Data sets on disk
    (all kinds but `synthetic`) are read from `path`. For them, null in `train`, `val` or `test` is
    the whole split, and at most `max_bad_share` of the hands may be left out as damaged. STB labels
    the palm, and `wrist_from_palm` names the formula for the wrist (see
    `kerashand.data.kinds.stb`).
    """

    kind: str = setting("synthetic", choices=tuple(KINDS))
    path: str | None = setting(None)
    style: str | None = setting(None, choices=STYLES)
    backgrounds: str | None = setting(None)
    train: int | None = setting(12000, low=1)
    val: int | None = setting(256, low=1)
    test: int | None = setting(1000, low=1)
    max_bad_share: float = setting(0.0, low=0, below=1)
    wrist_from_palm: str = setting(WRISTS[0], choices=WRISTS)


@dataclass(frozen=True)
class DataConfig(Section):
    """The data of both domains; `cache_dir` null is $KERASHAND_CACHE or ~/.cache/kerashand.

    The cache holds pictures of side `stored_size_px` (null: `image_size_px`). Before augmentation,
    the network sees the middle of a picture, 1 / `zoom` of its side. With `shards`, the cache also
    holds the crops of data sets on disk. Without `shards`, their pictures are opened when a batch
    needs them. `readers` is the number of parts in which shards and batches are read. Set it to the
    number of devices, and each worker reads only its own part.
    """

    image_size_px: int = setting(128, multiple_of=8, low=32, high=512)
    stored_size_px: int | None = setting(None, low=32, high=1024)
    zoom: float = setting(1.0, low=0.5, high=4)
    cache_dir: str | None = setting(None)
    seed: int = setting(0, low=0, high=_MAX_SEED)
    workers: int | None = setting(None, low=1, high=1024)
    shards: bool = setting(False)
    readers: int = setting(1, low=1, high=1024)
    source: DomainConfig = field(default=DomainConfig())
    target: DomainConfig = field(default=DomainConfig(train=6000, val=512, test=2000))


@dataclass(frozen=True)
class AugmentConfig(Section):
    """Ranges of the random augmentation; 0 switches one off."""

    mirrored: float = setting(0.0, low=0, high=1)
    rotation_deg: float = setting(30.0, low=0, high=180)
    scale: float = setting(0.15, low=0, below=1)
    shift: float = setting(0.06, low=0, high=0.5)
    brightness: float = setting(0.2, low=0, high=1)
    contrast: float = setting(0.2, low=0, below=1)
    saturation: float = setting(0.2, low=0, high=1)
    noise: float = setting(4.0, low=0, high=255)
    depth_stretch: float = setting(0.6, low=0, high=2)
    depth_tilt: float = setting(0.5, low=0, high=2)
    upright: float = setting(0.0, low=0, high=1)
    upright_deg: float = setting(25.0, low=0, high=180)
    colour_cast: float = setting(0.0, low=0, below=1)
    cover: float = setting(0.0, low=0, high=1)
    faded: float = setting(0.0, low=0, high=1)
    blur_px: float = setting(0.0, low=0, high=16)
    spectrum: float = setting(0.0, low=0, high=1)


@dataclass(frozen=True)
class RegressorConfig(Section):
    """The depth regressor: two convolutions, two hidden fully-connected layers and the output."""

    conv_channels: tuple[int, ...] = setting((64, 128), low=1, high=4096, count=2)
    hidden_units: tuple[int, ...] = setting((512, 256), low=1, high=16384, count=2)
    dropout: float = setting(0.0, low=0, below=1)
    positions: bool = setting(True)
    heads: bool = setting(False)


@dataclass(frozen=True)
class RegularizerConfig(Section):
    """The depth regularizer: six transposed convolutions, whose last has one channel.

    With `encoding: vector`, as in the paper, the first layer expands one pixel to `output_size_px /
    32` pixels, and the other five double the size. With `heatmaps`, the first layer gets a grid of
    side `grid_cells`.
    """

    output_size_px: int = setting(64, multiple_of=32, low=32, high=256)
    encoding: str = setting("heatmaps", choices=("vector", "heatmaps"))
    grid_cells: int = setting(16, low=4, high=256)
    points_per_bone: int = setting(2, low=0, high=8)
    channels: tuple[int, ...] = setting((64, 64, 64, 32, 16), low=1, high=4096, count=5)
    dropout: float = setting(0.0, low=0, below=1)


def _made(name: str, fields: list[tuple[str, Any, Any]], doc: str) -> Any:
    """A section whose fields stand in a list elsewhere."""
    return dataclasses.make_dataclass(
        name, fields, bases=(Section,), frozen=True,
        namespace={"__module__": __name__, "__doc__": doc},
    )  # fmt: skip


NETWORK_OPTIONS = {
    name: _made(
        f"{name.capitalize()}Config",
        [
            (key, option.kind, setting(option.default, **option.limits))
            for key, option in spec.options.items()
        ],
        f"The {spec.what}, used if `model.network` is `{name}`.",
    )
    for name, spec in NETWORKS.items()
    if spec.options
}
"""Of each 2D network that has options, its section."""
for _options in NETWORK_OPTIONS.values():
    globals()[_options.__name__] = _options  # where pickle looks for it

if TYPE_CHECKING:

    class _NetworkConfig(Section):
        network: str

else:
    _NetworkConfig = _made(
        "_NetworkConfig",
        [
            ("network", str, setting("lite", choices=tuple(NETWORKS))),
            *((name, of, field(default=of())) for name, of in NETWORK_OPTIONS.items()),
        ],
        "The name of the network, and a section for each one that has options.",
    )


@dataclass(frozen=True)
class ModelConfig(_NetworkConfig):
    """The networks.

    `initial_weights` is a file, the folder of a run (its best weights), `packaged` (the packaged
    pose model) or `lite_source` (the weights that source.yaml made). null starts from random
    weights. `--init-from` is its short form.

    `scale_bone` and `depth_along` set the unit and the direction of joint depth (see
    docs/protocols.md). `half_width_scales` is half the depth window in scale bones.
    """

    decode: str = setting("softmax", choices=("softmax", "relu"))
    regressor: RegressorConfig = field(default=RegressorConfig())
    regularizer: RegularizerConfig = field(default=RegularizerConfig())
    scale_bone: str = setting("middle_mcp_pip", choices=("middle_mcp_pip", "wrist_middle_mcp"))
    depth_along: str = setting("optical_axis", choices=("optical_axis", "line_of_sight"))
    half_width_scales: float = setting(5.0, above=0, high=100)
    initial_weights: str | None = setting(None)


@dataclass(frozen=True)
class LossesConfig(Section):
    """The form of the 2D loss."""

    heatmap: str = setting("cross_entropy", choices=("l2", "cross_entropy"))
    sigma_cells: float = setting(1.0, above=0, high=16)
    coordinate_beta_px: float = setting(2.0, above=0, high=100)


@dataclass(frozen=True)
class LabelsConfig(Section):
    """The labels that a stage uses of each domain; an empty list leaves the domain out."""

    source: tuple[str, ...] = setting((), choices=LABELS, unique=True)
    target: tuple[str, ...] = setting((), choices=LABELS, unique=True)


@dataclass(frozen=True)
class OptimizerConfig(Section):
    """The optimizer of a stage.

    With every schedule, the rate rises from 0 over `warmup_steps`. If the stage has fewer steps, it
    rises over a tenth of them. With `cosine` the rate then falls to `final_fraction` of
    `learning_rate`. `step` divides it by 10 at half and at three quarters of the stage.
    """

    name: str = setting("adamw", choices=("adam", "adamw"))
    learning_rate: float = setting(1e-3, above=0, high=1)
    weight_decay: float = setting(5e-4, low=0, high=1)
    schedule: str = setting("cosine", choices=("constant", "cosine", "step"))
    warmup_steps: int = setting(100, low=0)
    final_fraction: float = setting(0.02, low=0, high=1)
    clip_norm: float | None = setting(None, above=0)


LossWeightsConfig = _made(
    "LossWeightsConfig",
    [(term.name, float, setting(0.0, low=0)) for term in TERMS],
    """The factors of the losses in Eq. 7, as `kerashand.terms` lists them.

    A loss needs a label that one of the stage's lists names. It is 0 for samples without it.
    """,
)


@dataclass(frozen=True)
class RatesConfig(Section):
    """Factors on the learning rate for each part; 0 freezes a part."""

    network: float = setting(0.0, low=0, high=1000)
    regressor: float = setting(0.0, low=0, high=1000)
    regularizer: float = setting(0.0, low=0, high=1000)


@dataclass(frozen=True)
class StageConfig(Section):
    """One stage of training.

    `steps_per_epoch` null is one pass over the domain that needs more steps. `target_share` is the
    target's part of a batch if both domains are sampled. `batch_size` counts the samples of one
    step on all devices. `micro_batches` is the number of parts of a batch that are computed one
    after the other. `regularizer_input` says which joint depth the regularizer gets. A stage
    ends with the mean of the weights from before it, which count `start_share`, and of the trained
    ones. A higher share keeps more of the earlier model.
    """

    epochs: int = setting(1, low=0)
    steps_per_epoch: int | None = setting(None, low=1)
    batch_size: int = setting(32, low=1, high=65536)
    micro_batches: int = setting(1, low=1, high=1024)
    target_share: float = setting(0.5, above=0, below=1)
    labels: LabelsConfig = field(default=LabelsConfig())
    optimizer: OptimizerConfig = field(default=OptimizerConfig())
    loss_weights: Section = field(default=LossWeightsConfig())
    rates: RatesConfig = field(default=RatesConfig())
    regularizer_input: str = setting("ground_truth", choices=("ground_truth", "predicted"))
    start_share: float = setting(0.0, low=0, below=1)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the stage samples."""
        return tuple(domain for domain in DOMAINS if self.labels[domain])

    @property
    def shares(self) -> dict[str, int]:
        """Samples of each sampled domain in a batch."""
        if len(self.domains) < 2:
            return dict.fromkeys(self.domains, self.batch_size)
        target = round(self.batch_size * self.target_share)
        return {"source": self.batch_size - target, "target": target}


@dataclass(frozen=True)
class StagesConfig(Section):
    """The three stages, in the order in which they run."""

    pretrain: StageConfig = field(
        default=StageConfig(
            epochs=2,
            labels=LabelsConfig(source=("uv", "xyz")),
            loss_weights=LossWeightsConfig(heatmap=1.0, joint_depth=1.0),
            rates=RatesConfig(network=1.0, regressor=1.0),
        )
    )
    regularizer: StageConfig = field(
        default=StageConfig(
            labels=LabelsConfig(source=("uv", "xyz", "depth")),
            loss_weights=LossWeightsConfig(depth_map=1.0),
            rates=RatesConfig(regularizer=1.0),
        )
    )
    finetune: StageConfig = field(
        default=StageConfig(
            epochs=2,
            labels=LabelsConfig(source=("uv", "xyz", "depth"), target=("uv", "depth")),
            loss_weights=LossWeightsConfig(heatmap=1.0, joint_depth=10.0, depth_map=400.0),
            rates=RatesConfig(network=1.0, regressor=1.0, regularizer=1.0),
            regularizer_input="predicted",
        )
    )


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How the trained model is measured, how many samples are drawn, and which weights are kept.

    `choose` sets the weights that a run ends with. `last` are those after its last epoch.
    `label_free` are those of the epoch of stage 3 with the lowest score on held-out hands of the
    target; epoch 0, the weights before stage 3, takes part. The score needs no 3D label, see
    `kerashand.evaluation.label_free`.
    """

    protocol: str = setting("cai2018", choices=("cai2018", "hand3d", "freihand-pa"))
    batch_size: int = setting(64, low=1, high=65536)
    pictures: int = setting(8, low=0, high=1000)
    choose: str = setting("last", choices=("last", "label_free"))


@dataclass(frozen=True)
class RuntimeConfig(Section):
    """Precision, compilation and checkpoints."""

    precision: str = setting("float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    jit_compile: bool = setting(False)
    checkpoint_every_steps: int | None = setting(None, low=1)


@dataclass(frozen=True)
class Config(Section):
    """A whole configuration; `run_dir` null is runs/<name>.

    `distribute: mirrored` trains on all GPUs of a machine, `multi_worker` on the machines that
    TF_CONFIG names.
    """

    name: str = setting(
        "unnamed",
        pattern=(
            r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}",
            "letters, digits, `_`, `-` or `.` (a folder name)",
        ),
    )
    seed: int = setting(0, low=0, high=_MAX_SEED)
    run_dir: str | None = setting(None)
    distribute: str = setting("none", choices=("none", "mirrored", "multi_worker"))
    data: DataConfig = field(default=DataConfig())
    augment: AugmentConfig = field(default=AugmentConfig())
    model: ModelConfig = field(default=ModelConfig())
    losses: LossesConfig = field(default=LossesConfig())
    stages: StagesConfig = field(default=StagesConfig())
    evaluation: EvaluationConfig = field(default=EvaluationConfig())
    runtime: RuntimeConfig = field(default=RuntimeConfig())

    def steps_per_epoch(self, stage_name: str) -> int:
        """Steps of one epoch: as set, or until each domain that the stage samples was seen.

        The data section must hold numbers (see `kerashand.data.splits.counted`).
        """
        stage = self.stages[stage_name]
        if stage.steps_per_epoch is not None or not stage.domains:
            return stage.steps_per_epoch or 0
        return max(self.one_pass(stage_name, domain) for domain in stage.domains)

    def one_pass(self, stage_name: str, domain: str) -> int:
        """Steps of a stage that see each hand of a domain once."""
        return math.ceil(self.data[domain].train / self.stages[stage_name].shares[domain])

    def warmup_steps(self, stage_name: str) -> int:
        """Steps until a stage reaches its rate: as set, or a tenth of a stage that has not so many.

        The data section must hold numbers.
        """
        stage = self.stages[stage_name]
        steps = stage.epochs * self.steps_per_epoch(stage_name)
        wanted = stage.optimizer.warmup_steps
        return wanted if wanted < steps else steps // 10

    def parts_arguments(self) -> dict[str, Any]:
        """The arguments of `kerashand.models.hand_pose.build_parts`."""
        model = self.model
        return {
            "network": model.network,
            **{name: model[name] for name in NETWORK_OPTIONS},
            "regressor": model.regressor,
            "regularizer": model.regularizer,
            "image_size_px": self.data.image_size_px,
            "decode": model.decode,
            "depth_along": model.depth_along,
        }

    def with_run_dir(self, run_dir: str) -> "Config":
        """The same configuration, written to another run folder."""
        return dataclasses.replace(self, run_dir=run_dir)
