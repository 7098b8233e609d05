"""The whole configuration of a run, checked before TensorFlow is imported.

`schema` holds the sections with their defaults and limits, `rules` what must fit between them,
`notes` what fits and may not be meant,
`sections` the reading that reports every mistake at once, `loading` the packaged files, `extends`
and overrides, and `lengthening` what a finished run may change.
"""

from kerashand.config.lengthening import last_stage, lengthened
from kerashand.config.loading import (
    PACKAGED,
    check_config,
    config_hash,
    differences,
    dump_yaml,
    find_initial_weights,
    flat,
    load_config,
    packaged_configs,
    packaged_weights,
)
from kerashand.config.notes import find_notes
from kerashand.config.schema import (
    DOMAINS,
    STAGES,
    STYLES,
    Config,
    StageConfig,
)
from kerashand.config.sections import ConfigError

__all__ = [
    "DOMAINS",
    "PACKAGED",
    "STAGES",
    "STYLES",
    "Config",
    "ConfigError",
    "StageConfig",
    "check_config",
    "config_hash",
    "differences",
    "dump_yaml",
    "find_initial_weights",
    "find_notes",
    "flat",
    "last_stage",
    "lengthened",
    "load_config",
    "packaged_configs",
    "packaged_weights",
]
