"""The games as the emulator of 2014 counted them (ledger rows 29 and 30).

An emulator knows of each game where in the console's memory score, lives and the end of a game
stand. The paper's agent was trained on Xitari, DeepMind's fork of 2014. Held against it, today's
emulator counts 42 of the 49 games alike; the other seven are here, from the addresses and values
recorded of the 2014 definitions.

Addresses are the console's, 0x80 to 0xFF. Scores are kept there as two decimal digits a byte.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import ale_py
import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from wrappers.frames import Bytes, StepResult
from wrappers.protocol import Protocol, ProtocolError

# The minimal action sets that have changed since.
ACTIONS = {"pong": ("NOOP", "RIGHT", "LEFT")}
# Emulator frames after which the emulator itself ended a game, where it was not the usual cap.
LONGEST_GAME_FRAMES = {"pong": 65_000}

_FIRST_ADDRESS = 0x80
# How the emulator's serialised state writes a truth value, in its last bytes.
_TRUE, _FALSE = bytes.fromhex("b2fab1fa"), bytes.fromhex("d2bad1ba")
_TAIL_BYTES = 64


class Count(NamedTuple):
    """What a game's definition makes of one frame, and what it must know at the next.

    ``score`` in points; ``lives`` left, in a game that goes on; ``lives_byte`` as it stands in
    memory; ``over`` whether the game is.
    """

    score: int
    lives: int
    lives_byte: int
    over: bool


Memory = Callable[[int], int]  # address to byte
Rule = Callable[[Memory, Count], Count]


def _points(memory: Memory, *addresses: int) -> int:
    """A number of two decimal digits a byte, the lowest first."""
    bytes_ = [memory(address) for address in addresses]
    return sum((10 * (byte >> 4) + (byte & 0xF)) * 100**at for at, byte in enumerate(bytes_))


def frostbite(memory: Memory, before: Count) -> Count:
    """Over on the last life as soon as the flag is not zero, not only when its top bit is set."""
    lives = memory(0xCC) & 0xF
    over = lives == 0 and memory(0xF1) != 0
    return Count(_points(memory, 0xCA, 0xC9, 0xC8), lives + 1, lives, over)


def zaxxon(memory: Memory, before: Count) -> Count:
    """Lives are the low four bits, not three."""
    lives = memory(0xEA) & 0xF
    return Count(100 * _points(memory, 0xE9, 0xE8), lives, lives, lives == 0)


def qbert(memory: Memory, before: Count) -> Count:
    """The lives byte before is not taken for negative: from 0xFF to 2 the game goes on.

    What the score does while the game is over does not count, there as today.
    """
    byte = memory(0x88)
    over = byte == 0xFE
    signed = byte - 0x100 if byte > 0x7F else byte
    lives = before.lives - (before.lives_byte - 1 == signed)
    score = before.score if over else _points(memory, 0xDB, 0xDA, 0xD9)
    return Count(score, lives, byte, over)


def atlantis(memory: Memory, before: Count) -> Count:
    """The score has two bytes and wraps at 1,000,000; what the last frame brings counts."""
    lives = memory(0xF1)
    return Count(100 * _points(memory, 0xA2, 0xA3), lives, lives, lives == 0xFF)


def space_invaders(memory: Memory, before: Count) -> Count:
    """The score wraps at 10,000, which costs as much."""
    lives = memory(0xC9)
    over = lives == 0 or memory(0x98) & 0x80 != 0
    return Count(_points(memory, 0xE8, 0xE6), lives, lives, over)


def chopper_command(memory: Memory, before: Count) -> Count:
    """Over whenever the lives are zero, also before the game has begun."""
    lives = memory(0xE4) & 0xF
    return Count(100 * _points(memory, 0xEE, 0xEC), lives, lives, lives == 0)


# Per game: how a frame is counted, and what is known before the first.
RULES: dict[str, tuple[Rule, Count]] = {
    "frostbite": (frostbite, Count(0, 4, 0, False)),
    "zaxxon": (zaxxon, Count(0, 5, 0, False)),
    "qbert": (qbert, Count(0, 4, 2, False)),
    "atlantis": (atlantis, Count(0, 0, 0, False)),
    "space_invaders": (space_invaders, Count(0, 3, 0, False)),
    "chopper_command": (chopper_command, Count(0, 0, 0, False)),
}


def apply_rules(env: gym.Env[Bytes, Any], protocol: Protocol) -> gym.Env[Bytes, Any]:
    """Let an emulator count as that of 2014, if the protocol says so and the game differs."""
    game = _game(env)
    if protocol.game_rules == "2014":
        if game in RULES:
            env = Rules2014(env)
        if game in ACTIONS and protocol.minimal_actions:
            env = MinimalActions(env, ACTIONS[game])
    return env


def longest_game_frames(env: gym.Env[Any, Any], protocol: Protocol, cap_frames: int) -> int:
    """The protocol's cap in emulator frames (0 for none), or the game's own if that is shorter."""
    own = LONGEST_GAME_FRAMES.get(_game(env)) if protocol.game_rules == "2014" else None
    return min(cap_frames or own, own) if own else cap_frames


def _game(env: gym.Env[Any, Any]) -> str:
    """The ROM's name; "" where there is no emulator."""
    return str(getattr(env.unwrapped, "_game", ""))


