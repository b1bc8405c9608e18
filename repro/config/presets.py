"""The configurations that have a name, and configurations as plain values."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from repro.config.checks import ConfigError, check
from repro.config.settings import AgentConfig, Config, TrainingConfig, fields
from wrappers.protocol import MACHADO2018, NATURE, NATURE_TEXT, Protocol, ProtocolError

Part = TypeVar("Part")


@dataclass(frozen=True)
class Preset:
    """A configuration that has a name.

    Attributes:
        config: the configuration.
        summary: what it is, in a few words.
        source: where its values come from that are not those of ``nature``.
    """

    config: Config
    summary: str
    source: str = ""


PRESETS: dict[str, Preset] = {
    "nature": Preset(Config(), "what the released code did"),
    # "Frames" taken at their word, as emulator frames, except where the text itself says
    # otherwise: 38 days of play are 200 million frames, and replay keeps frames it was shown.
    "nature-text": Preset(
        Config(
            protocol=NATURE_TEXT,
            agent=AgentConfig(
                replay_draw=32,
                learning_starts_steps=12_500,
                target_every_steps=40_000,
                epsilon_hold_steps=0,
                epsilon_decay_steps=250_000,
            ),
            training=TrainingConfig(eval_every_steps=62_500, eval_steps=33_750),
        ),
        "the text taken literally",
        "text, taken literally",
    ),
    "machado2018": Preset(
        Config(protocol=MACHADO2018, training=TrainingConfig(periodic_cap_frames=108_000)),
        "sticky actions, all 18 actions, today's emulator",
        "Machado et al. (2018)",
    ),
    # The paper clips TD errors for rewards of -1 to 1 that end games rarely. Here the one fall at
    # the end of a long balance is all there is to learn, and clipping would hide it.
    "cartpole": Preset(
        Config(
            environment="gymnasium",
            protocol=dataclasses.replace(NATURE, action_repeat_frames=1, stack_frames=1),
            agent=AgentConfig(
                network="mlp",
                hidden_units=128,
                replay_steps=200_000,  # all of it: who forgets the falls, falls again
                minibatch=128,
                learning_starts_steps=2_000,
                target_every_steps=1_000,
                epsilon_end=0.05,
                epsilon_hold_steps=2_000,
                epsilon_decay_steps=30_000,
                td_error_clip=0.0,
                loss_reduction="mean",
                learning_rate=0.001,
                min_squared_gradient=0.1,
            ),
            training=TrainingConfig(
                frames=200_000,
                eval_every_steps=10_000,
                eval_steps=5_000,
                eval_epsilon=0.0,
                final_episodes=100,
                checkpoint_every_steps=50_000,
                log_every_steps=5_000,
            ),
        ),
        "the same agent and loop on vectors",
        "ours",
    ),
}


def preset(name: str) -> Config:
    """Return the configuration of that name: nature, nature-text, machado2018 or cartpole.

    Raises:
        ConfigError: naming those there are.
    """
    if name not in PRESETS:
        raise ConfigError(f"no preset named {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name].config


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


def before() -> dict[str, dict[str, Any]]:
    """What was done before a field was invented, by part: what an older run that lacks it means."""
    found: dict[str, dict[str, Any]] = {}
    for _, part, item, _ in fields(Config()):
        if "before" in item.metadata:
            found.setdefault(part.rstrip("."), {})[item.name] = item.metadata["before"]
    return found


def free() -> set[str]:
    """Fields that are no part of a run's identity, such as ``training.checkpoint_dir``."""
    every = fields(Config())
    return {f"{part}{item.name}" for _, part, item, _ in every if item.metadata["free"]}


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
    made = {**before().get(prefix.rstrip("."), {}), **values}
    hints = typing.get_type_hints(kind)
    for name in [name for name in made if name in hints]:
        made[name] = _declared(prefix + name, made[name], hints[name])
    return kind(**made)
