"""One chosen action, several emulator frames (ledger row 1)."""

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from wrappers import state
from wrappers.frames import Bytes, StepResult
from wrappers.protocol import ProtocolError


class ActionRepeat(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Repeat each action for ``frames`` emulator frames and sum their rewards.

    Stops early when the episode ends, by game over, lost life or time cap. Counts along
    with the emulator, so that no layer below can skip frames unnoticed.
    """

    STATE = ()

    def __init__(self, env: gym.Env[Bytes, Any], frames: int = 4) -> None:
        RecordConstructorArgs.__init__(self, frames=frames)
        super().__init__(env)
        self._frames = frames

    def step(self, action: Any) -> StepResult:
        """Play up to ``frames`` frames; the observation is that of the last one played.

        Raises:
            ProtocolError: if the emulator played more frames than it was asked for.
        """
        total, first, more = 0.0, 0, 0
        for more in range(self._frames):
            frame, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if not more:
                first = info["episode_frame_number"]
            if terminated or truncated:
                break
        played = info["episode_frame_number"] - first
        if played != more:
            raise ProtocolError(
                f"{more} emulator steps took {played} frames, so a wrapper below skips or repeats "
                "frames; hand over the raw emulator, as make_emulator makes it"
            )
        return frame, total, terminated, truncated, info

    def __getstate__(self) -> dict[str, Any]:
        """For ``copy.deepcopy`` and ``pickle``: an emulator that is not ours would begin anew."""
        base = self.unwrapped
        machine = state.save_machine(base) if hasattr(base, "ale") else None
        return vars(self) | {"machine": machine, "spec": base.spec}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Put the emulator of the copy where that of the original stood."""
        machine, spec = saved.pop("machine"), saved.pop("spec")
        vars(self).update(saved)
        if machine:
            self.unwrapped.spec = spec
            state.load_copy(self.unwrapped, machine)
