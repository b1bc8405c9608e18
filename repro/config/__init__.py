"""Every number of an experiment: what may be set, to what, by which name."""

from repro.config.agent import AgentConfig
from repro.config.plain import (
    check,
    check_types,
    completed,
    differences,
    free,
    from_dict,
    replaced,
    to_dict,
)
from repro.config.presets import PRESETS, Preset, preset
from repro.config.settings import Config, ConfigError, TrainingConfig, fields
from wrappers.settings import LARGEST

__all__ = [
    "LARGEST",
    "PRESETS",
    "AgentConfig",
    "Config",
    "ConfigError",
    "Preset",
    "TrainingConfig",
    "check",
    "check_types",
    "completed",
    "differences",
    "fields",
    "free",
    "from_dict",
    "preset",
    "replaced",
    "to_dict",
]
