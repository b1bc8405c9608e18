"""One chosen action, several emulator frames (ledger row 1)."""

from typing import Any

import gymnasium as gym

from wrappers.frames import Bytes, StepResult


class ActionRepeat(gym.Wrapper[Bytes, Any, Bytes, Any]):
    """Repeat each action for ``frames`` emulator frames and sum their rewards.

    Stops early when the episode ends, by game over, lost life or time cap.
    """

    STATE = ()

    def __init__(self, env: gym.Env[Bytes, Any], frames: int = 4) -> None:
        super().__init__(env)
        self._frames = frames

    def step(self, action: Any) -> StepResult:
        """Play up to ``frames`` frames; the observation is that of the last one played."""
        total = 0.0
        for _ in range(self._frames):
            frame, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return frame, total, terminated, truncated, info
