"""The parts of an experiment, as its game, seed and configuration have them."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from repro import config, fast, networks
from repro.agent import Agent
from repro.loop import Loop
from repro.minibatches import MinibatchQueue
from repro.player import Player
from repro.prioritized import PrioritizedReplay
from repro.replay import LatestTransitions, ReplayMemory
from repro.storage.run import Run
from repro.system.machine import LackError
from wrappers import envs


@dataclass(frozen=True)
class Environments:
    """The three environments of a training, each an emulator of its own."""

    train: gym.Env[Any, Any]
    periodic: gym.Env[Any, Any]
    final: gym.Env[Any, Any]

    def close(self) -> None:
        """Close all three."""
        for env in (self.train, self.periodic, self.final):
            env.close()


@dataclass(frozen=True)
class Parts:
    """What trains, as a run's configuration has it; nothing has been played yet."""

    memory: ReplayMemory
    agent: Agent
    queue: MinibatchQueue
    player: Player
    loop: Loop


def assemble(run: Run, env: gym.Env[Any, Any], device: str = "cpu") -> Parts:
    """Make the parts of a training on its environment.

    Raises:
        ConfigError, LackError: as :func:`make_agent`.
        MemoryError: if the replay does not fit.
    """
    settings = run.config.agent
    history, *frame = shape(env)
    memory = make_memory(settings, tuple(frame), history, generator(run.seed, "replay"), dtype(env))
    agent = make_agent(run, env, device)
    queue = MinibatchQueue(memory, settings.replay_draw, settings.minibatch)
    player = Player(env, memory)
    return Parts(memory, agent, queue, player, Loop(player, agent, queue))


def make_memory(
    settings: config.AgentConfig,
    frame: tuple[int, ...],
    history: int,
    generator: np.random.Generator,
    dtype: np.dtype[Any],
) -> ReplayMemory:
    """The replay that a configuration asks for.

    Raises:
        MemoryError: if it does not fit.
    """
    kinds = {"uniform": ReplayMemory, "latest": LatestTransitions, "prioritized": PrioritizedReplay}
    more: dict[str, Any] = {}
    if settings.replay == "prioritized":
        more = {
            "exponent": settings.priority_exponent,
            "offset": settings.priority_offset,
            "beta": settings.importance_start,
            "beta_steps": settings.importance_steps,
        }
    return kinds[settings.replay](
        settings.replay_steps, frame, history, generator, dtype,
        discount=settings.discount, steps=settings.return_steps, **more,
    )  # fmt: skip


def make_envs(run: Run) -> Environments:
    """Make what a run trains and is scored on. Evaluation games get seeds of their own.

    Raises:
        ProtocolError, MissingROMError: as :func:`wrappers.envs.make_emulator`.
    """
    game, seed, protocol = run.game, run.seed, run.config.protocol
    if run.config.environment == "gymnasium":
        stack = protocol.stack_frames
        return Environments(*(envs.make_vector_env(game, seed, stack) for _ in range(3)))
    uncapped = dataclasses.replace(
        protocol, eval_cap_frames=run.config.training.periodic_cap_frames
    )
    return Environments(
        train=envs.make_train_env(game, seed, protocol),
        periodic=envs.make_eval_env(game, seed, uncapped),
        final=envs.make_eval_env(game, seed, protocol),
    )


def make_screen_env(run: Run) -> gym.Env[Any, Any]:
    """Make the scored environment once more, with a screen to record.

    Raises:
        ConfigError: if the run's environment has none.
    """
    if run.config.environment != "atari":
        raise config.ConfigError(f"{run.game} has no screen to record; choose an Atari game")
    return envs.make_eval_env(run.game, run.seed, run.config.protocol, render_mode="rgb_array")


def make_agent(run: Run, env: gym.Env[Any, Any], device: str = "cpu") -> Agent:
    """Make the agent for an environment; weights and actions follow the run's seed.

    A GPU then computes in full single precision, as that of 2015 did, in all of this process.

    Raises:
        ConfigError: if the network cannot take the environment's observations.
        LackError: if it does not fit into memory.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    weights = torch.Generator()
    weights.manual_seed(run.seed)
    networks.check(run.config.agent, shape(env))
    try:
        return fast.make(
            run.config.agent,
            int(env.action_space.n),  # type: ignore[attr-defined]
            shape(env),
            generator(run.seed, "actions"),
            weights,
            device,
        )
    except (RuntimeError, MemoryError) as error:  # how torch says that, too
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LackError(
            f"a network with hidden layers of {run.config.agent.hidden_units:,} units cannot be "
            f"made here ({reason}); if it does not fit into memory, lower --hidden-units"
        ) from error


def generator(seed: int, purpose: str) -> np.random.Generator:
    """An independent stream of random numbers for each purpose of a run."""
    return np.random.default_rng([seed, *purpose.encode()])


def shape(env: gym.Env[Any, Any]) -> tuple[int, ...]:
    """Shape of one observation, ``(history, *frame)``."""
    found = env.observation_space.shape
    assert found is not None
    return tuple(int(size) for size in found)


def dtype(env: gym.Env[Any, Any]) -> np.dtype[Any]:
    """Type of one element of an observation."""
    assert env.observation_space.dtype is not None
    return env.observation_space.dtype


def find_device(device: str) -> str:
    """The device that is meant: ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: if it is not there, with the reason, in one line.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
        return device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise config.ConfigError(f"--device {device} cannot be used here ({reason})") from error


def device_name(device: torch.device) -> str:
    """What to call a device in the provenance: the model of a GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
