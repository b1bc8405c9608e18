"""The training loop: a generator that yields one event per step and knows nothing of logging."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from repro import schedule
from repro.agent import Agent
from repro.replay import Batch, MinibatchQueue, ReplayMemory


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in one step.

    ``loss`` is that of the update, if there was one. ``game_return`` (raw) and
    ``game_frames`` are set on the last step of a whole game.
    """

    step: int
    epsilon: float
    loss: float | None
    game_return: float | None
    game_frames: int | None


class Loop:
    """Plays and learns. Between two events its state is that after a step, the target not copied.

    Args:
        env: as the agent trains on it.
        agent: acts and learns.
        memory: receives every transition.
        queue: hands out the minibatches.
    """

    def __init__(
        self, env: gym.Env[Any, Any], agent: Agent, memory: ReplayMemory, queue: MinibatchQueue
    ) -> None:
        self.env = env
        self.agent = agent
        self.memory = memory
        self.queue = queue
        self.step = 0
        self.updates = 0
        self.games = 0
        self.observation: NDArray[Any] | None = None
        self.action = 0
        self.batch: Batch | None = None  # of the latest update

    def run(self, steps: int) -> Iterator[Event]:
        """Go on until ``steps`` steps have been taken in all, yielding after each.

        Raises:
            NonFiniteError: see :meth:`repro.agent.Agent.update`.
        """
        if self.observation is None:
            self.observation, _ = self.env.reset()
            self.action = self.agent.act(self.observation, schedule.epsilon(0, self.agent.config))
        else:
            self._renew_target()
        while self.step < steps:
            yield self._one_step(self.observation)
            self._renew_target()

    def state(self) -> dict[str, Any]:
        """Counters, observation and chosen action, for a checkpoint."""
        names = ("step", "updates", "games", "observation", "action")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        vars(self).update(state)

    def _one_step(self, observation: NDArray[Any]) -> Event:
        """Act, store, choose, update: the order of ledger row 21."""
        config = self.agent.config
        following, reward, terminated, truncated, info = self.env.step(self.action)
        self.memory.add(observation[-1], self.action, float(reward), terminated, truncated)
        self.step += 1
        if terminated or truncated:
            following, _ = self.env.reset()
        if "game_return" in info:
            self.games += 1
        epsilon = schedule.epsilon(self.step, config)
        self.observation = following
        self.action = self.agent.act(following, epsilon)
        loss = None
        if schedule.update_due(self.step, config):
            self.batch = self.queue.next()
            loss = self.agent.update(self.batch)
            self.updates += 1
        return Event(self.step, epsilon, loss, info.get("game_return"), info.get("game_frames"))

    def _renew_target(self) -> None:
        """The last thing in a step, after it was logged as in the original (ledger row 31)."""
        if schedule.target_due(self.step, self.agent.config):
            self.agent.copy_target()
