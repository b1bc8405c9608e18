"""A scripted emulator: one step is one frame, and every screen tells which frame it is.

The left half of screen n is a flat grey of level n, the right half one of level 250 - n. So after
a pixelwise maximum the left half names the newest screen pooled and the right half the oldest; and
because flat greys pass through luminance, area average and truncation unchanged, the outermost
observation can still be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

LEVELS = 240
EMPTY = (0, 0)
FIRE, RIGHT, LEFT = 1, 2, 3


@dataclass(frozen=True)
class Game:
    """A game's script; frames count from 1."""

    frames: int = 100_000  # the game is over on this one
    lives: int = 3
    lost_at: Sequence[int] = ()
    rewards: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One thing the emulator was asked to do, and what came of it."""

    action: int | None  # None: a reset
    screen: int
    reward: float
    lives: int
    over: bool


class FakeEmulator(gym.Env[NDArray[np.uint8], int]):
    """Plays ``games`` in turn, the last one for ever, and keeps a log of events."""

    def __init__(self, *games: Game, screen_shape: tuple[int, int] = (210, 160)) -> None:
        self.observation_space = spaces.Box(0, 255, (*screen_shape, 3), np.uint8)
        self.action_space = spaces.Discrete(4)
        self.log: list[Event] = []
        self._games = games or (Game(),)
        self._started = 0
        self._frame = 0
        self._total = 0
        self._lives = 0
        self._over = True

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE", "RIGHT", "LEFT"]

    @property
    def actions(self) -> list[int]:
        """Every action received, one per frame."""
        return [event.action for event in self.log if event.action is not None]

    @property
    def games_started(self) -> int:
        return self._started

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self._game = self._games[min(self._started, len(self._games) - 1)]
        self._started += 1
        self._frame = 0
        self._lives = self._game.lives
        self._over = False
        return self._show(None, 0.0), self._info()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        assert not self._over, "stepped after the game was over"
        self._frame += 1
        self._total += 1
        self._lives -= self._frame in self._game.lost_at
        self._over = self._frame >= self._game.frames
        reward = self._game.rewards.get(self._frame, 0.0)
        return self._show(int(action), reward), reward, self._over, False, self._info()

    def _show(self, action: int | None, reward: float) -> NDArray[np.uint8]:
        number = len(self.log) % LEVELS + 1
        self.log.append(Event(action, number, reward, self._lives, self._over))
        picture = np.full(self.observation_space.shape, number, np.uint8)
        picture[:, picture.shape[1] // 2 :] = 250 - number
        return picture

    def _info(self) -> dict[str, Any]:
        return {
            "lives": self._lives,
            "episode_frame_number": self._frame,
            "frame_number": self._total,
        }


def pool(*screens: int) -> tuple[int, int]:
    """What a pixelwise maximum over these screens reads as."""
    return max(screens), max(250 - number for number in screens)


def read(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Left and right level of a picture, which must be flat in each half."""
    half = picture.shape[1] // 2
    left, right = picture[:, :half], picture[:, half:]
    assert (left == left.flat[0]).all()
    assert (right == right.flat[0]).all()
    return int(left.flat[0]), int(right.flat[0])


def read_stack(observation: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Each screen of an observation, oldest first."""
    return [read(picture) for picture in observation]
