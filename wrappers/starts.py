"""How games and training episodes begin and end: time cap, lost lives, no-op starts.

All three sit where one step is one emulator frame.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from wrappers.frames import Bytes, StepResult
from wrappers.protocol import ProtocolError

NOOP = 0


class TimeCap(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Cut a game off after ``frames`` emulator frames, its no-op start included (ledger row 25)."""

    STATE = ()

    def __init__(self, env: gym.Env[Bytes, Any], frames: int) -> None:
        RecordConstructorArgs.__init__(self, frames=frames)
        super().__init__(env)
        self._frames = frames

    def step(self, action: Any) -> StepResult:
        """Play one frame; ``truncated`` when it was the last one allowed."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        truncated = truncated or info["episode_frame_number"] >= self._frames
        return frame, reward, terminated, truncated, info


class LifeLoss(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """End the episode, but not the game, when a life is lost (ledger row 9).

    ``info["life_lost"]`` says after each step whether a lost life, and not the
    game's end, made it terminal. The next ``reset()`` then goes on with the
    same game (``info["game_continues"]``): it returns the last frame and plays none.
    Any other reset, and any with a seed, starts a new game.
    """

    STATE = ("_lives", "_life_lost", "_last_frame", "_last_info")

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._lives = 0
        self._life_lost = False
        self._last_frame: Bytes = np.zeros((0, 0, 3), np.uint8)
        self._last_info: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Bytes, dict[str, Any]]:
        """Go on after a lost life, or start a new game."""
        continues = self._life_lost and seed is None
        if continues:
            frame, info = self._last_frame, dict(self._last_info)
        else:
            frame, info = self.env.reset(seed=seed, options=options)
        self._lives = info["lives"]
        self._life_lost = False
        info["game_continues"] = continues
        return frame, info

    def step(self, action: Any) -> StepResult:
        """Play one frame; terminal when it cost a life."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        over = terminated or truncated
        self._life_lost = info["lives"] < self._lives and not over
        self._lives = info["lives"]
        self._last_frame = frame
        info["life_lost"] = self._life_lost
        self._last_info = dict(info)
        return frame, reward, terminated or self._life_lost, truncated, info


class NoopStart(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Begin with a random number of emulator frames of doing nothing (ledger row 8).

    k is uniform on 1..``max_frames`` after a true game over and one more
    after a lost life, if ``after_lost_life``. Rewards met there are dropped.
    Should the game end meanwhile, the new game takes the place of one of them.
    """

    STATE = ()

    def __init__(
        self, env: gym.Env[Bytes, Any], max_frames: int = 30, after_lost_life: bool = True
    ) -> None:
        RecordConstructorArgs.__init__(self, max_frames=max_frames, after_lost_life=after_lost_life)
        super().__init__(env)
        meanings = getattr(env.unwrapped, "get_action_meanings", lambda: ["NOOP"])()
        if meanings[NOOP] != "NOOP":
            raise ProtocolError(f"no-op starts need action 0 to be NOOP, but it is {meanings[0]}")
        self._max_frames = max_frames
        self._after_lost_life = after_lost_life

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Bytes, dict[str, Any]]:
        """Start, then do nothing for a while; the result is never a finished game."""
        frame, info = self.env.reset(seed=seed, options=options)
        continues = info.get("game_continues", False)
        if continues and not self._after_lost_life:
            return frame, info
        noops = int(self.np_random.integers(1, self._max_frames + 1)) + int(continues)
        over = False
        for _ in range(noops):
            if over:
                frame, info = self.env.reset(options=options)
                continues = over = False
                continue
            frame, _, terminated, truncated, info = self.env.step(NOOP)
            over = truncated or (terminated and not info.get("life_lost", False))
        if over:
            frame, info = self.env.reset(options=options)
            continues = False
        info["game_continues"] = continues
        return frame, info
