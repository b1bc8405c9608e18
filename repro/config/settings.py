"""Every number of the experiment, as frozen dataclasses with unit, source and ledger row.

``Config`` is the one resolved configuration of a run: the environment's half
is :class:`wrappers.protocol.Protocol`, the agent's is :class:`AgentConfig`.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from repro.config.agent import AgentConfig
from repro.config.combinations import conflicts
from wrappers.protocol import Protocol
from wrappers.settings import check_all, setting


class ConfigError(ValueError):
    """A configuration that cannot be run; the message says which field and why."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long, and how it is watched and scored."""

    frames: int = setting(
        200_000_000,
        unit="frames",
        source="code (50 million steps)",
        row=23,
        within="[1, inf)",
        doc="length of training in emulator frames",
    )
    eval_every_steps: int = setting(
        250_000,
        unit="steps",
        source="code",
        row=24,
        doc="steps between periodic evaluations; 0 for none",
    )
    eval_steps: int = setting(
        125_000,
        unit="steps",
        source="code",
        row=24,
        within="[1, inf)",
        doc="length of a periodic evaluation",
    )
    periodic_cap_frames: int = setting(
        0,
        unit="frames",
        source="code",
        row=24,
        doc="longest game in a periodic evaluation; 0 for no cap (the final one has its own)",
    )
    eval_epsilon: float = setting(
        0.05,
        unit="probability",
        source="Methods, Evaluation procedure",
        row=25,
        within="[0, 1]",
        doc="chance of a random action while being scored",
    )
    final_episodes: int = setting(
        30,
        unit="episodes",
        source="Methods, Evaluation procedure",
        row=25,
        within="[1, inf)",
        doc="games behind the reported score",
    )
    heldout_states: int = setting(
        500,
        unit="states",
        source="code",
        row=27,
        doc="states whose mean max-Q is followed, drawn from replay when learning starts",
    )
    log_every_steps: int = setting(
        10_000,
        unit="steps",
        source="ours",
        row=None,
        within="[1, inf)",
        doc="steps between rows of learning.csv",
        free=True,
    )
    checkpoint_every_steps: int = setting(
        125_000,
        unit="steps",
        source="ours",
        row=None,
        doc="steps between checkpoints; 0 for only when interrupted",
        free=True,
    )
    checkpoint_dir: str = setting(
        "",
        unit="",
        source="ours",
        row=None,
        doc="folder on another disk, such as scratch, where checkpoints are kept",
        before="",
        free=True,
    )
    keep_checkpoint: bool = setting(
        True,
        unit="",
        source="ours",
        row=None,
        doc="keep the newest checkpoint of a finished run, so that it can be made longer",
        before=False,
        free=True,
    )


@dataclass(frozen=True)
class Config:
    """One resolved configuration: what config.json holds, next to game and seed.

    Raises:
        ConfigError: from ``__post_init__`` when a value is of another type or out of range.
    """

    environment: Literal["atari", "gymnasium"] = setting(
        "atari",
        unit="",
        source="ours",
        row=None,
        doc="an Atari game, or any gymnasium environment with vector observations",
    )
    protocol: Protocol = field(default_factory=Protocol)
    agent: AgentConfig = field(default_factory=AgentConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        """Refuse values that would fail, or mean nothing, hours later."""
        agent, training = self.agent, self.training
        check_all(self, "", ConfigError)
        check_all(agent, "agent.", ConfigError)
        check_all(training, "training.", ConfigError)
        if agent.replay_draw % agent.minibatch:
            raise ConfigError(
                f"replay_draw ({agent.replay_draw}) must be a multiple of minibatch "
                f"({agent.minibatch})"
            )
        for conflict in conflicts(agent):
            raise ConfigError(conflict)
        history, ahead = self.protocol.stack_frames, agent.return_steps
        if min(agent.replay_steps, agent.learning_starts_steps) < history + ahead:
            raise ConfigError(
                f"replay_steps and learning_starts_steps must each exceed the {history} "
                f"frames of one observation{f' by return_steps ({ahead})' * (ahead > 1)}, or "
                "there is nothing to sample"
            )
        if training.frames < self.frames_per_step:
            raise ConfigError(
                f"frames ({training.frames}) is less than one step of "
                f"{self.frames_per_step} emulator frames"
            )

    @property
    def frames_per_step(self) -> int:
        """Emulator frames per agent step."""
        return self.protocol.action_repeat_frames

    @property
    def steps(self) -> int:
        """Length of training in agent steps."""
        return self.training.frames // self.frames_per_step

    @property
    def evaluates(self) -> bool:
        """Whether a training is long enough for a periodic evaluation: the best network scores."""
        return 0 < self.training.eval_every_steps <= self.steps


def fields(config: Config) -> Iterator[tuple[Any, str, dataclasses.Field[Any], Any]]:
    """Yield every leaf field as ``(owner, "part.", field, value)``, in order of declaration."""
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            for leaf in dataclasses.fields(value):
                yield value, f"{item.name}.", leaf, getattr(value, leaf.name)
        else:
            yield config, "", item, value
