"""What the agent learns from, and what is reported."""

from typing import Any, SupportsFloat

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from wrappers.frames import Bytes, StepResult


class GameScore(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Report the unclipped return of each whole game, lost lives notwithstanding.

    On the last step of a game ``info["game_return"]`` is the sum of the
    rewards of all its steps (no-op starts excluded) and
    ``info["game_frames"]`` its length in emulator frames (no-op start included), or in
    steps where there is no emulator.
    """

    STATE = ("_return", "_steps")

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._return = 0.0
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Bytes, dict[str, Any]]:
        """Start counting again, unless the game goes on."""
        observation, info = self.env.reset(seed=seed, options=options)
        if not info.get("game_continues", False):
            self._return, self._steps = 0.0, 0
        return observation, info

    def step(self, action: Any) -> StepResult:
        """Add the step's reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._return += float(reward)
        self._steps += 1
        if truncated or (terminated and not info.get("life_lost", False)):
            info["game_return"] = self._return
            info["game_frames"] = info.get("episode_frame_number", self._steps)
        return observation, reward, terminated, truncated, info


class ClipReward(gym.RewardWrapper[Bytes, Any], RecordConstructorArgs):
    """Clip the summed reward of a step to [-1, 1], in training only (ledger row 10)."""

    STATE = ()

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def reward(self, reward: SupportsFloat) -> float:
        """Raw in, clipped out."""
        return max(-1.0, min(1.0, float(reward)))
