"""Settings from a file: a run's own config.json, or TOML that a person wrote."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro import config
from repro.system import disk


@dataclass(frozen=True)
class Chosen:
    """What a file says. Of a run's own also which it was, else ``None``."""

    config: config.Config
    game: str | None = None
    seed: int | None = None
    preset: str | None = None


def read(file: Path, default: config.Config) -> Chosen:
    """Read a configuration.

    Args:
        file: a config.json; or TOML with ``name = value`` for each setting that is to differ from
            ``default``, by the names of `repro protocol`, in tables such as ``[agent]`` or none.
        default: a preset.

    Raises:
        ConfigError: naming the file, if it cannot be read or holds what is no setting.
    """
    try:
        text = disk.read_text(file)
        if file.suffix.lower() == ".json":
            there = json.loads(text)
            whole = config.from_dict(there["config"])
            return Chosen(whole, there["game"], there["seed"], there["preset"])
        return Chosen(changed(default, tomllib.loads(text)))
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise config.ConfigError(f"{disk.one_line(file)}: {disk.reason(error)}") from error


def changed(default: config.Config, table: Mapping[str, Any]) -> config.Config:
    """Another configuration, which differs in the settings that a table names.

    Raises:
        ValueError: if one is no setting, or has a value that it cannot have.
    """
    return config.replaced(default, dict(_settings(table, default)))


def _settings(table: Mapping[str, Any], default: config.Config) -> Iterator[tuple[str, Any]]:
    known = {item.name: part + item.name for _, part, item, _ in config.fields(default)}
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, default)
        elif name in known:
            yield known[name], value
        else:
            raise ValueError(f"there is no setting {name!r} (see `repro protocol`)")
