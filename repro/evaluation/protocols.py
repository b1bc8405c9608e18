"""Playing for scores: the final and the periodic protocol.

Knows nothing of networks: a player is a function from an observation to an
action. Torch is not needed here.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from repro import records
from repro.storage import game_log, provenance
from repro.storage.run import Run

Player = Callable[[NDArray[Any]], int]
PlayerFactory = Callable[[np.random.Generator], Player]


@dataclass(frozen=True)
class Game:
    """One scored game.

    ``score`` is the raw return, ``frames`` the length in emulator frames with the no-op
    start; ``truncated`` when the time cap ended it; not ``completed`` when the evaluation's
    budget did.
    """

    episode: int
    seed: int
    score: float
    frames: int
    truncated: bool
    completed: bool
    steps: int

    def row(self, kind: str, weights: str, step: int) -> dict[str, Any]:
        """As a row of evaluations.csv; ``step`` is the training step of the weights."""
        return {
            "kind": kind,
            "weights": weights,
            "step": step,
            "episode": self.episode,
            "seed": self.seed,
            "return": self.score,
            "frames": self.frames,
            "truncated": self.truncated,
            "completed": self.completed,
        }


def episode_seed(seed: int, step: int, episode: int, periodic: bool = False) -> int:
    """Derive the seed of one evaluation game from the run's, so that any can be replayed.

    Periodic evaluations have seeds of their own: the games that choose the best network
    must not be those that score it.
    """
    key = [seed, step, episode, 1] if periodic else [seed, step, episode]
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


def player_generator(seed: int) -> np.random.Generator:
    """The random numbers of the player in one game, independent of those of its environment.

    Seeded with the same number alone, the two would draw the same: the player's first random
    action would follow from the number of no-ops.
    """
    return np.random.default_rng([seed, *b"player"])


@dataclass(frozen=True)
class Moment:
    """A state that a game has come to, and the action that is about to be taken there.

    Attributes:
        observation: as the player sees it.
        action: None if nothing is taken any more.
        reward: raw, of the action before.
        score: raw return so far.
        frames: emulator frames so far, with the no-op start.
        terminated, truncated: whether the game is over, and how.
    """

    observation: NDArray[Any]
    action: int | None
    reward: float
    score: float
    frames: int
    terminated: bool
    truncated: bool


def moments(
    env: gym.Env[Any, Any], make_player: PlayerFactory, seed: int, max_steps: int = 0
) -> Iterator[Moment]:
    """Play one game; everything that is scored, shown or examined is played here.

    Args:
        env: whole games, raw rewards.
        make_player: given a generator seeded for this game.
        seed: of the environment and the player.
        max_steps: agent steps after which the game is left (0 for never).

    Yields:
        The state before each step, with the environment as it is there, and the last one.
    """
    player = make_player(player_generator(seed))
    observation, info = env.reset(seed=seed)
    reward, score, terminated, truncated = 0.0, 0.0, False, False
    for step in itertools.count():
        over = terminated or truncated or bool(max_steps and step == max_steps)
        action = None if over else player(observation)
        frames = info.get("episode_frame_number", step)
        yield Moment(observation, action, reward, score, frames, terminated, truncated)
        if action is None:
            return
        observation, given, terminated, truncated, info = env.step(action)
        reward = float(given)
        score += reward


def play_game(
    env: gym.Env[Any, Any], make_player: PlayerFactory, episode: int, seed: int, max_steps: int = 0
) -> Game:
    """Play one game to its end, its time cap or ``max_steps`` agent steps (0 for no bound).

    Args:
        env: whole games, raw rewards.
        make_player: given a generator seeded for this game.
        episode: its number, from 0.
        seed: of the environment and the player.
        max_steps: what is left of the evaluation's budget.
    """
    numbered = enumerate(moments(env, make_player, seed, max_steps))
    steps, last = deque(numbered, maxlen=1).pop()
    completed = last.terminated or last.truncated
    return Game(episode, seed, last.score, last.frames, last.truncated, completed, steps)


def play_episodes(
    env: gym.Env[Any, Any],
    make_player: PlayerFactory,
    seed: int,
    step: int,
    episodes: int,
    first: int = 0,
) -> Iterator[Game]:
    """The final protocol: whole games ``first`` to ``episodes - 1`` (ledger row 25)."""
    for episode in range(first, episodes):
        yield play_game(env, make_player, episode, episode_seed(seed, step, episode))


def record_episodes(
    env: gym.Env[Any, Any],
    make_player: PlayerFactory,
    run: Run,
    table: records.Table,
    weights: str,
    step: int,
    episodes: int,
    first: int = 0,
) -> Iterator[Game]:
    """The final protocol, of a run's network: its games' actions are kept, then their rows.

    Args:
        env: whole games, raw rewards.
        make_player: the network's player.
        run: whose network.
        table: evaluations.csv; the actions go into the file beside it.
        weights: "best" or "last".
        step: training step that they are from.
        episodes: games in all.
        first: the number of the first that is played, from 0.
    """
    recorder = _Recorder(make_player)
    for game in play_episodes(env, recorder, run.seed, step, episodes, first):
        record = game_log.Record(
            run.game, weights, step, game.episode, game.seed, bytes(recorder.actions),
            game.score, game.frames,
        )  # fmt: skip
        game_log.append(table.path.with_name(game_log.NAME), record)
        table.append(game.row("final", weights, step))
        yield game


class _Recorder:
    """Makes players whose actions it keeps, those of the newest: 0 to 255 each."""

    def __init__(self, make_player: PlayerFactory) -> None:
        self._make_player = make_player
        self.actions: list[int] = []

    def __call__(self, generator: np.random.Generator) -> Player:
        player = self._make_player(generator)
        self.actions = []

        def play(observation: NDArray[Any]) -> int:
            action = player(observation)
            self.actions.append(action)
            return action

        return play


def play_steps(
    env: gym.Env[Any, Any],
    make_player: PlayerFactory,
    seed: int,
    step: int,
    steps: int,
    first: int = 0,
) -> Iterator[Game]:
    """The periodic protocol: as many games as fit into a number of steps (ledger row 24).

    The games are counted from ``first``. The last one is cut where the budget ends and then is
    not ``completed``.
    """
    episode = first
    while steps > 0:
        game_seed = episode_seed(seed, step, episode, periodic=True)
        game = play_game(env, make_player, episode, game_seed, steps)
        yield game
        steps -= game.steps
        episode += 1


def mean_score(games: list[Game]) -> float | None:
    """Mean over completed games; none if there is none (ledger row 24)."""
    scores = [game.score for game in games if game.completed]
    return float(np.mean(scores)) if scores else None


def final_returns(table: Path, weights: str, step: int) -> list[float]:
    """Raw returns of the final games recorded so far for the weights of one training step.

    Raises:
        RunDirectoryError: naming file and line, if the table is damaged.
    """
    return [
        row["return"]
        for row in records.read_rows(table, "kind", "weights", "step", "return")
        if (row["kind"], row["weights"], row["step"]) == ("final", weights, step)
    ]


def describe(game: str, env: gym.Env[Any, Any]) -> dict[str, Any]:
    """Provenance of a run on an Atari game: that of the machine, the ROM and the actions."""
    found = provenance.collect()
    if hasattr(env.unwrapped, "ale"):
        from wrappers.roms import rom_path

        found["rom_md5"] = provenance.md5(rom_path(game))
        found["actions"] = env.get_wrapper_attr("get_action_meanings")()
    return found


def summary(scores: list[float]) -> dict[str, Any]:
    """Mean and sample standard deviation of scores, as done.json keeps them."""
    return {
        "episodes": len(scores),
        "mean_return": float(np.mean(scores)),
        "sd_return": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
    }
