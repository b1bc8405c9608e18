"""Every number of the experiment, as frozen dataclasses with unit, source and ledger row.

``Config`` is the one resolved configuration of a run: the environment's half
is :class:`wrappers.protocol.Protocol`, the agent's half is here.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from repro.config.checks import ConfigError, check
from wrappers.protocol import Protocol, setting


@dataclass(frozen=True)
class AgentConfig:
    """What learns: network, replay, exploration, loss, optimiser."""

    network: Literal["nature", "linear", "mlp"] = setting(
        "nature",
        unit="",
        source="Methods, Model architecture",
        row=19,
        doc="Nature CNN, linear in the pixels (Ext. Table 4), or a small MLP for vectors",
    )
    hidden_units: int = setting(
        512,
        unit="units",
        source="Methods, Model architecture",
        row=19,
        doc="width of the fully connected layer (of both layers in an MLP)",
    )
    initial_weights: Literal["uniform", "lecun-normal"] = setting(
        "uniform",
        unit="",
        source="code",
        row=20,
        doc="uniform in +-1/sqrt(fan-in), or normal with variance 1/fan-in and biases of 0.1",
        before="uniform",
    )
    discount: float = setting(
        0.99,
        unit="per step",
        source="Extended Data Table 1",
        row=11,
        doc="discount factor gamma of the Q-learning update",
    )
    replay_steps: int = setting(
        1_000_000,
        unit="steps",
        source="Extended Data Table 1",
        row=12,
        doc="most recent steps kept for replay",
    )
    replay_draw: int = setting(
        512,
        unit="transitions",
        source="code",
        row=12,
        doc="transitions copied from replay at a time and consumed minibatch by minibatch",
    )
    minibatch: int = setting(
        32,
        unit="transitions",
        source="Extended Data Table 1",
        row=14,
        doc="transitions per update",
    )
    learning_starts_steps: int = setting(
        50_000,
        unit="steps",
        source="Extended Data Table 1",
        row=13,
        doc="steps of uniformly random play before the first update",
    )
    update_every_steps: int = setting(
        4,
        unit="steps",
        source="Extended Data Table 1",
        row=14,
        doc="steps between updates",
    )
    target_every_steps: int = setting(
        10_000,
        unit="steps",
        source="code",
        row=15,
        doc="steps between copies of the network into the target network",
    )
    epsilon_start: float = setting(
        1.0,
        unit="probability",
        source="Extended Data Table 1",
        row=16,
        doc="initial chance of a random action",
    )
    epsilon_end: float = setting(
        0.1,
        unit="probability",
        source="Extended Data Table 1",
        row=16,
        doc="final chance of a random action",
    )
    epsilon_hold_steps: int = setting(
        50_000,
        unit="steps",
        source="code",
        row=16,
        doc="steps before epsilon begins to fall",
    )
    epsilon_decay_steps: int = setting(
        1_000_000,
        unit="steps",
        source="Extended Data Table 1",
        row=16,
        doc="steps over which epsilon falls linearly",
    )
    td_error_clip: float = setting(
        1.0,
        unit="reward",
        source="Methods, Training algorithm",
        row=17,
        doc="bound on each TD error, which is the gradient; 0 for none",
    )
    loss_reduction: Literal["sum", "mean"] = setting(
        "sum",
        unit="",
        source="code",
        row=17,
        doc="how the losses of a minibatch are combined",
    )
    learning_rate: float = setting(
        0.00025,
        unit="",
        source="Extended Data Table 1",
        row=18,
        doc="step size of RMSProp",
    )
    gradient_decay: float = setting(
        0.95,
        unit="per update",
        source="Extended Data Table 1",
        row=18,
        doc="decay of the running mean of the gradient",
    )
    squared_gradient_decay: float = setting(
        0.95,
        unit="per update",
        source="Extended Data Table 1",
        row=18,
        doc="decay of the running mean of the squared gradient",
    )
    min_squared_gradient: float = setting(
        0.01,
        unit="",
        source="Extended Data Table 1",
        row=18,
        doc="constant added inside RMSProp's square root",
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How long, and how it is watched and scored."""

    frames: int = setting(
        200_000_000,
        unit="frames",
        source="code (50 million steps)",
        row=23,
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
        doc="chance of a random action while being scored",
    )
    final_episodes: int = setting(
        30,
        unit="episodes",
        source="Methods, Evaluation procedure",
        row=25,
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
        doc="steps between rows of learning.csv",
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
        for _, part, item, value in fields(self):
            check(f"{part}{item.name}", value, item.type)
            if type(value) in (int, float) and not 0 <= value < math.inf:
                raise ConfigError(f"{part}{item.name} must be a number from 0 up, got {value}")
        agent, training = self.agent, self.training
        values = vars(agent) | vars(training)
        for name in (
            "hidden_units", "replay_steps", "replay_draw", "minibatch", "update_every_steps",
            "target_every_steps", "epsilon_decay_steps", "learning_rate", "min_squared_gradient",
            "frames", "eval_steps", "final_episodes", "log_every_steps",
        ):  # fmt: skip
            if values[name] <= 0:
                raise ConfigError(f"{name} must be more than zero")
        for name in (
            "discount", "epsilon_start", "epsilon_end", "gradient_decay",
            "squared_gradient_decay", "eval_epsilon",
        ):  # fmt: skip
            if not 0.0 <= values[name] <= 1.0:
                raise ConfigError(f"{name} must be between 0 and 1, got {values[name]}")
        if 1.0 in (agent.gradient_decay, agent.squared_gradient_decay):
            raise ConfigError("gradient_decay and squared_gradient_decay must be less than 1")
        if agent.replay_draw % agent.minibatch:
            raise ConfigError(
                f"replay_draw ({agent.replay_draw}) must be a multiple of minibatch "
                f"({agent.minibatch})"
            )
        history = self.protocol.stack_frames
        if min(agent.replay_steps, agent.learning_starts_steps) <= history:
            raise ConfigError(
                f"replay_steps and learning_starts_steps must each exceed the {history} "
                "frames of one observation, or there is nothing to sample"
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
