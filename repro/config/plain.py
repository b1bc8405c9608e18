"""Configurations as plain values: to and from JSON, completed where they are older, compared."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from repro.config.agent import AgentConfig
from repro.config.settings import Config, ConfigError, TrainingConfig, fields
from wrappers.protocol import Protocol, ProtocolError
from wrappers.settings import check_type

Part = TypeVar("Part")


def differences(one: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """Map each field in which two configurations differ to both values."""
    pairs = zip(fields(one), fields(other), strict=True)
    return {
        f"{part}{item.name}": (mine, theirs)
        for (_, part, item, mine), (_, _, _, theirs) in pairs
        if mine != theirs
    }


def to_dict(config: Config) -> dict[str, Any]:
    """Every field, nested as declared, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> Config:
    """Rebuild what :func:`to_dict` wrote.

    Raises:
        ConfigError: when a field is missing, unknown, of another type or out of range.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"not a configuration of this version: {values!r}")
    values = completed(values)
    try:
        return Config(
            environment=values["environment"],
            protocol=_part(Protocol, values["protocol"], "protocol."),
            agent=_part(AgentConfig, values["agent"], "agent."),
            training=_part(TrainingConfig, values["training"], "training."),
        )
    except KeyError as error:
        raise ConfigError(f"not a configuration of this version: no {error}") from error
    except (TypeError, ProtocolError) as error:
        raise ConfigError(f"not a configuration of this version: {error}") from error


def replaced(config: Config, values: Mapping[str, Any]) -> Config:
    """Another configuration that differs in some fields.

    Args:
        config: to start from.
        values: by name, such as ``agent.discount``; lists stand for tuples.

    Raises:
        ConfigError, ProtocolError: if a value is of another type or out of range.
    """
    changed: dict[str, dict[str, Any]] = {}
    for owner, part, item, _ in fields(config):
        if (name := part + item.name) in values:
            hint = typing.get_type_hints(type(owner))[item.name]
            changed.setdefault(part.rstrip("."), {})[item.name] = _declared(
                name, values[name], hint
            )
    parts = {
        name: dataclasses.replace(getattr(config, name), **new)
        for name, new in changed.items()
        if name
    }
    return dataclasses.replace(config, **changed.get("", {}), **parts)


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """An older configuration with what was done before the fields that it lacks were invented.

    Args:
        values: as JSON gives them. A part that is not there, as the random player has no agent,
            stays away.
    """
    whole = {name: dict(one) if isinstance(one, dict) else one for name, one in values.items()}
    for _, part, item, _ in fields(Config()):
        owner = whole.get(part.rstrip(".")) if part else whole
        if "before" in item.metadata and owner and isinstance(owner, dict):
            before = item.metadata["before"]
            owner.setdefault(item.name, list(before) if isinstance(before, tuple) else before)
    return whole


def free() -> set[str]:
    """Fields that are no part of a run's identity, such as ``training.checkpoint_dir``."""
    every = fields(Config())
    return {f"{part}{item.name}" for _, part, item, _ in every if item.metadata["free"]}


def check(name: str, value: Any, kind: Any) -> None:
    """Refuse a value read from a file that is of another type than ``kind``.

    Raises:
        ConfigError: naming it.
    """
    check_type(name, value, kind, ConfigError)


def check_types(parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a value of another type than its field declares; fields may be missing.

    Args:
        parts: values as JSON gives them, by part ("" for those of none) and name.

    Raises:
        ConfigError: naming the field.
    """
    for owner, part, item, _ in fields(Config()):
        values = parts.get(part.rstrip("."), {})
        if item.name in values:
            hint = typing.get_type_hints(type(owner))[item.name]
            _declared(part + item.name, values[item.name], hint)


def _declared(name: str, value: Any, kind: Any) -> Any:
    """A value of the type that is declared. JSON knows no tuples; those fields get theirs back."""
    if isinstance(value, list) and typing.get_origin(kind) is tuple:
        value = tuple(value)
    check(name, value, kind)
    return value


def _part(kind: type[Part], values: dict[str, Any], prefix: str) -> Part:
    """One half of a configuration."""
    made = {**values}
    hints = typing.get_type_hints(kind)
    for name in [name for name in made if name in hints]:
        made[name] = _declared(prefix + name, made[name], hints[name])
    return kind(**made)
