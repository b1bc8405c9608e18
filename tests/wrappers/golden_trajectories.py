"""A short scripted game, boiled down to hashes: what the emulator showed, and what came of it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import wrappers

Bytes = NDArray[np.uint8]
GOLDEN = Path(__file__).with_name("golden_trajectories.json")
SEED = 20150226
DECISIONS = 120


class Shown(gym.Wrapper[Bytes, Any, Bytes, Any]):
    """Sits on the emulator: hashes every frame it shows and keeps the last two of a game."""

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        super().__init__(env)
        self.frames = 0
        self.digest = hashlib.sha256()
        self.last_two: tuple[Bytes, Bytes] = (np.zeros(0, np.uint8),) * 2

    def reset(self, **kwargs: Any) -> tuple[Bytes, dict[str, Any]]:
        frame, info = self.env.reset(**kwargs)
        self.last_two = (frame, frame)
        self._note(frame)
        return frame, info

    def step(self, action: Any) -> tuple[Bytes, Any, bool, bool, dict[str, Any]]:
        frame, reward, terminated, truncated, info = self.env.step(action)
        self.last_two = (self.last_two[1], frame)
        self._note(frame)
        return frame, reward, terminated, truncated, info

    def _note(self, frame: Bytes) -> None:
        self.frames += 1
        self.digest.update(np.ascontiguousarray(frame))


def script(n_actions: int) -> list[int]:
    """A fixed sequence of actions, each held for one to four decisions; no library's generator."""
    actions: list[int] = []
    number = 2015
    while len(actions) < DECISIONS:
        number = (number * 1103515245 + 12345) % 2**31
        actions += [(number >> 16) % n_actions] * (1 + (number >> 8) % 4)
    return actions[:DECISIONS]


def play(game: str, check: Callable[[Bytes, Bytes, Bytes], None] | None = None) -> dict[str, Any]:
    """Play the script as ``make_train_env`` would have it.

    Args:
        game: a game of the emulator.
        check: called with the last two frames shown and the screen made of them.

    Returns:
        What the golden file keeps: ``frames`` shown and their sha256 (``input``), the sha256 of
        the screens (``output``), ``rewards`` other than 0 by decision, and the decisions at which
        ``lives`` changed or the episode was over (``ends``).
    """
    shown = Shown(wrappers.make_emulator(game))
    env = wrappers.apply(shown, training=True)
    output = hashlib.sha256()
    rewards: dict[str, float] = {}
    lives: dict[str, int] = {}
    ends: list[int] = []

    def see(observation: Bytes) -> None:
        output.update(np.ascontiguousarray(observation[-1]))
        if check is not None:
            check(*shown.last_two, observation[-1])

    observation, info = env.reset(seed=SEED)
    see(observation)
    now = info["lives"]
    lives["start"] = now
    for decision, action in enumerate(script(int(env.action_space.n))):  # type: ignore[attr-defined]
        observation, reward, terminated, truncated, info = env.step(action)
        see(observation)
        if reward:
            rewards[str(decision)] = float(reward)
        if info["lives"] != now:
            now = lives[str(decision)] = info["lives"]
        if terminated or truncated:
            ends.append(decision)
            observation, info = env.reset()
            see(observation)
            now = info["lives"]
    env.close()
    return {
        "frames": shown.frames,
        "input": shown.digest.hexdigest(),
        "output": output.hexdigest(),
        "rewards": rewards,
        "lives": lives,
        "ends": ends,
    }


def load(path: Path = GOLDEN) -> dict[str, Any]:
    """Read the golden file.

    Raises:
        FileNotFoundError: if there is none. It is never made here.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; it belongs to the repository, restore it from there"
        )
    content: dict[str, Any] = json.loads(path.read_text())
    return content