class Rules2014(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Reward, lives and the end of a game by the definitions of 2014. One step is one frame.

    Where today's emulator ends a game that went on in 2014, it is made to go on.

    Raises:
        ProtocolError: if the game counts alike in both, or the emulator cannot be made to go on.
    """

    STATE = ("_count",)

    def __init__(self, env: gym.Env[Bytes, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        if _game(env) not in RULES:
            raise ProtocolError(f"{_game(env)!r} has no rules of its own; hand over one that has")
        self._rule, self._start = RULES[_game(env)]
        self._count: tuple[int, ...] = self._start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Bytes, dict[str, Any]]:
        """Start a game with nothing counted."""
        frame, info = self.env.reset(seed=seed, options=options)
        self._count = self._start
        info["lives"] = self._start.lives
        return frame, info

    def step(self, action: Any) -> StepResult:
        """Play one frame and count it anew."""
        frame, _, ended, truncated, info = self.env.step(action)
        ale: ale_py.ALEInterface = self.env.unwrapped.ale  # type: ignore[attr-defined]
        before, count = Count._make(self._count), count_frame(self._rule, ale.getRAM(), self._count)
        if ended and not count.over:
            _go_on(ale)
        self._count = tuple(count)
        info["lives"] = 0 if count.over else count.lives
        return frame, float(count.score - before.score), count.over, truncated, info


def count_frame(rule: Rule, ram: NDArray[np.uint8], before: tuple[int, ...]) -> Count:
    """Count one frame: ``ram`` is uint8 ``(128,)``, from address 0x80 on."""
    return rule(lambda address: int(ram[address - _FIRST_ADDRESS]), Count._make(before))


def _go_on(ale: ale_py.ALEInterface) -> None:
    """Take back that the game is over: the machine stays as it is, and so do its random numbers.

    Raises:
        ProtocolError: if this version of the emulator writes its state in another way.
    """
    state = ale.cloneState().serialize()
    at = state.rfind(_TRUE, len(state) - _TAIL_BYTES)
    if at >= 0:
        ale.restoreState(ale_py.ALEState(state[:at] + _FALSE + state[at + len(_FALSE) :]))
    if ale.game_over():
        raise ProtocolError(
            f"emulator {ale_py.__version__} cannot be made to go on where that of 2014 did; "
            'use 0.11 to 0.12, or game_rules "emulator"'
        )


class MinimalActions(gym.Wrapper[Bytes, Any, Bytes, Any], RecordConstructorArgs):
    """Offer some of the emulator's actions only, in the order given.

    Args:
        env: has ``get_action_meanings``.
        names: of the actions, as the emulator calls them.
    """

    STATE = ()

    def __init__(self, env: gym.Env[Bytes, Any], names: tuple[str, ...]) -> None:
        RecordConstructorArgs.__init__(self, names=names)
        super().__init__(env)
        meanings = env.get_wrapper_attr("get_action_meanings")()
        self._names = names
        self._actions = [meanings.index(name) for name in names]
        self.action_space = spaces.Discrete(len(names))

    def get_action_meanings(self) -> list[str]:
        """The actions' names."""
        return list(self._names)

    def step(self, action: Any) -> StepResult:
        """Play the emulator's action of that name."""
        return self.env.step(self._actions[int(action)])
