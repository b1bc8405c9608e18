"""Every number of an experiment: what may be set, to what, by which name."""

from repro.config.checks import ConfigError, check
from repro.config.presets import (
    PRESETS,
    Preset,
    before,
    check_types,
    differences,
    free,
    from_dict,
    preset,
    to_dict,
)
from repro.config.settings import AgentConfig, Config, TrainingConfig, fields

__all__ = [
    "PRESETS",
    "AgentConfig",
    "Config",
    "ConfigError",
    "Preset",
    "TrainingConfig",
    "before",
    "check",
    "check_types",
    "differences",
    "fields",
    "free",
    "from_dict",
    "preset",
    "to_dict",
]
