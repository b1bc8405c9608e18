"""The environment, and what of it is stored: single frames, with what came of them."""

from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from repro.replay import ReplayMemory
from wrappers import state as env_state


class Player:
    """Takes actions in an environment and stores each transition once.

    What is returned is a copy: whoever changes it does not change what is stored.

    Args:
        env: as the agent trains on it.
        memory: receives every transition.
    """

    def __init__(self, env: gym.Env[Any, Any], memory: ReplayMemory) -> None:
        self.env = env
        self.memory = memory
        self.observation: NDArray[Any] | None = None  # ``(history, *frame)``; none before a start

    def start(self) -> NDArray[Any]:
        """Begin a game; returns its first observation."""
        self.observation, _ = self.env.reset()
        return self.observation.copy()

    def step(self, action: int) -> tuple[NDArray[Any], dict[str, Any]]:
        """Take an action and store what came of it.

        Returns:
            The observation to act on next, of a new game where one has ended, and the ``info`` of
            the step.
        """
        assert self.observation is not None
        following, reward, terminated, truncated, info = self.env.step(action)
        newest = self.observation[-1]
        self.memory.add(newest, action, float(reward), terminated, truncated)
        if terminated or truncated:
            return self.start(), info
        self.observation = following
        return following.copy(), info

    def state(self) -> dict[str, Any]:
        """Observation and environment, for a checkpoint; the memory is saved apart."""
        return {"observation": self.observation, "env": env_state.save(self.env)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.observation = state["observation"]
        env_state.load(self.env, state["env"])
